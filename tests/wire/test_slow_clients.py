"""Clients that are slow, silent or many: none of them keeps a thread, or another client, waiting."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from installation import Connected, Installation, held
from postgres_server import free_port
from scim_client import ERROR_URN, MEDIA_TYPE, ScimClient, assert_scim_error
from scimlite.admin import overview
from slow_clients import head, opened
from worker_sockets import clients, workers

ROOT = Path(__file__).parent.parent.parent
MAX_BODY = 256 * 1024
SETTINGS = {
    "HEADER_TIMEOUT": "1",
    "BODY_TIMEOUT": "1.5",
    "QUEUE_TIMEOUT": "1",
    "MAX_BODY": str(MAX_BODY),
    # So that writes to what is held keep the threads of an app.
    "MAX_WAITERS": "16",
}

USER = b'{"userName": "slow"}'


def answer_of(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head and the body of what comes until the server ends the connection."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    first, _, rest = received.partition(b"\r\n\r\n")
    return first, rest


def assert_refused(connection: socket.socket, status: int) -> None:
    first, body = answer_of(connection)
    assert first.startswith(f"HTTP/1.1 {status} ".encode()), first
    assert b"Connection: close" in first
    assert f"Content-Type: {MEDIA_TYPE}".encode() in first
    error = json.loads(body)
    assert (error["schemas"], error["status"]) == ([ERROR_URN], str(status))


def seconds_of(client: ScimClient) -> float:
    started = time.monotonic()
    client.another().get("/Users?count=1").ok(200)
    return time.monotonic() - started


def test_clients_without_a_token_stop_nobody(app: Connected) -> None:
    halves = [b"G", b"GET /scim/v2/x/Users HTT", b"POST /scim/v2/x/Users HTTP/1.1\r\nHost: x\r\n"]
    with ExitStack() as stack:
        stack.enter_context(opened(app, 20))
        slow = [each for half in halves for each in stack.enter_context(opened(app, 15, half))]
        assert max(seconds_of(app.client) for _ in range(6)) < 1
        for connection in slow:
            assert_refused(connection, 408)


def test_slow_bodies_stop_nobody(app: Connected) -> None:
    bodies = [
        ("Content-Length: 1000", USER),
        ("Content-Length: 20", b""),
        ("Transfer-Encoding: chunked", b"14\r\n" + USER + b"\r\n"),
        ("Transfer-Encoding: chunked", b"fff\r\n" + USER),
    ]
    expecting = head(app, "Content-Length: 20", "Expect: 100-continue")
    with ExitStack() as stack:
        slow = [each for line, body in bodies for each in stack.enter_context(opened(app, 6, head(app, line), body))]
        told = stack.enter_context(opened(app, 6, expecting))
        # What is large has longer, by its size.
        stack.enter_context(opened(app, 3, head(app, f"Content-Length: {MAX_BODY}"), b" " * 200_000))
        assert max(seconds_of(app.client) for _ in range(6)) < 1
        for connection in told:
            assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for connection in (*slow, *told):
            assert_refused(connection, 408)
    assert app.client.find("Users")["totalResults"] == 0


def test_a_body_in_small_parts_is_taken_within_its_time(app: Connected) -> None:
    with opened(app, 1, head(app, f"Content-Length: {len(USER)}", "Connection: close")) as (connection,):
        for start in range(0, len(USER), 4):
            connection.sendall(USER[start : start + 4])
            time.sleep(0.05)
        assert answer_of(connection)[0].startswith(b"HTTP/1.1 201 ")
    with opened(app, 1, head(app, "Transfer-Encoding: chunked", "Connection: close")) as (connection,):
        for number in range(5):
            part = USER.replace(b"slow", b"chunk")[number * 5 : number * 5 + 5]
            connection.sendall(b"%x;part=%d\r\n%s\r\n" % (len(part), number, part))
            time.sleep(0.05)
        connection.sendall(b"0\r\nX-Trailer: 1\r\n\r\n")
        assert answer_of(connection)[0].startswith(b"HTTP/1.1 201 ")
    assert app.client.find("Users")["totalResults"] == 2


def test_more_large_bodies_than_there_is_room_for(app: Connected) -> None:
    """Four of the largest fit into a process; the slowest of the others are refused, and a quick one is taken."""
    with opened(app, 24, head(app, f"Content-Length: {MAX_BODY}"), b" " * 200_000) as slow:
        time.sleep(0.3)
        padded = b'{"userName": "quick"' + b" " * (MAX_BODY - 21) + b"}"
        assert app.client.post("/Users", raw=padded).status == 201
        refused = 0
        for connection in slow:
            connection.setblocking(False)
            with suppress(BlockingIOError):
                refused += connection.recv(4096).startswith(b"HTTP/1.1 503 ")
        assert refused >= 10


def test_a_body_above_the_limit_is_not_waited_for(app: Connected) -> None:
    with opened(app, 1, head(app, f"Content-Length: {MAX_BODY + 1}", "Expect: 100-continue")) as (connection,):
        assert_refused(connection, 413)


def test_clients_that_do_not_take_their_answers_stop_nobody(installation: Installation, app: Connected) -> None:
    for number in range(120):
        app.client.user(f"u{number}", title="x" * 30_000).ok(201)
    path = urllib.parse.urlsplit(app.client.base).path
    request = f"GET {path}/Users?count=120 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {app.text}\r\n\r\n".encode()
    other = installation.app()
    with opened(app, 10, request):
        time.sleep(0.3)
        assert max(seconds_of(other.client) for _ in range(4)) < 1
    # Who takes it slowly, but takes it, gets all of it.
    with opened(app, 1, request.replace(b"Host: x", b"Host: x\r\nConnection: close")) as (connection,):
        first, body = answer_of(connection)
        assert len(json.loads(body)["Resources"]) == 120, first


@pytest.mark.parametrize("buffered", [True, False])
def test_slow_clients_behind_caddy(installation: Installation, app: Connected, tmp_path: Path, buffered: bool) -> None:
    """The configuration of docs/operate.md, and the same without its buffers."""
    if shutil.which("caddy") is None:
        pytest.skip("caddy is not installed")
    (text,) = re.findall(r"```caddyfile\n(.*?)```", (ROOT / "docs" / "operate.md").read_text(), re.DOTALL)
    assert "request_buffers 16MiB" in text
    version = re.search(r"(\d+)\.(\d+)", subprocess.run(["caddy", "version"], capture_output=True, text=True).stdout)
    if not buffered or version is None:
        text = text.replace("request_buffers 16MiB", "")
    elif (int(version[1]), int(version[2])) < (2, 7):
        text = text.replace("request_buffers 16MiB", "buffer_requests")
    port = free_port()
    text = text.replace("scim.example.com", f"http://127.0.0.1:{port}").replace(
        "127.0.0.1:8000", urllib.parse.urlsplit(installation.url).netloc
    )
    (tmp_path / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    process = subprocess.Popen(
        ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 20
        client = installation.client(app.slug, app.text, f"http://127.0.0.1:{port}")
        while True:
            try:
                client.get("/Users").ok(200)
                break
            except ConnectionError:
                assert time.monotonic() < until
                time.sleep(0.05)
        behind = Connected(app.slug, client, app.token, app.text)
        with opened(behind, 24, head(app, "Content-Length: 1000"), USER):
            time.sleep(0.2)
            assert max(seconds_of(client) for _ in range(6)) < 1
            assert max(seconds_of(app.client) for _ in range(6)) < 1
    finally:
        process.terminate()
        process.wait(10)


def test_one_app_has_only_a_share_of_the_threads(installation: Installation, app: Connected) -> None:
    service = installation.start(workers=2, threads=4)
    client = installation.client(app.slug, app.text, service.url)
    other = installation.app()
    others = installation.client(other.slug, other.text, service.url)
    others.user("there").ok(201)
    users = [client.user(f"u{number}").ok(201).id for number in range(14)]

    def write(id: str) -> int:
        answer = client.another().patch(f"/Users/{id}", {"op": "add", "path": "title", "value": "x"})
        if answer.status == 429:
            assert_scim_error(answer, 429)
            assert int(answer.headers["retry-after"]) > 0
        return answer.status

    with ThreadPoolExecutor(14) as pool, held(installation):
        written = [pool.submit(write, id) for id in users]
        time.sleep(0.2)
        assert max(seconds_of(others) for _ in range(8)) < 1
        # The first to end are those that waited in vain for a thread.
        assert next(as_completed(written)).result() == 429
    statuses = [each.result() for each in written]
    assert 429 in statuses
    assert set(statuses) <= {200, 204, 429, 503}
    service.stop()
    # A process writes its counts at its end.
    assert overview.details(installation.db, app.slug).turned_away == statuses.count(429)
    assert overview.details(installation.db, other.slug).turned_away == 0


def test_a_burst_of_connections_of_one_app_does_not_come_first(installation: Installation, app: Connected) -> None:
    """They come before the other app's in the kernel's queue, and its turn comes all the same."""
    other = installation.app("Other")
    service = installation.service
    assert service is not None
    stopped = workers(service.pid)
    body = [f"Content-Length: {len(USER)}", "Connection: close"]
    with ExitStack() as stack:
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            many = stack.enter_context(opened(app, 300, head(app, *body), USER))
            (one,) = stack.enter_context(opened(other, 1, head(other, *body), USER))
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        one.settimeout(30)
        assert answer_of(one)[0].startswith(b"HTTP/1.1 201 ")
        ready, _, _ = select.select(many, [], [], 0)
        assert len(ready) < 200
        for connection in many:
            connection.settimeout(30)
            answer_of(connection)


def test_connections_are_spread_over_the_workers(installation: Installation, app: Connected) -> None:
    service = installation.start(workers=2, threads=2)
    port = urllib.parse.urlsplit(service.url).port or 0
    client = installation.client(app.slug, app.text, service.url)
    while len(workers(service.pid)) < 2:
        time.sleep(0.01)
    one, two = workers(service.pid)
    kept = [client.another() for _ in range(6)]
    for each in kept:
        each.get("/Users?count=1").ok(200)
    first, second = clients(one, port), clients(two, port)
    assert (len(first) + len(second), max(len(first), len(second)) <= 4) == (6, True)
    # The clients of one worker go: some of the others move, each after an answer.
    for each in [each for each in kept if each.port in first]:
        each.close()
        kept.remove(each)
    until = time.monotonic() + 10
    while len(clients(two, port)) - len(clients(one, port)) > 1:
        assert time.monotonic() < until, (clients(one, port), clients(two, port))
        for each in kept:
            each.get("/Users?count=1").ok(200)
        time.sleep(0.05)
    service.stop()

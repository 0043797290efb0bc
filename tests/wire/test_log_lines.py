"""The line of a request: the client's address, its trace, and the form of JSON; and how an outage is told."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from installation import Connected, Installation, held
from live_service import LiveService
from scim_client import assert_scim_error, send_raw
from scimlite.web.scim import outage

SETTINGS = {"TRUSTED_PROXIES": "::ffff:127.0.0.1,10.0.0.0/8", "BUSY_TIMEOUT": "0.2"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def line_of(log: Path, request_id: str) -> str:
    """The line of a request."""
    (line,) = (line for line in log.read_text().splitlines() if request_id in line)
    return line


def fields_of(line: str) -> dict[str, str]:
    """The fields of a line by name."""
    return dict(part.split("=", 1) for part in line.split(" ")[3:])


@pytest.fixture
def ask(installation: Installation, app: Connected) -> Callable[..., dict[str, str]]:
    """Sends a GET with some headers, and gives the fields of its line."""

    def send(**headers: str) -> dict[str, str]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = app.client.get("/Users", headers=given)
        assert installation.service is not None
        return fields_of(line_of(installation.service.log, answer.headers["x-request-id"]))

    return send


def test_the_fields_of_a_line(ask: Callable[..., dict[str, str]], app: Connected) -> None:
    fields = ask()
    assert list(fields) == ["request", "app", "method", "route", "status", "ms", "client"]
    assert (fields["app"], fields["method"], fields["status"]) == (app.slug, "GET", "200")
    assert fields["route"] == "/scim/v2/<slug>/<endpoint>"


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:5678", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8::0:7", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("fe80::7%eth0", "fe80::7"),
        # What the client itself claims stands before what the proxies added.
        ("198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
        ("10.1.2.4, 10.1.2.3", "10.1.2.4"),
        ("cli:root, 10.1.2.3", "10.1.2.3"),
        ("cli:root status=200", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_client_is_the_one_behind_the_trusted_proxies(
    ask: Callable[..., dict[str, str]], header: str, client: str
) -> None:
    assert ask(X_Forwarded_For=header)["client"] == client


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"01-{TRACE}-00f067aa0ba902b7-01-what-comes", TRACE),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}", None),
        ("alice", None),
    ],
)
def test_a_trace_is_in_the_line(ask: Callable[..., dict[str, str]], header: str, trace: str | None) -> None:
    assert ask(traceparent=header).get("trace") == trace


def test_the_line_of_a_refused_token_ends_in_its_cause(installation: Installation, app: Connected) -> None:
    answer = installation.client(app.slug, "garbage").get("/Users", headers={"X-Forwarded-For": "192.0.2.66"})
    assert_scim_error(answer, 401)
    assert installation.service is not None
    line = line_of(installation.service.log, answer.headers["x-request-id"])
    assert line.endswith(" client=192.0.2.66 token=malformed")


def test_a_request_that_no_thread_looks_at_has_the_fields_that_are_known(
    installation: Installation, app: Connected
) -> None:
    service = installation.start(
        workers=1, threads=2, HEADER_TIMEOUT="0.5", BODY_TIMEOUT="0.5", QUEUE_TIMEOUT="0.5", BUSY_TIMEOUT="9"
    )
    client = installation.client(app.slug, app.text, service.url)
    made = client.user("held").ok(201)
    forwarded = {"X-Forwarded-For": "198.51.100.1, 192.0.2.7"}
    already = len(service.log.read_text())
    half = "Host: a\r\nX-Forwarded-For: 192.0.2.8\r\nX-Forwarded-For: 10.0.0.1\r\n"
    for slug, end in (
        (app.slug, "Content-Length: 9\r\n\r\n{"),
        ("of-nobody", "Content-Length: 9\r\n\r\n{"),
        (app.slug, ""),
    ):
        answer = send_raw(service.url, f"POST /scim/v2/{slug}/Users HTTP/1.1\r\n{half}{end}".encode())
        assert answer.startswith(b"HTTP/1.1 408 ")
    with ThreadPoolExecutor(4) as pool, held(installation):
        change = {"op": "add", "path": "title", "value": "x"}
        sent = [pool.submit(client.another().patch, f"/Users/{made.id}", change, headers=forwarded) for _ in range(4)]
        late = next(each.result() for each in as_completed(sent, timeout=20))
    lines = service.log.read_text()[already:]
    slow = [fields_of(line) for line in lines.splitlines() if " status=408 " in line]
    assert [(each["app"], each["method"], each["client"]) for each in slow] == [
        (app.slug, "POST", "192.0.2.8"),
        # What may be any text is not shown, and the URL of a head that is not whole is not read.
        ("-", "POST", "192.0.2.8"),
        ("-", "POST", "192.0.2.8"),
    ]
    assert min(float(each["ms"]) for each in slow) > 400
    turned_away = fields_of(line_of(service.log, late.headers["x-request-id"]))
    assert (turned_away["app"], turned_away["method"], turned_away["client"]) == (app.slug, "PATCH", "192.0.2.7")
    assert (late.status, float(turned_away["ms"]) > 400) == (429, True)


def test_a_method_that_is_no_word_is_not_in_the_line(installation: Installation, app: Connected) -> None:
    already = len(installation.log())
    for method in ("SCIMLITE_SECRET", "BREW"):
        send_raw(
            installation.url,
            f"{method} /scim/v2/{app.slug}/Users HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(),
        )
    lines = installation.log()[already:]
    assert "SECRET" not in lines
    assert re.findall(r"method=(\S+)", lines) == ["-", "BREW"]


# --- Host ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"scim.example.com", 200),
        (b"scim_service:8000", 200),
        (b"[2001:db8::1]:8000", 200),
        (b"192.0.2.1:80", 200),
        (b"", 400),
        (b":8000", 400),
        (b"a b", 400),
        (b"a/b", 400),
        (b"a?b", 400),
        (b"user@example.com", 400),
        (b'"><script>', 400),
        (b"example.com:http", 400),
        (b"example.com:80:80", 400),
        (b"ex\xc3\xa4mple.com", 400),
        (b"[::1", 400),
    ],
)
def test_a_host_that_is_none_is_refused(installation: Installation, app: Connected, host: bytes, status: int) -> None:
    for path in (f"/scim/v2/{app.slug}/ServiceProviderConfig", "/"):
        head = f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {app.text}\r\nConnection: close\r\nHost: ".encode()
        answer = send_raw(installation.url, head + host + b"\r\n\r\n")
        assert int(answer.split(b" ")[1]) == status, (path, answer)
        assert status == 200 or not host or host not in answer


# --- JSON ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def json_service(installation: Installation) -> LiveService:
    """A second service, which logs in JSON."""
    _ = installation.service or installation.start()
    return installation.start(workers=1, LOG="json")


def json_lines(service: LiveService) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def test_json_has_the_fields_of_the_line(installation: Installation, app: Connected, json_service: LiveService) -> None:
    client = installation.client(app.slug, "garbage", json_service.url)
    answer = client.get("/Users", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert_scim_error(answer, 401)
    # Every line is an object, those of the web server too.
    lines = json_lines(json_service)
    assert any(line.get("message", "").startswith("Listening at: ") for line in lines)
    (line,) = (line for line in lines if line.get("request") == answer.headers["x-request-id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert isinstance(line.pop("ms"), float)
    assert line == {
        "level": "INFO",
        "request": answer.headers["x-request-id"],
        "app": app.slug,
        "method": "GET",
        "route": "/scim/v2/<slug>/<endpoint>",
        "status": 401,
        "client": "127.0.0.1",
        "trace": TRACE,
        "token": "malformed",
    }


# --- an outage ----------------------------------------------------------------------------------------------------


@contextmanager
def locked(installation: Installation) -> Iterator[None]:
    """Nobody else can write to the database meanwhile."""
    connection = installation.db.peewee.connection() if installation.kind == "sqlite" else None
    statement = "BEGIN IMMEDIATE" if connection else "BEGIN; LOCK TABLE resource IN ACCESS EXCLUSIVE MODE"
    installation.db.peewee.execute_sql(statement)
    try:
        yield
    finally:
        installation.db.peewee.execute_sql("ROLLBACK")


def test_an_outage_is_one_line_and_its_end_another(
    installation: Installation, app: Connected, json_service: LiveService
) -> None:
    client = installation.client(app.slug, app.text, json_service.url)
    already = len(json_lines(json_service))
    with locked(installation):
        refused = [client.user(f"u{number}") for number in range(4)]
    assert [answer.status for answer in refused] == [503] * 4
    client.user("soon").ok(201)
    time.sleep(outage.OVER_AFTER)
    client.user("later").ok(201)
    lines = json_lines(json_service)[already:]
    # Without what else finds the database locked, such as the housekeeping.
    told = [line for line in lines if line.get("message", "").startswith("database")]
    # One line for each cause: what the request itself waited for, and that others wait already.
    causes = [line["message"].split(": ")[-1] for line in told[:-1]]
    assert len(causes) == len(set(causes)) <= 2, causes
    assert [line["level"] for line in told] == ["ERROR"] * len(causes) + ["WARNING"]
    assert told[0]["request"] == refused[0].headers["x-request-id"]
    assert re.match(r"database unavailable since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: .+", told[0]["message"])
    assert re.match(r"database available again after \d+ s: 4 requests were answered with 503$", told[-1]["message"])
    assert [line["status"] for line in lines if "status" in line] == [503] * 4 + [201] * 2


def test_a_long_outage_is_told_each_minute(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    seen = outage.Outage()
    for _ in range(130):
        seen.note_failure("0123456789abcdef", "it is busy")
        # Another request is answered in between.
        seen.note_success()
        now[0] += 1
    assert len(caplog.messages) == 3
    assert caplog.messages[2].endswith(": 121 requests were answered with 503")
    seen.note_failure("0123456789abcdef", "the disk is full")
    assert caplog.messages[3].endswith(": the disk is full")
    now[0] += outage.OVER_AFTER
    seen.note_success()
    seen.note_success()
    assert len(caplog.messages) == 5

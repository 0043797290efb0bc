"""The log of the service: whoever speaks, no line holds a secret or a value."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Commands
from installation import Connected, Installation
from live_service import LiveService
from postgres_server import free_port
from scim_client import ScimClient, send_raw

#: A service whose receiver of signals, and the libraries that it uses, talk about a user in every way there is.
TALKATIVE = """
import logging, sys, threading, traceback, warnings
from scimlite import signals

def tell(slug, profile, **_):
    name = profile["userName"]
    logging.getLogger("a.library").error("no seat for %r", name)
    logging.getLogger("a.library").warning("GET /seats?name=%s of x", name)
    warnings.warn(f"{name!r} is deprecated")
    print(f"printed '{name}'", file=sys.stderr)
    try:
        int(name)
    except ValueError:
        traceback.print_exc()
        logging.getLogger("a.library").exception("failed")
    thread = threading.Thread(target=fail, args=(name,))
    thread.start()
    thread.join()
    fail(name)

def fail(name):
    raise ValueError(f"no seat could be had for {name} today")

signals.user_created.connect(tell)
from scimlite_cli.main import main
main()
"""


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Commands, str, Path]]:
    """The commands of a service that runs TALKATIVE, its address and its log."""
    folder = tmp_path_factory.mktemp("talkative")
    commands = Commands({"SCIMLITE_STATE_DIR": str(folder / "state")})
    commands.ok("app", "create", "Entra ID")
    port = free_port()
    log = folder / "log"
    command = [sys.executable, "-c", TALKATIVE, "serve", "--port", str(port), "--workers", "1"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=commands.environ(), stdout=output, stderr=subprocess.STDOUT)
    service = LiveService(url=f"http://127.0.0.1:{port}", pid=process.pid, log=log, process=process)
    try:
        service._wait()
        yield commands, service.url, log
    finally:
        process.terminate()
        process.wait(timeout=20)


def lines_about(log: Path, *texts: str) -> list[str]:
    """The lines of a log, once it holds every text."""
    deadline = time.monotonic() + 10
    while not all(text in (content := log.read_text()) for text in texts):
        assert time.monotonic() < deadline, (texts, content)
        time.sleep(0.05)
    return content.splitlines()


def test_whoever_speaks_names_no_value(talkative: tuple[Commands, str, Path]) -> None:
    commands, url, log = talkative
    token = commands.ok("token", "show", "entra-id").strip()
    ScimClient(f"{url}/scim/v2/entra-id", token).user("Alice-4711-Ash").ok(201)
    lines = lines_about(log, "tell failed")
    assert [line for line in lines if "4711" in line] == []
    told = [line.split(" ", 2)[2] for line in lines if line.startswith("20")]
    assert "ERROR no seat for '…'" in told
    assert "WARNING GET /seats?…" in told
    assert any(line.startswith("WARNING") and "UserWarning: '…'" in line for line in told)
    assert "WARNING printed '…'" in told
    assert "CRITICAL ValueError was not caught" in told
    assert lines.count("ValueError: no seat could be had for … today") == 2
    assert lines.count("ValueError: invalid literal for int() with base 10: '…'") == 1
    # The one that the library printed: a text, of which the name of the exception stays.
    assert lines.count("ValueError: …") == 1


def malformed(token: str) -> list[bytes]:
    get = b"GET /scim/v2/x/Users"
    version = b" HTTP/1.1\r\nHost: a\r\n"
    secret = token.encode()
    return [
        get + version + b"Authorization Bearer " + secret + b"\r\n\r\n",
        get + version + b"Authorization : Bearer " + secret + b"\r\n\r\n",
        get + version + b"Bearer " + secret + b": x\r\n\r\n",
        get + version + b" Authorization: Bearer " + secret + b"\r\n\r\n",
        get + version + b"X: 1\r\n Bearer " + secret + b"\r\n\r\n",
        get + version + b"Transfer-Encoding: " + secret + b"\r\n\r\n",
        get + version + b"Content-Length: " + secret + b"\r\n\r\n",
        get + version + b"Expect: " + secret + b"\r\n\r\n",
        get + version + b"Transfer-Encoding: chunked\r\n\r\n" + secret + b"\r\n",
        get + b'?filter=userName eq "4711-secret"' + version + b"\r\n",
        get + b"?filter=userName%20eq%20'4711-secret' it's 4711-secret" + version + b"\r\n",
        secret + b" /scim/v2/x/Users HTTP/1.1\r\n\r\n",
        get + b" " + secret + b"\r\n\r\n",
        secret + b"\r\n\r\n",
        b"GET /" + secret + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        get + version + b"X-Token: " + secret * 200 + b"\r\n\r\n",
    ]


def test_what_the_server_cannot_read_is_not_quoted(installation: Installation, app: Connected) -> None:
    already = len(installation.log())
    for request in malformed(app.text):
        send_raw(installation.url, request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), timeout=10)
    lines = installation.log()[already:]
    # What it is, and nothing of what came.
    for fault in ("InvalidHeader", "InvalidHTTPVersion"):
        assert f"is no request of HTTP: {fault}\n" in lines
    assert app.text[9:25] not in lines
    assert app.text[-20:] not in lines
    assert "4711-" not in lines

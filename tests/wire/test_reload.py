"""Workers and masters that are replaced while others go on with the same listening socket: nobody is shut out."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from installation import Connected, Installation
from live_service import LiveService
from scim_client import ScimClient
from worker_sockets import workers

#: It ends the workers of the service.
OWN_SERVICE = True

#: Runs a command with another descriptor as its listening socket, which is number 3, as systemd does.
ACTIVATED = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@contextmanager
def asked(client: ScimClient) -> Iterator[None]:
    """Asks with new connections all the time; every request is answered."""
    until: list[float] = []
    errors: list[Exception] = []

    def ask() -> None:
        while not until:
            try:
                client.get("/Users?count=1").ok(200)
                client.close()
            except Exception as error:
                errors.append(error)
                return

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        until.append(0)
        thread.join(30)
    assert errors == []


def eventually(look: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until
        time.sleep(0.05)


def reload_all(service: LiveService) -> None:
    service.process.send_signal(signal.SIGHUP)


def end_one(service: LiveService) -> None:
    os.kill(workers(service.pid)[0], signal.SIGTERM)


@pytest.mark.parametrize("replace", [reload_all, end_one])
def test_new_workers_get_the_connections(
    installation: Installation, app: Connected, replace: Callable[[LiveService], None]
) -> None:
    service = installation.start(workers=2)
    client = installation.client(app.slug, app.text, service.url)
    before = workers(service.pid)
    gone = before if replace is reload_all else before[:1]
    with asked(client):
        replace(service)
        eventually(lambda: not set(gone) & set(workers(service.pid)) and len(workers(service.pid)) == 2)
        time.sleep(0.5)
    # With new connections, which only the new workers can take.
    for _ in range(10):
        client.another().get("/Users?count=1").ok(200)


def test_a_second_master_takes_over(installation: Installation, app: Connected) -> None:
    service = installation.start(workers=1)
    client = installation.client(app.slug, app.text, service.url)
    (old,) = workers(service.pid)
    service.process.send_signal(signal.SIGUSR2)
    eventually(lambda: len(workers(service.pid)) == 2)
    (new,) = {*workers(service.pid)} - {old}
    try:
        eventually(lambda: len(workers(new)) == 1)
        with asked(client):
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(20) == 0
            time.sleep(0.5)
        for _ in range(5):
            client.another().get("/Users?count=1").ok(200)
    finally:
        os.kill(new, signal.SIGTERM)
        eventually(lambda: not Path(f"/proc/{new}").exists())


def test_a_socket_of_systemd_is_there_for_the_next_service(installation: Installation, app: Connected) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = installation.client(app.slug, app.text, url)
        for _ in range(2):
            process = _activated(installation, listener)
            try:
                # What comes before the service is there waits in the socket's queue.
                client.another().get("/Users?count=1").ok(200)
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0


def _activated(installation: Installation, listener: socket.socket) -> subprocess.Popen[bytes]:
    number = listener.fileno()
    return subprocess.Popen(
        [sys.executable, "-c", ACTIVATED, str(number), str(Path(sys.executable).with_name("scimlite")), "serve"],
        env={**os.environ, "SCIMLITE_DRAIN_SECONDS": "0", **installation.env, "LISTEN_FDS": "1"},
        cwd=installation.folder,
        pass_fds=(number,),
        stderr=subprocess.DEVNULL,
    )

"""`scimlite serve`: where it listens, what it says when it cannot, and the address that the commands know."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from commands import COMMAND, Commands
from live_service import LiveService
from postgres_server import free_port
from scimlite.config import Settings
from scimlite.service_address import DEFAULT_URL, current, forget, remember
from scimlite_cli.kit import listener
from scimlite_cli.server.application import Application


@pytest.fixture
def commands(tmp_path):
    """The commands on a SQLite database in the state folder, without any address in the settings."""
    return Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})


@contextmanager
def served(commands, tmp_path, *arguments):
    """A service with one worker on a free port."""
    service = LiveService.start(commands.env, *arguments, workers=1, threads=2, folder=tmp_path)
    try:
        yield service
    finally:
        service.stop()
        service.assert_no_traceback()


@contextmanager
def listening(host="127.0.0.1", family=socket.AF_INET):
    """A port that is in use."""
    with socket.socket(family) as taken:
        taken.bind((host, 0))
        taken.listen()
        yield taken.getsockname()[1]


def one_sentence(ran):
    """The only line on stderr of a command that fails and prints nothing else."""
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: ")
    assert ran.err.count("\n") == 1
    return ran.err.removeprefix("Error: ").rstrip("\n")


def state_files(commands):
    folder = Path(commands.env["SCIMLITE_STATE_DIR"])
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else None


# --- what it says when it cannot listen ---------------------------------------------------------------------------


def test_a_port_that_is_in_use_is_one_sentence_with_a_port_that_is_free(commands):
    with listening() as port:
        said = one_sentence(commands.process("serve", "--port", str(port)))
    assert said.startswith(f"Port {port} is in use; try --port ")
    advised = int(said.removesuffix(".").split()[-1])
    listener.bound("127.0.0.1", advised).close()
    # Nothing was made, and no address was written down.
    assert state_files(commands) is None


def test_the_next_port_is_passed_over_when_it_is_in_use_as_well():
    with listening() as port, socket.socket() as next_one:
        try:
            next_one.bind(("127.0.0.1", port + 1))
        except OSError:
            pytest.skip(f"port {port + 1} of this machine is in use")
        next_one.listen()
        message = listener.refusal("127.0.0.1", port, OSError(98, "Address already in use")).message
    assert f"--port {port + 1}." not in message
    assert "try --port " in message


def test_the_last_port_of_all_has_a_free_one_below_it():
    assert "try --port 8" in listener.refusal("127.0.0.1", 65535, OSError(98, "Address already in use")).message


@pytest.mark.parametrize("host", ["nosuch.invalid", "", "a..b", "x" * 70, "300.1.1.1.1"])
def test_an_unknown_host(commands, host):
    assert one_sentence(commands.process("serve", "--host", host)).startswith(f"The host {host!r} is not known here")
    assert state_files(commands) is None


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "[2001:db8::1]"])
def test_an_address_of_another_machine(commands, host):
    assert "is no address of this machine" in one_sentence(commands.process("serve", "--host", host))


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_a_port_that_is_none(commands, port):
    assert "'--port'" in commands.fails("serve", "--port", port, code=2)


def test_a_port_for_which_the_user_has_no_right(commands):
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first <= 80:
        pytest.skip("every user of this machine may listen on port 80")
    command = [COMMAND, "serve", "--port", "80"]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-net_bind_service", *command]
    ran = subprocess.run(command, env=commands.environ(), capture_output=True, text=True, timeout=60, check=False)
    assert "Port 80 is not for this user" in ran.stderr


def test_the_words_for_a_port_without_right():
    assert "try --port 8080" in listener.refusal("127.0.0.1", 80, OSError(13, "Permission denied")).message


# --- the address that the commands know ---------------------------------------------------------------------------


def test_the_address_is_known_while_the_service_runs(commands, tmp_path):
    made = commands.json("app", "create", "Entra ID")
    assert (made["base_url"].removesuffix("/scim/v2/entra-id"), made["listening"]) == (DEFAULT_URL, False)
    with served(commands, tmp_path) as service:
        shown = commands.json("app", "show", "entra-id")
        assert (shown["base_url"], shown["listening"]) == (f"{service.url}/scim/v2/entra-id", True)
        assert "nothing listens here" not in commands.ok("app", "show", "entra-id")
        # A start that fails changes nothing.
        port = service.url.rsplit(":", 1)[1]
        assert "in use" in commands.process("serve", "--port", port).err
        assert "no address" in commands.process("serve", "--host", "192.0.2.1").err
        assert f"{service.url}/scim/v2/entra-id\n" in commands.run("token", "show", "entra-id").stderr
        assert "Entra ID can connect now." in commands.run("token", "show", "entra-id").stderr
    shown = commands.json("app", "show", "entra-id")
    assert (shown["base_url"], shown["listening"]) == (f"{DEFAULT_URL}/scim/v2/entra-id", False)
    for command in (("app", "show", "entra-id"), ("token", "show", "entra-id"), ("app", "create", "Okta")):
        result = commands.run(*command)
        assert "(nothing listens here)" in result.output, command
        assert "can connect now" not in result.output


def test_a_service_that_was_killed_listens_no_more(commands, tmp_path):
    commands.ok("app", "create", "Entra ID")
    with served(commands, tmp_path) as service:
        os.killpg(service.pid, signal.SIGKILL)
        service.process.wait()
        _wait_for_the_end_of_a_group(service.pid)
        shown = commands.json("app", "show", "entra-id")
        assert (shown["base_url"], shown["listening"]) == (f"{service.url}/scim/v2/entra-id", False)
    with served(commands, tmp_path) as next_one:
        assert commands.json("app", "show", "entra-id")["base_url"].startswith(next_one.url)
        # The address of the killed one is gone.
        assert (tmp_path / "state" / "server-url").read_text() == f"{next_one.url} {next_one.pid}\n"


def _wait_for_the_end_of_a_group(group: int) -> None:
    """Workers that were killed with their server end when the machine has time for it."""
    end = time.monotonic() + 10
    with suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(group, 0)
            time.sleep(0.02)


def test_of_two_services_the_newest_that_runs_is_shown(commands, tmp_path):
    commands.ok("app", "create", "Entra ID")
    with served(commands, tmp_path) as first:
        with served(commands, tmp_path) as second:
            assert commands.json("app", "show", "entra-id")["base_url"].startswith(second.url)
        assert commands.json("app", "show", "entra-id")["base_url"].startswith(first.url)


def test_addresses_are_those_of_this_process(tmp_path):
    with listening() as port:
        url = f"http://127.0.0.1:{port}"
        remember(tmp_path, url)
        assert current(tmp_path).url == url
        (tmp_path / "server-url").write_text(f"{url} {os.getpid() + 1}\n")
        forget(tmp_path, url)
        assert current(tmp_path).url == url


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\n"])
def test_a_file_without_an_address_is_as_none(tmp_path, content):
    (tmp_path / "server-url").write_bytes(content)
    assert current(tmp_path).url == DEFAULT_URL


def test_a_file_of_an_earlier_version_has_no_process(tmp_path):
    (tmp_path / "server-url").write_text("http://127.0.0.1:9\n")
    address = current(tmp_path)
    assert (address.url, address.listening) == ("http://127.0.0.1:9", False)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("[::]", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_the_address_at_which_this_machine_reaches_the_service(host, url):
    assert listener.url_of(host, 8000) == url


# --- the first app ------------------------------------------------------------------------------------------------


def test_first_app_shows_the_address_at_every_start_and_the_token_once(commands, tmp_path):
    with served(commands, tmp_path, "--first-app", "Okta") as service:
        log = service.log.read_text()
        token = commands.ok("token", "show", "okta").strip()
        assert f"SCIM connector base URL  {service.url}/scim/v2/okta\n" in log
        assert token in log
        # It comes once the service can answer.
        assert log.index("Listening at") < log.index("Okta can connect now.")
    shown = [row["action"] for row in map(json.loads, commands.ok("report", "--json").splitlines())]
    with served(commands, tmp_path, "--first-app", "Okta") as service:
        log = service.log.read_text()
        assert f"SCIM connector base URL  {service.url}/scim/v2/okta\n" in log
        assert "scimlite token show okta" in log
        assert token not in log
    # A start shows no token, and says in the report that it showed none.
    again = [row["action"] for row in map(json.loads, commands.ok("report", "--json").splitlines())]
    # Nobody has used the sign-in link of the first start, so there is another one.
    assert again.count("link_made") == 2
    assert [action for action in again if action != "link_made"] == [a for a in shown if a != "link_made"]


def test_a_service_that_cannot_start_does_not_say_that_it_can_be_connected(commands, tmp_path):
    state = tmp_path / "no folder"
    state.write_text("")
    ran = commands.process("serve", "--first-app", "Okta", "--port", str(free_port()), SCIMLITE_STATE_DIR=str(state))
    assert ran.code == 1
    assert "can connect" not in ran.out + ran.err


#: The service of a machine without any folder for temporary files.
WITHOUT_TEMPORARY_FOLDER = """
import tempfile
tempfile._candidate_tempdir_list = lambda: ["/nonexistent"]
from scimlite_cli.main import main
main()
"""

#: The service of a machine on which a worker takes half a second until it listens to signals.
WITH_SLOW_WORKERS = """
import time
from scimlite_cli.main import main
from scimlite_cli.server.worker import Worker
begin = Worker.init_signals
Worker.init_signals = lambda worker: (time.sleep(0.5), begin(worker))
main()
"""


@contextmanager
def connectable(commands, program, log):
    """The process of `scimlite serve`, run by a program, as soon as it says that it can be connected."""
    command = [sys.executable, "-c", program, "serve", "--port", str(free_port()), "--first-app", "Okta"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=commands.environ(), stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while "can connect now" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_workers_need_no_temporary_folder(commands, tmp_path):
    log = tmp_path / "log"
    with connectable(commands, WITHOUT_TEMPORARY_FOLDER, log):
        pass
    assert "Traceback" not in log.read_text()
    # gunicorn removes the files' names at once.
    assert not [name for name in state_files(commands) if name.startswith("wgunicorn")]


def test_a_worker_that_has_only_just_begun_is_stopped_as_well(commands, tmp_path):
    with connectable(commands, WITH_SLOW_WORKERS, tmp_path / "log") as process:
        stopped = time.monotonic()
        process.terminate()
        process.wait(timeout=20)
    assert time.monotonic() - stopped < 10


def test_a_service_that_stops_waits_for_requests_as_long_as_they_may_take(settings_env):
    settings = Settings.from_environment(
        {**settings_env, "SCIMLITE_REQUEST_TIMEOUT": "40", "SCIMLITE_DRAIN_SECONDS": "2.5"}
    )
    assert Application(settings, {}).cfg.graceful_timeout > 40 + 2.5

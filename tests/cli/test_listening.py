"""Where `scimlite serve` listens, and with how many processes: options win over settings, and settings over PORT."""

import time
import urllib.request
from contextlib import contextmanager

import pytest

from commands import Commands
from postgres_server import free_port


@contextmanager
def service(commands, *options, **env):
    """A service in a process of its own, stopped at the end."""
    with commands.started("serve", *options, **env) as running:
        yield running


def answers(port):
    """True once the service answers on this port."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.1)
    return False


@pytest.fixture
def commands(tmp_path):
    return Commands({"SCIMLITE_STATE_DIR": str(tmp_path)})


@pytest.mark.parametrize("variable", ["SCIMLITE_PORT", "PORT"])
def test_the_port_comes_from_the_environment(commands, variable):
    port = str(free_port())
    with service(commands, **{variable: port, "SCIMLITE_WORKERS": "1", "SCIMLITE_THREADS": "2"}):
        assert answers(port)


def test_an_option_wins_over_the_environment(commands):
    port = str(free_port())
    with service(commands, "--port", port, "--host", "127.0.0.1", SCIMLITE_PORT="1", SCIMLITE_HOST="192.0.2.1"):
        assert answers(port)


@pytest.mark.parametrize("name", ["PORT", "SCIMLITE_PORT", "SCIMLITE_WORKERS", "SCIMLITE_THREADS", "SCIMLITE_HOST"])
def test_a_wrong_value_is_an_error_that_names_the_variable(commands, name, tmp_path):
    ran = commands.process("serve", **{name: "no such value"})
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"Error: {name} is ")
    assert not (tmp_path / "scimlite.db").exists()

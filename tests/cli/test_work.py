"""`scimlite work` and `serve --work`: events are delivered whatever is killed, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import Commands
from live_service import LiveService
from receiver import Receiver, Reply, receiving


def soon(condition: Callable[[], Any], seconds: float = 15) -> Any:
    """What the condition gives once it is true."""
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, "it did not come true"
        time.sleep(0.02)
    return found


def worker_of(pid: int) -> int | None:
    """The process that delivers for the service with this process id, also when that has ended."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if b"server.deliverer" in command and parent == pid:
                return int(entry.name)
    return None


def is_alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def prepared(settings_env: dict[str, str], receiver: Receiver) -> Commands:
    """An app with a webhook."""
    commands = Commands({**settings_env, "SCIMLITE_OUTBOUND_NETWORKS": "127.0.0.0/8"})
    commands("db", "upgrade").ok()
    commands("app", "create", "Acme").ok()
    commands("webhook", "add", receiver.url, "--app", "acme", "--name", "crm").ok()
    return commands


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_serve_has_a_worker_that_comes_back_and_goes_with_it(settings_env: dict[str, str], tmp_path: Path) -> None:
    with receiving() as receiver:
        commands = prepared(settings_env, receiver)
        service = LiveService.start(commands.env, "--work", workers=1, threads=1, folder=tmp_path)
        first = soon(lambda: worker_of(service.pid))
        # What the operator's release of a brake makes is an event of the app.
        commands("app", "release", "acme").ok()
        soon(lambda: receiver.confirmed)
        os.kill(first, signal.SIGKILL)
        began = time.monotonic()
        second = soon(lambda: (found := worker_of(service.pid)) != first and found)
        assert time.monotonic() - began < 2.5
        # The arbiter is killed: its workers notice, and the worker too.
        os.kill(service.pid, signal.SIGKILL)
        service.process.wait()
        soon(lambda: not is_alive(second))
        service.assert_no_traceback()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_commands_around_a_webhook(settings_env: dict[str, str]) -> None:
    with receiving() as receiver:
        commands = prepared(settings_env, receiver)
        (listed,) = commands("webhook", "list", "--json").ok().json_lines
        assert (listed["app"], listed["webhook"], listed["state"], listed["lag_seconds"]) == (
            "acme",
            "crm",
            "active",
            0,
        )
        tested = commands("webhook", "test", "--app", "acme", "--json").ok().json
        assert (tested["confirmed"], tested["status"]) == (True, 204)
        assert receiver.got[0].event["type"] == "feed.test"
        commands("app", "release", "acme").ok()
        commands("work", "--once").ok()
        assert [got.event["type"] for got in receiver.got] == ["feed.test", "app.released"]
        commands("webhook", "replay", "--app", "acme", "--since", "1h").ok()
        commands("work", "--once").ok()
        assert receiver.got[1].id == receiver.got[2].id
        commands("webhook", "edit", "crm", "--app", "acme", "--types", "user.created").ok()
        commands("app", "release", "acme").ok()
        commands("work", "--once").ok()
        assert len(receiver.got) == 3
        assert commands("webhook", "edit", "crm", "--app", "acme", "--types", "user.creatd").code == 1
        assert commands("webhook", "deliveries", "--app", "acme").ok().out == ""
        newer = Commands({**commands.env, "SCIMLITE_SECRET_KEY": f"{'n' * 40},{commands.env['SCIMLITE_SECRET_KEY']}"})
        assert " old (" in newer("webhook", "list").ok().out
        newest = Commands({**commands.env, "SCIMLITE_SECRET_KEY": "n" * 40})
        assert newest("webhook", "show", "--app", "acme", "--secret").code == 1
        secret = commands("webhook", "rotate", "--app", "acme").ok().out.strip()
        assert commands("webhook", "show", "--app", "acme", "--secret", "--json").ok().json["secret"] == secret
        assert commands("webhook", "add", receiver.url, "--app", "acme", "--name", "crm").code == 1
        commands("webhook", "pause", "--app", "acme").ok()
        commands("webhook", "resume", "--app", "acme").ok()
        commands("webhook", "remove", "--app", "acme", "--yes").ok()
        assert commands("webhook", "list").ok().out == ""
        commands("webhook", "add", receiver.url, "--app", "acme").ok()
        commands("app", "delete", "acme", "--yes").ok()
        commands("work", "--once").ok()
        assert "is well" in commands("check").ok().err


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_commands_around_security_event_tokens(settings_env: dict[str, str]) -> None:
    with receiving() as receiver:
        receiver.reply = lambda got: Reply(202)
        commands = prepared(settings_env, receiver)
        add = ("webhook", "add", receiver.url, "--app", "acme", "--name", "sets", "--format", "set")
        refused = commands(*add)
        assert (refused.code, "SCIMLITE_BASE_URL" in refused.err) == (1, True)
        commands.env["SCIMLITE_BASE_URL"] = "https://scim.example.com"
        keys = "https://scim.example.com/.well-known/jwks.json"
        assert commands(*add, "--session-revoked").ok().out.strip() == keys
        shown = commands("webhook", "show", "sets", "--app", "acme", "--json").ok().json
        assert (shown["format"], shown["session_revoked"], shown["jwks_uri"]) == ("set", True, keys)
        assert shown["issuer"] == "https://scim.example.com/scim/v2/acme"
        commands("webhook", "test", "sets", "--app", "acme").ok()
        assert receiver.got[-1].headers["content-type"] == "application/secevent+jwt"
        assert "has no secret" in commands("webhook", "rotate", "sets", "--app", "acme").err
        assert commands("webhook", "edit", "sets", "--app", "acme", "--types", "app.released").code == 1

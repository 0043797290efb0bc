"""Who acted is known by the way in, whatever a client or a command calls itself; 401s are counted by address."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from commands import Commands
from installation import Connected, Installation
from scim_client import assert_scim_error
from scimlite import clock
from scimlite.admin import apps, check_entries
from scimlite.apps import refused_tokens, trial
from scimlite.db.tables import TallyRow
from scimlite.journal import tallies

SETTINGS = {"TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture(scope="module")
def commands(installation: Installation) -> Commands:
    return Commands(installation.env)


def entries(commands: Commands, app: Connected, *options: str) -> list[dict[str, Any]]:
    """The entries of an app as `scimlite report --json` gives them."""
    return [json.loads(line) for line in commands.ok("report", "--json", "--app", app.slug, *options).splitlines()]


def test_a_client_that_poses_as_an_operator_is_a_client(
    installation: Installation, app: Connected, commands: Commands
) -> None:
    for number, name in enumerate(("cli:root", "scimlite app test", "application", "idp/1.0")):
        headers = {"User-Agent": name, "X-Forwarded-For": "203.0.113.1, 192.0.2.7"}
        app.client.post("/Users", {"userName": f"u{number}"}, headers=headers).ok(201)
    made = entries(commands, app, "--actor", "scim")
    assert [(entry["client"], entry["actor"], entry["address"], entry["uid"]) for entry in made] == [
        ("cli:root", "scim", "192.0.2.7", None),
        ("scimlite app test", "scim", "192.0.2.7", None),
        ("application", "scim", "192.0.2.7", None),
        ("idp/1.0", "scim", "192.0.2.7", None),
    ]
    assert entries(commands, app, "--address", "192.0.2.7") == made
    assert entries(commands, app, "--address", "203.0.113.1") == []
    # The table says who acted for operators alone, and a history names who poses as one.
    assert ", by cli:root" not in commands.ok("report", "--app", app.slug, "--actor", "scim")
    assert "[a client that calls itself cli:root / default]" in commands.ok("user", "history", "u0", "--app", app.slug)
    # They are contacts of the client.
    assert commands.json("app", "show", app.slug)["first_contact_at"] is not None


def test_a_client_that_poses_as_the_test_is_stopped_by_the_brake(installation: Installation) -> None:
    app = installation.app(brake_users="1", brake_percent="1")
    names = [f"scimlite-test-{number}" for number in range(4)]
    ids = [app.client.user(name).ok(201).id for name in names]
    time.sleep(0.01)
    forged = {"User-Agent": "scimlite app test", trial.HEADER: "forged"}
    answers = [app.client.request("DELETE", f"/Users/{id}", headers=forged) for id in ids]
    assert [answer.status for answer in answers][-1] == 429


def test_a_command_has_the_users_who_ran_it(installation: Installation, app: Connected, commands: Commands) -> None:
    for env in ({"LOGNAME": "somebody"}, {"LOGNAME": "somebody", "SUDO_UID": "1000"}, {"SUDO_UID": "alice"}):
        commands.process("token", "show", app.slug, **env).ok()
    made = entries(commands, app, "--actor", "cli", "--action", "token_shown")
    assert [(entry["uid"], entry["sudo_uid"]) for entry in made] == [
        (os.getuid(), None),
        (os.getuid(), 1000),
        (os.getuid(), None),
    ]
    assert made[0]["client"] == "cli:somebody"
    assert {entry["address"] for entry in made} == {None}
    # A refused command is explained with the users as well.
    refused = commands.run("user", "restore", "nobody", "--app", app.slug)
    assert refused.exit_code == 1


def test_the_test_of_a_connection_is_proved(installation: Installation, app: Connected, commands: Commands) -> None:
    base = f"{installation.url}/scim/v2/{app.slug}"
    commands.ok("app", "test", app.slug, "--url", base)
    made = entries(commands, app, "--actor", "app-test")
    assert {entry["client"] for entry in made} == {"scimlite app test"}
    assert len(made) > 4
    assert entries(commands, app, "--actor", "scim") == []
    assert commands.json("app", "show", app.slug)["last_contact_at"] is None


def test_a_proof_is_for_one_app_and_an_hour(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = installation.keyring
    proof = trial.proof(keyring, "entra")
    assert trial.is_proved(keyring, "entra", proof)
    assert not trial.is_proved(keyring, "okta", proof)
    for forged in ("", "x", proof[:-1], f"{proof}x", "é" * 10, keyring.serializer("other").dumps(["entra", 1])):
        assert not trial.is_proved(keyring, "entra", forged), forged
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 3700 * 1_000_000)
    assert not trial.is_proved(keyring, "entra", proof)


def test_a_wrong_filter_is_refused_by_name(commands: Commands) -> None:
    assert "is no address" in commands.fails("report", "--address", "example.com", code=2)
    assert "'scim'" in commands.fails("report", "--actor", "client", code=2)


# --- 401s by address ----------------------------------------------------------------------------------------------


def test_refused_tokens_are_counted_by_address(installation: Installation, app: Connected, commands: Commands) -> None:
    time.sleep(refused_tokens.LOOK_EVERY)
    client = installation.client(app.slug, "garbage")
    wanted = {"192.0.2.66": 3, "2001:db8::7": 2, "127.0.0.1": 1}
    for address, times in wanted.items():
        headers = {} if address == "127.0.0.1" else {"X-Forwarded-For": address}
        for _ in range(times):
            assert_scim_error(client.get("/Users", headers=headers), 401)
    # A signed token that is refused is an entry, with the address.
    apps.set_enabled(installation.scope, app.slug, enabled=False)
    assert_scim_error(app.client.get("/Users", headers={"X-Forwarded-For": "192.0.2.66"}), 401)
    (refused,) = entries(commands, app, "--action", "authenticated")
    assert (refused["address"], refused["actor"], refused["outcome"]) == ("192.0.2.66", "scim", "refused")
    wanted["192.0.2.66"] += 1
    deadline = time.monotonic() + 20
    while (shown := commands.json("app", "show", app.slug)["refused_addresses_this_week"]) != wanted:
        assert time.monotonic() < deadline, shown
        time.sleep(0.3)
    assert list(shown) == list(wanted)
    assert "from 192.0.2.66 (4), 2001:db8::7 (2), 127.0.0.1 (1)" in commands.ok("app", "show", app.slug, "--all")


def test_many_addresses_fill_nothing(installation: Installation, app: Connected) -> None:
    time.sleep(refused_tokens.LOOK_EVERY)
    cause = refused_tokens.Cause.MALFORMED
    for number in range(refused_tokens.MOST_ADDRESSES + 50):
        assert refused_tokens.count(installation.db, app.slug, cause, f"192.0.2.{number}")
    tallies.write_all()
    row = installation.app_row(app)
    counts = tallies.last_week(installation.db, row.id, tallies.Kind.REFUSED_ADDRESS)
    assert len(counts) == refused_tokens.MOST_ADDRESSES + 1
    assert counts[refused_tokens.OTHER_ADDRESSES] == 50
    # The check of the database knows what is counted, and what is not.
    today = clock.now() // clock.DAY

    def problems(kind: tallies.Kind, name: str) -> list[Any]:
        counted = TallyRow(day=today, app_id=row.id, kind=kind.value, name=name, times=1)
        return list(check_entries.tally_problems(counted, app.slug, clock.now()))

    for name, sound in (("192.0.2.7", True), ("2001:db8::7", True), ("others", True), ("-", True), ("alice", False)):
        assert (not problems(tallies.Kind.REFUSED_ADDRESS, name)) is sound, name
    assert problems(tallies.Kind.REFUSED_TOKEN, "192.0.2.7")

"""The example of an application: whoever is killed and whenever, it ends with exactly the directory that SCIM shows."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from installation import Connected, Installation
from postgres_server import free_port
from scimlite.admin import tokens, webhooks
from scimlite.apps.keyring import TokenKind
from scimlite.config import Settings

APP = Path(__file__).parents[2] / "examples" / "consumer" / "app.py"
SETTINGS = {"OUTBOUND_NETWORKS": "127.0.0.0/8"}
#: What a client does to the directory, and how often somebody is killed meanwhile.
ACTS, KILLS = 120, 6


class Process:
    """A process that can be killed and begun again."""

    def __init__(self, log: Path, command: list[str], **env: str) -> None:
        self._command, self._env, self._log = command, {**os.environ, **env}, log.open("ab")
        self._process = self._begun()

    def _begun(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, env=self._env, stdout=self._log, stderr=self._log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process = self._begun()

    def end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@contextmanager
def ending(*processes: Process) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.end()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "consumer.db"


@pytest.fixture
def environment(installation: Installation, app: Connected, database: Path) -> dict[str, str]:
    """The variables of the application."""
    workspace = installation.workspace(installation.app_row(app))
    _, token = tokens.issue(workspace, installation.keyring, label="reader", kind=TokenKind.READER)
    url = f"{installation.url}/api/v1/{app.slug}"
    return {"SCIM_API": url, "SCIM_TOKEN": token, "DATABASE": str(database), "PAUSE": "0.1"}


def change_everything(app: Connected, seed: int, disturb: Callable[[], None]) -> None:
    """Users and groups come, change, are disabled, come into groups, leave them, and go."""
    chance, client = random.Random(seed), app.client
    users = [client.user(f"first-{number}").ok(201).id for number in range(5)]
    groups = [client.group(f"team-{number}", users[number]).ok(201).id for number in range(2)]
    for number in range(ACTS):
        user, group = chance.choice(users), chance.choice(groups)
        match chance.randrange(7):
            case 0:
                users.append(client.user(f"user-{number}").ok(201).id)
            case 1 if len(users) > 3:
                users.remove(user)
                client.delete(f"/Users/{user}").ok(204)
            case 2 | 3:
                value = chance.random() < 0.5
                client.patch(f"/Users/{user}", {"op": "replace", "path": "active", "value": value})
            case 4:
                client.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": user}]})
            case 5:
                client.patch(f"/Groups/{group}", {"op": "remove", "path": f'members[value eq "{user}"]'})
            case _:
                client.patch(f"/Groups/{group}", {"op": "replace", "path": "displayName", "value": f"team {number}"})
        if number % (ACTS // KILLS) == ACTS // KILLS - 1:
            # In the middle of whatever it does by then.
            time.sleep(chance.random())
            disturb()


def directory(app: Connected) -> tuple[list[Any], list[Any]]:
    """What SCIM shows: names and states of users, and groups with their members."""
    users = app.client.find("Users", count=1000)["Resources"]
    groups = app.client.find("Groups", count=1000)["Resources"]
    people = sorted((each["userName"], int(each["active"])) for each in users)
    teams = sorted((each["displayName"], sorted(m["value"] for m in each.get("members", ()))) for each in groups)
    return people, teams


def copied(database: Path) -> tuple[list[Any], list[Any]]:
    """What the application has."""
    with closing(sqlite3.connect(database, timeout=30)) as db:
        people = sorted(db.execute("SELECT name, active FROM person").fetchall())
        teams = [
            (name, sorted(row[0] for row in db.execute("SELECT person FROM team_member WHERE team = ?", (id,))))
            for id, name in db.execute("SELECT id, name FROM team").fetchall()
        ]
    return people, sorted(teams)


def assert_same(app: Connected, database: Path) -> None:
    """The application gets there within a while."""
    wanted, deadline = directory(app), time.monotonic() + 60
    while copied(database) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert copied(database) == wanted


def test_the_feed(
    installation: Installation, app: Connected, environment: dict[str, str], database: Path, tmp_path: Path
) -> None:
    app.client.group("before", app.client.user("there before").ok(201).id).ok(201)
    consumer = Process(tmp_path / "log", [sys.executable, str(APP), "pull"], **environment)
    with ending(consumer):
        change_everything(app, 1, consumer.kill)
        wait_for(lambda: database.exists() and database.stat().st_size > 0)
        assert_same(app, database)
        sign_in_and_disable(app, database)


def test_a_webhook(
    installation: Installation, app: Connected, environment: dict[str, str], database: Path, tmp_path: Path
) -> None:
    app.client.group("before", app.client.user("there before").ok(201).id).ok(201)
    port = free_port()
    workspace = installation.workspace(installation.app_row(app))
    allowed = Settings.from_environment(installation.env).outbound_networks
    url = f"http://127.0.0.1:{port}/hooks/scim"
    _, secret = webhooks.add(workspace, installation.keyring, url, networks=allowed)
    environment |= {"SCIM_WEBHOOK_SECRET": secret}
    subprocess.run([sys.executable, str(APP), "begin"], env={**os.environ, **environment}, check=True)
    flask = [sys.executable, "-m", "flask", "--app", str(APP), "run", "--port", str(port)]
    scimlite = str(Path(sys.executable).with_name("scimlite"))
    consumer = Process(tmp_path / "log", flask, **environment)
    worker = Process(tmp_path / "log", [scimlite, "work"], **installation.env)
    turns = iter([worker, consumer] * KILLS)
    with ending(consumer, worker):
        change_everything(app, 2, lambda: next(turns).kill())
        assert_same(app, database)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/hooks/scim", data=b"{}", timeout=10)
        with refused.value as answer:
            assert answer.code == 401


def sign_in_and_disable(app: Connected, database: Path) -> None:
    """Who is disabled is signed out."""
    id = app.client.user("signed in").ok(201).id
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as db:
        db.execute("INSERT INTO browser_session VALUES (?, 'cookie')", (id,))
        app.client.patch(f"/Users/{id}", {"op": "replace", "path": "active", "value": False}).ok()
        wait_for(lambda: db.execute("SELECT count(*) FROM browser_session").fetchone() == (0,))


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)

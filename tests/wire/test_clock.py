"""The clock goes back, or is another one on each server: what is written about one thing keeps its order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from command_line import CommandLine
from scimlite import create_app
from scimlite.config import Settings
from scimlite.db import migration
from scimlite.installation import Installation

HOUR = 3600 * 10**9
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@pytest.fixture
def back(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Sets the clock of the operating system back by an hour, as this process sees it; each call once more."""
    read, behind = time.time_ns, [0]
    monkeypatch.setattr(time, "time_ns", lambda: read() - behind[0])

    def set_back() -> None:
        behind[0] += HOUR

    return set_back


@pytest.fixture
def commands(settings_env: dict[str, str], settings: Settings) -> CommandLine:
    installation = Installation.open(settings, create=True, anew=True)
    assert migration.status(installation.db).current
    installation.db.close()
    return CommandLine(settings_env)


@pytest.fixture
def client(commands: CommandLine, settings: Settings) -> Iterator[FlaskClient]:
    token = commands.json("app", "create", "Acme")["token"]
    app = create_app(settings)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    yield client
    app.extensions["scimlite"].db.close()


def send(client: FlaskClient, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    answer = client.open(f"/scim/v2/acme{path}", method=method, json=body)
    assert answer.status_code == status, answer.data
    return answer.json if answer.data else None


def replace(path: str, value: Any) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": [{"op": "replace", "path": path, "value": value}]}


def assert_in_order(entries: list[dict[str, Any]], actions: list[str]) -> None:
    found = [(entry["at"], entry["action"]) for entry in entries]
    assert [action for _, action in found] == actions
    assert found == sorted(found, key=lambda entry: entry[0])


def test_memberships_begin_after_their_members(
    client: FlaskClient, commands: CommandLine, back: Callable[[], None]
) -> None:
    old = send(client, "POST", "/Groups", {"displayName": "old"}, 201)
    ann = send(client, "POST", "/Users", {"userName": "ann"}, 201)
    back()
    members = [{"value": ann["id"]}]
    add = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "members", "value": members}]}
    send(client, "PATCH", f"/Groups/{old['id']}", add)
    send(client, "POST", "/Groups", {"displayName": "new", "members": members}, 201)
    assert_in_order(commands.json_lines("report", "--user", ann["id"]), ["created", "member_added", "member_added"])
    commands.ok("db", "check")


def test_a_user_from_creation_to_purge(client: FlaskClient, commands: CommandLine, back: Callable[[], None]) -> None:
    user = send(client, "POST", "/Users", {"userName": "ann", "password": "first secret"}, 201)
    times = [user["meta"]["created"], user["meta"]["lastModified"]]
    path = f"/Users/{user['id']}"
    for body in (replace("displayName", "Ann"), replace("active", False), replace("password", "second secret")):
        back()
        if body["Operations"][0]["path"] == "password":
            commands.ok("app", "edit", "acme", "--feature", "passwords=hash")
        changed = send(client, "PATCH", path, body)
        assert changed["meta"]["created"] == times[0]
        times.append(changed["meta"]["lastModified"])
    back()
    send(client, "PATCH", path, replace("userName", {"a": 1}), 400)
    back()
    send(client, "DELETE", path, status=204)
    (tombstone,) = commands.json_lines("user", "list", "--deleted")
    times.append(tombstone["deleted_at"])
    back()
    commands.ok("user", "restore", user["id"])
    times.append(send(client, "GET", path)["meta"]["lastModified"])
    assert times == sorted(times)
    assert len(set(times[1:])) == len(times) - 1
    back()
    send(client, "DELETE", path, status=204)
    back()
    commands.ok("user", "erase", user["id"], "--yes")
    actions = ["created", "updated", "disabled", "updated", "updated", "deleted", "restored", "deleted", "erased"]
    assert_in_order(commands.json_lines("report", "--user", user["id"]), actions)


def test_a_group(client: FlaskClient, commands: CommandLine, back: Callable[[], None]) -> None:
    ann, ben = (send(client, "POST", "/Users", {"userName": name}, 201)["id"] for name in ("ann", "ben"))
    group = send(client, "POST", "/Groups", {"displayName": "Staff", "members": [{"value": ann}]}, 201)
    times = [group["meta"]["created"]]
    add = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "members", "value": [{"value": ben}]}]}
    for body in (add, replace("displayName", "All")):
        back()
        send(client, "PATCH", f"/Groups/{group['id']}", body)
        times.append(send(client, "GET", f"/Groups/{group['id']}")["meta"]["lastModified"])
    back()
    send(client, "DELETE", f"/Groups/{group['id']}", status=204)
    times.append(commands.json_lines("group", "list", "--deleted")[0]["deleted_at"])
    assert times == sorted(times)
    assert len(set(times)) == len(times)


def test_tokens_and_apps(client: FlaskClient, commands: CommandLine, back: Callable[[], None]) -> None:
    back()
    commands.ok("token", "rotate", "acme", "default", "--overlap", "1d")
    back()
    commands.ok("token", "revoke", "acme", "default", "--yes")
    for token in commands.json_lines("token", "list", "acme"):
        assert token["revoked_at"] is None or token["revoked_at"] > token["issued_at"]
    back()
    commands.ok("app", "disable", "acme")
    back()
    commands.ok("app", "delete", "acme", "--yes")
    entries = commands.json_lines("report")
    (created,) = [entry["at"] for entry in entries if entry["action"] == "app_created"]
    assert all(entry["at"] >= created for entry in entries)


def test_a_brake_counts_on_after_its_release(
    client: FlaskClient, commands: CommandLine, back: Callable[[], None]
) -> None:
    commands.ok("app", "edit", "acme", "--feature", "brake-users=2", "--feature", "brake-percent=1")
    ids = [send(client, "POST", "/Users", {"userName": f"user {number}"}, 201)["id"] for number in range(10)]
    commands.ok("app", "release", "acme")
    back()
    for id in ids[:2]:
        send(client, "DELETE", f"/Users/{id}", status=204)
    send(client, "DELETE", f"/Users/{ids[2]}", status=429)
    back()
    commands.ok("app", "release", "acme")
    send(client, "DELETE", f"/Users/{ids[2]}", status=204)

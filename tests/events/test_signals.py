"""Signals: what happened, with profiles, when it is durable; and receivers that fail break nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from installation import OPERATOR
from scimlite import Installation as Embedded
from scimlite import installation
from scimlite.admin import apps, deleted, tokens
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db import Database, migration
from scimlite.events import signals
from scimlite.journal import Origin, Scope

KEY = "a key for tests and never for a service"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
Event = tuple[str, dict[str, Any]]


@pytest.fixture
def site(database_url: str) -> Iterator[Embedded]:
    """scimlite as an application embeds it."""
    made = Embedded(database_url, KEY)
    yield made
    made.db.close()


class Client:
    """An app's client, in this process: signals are heard where requests are served."""

    def __init__(self, site: Embedded) -> None:
        self.site = site
        self.app = apps.create(Scope(site.db, OPERATOR), "Entra")
        self.token = tokens.issue(Workspace(site.db, OPERATOR, self.app), site.keyring)[1]
        flask = Flask("somebody's own")
        flask.register_blueprint(site.blueprint(), url_prefix="/provisioning")
        self.flask = flask.test_client()

    def send(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        answer = self.flask.open(f"/provisioning/entra{path}", method=method, json=body, headers=headers)
        assert status is None or answer.status_code == status, answer.data
        return answer.get_json(force=True) if answer.data else None

    def patch(self, path: str, op: str, attribute: str, value: Any = None) -> Any:
        return self.send("PATCH", path, {"Operations": [{"op": op, "path": attribute, "value": value}]})


@pytest.fixture
def client(site: Embedded) -> Client:
    return Client(site)


@pytest.fixture
def heard() -> Iterator[list[Event]]:
    """Everything that is announced."""
    events: list[Event] = []
    receivers = []
    names = [name for name, each in vars(signals).items() if isinstance(each, signals.Signal)]
    # What happens to an app is told in test_announcements.
    for name in set(names) - {"app_changed"}:

        def receive(sender: str, name: str = name, **what: Any) -> None:
            assert sender == what["app"] == "entra"
            assert what["request_id"]
            events.append((name, what))

        receivers.append((name, receive))
        getattr(signals, name).connect(receive)
    assert len(names) == 11
    yield events
    for name, receiver in receivers:
        getattr(signals, name).disconnect(receiver)


def names(events: list[Event]) -> list[str]:
    found = [name for name, _ in events]
    events.clear()
    return found


def test_a_life_is_announced(client: Client, heard: list[Event]) -> None:
    ann = client.send("POST", "/Users", {"userName": "ann", "title": "Engineer"}, 201)["id"]
    ((name, what),) = heard
    assert (name, what["user_id"], what["profile"]["title"]) == ("user_created", ann, "Engineer")
    heard.clear()
    client.patch(f"/Users/{ann}", "replace", "title", "Lead")
    assert heard[0][1]["profile"]["title"] == "Lead"
    assert names(heard) == ["user_updated"]
    client.patch(f"/Users/{ann}", "replace", "title", "Lead")
    assert names(heard) == []
    client.patch(f"/Users/{ann}", "replace", "active", False)
    assert heard[0][1]["profile"]["active"] is False
    assert names(heard) == ["user_disabled"]
    client.patch(f"/Users/{ann}", "replace", "active", True)
    assert names(heard) == ["user_enabled"]
    client.send("DELETE", f"/Users/{ann}", status=204)
    assert heard[0][1]["profile"]["userName"] == "ann"
    assert names(heard) == ["user_deleted"]


def test_groups_and_members_are_announced(client: Client, heard: list[Event]) -> None:
    ann = client.send("POST", "/Users", {"userName": "ann"}, 201)["id"]
    heard.clear()
    group = client.send("POST", "/Groups", {"displayName": "Sales", "members": [{"value": ann}]}, 201)["id"]
    (created, added) = heard
    assert (created[0], created[1]["change"], created[1]["profile"]) == ("group_changed", "created", {"name": "Sales"})
    assert (added[1]["user_id"], added[1]["group_id"]) == (ann, group)
    assert added[1]["profile"]["groups"] == ["Sales"]
    assert added[1]["group_profile"] == {"name": "Sales"}
    assert names(heard) == ["group_changed", "member_added"]
    client.patch(f"/Groups/{group}", "remove", f'members[value eq "{ann}"]')
    assert heard[0][1]["profile"]["groups"] == []
    assert names(heard) == ["member_removed"]
    client.patch(f"/Groups/{group}", "replace", "displayName", "Sellers")
    assert (heard[0][1]["change"], heard[0][1]["profile"]["name"]) == ("updated", "Sellers")
    heard.clear()
    outer = client.send("POST", "/Groups", {"displayName": "All", "members": [{"value": group}]}, 201)["id"]
    assert [what["change"] for _, what in heard] == ["created", "members"]
    heard.clear()
    client.send("DELETE", f"/Groups/{outer}", status=204)
    assert [what["change"] for _, what in heard] == ["deleted", "members"]


def test_what_is_deprovisioned_and_restored(client: Client, site: Embedded, heard: list[Event]) -> None:
    apps.edit(Scope(site.db, OPERATOR), "entra", features={"delete-the-deactivated": "on", "revive": "on"})
    ann = client.send("POST", "/Users", {"userName": "ann", "externalId": "e"}, 201)["id"]
    client.patch(f"/Users/{ann}", "replace", "active", False)
    assert names(heard) == ["user_created", "user_deleted"]
    assert client.send("POST", "/Users", {"userName": "anna", "externalId": "e"}, 201)["id"] == ann
    assert names(heard) == ["user_created"]
    client.send("DELETE", f"/Users/{ann}", status=204)
    heard.clear()
    app = apps.get(site.db, "entra")
    origin = Origin("cli:test", request_id="by hand")
    deleted.restore(Workspace(site.db, origin, app), app.resource_types["Users"], ann)
    assert names(heard) == ["user_created"]


def test_what_is_refused_is_not_announced(client: Client, heard: list[Event]) -> None:
    client.send("POST", "/Users", {"userName": "ann"}, 201)
    heard.clear()
    client.send("POST", "/Users", {"userName": "ann"}, 409)
    client.send("POST", "/Groups", {"displayName": "g", "members": [{"value": "nobody"}]}, 201)
    assert names(heard) == ["group_changed"]


def circle(*names: str) -> list[dict[str, Any]]:
    """Groups that hold each other in a circle."""
    return [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": name,
            "data": {"displayName": name, "members": [{"value": f"bulkId:{names[number - 1]}"}]},
        }
        for number, name in enumerate(names)
    ]


def test_a_circle_is_announced_when_all_of_it_is_durable(client: Client, site: Embedded, heard: list[Event]) -> None:
    durable: list[bool] = []

    def look(sender: str, **what: Any) -> None:
        durable.append(not site.db.in_transaction and what["profile"] is not None)

    with signals.group_changed.connected_to(look):
        answer = client.send("POST", "/Bulk", {"schemas": [BULK], "Operations": circle("a", "b")}, 200)
    assert durable == [True] * 4
    assert {each["status"] for each in answer["Operations"]} == {"201"}
    assert [what["change"] for _, what in heard].count("created") == 2
    heard.clear()
    client.send("POST", "/Groups", {"displayName": "d"}, 201)
    heard.clear()
    answer = client.send("POST", "/Bulk", {"schemas": [BULK], "Operations": circle("c", "d")}, 200)
    assert {each["status"] for each in answer["Operations"]} == {"409"}
    assert heard == []


def test_a_receiver_that_fails_breaks_nothing(
    client: Client, heard: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    def broken_receiver(sender: str, **what: Any) -> None:
        raise RuntimeError("out of order")

    with signals.user_created.connected_to(broken_receiver), caplog.at_level(logging.ERROR, "scimlite.error"):
        client.send("POST", "/Users", {"userName": "ann"}, 201)
    assert names(heard) == ["user_created"]
    assert "broken_receiver failed" in caplog.text
    assert "request=" in caplog.text


def test_without_receivers_nothing_is_looked_up(
    client: Client, site: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.db, "on_commit", lambda callback: pytest.fail("nobody listens"))
    client.send("POST", "/Users", {"userName": "ann"}, 201)


# --- after a commit -----------------------------------------------------------------------------------------------


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    made = installation.database(settings)
    migration.upgrade(made)
    yield made
    made.close()


def test_callbacks_wait_for_the_outermost_commit(db: Database) -> None:
    done: list[str] = []

    def inner() -> None:
        db.on_commit(lambda: done.append("inner"))

    def failing() -> None:
        db.on_commit(lambda: done.append("rolled back"))
        raise ValueError

    def outer() -> None:
        db.on_commit(lambda: done.append("outer"))
        db.transact(inner)
        with pytest.raises(ValueError):
            db.transact(failing)
        assert done == []

    db.transact(outer)
    assert done == ["outer", "inner"]
    with pytest.raises(ValueError):
        db.transact(failing)
    db.transact(lambda: None)
    assert done == ["outer", "inner"]


def test_a_failing_callback_is_logged(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def work() -> str:
        db.on_commit(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
        db.on_commit(lambda: done.append("after"))
        return "done"

    assert db.transact(work) == "done"
    assert done == ["after"]
    assert "ZeroDivisionError" in caplog.text

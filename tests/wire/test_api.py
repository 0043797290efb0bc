"""What the application reads: profiles, groups and the feed, with a token of its own, as the OpenAPI document says."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

import feeds
from installation import Connected, Installation
from scimlite.admin import apps, tokens
from scimlite.apps.keyring import TokenKind
from scimlite.db import Database
from scimlite.db.feed_tables import ReadingRow

OFF = {"op": "replace", "path": "active", "value": False}


@dataclass
class Answer:
    """An answer of the application's endpoint."""

    status: int
    json: Any
    headers: Any


@dataclass
class Reader:
    """The application: it has a reader's token of an app."""

    url: str
    token: str
    document: dict[str, Any]
    db: Database

    def ask(self, path: str, body: bytes | None = None, **parameters: Any) -> Answer:
        """GET, or POST with a body."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        request = urllib.request.Request(self.url + path + query, data=body)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, json.load(answer), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.load(error), error.headers)

    def get(self, path: str, schema: str, **parameters: Any) -> Any:
        """The JSON of an answer 200, which is as the document says."""
        answer = self.ask(path, **parameters)
        assert answer.status == 200, answer.json
        self.check(schema, answer.json)
        return answer.json

    def refused(self, status: int, path: str, body: bytes | None = None, **parameters: Any) -> Any:
        """The JSON of an error, which is as the document says."""
        answer = self.ask(path, body, **parameters)
        assert answer.status == status, answer.json
        self.check("Error", answer.json)
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.json

    def check(self, schema: str, value: Any) -> None:
        whole = {"$ref": f"#/components/schemas/{schema}", "components": self.document["components"]}
        Draft202012Validator(whole).validate(value)

    def events(self, after: str = "start", **parameters: Any) -> tuple[list[Any], str]:
        """All events behind a cursor, and the cursor behind them."""
        feeds.settle(self.db)
        found: list[Any] = []
        while True:
            page = self.get("/events", "EventPage", after=after, **parameters)
            found += page["events"]
            after = page["cursor"]
            if not page["more"]:
                return found, after


@pytest.fixture(scope="module")
def document(installation: Installation) -> dict[str, Any]:
    with urllib.request.urlopen(f"{installation.url}/api/v1/openapi.json", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.fixture
def reader(installation: Installation, app: Connected, document: dict[str, Any]) -> Reader:
    return reader_of(installation, app, document)


def reader_of(installation: Installation, app: Connected, document: dict[str, Any]) -> Reader:
    workspace = installation.workspace(installation.app_row(app))
    _, text = tokens.issue(workspace, installation.keyring, label="reader", kind=TokenKind.READER)
    return Reader(f"{installation.url}/api/v1/{app.slug}", text, document, installation.db)


def types_of(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


# --- the document -------------------------------------------------------------------------------------------------


def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert {"/events", "/events/ack", "/profiles", "/profiles/{id}", "/groups/{id}/members"} <= set(document["paths"])


# --- the feed -----------------------------------------------------------------------------------------------------


def test_the_life_of_a_user(app: Connected, reader: Reader) -> None:
    feeds.settle(reader.db)
    begun = reader.get("/events", "EventPage")
    assert begun["events"] == []
    client = app.client
    id = client.user("ann", externalId="x1", active=True).ok(201).id
    client.patch(f"/Users/{id}", {"op": "replace", "path": "title", "value": "Dr"}).ok(200)
    client.patch(f"/Users/{id}", OFF).ok(200)
    client.patch(f"/Users/{id}", {**OFF, "value": True}).ok(200)
    client.delete(f"/Users/{id}").ok(204)
    events, cursor = reader.events(begun["cursor"])
    assert types_of(events) == ["user.created", "user.updated", "user.disabled", "user.enabled", "user.deleted"]
    assert len({event["id"] for event in events}) == 5
    created, updated, disabled, *_, deleted = events
    assert created["app"] == app.slug
    assert created["request_id"]
    assert updated["data"]["changed"] == ["title"]
    assert updated["data"]["previous"] == {"title": None}
    assert disabled["data"]["previous"] == {"active": True}
    # The newest state, whatever the event.
    assert created["data"]["user"] == deleted["data"]["user"]
    assert deleted["data"]["user"] | {"profile": None, "version": None} == {
        "id": id,
        "externalId": "x1",
        "name": "ann",
        "active": False,
        "ended": "deleted",
        "version": None,
        "profile": None,
    }
    assert reader.events(cursor)[0] == []


def test_groups_and_their_members(app: Connected, reader: Reader) -> None:
    client = app.client
    ann, bob = client.user("ann").ok(201).id, client.user("bob").ok(201).id
    group = client.group("staff", ann).ok(201).id
    inner = client.group("inner", bob).ok(201).id
    _, cursor = reader.events()
    add = {"op": "add", "path": "members", "value": [{"value": bob}, {"value": inner}]}
    client.patch(f"/Groups/{group}", add, {"op": "replace", "path": "displayName", "value": "crew"})
    client.patch(f"/Groups/{group}", {"op": "remove", "path": f'members[value eq "{ann}"]'})
    client.delete(f"/Groups/{group}").ok(204)
    events, _ = reader.events(cursor)
    # The end of a group takes its members along, bob and the inner group.
    assert Counter(types_of(events)) == {
        "group.updated": 3,
        "group.member_added": 1,
        "group.member_removed": 2,
        "group.deleted": 1,
    }
    added = next(event for event in events if event["type"] == "group.member_added")
    assert added["data"]["user"]["id"] == bob
    assert added["data"]["group"]["id"] == group
    assert added["data"]["group"]["name"] == "crew"


def test_types_are_chosen_and_pages_are_of_the_size_that_is_asked(app: Connected, reader: Reader) -> None:
    for name in "abc":
        app.client.group(name, app.client.user(name).ok(201).id).ok(201)
    assert types_of(reader.events(types="user.created", limit=2)[0]) == ["user.created"] * 3
    assert (
        types_of(reader.events(types="group.created,group.member_added")[0])
        == ["group.created", "group.member_added"] * 3
    )
    feeds.settle(reader.db)
    page = reader.get("/events", "EventPage", after="start", limit=4)
    assert (len(page["events"]), page["more"]) == (4, True)


def test_acts_of_the_operator(installation: Installation, app: Connected, reader: Reader) -> None:
    _, cursor = reader.events()
    apps.edit(installation.scope, app.slug, name="Another name")
    assert reader.events(cursor)[0] == []


@pytest.mark.parametrize(
    ("path", "parameters", "error", "named"),
    [
        ("/events", {"limit": "0"}, "invalid_value", "limit"),
        ("/events", {"limit": "501"}, "invalid_value", "500"),
        ("/events", {"limit": "ten"}, "invalid_value", "limit"),
        ("/events", {"types": "user.creatd"}, "invalid_value", "Did you mean 'user.created'?"),
        ("/events", {"after": "abc"}, "invalid_cursor", "cursor"),
        ("/events", {"after": "\x00"}, "invalid_value", "NUL"),
        ("/events", {"since": "1"}, "invalid_value", "since"),
        ("/profiles", {"limit": "1001"}, "invalid_value", "1000"),
        ("/profiles", {"after": "start"}, "invalid_cursor", "cursor"),
        ("/profiles", {"userName": "a", "externalId": "b"}, "invalid_value", "userName"),
        ("/profiles", {"displayName": "a"}, "invalid_value", "displayname"),
    ],
)
def test_what_is_asked_wrongly(reader: Reader, path: str, parameters: dict[str, str], error: str, named: str) -> None:
    found = reader.refused(400, path, **parameters)
    assert found["error"] == error
    assert named in found["detail"]


def test_a_cursor_is_of_one_app_and_of_one_endpoint(
    installation: Installation, app: Connected, reader: Reader, document: dict[str, Any]
) -> None:
    other = reader_of(installation, installation.app(), document)
    cursor = other.get("/events", "EventPage")["cursor"]
    assert reader.refused(400, "/events", after=cursor)["error"] == "invalid_cursor"
    for name in "ab":
        app.client.user(name).ok(201)
    page = reader.get("/profiles", "ProfilePage", limit=1)
    assert reader.refused(400, "/events", after=page["cursor"])["error"] == "invalid_cursor"
    assert reader.refused(400, "/groups", after=page["feed"])["error"] == "invalid_cursor"


def test_receipts(installation: Installation, app: Connected, reader: Reader) -> None:
    feeds.settle(reader.db)
    first = reader.get("/events", "EventPage")["cursor"]
    app.client.user("ann").ok(201)
    _, second = reader.events(first)
    for cursor in (first, second, first, second):
        assert reader.ask("/events/ack", json.dumps({"cursor": cursor}).encode()).status == 200
    id = installation.app_row(app).id
    assert len(installation.db.rows(ReadingRow.select().where(ReadingRow.app_id == id))) == 2
    for body in (b"", b"[]", b"{}", b'{"cursor": 1}', b'{"cursor": "abc"}', b'{"cursor": null, "x": 1}', b"\xff"):
        reader.refused(400, "/events/ack", body)
    reader.refused(405, "/events/ack")
    reader.refused(405, "/profiles", b"{}")


# --- profiles -----------------------------------------------------------------------------------------------------


def test_all_profiles_are_walked_and_the_feed_goes_on_from_there(app: Connected, reader: Reader) -> None:
    ids = [app.client.user(f"user-{number}").ok(201).id for number in range(5)]
    feeds.settle(reader.db)
    page = reader.get("/profiles", "ProfilePage", limit=2)
    # What happens while somebody reads is told afterwards.
    app.client.patch(f"/Users/{ids[0]}", OFF).ok(200)
    new = app.client.user("user-5").ok(201).id
    seen, feed = [each["id"] for each in page["profiles"]], page["feed"]
    while page["more"]:
        page = reader.get("/profiles", "ProfilePage", limit=2, after=page["cursor"])
        seen += [each["id"] for each in page["profiles"]]
        assert page["feed"] == feed
    assert seen == [*ids, new]
    assert page["cursor"] is None
    assert types_of(reader.events(feed)[0]) == ["user.disabled", "user.created"]


def test_one_profile(app: Connected, reader: Reader) -> None:
    id = (
        app.client.user("Ann.Example", externalId="E/1", emails=[{"value": "a@example.com", "type": "work"}]).ok(201).id
    )
    shown = reader.get(f"/profiles/{id}", "State")
    assert shown["profile"]["email"] == "a@example.com"
    for parameters in ({"userName": "ann.example"}, {"externalId": "E/1"}):
        assert reader.get("/profiles", "ProfilePage", **parameters)["profiles"] == [shown]
    assert reader.get("/profiles", "ProfilePage", userName='x" or userName pr')["profiles"] == []
    assert reader.refused(404, "/profiles/nobody")["error"] == "not_found"
    app.client.delete(f"/Users/{id}").ok(204)
    assert reader.refused(404, f"/profiles/{id}")["ended"] == "deleted"
    assert reader.get("/profiles", "ProfilePage")["profiles"] == []


def test_groups_and_members_are_paged(app: Connected, reader: Reader) -> None:
    ids = [app.client.user(f"user-{number}").ok(201).id for number in range(3)]
    group = app.client.group("staff", *ids).ok(201).id
    assert reader.get("/groups", "GroupPage", displayName="STAFF")["groups"][0]["id"] == group
    assert reader.get(f"/groups/{group}", "State")["profile"] == {"name": "staff"}
    app.client.delete(f"/Users/{ids[1]}").ok(204)
    page = reader.get(f"/groups/{group}/members", "MemberPage", limit=1)
    assert [each["id"] for each in page["members"]] == ids[:1]
    page = reader.get(f"/groups/{group}/members", "MemberPage", limit=1, after=page["cursor"])
    assert [each["id"] for each in page["members"]] == ids[2:]
    assert not page["more"]
    assert reader.refused(404, f"/profiles/{group}")
    assert reader.refused(404, f"/groups/{ids[0]}")


# --- tokens -------------------------------------------------------------------------------------------------------


def test_a_token_of_another_kind_is_refused_at_either_endpoint(
    installation: Installation, app: Connected, reader: Reader
) -> None:
    refused = installation.client(app.slug, reader.token).get("/Users")
    assert (refused.status, "not valid for SCIM" in refused.json["detail"]) == (403, True)
    assert installation.client(app.slug, reader.token).get("/Me").status == 403
    reader.token = app.text
    assert "--kind reader" in reader.refused(403, "/events")["detail"]
    details = [row.detail for row in installation.journal(app) if row.action == "authenticated"]
    assert len(details) == 2


@pytest.mark.parametrize("token", ["", "abc", "scimlite_abc.def"])
def test_without_a_token_nothing_is_told(reader: Reader, token: str) -> None:
    reader.token = token
    for path in ("/events", "/profiles", "/nothing", "", f"/profiles/{quote('é')}"):
        assert reader.refused(401, path)["error"] == "unauthorized"


def test_another_apps_token_is_refused(installation: Installation, reader: Reader, document: dict[str, Any]) -> None:
    other = reader_of(installation, installation.app(), document)
    other.url = reader.url
    other.refused(401, "/events")


def test_there_is_nothing_else(reader: Reader) -> None:
    assert reader.refused(404, "/nothing/here")["error"] == "not_found"

"""Conditional requests (RFC 9110 section 13) on every method and endpoint."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from installation import Connected, Installation, watch
from scim_client import Answer, ScimClient, assert_scim_error
from scimlite.admin import tokens

TITLE = {"op": "replace", "path": "title", "value": "x"}
NAME = {"op": "replace", "path": "displayName", "value": "x"}
STALE = 'W/"9"'


def _writes(client: ScimClient, path: str, headers: dict[str, str]) -> list[Answer]:
    """A PATCH, a PUT and a DELETE of a resource with these headers."""
    body = {"userName": "other"} if "Users" in path or path == "/Me" else {"displayName": "other"}
    change = TITLE if "userName" in body else NAME
    return [
        client.patch(path, change, headers=headers),
        client.put(path, body, headers=headers),
        client.delete(path, headers=headers),
    ]


def _date(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize("tag", ["*", 'W/"1"', '"1"', 'W/"9", W/"1"', '"9",*'])
@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
def test_if_none_match_keeps_a_write_back(installation: Installation, app: Connected, endpoint: str, tag: str) -> None:
    made = (app.client.user("u") if endpoint == "Users" else app.client.group("g")).ok(201)
    seen = watch(installation, app)
    for answer in _writes(app.client, f"/{endpoint}/{made.id}", {"If-None-Match": tag}):
        assert_scim_error(answer, 412, detail="If-None-Match")
    assert app.client.get(f"/{endpoint}/{made.id}").content == made.content
    assert seen.told() == [("updated", "refused"), ("updated", "refused"), ("deleted", "refused")]


def test_if_none_match_of_another_version_lets_a_write_through(app: Connected) -> None:
    made = app.client.user("u").ok(201)
    answers = _writes(app.client, f"/Users/{made.id}", {"If-None-Match": f'{STALE}, W/"8"'})
    assert [answer.status for answer in answers] == [200, 200, 204]


def test_a_malformed_if_none_match_keeps_a_write_back(app: Connected) -> None:
    made = app.client.user("u").ok(201)
    for answer in _writes(app.client, f"/Users/{made.id}", {"If-None-Match": "1"}):
        assert_scim_error(answer, 400, "invalidValue", "If-None-Match")
    app.client.get(f"/Users/{made.id}", headers={"If-None-Match": "1"}).ok(200)


def test_conditions_on_what_is_not_there(app: Connected) -> None:
    path = "/Users/7d0f1b0e-0f0c-4d0a-9a35-000000000000"
    for headers in ({"If-None-Match": "*"}, {"If-None-Match": STALE}, {"If-Match": "*"}, {"If-Match": "malformed"}):
        for answer in (*_writes(app.client, path, headers), app.client.get(path, headers=headers)):
            assert_scim_error(answer, 404)
    for answer in _writes(app.client, path, {"If-None-Match": "malformed"}):
        assert_scim_error(answer, 400, "invalidValue", "If-None-Match")
    assert_scim_error(app.client.get(path, headers={"If-None-Match": "malformed"}), 404)


def test_if_unmodified_since(app: Connected) -> None:
    made = app.client.user("u").ok(201)
    path = f"/Users/{made.id}"
    for answer in (
        *_writes(app.client, path, {"If-Unmodified-Since": _date(-60)}),
        app.client.get(path, headers={"If-Unmodified-Since": _date(-60)}),
    ):
        assert_scim_error(answer, 412, detail="If-Unmodified-Since")
    assert app.client.get(path, headers={"If-Unmodified-Since": _date(60)}).content == made.content
    # No date, and a date beside If-Match, which is more exact.
    for headers in ({"If-Unmodified-Since": "yesterday"}, {"If-Unmodified-Since": _date(-60), "If-Match": "*"}):
        app.client.get(path, headers=headers).ok(200)
    answers = _writes(app.client, path, {"If-Unmodified-Since": _date(60)})
    assert [answer.status for answer in answers] == [200, 200, 204]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_read(app: Connected, method: str) -> None:
    made = app.client.user("u").ok(201)
    group = app.client.group("g").ok(201)
    for path in (f"/Users/{made.id}", f"/Groups/{group.id}"):
        for name, value, status in (
            ("If-Match", STALE, 412),
            ("If-Match", "nonsense", 412),
            ("If-Match", f"{STALE}, {made.etag}", 200),
            ("If-Match", "*", 200),
            ("If-None-Match", made.etag, 304),
            ("If-None-Match", STALE, 200),
            ("If-Modified-Since", _date(60), 304),
            ("If-Modified-Since", _date(-60), 200),
            ("If-Modified-Since", "yesterday", 200),
        ):
            answer = app.client.request(method, path, headers={name: value})
            assert answer.status == status, (path, name, value)
        # If-Match is asked first, and If-None-Match makes If-Modified-Since needless.
        both = {"If-Match": STALE, "If-None-Match": made.etag}
        assert app.client.request(method, path, headers=both).status == 412
        both = {"If-None-Match": STALE, "If-Modified-Since": _date(60)}
        assert app.client.request(method, path, headers=both).status == 200


def test_if_modified_since_of_a_user_with_groups(app: Connected) -> None:
    user = app.client.user("u").ok(201)
    app.client.group("g", user.id).ok(201)
    later = {"If-Modified-Since": _date(60)}
    assert app.client.get(f"/Users/{user.id}", headers=later).ok(200).json["groups"]
    assert app.client.get(f"/Users/{user.id}?attributes=userName", headers=later).status == 304


def test_what_is_not_there_is_404_whatever_the_condition(app: Connected) -> None:
    for headers in ({"If-Match": "*"}, {"If-Match": STALE}, {"If-None-Match": "*"}, {"If-None-Match": STALE}):
        assert_scim_error(app.client.get("/Users/nobody", headers=headers), 404)
        assert_scim_error(app.client.delete("/Users/nobody", headers=headers), 404)
        assert_scim_error(app.client.get("/Nothing", headers=headers), 404)


def test_a_creation_has_no_version_yet(installation: Installation, app: Connected) -> None:
    seen = watch(installation, app)
    for tag in ("*", STALE):
        refused = app.client.post("/Users", {"userName": "u"}, headers={"If-Match": tag})
        assert_scim_error(refused, 412, detail="no version")
    assert seen.told() == [("created", "refused")] * 2
    for number, tag in enumerate(("*", STALE)):
        app.client.post("/Users", {"userName": f"u{number}"}, headers={"If-None-Match": tag}).ok(201)


@pytest.mark.parametrize(
    "path", ["", "/Users", "/Groups?count=1", "/Schemas", "/ServiceProviderConfig", "/openapi.json"]
)
def test_lists_and_declarations_have_no_version(app: Connected, path: str) -> None:
    client = app.client
    assert_scim_error(client.get(path, headers={"If-Match": STALE}), 412, detail="no version")
    client.get(path, headers={"If-Match": "*"}).ok(200)
    client.get(path, headers={"If-None-Match": STALE}).ok(200)
    assert client.get(path, headers={"If-None-Match": "*"}).status == 304


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/.search", {"count": 1}),
        ("/Users/.search", {"count": 1}),
        ("/Bulk", {"Operations": [{"method": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": "b"}}]}),
    ],
)
def test_messages_have_no_version(app: Connected, path: str, body: Any) -> None:
    for tag in ("*", STALE):
        assert_scim_error(app.client.post(path, body, headers={"If-Match": tag}), 412, detail="no version")
    assert app.client.find("Users")["totalResults"] == 0
    app.client.post(path, body, headers={"If-None-Match": "*"}).ok(200)


def test_bulk_operations_with_a_version(app: Connected) -> None:
    client = app.client

    def status(method: str, path: str, version: str, data: Any = None) -> str:
        operation = {"method": method, "path": path, "version": version, "bulkId": "b", "data": data}
        result = client.post("/Bulk", {"Operations": [operation]}).ok(200).json["Operations"][0]
        found: str = result["status"]
        return found

    made = client.user("u").ok(201)
    path, change = f"/Users/{made.id}", {"Operations": [TITLE]}
    for version in (STALE, "1", "nonsense"):
        assert status("PATCH", path, version, change) == "412"
        assert status("PUT", path, version, {"userName": "v"}) == "412"
        assert status("DELETE", path, version) == "412"
    assert client.get(path).content == made.content
    assert status("POST", "/Users", made.etag, {"userName": "v"}) == "412"
    assert status("PATCH", path, made.etag, change) == "200"
    assert status("PUT", path, 'W/"2"', {"userName": "v"}) == "200"
    assert status("DELETE", path, "*") == "204"


def test_me(installation: Installation, app: Connected) -> None:
    made = app.client.user("ann").ok(201)
    workspace = installation.workspace(installation.app_row(app))
    _, text = tokens.issue(workspace, installation.keyring, label="ann", subject=(made.id, "ann"))
    me = installation.client(app.slug, text)
    for headers in ({"If-None-Match": "*"}, {"If-None-Match": made.etag}, {"If-Match": STALE}):
        for answer in _writes(me, "/Me", headers):
            assert_scim_error(answer, 412)
    assert_scim_error(me.get("/Me", headers={"If-Match": STALE}), 412)
    assert me.get("/Me").content == made.content

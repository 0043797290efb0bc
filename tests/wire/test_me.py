"""`/Me`: the user that a token was issued for, and what else such a token is good for."""

from __future__ import annotations

from typing import Any

import pytest

from installation import Connected, Installation, watch
from scim_client import PATCH_URN, Answer, ScimClient, assert_scim_error
from scimlite.admin import apps, tokens
from scimlite.admin.tokens import Token

TITLE = {"op": "replace", "path": "title", "value": "x"}
PATCH = {"schemas": [PATCH_URN], "Operations": [TITLE]}


@pytest.fixture
def ann(app: Connected) -> Answer:
    """A user of the app."""
    return app.client.user("ann@example.com", title="Clerk").ok(201)


def issued(installation: Installation, app: Connected, user: Answer, label: str = "ann") -> tuple[Token, ScimClient]:
    """A token for a user, and a client that uses it."""
    subject = (user.id, user.json["userName"])
    row = installation.app_row(app)
    token, text = tokens.issue(installation.workspace(row), installation.keyring, label=label, subject=subject)
    return token, installation.client(app.slug, text)


@pytest.fixture
def me(installation: Installation, app: Connected, ann: Answer) -> ScimClient:
    """A client with a token for ann."""
    return issued(installation, app, ann)[1]


def test_get_is_the_user_at_its_permanent_uri(app: Connected, ann: Answer, me: ScimClient) -> None:
    permanent = f"{app.client.base}/Users/{ann.id}"
    read = app.client.get(f"/Users/{ann.id}").ok(200)
    for path in ("/Me", "/Me/", "//Me", "/Me?"):
        answer = me.get(path).ok(200)
        assert answer.content == read.content
        assert answer.headers["location"] == answer.json["meta"]["location"] == permanent
        assert answer.etag == read.etag
    head = me.request("HEAD", "/Me").ok(200)
    assert (head.content, head.headers["location"]) == (b"", permanent)
    assert set(me.get("/Me?attributes=title").ok(200).json) == {"schemas", "id", "title"}
    assert me.get("/Me", headers={"If-None-Match": ann.etag}).status == 304


def test_put_patch_and_delete_act_on_the_user(
    installation: Installation, app: Connected, ann: Answer, me: ScimClient
) -> None:
    permanent, since = f"{app.client.base}/Users/{ann.id}", watch(installation, app)
    patched = me.patch("/Me", TITLE).ok(200)
    assert (patched.headers["location"], patched.json["title"]) == (permanent, "x")
    put = me.put("/Me", {"id": "another", "userName": "ann@example.org"}).ok(200)
    assert (put.headers["location"], put.id, put.json["userName"]) == (permanent, ann.id, "ann@example.org")
    assert app.client.get(f"/Users/{ann.id}").ok(200).content == put.content
    assert_scim_error(me.put("/Me", {"userName": "x"}, headers={"If-Match": ann.etag}), 412)
    assert_scim_error(me.patch("/Me", {"op": "replace", "path": "shoeSize", "value": 1}), 400, "invalidPath")
    gone = me.delete("/Me").ok(204)
    assert (gone.content, gone.headers["location"]) == (b"", permanent)
    assert_scim_error(app.client.get(f"/Users/{ann.id}"), 404)
    rows = since.new()
    assert [(row.action, row.outcome) for row in rows] == [
        ("updated", "ok"),
        ("updated", "ok"),
        ("updated", "refused"),
        ("updated", "refused"),
        ("deleted", "ok"),
    ]
    assert {(row.user_id, row.token) for row in rows} == {(ann.id, "ann")}


def test_an_empty_answer_has_the_location_too(installation: Installation) -> None:
    app = installation.app("empty", **{"patch-answer": "empty"})
    ann = app.client.user("ann").ok(201)
    answer = issued(installation, app, ann)[1].patch("/Me", TITLE).ok(204)
    assert answer.headers["location"] == f"{app.client.base}/Users/{ann.id}"


def test_a_deleted_subject_is_gone_for_good(app: Connected, ann: Answer, me: ScimClient) -> None:
    app.client.delete(f"/Users/{ann.id}").ok(204)
    app.client.user("ann@example.com").ok(201)
    for answer in (me.get("/Me"), me.put("/Me", {"userName": "x"}), me.patch("/Me", TITLE), me.delete("/Me")):
        assert_scim_error(answer, 404)
    me.get("/Schemas").ok(200)


def test_a_disabled_subject_is_still_there(app: Connected, ann: Answer, me: ScimClient) -> None:
    app.client.patch(f"/Users/{ann.id}", {"op": "replace", "path": "active", "value": False}).ok(200)
    assert me.get("/Me").ok(200).json["active"] is False


@pytest.mark.parametrize(
    ("method", "body"),
    [("GET", None), ("HEAD", None), ("POST", {"userName": "x"}), ("PUT", {}), ("PATCH", PATCH), ("DELETE", None)],
)
def test_a_token_for_nobody_has_no_me(
    installation: Installation, app: Connected, ann: Answer, method: str, body: Any
) -> None:
    since = watch(installation, app)
    sent = {} if body is None else {"body": body}
    answer = app.client.request(method, "/Me", **sent)
    assert answer.status == 501
    if method != "HEAD":
        assert_scim_error(answer, 501, detail="issued for a user")
    assert since.new() == []


def test_nothing_can_be_created_as_me(app: Connected, me: ScimClient) -> None:
    assert_scim_error(me.post("/Me", {"userName": "x"}), 501)
    assert app.client.find("Users")["totalResults"] == 1


def test_without_a_token_me_is_401_as_all_else(installation: Installation, app: Connected, me: ScimClient) -> None:
    other = installation.app("other")
    assert_scim_error(installation.client(app.slug, None).get("/Me"), 401)
    assert_scim_error(installation.client(other.slug, me.token).get("/Me"), 401)


# --- least privilege ----------------------------------------------------------------------------------------------


def test_the_token_reads_what_the_service_can_do(me: ScimClient) -> None:
    for path in ("/Schemas", "/ResourceTypes", "/ServiceProviderConfig", "/ResourceTypes/User", "//Schemas"):
        me.get(path).ok(200)


def test_the_token_is_good_for_nothing_else(
    installation: Installation, app: Connected, ann: Answer, me: ScimClient
) -> None:
    group = app.client.group("Staff", ann.id).ok(201)
    user, since = f"/Users/{ann.id}", watch(installation, app)
    answers = [
        me.get("/Users"),
        me.get(user),
        me.get(f"/{user}"),
        me.get("//Users"),
        me.get("/Users?filter=userName%20pr"),
        me.get(f"/Groups/{group.id}"),
        me.user("another"),
        me.put(user, {"userName": "ann@example.com"}),
        me.patch(user, TITLE),
        me.delete(user),
        me.delete(f"/{user}"),
        me.post("/Bulk", {"Operations": []}),
        me.post("/.search", {}),
        me.post("/Users/.search", {}),
        me.get("/Nothing"),
    ]
    refused = [answer for answer in answers if answer.status != 404]
    for answer in refused:
        assert_scim_error(answer, 403, detail="it is good for /Me and discovery only")
    assert len(refused) >= 12
    assert app.client.get(user).ok(200).json["title"] == "Clerk"
    assert app.client.find("Users")["totalResults"] == 1
    # The operator learns of it, but not by a row for each request.
    (row,) = since.new()
    assert (row.action, row.outcome, row.status) == ("authenticated", "refused", 403)
    assert row.detail == "token ann: it was used for more than /Me"


def test_rotation_keeps_the_subject(installation: Installation, app: Connected, ann: Answer) -> None:
    old, _ = issued(installation, app, ann)
    row = installation.app_row(app)
    new, text = tokens.rotate(installation.workspace(row), installation.keyring, old, overlap=0)
    assert new.subject == ann.id
    client = installation.client(app.slug, text)
    assert client.get("/Me").ok(200).id == ann.id
    assert_scim_error(client.get("/Users"), 403)


def test_two_subjects_are_two_users(installation: Installation, app: Connected, ann: Answer, me: ScimClient) -> None:
    bob = app.client.user("bob").ok(201)
    _, client = issued(installation, app, bob, "bob")
    assert (me.get("/Me").id, client.get("/Me").id) == (ann.id, bob.id)


def test_a_token_stops_with_its_app(installation: Installation, app: Connected, me: ScimClient) -> None:
    apps.set_enabled(installation.scope, app.slug, enabled=False)
    assert_scim_error(me.get("/Me"), 401)
    apps.delete(installation.scope, app.slug)
    assert_scim_error(me.get("/Me"), 401)

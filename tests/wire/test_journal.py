"""What makes a journal row and what does not, what a row tells, and where secrets never are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from installation import OPERATOR, Connected, Installation, watch
from scim_client import (
    ENTERPRISE_URN,
    PATCH_URN,
    USER_URN,
    Answer,
    ScimClient,
    add_members,
    assert_scim_error,
    remove_member,
)
from scimlite import clock
from scimlite.admin import apps, tokens
from scimlite.db.tables import TokenRow
from scimlite.journal import report
from scimlite.journal.selection import Selection

#: It searches all that the database and the log hold.
OWN_SERVICE = True

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


# --- what makes a row ---------------------------------------------------------------------------------------------


def test_a_users_life(installation: Installation, app: Connected) -> None:
    client = app.client
    made = client.user("ada@example.com", externalId="ext-1", title="Engineer").ok(201)
    path = f"/Users/{made.id}"
    client.patch(path, replace("title", "Boss")).ok(200)
    client.patch(path, replace("active", False)).ok(200)
    client.patch(path, replace("active", True), replace("nickName", "A")).ok(200)
    client.put(path, {"userName": "ada@example.org", "externalId": "ext-1"}).ok(200)
    client.delete(path).ok(204)
    rows = installation.journal(app)
    assert [(row.action, row.outcome, row.status) for row in rows] == [
        ("created", "ok", 201),
        ("updated", "ok", 200),
        ("disabled", "ok", 200),
        ("enabled", "ok", 200),
        ("updated", "ok", 200),
        ("deleted", "ok", 204),
    ]
    assert {row.user_id for row in rows} == {made.id}
    assert [row.user for row in rows][3:] == ["ada@example.com", "ada@example.org", "ada@example.org"]
    assert rows[1].changes == {"title": ["Engineer", "Boss"]}
    assert rows[2].changes == {"active": [True, False]}
    assert rows[3].changes == {"active": [False, True], "nickName": [None, "A"]}
    assert rows[4].changes["userName"] == ["ada@example.com", "ada@example.org"]
    assert all(row.group is None and row.token == "default" for row in rows)
    assert [row.at for row in rows] == sorted(row.at for row in rows)
    for name in ("ADA@example.com", "ada@example.org", "ext-1", made.id):
        assert len(installation.journal(app, user=name)) == 6, name


def test_a_groups_life_is_told_under_the_users(installation: Installation, app: Connected) -> None:
    client = app.client
    one, two = client.user("one").ok(201).id, client.user("two").ok(201).id
    seen = watch(installation, app)
    group = client.group("Sales", one).ok(201)
    path = f"/Groups/{group.id}"
    client.patch(path, add_members(one, two)).ok(200)
    client.patch(path, remove_member(one)).ok(200)
    client.put(path, {"displayName": "Sales team", "members": [{"value": one}]}).ok(200)
    client.delete(path).ok(204)
    told = [(row.action, row.user, row.group) for row in seen.new()]
    assert told[:5] == [
        ("created", None, "Sales"),
        ("member_added", "one", "Sales"),
        ("member_added", "two", "Sales"),
        ("member_removed", "one", "Sales"),
        ("updated", None, "Sales team"),
    ]
    assert sorted(told[5:7]) == [("member_added", "one", "Sales team"), ("member_removed", "two", "Sales team")]
    assert told[7:] == [("deleted", None, "Sales team"), ("member_removed", "one", "Sales team")]
    assert {row.group_id for row in seen.new()} == {group.id}
    assert [row.action for row in installation.journal(app, user="two")] == [
        "created",
        "member_added",
        "member_removed",
    ]


def test_a_group_in_a_group_is_told_under_the_group(installation: Installation, app: Connected) -> None:
    inner = app.client.group("inner").ok(201).id
    outer = app.client.group("outer").ok(201).id
    seen = watch(installation, app)
    app.client.patch(f"/Groups/{outer}", add_members(inner)).ok(200)
    (row,) = seen.new()
    assert (row.action, row.user, row.group) == ("member_added", None, "outer")
    assert "inner" in (row.detail or "")


def test_members_that_do_not_exist(installation: Installation) -> None:
    skipping, refusing = installation.app(), installation.app(unknown_members="refuse")
    for app, status in ((skipping, 200), (refusing, 400)):
        user = app.client.user("u").ok(201).id
        group = app.client.group("g").ok(201)
        seen = watch(installation, app)
        before = clock.now()
        answer = app.client.patch(f"/Groups/{group.id}", add_members(UNKNOWN, user))
        assert answer.status == status
        told = sorted((row.action, row.outcome, row.user) for row in seen.new() if row.user)
        if app is skipping:
            assert told == [("member_added", "ok", "u")]
            (refused,) = [row for row in seen.new() if row.outcome == "refused"]
            assert refused.action == "member_added"
            assert app.client.members(group.id) == {user}
        else:
            assert_scim_error(answer, 400, "invalidValue", UNKNOWN)
            (refused,) = seen.new()
            assert (refused.action, refused.outcome, refused.status) == ("updated", "refused", 400)
            assert app.client.members(group.id) == set()
        assert UNKNOWN in (refused.detail or "")
        assert refused.group == "g"
        assert refused.at >= before


def test_a_skipped_member_alone_is_told_when_it_happened(installation: Installation, app: Connected) -> None:
    """Nothing changes, so the group keeps its version and time; the row is as old as the request all the same."""
    group = app.client.group("g").ok(201)
    seen, before = watch(installation, app), clock.now()
    answer = app.client.patch(f"/Groups/{group.id}", add_members(UNKNOWN)).ok(200)
    assert answer.etag == group.etag
    assert answer.json["meta"] == group.json["meta"]
    (row,) = seen.new()
    assert (row.action, row.outcome) == ("member_added", "refused")
    assert row.at >= before


def _no_change(user: str, group: str) -> dict[str, Callable[[ScimClient], Answer]]:
    """Writes that ask for what is so already, by name."""
    mail = {"value": "u@example.com", "type": "work", "primary": True}
    whole = {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "userName": "u",
        "title": "t",
        "emails": [mail],
        ENTERPRISE_URN: {"department": "d"},
    }
    return {
        "put": lambda c: c.put(f"/Users/{user}", whole),
        "put again what was read": lambda c: c.put(f"/Users/{user}", c.get(f"/Users/{user}").json),
        "put with a password": lambda c: c.put(f"/Users/{user}", {**whole, "password": "Another-secret-7"}),
        "replace": lambda c: c.patch(f"/Users/{user}", replace("title", "t")),
        "replace without a path": lambda c: c.patch(f"/Users/{user}", {"op": "replace", "value": {"title": "t"}}),
        "replace active": lambda c: c.patch(f"/Users/{user}", {"op": "Replace", "path": "active", "value": "True"}),
        "add a value that is there": lambda c: c.patch(
            f"/Users/{user}", {"op": "add", "path": "emails", "value": [mail]}
        ),
        "replace by filter": lambda c: c.patch(
            f"/Users/{user}", replace('emails[type eq "work"].value', "u@example.com")
        ),
        "remove what is not there": lambda c: c.patch(f"/Users/{user}", {"op": "remove", "path": "nickName"}),
        "there and back": lambda c: c.patch(f"/Users/{user}", replace("title", "x"), replace("title", "t")),
        "password": lambda c: c.patch(f"/Users/{user}", replace("password", "Another-secret-7")),
        "department": lambda c: c.patch(f"/Users/{user}", replace(f"{ENTERPRISE_URN}:department", "d")),
        "group put": lambda c: c.put(f"/Groups/{group}", {"displayName": "g", "members": [{"value": user}]}),
        "group add": lambda c: c.patch(f"/Groups/{group}", add_members(user, user)),
        "group remove": lambda c: c.patch(f"/Groups/{group}", remove_member(UNKNOWN)),
        "group remove and add": lambda c: c.patch(f"/Groups/{group}", remove_member(user), add_members(user)),
        "group replace": lambda c: c.patch(f"/Groups/{group}", replace("members", [{"value": user}])),
        "group name": lambda c: c.patch(
            f"/Groups/{group}", {"op": "replace", "value": {"id": group, "displayName": "g"}}
        ),
    }


@pytest.mark.parametrize("name", _no_change("", ""))
def test_what_changes_nothing_writes_nothing(installation: Installation, app: Connected, name: str) -> None:
    client = app.client
    mail = {"value": "u@example.com", "type": "work", "primary": True}
    user = client.user("u", title="t", emails=[mail], **{ENTERPRISE_URN: {"department": "d"}}).ok(201)
    group = client.group("g", user.id).ok(201)
    before = [client.get(f"/Users/{user.id}").content, client.get(f"/Groups/{group.id}").content]
    seen = watch(installation, app)
    answer = _no_change(user.id, group.id)[name](client).ok(200)
    assert answer.etag == 'W/"1"'
    assert [client.get(f"/Users/{user.id}").content, client.get(f"/Groups/{group.id}").content] == before
    assert seen.told() == []


# --- what is refused ----------------------------------------------------------------------------------------------


def _refused(user: str, group: str) -> dict[str, tuple[str, int, Callable[[ScimClient], Answer]]]:
    """Writes that are refused: name, then the journal's action, the status, and the request."""
    stale = {"If-Match": 'W/"99"'}
    plain = {"Content-Type": "text/plain"}
    return {
        "taken name": ("created", 409, lambda c: c.user("taken")),
        "taken by rename": ("updated", 409, lambda c: c.patch(f"/Users/{user}", replace("userName", "taken"))),
        "taken by put": ("updated", 409, lambda c: c.put(f"/Users/{user}", {"userName": "taken"})),
        "taken group": ("created", 409, lambda c: c.group("g")),
        "stale patch": ("updated", 412, lambda c: c.patch(f"/Users/{user}", replace("title", "x"), headers=stale)),
        "stale delete": ("deleted", 412, lambda c: c.delete(f"/Users/{user}", headers=stale)),
        "no name": ("created", 400, lambda c: c.post("/Users", {})),
        "wrong type": ("created", 400, lambda c: c.user("new", active="perhaps")),
        "unknown attribute": ("updated", 400, lambda c: c.patch(f"/Users/{user}", replace("shoeSize", 7))),
        "readOnly": ("updated", 400, lambda c: c.patch(f"/Users/{user}", replace("id", "x"))),
        "no operation": ("updated", 400, lambda c: c.patch(f"/Groups/{group}", {"op": "move", "path": "displayName"})),
        "broken JSON": ("updated", 400, lambda c: c.request("PATCH", f"/Users/{user}", raw=b"{")),
        "empty": ("created", 400, lambda c: c.post("/Groups", raw=b"")),
        "not JSON": ("created", 415, lambda c: c.post("/Users", {"userName": "new"}, headers=plain)),
        "wrong projection": ("created", 400, lambda c: c.post("/Users?attributes=a&excludedAttributes=b", {})),
    }


@pytest.mark.parametrize("name", _refused("", ""))
def test_a_refused_write_makes_one_row(installation: Installation, app: Connected, name: str) -> None:
    client = app.client
    client.user("taken").ok(201)
    user, group = client.user("u").ok(201), client.group("g").ok(201)
    action, status, ask = _refused(user.id, group.id)[name]
    seen = watch(installation, app)
    answer = ask(client)
    assert answer.status == status, answer
    (row,) = seen.new()
    assert (row.action, row.outcome, row.status) == (action, "refused", status)
    assert row.request_id == answer.headers["x-request-id"]
    assert answer.json["detail"].startswith(row.detail)
    assert row.token == "default"
    if action != "created":
        assert (row.user_id, row.group_id) in ((user.id, None), (None, group.id))
        assert (row.user, row.group) in (("u", None), (None, "g"))
    assert client.get(f"/Users/{user.id}").etag == user.etag
    assert client.get(f"/Groups/{group.id}").etag == group.etag


def test_somebody_who_was_refused_is_found_by_name(installation: Installation, app: Connected) -> None:
    app.client.user("Ada", active="perhaps")
    app.client.user("ADA", active="perhaps")
    found = installation.journal(app, user="ada")
    assert [(row.action, row.outcome, row.user, row.user_id) for row in found] == [
        ("created", "refused", "Ada", None),
        ("created", "refused", "ADA", None),
    ]


def test_all_of_a_patch_or_nothing(installation: Installation, app: Connected) -> None:
    made = app.client.user("u").ok(201)
    user = app.client.user("member").ok(201).id
    group = app.client.group("g").ok(201)
    seen = watch(installation, app)
    wrong = replace('emails[type eq "work" or type eq "home"].value', "x")
    assert_scim_error(app.client.patch(f"/Users/{made.id}", replace("title", "x"), wrong), 400, "noTarget")
    rename = replace("displayName", "h")
    missing = {"op": "replace", "path": f'members[value eq "{UNKNOWN}"].display', "value": "x"}
    assert_scim_error(app.client.patch(f"/Groups/{group.id}", rename, add_members(user), missing), 400, "noTarget")
    assert app.client.get(f"/Users/{made.id}").content == made.content
    assert app.client.get(f"/Groups/{group.id}").content == group.content
    assert seen.told() == [("updated", "refused")] * 2


def test_a_refused_filter_makes_one_row(installation: Installation, app: Connected) -> None:
    seen = watch(installation, app)
    for query in ("filter=nothing%20eq%201", "filter=userName%20eq", "count=x", "sortBy=nothing"):
        assert app.client.get(f"/Users?{query}").status == 400
    assert seen.told() == [("searched", "refused")] * 4
    assert all(row.status == 400 and row.detail for row in seen.new())


def test_reading_makes_no_row(installation: Installation, app: Connected) -> None:
    client = app.client
    made = client.user("u").ok(201)
    seen = watch(installation, app)
    path = f"/Users/{made.id}"
    for target in ("/Users", path, "/Groups", "/Schemas", "/ResourceTypes", "/ServiceProviderConfig"):
        client.get(target).ok(200)
        client.request("HEAD", target).ok(200)
    client.find("Users", filter='userName eq "u"')
    client.find("Users", filter='userName eq "nobody"')
    assert client.get(path, headers={"If-None-Match": made.etag}).status == 304
    for method, target in (("GET", "/Nothing"), ("GET", f"/Users/{UNKNOWN}"), ("DELETE", f"/Users/{UNKNOWN}")):
        assert client.request(method, target).status == 404
    assert client.patch(f"/Users/{UNKNOWN}", replace("title", "x")).status == 404
    assert client.delete("/Users").status == 405
    assert client.get("/Schemas?filter=a").status == 403
    assert seen.told() == []


def test_unknown_attributes_are_listed(installation: Installation, app: Connected) -> None:
    seen = watch(installation, app)
    made = app.client.user("u", shoeSize=7, nickName="n", **{"urn:example:Nothing": {"a": 1}}).ok(201)
    assert "shoeSize" not in made.json
    (row,) = seen.new()
    assert "shoeSize" in (row.detail or "")
    assert "urn:example:Nothing" in (row.detail or "")


# --- who asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"ADSCIMVersion": "1.0, ActivityId: 5f0e9a2b-1c3d-4e5f-8a9b-0c1d2e3f4a5b"},
            "5f0e9a2b-1c3d-4e5f-8a9b-0c1d2e3f4a5b",
        ),
        ({"client-request-id": "abc-1", "X-Request-Id": "other"}, "abc-1"),
        ({"X-Request-Id": "mine"}, "mine"),
        ({"X-Correlation-Id": "theirs"}, "theirs"),
        ({"X-Request-Id": "a" * 1000}, "a" * 100),
        ({"X-Request-Id": "a\tb\xc3\xa9"}, "a?b?"),
        ({}, None),
    ],
)
def test_the_clients_own_request_id_is_kept(
    installation: Installation, app: Connected, headers: dict[str, str], expected: str | None
) -> None:
    seen = watch(installation, app)
    answer = app.client.post("/Users", {"userName": "u"}, headers={**headers, "User-Agent": "Some client/1.0"}).ok(201)
    assert_scim_error(app.client.post("/Users", {"userName": "u"}, headers=headers), 409, "uniqueness")
    made, refused = seen.new()
    assert made.client_request_id == refused.client_request_id == expected
    assert made.request_id == answer.headers["x-request-id"] != expected
    assert made.client == "Some client/1.0"
    assert refused.client == "127.0.0.1"


def test_refused_tokens_make_one_row_an_hour(installation: Installation, app: Connected) -> None:
    db, row = installation.db, installation.app_row(app)
    other = installation.app("other")
    revoked, text = tokens.issue(installation.workspace(row), installation.keyring, label="gone")
    tokens.revoke(installation.workspace(row), revoked)
    past, late = tokens.issue(
        installation.workspace(row), installation.keyring, label="late", expires_at=clock.now() - 1
    )
    seen, others = watch(installation, app), watch(installation, other)

    def ask() -> None:
        for token, slug in ((text, app.slug), (late, app.slug), (app.text, other.slug), (other.text, "nobody")):
            for _ in range(5):
                assert installation.client(slug, token).get("/Users").status == 401

    ask()
    assert seen.told() == [("authenticated", "refused")] * 3
    assert others.told() == [("authenticated", "refused")]
    told = [entry.detail or "" for entry in seen.new()]
    assert ["revoked" in told[0], "expired" in told[1], other.slug in told[2]] == [True] * 3
    assert "gone" in told[0]
    assert all(entry.status == 401 and entry.request_id for entry in seen.new())
    hour = 3600 * 1_000_000
    long_ago, lately = clock.now() - hour - 1, clock.now() - hour + 60_000_000
    db.execute(TokenRow.update(refusals=f'{{"revoked":{long_ago}}}').where(TokenRow.id == revoked.id))
    db.execute(TokenRow.update(refusals=f'{{"expired":{lately}}}').where(TokenRow.id == past.id))
    ask()
    assert seen.told() == [("authenticated", "refused")] * 4
    apps.set_enabled(installation.scope, other.slug, enabled=False)
    for token in (None, "garbage", "scimlite_garbage", app.text[:-2] + "xx"):
        assert installation.client(app.slug, token).get("/Users").status == 401
    assert seen.told() == [("authenticated", "refused")] * 4


def test_one_cause_does_not_hide_the_next(installation: Installation, app: Connected) -> None:
    other = installation.app("next cause")
    row = installation.app_row(other)
    token, text = tokens.issue(installation.workspace(row), installation.keyring, label="mended")
    seen = watch(installation, other)

    def ask(slug: str) -> None:
        for _ in range(3):
            assert installation.client(slug, text).get("/Users").status == 401

    ask(app.slug)
    apps.set_enabled(installation.scope, other.slug, enabled=False)
    ask(other.slug)
    apps.set_enabled(installation.scope, other.slug, enabled=True)
    ask(app.slug)
    tokens.revoke(installation.workspace(row), token)
    ask(other.slug)
    told = [entry.detail or "" for entry in seen.new() if entry.action == "authenticated"]
    assert len(told) == 3
    assert [app.slug in told[0], "disabled" in told[1], "revoked" in told[2]] == [True] * 3


def test_the_operators_acts(installation: Installation) -> None:
    app = installation.app("Acts")
    db, row = installation.db, installation.app_row(app)
    apps.set_enabled(installation.scope, app.slug, enabled=False)
    apps.set_enabled(installation.scope, app.slug, enabled=False)
    apps.set_enabled(installation.scope, app.slug, enabled=True)
    apps.edit(installation.scope, app.slug, features={"patch-answer": "body"})
    apps.edit(installation.scope, app.slug, features={"patch-answer": "body"})
    tokens.show(installation.workspace(row), installation.keyring, app.token)
    tokens.rotate(installation.workspace(row), installation.keyring, app.token, overlap=0)
    tokens.revoke(installation.workspace(row), tokens.get(db, row))
    apps.delete(installation.scope, app.slug)
    rows = report.read(db, Selection(app_id=row.id))
    assert [each.action for each in rows] == [
        "app_created",
        "token_issued",
        "app_disabled",
        "app_enabled",
        "app_edited",
        "token_shown",
        "token_rotated",
        "token_revoked",
        "app_deleted",
    ]
    assert {each.client for each in rows} == {OPERATOR.client}
    assert rows[4].changes == {"patch_answer": ["auto", "body"]}


# --- secrets ------------------------------------------------------------------------------------------------------

SECRET = "Tr0ub4dor-and-3"


def test_passwords_and_tokens_are_nowhere(installation: Installation) -> None:
    app = installation.app("secrets")
    client = app.client
    made = client.user("u", password=SECRET).ok(201)
    path = f"/Users/{made.id}"
    core = f"{USER_URN}:password"
    answers = [
        made,
        client.put(path, {"userName": "u", "PASSWORD": SECRET, "title": "a"}).ok(200),
        client.put(path, {"userName": "u", USER_URN: {"password": SECRET}}).ok(200),
        client.patch(path, replace("password", SECRET), replace("title", "b")).ok(200),
        client.patch(path, {"op": "add", "value": {"password": SECRET, "title": "c"}}).ok(200),
        client.patch(path, {"op": "add", "value": {core: SECRET, "title": "d"}}).ok(200),
        client.patch(path, {"op": "replace", "path": core, "value": SECRET}).ok(200),
        client.patch(path, {"op": "remove", "path": "password", "value": SECRET}),
        client.get(f"{path}?attributes=password,title").ok(200),
        client.get("/Users?attributes=password").ok(200),
        # Refused, each with the secret in another place.
        client.user("u", password=SECRET),
        client.user("v", password={"value": SECRET}),
        client.user("w", password=[SECRET, SECRET]),
        client.user("x", password=SECRET, active="perhaps"),
        client.patch(path, replace("password", [SECRET, SECRET])),
        client.patch(path, replace("password", {"value": SECRET})),
        client.patch(path, {"op": "replace", "path": "password.value", "value": SECRET}),
        client.patch(path, {"op": "set", "path": "password", "value": SECRET}),
        client.patch(path, replace("password", SECRET), replace("nothing", SECRET)),
        client.request("PATCH", path, {"schemas": [PATCH_URN], "Operations": [SECRET]}),
        client.request("PATCH", path, {"Operations": {"password": SECRET}}),
        client.post("/Users", raw=b'{"userName": "y", "password": "' + SECRET.encode()),
        client.post("/Users", raw=json.dumps({"password": SECRET}).encode(), headers={"Content-Type": "text/plain"}),
        client.get(f"/Users?filter=password%20eq%20%22{SECRET}%22"),
        client.get(f"/Users?filter=emails%5Bpassword%20eq%20%22{SECRET}%22%5D"),
        client.get("/Users?sortBy=password"),
        client.get(f"/Users/{made.id}?password={SECRET}"),
        # A client that puts its token where it does not belong.
        client.get(f"/Users?access_token={app.text}"),
        client.get("/Nothing", headers={"Cookie": f"token={app.text}"}),
    ]
    signature = app.text.rsplit(".", 1)[1]
    forged = app.text[:-4] + "AAAA"
    answers.append(installation.client(app.slug, forged).get("/Users"))
    assert answers[-1].status == 401
    places = {
        "answers": b"".join(answer.content + repr(answer.headers).encode() for answer in answers),
        "database": installation.stored(),
        "log": installation.log().encode(),
        "journal": repr(installation.journal(app, wire=False)).encode(),
    }
    for place, content in places.items():
        for name, secret in (
            ("password", SECRET),
            ("token", app.text),
            ("signature", signature),
            ("forged token", forged),
            ("key", installation.env["SCIMLITE_SECRET_KEY"]),
        ):
            assert secret.encode() not in content, f"{name} in {place}"
    assert [answer.status for answer in answers if answer.status >= 500] == []
    # A password cannot be guessed by asking either.
    for ask in (f'password eq "{SECRET}"', "password pr", f'not (password eq "{SECRET}")'):
        assert client.get("/Users?filter=" + ask.replace(" ", "%20").replace('"', "%22")).status == 400, ask


def test_the_log_has_one_line_for_each_request_and_no_values(installation: Installation, app: Connected) -> None:
    already = len(installation.log())
    client = app.client
    made = client.user("Zebulon", emails=[{"value": "zeb@mail.example"}], title="Quartermaster").ok(201)
    answers = [
        made,
        client.get("/Users?filter=userName%20eq%20%22Zebulon%22"),
        client.user("Zebulon"),
        client.get("/Users/Zebulon"),
        client.get("/Zebulon"),
        client.patch(f"/Users/{made.id}", replace("title", "Purser")),
        client.post("/Users", raw=b'{"userName": "Zebulon"'),
        installation.client(app.slug, "Zebulon").get("/Users"),
        ScimClient(installation.url).get("/Zebulon"),
        client.delete(f"/Users/{made.id}"),
    ]
    lines = [line for line in installation.log()[already:].splitlines() if "request=" in line]
    assert len(lines) == len(answers)
    for answer, line in zip(answers, lines, strict=True):
        assert f"request={answer.headers['x-request-id']} " in line
        assert f" status={answer.status} " in line
    # Also the line of the request whose token is no token, when the service knows the new app already.
    assert sum(f" app={app.slug} " in line for line in lines) in (8, 9)
    text = "\n".join(lines)
    for value in ("Zebulon", "zeb@mail", "Quartermaster", "Purser", app.text, "filter"):
        assert value not in text


def test_rows_point_at_the_request_in_the_log(installation: Installation, app: Connected) -> None:
    seen = watch(installation, app)
    app.client.user("u").ok(201)
    app.client.user("u")
    ids = [row.request_id for row in seen.new()]
    assert len(set(ids)) == 2
    assert all(f"request={id} " in installation.log() for id in ids)


def test_the_journal_is_per_app(installation: Installation, app: Connected) -> None:
    other = installation.app("other")
    app.client.user("same").ok(201)
    assert installation.journal(other) == []
    other.client.user("same").ok(201)
    assert len(installation.journal(other)) == 1
    assert len(installation.journal(app, user="same")) == 1

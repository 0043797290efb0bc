"""Bulk requests over the wire: each operation as if it were a request of its own, and references between them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from installation import Connected, Installation, watch
from scim_client import ENTERPRISE_URN, ERROR_URN, PATCH_URN, Answer, ScimClient, assert_scim_error
from scimlite.directory import passwords

Json = Any

BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE_URN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
MAX_BODY = 1024 * 1024
SETTINGS = {"MAX_BODY": str(MAX_BODY)}


def user(bulk_id: str, **attributes: Json) -> Json:
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {"userName": bulk_id, **attributes}}


def group(bulk_id: str, *members: str, **attributes: Json) -> Json:
    held = {"members": [{"value": each} for each in members]} if members else {}
    return {
        "method": "POST",
        "path": "/Groups",
        "bulkId": bulk_id,
        "data": {"displayName": bulk_id, **held, **attributes},
    }


def patch(path: str, *operations: Json, **more: Json) -> Json:
    return {
        "method": "PATCH",
        "path": path,
        "data": {"schemas": [PATCH_URN], "Operations": list(operations)},
        **more,
    }


def delete(path: str, **more: Json) -> Json:
    return {"method": "DELETE", "path": path, **more}


def replace(path: str, value: Json) -> Json:
    return {"op": "replace", "path": path, "value": value}


def send(client: ScimClient, *operations: Json, **more: Json) -> Answer:
    return client.post("/Bulk", {"schemas": [BULK_URN], "Operations": list(operations), **more})


def done(client: ScimClient, *operations: Json, **more: Json) -> list[Json]:
    """The answers to the operations of a request that is answered as a whole; each has the form that it must."""
    body = send(client, *operations, **more).ok(200).json
    assert body.keys() == {"schemas", "Operations"}
    assert body["schemas"] == [RESPONSE_URN]
    results: list[Json] = body["Operations"]
    for each in results:
        succeeded = each["status"].startswith("2")
        assert each.keys() <= {"method", "bulkId", "location", "version", "status", "response"}
        assert ("location" in each) is (succeeded or each["method"] != "POST"), each
        assert ("response" in each) is not succeeded, each
        assert ("version" in each) is (succeeded and each["method"] != "DELETE"), each
        if not succeeded:
            assert each["response"]["schemas"] == [ERROR_URN]
            assert each["response"]["status"] == each["status"]
            assert each["response"].keys() <= {"schemas", "status", "scimType", "detail"}
    return results


def statuses(results: list[Json]) -> list[str]:
    return [each["status"] for each in results]


def id_of(result: Json) -> str:
    found: str = result["location"].rsplit("/", 1)[1]
    return found


# --- operations by themselves -------------------------------------------------------------------------------------


def test_a_thousand_users_in_one_request(installation: Installation, app: Connected) -> None:
    mails = [f"user{number}@example.com" for number in range(1000)]
    started = time.perf_counter()
    results = done(app.client, *(user(each, emails=[{"value": each, "type": "work"}]) for each in mails))
    assert time.perf_counter() - started < 60
    assert set(statuses(results)) == {"201"}
    assert [each["bulkId"] for each in results] == mails
    assert app.client.find("Users", count=0)["totalResults"] == 1000
    assert app.client.get(results[500]["location"]).ok(200).json["userName"] == mails[500]
    rows = installation.journal(app)
    assert [(row.action, row.outcome, row.user) for row in rows] == [("created", "ok", each) for each in mails]


def test_every_method(installation: Installation, app: Connected) -> None:
    client = app.client
    one, two, three = (client.user(name).ok(201) for name in ("one", "two", "three"))
    seen = watch(installation, app)
    results = done(
        client,
        user("new"),
        {"method": "PUT", "path": f"/Users/{one.id}", "version": one.etag, "data": {"userName": "uno"}},
        patch(f"/Users/{two.id}", replace("title", "Boss"), version=two.etag, bulkId="mine"),
        delete(f"/Users/{three.id}", version=three.etag),
    )
    base = client.base
    assert results[1:] == [
        {"method": "PUT", "location": f"{base}/Users/{one.id}", "version": 'W/"2"', "status": "200"},
        {
            "method": "PATCH",
            "bulkId": "mine",
            "location": f"{base}/Users/{two.id}",
            "version": 'W/"2"',
            "status": "200",
        },
        {"method": "DELETE", "location": f"{base}/Users/{three.id}", "status": "204"},
    ]
    made = client.get(results[0]["location"]).ok(200)
    assert results[0] == {
        "method": "POST",
        "bulkId": "new",
        "location": f"{base}/Users/{made.id}",
        "version": made.etag,
        "status": "201",
    }
    assert client.get(f"/Users/{one.id}").ok(200).json["userName"] == "uno"
    assert client.get(f"/Users/{two.id}").ok(200).json["title"] == "Boss"
    assert client.get(f"/Users/{three.id}").status == 404
    rows = seen.new()
    assert [(row.action, row.user, row.status) for row in rows] == [
        ("created", "new", 201),
        ("updated", "uno", 200),
        ("updated", "two", 200),
        ("deleted", "three", 204),
    ]
    assert len({row.request_id for row in rows}) == 1


def test_operations_see_what_those_before_them_did(app: Connected) -> None:
    made = app.client.user("u").ok(201)
    results = done(
        app.client,
        delete(f"/Users/{made.id}"),
        user("u"),
        patch("/Users/bulkId:u", replace("title", "x")),
        patch("/Users/bulkId:u", replace("title", "y"), version='W/"2"'),
        patch("/Users/bulkId:u", replace("title", "z"), version='W/"2"'),
        delete("/Users/bulkId:u"),
        delete("/Users/bulkId:u"),
    )
    assert statuses(results) == ["204", "201", "200", "200", "412", "204", "404"]
    assert results[6]["location"] == results[1]["location"]


def _refused(user: str, group: str) -> dict[str, tuple[str, str, Json, str | None]]:
    """Operations that are refused: method, path, data and version."""

    def change(*operations: Json) -> Json:
        return {"schemas": [PATCH_URN], "Operations": list(operations)}

    path = f"/Users/{user}"
    return {
        "taken name": ("POST", "/Users", {"userName": "TAKEN"}, None),
        "no name": ("POST", "/Users", {}, None),
        "wrong type": ("POST", "/Users", {"userName": "x", "active": "perhaps"}, None),
        "no object": ("POST", "/Users", [1], None),
        "taken group": ("POST", "/Groups", {"displayName": "g"}, None),
        "unknown endpoint": ("POST", "/Nothing", {"userName": "x"}, None),
        "post to an id": ("POST", path, {"userName": "x"}, None),
        "put to an endpoint": ("PUT", "/Users", {"userName": "x"}, None),
        "delete an endpoint": ("DELETE", "/Users", None, None),
        "too deep": ("DELETE", f"{path}/name", None, None),
        "unknown id": ("PUT", f"/Users/{UNKNOWN}", {"userName": "x"}, None),
        "id of another type": ("DELETE", f"/Users/{group}", None, None),
        "long id": ("DELETE", f"/Users/{'x' * 5000}", None, None),
        "strange id": ("DELETE", "/Users/%00", None, None),
        "taken by put": ("PUT", path, {"userName": "taken"}, None),
        "stale put": ("PUT", path, {"userName": "x"}, 'W/"99"'),
        "stale patch": ("PATCH", path, change(replace("title", "x")), 'W/"99"'),
        "stale delete": ("DELETE", path, None, 'W/"99"'),
        "malformed version": ("DELETE", path, None, "99"),
        "no operations": ("PATCH", path, {"schemas": [PATCH_URN]}, None),
        "unknown attribute": ("PATCH", path, change(replace("shoeSize", 7)), None),
        "readOnly": ("PATCH", path, change(replace("id", "x")), None),
        "all of a patch or nothing": ("PATCH", path, change(replace("title", "x"), replace("active", "perhaps")), None),
        "no target": ("PATCH", f"/Groups/{group}", change({"op": "remove"}), None),
    }


@pytest.mark.parametrize("name", _refused("", ""))
def test_an_operation_is_refused_like_a_request_and_hides_no_other(
    installation: Installation, app: Connected, name: str
) -> None:
    client = app.client
    client.user("taken").ok(201)
    made, held = client.user("u").ok(201), client.group("g").ok(201)
    method, path, data, version = _refused(made.id, held.id)[name]
    seen = watch(installation, app)
    body = () if data is None else (data,)
    single = client.request(method, path, *body, headers={"If-Match": version})
    assert single.status >= 400
    alone, seen = seen.new(), watch(installation, app)
    operation = {"method": method, "path": path, "bulkId": "it", "data": data, "version": version}
    before, refused, after = done(client, user("before"), operation, user("after"))
    assert (before["status"], after["status"]) == ("201", "201")
    assert refused["status"] == str(single.status)
    assert refused["response"].get("scimType") == single.json.get("scimType")
    assert client.get(f"/Users/{made.id}").content == made.content
    assert client.get(f"/Groups/{held.id}").content == held.content
    rows = seen.new()
    assert [(row.action, row.outcome) for row in (rows[0], rows[-1])] == [("created", "ok")] * 2
    told = [(row.action, row.outcome, row.user, row.user_id, row.group_id, row.status) for row in rows[1:-1]]
    assert told == [(row.action, row.outcome, row.user, row.user_id, row.group_id, row.status) for row in alone]


def test_no_data_is_the_operations_own_mistake(app: Connected) -> None:
    made = app.client.user("u").ok(201)
    nothing = [
        {"method": "POST", "path": "/Users", "bulkId": "x"},
        {"method": "PUT", "path": f"/Users/{made.id}"},
        {"method": "PATCH", "path": f"/Users/{made.id}", "data": None},
    ]
    results = done(app.client, *nothing, user("y"))
    assert statuses(results) == ["400", "400", "400", "201"]
    assert {each["response"]["scimType"] for each in results[:3]} == {"invalidSyntax"}


def test_patch_answers_with_the_status_of_a_single_one(installation: Installation) -> None:
    for setting, expected in (("auto", ["200", "204"]), ("empty", ["204", "204"]), ("body", ["200", "200"])):
        app = installation.app(patch_answer=setting)
        made = done(app.client, *(user(f"u{number}") for number in range(101)))
        small = app.client.group("small", id_of(made[0])).ok(201).id
        large = app.client.group("large", *map(id_of, made)).ok(201).id
        rename = replace("externalId", "x")
        results = done(app.client, *(patch(f"/Groups/{id}", rename) for id in (small, large)))
        assert statuses(results) == expected
        assert [each["version"] for each in results] == ['W/"2"'] * 2


def test_a_path_has_a_length_that_the_journal_can_keep(installation: Installation, app: Connected) -> None:
    wrong = {"method": "PUT", "path": "/Users/" + "x" * 100_000, "data": {}}
    results = done(app.client, wrong, {**wrong, "path": "/Users/bulkId:" + "x" * 100_000}, user("u"))
    assert statuses(results) == ["404", "404", "201"]
    assert len(installation.journal(app)) == 1


def test_apps_are_apart(installation: Installation, app: Connected) -> None:
    theirs = installation.app("other").client.user("theirs").ok(201)
    results = done(app.client, delete(f"/Users/{theirs.id}"), group("g", theirs.id))
    assert statuses(results) == ["404", "201"]
    assert app.client.members(id_of(results[1])) == set()
    stranger = installation.client(app.slug, "nonsense")
    assert_scim_error(send(stranger, user("x")), 401)


# --- references ---------------------------------------------------------------------------------------------------


def test_a_new_user_in_a_new_group(app: Connected) -> None:
    alice, guides, bob = done(
        app.client,
        user("qwerty"),
        group("ytrewq", "bulkId:qwerty"),
        user("bob", **{ENTERPRISE_URN: {"employeeNumber": "11250", "manager": {"value": "bulkId:qwerty"}}}),
    )
    assert app.client.members(id_of(guides)) == {id_of(alice)}
    assert app.client.get(bob["location"]).json[ENTERPRISE_URN]["manager"]["value"] == id_of(alice)
    assert app.client.get(guides["location"]).etag == guides["version"] == 'W/"1"'


def test_forward_references(installation: Installation, app: Connected) -> None:
    old = app.client.group("old").ok(201)
    seen = watch(installation, app)
    results = done(
        app.client,
        patch(f"/Groups/{old.id}", {"op": "add", "path": "members", "value": [{"value": "bulkId:u"}]}),
        group("outer", "bulkId:inner", "bulkId:u"),
        group("inner", "bulkId:u"),
        patch("/Users/bulkId:u", replace("title", "x"), replace("manager", "bulkId:boss")),
        user("u"),
        user("boss"),
    )
    assert statuses(results) == ["200", "201", "201", "200", "201", "201"]
    patched, outer, inner, changed, made, boss = map(id_of, results)
    assert app.client.members(patched) == app.client.members(inner) == {made}
    assert app.client.members(outer) == {inner, made}
    assert changed == made
    assert app.client.get(f"/Users/{made}").json[ENTERPRISE_URN]["manager"]["value"] == boss
    assert all(row.outcome == "ok" for row in seen.new())


def test_references_in_the_filter_of_a_patch_path(app: Connected) -> None:
    results = done(
        app.client,
        user("stays"),
        user("goes"),
        user("comes"),
        group("g", "bulkId:stays", "bulkId:goes"),
        patch(
            "/Groups/bulkId:g",
            {"op": "remove", "path": 'members[value eq "bulkId:goes"]'},
            {"op": "add", "value": {"members": [{"value": "bulkId:comes", "$ref": "../Users/bulkId:comes"}]}},
        ),
    )
    stays, _, comes, held, _ = map(id_of, results)
    assert app.client.members(held) == {stays, comes}


def test_what_refers_to_nothing_is_refused(installation: Installation, app: Connected) -> None:
    app.client.user("taken").ok(201)
    seen = watch(installation, app)
    results = done(
        app.client,
        user("taken"),
        group("g", "bulkId:taken"),
        group("h", "bulkId:nobody"),
        user("u", **{ENTERPRISE_URN: {"manager": {"value": "bulkId:g"}}}),
        delete("/Users/bulkId:taken"),
        delete("/Users/bulkId:mine", bulkId="mine"),
        group("fine"),
    )
    assert statuses(results) == ["409"] * 6 + ["201"]
    assert results[0]["response"]["scimType"] == "uniqueness"
    assert all("scimType" not in each["response"] for each in results[1:6])
    assert results[4]["location"] == f"{app.client.base}/Users/bulkId:taken"
    assert app.client.find("Groups")["totalResults"] == 1
    assert not any(row.user_id or row.group_id for row in seen.new() if row.outcome == "refused")
    assert [(row.action, row.outcome, row.user or row.group) for row in seen.new()] == [
        ("created", "refused", "taken"),
        ("created", "refused", "g"),
        ("created", "refused", "h"),
        ("created", "refused", "u"),
        ("deleted", "refused", None),
        ("deleted", "refused", None),
        ("created", "ok", "fine"),
    ]


# --- circles ------------------------------------------------------------------------------------------------------


def test_groups_in_each_other(installation: Installation, app: Connected) -> None:
    seen = watch(installation, app)
    a, b, own, u = done(
        app.client,
        group("a", "bulkId:b", "bulkId:u"),
        group("b", "bulkId:a"),
        group("own", "bulkId:own", "bulkId:a"),
        user("u"),
    )
    assert statuses([a, b, own, u]) == ["201"] * 4
    assert app.client.members(id_of(a)) == {id_of(b), id_of(u)}
    assert app.client.members(id_of(b)) == {id_of(a)}
    assert app.client.members(id_of(own)) == {id_of(own), id_of(a)}
    for each in (a, b, own):
        assert app.client.get(each["location"]).etag == each["version"]
    told = [(row.action, row.outcome, row.group) for row in seen.new() if row.group]
    assert sorted(told) == [
        *(("created", "ok", name) for name in ("a", "b", "own")),
        *(("member_added", "ok", name) for name in ("a", "a", "b", "own", "own")),
    ]


def test_managers_of_each_other(app: Connected) -> None:
    def managed(name: str, by: str) -> Json:
        return user(name, **{ENTERPRISE_URN: {"department": "d", "manager": {"value": f"bulkId:{by}"}}})

    results = done(app.client, managed("a", "c"), managed("b", "a"), managed("c", "b"), managed("self", "self"))
    assert statuses(results) == ["201"] * 4
    ids = list(map(id_of, results))
    extensions = [app.client.get(each["location"]).json[ENTERPRISE_URN] for each in results]
    assert [each["manager"]["value"] for each in extensions] == [ids[2], ids[0], ids[1], ids[3]]
    assert {each["department"] for each in extensions} == {"d"}


@pytest.mark.parametrize("unknown_members", ["skip", "refuse"])
def test_a_circle_is_created_as_a_whole_or_not_at_all(installation: Installation, unknown_members: str) -> None:
    app = installation.app(unknown_members=unknown_members)
    app.client.group("taken").ok(201)
    seen = watch(installation, app)
    results = done(
        app.client,
        group("a", "bulkId:taken"),
        group("taken", "bulkId:b"),
        group("b", "bulkId:a"),
        group("c", "bulkId:a"),
        user("u"),
    )
    assert statuses(results) == ["409", "409", "409", "409", "201"]
    assert [each["response"].get("scimType") for each in results[:4]] == [None, "uniqueness", None, None]
    assert app.client.find("Groups")["totalResults"] == 1
    assert [(row.action, row.outcome, row.user or row.group) for row in seen.new()] == [
        ("created", "refused", "a"),
        ("created", "refused", "taken"),
        ("created", "refused", "b"),
        ("created", "refused", "c"),
        ("created", "ok", "u"),
    ]


def test_a_circle_that_refers_to_nothing_is_refused(app: Connected) -> None:
    results = done(app.client, group("a", "bulkId:b"), group("b", "bulkId:a", "bulkId:nobody"))
    assert statuses(results) == ["409", "409"]
    results = done(app.client, group("a", "bulkId:b"), {**group("b", "bulkId:a"), "path": "/Nothing"})
    assert statuses(results) == ["409", "404"]
    assert app.client.find("Groups")["totalResults"] == 0


def test_a_reference_that_cannot_wait_is_refused(app: Connected) -> None:
    """A userName is required at once, so that nothing of the circle can be created first."""
    named = {**user("a"), "data": {"userName": "bulkId:b"}}
    results = done(app.client, named, {**user("b"), "data": {"userName": "bulkId:a"}}, user("c"))
    assert statuses(results) == ["409", "409", "201"]
    wrong = {**user("a"), "data": {"userName": "a", "active": "perhaps", "nickName": "bulkId:a"}}
    (result,) = done(app.client, wrong)
    assert (result["status"], result["response"]["scimType"]) == ("400", "invalidValue")


def test_passwords_of_a_circle_are_those_of_its_users(installation: Installation) -> None:
    app = installation.app(passwords="hash")

    def managed(name: str, by: str, password: str) -> Json:
        return user(name, password=password, **{ENTERPRISE_URN: {"manager": {"value": f"bulkId:{by}"}}})

    results = done(app.client, managed("a", "b", "secret of a"), managed("b", "a", "secret of b"))
    assert statuses(results) == ["201"] * 2
    row = installation.app_row(app)
    for result, name in zip(results, "ab", strict=True):
        other = "b" if name == "a" else "a"
        assert passwords.verify(installation.db, row, id_of(result), f"secret of {name}")
        assert not passwords.verify(installation.db, row, id_of(result), f"secret of {other}")


# --- failOnErrors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (1, ["201", "400"]),
        (2, ["201", "400", "201", "404"]),
        (3, ["201", "400", "201", "404", "201"]),
        (None, ["201", "400", "201", "404", "201"]),
    ],
)
def test_fail_on_errors(installation: Installation, app: Connected, limit: int | None, expected: list[str]) -> None:
    wrong = {**user("wrong"), "data": {}}
    operations = [user("a"), wrong, user("b"), delete(f"/Users/{UNKNOWN}"), user("c")]
    results = done(app.client, *operations, failOnErrors=limit)
    assert statuses(results) == expected
    assert app.client.find("Users")["totalResults"] == expected.count("201")
    assert len(installation.journal(app)) == expected.count("201") + expected.count("400")


def test_answers_stand_in_the_order_of_the_request(app: Connected) -> None:
    wrong = {**user("wrong"), "data": {}}
    results = done(app.client, group("g", "bulkId:u"), group("h"), user("u"), wrong, user("never"), failOnErrors=1)
    assert [each["bulkId"] for each in results] == ["g", "h", "u", "wrong"]
    results = done(app.client, group("i", "bulkId:v"), wrong, user("v"), failOnErrors=1)
    assert [each["bulkId"] for each in results] == ["wrong"]


# --- the request as a whole ---------------------------------------------------------------------------------------

_MISTAKES: dict[str, tuple[str | None, Json]] = {
    "nothing": ("invalidSyntax", {}),
    "no operation": ("invalidSyntax", {"Operations": []}),
    "an array": ("invalidSyntax", [user("a")]),
    "no array": ("invalidSyntax", {"Operations": user("a")}),
    "no bulkId": ("invalidSyntax", {"Operations": [user("a"), {"method": "POST", "path": "/Users", "data": {}}]}),
    "a bulkId twice": ("invalidSyntax", {"Operations": [user("a"), group("a")]}),
    "no path": ("invalidSyntax", {"Operations": [user("a"), {"method": "DELETE"}]}),
    "no method": ("invalidSyntax", {"Operations": [user("a"), {"path": "/Users/1"}]}),
    "a method that reads": ("invalidSyntax", {"Operations": [user("a"), {"method": "GET", "path": "/Users"}]}),
    "failOnErrors 0": ("invalidSyntax", {"Operations": [user("a")], "failOnErrors": 0}),
    "NUL": ("invalidValue", {"Operations": [user("a"), user("b\0")]}),
}


@pytest.mark.parametrize("name", _MISTAKES)
def test_a_mistake_in_the_request_leaves_nothing_done(installation: Installation, app: Connected, name: str) -> None:
    scim_type, body = _MISTAKES[name]
    seen = watch(installation, app)
    answer = app.client.post("/Bulk", body)
    assert_scim_error(answer, 400, scim_type)
    assert app.client.find("Users")["totalResults"] == 0
    (row,) = seen.new()
    assert (row.action, row.outcome, row.status) == ("bulk", "refused", 400)
    assert row.request_id == answer.headers["x-request-id"]


def test_the_limits_are_those_that_are_announced(installation: Installation, app: Connected) -> None:
    client = app.client
    announced = client.get("/ServiceProviderConfig").ok(200).json["bulk"]
    assert announced == {"supported": True, "maxOperations": 1000, "maxPayloadSize": MAX_BODY}
    answer = send(client, *(user(f"u{number}") for number in range(1001)))
    assert_scim_error(answer, 413, detail="exceeds the maxOperations (1000).")
    request = b'{"Operations":[{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"a"}}]}'
    for size in (MAX_BODY + 1, MAX_BODY + 2, MAX_BODY * 2):
        answer = client.another().post("/Bulk", raw=request.ljust(size))
        detail = f"The size of the bulk operation exceeds the maxPayloadSize ({MAX_BODY})."
        assert_scim_error(answer, 413, detail=detail)
    assert client.find("Users")["totalResults"] == 0
    assert {(row.action, row.status) for row in installation.journal(app)} == {("bulk", 413)}
    client.another().post("/Bulk", raw=request.ljust(MAX_BODY)).ok(200)
    assert client.find("Users")["totalResults"] == 1


def test_only_post(app: Connected) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = app.client.request(method, "/Bulk")
        assert_scim_error(answer, 405)
        assert answer.headers["allow"] == "POST"
    assert_scim_error(app.client.post("/Bulk", {"Operations": []}, headers={"Content-Type": "text/plain"}), 415)


def test_only_resources_can_be_written(app: Connected) -> None:
    paths = ("/Bulk", "/Schemas", "/Me", "/", "", "?", "https://example.com/scim/v2/Users")
    results = done(app.client, *({**user(str(number)), "path": path} for number, path in enumerate(paths)))
    assert set(statuses(results)) == {"404"}


def test_secrets_are_nowhere(installation: Installation, app: Connected) -> None:
    secret = "Tr0ub4dor-and-3"
    made = app.client.user("u").ok(201)
    operations = [
        user("a", password=secret),
        user("b", password=f"bulkId:{secret}"),
        # Refused because of a reference: what looks like one is not repeated.
        user("d", nickName=f"bulkId:{secret}"),
        user("u", password=secret),
        user("c", password=secret, active="perhaps"),
        patch(f"/Users/{made.id}", replace("password", secret)),
        patch(f"/Users/{made.id}", replace("password", f"bulkId:{secret}")),
        patch(f"/Users/{made.id}", replace("password", secret), version='W/"99"'),
    ]
    answer = send(app.client, *operations).ok(200)
    assert secret not in answer.content.decode()
    assert statuses(answer.json["Operations"]) == ["201", "201", "409", "409", "400", "200", "200", "412"]
    assert secret not in str(installation.journal(app))
    assert secret not in installation.log()

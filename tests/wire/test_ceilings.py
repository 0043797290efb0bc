"""Ceilings: how large a resource, an attribute and a text may become, through every door, and how names are cut."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from installation import Connected, Installation
from scim_client import PATCH_URN, Answer, ScimClient, add_members, assert_scim_error
from scimlite.admin import mapping as mappings
from scimlite.admin import schemas
from scimlite.apps import AppError
from scimlite.apps.mapping import Mapping, Row
from scimlite.db.tables import JournalRow
from scimlite.directory import profiles
from scimlite.journal import refusals

SETTINGS = {
    "MAX_VALUES": "60",
    "MAX_ATTRIBUTE_VALUES": "20",
    "MAX_NAME": "100",
    "MAX_TEXT": "500",
    "MAX_DOCUMENT": "5000",
    "MAX_PASSWORDS": "3",
    "MAX_HASHES": "1",
}
ROOMY = {"MAX_VALUES": "6000", "MAX_ATTRIBUTE_VALUES": "2000", "MAX_NAME": "1000", "MAX_TEXT": "5000"}
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


_roomy: dict[int, str] = {}


def through_roomy(installation: Installation, app: Connected) -> ScimClient:
    """A client of a service with larger ceilings on the same database, one for all tests of an installation."""
    if id(installation) not in _roomy:
        _roomy[id(installation)] = installation.start(workers=1, **ROOMY).url
    return installation.client(app.slug, app.text, _roomy[id(installation)])


def emails(number: int, start: int = 0) -> list[dict[str, str]]:
    return [{"value": f"{n}@x.de"} for n in range(start, start + number)]


#: What is too much: the attributes, the status, and what the detail says.
EXCESSES: dict[str, tuple[dict[str, Any], int, str]] = {
    "values of an attribute": ({"emails": emails(21)}, 413, "emails has 21 values; an attribute has at most 20"),
    "values of a resource": (
        {"emails": emails(20), "phoneNumbers": [{"value": f"{n}", "type": "work"} for n in range(20)], "roles": ["x"]},
        413,
        "a resource has at most 60",
    ),
    "userName": (
        {"userName": "x" * 101},
        400,
        "userName has a text of 101 bytes; names and externalId have at most 100",
    ),
    "in UTF-8": ({"displayName": "ß" * 51}, 400, "displayName has a text of 102 bytes"),
    "externalId": ({"externalId": "x" * 101}, 400, "externalId has a text of 101 bytes"),
    "text": ({"title": "x" * 501}, 400, "title has a text of 501 bytes; a text has at most 500"),
    "text in an item": ({"photos": [{"value": "https://x/" + "x" * 491}]}, 400, "photos has a text of 501 bytes"),
    "text in an extension": ({ENTERPRISE: {"department": "x" * 501}}, 400, "department has a text of 501 bytes"),
    "document": (
        {"photos": [{"value": f"https://x/{n}" + "x" * 400} for n in range(13)]},
        413,
        "most of them in photos; a resource has at most 5,000",
    ),
}


def doors(id: str, name: str, body: dict[str, Any]) -> dict[str, Callable[[ScimClient], Answer]]:
    """Each way in which attributes come into a resource."""
    whole = {"userName": name, **body}
    new = {"userName": f"new-{name}", **body}
    operations = [{"op": "add", "path": path_of(key), "value": value_of(value)} for key, value in body.items()]
    return {
        "POST": lambda client: client.post("/Users", new),
        "PUT": lambda client: client.put(f"/Users/{id}", whole),
        "PATCH": lambda client: client.patch(f"/Users/{id}", *operations),
        "PATCH without path": lambda client: client.patch(f"/Users/{id}", {"op": "replace", "value": body}),
        "Bulk POST": lambda client: bulk(client, {"method": "POST", "path": "/Users", "bulkId": "1", "data": new}),
        "Bulk PATCH": lambda client: bulk(
            client,
            {"method": "PATCH", "path": f"/Users/{id}", "data": {"schemas": [PATCH_URN], "Operations": operations}},
        ),
    }


def path_of(key: str) -> str:
    return f"{key}:department" if key == ENTERPRISE else key


def value_of(value: Any) -> Any:
    return value["department"] if isinstance(value, dict) else value


def bulk(client: ScimClient, *operations: dict[str, Any]) -> Answer:
    """The answer to the last operation."""
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": list(operations)}
    answer = client.post("/Bulk", body).ok(200)
    last = answer.json["Operations"][-1]
    content = json.dumps(last.get("response", {})).encode()
    return Answer(int(last["status"]), {**answer.headers, "content-type": "application/scim+json"}, content)


@pytest.mark.parametrize("name", EXCESSES)
def test_no_door_lets_too_much_in(app: Connected, name: str) -> None:
    body, status, detail = EXCESSES[name]
    made = app.client.user("ann").ok(201)
    for door, send in doors(made.id, "ann", body).items():
        answer = send(app.client)
        assert answer.status == status, (door, answer.content)
        assert detail in answer.json["detail"], door
    assert app.client.get(f"/Users/{made.id}").ok(200).etag == made.etag
    assert app.client.find("Users")["totalResults"] == 1


def test_what_is_just_small_enough_is_taken(app: Connected) -> None:
    client = app.client
    client.user("x" * 100, displayName="ß" * 50, externalId="x" * 100, emails=emails(20), title="x" * 500).ok(201)
    # What is left out counts nowhere: unknown attributes, and what only the service writes.
    client.user("bob", unknown=emails(900), groups=emails(900), note="x" * 4000).ok(201)
    # Equal values are one.
    client.user("cat", emails=[{"value": "a@x.de"}] * 20).ok(201)


def test_many_small_additions_end_at_the_ceiling(installation: Installation, app: Connected) -> None:
    id = app.client.user("ann", emails=emails(18)).ok(201).id
    for number in (18, 19):
        app.client.patch(f"/Users/{id}", {"op": "add", "path": "emails", "value": emails(1, number)}).ok(200)
    answer = app.client.patch(f"/Users/{id}", {"op": "add", "path": "emails", "value": emails(1, 20)})
    assert_scim_error(answer, 413, detail="emails has 21 values")
    request_id = answer.json["detail"].rpartition("(request ")[2].rstrip(")")
    (refusal,) = refusals.of_request(installation.db, request_id)
    assert "SCIMLITE_MAX_ATTRIBUTE_VALUES" in str(refusal.remedy)
    app.client.patch(f"/Users/{id}", {"op": "remove", "path": 'emails[value eq "3@x.de"]'}).ok(200)
    app.client.patch(f"/Users/{id}", {"op": "add", "path": "emails", "value": emails(1, 20)}).ok(200)


def test_what_was_stored_before_is_read_and_made_smaller(installation: Installation) -> None:
    app = installation.app("before")
    roomy = through_roomy(installation, app)
    made = roomy.user("x" * 200, emails=emails(50), title="x" * 900, roles=["a"]).ok(201)
    client, path = app.client, f"/Users/{made.id}"
    assert len(client.get(path).ok(200).json["emails"]) == 50
    assert client.find("Users", filter=f'userName eq "{"x" * 200}"')["totalResults"] == 1
    # Everything else can change.
    client.patch(path, {"op": "replace", "path": "nickName", "value": "Ann"}).ok(200)
    client.patch(path, {"op": "replace", "path": "active", "value": False}).ok(200)
    # Smaller, but not larger again.
    client.patch(path, {"op": "replace", "path": "title", "value": "x" * 800}).ok(200)
    assert_scim_error(client.patch(path, {"op": "replace", "path": "title", "value": "x" * 801}), 400, "invalidValue")
    body = {"userName": "x" * 200, "title": "x" * 800, "roles": ["a"]}
    client.put(path, {**body, "emails": emails(40)}).ok(200)
    assert_scim_error(client.put(path, {**body, "emails": emails(41)}), 413, detail="emails has 41 values")
    client.patch(path, {"op": "remove", "path": "emails", "value": emails(10)}).ok(200)
    assert_scim_error(client.patch(path, {"op": "add", "path": "emails", "value": emails(2, 60)}), 413)
    client.patch(path, {"op": "replace", "path": "userName", "value": "short"}).ok(200)
    client.delete(path).ok(204)


def test_members_are_not_counted_and_names_of_groups_are(app: Connected) -> None:
    ids = [app.client.user(f"user-{n}").ok(201).id for n in range(70)]
    group = app.client.group("Staff", *ids).ok(201).id
    app.client.put(f"/Groups/{group}", {"displayName": "Staff", "members": [{"value": id} for id in ids]}).ok(200)
    app.client.patch(f"/Groups/{group}", {"op": "replace", "value": {"members": [{"value": id} for id in ids]}}).ok(200)
    app.client.patch(f"/Groups/{group}", {"op": "remove", "path": "members", "value": [{"value": ids[0]}]}).ok(200)
    app.client.patch(f"/Groups/{group}", add_members(*ids)).ok(200)
    assert len(app.client.members(group)) == 70
    for answer in (app.client.group("x" * 101), app.client.put(f"/Groups/{group}", {"displayName": "x" * 101})):
        assert_scim_error(answer, 400, "invalidValue", detail="displayName has a text of 101 bytes")


def test_declared_attributes_and_types_have_ceilings(installation: Installation, app: Connected) -> None:
    attributes = [{"name": "name", "type": "string"}, {"name": "colors", "type": "string", "multiValued": True}]
    schema = "urn:ietf:params:scim:schemas:core:2.0:Schema"
    badge = {"schemas": [schema], "id": "urn:example:Badge", "name": "Badge", "attributes": attributes}
    kind = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "name": "Badge",
        "endpoint": "/Badges",
        "schema": "urn:example:Badge",
    }
    schemas.add(installation.scope, app.slug, [badge, kind])
    schemas.add(installation.scope, app.slug, {**badge, "id": "urn:example:More"}, to=["User"])
    colors = [f"c{n}" for n in range(21)]
    answer = app.client.post("/Badges", {"schemas": ["urn:example:Badge"], "name": "b", "colors": colors})
    assert_scim_error(answer, 413, detail="colors has 21 values")
    answer = app.client.post("/Badges", {"schemas": ["urn:example:Badge"], "name": "x" * 101})
    assert_scim_error(answer, 400, "invalidValue", detail="name has a text of 101 bytes")
    answer = app.client.user("ann", **{"urn:example:More": {"colors": colors}})
    assert_scim_error(answer, 413, detail="colors has 21 values")


def test_declarations_themselves_have_a_ceiling(installation: Installation, app: Connected) -> None:
    schema = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": "urn:example:Large",
        "name": "Large",
        "attributes": [{"name": "text", "type": "string", "description": "x" * 1_000_001}],
    }
    with pytest.raises(AppError, match="1,000,000 are the most"):
        schemas.add(installation.scope, app.slug, schema, to=["User"])
    assert not installation.app_row(app).declared.schemas


def test_a_mapping_that_blows_up_a_profile_is_refused_by_its_target(installation: Installation) -> None:
    app = installation.app("mapped")
    rows = (Row("long", template="{title}" * 140), *(Row(f"more{n}", template="{nickName}" * 95) for n in range(23)))
    mappings.change(installation.scope, app.slug, lambda current: Mapping(rows, current.group))
    client = app.client
    small = client.user("small", title="x" * 450, nickName="x" * 400).ok(201)
    answer = client.user("ann", title="x" * 500)
    assert_scim_error(answer, 400, "invalidValue", detail="long: its value would have 70,000 characters")
    answer = client.user("ann", title="x" * 450, nickName="x" * 490)
    assert_scim_error(answer, 400, "invalidValue", detail="with it the profile would have")
    # Nothing keeps a user from being disabled: what is too large is left out.
    change = {"op": "replace", "value": {"nickName": "x" * 490, "active": False}}
    client.patch(f"/Users/{small.id}", change).ok(200)
    workspace = installation.workspace(installation.app_row(app))
    values = profiles.read(workspace, workspace.app.resource_types["Users"], [small.id])[small.id]
    assert (len(values["long"]), len(values["more0"]), values["more22"]) == (63_000, 46_550, None)


# --- names in the journal -----------------------------------------------------------------------------------------


def test_names_are_cut_where_they_are_journalled(installation: Installation) -> None:
    app = installation.app("named")
    roomy = through_roomy(installation, app)
    user, name = roomy.user("u" * 900).ok(201).id, "g" * 900
    group = roomy.group(name).ok(201).id
    app.client.patch(f"/Groups/{group}", add_members(user)).ok(200)
    assert_scim_error(app.client.patch(f"/Groups/{group}", {"op": "add", "path": "no", "value": 1}), 400, "invalidPath")
    assert_scim_error(app.client.user("y" * 900), 400, "invalidValue")
    records = installation.journal(app)
    assert {record.group for record in records} == {None, "g" * 200 + "…"}
    assert {record.user for record in records if record.user} == {"u" * 200 + "…", "y" * 200 + "…"}
    # Earlier versions recorded whole names.
    long_ago = JournalRow.update(group_name=name).where(JournalRow.group_name.is_null(False))
    installation.db.execute(long_ago.where(JournalRow.app_id == installation.app_row(app).id))
    assert {record.group for record in installation.journal(app)} == {None, "g" * 200 + "…"}
    # The report still finds them by the whole name.
    assert len(installation.journal(app, user="u" * 900)) == 2
    assert len(installation.journal(app, user="y" * 900)) == 1


# --- passwords ----------------------------------------------------------------------------------------------------


def test_one_request_sets_so_many_passwords(installation: Installation) -> None:
    app = installation.app("hashing", passwords="hash")
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": f"{n}", "data": {"userName": f"u{n}", "password": f"secret {n}"}}
        for n in range(5)
    ]
    operations.append({"method": "POST", "path": "/Users", "bulkId": "x", "data": {"userName": "without"}})
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    results = app.client.post("/Bulk", body).ok(200).json["Operations"]
    assert [result["status"] for result in results] == ["201"] * 3 + ["413"] * 2 + ["201"]
    assert "password: one request sets at most 3 passwords" in results[3]["response"]["detail"]
    # The next request begins anew, and an app that drops passwords takes any number.
    app.client.user("u3", password="secret 3").ok(201)
    dropping = installation.app("dropping")
    results = dropping.client.post("/Bulk", body).ok(200).json["Operations"]
    assert {result["status"] for result in results} == {"201"}


def test_hashes_at_once_are_bounded_and_the_others_come_again(installation: Installation) -> None:
    service = installation.start(workers=1, threads=16, MAX_HASHES="1")
    app = installation.app("crowd", passwords="hash")

    def create(number: int) -> Answer:
        client = installation.client(app.slug, app.text, service.url)
        return client.user(f"user-{number}", password=f"secret {number}")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(create, range(16)))
    statuses = {answer.status for answer in answers}
    assert statuses <= {201, 503}
    assert 201 in statuses
    for answer in answers:
        if answer.status == 503:
            assert_scim_error(answer, 503, detail="passwords are being hashed")
            assert int(answer.headers["retry-after"]) > 0
    # Nothing waits for a turn that never comes.
    began = time.monotonic()
    create(99).ok(201)
    assert time.monotonic() - began < 5

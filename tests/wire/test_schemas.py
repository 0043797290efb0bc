"""Declared schemas and resource types over the wire: from the declaration alone everything else follows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from installation import Connected, Installation, watch
from scim_client import ENTERPRISE_URN, USER_URN, assert_scim_error
from scimlite.admin import schemas
from scimlite.db.tables import ResourceRow

ACME = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User"
DEVICE = "urn:example:schemas:2.0:Device"
LEASE = "urn:example:schemas:extension:2.0:Lease"

ACME_SCHEMA = {
    "id": ACME,
    "name": "Acme",
    "attributes": [
        {"name": "badgeId", "uniqueness": "server"},
        {"name": "costCode"},
        {"name": "level", "type": "integer"},
        {"name": "contractor", "type": "boolean"},
    ],
}
DEVICES = [
    {
        "name": "Device",
        "endpoint": "/Devices",
        "description": "What people were given.",
        "schema": DEVICE,
        "schemaExtensions": [{"schema": LEASE, "required": False}],
    },
    {
        "id": DEVICE,
        "name": "Device",
        "attributes": [
            {"name": "displayName", "required": True},
            {"name": "serial", "uniqueness": "server", "caseExact": True, "mutability": "immutable"},
            {"name": "state", "mutability": "readOnly"},
            {"name": "pin", "mutability": "writeOnly"},
            {"name": "secret", "returned": "never"},
            {"name": "remark", "returned": "request"},
            {"name": "kind", "returned": "always", "canonicalValues": ["phone", "laptop"]},
            {"name": "weight", "type": "decimal"},
            {"name": "bought", "type": "dateTime"},
            {"name": "manual", "type": "reference", "referenceTypes": ["external", "uri"]},
            {"name": "tags", "multiValued": True, "uniqueness": "server"},
            {
                "name": "owner",
                "type": "complex",
                "subAttributes": [
                    {"name": "value", "required": True},
                    {"name": "since", "type": "dateTime", "mutability": "immutable"},
                    {"name": "code", "uniqueness": "server"},
                    {"name": "hint", "returned": "request"},
                    {"name": "key", "mutability": "writeOnly"},
                ],
            },
            {
                "name": "ports",
                "type": "complex",
                "multiValued": True,
                "subAttributes": [
                    {"name": "value"},
                    {"name": "maker", "mutability": "immutable"},
                    {"name": "primary", "type": "boolean"},
                ],
            },
        ],
    },
    {"id": LEASE, "attributes": [{"name": "lender", "required": True}, {"name": "number", "uniqueness": "global"}]},
]


def replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


@pytest.fixture
def acme(installation: Installation, app: Connected) -> Connected:
    """An app with an extension of users."""
    schemas.add(installation.scope, app.slug, ACME_SCHEMA, to=["User"])
    return app


@pytest.fixture
def devices(installation: Installation, app: Connected) -> Connected:
    """An app with a resource type of its own."""
    schemas.add(installation.scope, app.slug, DEVICES)
    return app


def device(app: Connected, name: str = "Phone", **attributes: Any) -> Any:
    return app.client.post("/Devices", {"displayName": name, **attributes})


def names(found: Any) -> list[str]:
    return [each.get("userName") or each["displayName"] for each in found["Resources"]]


# --- extensions ---------------------------------------------------------------------------------------------------


def test_the_service_follows_a_declaration_at_once(installation: Installation, app: Connected) -> None:
    assert app.client.user("ada", **{ACME: {"badgeId": "7"}}).ok(201).json.get(ACME) is None
    assert_scim_error(app.client.get(f"/Users?filter={ACME}:badgeId%20pr"), 400, "invalidFilter")
    schemas.add(installation.scope, app.slug, ACME_SCHEMA, to=["User"])
    for number in range(8):
        assert app.client.another().user(f"u{number}", **{ACME: {"badgeId": f"B{number}"}}).ok(201).json[ACME]
    assert app.client.find("Users", filter=f"{ACME}:badgeId pr")["totalResults"] == 8
    schemas.remove(installation.scope, app.slug, ACME, force=True)
    for _ in range(8):
        assert_scim_error(app.client.another().get(f"/Users?filter={ACME}:badgeId%20pr"), 400, "invalidFilter")
    assert all(ACME not in each and ACME not in each["schemas"] for each in app.client.find("Users")["Resources"])
    assert_scim_error(app.client.get(f"/Schemas/{ACME}"), 404)


@pytest.mark.parametrize("urns", [[USER_URN, ACME], [USER_URN], [USER_URN, ENTERPRISE_URN], None])
def test_entras_custom_attributes_whatever_schemas_says(acme: Connected, urns: list[str] | None) -> None:
    said = {} if urns is None else {"schemas": urns}
    body = {**said, "userName": "ada", ACME: {"badgeId": "A-7", "level": 3}}
    made = acme.client.post("/Users", body).ok(201)
    assert made.json[ACME] == {"badgeId": "A-7", "level": 3}
    assert made.json["schemas"] == [USER_URN, ACME]
    assert acme.client.find("Users", filter=f'{ACME}:badgeId eq "a-7"')["totalResults"] == 1
    put = acme.client.put(f"/Users/{made.id}", {**body, ACME: {"badgeId": "A-8"}}).ok(200)
    assert put.json[ACME] == {"badgeId": "A-8"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "Add", "path": f"{ACME}:costCode", "value": "C1"},
        {"op": "Replace", "path": f"{ACME}:costCode", "value": "C1"},
        {"op": "replace", "path": ACME.lower() + ":COSTCODE", "value": "C1"},
        {"op": "add", "value": {f"{ACME}:costCode": "C1"}},
        {"op": "replace", "value": {ACME: {"costCode": "C1"}}},
        {"op": "add", "path": ACME, "value": {"costCode": "C1"}},
        {"op": "add", "path": "costCode", "value": "C1"},
    ],
)
def test_entras_custom_attributes_in_patch(acme: Connected, operation: dict[str, Any]) -> None:
    made = acme.client.user("ada").ok(201)
    changed = acme.client.patch(f"/Users/{made.id}", operation).ok(200).json
    assert changed[ACME] == {"costCode": "C1"}
    assert changed["schemas"] == [USER_URN, ACME]
    gone = acme.client.patch(f"/Users/{made.id}", {"op": "remove", "path": f"{ACME}:costCode"}).ok(200).json
    assert ACME not in gone
    assert gone["schemas"] == [USER_URN]


def test_queries_know_the_extension(acme: Connected) -> None:
    for name, level in (("ada", 3), ("bob", 1), ("cyd", 2)):
        acme.client.user(name, **{ACME: {"level": level, "contractor": level > 1}}).ok(201)
    acme.client.user("dan").ok(201)
    find = acme.client.find
    assert names(find("Users", filter=f"{ACME}:level ge 2", sortBy=f"{ACME}:level")) == ["cyd", "ada"]
    assert names(find("Users", filter=f'{ACME}:contractor eq true and userName sw "a"')) == ["ada"]
    assert names(find("Users", filter=f'schemas eq "{ACME}"')) == ["ada", "bob", "cyd"]
    assert names(find("Users", filter="level eq 1")) == ["bob"]
    shown = find("Users", attributes=f"{ACME}:level", filter='userName eq "ada"')["Resources"][0]
    assert shown[ACME] == {"level": 3}
    assert "userName" not in shown
    hidden = find("Users", excludedAttributes=ACME, filter='userName eq "ada"')["Resources"][0]
    assert ACME not in hidden


def test_values_of_an_extension_are_checked(acme: Connected) -> None:
    assert_scim_error(acme.client.user("ada", **{ACME: {"level": "three"}}), 400, "invalidValue", f"{ACME}:level")
    made = acme.client.user("ada").ok(201)
    refused = acme.client.patch(f"/Users/{made.id}", replace(f"{ACME}:shoeSize", 1))
    assert_scim_error(refused, 400, "invalidPath", "shoeSize")


def test_unique_in_an_extension(acme: Connected) -> None:
    acme.client.user("ada", **{ACME: {"badgeId": "A7"}}).ok(201)
    taken = {ACME: {"badgeId": "a7"}}
    assert_scim_error(acme.client.user("bob", **taken), 409, "uniqueness", f"{ACME}:badgeId")
    bob = acme.client.user("bob").ok(201).id
    refused = acme.client.patch(f"/Users/{bob}", replace(f"{ACME}:badgeId", "a7"))
    assert_scim_error(refused, 409, "uniqueness", f"{ACME}:badgeId")
    assert_scim_error(acme.client.put(f"/Users/{bob}", {"userName": "bob", **taken}), 409, "uniqueness", "badgeId")


def test_a_required_extension(installation: Installation, app: Connected) -> None:
    schemas.add(installation.scope, app.slug, ACME_SCHEMA, to=["User"], required=True)
    assert_scim_error(app.client.user("ada"), 400, "invalidValue", f"{ACME} is required")
    made = app.client.user("ada", **{ACME: {"level": 1}}).ok(201)
    assert_scim_error(app.client.patch(f"/Users/{made.id}", {"op": "remove", "path": ACME}), 400, "invalidValue", ACME)
    extensions = app.client.get("/ResourceTypes/User").ok(200).json["schemaExtensions"]
    assert extensions == [{"schema": ENTERPRISE_URN, "required": False}, {"schema": ACME, "required": True}]


def test_discovery_shows_what_is_declared(devices: Connected) -> None:
    shown = devices.client.get(f"/Schemas/{DEVICE}").ok(200).json
    found = {each["name"]: each for each in shown["attributes"]}
    assert found["serial"]["uniqueness"] == "server"
    assert found["serial"]["caseExact"] is True
    assert found["kind"]["canonicalValues"] == ["phone", "laptop"]
    assert found["pin"] | {"mutability": "writeOnly", "returned": "never"} == found["pin"]
    assert found["manual"]["referenceTypes"] == ["external", "uri"]
    assert [each["name"] for each in found["owner"]["subAttributes"]] == ["value", "since", "code", "hint", "key"]
    kind = devices.client.get("/ResourceTypes/Device").ok(200).json
    assert kind["endpoint"] == "/Devices"
    assert kind["schema"] == DEVICE
    assert kind["schemaExtensions"] == [{"schema": LEASE, "required": False}]
    listed = {each["id"] for each in devices.client.get("/Schemas").ok(200).json["Resources"]}
    assert {DEVICE, LEASE, USER_URN, ENTERPRISE_URN} <= listed


# --- a type of the app's own --------------------------------------------------------------------------------------


def test_the_life_of_a_resource(installation: Installation, devices: Connected) -> None:
    client, seen = devices.client, watch(installation, devices)
    made = device(devices, "Phone", serial="S1", externalId="x1", **{LEASE: {"lender": "Lend"}}).ok(201)
    where = f"{client.base}/Devices/{made.id}"
    assert made.headers["location"] == made.json["meta"]["location"] == where
    assert made.json["meta"]["resourceType"] == "Device"
    assert made.json["schemas"] == [DEVICE, LEASE]
    got = client.get(f"/Devices/{made.id}").ok(200)
    assert got.json == made.json
    assert client.get(f"/Devices/{made.id}", headers={"If-None-Match": got.etag}).status == 304
    changed = client.patch(f"/Devices/{made.id}", replace("displayName", "Old phone")).ok(200)
    assert changed.json["displayName"] == "Old phone"
    refused = client.put(f"/Devices/{made.id}", {"displayName": "x"}, headers={"If-Match": got.etag})
    assert_scim_error(refused, 412)
    put = client.put(f"/Devices/{made.id}", {"displayName": "Phone 2", "weight": 0.2}).ok(200).json
    assert (put["displayName"], put["weight"], put["serial"], put.get(LEASE)) == ("Phone 2", 0.2, "S1", None)
    assert_scim_error(client.get(f"/Users/{made.id}"), 404)
    client.delete(f"/Devices/{made.id}").ok(204)
    assert_scim_error(client.get(f"/Devices/{made.id}"), 404)
    device(devices, "Again", serial="S1").ok(201)
    assert seen.told() == [
        ("created", "ok"),
        ("updated", "ok"),
        ("updated", "refused"),
        ("updated", "ok"),
        ("deleted", "ok"),
        ("created", "ok"),
    ]
    rows = seen.new()
    assert all(row.user is None and row.group is None and "Device" in row.detail for row in rows)
    assert f"Device 'Phone' ({made.id})" in rows[0].detail


def test_queries_of_a_type(devices: Connected) -> None:
    for name, weight in (("Tablet", 0.5), ("Phone", 0.2), ("laptop", 1.5)):
        device(devices, name, weight=weight, kind=name.lower(), tags=[f"{name}1", f"{name}2"]).ok(201)
    devices.client.user("ada").ok(201)
    find = devices.client.find
    assert find("Devices")["totalResults"] == 3
    assert find("Users")["totalResults"] == 1
    assert names(find("Devices", sortBy="displayName")) == ["laptop", "Phone", "Tablet"]
    assert names(find("Devices", filter="weight lt 1", sortBy="weight", sortOrder="descending")) == ["Tablet", "Phone"]
    assert names(find("Devices", filter='tags eq "phone2"')) == ["Phone"]
    assert names(find("Devices", filter='meta.resourceType eq "Device"', startIndex=2, count=1)) == ["Phone"]
    assert names(find("Devices", filter=f'{DEVICE}:displayName sw "lap"')) == ["laptop"]
    assert_scim_error(devices.client.get("/Devices?filter=userName%20pr"), 400, "invalidFilter")
    where = find("Devices", filter='displayName eq "phone"')["Resources"][0]["meta"]["location"]
    assert names(find("Devices", filter=f'meta.location eq "{where}"')) == ["Phone"]


def test_a_type_in_queries_over_all_types(installation: Installation, devices: Connected) -> None:
    robot = [
        {"name": "Robot", "endpoint": "/Robots", "schema": "urn:example:schemas:2.0:Robot"},
        {"id": "urn:example:schemas:2.0:Robot", "attributes": [{"name": "title", "type": "integer"}]},
    ]
    schemas.add(installation.scope, devices.slug, robot)
    client = devices.client
    made = {
        "Device": device(devices, weight=2).ok(201).id,
        "Robot": client.post("/Robots", {"title": 5}).ok(201).id,
        "User": client.user("ada", title="Five").ok(201).id,
    }
    for text, found in (
        ("title eq 5", ["Robot"]),
        ('title eq "five"', ["User"]),
        ("title pr", ["Robot", "User"]),
        ("weight gt 1", ["Device"]),
        ("not (title pr)", ["Device"]),
        ("id pr", ["Device", "Robot", "User"]),
    ):
        listed = client.find("", filter=text)["Resources"]
        assert [each["id"] for each in listed] == [made[name] for name in found], text
        assert [each["meta"]["resourceType"] for each in listed] == found
    assert_scim_error(client.get("/?filter=title%20eq%20true"), 400, "invalidFilter")
    assert_scim_error(client.get("/?filter=nothing%20pr"), 400, "invalidFilter")
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "weight eq 2"}
    assert client.post("/Devices/.search", body).ok(200).json["totalResults"] == 1


def test_a_type_in_bulk(devices: Connected) -> None:
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"userName": "ada"}},
            {
                "method": "POST",
                "path": "/Devices",
                "bulkId": "d",
                "data": {"displayName": "Phone", "owner": {"value": "bulkId:u"}},
            },
            {"method": "POST", "path": "/Devices", "bulkId": "e", "data": {}},
        ],
    }
    done = devices.client.post("/Bulk", body).ok(200).json["Operations"]
    assert [each["status"] for each in done] == ["201", "201", "400"]
    (made,) = devices.client.find("Devices")["Resources"]
    assert made["owner"]["value"] == done[0]["location"].rsplit("/", 1)[-1]


def test_a_type_belongs_to_its_app(installation: Installation, devices: Connected) -> None:
    device(devices).ok(201)
    other = installation.app()
    assert_scim_error(other.client.get("/Devices"), 404)
    assert "Device" not in [each["id"] for each in other.client.get("/ResourceTypes").json["Resources"]]


def test_what_is_refused_is_told_in_the_journal(installation: Installation, devices: Connected) -> None:
    seen = watch(installation, devices)
    device(devices, "", kind="phone")
    devices.client.post("/Devices", {"displayName": "Phone", "weight": "heavy"})
    assert seen.told() == [("created", "refused")] * 2
    assert "Device 'Phone'" in seen.new()[1].detail or "Device Phone" in seen.new()[1].detail


def test_a_device_is_no_member(devices: Connected) -> None:
    made = device(devices).ok(201)
    group = devices.client.group("Staff", made.id).ok(201)
    assert devices.client.members(group.id) == set()


# --- characteristics ----------------------------------------------------------------------------------------------


def test_required(devices: Connected) -> None:
    assert_scim_error(
        devices.client.post("/Devices", {"kind": "phone"}), 400, "invalidValue", "displayName is required"
    )
    assert_scim_error(device(devices, owner={"code": "1"}), 400, "invalidValue", "owner.value is required")
    assert_scim_error(device(devices, **{LEASE: {"number": "1"}}), 400, "invalidValue", f"{LEASE}:lender is required")
    made = device(devices).ok(201)
    assert_scim_error(
        devices.client.put(f"/Devices/{made.id}", {"kind": "phone"}), 400, "invalidValue", "displayName is required"
    )
    refused = devices.client.patch(f"/Devices/{made.id}", {"op": "remove", "path": "displayName"})
    assert_scim_error(refused, 400, "mutability", "displayName is required")


def test_read_only(devices: Connected) -> None:
    made = device(devices, state="lost").ok(201)
    assert "state" not in made.json
    assert "state" not in devices.client.put(f"/Devices/{made.id}", {"displayName": "P", "state": "x"}).ok(200).json
    assert "state" not in devices.client.patch(f"/Devices/{made.id}", {"op": "add", "value": {"state": "x"}}).ok().json
    assert_scim_error(devices.client.patch(f"/Devices/{made.id}", replace("state", "x")), 400, "mutability", "state")


def test_immutable(devices: Connected) -> None:
    made = device(devices).ok(201)
    url = f"/Devices/{made.id}"
    assert devices.client.patch(url, replace("serial", "S1")).ok(200).json["serial"] == "S1"
    for change in (
        replace("serial", "S2"),
        {"op": "remove", "path": "serial"},
        {"op": "add", "value": {"serial": "S"}},
    ):
        assert_scim_error(devices.client.patch(url, change), 400, "mutability", "serial")
    assert_scim_error(devices.client.put(url, {"displayName": "P", "serial": "S2"}), 400, "mutability", "serial")
    assert devices.client.put(url, {"displayName": "P"}).ok(200).json["serial"] == "S1"
    assert devices.client.put(url, {"displayName": "P", "serial": "S1"}).ok(200).json["serial"] == "S1"


def test_immutable_sub_attributes(devices: Connected) -> None:
    since, later = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
    ports = [{"value": "usb", "maker": "M"}]
    made = device(devices, owner={"value": "ada", "since": since}, ports=ports).ok(201)
    url, client = f"/Devices/{made.id}", devices.client
    for changed in (
        {"owner": {"value": "ada", "since": later}},
        {"ports": [{"value": "usb", "maker": "N"}]},
    ):
        assert_scim_error(client.put(url, {"displayName": "P", **changed}), 400, "mutability", "is immutable")
        ((name, value),) = changed.items()
        assert_scim_error(client.patch(url, replace(name, value)), 400, "mutability", "is immutable")
    for change in (replace("owner.since", later), replace('ports[value eq "usb"].maker', "N")):
        assert_scim_error(client.patch(url, change), 400, "mutability", "is immutable")
    kept = client.put(url, {"displayName": "P", "owner": {"value": "bob"}, "ports": [{"value": "usb"}]}).ok(200).json
    assert kept["owner"] == {"value": "bob", "since": since}
    assert kept["ports"] == ports


def test_write_only(installation: Installation, devices: Connected) -> None:
    seen = watch(installation, devices)
    secret = {"pin": "hush-1234", "owner": {"value": "ada", "key": "hush-1234"}}
    made = device(devices, **secret).ok(201)
    url, client = f"/Devices/{made.id}", devices.client
    answers = [made, client.get(url), client.get(f"{url}?attributes=pin,owner.key,owner"), client.get("/Devices")]
    answers.append(client.patch(url, replace("pin", "hush-5678"), replace("owner.key", "hush-5678")))
    answers.append(client.put(url, {"displayName": "P", "owner": {"value": "ada"}}))
    for answer in answers:
        answer.ok()
        assert b"hush" not in answer.content
        assert b"pin" not in answer.content
    for text in ("pin pr", 'pin eq "hush-5678"', 'owner.key sw "h"', 'owner[key eq "x"]'):
        assert_scim_error(client.get(f"/Devices?filter={text.replace(' ', '%20')}"), 400, "invalidFilter")
    assert_scim_error(client.get("/Devices?sortBy=pin"), 400, "invalidPath")
    assert "hush" not in str([(row.changes, row.detail) for row in seen.new()])
    assert "pin" in seen.new()[1].changes
    stored = installation.db.scalar(ResourceRow.select(ResourceRow.document).where(ResourceRow.uuid == made.id))
    assert orjson.loads(stored)["pin"] == "hush-5678"


def test_returned(devices: Connected) -> None:
    given = {"secret": "s", "remark": "r", "kind": "phone", "owner": {"value": "ada", "hint": "h"}}
    made = device(devices, **given).ok(201)
    url, client = f"/Devices/{made.id}", devices.client
    # What is returned on request is in the answer to the request that set it (RFC 7643 section 7).
    assert made.json["remark"] == "r"
    assert made.json["owner"] == {"value": "ada", "hint": "h"}
    got = client.get(url).json
    assert got["kind"] == "phone"
    assert not {"secret", "remark"} & set(got)
    assert got["owner"] == {"value": "ada"}
    asked = client.get(f"{url}?attributes=remark,secret,owner.hint").json
    assert set(asked) == {"schemas", "id", "kind", "remark", "owner"}
    assert asked["owner"] == {"hint": "h"}
    assert client.get(f"{url}?excludedAttributes=kind,displayName").json["kind"] == "phone"
    assert client.patch(url, replace("remark", "t")).json["remark"] == "t"
    assert "remark" not in client.patch(url, replace("displayName", "Q")).json
    assert "remark" not in client.patch(f"{url}?attributes=displayName", replace("remark", "u")).json
    assert "remark" not in client.patch(f"{url}?excludedAttributes=remark", replace("remark", "v")).json
    assert client.put(url, {"displayName": "P", "remark": "w"}).json["remark"] == "w"
    assert not {"secret", "remark"} & set(client.find("Devices")["Resources"][0])
    assert client.find("Devices", attributes="remark")["Resources"][0]["remark"] == "w"
    assert_scim_error(client.get("/Devices?filter=secret%20pr"), 400, "invalidFilter")
    assert client.find("Devices", filter='remark eq "W"')["totalResults"] == 1


@pytest.mark.parametrize(
    ("attributes", "path"),
    [
        ({"serial": "S1"}, "serial"),
        ({"tags": ["other", "T1"]}, "tags"),
        ({"owner": {"value": "bob", "code": "c1"}}, "owner.code"),
        ({LEASE: {"lender": "x", "number": "n1"}}, f"{LEASE}:number"),
    ],
)
def test_unique(devices: Connected, attributes: dict[str, Any], path: str) -> None:
    held = {"serial": "S1", "tags": ["T1"], "owner": {"value": "ada", "code": "C1"}}
    device(devices, **held, **{LEASE: {"lender": "x", "number": "N1"}}).ok(201)
    assert_scim_error(device(devices, **attributes), 409, "uniqueness", path)
    made = device(devices).ok(201)
    refused = devices.client.patch(f"/Devices/{made.id}", {"op": "add", "value": attributes})
    assert_scim_error(refused, 409, "uniqueness", path)
    assert_scim_error(
        devices.client.put(f"/Devices/{made.id}", {"displayName": "P", **attributes}), 409, "uniqueness", path
    )


def test_unique_with_case_where_it_counts(devices: Connected) -> None:
    device(devices, serial="S1").ok(201)
    device(devices, serial="s1").ok(201)
    assert devices.client.find("Devices", filter='serial eq "s1"')["totalResults"] == 1
    assert devices.client.find("Devices", filter='displayName eq "PHONE"')["totalResults"] == 2
    # Equal values of one resource are one value; another resource cannot have it too.
    assert device(devices, tags=["a", "A"]).ok(201).json["tags"] == ["a"]
    assert_scim_error(device(devices, tags=["b", "A"]), 409, "uniqueness", "tags")


@pytest.mark.parametrize("manual", ["https://example.com/Manual?x=1#y", "../Devices/1", "urn:x:Y", "Manual.pdf"])
def test_references_stay_as_they_are(devices: Connected, manual: str) -> None:
    made = device(devices, manual=manual).ok(201)
    assert made.json["manual"] == manual
    assert devices.client.find("Devices", filter=f'manual eq "{manual}"')["totalResults"] == 1
    assert devices.client.find("Devices", filter=f'manual eq "{manual.swapcase()}"')["totalResults"] == 0


def test_canonical_values_are_not_enforced(devices: Connected) -> None:
    assert device(devices, kind="watch").ok(201).json["kind"] == "watch"


def test_one_primary(devices: Connected) -> None:
    made = device(devices, ports=[{"value": "usb", "primary": True}, {"value": "vga"}]).ok(201)
    change = {"op": "add", "path": "ports", "value": [{"value": "hdmi", "primary": True}]}
    ports = devices.client.patch(f"/Devices/{made.id}", change).ok(200).json["ports"]
    assert {each["value"]: each.get("primary", False) for each in ports} == {"usb": False, "vga": False, "hdmi": True}

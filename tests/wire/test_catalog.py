"""The catalogue's declarations over the wire: each entry declared, discovered, written, found, changed and deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from installation import Connected, Installation
from scim_client import ScimClient, assert_scim_error
from scimlite.admin import catalog, schemas

CORE = "urn:ietf:params:scim:schemas:core:2.0"
EXTENSION = "urn:ietf:params:scim:schemas:extension"
OKTA = "urn:okta:scim:schemas:core:1.0"
BLE = f"{EXTENSION}:ble:2.0:Device"
PASSKEY = f"{EXTENSION}:pairingPassKey:2.0:Device"
OOB = f"{EXTENSION}:pairingOOB:2.0:Device"
DPP = f"{EXTENSION}:dpp:2.0:Device"
FIDO = f"{EXTENSION}:fido-device-onboard:2.0:Device"
APPS = f"{EXTENSION}:endpointAppsExt:2.0:Device"


@dataclass(frozen=True)
class Sample:
    """One resource of an entry: what is sent, what comes back, a filter that finds it, a change and what is refused."""

    entry: str
    endpoint: str
    sent: dict[str, Any]
    filter: str
    change: dict[str, Any]
    #: What the resource has after the change.
    after: dict[str, Any]
    #: Bodies that are refused, with a part of the reason.
    refused: list[tuple[dict[str, Any], str]]
    #: Sent and not returned.
    hidden: list[str] = field(default_factory=list)


AGENT = {
    "name": "helpdesk-bot",
    "displayName": "Helpdesk bot",
    "agentType": "Assistant",
    "active": True,
    "description": "Answers tickets",
    "subject": "helpdesk-1",
    "entitlements": [{"value": "tickets.read", "primary": True}],
    "roles": [{"value": "support"}],
    "owners": [{"value": "71ddacd2", "display": "IT"}],
    "applications": [{"value": "e9e30dba", "display": "Portal", "type": "Web"}],
    "protocols": [{"type": "A2A", "specificationUrl": "https://bots.example.com/agent-card.json"}],
    "parent": {"value": "2819c223", "display": "Clippy"},
}
APPLICATION = {
    "name": "assistant-platform",
    "applicationUrls": [{"type": "api", "primary": True, "value": "https://api.example.com/v1"}],
    "oAuthConfiguration": [{"clientId": "0oa1", "redirectUri": ["https://example.com/a", "https://example.com/b"]}],
    "agents": [{"value": "1d2c3b4a", "type": "owned"}],
    "externalIdentifiers": [{"type": "ssoTenantId", "value": "00abc", "system": "https://idp.example.com"}],
}
DEVICE = {
    "displayName": "BLE Heart Monitor",
    "active": True,
    "mudUrl": "https://example.com/mud/heart.json",
    BLE: {
        "versionSupport": ["5.3", "5.4"],
        "deviceMacAddress": "2C:54:91:88:C9:E2",
        "isRandom": False,
        "separateBroadcastAddress": ["AA:BB:88:77:22:11", "AA:BB:88:77:22:12"],
        "mobility": True,
        "pairingMethods": [PASSKEY, OOB],
        PASSKEY: {"key": 123456},
        OOB: {"key": "TheKeyvalueRetrievedFromOOB", "randomNumber": 238796813516896},
    },
    f"{EXTENSION}:ethernet-mab:2.0:Device": {"deviceMacAddress": "2C:54:91:88:C9:E3"},
    f"{EXTENSION}:zigbee:2.0:Device": {"versionSupport": ["3.0"], "deviceEui64Address": "50:32:5F:FF:FE:E7:67:28"},
    APPS: {"applications": [{"value": "e9e30dba-f08f-4109-8486-d5c6a3316212"}]},
}
SECRET_DEVICE = {
    "displayName": "Wi-Fi sensor",
    "active": False,
    DPP: {
        "dppVersion": 2,
        "bootstrappingMethod": ["QR"],
        "bootstrapKey": "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADURzxmttZoIRIPWGoQMV00XHWCAQIhXruVWOz0NjlkIA=",
        "deviceMacAddress": "2C:54:91:88:C9:F2",
        "classChannel": ["81/1", "115/36"],
        "serialNumber": "4774LH2b4044",
    },
    FIDO: {"fdoVoucher": "-----BEGIN OWNERSHIP VOUCHER-----"},
}
SAMPLES = [
    Sample(
        "agents",
        "Agents",
        AGENT,
        'name eq "HELPDESK-bot" and protocols[type eq "A2A"] and owners.value eq "71ddacd2"',
        {"op": "replace", "path": "parent.display", "value": "Clippy 2.0"},
        {"parent": {"value": "2819c223", "display": "Clippy 2.0"}},
        [({"displayName": "x"}, "name is required"), ({"name": "x", "active": "perhaps"}, "active")],
    ),
    Sample(
        "agents",
        "AgenticApplications",
        APPLICATION,
        'applicationUrls.value eq "https://api.example.com/v1" and agents.type eq "owned"',
        {"op": "add", "path": 'oAuthConfiguration[clientId eq "0oa1"].issuerUri', "value": "https://idp.example.com"},
        {"oAuthConfiguration": [{**APPLICATION["oAuthConfiguration"][0], "issuerUri": "https://idp.example.com"}]},
        [({}, "name is required"), ({"name": "x", "agents": [{"type": {"a": "b"}}]}, "agents.type")],
    ),
    Sample(
        "agents-wzdk",
        "Agents",
        {
            "externalId": "agent-42",
            "agentUserName": "support-agent",
            "displayName": "Support Agent",
            "description": "Answers tickets",
            "active": True,
            "owners": [{"$ref": "https://example.com/v2/Users/71ddacd2", "type": "User"}],
        },
        'agentUserName eq "Support-Agent" and externalId eq "agent-42"',
        {"op": "replace", "value": {"active": False}},
        {"active": False},
        [({"displayName": "x"}, "agentUserName is required"), ({"agentUserName": "x", "active": "perhaps"}, "active")],
    ),
    Sample(
        "devices",
        "Devices",
        DEVICE,
        f'{BLE}:deviceMacAddress eq "2c:54:91:88:c9:e2" and {BLE}:versionSupport eq "5.4" and active eq true',
        {"op": "replace", "path": f"{BLE}:mobility", "value": False},
        {BLE: {**DEVICE[BLE], "mobility": False}},  # type: ignore[dict-item]
        [
            ({"displayName": "x"}, "active is required"),
            ({"active": True, BLE: {"isRandom": True}}, "is required"),
            ({"active": True, DPP: {"dppVersion": "two", "bootstrapKey": "x"}}, "dppVersion"),
            ({"active": True, f"{EXTENSION}:zigbee:2.0:Device": {"versionSupport": ["3.0"]}}, "deviceEui64Address"),
        ],
    ),
    Sample(
        "devices",
        "Devices",
        SECRET_DEVICE,
        f'{DPP}:serialNumber eq "4774lh2b4044" and {DPP}:dppVersion ge 2',
        {"op": "add", "path": f"{DPP}:bootstrappingMethod", "value": ["NFC"]},
        {
            DPP: {
                **{k: v for k, v in SECRET_DEVICE[DPP].items() if k != "bootstrapKey"},
                "bootstrappingMethod": ["QR", "NFC"],
            }
        },  # type: ignore[attr-defined]
        [({"active": True, DPP: {"dppVersion": 2, "bootstrapKey": ""}}, "bootstrapKey is required")],
        hidden=["bootstrapKey", "fdoVoucher"],
    ),
    Sample(
        "devices",
        "EndpointApp",
        {
            "applicationType": "deviceControl",
            "applicationName": "Device Control App 1",
            "certificateInfo": {"rootCA": "MIIBIjAN", "subjectName": "www.example.com"},
        },
        'applicationType eq "devicecontrol" and certificateInfo.subjectName eq "www.example.com"',
        {"op": "replace", "path": "applicationName", "value": "App 2"},
        {"applicationName": "App 2", "applicationType": "deviceControl"},
        [
            ({"applicationName": "x"}, "applicationType is required"),
            (
                {"applicationType": "telemetry", "applicationName": "x", "certificateInfo": {"rootCA": "x"}},
                "subjectName",
            ),
        ],
    ),
    Sample(
        "okta-entitlements",
        "Entitlements",
        {"displayName": "Printing", "type": "Licence", "description": "May print"},
        'displayName eq "printing" and type eq "licence"',
        {"op": "replace", "path": "description", "value": "May print in colour"},
        {"description": "May print in colour"},
        [({"type": "Licence"}, "displayName is required"), ({"displayName": ["a", "b"]}, "displayName")],
    ),
    Sample(
        "okta-entitlements",
        "Roles",
        {"displayName": "Editor", "type": "Role"},
        'displayName sw "edi"',
        {"op": "remove", "path": "type"},
        {"displayName": "Editor"},
        [({}, "displayName is required"), ({"displayName": {"a": "b"}}, "displayName")],
    ),
]


def named(entry: str) -> list[Sample]:
    return [sample for sample in SAMPLES if sample.entry == entry]


def test_each_entry_has_a_sample_of_each_type() -> None:
    for entry in catalog.every():
        assert {sample.endpoint for sample in named(entry.name)} == {kind.endpoint for kind in entry.types}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.entry}-{sample.endpoint}")
def test_a_resource_of_an_entry(sample: Sample, installation: Installation, app: Connected) -> None:
    client = app.client
    assert_scim_error(client.get(f"/{sample.endpoint}"), 404)
    schemas.add_entry(installation.scope, app.slug, sample.entry)
    visible = {
        name: {inner: v for inner, v in value.items() if inner not in sample.hidden}
        if isinstance(value, dict)
        else value
        for name, value in sample.sent.items()
    }
    made = client.post(f"/{sample.endpoint}", sample.sent).ok(201)
    assert {name: made.json.get(name, {}) for name in sample.sent} == visible
    assert client.get(f"/{sample.endpoint}/{made.id}").ok(200).json == made.json
    found = client.find(sample.endpoint, filter=sample.filter)
    assert [each["id"] for each in found["Resources"]] == [made.id]
    changed = client.patch(f"/{sample.endpoint}/{made.id}", sample.change).ok(200).json
    assert {name: changed.get(name) for name in sample.after} == sample.after
    again = client.put(f"/{sample.endpoint}/{made.id}", made.json).ok(200).json
    assert {name: again.get(name, {}) for name in sample.sent} == visible
    for body, reason in sample.refused:
        assert_scim_error(client.post(f"/{sample.endpoint}", body), 400, "invalidValue", reason)
    unknown = client.patch(f"/{sample.endpoint}/{made.id}", {"op": "add", "path": "shoeSize", "value": 1})
    assert_scim_error(unknown, 400, "invalidPath", "shoeSize")
    client.delete(f"/{sample.endpoint}/{made.id}").ok(204)
    assert_scim_error(client.get(f"/{sample.endpoint}/{made.id}"), 404)


@pytest.mark.parametrize("entry", catalog.every(), ids=lambda entry: entry.name)
def test_an_entry_is_discovered(entry: catalog.CatalogEntry, installation: Installation, app: Connected) -> None:
    schemas.add_entry(installation.scope, app.slug, entry.name)
    kinds = {kind["name"]: kind for kind in app.client.get("/ResourceTypes").ok(200).json["Resources"]}
    shown = {schema["id"]: schema for schema in app.client.get("/Schemas").ok(200).json["Resources"]}
    for kind in entry.types:
        assert kinds[kind.name]["endpoint"] == f"/{kind.endpoint}"
        assert kinds[kind.name]["schema"] == kind.schema
        listed = [(each["schema"], each["required"]) for each in kinds[kind.name]["schemaExtensions"]]
        assert listed == list(kind.extensions)
    for schema in entry.schemas:
        assert "nestedSchemas" not in shown[schema.id]
        declared = [attribute.declaration() for attribute in schema.attributes]
        others = [each for each in shown[schema.id]["attributes"] if each not in declared]
        assert [each for each in shown[schema.id]["attributes"] if each in declared] == declared
        # What every resource has stands in the schema of a type, and in no extension.
        types = {kind.schema for kind in entry.types}
        assert [each["name"] for each in others] == (["externalId"] if schema.id in types else [])
    # The built-in types are as before.
    assert kinds["User"]["schemaExtensions"] == app.client.get("/ResourceTypes/User").json["schemaExtensions"]


def test_unique_names_of_agents_and_roles(installation: Installation, app: Connected) -> None:
    for entry, endpoint, body in (
        ("agents", "Agents", {"name": "Bot"}),
        ("okta-entitlements", "Roles", {"displayName": "Editor"}),
    ):
        schemas.add_entry(installation.scope, app.slug, entry)
        app.client.post(f"/{endpoint}", body).ok(201)
        twin = {name: value.upper() for name, value in body.items()}
        assert_scim_error(app.client.post(f"/{endpoint}", twin), 409, "uniqueness")


def test_what_is_immutable_or_for_the_service_to_write(installation: Installation, app: Connected) -> None:
    schemas.add_entry(installation.scope, app.slug, "devices")
    made = app.client.post(
        "/EndpointApp", {"applicationType": "telemetry", "applicationName": "A", "clientToken": "mine"}
    ).ok(201)
    assert "clientToken" not in made.json
    path = f"/EndpointApp/{made.id}"
    change = {"op": "replace", "path": "applicationType", "value": "deviceControl"}
    assert_scim_error(app.client.patch(path, change), 400, "mutability", "applicationType")
    assert_scim_error(
        app.client.patch(path, {"op": "add", "path": "clientToken", "value": "mine"}), 400, "mutability", "clientToken"
    )


@pytest.fixture
def devices(installation: Installation, app: Connected) -> ScimClient:
    """The client of an app that declares devices."""
    schemas.add_entry(installation.scope, app.slug, "devices")
    return app.client


def test_a_pairing_method_stands_inside_of_its_extension(devices: ScimClient) -> None:
    """RFC 9944 figures 5 to 7."""
    made = devices.post("/Devices", DEVICE).ok(201)
    # The URNs of pairing methods are not among the schemas, as in the figures; a client may still name them.
    assert PASSKEY not in made.json["schemas"]
    named = {**DEVICE, "schemas": [*made.json["schemas"], PASSKEY]}
    assert devices.put(f"/Devices/{made.id}", named).ok(200).json["meta"]["version"] == made.json["meta"]["version"]
    for path in (f"{BLE}:{PASSKEY}:key", f"{BLE}:{PASSKEY}.key", f"{PASSKEY}:key", f"{PASSKEY.upper()}:KEY"):
        assert devices.find("Devices", filter=f"{path} eq 123456")["totalResults"] == 1
        assert devices.find("Devices", filter=f"{path} eq 654321")["totalResults"] == 0
        shown = devices.get(f"/Devices/{made.id}?attributes={path}").ok(200).json
        assert shown[BLE] == {PASSKEY: {"key": 123456}}
    assert (
        devices.find("Devices", filter=f"{OOB}:randomNumber gt 1000000 and {BLE}:mobility eq true")["totalResults"] == 1
    )
    whole = devices.get(f"/Devices/{made.id}?attributes={PASSKEY}").ok(200).json
    assert whole[BLE] == {PASSKEY: {"key": 123456}}
    without = devices.get(f"/Devices/{made.id}?excludedAttributes={BLE}:{OOB}").ok(200).json
    assert OOB not in without[BLE]
    assert PASSKEY in without[BLE]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": f"{BLE}:{PASSKEY}:key", "value": 654321},
        {"op": "replace", "path": f"{PASSKEY}:key", "value": 654321},
        {"op": "add", "path": f"{BLE}:{PASSKEY}", "value": {"key": 654321}},
        {"op": "replace", "path": PASSKEY, "value": {"key": 654321}},
        {"op": "add", "path": BLE, "value": {PASSKEY: {"key": 654321}}},
        {"op": "replace", "value": {BLE: {PASSKEY: {"key": 654321}}}},
        {"op": "add", "value": {f"{BLE}:{PASSKEY}:key": 654321}},
    ],
)
def test_a_pairing_method_by_patch(devices: ScimClient, operation: dict[str, Any]) -> None:
    made = devices.post("/Devices", DEVICE).ok(201)
    changed = devices.patch(f"/Devices/{made.id}", operation).ok(200).json
    assert changed[BLE] == {**made.json[BLE], PASSKEY: {"key": 654321}}
    assert devices.find("Devices", filter=f"{PASSKEY}:key eq 654321")["totalResults"] == 1
    gone = devices.patch(f"/Devices/{made.id}", {"op": "remove", "path": f"{BLE}:{PASSKEY}"}).ok(200).json
    assert PASSKEY not in gone[BLE]
    assert gone[BLE][OOB] == DEVICE[BLE][OOB]  # type: ignore[index]


def test_what_a_pairing_method_needs(devices: ScimClient) -> None:
    def ble(**changes: Any) -> dict[str, Any]:
        return {"active": True, BLE: {**DEVICE[BLE], **changes}}  # type: ignore[dict-item]

    refused = devices.post("/Devices", ble(**{OOB: {"key": "x"}}))
    assert_scim_error(refused, 400, "invalidValue", f"{BLE}:{OOB}.randomNumber is required")
    assert_scim_error(devices.post("/Devices", ble(**{PASSKEY: {"key": "six"}})), 400, "invalidValue", f"{PASSKEY}.key")
    assert_scim_error(devices.post("/Devices", ble(**{PASSKEY: 6})), 400, "invalidValue", PASSKEY)
    made = devices.post("/Devices", ble()).ok(201)
    unknown = {"op": "add", "path": f"{BLE}:{PASSKEY}:pin", "value": 1}
    assert_scim_error(devices.patch(f"/Devices/{made.id}", unknown), 400, "invalidPath", "pin")
    assert_scim_error(devices.get(f"/Devices?filter={PASSKEY}:pin%20eq%201"), 400, "invalidFilter")
    required = {"op": "remove", "path": f"{OOB}:randomNumber"}
    assert_scim_error(devices.patch(f"/Devices/{made.id}", required), 400, "mutability", "randomNumber is required")


def test_the_rfc_spells_the_urn_of_fido_in_two_ways(devices: ScimClient) -> None:
    """RFC 9944 figure 10 as it is printed, but for the long lines."""
    printed = {
        "schemas": [f"{CORE}:Devices", f"{FIDO}s"],
        "id": "e9e30dba-f08f-4109-8486-d5c6a3316111",
        "displayName": "Some random Ethernet Device",
        "active": True,
        f"{FIDO}s": {"fdoVoucher": "{... voucher ...}"},
        "meta": {"resourceType": "Device", "version": 'W/"a330bc54f0671c9"'},
    }
    made = devices.post("/Devices", printed).ok(201).json
    assert made["schemas"] == [f"{CORE}:Device", FIDO]
    assert FIDO not in made
    devices.patch(f"/Devices/{made['id']}", {"op": "replace", "path": f"{FIDO}s:fdoVoucher", "value": "other"}).ok(200)
    (listed,) = [each for each in devices.get("/Schemas").ok(200).json["Resources"] if "fido" in each["id"]]
    assert listed["id"] == FIDO


@pytest.mark.parametrize(
    "address", ["2C:54:91:88:C9", "2C-54-91-88-C9-E2", "2C:54:91:88:C9:EG", "2C:54:91:88:C9:E2\n", " 2C:54:91:88:C9:E2"]
)
def test_an_address_matches_its_pattern(devices: ScimClient, address: str) -> None:
    mab = f"{EXTENSION}:ethernet-mab:2.0:Device"
    right = {"active": True, mab: {"deviceMacAddress": "2c:54:91:88:c9:e2"}}
    made = devices.post("/Devices", right).ok(201)
    path, says = f"/Devices/{made.id}", f"{mab}:deviceMacAddress"
    wrong = {"active": True, mab: {"deviceMacAddress": address}}
    assert_scim_error(devices.post("/Devices", wrong), 400, "invalidValue", says)
    assert_scim_error(devices.put(path, wrong), 400, "invalidValue", says)
    for operation in (
        {"op": "replace", "path": says, "value": address},
        {"op": "add", "value": {mab: {"deviceMacAddress": address}}},
        {"op": "replace", "path": mab, "value": {"deviceMacAddress": address}},
        {"op": "add", "path": f"{BLE}:separateBroadcastAddress", "value": [address]},
    ):
        assert_scim_error(devices.patch(path, operation), 400, "invalidValue", "does not match")
    bulk = [{"method": "POST", "path": "/Devices", "bulkId": "d", "data": wrong}]
    assert devices.post("/Bulk", {"Operations": bulk}).ok(200).json["Operations"][0]["status"] == "400"
    assert devices.get(path).ok(200).json == made.json
    assert devices.find("Devices")["totalResults"] == 1


def test_the_type_of_an_application_is_one_of_two(devices: ScimClient) -> None:
    refused = devices.post("/EndpointApp", {"applicationType": "gateway", "applicationName": "A"})
    assert_scim_error(refused, 400, "invalidValue", "applicationType")
    made = devices.post("/EndpointApp", {"applicationType": "telemetry", "applicationName": "Collector"}).ok(201)
    group = devices.group("Apps", made.id).ok(201).id
    (member,) = devices.get(f"/Groups/{group}?attributes=members.display,members.type").ok(200).json["members"]
    assert (member["display"], member["type"]) == ("Collector", "EndpointApp")


def test_values_of_agents_without_a_value(installation: Installation, app: Connected) -> None:
    """A protocol has no `value`, and an owner may be a URL alone: neither is an empty item."""
    schemas.add_entry(installation.scope, app.slug, "agents")
    sent = {
        "name": "bot",
        "protocols": [{"type": "A2A"}, {"type": "OpenAPI", "specificationUrl": "https://example.com/a"}],
        "owners": [{"$ref": "https://example.com/v2/Users/1"}],
    }
    made = app.client.post("/Agents", sent).ok(201).json
    assert {name: made[name] for name in sent} == sent
    more = {"op": "add", "path": "protocols", "value": [{"type": "A2A", "specificationUrl": "https://example.com/b"}]}
    changed = app.client.patch(f"/Agents/{made['id']}", more).ok(200).json
    assert changed["protocols"] == [*sent["protocols"], more["value"][0]]
    gone = app.client.patch(f"/Agents/{made['id']}", {"op": "remove", "path": 'protocols[type eq "OpenAPI"]'}).ok(200)
    assert len(gone.json["protocols"]) == 2


def test_the_service_says_that_it_has_agents(installation: Installation, app: Connected) -> None:
    """A MUST of draft-abbey-scim-agent-extension-00."""

    def told() -> Any:
        return app.client.get("/ServiceProviderConfig").ok(200).json.get("agentExtension")

    assert told() is None
    schemas.add_entry(installation.scope, app.slug, "devices")
    assert told() is None
    schemas.add_entry(installation.scope, app.slug, "agents")
    assert told() == {"supported": True, "agentsSupported": True, "agenticApplicationsSupported": True}
    schemas.remove(installation.scope, app.slug, "Agent")
    assert told() == {"supported": True, "agentsSupported": False, "agenticApplicationsSupported": True}
    assert "agentExtension" not in installation.app("plain").client.get("/ServiceProviderConfig").ok(200).json


def test_an_entitlement_of_ones_own_beside_oktas(installation: Installation, app: Connected) -> None:
    """Okta's guide has a resource type Profile with the schema of entitlements and an extension."""
    own = "urn:acme:scim:schemas:extension:shop:1.0:Profile"
    schemas.add_entry(installation.scope, app.slug, "okta-entitlements")
    profile = {
        "name": "Profile",
        "endpoint": "/Profiles",
        "schema": f"{OKTA}:Entitlement",
        "schemaExtensions": [{"schema": own, "required": True}],
    }
    extension = {"id": own, "name": "Profile", "attributes": [{"name": "customProfileProperty"}]}
    schemas.add(installation.scope, app.slug, [profile, extension])
    assert_scim_error(app.client.post("/Profiles", {"displayName": "Profile 123"}), 400, "invalidValue", own)
    body = {"type": "Profile", "displayName": "Profile 123", own: {"customProfileProperty": "test-value"}}
    made = app.client.post("/Profiles", body).ok(201).json
    assert made["schemas"] == [f"{OKTA}:Entitlement", own]
    assert app.client.find("Profiles")["Resources"][0][own] == {"customProfileProperty": "test-value"}
    assert app.client.find("Entitlements")["totalResults"] == 0
    # The name is free for an entitlement of another type.
    app.client.post("/Entitlements", {"displayName": "Profile 123"}).ok(201)
    assert schemas.compare(installation.app_row(app), "okta-entitlements").differences == []


def test_put_keeps_what_a_client_cannot_send_back(installation: Installation, app: Connected) -> None:
    schemas.add_entry(installation.scope, app.slug, "devices")
    secret = app.client.post("/Devices", SECRET_DEVICE).ok(201)
    kept = app.client.put(f"/Devices/{secret.id}", {**secret.json, "displayName": "Sensor"}).ok(200).json
    assert kept["displayName"] == "Sensor"
    assert FIDO in kept["schemas"]
    # A resource that has no voucher yet needs one, also by PUT.
    plain = app.client.post("/Devices", {"active": True}).ok(201)
    refused = app.client.put(f"/Devices/{plain.id}", {"active": True, DPP: {"dppVersion": 2}})
    assert_scim_error(refused, 400, "invalidValue", "bootstrapKey is required")
    assert DPP not in app.client.get(f"/Devices/{plain.id}").ok(200).json
    fixed = app.client.post("/EndpointApp", {"applicationType": "telemetry", "applicationName": "A"}).ok(201)
    again = app.client.put(f"/EndpointApp/{fixed.id}", {"applicationName": "B"}).ok(200).json
    assert (again["applicationType"], again["applicationName"]) == ("telemetry", "B")


def test_an_entry_is_of_one_app(installation: Installation, app: Connected) -> None:
    other = installation.app("other")
    schemas.add_entry(installation.scope, app.slug, "agents")
    app.client.post("/Agents", {"name": "Bot"}).ok(201)
    assert_scim_error(other.client.get("/Agents"), 404)
    schemas.add_entry(installation.scope, other.slug, "agents")
    assert other.client.find("Agents")["totalResults"] == 0
    other.client.post("/Agents", {"name": "Bot"}).ok(201)

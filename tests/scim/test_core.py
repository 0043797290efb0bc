"""The declarations of User, Group and the enterprise extension against RFC 7643 sections 3.1, 4.1 to 4.3 and 8.7.1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from scimlite.scim import core
from scimlite.scim.attribute import Attribute
from scimlite.scim.schema import ResourceType, Schema

PLURAL = "value:string display:string type:string primary:boolean"

#: name, * for several values, : type, and what differs from RFC 7643 section 2.2; sub-attributes in brackets.
USER = f"""
userName:string required unique
name:complex [formatted:string familyName:string givenName:string middleName:string honorificPrefix:string
  honorificSuffix:string]
displayName:string
nickName:string
profileUrl:reference exact ->external
title:string
userType:string
preferredLanguage:string
locale:string
timezone:string
active:boolean
password:string writeOnly never
emails*:complex [{PLURAL}]
phoneNumbers*:complex [{PLURAL}]
ims*:complex [{PLURAL}]
photos*:complex [{PLURAL.replace("value:string", "value:reference/exact/->external")}]
addresses*:complex [formatted:string streetAddress:string locality:string region:string postalCode:string
  country:string type:string primary:boolean]
groups*:complex readOnly [value:string/exact/readOnly $ref:reference/exact/readOnly/->User/->Group
  display:string/readOnly type:string/readOnly]
entitlements*:complex [{PLURAL}]
roles*:complex [{PLURAL}]
x509Certificates*:complex [{PLURAL.replace("value:string", "value:binary/exact")}]
"""

ENTERPRISE = """
employeeNumber:string
costCenter:string
organization:string
division:string
department:string
manager:complex [value:string/exact $ref:reference/exact/->User displayName:string/readOnly]
"""

GROUP = """
displayName:string required
members*:complex [value:string/exact/immutable $ref:reference/exact/immutable/->User/->Group
  display:string/readOnly type:string/immutable]
"""

COMMON = """
schemas*:reference exact always ->uri
id:string exact readOnly always unique
externalId:string exact
meta:complex readOnly [resourceType:string/exact/readOnly created:dateTime/readOnly lastModified:dateTime/readOnly
  location:reference/exact/readOnly/->uri version:string/exact/readOnly]
"""


def written(attribute: Attribute, joint: str = " ") -> str:
    """An attribute in the form of the tables above."""
    marks = [
        ("required", attribute.required),
        ("exact", attribute.case_exact),
        (attribute.mutability, attribute.mutability != "readWrite"),
        (attribute.returned, attribute.returned != "default"),
        ("unique", attribute.uniqueness == "server"),
        *((f"->{kind}", True) for kind in attribute.reference_types),
    ]
    several = "*" if attribute.multi_valued else ""
    words = [f"{attribute.name}{several}:{attribute.type}", *(word for word, said in marks if said)]
    text = joint.join(words)
    return f"{text} [{' '.join(written(sub, '/') for sub in attribute.sub_attributes)}]" if attribute.complex else text


@pytest.mark.parametrize(
    ("attributes", "table"),
    [
        pytest.param(core.USER_SCHEMA.attributes, USER, id="User"),
        pytest.param(core.ENTERPRISE_SCHEMA.attributes, ENTERPRISE, id="EnterpriseUser"),
        pytest.param(core.GROUP_SCHEMA.attributes, GROUP, id="Group"),
        pytest.param(core.COMMON, COMMON, id="common"),
    ],
)
def test_attributes(attributes: tuple[Attribute, ...], table: str) -> None:
    expected = table.replace("\n  ", " ").split("\n")[1:-1]
    assert [written(attribute) for attribute in attributes] == expected


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("emails", ["work", "home", "other"]),
        ("phoneNumbers", ["work", "home", "mobile", "fax", "pager", "other"]),
        ("ims", ["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
        ("photos", ["photo", "thumbnail"]),
        ("addresses", ["work", "home", "other"]),
        ("groups", ["direct", "indirect"]),
    ],
)
def test_canonical_types(path: str, canonical: list[str]) -> None:
    assert core.USER.core[path.lower()].subs["type"].declaration()["canonicalValues"] == canonical


def test_urns() -> None:
    """RFC 7643 section 10.3."""
    assert core.USER_URN == "urn:ietf:params:scim:schemas:core:2.0:User"
    assert core.GROUP_URN == "urn:ietf:params:scim:schemas:core:2.0:Group"
    assert core.ENTERPRISE_URN == "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def nodes(value: Any) -> Iterator[Any]:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


SCHEMAS = [core.USER_SCHEMA, core.ENTERPRISE_SCHEMA, core.GROUP_SCHEMA]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_declaration(schema: Schema) -> None:
    """RFC 7643 section 7; Entra ID's reader of /Schemas wants no null."""
    declaration = schema.declaration()
    assert json.loads(json.dumps(declaration)) == declaration
    assert list(declaration) == ["schemas", "id", "name", "description", "attributes"]
    assert not any(node is None for node in nodes(declaration))
    for attribute in [node for node in nodes(declaration) if isinstance(node, dict) and "multiValued" in node]:
        kind = attribute["type"]
        simple = kind != "complex"
        assert attribute["description"]
        assert attribute.keys() - {"canonicalValues"} == {
            *("name", "type", "multiValued", "description", "required", "mutability", "returned"),
            *(("caseExact",) if kind in ("string", "reference", "binary") else ()),
            *(("uniqueness",) if simple else ("subAttributes",)),
            *(("referenceTypes",) if kind == "reference" else ()),
        }
        assert attribute["mutability"] in ("readOnly", "readWrite", "immutable", "writeOnly")
        assert attribute["returned"] in ("always", "never", "default", "request")
        assert attribute.get("uniqueness", "none") in ("none", "server", "global")
        assert all(attribute.get(name) != [] for name in ("canonicalValues", "subAttributes", "referenceTypes"))


def test_resource_types() -> None:
    """RFC 7643 section 6."""
    assert core.USER.declaration() == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "description": "User Account",
        "schema": core.USER_URN,
        "schemaExtensions": [{"schema": core.ENTERPRISE_URN, "required": False}],
    }
    assert core.GROUP.declaration()["schemaExtensions"] == []
    assert list(core.RESOURCE_TYPES) == ["Users", "Groups"]


@pytest.mark.parametrize("resource_type", core.RESOURCE_TYPES.values(), ids=lambda resource_type: resource_type.name)
def test_every_attribute_knows_its_path(resource_type: ResourceType) -> None:
    for urn, attribute in resource_type.attributes:
        prefix = f"{urn}:" if urn else ""
        assert attribute.path == prefix + attribute.name
        for sub in attribute.sub_attributes:
            assert sub.path == f"{attribute.path}.{sub.name}"
            assert not sub.complex


def test_what_is_special() -> None:
    assert core.GROUP.links is core.GROUP.core["members"]
    assert core.USER.links is None
    assert core.USER.derived is core.USER.core["groups"]
    assert core.GROUP.derived is None
    assert core.USER.unique_paths == {"userName"}
    assert core.GROUP.unique_paths == set()
    assert not core.USER.returned_on_request
    assert [a.name for _, a in core.USER.attributes if a.default is not None] == ["active"]


def test_types_that_keep_something_back(device: ResourceType) -> None:
    assert device.returned_on_request

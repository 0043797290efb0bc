"""Resource types for the tests of the protocol: the standard ones, and one with every kind of attribute."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scimlite.scim.attribute import Attribute
from scimlite.scim.core import COMMON, GROUP, USER
from scimlite.scim.schema import ResourceType, schema

DEVICE_URN = "urn:example:schemas:2.0:Device"
LEASE_URN = "urn:example:schemas:extension:2.0:Lease"
BOND_URN = "urn:example:schemas:extension:2.0:Bond"

DEVICE_SCHEMA = schema(
    DEVICE_URN,
    "Device",
    "Something that a user was given.",
    [
        Attribute("name", required=True),
        Attribute("serial", mutability="immutable", uniqueness="server"),
        Attribute("state", mutability="readOnly"),
        Attribute("pin", mutability="writeOnly", returned="never"),
        Attribute("secret", returned="never"),
        Attribute("remark", returned="request"),
        Attribute("lost", "boolean"),
        Attribute("ports", "integer"),
        Attribute("weight", "decimal"),
        Attribute("bought", "dateTime"),
        Attribute("key", "binary", case_exact=True),
        Attribute("manual", "reference", case_exact=True),
        Attribute("tags", multi_valued=True),
        Attribute("counts", "integer", multi_valued=True),
        Attribute("marks", "complex", (Attribute("type"), Attribute("display")), multi_valued=True),
        Attribute(
            "owner",
            "complex",
            (
                Attribute("value", case_exact=True, required=True),
                Attribute("since", "dateTime", mutability="immutable"),
                Attribute("display", mutability="readOnly"),
                Attribute("room"),
                Attribute("phones", multi_valued=True),
                Attribute("code", returned="never"),
                Attribute("label", returned="always"),
                Attribute("hint", returned="request"),
            ),
        ),
        Attribute(
            "parts",
            "complex",
            (
                Attribute("value"),
                Attribute("type"),
                Attribute("maker", mutability="immutable"),
                Attribute("model", required=True),
                Attribute("spare", "boolean"),
                Attribute("code", returned="never"),
            ),
            multi_valued=True,
        ),
    ],
    core=True,
)

LEASE_SCHEMA = schema(
    LEASE_URN,
    "Lease",
    "Who lends it.",
    [
        Attribute("lender", required=True),
        Attribute("contract", mutability="immutable"),
        Attribute("rate", "decimal"),
        Attribute("checked", "dateTime", mutability="readOnly"),
        Attribute("agent", "complex", (Attribute("name"), Attribute("mail"))),
        # A schema whose values stand inside of the extension's, as RFC 9944 has it.
        Attribute(BOND_URN, "complex", (Attribute("number", "integer"), Attribute("bank", required=True)), nested=True),
    ],
    core=False,
)

DEVICE = ResourceType("Device", "Devices", "Devices", DEVICE_SCHEMA, (LEASE_SCHEMA,), common=COMMON)


@pytest.fixture(scope="session")
def resource_types() -> dict[str, ResourceType]:
    """Resource types by name."""
    return {resource_type.name: resource_type for resource_type in (USER, GROUP, DEVICE)}


@pytest.fixture(scope="session")
def device() -> ResourceType:
    """A type with every kind of attribute."""
    return DEVICE


@pytest.fixture(scope="session")
def type_named(resource_types: dict[str, ResourceType]) -> Callable[[str], ResourceType]:
    """The look-up of a resource type, for hypothesis, which shows a failed test's arguments in full."""
    return lambda name: resource_types[name]

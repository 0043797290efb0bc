"""Checks that all declarations of an app fit together and beside the built-in ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from . import core, declared_types
from .declaration import LONGEST_PATH, DeclarationError, DeclaredType
from .path import quote
from .schema import RESOURCE_TYPE_URN, SCHEMA_URN, SERVICE_PROVIDER_URN, Schema

#: URNs that no declaration can have, in lower case.
BUILT_IN_URNS = frozenset(
    urn.lower()
    for urn in (
        core.USER_URN,
        core.GROUP_URN,
        core.ENTERPRISE_URN,
        *core.URN_ALIASES,
        SCHEMA_URN,
        RESOURCE_TYPE_URN,
        SERVICE_PROVIDER_URN,
    )
)
#: URNs of the protocol's messages begin like this.
_MESSAGES = "urn:ietf:params:scim:api:"
#: Names and endpoints of RFC 7644 section 3.2 and of Microsoft's reference code, in lower case.
_RESERVED_NAMES = frozenset({"schema", "resourcetype", "serviceproviderconfig"})
_RESERVED_ENDPOINTS = frozenset(
    {"schemas", "resourcetypes", "serviceproviderconfig", "bulk", "me", ".search", "serviceconfiguration"}
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


def urns(own: DeclaredType, schemas: Mapping[str, Schema]) -> set[str]:
    """The URNs of a type's schemas and of those inside of them, in lower case."""
    direct = [own.schema.lower(), *(urn.lower() for urn, _ in own.extensions)]
    return {*direct, *(urn.lower() for key in direct if key in schemas for urn in schemas[key].nested)}


def check(schemas: Mapping[str, Schema], types: Mapping[str, DeclaredType]) -> None:
    """Raises DeclarationError when declarations contradict each other or built-in ones.

    In: schemas by lower-case URN, and types by lower-case name.
    """
    for declared_schema in schemas.values():
        _check_urn(declared_schema, schemas.values())
    for own in types.values():
        if own.name.lower() not in declared_types.BUILT_IN:
            _check_type(own, schemas, types)
            if own.member_of_groups:
                declared_types.check_groups(own, schemas[own.schema.lower()])
        for urn, _ in own.extensions:
            if urn.lower() == own.schema.lower():
                raise DeclarationError(f"{own.name}: {urn} is its core schema and cannot extend it too.")
            if urn.lower() not in schemas and urn.lower() != core.ENTERPRISE_URN.lower():
                raise DeclarationError(f"{own.name}: the schema {urn} is not declared. Declare both at once.")
    for declared_schema in schemas.values():
        _check_nested(declared_schema, schemas, types)
    used = {urn for own in types.values() for urn in urns(own, schemas)}
    for key, declared_schema in schemas.items():
        if key not in used:
            raise DeclarationError(f"{declared_schema.id} belongs to no resource type: say which one it extends.")


def _check_nested(outer: Schema, schemas: Mapping[str, Schema], types: Mapping[str, DeclaredType]) -> None:
    """Raises DeclarationError when schemas cannot stand inside of this one."""
    cores = {own.schema.lower() for own in types.values()}
    extensions = {urn.lower() for own in types.values() for urn, _ in own.extensions}
    everywhere = [urn.lower() for own in schemas.values() for urn in own.nested]
    if outer.nested and outer.id.lower() in cores:
        raise DeclarationError(f"{outer.id} is a core schema: only an extension has nestedSchemas.")
    for urn in outer.nested:
        key = urn.lower()
        inner = schemas.get(key)
        if inner is None:
            raise DeclarationError(f"{outer.id}: the nested schema {urn} is not declared. Declare both at once.")
        if inner.nested or key in cores | extensions or everywhere.count(key) > 1:
            raise DeclarationError(
                f"{outer.id}: {urn} can only stand inside of one extension, and holds no other schema."
            )
        if any(attribute.complex for attribute in inner.attributes):
            raise DeclarationError(f"{outer.id}: {urn} has a complex attribute, which a nested schema cannot have.")
        if len(outer.id) + len(urn) > LONGEST_PATH:
            raise DeclarationError(f"{outer.id}: its URN and {urn} have more than {LONGEST_PATH} characters together.")


def _check_urn(declared: Schema, others: Iterable[Schema]) -> None:
    """Raises DeclarationError for a built-in URN, and for one that reads like an attribute of another schema."""
    key = declared.id.lower()
    if key in BUILT_IN_URNS or key.startswith(_MESSAGES):
        raise DeclarationError(f"{declared.id} is built in: it cannot be declared, leave it out.")
    for other in (core.USER_SCHEMA, core.GROUP_SCHEMA, core.ENTERPRISE_SCHEMA, *others):
        rest = key.removeprefix(f"{other.id.lower()}:")
        if rest != key and rest.split(".")[0] in other.by_key:
            raise DeclarationError(f"{declared.id} reads like an attribute of {other.id}: choose another URN.")


def _check_type(own: DeclaredType, schemas: Mapping[str, Schema], types: Mapping[str, DeclaredType]) -> None:
    """Raises DeclarationError when the name, the endpoint or the core schema of a type cannot be used."""
    if not _NAME.fullmatch(own.name) or own.name.lower() in _RESERVED_NAMES:
        raise DeclarationError(f"{quote(own.name)} cannot name a resource type.")
    taken = {other.endpoint.lower() for other in types.values() if other is not own}
    taken |= {endpoint.lower() for endpoint in core.RESOURCE_TYPES}
    if not _NAME.fullmatch(own.endpoint) or own.endpoint.lower() in _RESERVED_ENDPOINTS:
        raise DeclarationError(f"{own.name}: {quote('/' + own.endpoint)} cannot be the endpoint of a resource type.")
    if own.endpoint.lower() in taken:
        raise DeclarationError(f"{own.name}: another resource type is at /{own.endpoint} already.")
    if own.schema.lower() not in schemas:
        raise DeclarationError(f"{own.name}: its schema {own.schema} is not declared. Declare both at once.")

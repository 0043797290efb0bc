"""All that an app's operator declared: kept together, refused when its parts clash, and made into resource types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import orjson

from . import core, messages
from .declaration import DeclarationError, DeclaredType, stored_schema, stored_type
from .path import quote
from .schema import RESOURCE_TYPE_URN, SCHEMA_URN, ResourceType, Schema, schema

_BUILT_IN = {resource_type.name.lower(): resource_type for resource_type in core.RESOURCE_TYPES.values()}
_BUILT_IN_URNS = frozenset(
    urn.lower()
    for urn in (
        core.USER_URN,
        core.GROUP_URN,
        core.ENTERPRISE_URN,
        *core.URN_ALIASES,
        SCHEMA_URN,
        RESOURCE_TYPE_URN,
        messages.SERVICE_PROVIDER_URN,
    )
)
#: What the messages of the protocol are known by.
_MESSAGES = "urn:ietf:params:scim:api:"
#: Names and endpoints of RFC 7644 section 3.2, in lower case.
_RESERVED_NAMES = frozenset({"schema", "resourcetype", "serviceproviderconfig"})
_RESERVED_ENDPOINTS = frozenset({"schemas", "resourcetypes", "serviceproviderconfig", "bulk", "me", ".search"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, eq=False)
class Declared:
    """Schemas by lower-case URN, types by lower-case name; a type named like a built-in one extends that."""

    schemas: Mapping[str, Schema] = field(default_factory=dict)
    types: Mapping[str, DeclaredType] = field(default_factory=dict)

    def to_json(self) -> str:
        """The form that `from_json` takes."""
        body = {
            name: [each.declaration() for each in held.values()]
            for name, held in (("schemas", self.schemas), ("types", self.types))
            if held
        }
        return orjson.dumps(body).decode()

    def resource_types(self, built_in: Mapping[str, ResourceType]) -> dict[str, ResourceType]:
        """The resource types by endpoint: the built-in ones with what extends them, then the app's own."""
        extensions = {core.ENTERPRISE_URN.lower(): core.ENTERPRISE_SCHEMA}
        extensions |= {key: _placed(each, core=False) for key, each in self.schemas.items()}
        found = {}
        for endpoint, base in built_in.items():
            more = self.types.get(base.name.lower())
            found[endpoint] = _extended(base, more, extensions) if more else base
        for each in self.types.values():
            if each.name.lower() not in _BUILT_IN:
                main = _placed(self.schemas[each.schema.lower()], core=True)
                own = ResourceType(each.name, each.endpoint, each.description, main, common=core.COMMON)
                found[each.endpoint] = _extended(own, each, extensions)
        return found


NOTHING = Declared()


def _placed(declared: Schema, *, core: bool) -> Schema:
    return schema(declared.id, declared.name, declared.description, declared.attributes, core=core)


def _extended(base: ResourceType, by: DeclaredType, extensions: Mapping[str, Schema]) -> ResourceType:
    added = tuple(extensions[urn.lower()] for urn, _ in by.extensions)
    required = frozenset(extensions[urn.lower()].id for urn, must in by.extensions if must)
    return replace(
        base,
        extensions=(*base.extensions, *added),
        required_extensions=base.required_extensions | required,
    )


@lru_cache(maxsize=1024)
def from_json(text: str) -> Declared:
    """What is stored of an app; the same object for the same text, so that what is compiled from it can be kept."""
    body = orjson.loads(text)
    if not body:
        return NOTHING
    schemas = [stored_schema(each) for each in body.get("schemas", ())]
    types = [stored_type(each) for each in body.get("types", ())]
    return Declared({each.id.lower(): each for each in schemas}, {each.name.lower(): each for each in types})


def with_more(
    declared: Declared, more: Iterable[Schema | DeclaredType], to: Iterable[str] = (), required: bool | None = None
) -> Declared:
    """What is declared with more, or with something declared anew.

    Schemas that are no type's core schema extend the types that `to` names; `required` says whether a resource of
    these must have them (None: as it was, else not). Raises DeclarationError when the whole cannot hold.
    """
    schemas, types = dict(declared.schemas), dict(declared.types)
    new: list[Schema] = []
    for each in more:
        if isinstance(each, Schema):
            schemas[each.id.lower()] = each
            new.append(each)
        else:
            types[each.name.lower()] = _own_or_more(types, each)
    cores = {each.schema.lower() for each in types.values()}
    for name in to:
        extended = types.get(name.lower())
        if extended is None:
            if name.lower() not in _BUILT_IN:
                known = ", ".join(
                    [*(each.name for each in _BUILT_IN.values()), *(each.name for each in types.values())]
                )
                raise DeclarationError(f"There is no resource type {quote(name)} to extend. Types: {known}.")
            extended = DeclaredType.adding_to(_BUILT_IN[name.lower()])
        for each in new:
            if each.id.lower() not in cores:
                extended = extended.extended(each.id, required)
        types[name.lower()] = extended
    return _checked(Declared(schemas, _that_say_something(types)))


def _own_or_more(types: Mapping[str, DeclaredType], each: DeclaredType) -> DeclaredType:
    """A type of the app's own as it is declared; for a built-in one, what extends it so far and now."""
    built_in = _BUILT_IN.get(each.name.lower())
    if built_in is None:
        return each
    if each.endpoint != built_in.endpoint or each.schema.lower() != built_in.schema.id.lower():
        raise DeclarationError(
            f"{built_in.name} is built in, at /{built_in.endpoint} with {built_in.schema.id}: "
            "it can only get more schemaExtensions."
        )
    extended = types.get(each.name.lower()) or DeclaredType.adding_to(built_in)
    for urn, required in each.extensions:
        if urn.lower() not in built_in.extension_by_key:
            extended = extended.extended(urn, required)
    return extended


def without(declared: Declared, name: str) -> Declared:
    """What is declared without a schema (by URN) or a resource type (by name, with the schemas only it has).

    Raises DeclarationError when there is none that can go.
    """
    key = name.lower()
    if key in _BUILT_IN_URNS or key in _BUILT_IN:
        raise DeclarationError(f"{name} is built in: it cannot be removed.")
    schemas, types = dict(declared.schemas), dict(declared.types)
    if key in schemas:
        cores = [each.name for each in types.values() if each.schema.lower() == key]
        if cores:
            raise DeclarationError(f"{name} is the core schema of {cores[0]}: remove that.")
        del schemas[key]
        for type_key, each in types.items():
            kept = tuple(pair for pair in each.extensions if pair[0].lower() != key)
            types[type_key] = replace(each, extensions=kept)
    elif key in types:
        gone = types.pop(key)
        used = {urn for each in types.values() for urn in _urns(each)}
        for urn in _urns(gone) - used:
            schemas.pop(urn, None)
    else:
        known = ", ".join([each.id for each in schemas.values()] + [each.name for each in types.values()])
        raise DeclarationError(f"Nothing is declared as {quote(name)}. " + (f"There is: {known}." if known else ""))
    return Declared(schemas, _that_say_something(types))


def _that_say_something(types: Mapping[str, DeclaredType]) -> dict[str, DeclaredType]:
    """The types without built-in ones that nothing extends."""
    return {key: each for key, each in types.items() if key not in _BUILT_IN or each.extensions}


def _urns(each: DeclaredType) -> set[str]:
    return {each.schema.lower(), *(urn.lower() for urn, _ in each.extensions)}


def _checked(declared: Declared) -> Declared:
    """The same, when its parts go together; DeclarationError otherwise."""
    for each in declared.schemas.values():
        _check_urn(each, declared.schemas.values())
    for own in declared.types.values():
        if own.name.lower() not in _BUILT_IN:
            _check_type(own, declared)
        for urn, _ in own.extensions:
            if urn.lower() == own.schema.lower():
                raise DeclarationError(f"{own.name}: {urn} is its core schema and cannot extend it too.")
            if urn.lower() not in declared.schemas and urn.lower() != core.ENTERPRISE_URN.lower():
                raise DeclarationError(f"{own.name}: the schema {urn} is not declared. Declare both at once.")
    used = {urn for own in declared.types.values() for urn in _urns(own)}
    for key, each in declared.schemas.items():
        if key not in used:
            raise DeclarationError(f"{each.id} belongs to no resource type: say which one it extends.")
    return declared


def _check_urn(declared: Schema, others: Iterable[Schema]) -> None:
    key = declared.id.lower()
    if key in _BUILT_IN_URNS or key.startswith(_MESSAGES):
        raise DeclarationError(f"{declared.id} is built in: it cannot be declared, leave it out.")
    for other in (core.USER_SCHEMA, core.GROUP_SCHEMA, core.ENTERPRISE_SCHEMA, *others):
        rest = key.removeprefix(f"{other.id.lower()}:")
        if rest != key and rest.split(".")[0] in other.by_key:
            raise DeclarationError(f"{declared.id} could not be told from an attribute of {other.id}.")


def _check_type(own: DeclaredType, declared: Declared) -> None:
    if not _NAME.fullmatch(own.name) or own.name.lower() in _RESERVED_NAMES:
        raise DeclarationError(f"{quote(own.name)} cannot name a resource type.")
    taken = {each.endpoint.lower() for each in declared.types.values() if each is not own}
    taken |= {each.lower() for each in core.RESOURCE_TYPES}
    if not _NAME.fullmatch(own.endpoint) or own.endpoint.lower() in _RESERVED_ENDPOINTS:
        raise DeclarationError(f"{own.name}: {quote('/' + own.endpoint)} cannot be the endpoint of a resource type.")
    if own.endpoint.lower() in taken:
        raise DeclarationError(f"{own.name}: another resource type is at /{own.endpoint} already.")
    if own.schema.lower() not in declared.schemas:
        raise DeclarationError(f"{own.name}: its schema {own.schema} is not declared. Declare both at once.")

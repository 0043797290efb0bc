"""All declarations of an app: kept together, checked against each other, and made into resource types."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import orjson

from . import core, declared_types
from .declaration import LONGEST_PATH, DeclarationError, DeclaredType
from .path import quote
from .schema import RESOURCE_TYPE_URN, SCHEMA_URN, SERVICE_PROVIDER_URN, ResourceType, Schema

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
        SERVICE_PROVIDER_URN,
    )
)
#: URNs of the protocol's messages begin like this.
_MESSAGES = "urn:ietf:params:scim:api:"
#: Names and endpoints of RFC 7644 section 3.2, in lower case.
_RESERVED_NAMES = frozenset({"schema", "resourcetype", "serviceproviderconfig"})
_RESERVED_ENDPOINTS = frozenset({"schemas", "resourcetypes", "serviceproviderconfig", "bulk", "me", ".search"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Origin:
    """The entry of the catalogue that declarations come from, in the version that was declared.

    `names` are the URNs and type names, in lower case.
    """

    name: str
    version: int
    names: frozenset[str]


@dataclass(frozen=True, eq=False)
class Declared:
    """Schemas by lower-case URN, and types by lower-case name; a type named like a built-in one extends that.

    `origins` are the entries of the catalogue that some of them come from, by name.
    """

    schemas: Mapping[str, Schema] = field(default_factory=dict)
    types: Mapping[str, DeclaredType] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def to_json(self) -> str:
        """The form that `from_json` takes."""
        body: dict[str, object] = {}
        if self.schemas:
            body["schemas"] = [declared.declaration(whole=True) for declared in self.schemas.values()]
        if self.types:
            body["types"] = [declared.declaration() for declared in self.types.values()]
        if self.origins:
            body["origins"] = {
                origin.name: {"version": origin.version, "names": sorted(origin.names)}
                for origin in self.origins.values()
            }
        return orjson.dumps(body).decode()

    def origin_of(self, name: str) -> Origin | None:
        """The entry of the catalogue that a schema (by URN) or resource type (by name) comes from, if any."""
        return next((origin for origin in self.origins.values() if name.lower() in origin.names), None)

    def of_origin(self, origin: Origin) -> list[Schema | DeclaredType]:
        """The declarations that come from an entry of the catalogue, as they are now."""
        items: list[tuple[str, Schema | DeclaredType]] = [*self.types.items(), *self.schemas.items()]
        return [declared for key, declared in items if key in origin.names]

    def resource_types(self, built_in: Mapping[str, ResourceType]) -> dict[str, ResourceType]:
        """The resource types by endpoint: the built-in ones with their extensions, then the app's own."""
        return declared_types.resource_types(self.schemas, self.types, built_in)


NOTHING = Declared()


@lru_cache(maxsize=1024)
def from_json(text: str) -> Declared:
    """The declarations stored for an app. The same text gives the same object, so that compiled parts can be kept."""
    body = orjson.loads(text)
    if not body:
        return NOTHING
    # Late, because most apps declare nothing, and commands start faster without marshmallow.
    from .declaration_form import stored_schema, stored_type

    schemas = [stored_schema(declared) for declared in body.get("schemas", ())]
    types = [stored_type(declared) for declared in body.get("types", ())]
    origins = body.get("origins", {})
    return Declared(
        {declared.id.lower(): declared for declared in schemas},
        {declared.name.lower(): declared for declared in types},
        {name: Origin(name, origin["version"], frozenset(origin["names"])) for name, origin in origins.items()},
    )


# --- changes ------------------------------------------------------------------------------------------------------


def with_more(
    declared: Declared, more: Iterable[Schema | DeclaredType], to: Iterable[str] = (), required: bool | None = None
) -> Declared:
    """The declarations with `more`, which replaces declarations of the same URN or name.

    Schemas that are no type's core schema and stand inside of no other extend the types that `to` names; `required` is
    their flag there (None keeps the flag of an extension that is there, else it is False). Raises DeclarationError when
    the whole contradicts itself.
    """
    schemas, types = dict(declared.schemas), dict(declared.types)
    new: list[Schema] = []
    for addition in more:
        if isinstance(addition, Schema):
            schemas[addition.id.lower()] = addition
            new.append(addition)
        else:
            types[addition.name.lower()] = _merged(types, addition)
    apart = {own.schema.lower() for own in types.values()}
    apart |= {urn.lower() for own in schemas.values() for urn in own.nested}
    for name in to:
        extended = _type_to_extend(types, name)
        for addition in new:
            if addition.id.lower() not in apart:
                extended = extended.extended(addition.id, required)
        types[name.lower()] = extended
    changed = replace(declared, schemas=schemas, types=_without_empty(types))
    _check(changed)
    return changed


def with_entry(declared: Declared, name: str, version: int, entry: Sequence[Schema | DeclaredType]) -> Declared:
    """The declarations with an entry of the catalogue, in place of an earlier version of it.

    What the earlier version had and this one has no more is removed. Raises DeclarationError when another entry has
    declared a part of it, or the whole contradicts itself.
    """
    titles = {title.lower(): title for title in map(_title, entry) if title.lower() not in _BUILT_IN}
    for key, title in titles.items():
        other = declared.origin_of(key)
        if other is not None and other.name != name:
            raise DeclarationError(
                f"{title} comes from {other.name} already, and {name} would replace it: "
                f"remove what comes from {other.name} first."
            )
    earlier = declared.origins.get(name)
    changed = with_more(_dropped(declared, earlier.names - titles.keys()) if earlier else declared, entry)
    return replace(changed, origins={**changed.origins, name: Origin(name, version, frozenset(titles))})


def _title(item: Schema | DeclaredType) -> str:
    return item.id if isinstance(item, Schema) else item.name


def _dropped(declared: Declared, keys: Collection[str]) -> Declared:
    """The declarations without these schemas and types, unchecked: what takes their place is still to come."""
    types = {
        key: replace(own, extensions=tuple(pair for pair in own.extensions if pair[0].lower() not in keys))
        for key, own in declared.types.items()
        if key not in keys
    }
    schemas = {
        key: replace(own, nested=tuple(urn for urn in own.nested if urn.lower() not in keys)) if own.nested else own
        for key, own in declared.schemas.items()
        if key not in keys
    }
    return replace(declared, schemas=schemas, types=types)


def _type_to_extend(types: Mapping[str, DeclaredType], name: str) -> DeclaredType:
    """The declared or built-in type of this name; DeclarationError listing the types when there is none."""
    if name.lower() in types:
        return types[name.lower()]
    if name.lower() in _BUILT_IN:
        return DeclaredType.adding_to(_BUILT_IN[name.lower()])
    names = [built_in.name for built_in in _BUILT_IN.values()] + [own.name for own in types.values()]
    raise DeclarationError(f"There is no resource type {quote(name)} to extend. Types: {', '.join(names)}.")


def _merged(types: Mapping[str, DeclaredType], addition: DeclaredType) -> DeclaredType:
    """A type of the app's own as it is declared; for a built-in type, its extensions so far and the added ones."""
    built_in = _BUILT_IN.get(addition.name.lower())
    if built_in is None:
        return addition
    if addition.endpoint != built_in.endpoint or addition.schema.lower() != built_in.schema.id.lower():
        raise DeclarationError(
            f"{built_in.name} is built in, at /{built_in.endpoint} with {built_in.schema.id}: "
            "it can only get more schemaExtensions."
        )
    if addition.member_of_groups:
        raise DeclarationError(f"{built_in.name} is built in: it is a member of groups already.")
    extended = types.get(addition.name.lower()) or DeclaredType.adding_to(built_in)
    for urn, required in addition.extensions:
        if urn.lower() not in built_in.extension_by_key:
            extended = extended.extended(urn, required)
    return extended


def without(declared: Declared, name: str) -> Declared:
    """The declarations without a schema (by URN) or a resource type (by name, with the schemas that only it has).

    Raises DeclarationError when there is none, or when another declaration needs it.
    """
    key = name.lower()
    if key in _BUILT_IN_URNS or key in _BUILT_IN:
        raise DeclarationError(f"{name} is built in: it cannot be removed.")
    schemas, types = dict(declared.schemas), dict(declared.types)
    if key in schemas:
        owners = [own.name for own in types.values() if own.schema.lower() == key]
        if owners:
            raise DeclarationError(f"{name} is the core schema of {owners[0]}: remove that.")
        reduced = _dropped(declared, [key])
        schemas, types = dict(reduced.schemas), dict(reduced.types)
    elif key in types:
        removed = types.pop(key)
        used = {urn for own in types.values() for urn in _urns(own, schemas)}
        for urn in _urns(removed, schemas) - used:
            schemas.pop(urn, None)
    else:
        names = [declared_schema.id for declared_schema in schemas.values()] + [own.name for own in types.values()]
        listed = f"There is: {', '.join(names)}." if names else ""
        raise DeclarationError(f"Nothing is declared as {quote(name)}. {listed}")
    types = _without_empty(types)
    return Declared(schemas, types, _remaining(declared.origins, {*schemas, *types}))


def _remaining(origins: Mapping[str, Origin], names: Collection[str]) -> dict[str, Origin]:
    """The origins of what is still declared."""
    kept = {key: replace(origin, names=origin.names.intersection(names)) for key, origin in origins.items()}
    return {key: origin for key, origin in kept.items() if origin.names}


def _without_empty(types: Mapping[str, DeclaredType]) -> dict[str, DeclaredType]:
    """The types without built-in ones that no declaration extends."""
    return {key: own for key, own in types.items() if key not in _BUILT_IN or own.extensions}


def _urns(own: DeclaredType, schemas: Mapping[str, Schema]) -> set[str]:
    """The URNs of a type's schemas and of those inside of them, in lower case."""
    direct = [own.schema.lower(), *(urn.lower() for urn, _ in own.extensions)]
    return {*direct, *(urn.lower() for key in direct if key in schemas for urn in schemas[key].nested)}


# --- checks -------------------------------------------------------------------------------------------------------


def _check(declared: Declared) -> None:
    """Raises DeclarationError when declarations contradict each other or built-in ones."""
    for declared_schema in declared.schemas.values():
        _check_urn(declared_schema, declared.schemas.values())
    for own in declared.types.values():
        if own.name.lower() not in _BUILT_IN:
            _check_type(own, declared)
            if own.member_of_groups:
                declared_types.check_groups(own, declared.schemas[own.schema.lower()])
        for urn, _ in own.extensions:
            if urn.lower() == own.schema.lower():
                raise DeclarationError(f"{own.name}: {urn} is its core schema and cannot extend it too.")
            if urn.lower() not in declared.schemas and urn.lower() != core.ENTERPRISE_URN.lower():
                raise DeclarationError(f"{own.name}: the schema {urn} is not declared. Declare both at once.")
    for declared_schema in declared.schemas.values():
        _check_nested(declared_schema, declared)
    used = {urn for own in declared.types.values() for urn in _urns(own, declared.schemas)}
    for key, declared_schema in declared.schemas.items():
        if key not in used:
            raise DeclarationError(f"{declared_schema.id} belongs to no resource type: say which one it extends.")


def _check_nested(outer: Schema, declared: Declared) -> None:
    """Raises DeclarationError when schemas cannot stand inside of this one."""
    cores = {own.schema.lower() for own in declared.types.values()}
    extensions = {urn.lower() for own in declared.types.values() for urn, _ in own.extensions}
    everywhere = [urn.lower() for own in declared.schemas.values() for urn in own.nested]
    if outer.nested and outer.id.lower() in cores:
        raise DeclarationError(f"{outer.id} is a core schema: only an extension has nestedSchemas.")
    for urn in outer.nested:
        key = urn.lower()
        inner = declared.schemas.get(key)
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
    if key in _BUILT_IN_URNS or key.startswith(_MESSAGES):
        raise DeclarationError(f"{declared.id} is built in: it cannot be declared, leave it out.")
    for other in (core.USER_SCHEMA, core.GROUP_SCHEMA, core.ENTERPRISE_SCHEMA, *others):
        rest = key.removeprefix(f"{other.id.lower()}:")
        if rest != key and rest.split(".")[0] in other.by_key:
            raise DeclarationError(f"{declared.id} reads like an attribute of {other.id}: choose another URN.")


def _check_type(own: DeclaredType, declared: Declared) -> None:
    """Raises DeclarationError when the name, the endpoint or the core schema of a type cannot be used."""
    if not _NAME.fullmatch(own.name) or own.name.lower() in _RESERVED_NAMES:
        raise DeclarationError(f"{quote(own.name)} cannot name a resource type.")
    taken = {other.endpoint.lower() for other in declared.types.values() if other is not own}
    taken |= {endpoint.lower() for endpoint in core.RESOURCE_TYPES}
    if not _NAME.fullmatch(own.endpoint) or own.endpoint.lower() in _RESERVED_ENDPOINTS:
        raise DeclarationError(f"{own.name}: {quote('/' + own.endpoint)} cannot be the endpoint of a resource type.")
    if own.endpoint.lower() in taken:
        raise DeclarationError(f"{own.name}: another resource type is at /{own.endpoint} already.")
    if own.schema.lower() not in declared.schemas:
        raise DeclarationError(f"{own.name}: its schema {own.schema} is not declared. Declare both at once.")

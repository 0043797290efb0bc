"""All declarations of an app: kept together, checked against each other, and made into resource types."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import orjson

from . import declaration_checks, declared_types
from .declaration import DeclarationError, DeclaredType
from .path import quote
from .schema import ResourceType, Schema


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
    declaration_checks.check(schemas, changed.types)
    return changed


def with_entry(declared: Declared, name: str, version: int, entry: Sequence[Schema | DeclaredType]) -> Declared:
    """The declarations with an entry of the catalogue, in place of an earlier version of it.

    What the earlier version had and this one has no more is removed. Raises DeclarationError when another entry has
    declared a part of it, or the whole contradicts itself.
    """
    titles = {title.lower(): title for title in map(_title, entry) if title.lower() not in declared_types.BUILT_IN}
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
    if name.lower() in declared_types.BUILT_IN:
        return DeclaredType.adding_to(declared_types.BUILT_IN[name.lower()])
    names = [built_in.name for built_in in declared_types.BUILT_IN.values()] + [own.name for own in types.values()]
    raise DeclarationError(f"There is no resource type {quote(name)} to extend. Types: {', '.join(names)}.")


def _merged(types: Mapping[str, DeclaredType], addition: DeclaredType) -> DeclaredType:
    """A type of the app's own as it is declared; for a built-in type, its extensions so far and the added ones."""
    built_in = declared_types.BUILT_IN.get(addition.name.lower())
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
    if key in declaration_checks.BUILT_IN_URNS or key in declared_types.BUILT_IN:
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
        used = {urn for own in types.values() for urn in declaration_checks.urns(own, schemas)}
        for urn in declaration_checks.urns(removed, schemas) - used:
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
    return {key: own for key, own in types.items() if key not in declared_types.BUILT_IN or own.extensions}

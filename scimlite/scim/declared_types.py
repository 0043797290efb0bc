"""The resource types that an app's declarations make, beside the built-in ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from . import core
from .attribute import Attribute, LinkEnd
from .declaration import DeclarationError, DeclaredType
from .schema import ResourceType, Schema, schema

#: The resource types that every app has, by lower-case name.
BUILT_IN = {resource_type.name.lower(): resource_type for resource_type in core.RESOURCE_TYPES.values()}
#: The attribute of users that lists their groups.
_GROUPS = core.USER.core["groups"]
#: A URN that RFC 9944 spells in two ways: appendix A.7 and figure 10, and section 7.4 with the registry of IANA.
_URN_ALIASES = {
    "urn:ietf:params:scim:schemas:extension:fido-device-onboard:2.0:Devices": (
        "urn:ietf:params:scim:schemas:extension:fido-device-onboard:2.0:Device"
    )
}


def resource_types(
    schemas: Mapping[str, Schema], types: Mapping[str, DeclaredType], built_in: Mapping[str, ResourceType]
) -> dict[str, ResourceType]:
    """The resource types by endpoint: the built-in ones with their extensions, then the app's own.

    In: the declared schemas by lower-case URN and types by lower-case name, checked before.
    """
    extensions = {core.ENTERPRISE_URN.lower(): core.ENTERPRISE_SCHEMA}
    extensions |= {key: _placed(_nesting(declared, schemas), core=False) for key, declared in schemas.items()}
    own = {
        declared.endpoint: _extended(_own(declared, schemas[declared.schema.lower()]), declared, extensions)
        for key, declared in types.items()
        if key not in BUILT_IN
    }
    members = [_end(declared) for declared in own.values() if declared.member_of_groups]
    made = {}
    for endpoint, base in built_in.items():
        addition = types.get(base.name.lower())
        held = _with_members(base, members) if members and base.links else base
        made[endpoint] = _extended(held, addition, extensions) if addition else held
    return made | own


def _own(declared: DeclaredType, main: Schema) -> ResourceType:
    """A type of the app's own with its core schema, without extensions."""
    if declared.member_of_groups:
        main = replace(main, attributes=tuple(map(_derived, main.attributes)))
    return ResourceType(
        declared.name,
        declared.endpoint,
        declared.description,
        _placed(main, core=True),
        common=core.COMMON,
        member_of_groups=declared.member_of_groups,
    )


def _nesting(declared: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """The schema with an attribute for each schema whose values stand inside of its own, named by the URN."""
    if not declared.nested:
        return declared
    inner = [schemas[urn.lower()] for urn in declared.nested]
    held = [Attribute(own.id, "complex", own.attributes, description=own.description, nested=True) for own in inner]
    return replace(declared, attributes=(*declared.attributes, *held))


def _placed(declared: Schema, *, core: bool) -> Schema:
    """The schema with attributes that know their index paths; `core` True for the core schema of a type."""
    return schema(declared.id, declared.name, declared.description, declared.attributes, core=core)


def _extended(base: ResourceType, declared: DeclaredType, extensions: Mapping[str, Schema]) -> ResourceType:
    """The type with the extensions that are declared for it."""
    added = tuple(extensions[urn.lower()] for urn, _ in declared.extensions)
    required = frozenset(extensions[urn.lower()].id for urn, flag in declared.extensions if flag)
    urns = {extension.id for extension in added}
    inside = [extensions[inner.key] for extension in added for inner in extension.attributes if inner.nested]
    return replace(
        base,
        extensions=(*base.extensions, *added),
        required_extensions=base.required_extensions | required,
        nested=(*base.nested, *inside),
        urn_aliases=base.urn_aliases | {alias: urn for alias, urn in _URN_ALIASES.items() if urn in urns},
    )


# --- members of groups ----------------------------------------------------------------------------------------------


def check_groups(own: DeclaredType, main: Schema) -> None:
    """Raises DeclarationError when a member of groups has an attribute `groups` in another form than users have."""
    groups = main.by_key.get(_GROUPS.key)
    if groups is None:
        return
    alike = groups.complex and groups.multi_valued and groups.read_only and groups.subs.keys() == _GROUPS.subs.keys()
    if not alike or not all(sub.read_only and not sub.multi_valued for sub in groups.sub_attributes):
        raise DeclarationError(
            f"{own.name}: groups of a member of groups is complex, multiValued and readOnly, "
            f"with {', '.join(sub.name for sub in _GROUPS.sub_attributes)} in it, each readOnly."
        )


def _derived(attribute: Attribute) -> Attribute:
    """The attribute `groups` of a member, computed and compared like that of users; other attributes as they are."""
    if attribute.key != _GROUPS.key:
        return attribute
    alike = [replace(sub, case_exact=_GROUPS.subs[sub.key].case_exact) for sub in attribute.sub_attributes]
    return replace(attribute, derived=True, sub_attributes=tuple(alike)).pointing_at(*_GROUPS.ends)


def _end(own: ResourceType) -> LinkEnd:
    return LinkEnd(own.name, own.endpoint, tuple(own.core[key].path for key, _ in own.naming))


def _with_members(group: ResourceType, ends: Sequence[LinkEnd]) -> ResourceType:
    """The type of groups that can have these types as members too."""
    attributes = [_pointing_also_at(attribute, ends) for attribute in group.schema.attributes]
    described = schema(group.schema.id, group.schema.name, group.schema.description, attributes, core=True)
    return replace(group, schema=described)


def _pointing_also_at(attribute: Attribute, ends: Sequence[LinkEnd]) -> Attribute:
    if not attribute.links:
        return attribute
    names = tuple(end.type for end in ends)
    subs = [
        replace(sub, reference_types=(*sub.reference_types, *names))
        if sub.key == "$ref"
        else replace(sub, canonical_values=(*sub.canonical_values, *names))
        if sub.key == "type"
        else sub
        for sub in attribute.sub_attributes
    ]
    return replace(attribute, sub_attributes=tuple(subs)).pointing_at(*attribute.ends, *ends)

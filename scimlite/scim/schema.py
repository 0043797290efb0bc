"""Schemas and resource types (RFC 7643 sections 6 and 7), declared once for every other module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .attribute import Attribute
from .leniency import Leniency, note
from .path import AttrPath

SCHEMA_URN = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE_URN = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SERVICE_PROVIDER_URN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"


@dataclass(frozen=True, eq=False)
class Schema:
    """A named collection of attributes, identified by its URN."""

    id: str
    name: str
    description: str
    attributes: tuple[Attribute, ...]
    #: As it is declared: the URNs of schemas whose values stand inside of this one's.
    nested: tuple[str, ...] = ()

    @cached_property
    def by_key(self) -> dict[str, Attribute]:
        """The attributes by lower-case name."""
        return {attribute.key: attribute for attribute in self.attributes}

    def declaration(self, *, whole: bool = False) -> dict[str, Any]:
        """The schema as RFC 7643 section 7 writes it, without `meta`; `whole` adds patterns and nested schemas."""
        body = {
            "schemas": [SCHEMA_URN],
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "attributes": [attribute.declaration(whole=whole) for attribute in self.attributes if not attribute.nested],
        }
        return {**body, "nestedSchemas": list(self.nested)} if whole and self.nested else body


@dataclass(frozen=True, slots=True)
class Target:
    """An attribute path resolved in a resource type."""

    #: The extension that holds the attribute; None for the core schema and for common attributes.
    urn: str | None
    #: None when the path is the URN of an extension alone.
    attribute: Attribute | None
    sub: Attribute | None = None

    @property
    def leaf(self) -> Attribute | None:
        """The attribute or sub-attribute that the whole path names."""
        return self.sub or self.attribute


@dataclass(frozen=True, eq=False)
class ResourceType:
    """A kind of resource: its endpoint, core schema and extensions (RFC 7643 section 6)."""

    name: str
    endpoint: str
    description: str
    schema: Schema
    extensions: tuple[Schema, ...] = ()
    required_extensions: frozenset[str] = frozenset()
    common: tuple[Attribute, ...] = field(default=(), repr=False)
    #: Groups can have resources of the type as members.
    member_of_groups: bool = False
    #: The schemas whose values stand inside of an extension's.
    nested: tuple[Schema, ...] = ()
    urn_aliases: dict[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def core(self) -> dict[str, Attribute]:
        """Common attributes (id, externalId, meta, schemas) and those of the core schema, by lower-case name."""
        return {attribute.key: attribute for attribute in (*self.common, *self.schema.attributes)}

    @cached_property
    def extension_by_key(self) -> dict[str, Schema]:
        """The extensions by lower-case URN, and by the misspelled URNs of `urn_aliases`."""
        by_key = {extension.id.lower(): extension for extension in self.extensions}
        aliases = {alias.lower(): by_key[urn.lower()] for alias, urn in self.urn_aliases.items()}
        return aliases | by_key

    def extension(self, urn: str) -> Schema | None:
        """The extension with this URN, perhaps misspelled; None when the type has none."""
        key = urn.lower()
        extension = self.extension_by_key.get(key)
        if extension is not None and key in self._aliases:
            note(Leniency.URN_ALIAS)
        return extension

    @cached_property
    def _aliases(self) -> frozenset[str]:
        """The misspelled URNs, in lower case."""
        return frozenset(alias.lower() for alias in self.urn_aliases)

    @property
    def schemas(self) -> tuple[Schema, ...]:
        """The core schema, the extensions, and the schemas inside of extensions."""
        return (self.schema, *self.extensions, *self.nested)

    @cached_property
    def nested_by_key(self) -> dict[str, tuple[str, Attribute]]:
        """The extension and the attribute of each nested schema, by its URN alone and after the extension's URN."""
        pairs = [
            (extension.id, inner) for extension in self.extensions for inner in extension.attributes if inner.nested
        ]
        alone = {inner.key: (urn, inner) for urn, inner in pairs}
        return alone | {inner.path.lower(): (urn, inner) for urn, inner in pairs}

    @cached_property
    def urns(self) -> frozenset[str]:
        """Every schema URN that may stand before an attribute name, in lower case."""
        return frozenset({self.schema.id.lower(), *self.extension_by_key, *self.nested_by_key})

    @cached_property
    def own_urns(self) -> frozenset[str]:
        """The URNs of the type's schemas, in lower case, without misspelled ones."""
        return frozenset(own.id.lower() for own in self.schemas)

    @cached_property
    def unqualified(self) -> dict[str, tuple[str, Attribute]]:
        """The URN and the attribute of each extension attribute, by lower-case name; the first extension wins.

        Quirk: clients name extension attributes without their URN in paths and filters. Entra's documented
        `"path":"manager"` and reference checks `id eq … and manager eq …` (Microsoft, "Tutorial: develop a SCIM
        endpoint"; AWS IAM Identity Center, ListUsers).
        """
        return {
            attribute.key: (extension.id, attribute)
            for extension in reversed(self.extensions)
            for attribute in extension.attributes
        }

    @cached_property
    def attributes(self) -> tuple[tuple[str | None, Attribute], ...]:
        """Every top-level attribute with the URN of its extension (None for the core)."""
        pairs: list[tuple[str | None, Attribute]] = [(None, attribute) for attribute in self.core.values()]
        for extension in self.extensions:
            pairs += [(extension.id, attribute) for attribute in extension.attributes]
        return tuple(pairs)

    @cached_property
    def demanding(self) -> tuple[tuple[str | None, Attribute, tuple[Attribute, ...]], ...]:
        """Each attribute that is required or has required sub-attributes, with its URN and those sub-attributes."""
        demanding = []
        for urn, attribute in self.attributes:
            if attribute.links or attribute.read_only or attribute.apart:
                continue
            subs = tuple(sub for sub in attribute.sub_attributes if sub.required and not sub.read_only)
            if attribute.required or subs:
                demanding.append((urn, attribute, subs))
        return tuple(demanding)

    @cached_property
    def links(self) -> Attribute | None:
        """The attribute whose values are rows that point at other resources, if the type has one."""
        return next((attribute for attribute in self.core.values() if attribute.links), None)

    @cached_property
    def derived(self) -> Attribute | None:
        """The attribute computed from other resources' links, if the type has one."""
        return next((attribute for attribute in self.core.values() if attribute.derived), None)

    @cached_property
    def naming(self) -> tuple[tuple[str, str], ...]:
        """The keys and names of the attributes that can name a resource to people, the best first.

        A type may have a name of its own, such as an agent's agentUserName: a text that is required.
        """
        candidates = [self.core[key] for key in ("username", "displayname", "name") if key in self.core]
        candidates += [
            attribute
            for attribute in self.schema.attributes
            if attribute.required and attribute.plain_text and not attribute.canonical_values
        ]
        shown = [attribute for attribute in candidates if attribute.returned != "never"]
        return tuple(dict.fromkeys((attribute.key, attribute.name) for attribute in shown))

    @cached_property
    def unique_paths(self) -> frozenset[str]:
        """Index paths of attributes with a uniqueness: two resources of an app cannot have the same value."""
        leaves = (leaf for _, attribute in self.attributes for leaf in attribute.leaves())
        return frozenset(leaf.path for leaf in leaves if leaf.uniqueness != "none" and leaf.path != "id")

    @cached_property
    def sought_paths(self) -> frozenset[str]:
        """Index paths of attributes by which an index finds resources."""
        leaves = (leaf for _, attribute in self.attributes for leaf in attribute.leaves())
        return frozenset(leaf.path for leaf in leaves if leaf.sought)

    @cached_property
    def secret_paths(self) -> frozenset[str]:
        """Index paths of stored values that clients cannot read."""
        return frozenset(
            leaf.path
            for _, attribute in self.attributes
            for leaf in attribute.leaves()
            if not attribute.apart and (attribute.write_only or leaf.write_only)
        )

    @cached_property
    def returned_on_request(self) -> bool:
        """True when answers leave out a stored attribute: one that is never returned, or only when asked for."""
        return any(
            part.returned in ("request", "never")
            for _, attribute in self.attributes
            if not (attribute.links or attribute.derived or attribute.apart)
            for part in (attribute, *attribute.leaves())
        )

    def find(self, path: AttrPath) -> Target | None:
        """Resolves a path in this type; None for a path to no attribute and no extension of the type."""
        if path.urn is not None and path.urn.lower() != self.schema.id.lower():
            extension = self.extension(path.urn)
            if extension is None:
                return self._find_nested(path, path.urn)
            urn: str | None = extension.id
            if not path.name:
                return Target(urn, None)
            attribute = extension.by_key.get(path.name.lower())
        else:
            urn = None
            attribute = self.core.get(path.name.lower())
            if attribute is None and path.urn is None:
                urn, attribute = self.unqualified.get(path.name.lower(), (None, None))
                if attribute is not None:
                    note(Leniency.UNQUALIFIED_EXTENSION)
        if attribute is None:
            return None
        if path.sub is None or (path.sub.lower() == "value" and attribute.multi_valued and not attribute.complex):
            # Simple values are known as their own `value` (RFC 7643 section 2.4).
            return Target(urn, attribute)
        sub = attribute.subs.get(path.sub.lower())
        return Target(urn, attribute, sub) if sub else None

    def _find_nested(self, path: AttrPath, within: str) -> Target | None:
        """Resolves a path whose URN `within` is that of a nested schema."""
        urn, attribute = self.nested_by_key.get(within.lower(), (None, None))
        if attribute is None or path.sub is not None:
            return None
        if not path.name:
            return Target(urn, attribute)
        sub = attribute.subs.get(path.name.lower())
        return Target(urn, attribute, sub) if sub else None

    def schema_declarations(self) -> list[dict[str, Any]]:
        """The schemas of the type as `/Schemas` shows them, without `meta`; externalId stands in the core schema.

        RFC 7643 section 3.1 has externalId in every resource and in no schema. Entra's gallery validation and the IPSIE
        AL1 profile look for it among the attributes of the schema.
        """
        declarations = [schema.declaration() for schema in self.schemas]
        declarations[0]["attributes"] += [
            attribute.declaration()
            for attribute in self.common
            if attribute.key == "externalid" and attribute.key not in self.schema.by_key
        ]
        return declarations

    def declaration(self) -> dict[str, Any]:
        """The resource type as RFC 7643 section 6 writes it, without `meta`."""
        return {
            "schemas": [RESOURCE_TYPE_URN],
            "id": self.name,
            "name": self.name,
            "endpoint": f"/{self.endpoint}",
            "description": self.description,
            "schema": self.schema.id,
            "schemaExtensions": [
                {"schema": extension.id, "required": extension.id in self.required_extensions}
                for extension in self.extensions
            ],
        }


def schema(urn: str, name: str, description: str, attributes: Sequence[Attribute], *, core: bool) -> Schema:
    """A schema with index paths on its attributes: bare names in a core schema, names after the URN in an extension."""
    prefix = "" if core else f"{urn}:"
    placed = tuple(attribute.placed(prefix + attribute.name) for attribute in attributes)
    return Schema(urn, name, description, placed)

"""Attributes with their characteristics (RFC 7643 sections 2.2 and 7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

#: Sub-attributes that say something about a value (RFC 7643 section 2.4), by key.
_LABELS = frozenset({"type", "primary", "display"})


class LinkEnd(NamedTuple):
    """A resource type at the other end of links: its name, its endpoint, and the index paths that can name it."""

    type: str
    endpoint: str
    names: tuple[str, ...] = ("displayName",)


@dataclass(frozen=True, eq=False)
class Attribute:
    """One attribute with the characteristics of RFC 7643 section 2.2, and those of this service below them."""

    name: str
    type: str = "string"
    sub_attributes: tuple[Attribute, ...] = ()
    multi_valued: bool = False
    description: str = ""
    required: bool = False
    canonical_values: tuple[str, ...] = ()
    case_exact: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    uniqueness: str = "none"
    reference_types: tuple[str, ...] = ()
    #: A regular expression that each text must match as a whole (RFC 9944 appendix A); empty for any text.
    pattern: str = ""
    #: The values are rows that point at other resources (a group's members), not part of the document.
    links: bool = False
    #: Computed when a resource is read (a user's groups), never stored.
    derived: bool = False
    #: Of links and derived attributes, and of their sub-attributes: the types that can be at the other end.
    ends: tuple[LinkEnd, ...] = ()
    #: A schema whose values stand under its URN inside of an extension (RFC 9944 section 7.1.3).
    nested: bool = False
    #: Checked, and never a part of the document (a password).
    apart: bool = False
    #: An index finds resources by it; a filter by another attribute tests each resource.
    sought: bool = True
    #: The value of a resource that was created without one; a PUT without one keeps the present value.
    default: Any = None
    #: The value that filters compare where there is none, in each item that a resource has.
    assumed: Any = None
    #: The index path, such as `emails.value` or `urn:…:User:department`.
    path: str = ""

    @cached_property
    def subs(self) -> dict[str, Attribute]:
        """The sub-attributes by lower-case name."""
        return {sub.name.lower(): sub for sub in self.sub_attributes}

    @cached_property
    def key(self) -> str:
        """The lower-case name: attribute names are compared without case (RFC 7643 section 2.1)."""
        return self.name.lower()

    @cached_property
    def complex(self) -> bool:
        """True when values are objects with sub-attributes."""
        return self.type == "complex"

    @cached_property
    def plain_text(self) -> bool:
        """True for single-valued strings and references: any text is a value, so texts skip validation."""
        return self.type in ("string", "reference") and not self.multi_valued and not self.pattern

    def takes(self, text: str) -> bool:
        """True when a text matches the pattern; an empty text is no value, and clears the attribute."""
        return not self.pattern or not text or re.fullmatch(self.pattern, text) is not None

    @cached_property
    def composed(self) -> bool:
        """True when one value of the attribute can hold several."""
        return self.multi_valued or bool(self.plural_subs)

    @property
    def is_primary(self) -> bool:
        """True for a boolean `primary`, which marks the preferred item of a multi-valued attribute."""
        return self.key == "primary" and self.type == "boolean" and not self.multi_valued

    @cached_property
    def value_sub(self) -> Attribute | None:
        """The sub-attribute `value`, which filters compare when they name the complex attribute; None without one."""
        return self.subs.get("value")

    @cached_property
    def read_only(self) -> bool:
        """True when clients cannot write the attribute."""
        return self.mutability == "readOnly"

    @property
    def write_only(self) -> bool:
        """True when clients cannot read the attribute."""
        return self.mutability == "writeOnly"

    @cached_property
    def fixed_subs(self) -> tuple[Attribute, ...]:
        """The immutable sub-attributes."""
        return tuple(sub for sub in self.sub_attributes if sub.mutability == "immutable")

    @cached_property
    def plural_subs(self) -> tuple[Attribute, ...]:
        """The sub-attributes with several values."""
        return tuple(sub for sub in self.sub_attributes if sub.multi_valued)

    @cached_property
    def labels(self) -> frozenset[str]:
        """The names of sub-attributes that describe a value and are none; empty when there are no others."""
        described = frozenset(sub.name for sub in self.sub_attributes if sub.key in _LABELS)
        return described if len(described) < len(self.sub_attributes) else frozenset()

    def placed(self, path: str) -> Attribute:
        """The attribute with this index path, and its sub-attributes with theirs.

        An absent `primary` in a multi-valued attribute is false (RFC 7643 section 2.4).
        """
        subs = tuple(sub.placed(f"{path}.{sub.name}") for sub in self.sub_attributes)
        if self.multi_valued:
            subs = tuple(replace(sub, assumed=False) if sub.is_primary else sub for sub in subs)
        return replace(self, path=path, sub_attributes=subs)

    def pointing_at(self, *ends: LinkEnd) -> Attribute:
        """The attribute whose links can point at these types, with sub-attributes that know it as well."""
        return replace(self, ends=ends, sub_attributes=tuple(replace(sub, ends=ends) for sub in self.sub_attributes))

    def leaves(self) -> Iterator[Attribute]:
        """The sub-attributes of a complex attribute; a simple attribute itself."""
        if self.complex:
            for sub in self.sub_attributes:
                yield from sub.leaves()
        else:
            yield self

    def declaration(self, *, whole: bool = False) -> dict[str, Any]:
        """The attribute as RFC 7643 section 7 writes it; `whole` adds what the RFC does not have (its pattern).

        Clients that are strict about `/Schemas` refuse a member more (scim2-models 0.6).
        """
        body: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "multiValued": self.multi_valued,
            "description": self.description,
            "required": self.required,
            "mutability": self.mutability,
            "returned": self.returned,
        }
        if self.canonical_values:
            body["canonicalValues"] = list(self.canonical_values)
        if self.type in ("string", "reference", "binary"):
            body["caseExact"] = self.case_exact
        if not self.complex:
            body["uniqueness"] = self.uniqueness
        if whole and self.pattern:
            body["pattern"] = self.pattern
        if self.type == "reference":
            body["referenceTypes"] = list(self.reference_types)
        if self.complex:
            body["subAttributes"] = [sub.declaration(whole=whole) for sub in self.sub_attributes]
        return body

"""One schema or resource type as an operator declares it, and the checks that it does not contradict itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import OperatorError
from . import core
from .attribute import Attribute
from .path import is_attribute_name, is_urn, quote
from .schema import RESOURCE_TYPE_URN, ResourceType, Schema

Json = Any

#: Words of the filter grammar (RFC 7644 section 3.4.2.2): a filter could not name an attribute called so.
_GRAMMAR = frozenset({"and", "or", "not"})
#: The longest URN and name, in characters: both together are a part of the value index, whose entries have a largest
#: size.
_LONGEST_NAME = 100
_LONGEST_URN = 250
_LONGEST_PATTERN = 500
#: The longest index path, in characters, without a sub-attribute.
LONGEST_PATH = _LONGEST_URN + _LONGEST_NAME


class DeclarationError(OperatorError):
    """A declaration is wrong; the text says which one and why."""


@dataclass(frozen=True)
class DeclaredType:
    """A resource type as it is declared: `schema` and `extensions` are URNs; a flag tells required extensions.

    A declared type with the name of a built-in one holds the extensions that are added to the built-in type.
    """

    name: str
    endpoint: str
    description: str
    schema: str
    extensions: tuple[tuple[str, bool], ...] = ()
    #: Groups can have resources of the type as members.
    member_of_groups: bool = False

    @classmethod
    def adding_to(cls, built_in: ResourceType) -> DeclaredType:
        """The type that adds nothing to a built-in one yet."""
        return cls(built_in.name, built_in.endpoint, built_in.description, built_in.schema.id)

    def extended(self, urn: str, required: bool | None) -> DeclaredType:
        """The type with this extension; `required` None keeps the flag of one that is there, else it is False."""
        extensions = {declared.lower(): (declared, flag) for declared, flag in self.extensions}
        _, current = extensions.get(urn.lower(), (urn, False))
        extensions[urn.lower()] = (urn, current if required is None else required)
        return replace(self, extensions=tuple(extensions.values()))

    def declaration(self) -> Json:
        """The type as RFC 7643 section 6 writes it, and `memberOfGroups`, which the RFC does not have."""
        body = {
            "schemas": [RESOURCE_TYPE_URN],
            "name": self.name,
            "endpoint": f"/{self.endpoint}",
            "description": self.description,
            "schema": self.schema,
            "schemaExtensions": [{"schema": urn, "required": required} for urn, required in self.extensions],
        }
        return {**body, "memberOfGroups": True} if self.member_of_groups else body


def check(schema: Schema) -> None:
    """Raises DeclarationError naming the first attribute that is wrong, or the URN."""
    if len(schema.id) > _LONGEST_URN or not is_urn(schema.id):
        raise DeclarationError(f"{quote(schema.id)} is no schema URN: it begins with urn: and names the schema.")
    common = {attribute.key for attribute in core.COMMON}
    for attribute in schema.attributes:
        if attribute.key in common:
            raise DeclarationError(f"{schema.id}: every resource has {attribute.name} already.")
    _check_names(schema.id, schema.attributes)
    for attribute in schema.attributes:
        _check_attribute(f"{schema.id}:{attribute.name}", attribute)


def _check_names(owner: str, attributes: Iterable[Attribute]) -> None:
    """Raises DeclarationError when a name is invalid or occurs twice in `owner`, a schema or a complex attribute."""
    keys: set[str] = set()
    for attribute in attributes:
        fits = is_attribute_name(attribute.name) and len(attribute.name) <= _LONGEST_NAME
        if not fits or attribute.key in _GRAMMAR:
            raise DeclarationError(
                f"{owner}: {quote(attribute.name)} is no attribute name: a letter, then letters, digits, - and _."
            )
        if attribute.key in keys:
            raise DeclarationError(f"{owner}: {attribute.name} is declared twice (case does not count).")
        keys.add(attribute.key)


def _fault(pattern: str) -> str:
    """The reason for which a regular expression cannot be used; empty when it can."""
    if len(pattern) > _LONGEST_PATTERN:
        return f"it has more than {_LONGEST_PATTERN} characters"
    try:
        re.compile(pattern)
    except re.error as error:
        return str(error)
    return ""


def _check_attribute(path: str, attribute: Attribute) -> None:
    """Raises DeclarationError when characteristics of an attribute or a sub-attribute contradict each other."""
    textual = attribute.type in ("string", "reference")
    refers_wrongly = bool(attribute.reference_types) and attribute.type != "reference"
    for problem, wrong in (
        ("is complex and has no subAttributes.", attribute.complex and not attribute.sub_attributes),
        (f"is of type {attribute.type}: only complex has subAttributes.", not attribute.complex and attribute.subs),
        ("is complex: its sub-attributes can be unique.", attribute.complex and attribute.uniqueness != "none"),
        (f"is of type {attribute.type}: only reference has referenceTypes.", refers_wrongly),
        (f"is of type {attribute.type}: only string and reference have a pattern.", attribute.pattern and not textual),
        (f"has a pattern that cannot be used: {_fault(attribute.pattern)}.", _fault(attribute.pattern)),
        ("is writeOnly: its returned is never.", attribute.write_only and attribute.returned != "never"),
        ("is readOnly and required: no client could give it a value.", attribute.read_only and attribute.required),
    ):
        if wrong:
            raise DeclarationError(f"{path} {problem}")
    _check_names(path, attribute.sub_attributes)
    for sub in attribute.sub_attributes:
        if sub.complex:
            raise DeclarationError(f"{path}.{sub.name} is complex inside a complex attribute (RFC 7643 section 2.3.8).")
        _check_attribute(f"{path}.{sub.name}", sub)

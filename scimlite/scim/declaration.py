"""Schemas and resource types as JSON (RFC 7643 sections 6 and 7): read, and refused when they contradict themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from marshmallow import RAISE, fields, post_load, validate

from ..errors import InvalidSyntax
from . import core, messages
from .path import is_attribute_name, is_urn, quote
from .schema import RESOURCE_TYPE_URN, SCHEMA_URN, Attribute, ResourceType, Schema

Json = Any

_TYPES = ("string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex")
#: Words of the filter grammar (RFC 7644 section 3.4.2.2) that could not be told from an attribute.
_GRAMMAR = frozenset({"and", "or", "not"})
#: Both together are a part of the value index, whose entries have a largest size.
_LONGEST_NAME = 100
_LONGEST_URN = 250


class DeclarationError(Exception):
    """A declaration that cannot hold; the text says which and why."""


@dataclass(frozen=True)
class DeclaredType:
    """A resource type as it is declared: `schema` and `extensions` are URNs, the latter with whether it is required.

    One of the name of a built-in type holds what extends that.
    """

    name: str
    endpoint: str
    description: str
    schema: str
    extensions: tuple[tuple[str, bool], ...] = ()

    @classmethod
    def adding_to(cls, built_in: ResourceType) -> DeclaredType:
        """What extends a built-in type: nothing yet."""
        return cls(built_in.name, built_in.endpoint, built_in.description, built_in.schema.id)

    def extended(self, urn: str, required: bool | None) -> DeclaredType:
        """The type with one extension more, or with another word on whether it is required (None: as it was)."""
        known = {each.lower(): (each, must) for each, must in self.extensions}
        was = known.get(urn.lower(), (urn, False))[1]
        known[urn.lower()] = (urn, was if required is None else required)
        return DeclaredType(self.name, self.endpoint, self.description, self.schema, tuple(known.values()))

    def declaration(self) -> Json:
        """The type as RFC 7643 section 6 writes it."""
        return {
            "schemas": [RESOURCE_TYPE_URN],
            "name": self.name,
            "endpoint": f"/{self.endpoint}",
            "description": self.description,
            "schema": self.schema,
            "schemaExtensions": [{"schema": urn, "required": required} for urn, required in self.extensions],
        }


def _text(**options: Any) -> fields.String:
    return fields.String(allow_none=True, load_default="", **options)


def _flag(default: bool | None = False) -> fields.Boolean:
    return fields.Boolean(truthy={True}, falsy={False}, load_default=default)


def _choice(*choices: str, default: str | None) -> fields.String:
    return fields.String(validate=validate.OneOf(choices), load_default=default)


class _Declaration(messages.Message):
    """What is not understood is refused: a characteristic with a typing error in its name would not hold."""

    labels = frozenset({"meta"})

    class Meta:
        unknown = RAISE


class _AttributeForm(_Declaration):
    name = fields.String(required=True)
    type = _choice(*_TYPES, default="string")
    description = _text()
    multiValued = _flag()
    required = _flag()
    caseExact = _flag(None)
    canonicalValues = fields.List(fields.String(), load_default=list)
    mutability = _choice("readOnly", "readWrite", "immutable", "writeOnly", default="readWrite")
    returned = _choice("always", "never", "default", "request", default=None)
    uniqueness = _choice("none", "server", "global", default="none")
    referenceTypes = fields.List(fields.String(), load_default=list)
    subAttributes = fields.List(fields.Nested(lambda: _AttributeForm()), load_default=list)

    @post_load
    def _attribute(self, data: dict[str, Json], **_: Any) -> Attribute:
        kind, exact = data["type"], data["caseExact"]
        # RFC 7643 sections 2.3.6 and 2.3.7: both are case exact; of references some are said not to be.
        exact = kind == "binary" or (kind == "reference" if exact is None else exact)
        return Attribute(
            data["name"],
            kind,
            tuple(data["subAttributes"]),
            data["multiValued"],
            data["description"] or "",
            data["required"],
            tuple(data["canonicalValues"]),
            exact and kind in ("string", "reference", "binary"),
            data["mutability"],
            data["returned"] or ("never" if data["mutability"] == "writeOnly" else "default"),
            data["uniqueness"],
            tuple(data["referenceTypes"]),
        )


class _SchemaForm(_Declaration):
    id = fields.String(required=True)
    name = _text()
    description = _text()
    attributes = fields.List(fields.Nested(_AttributeForm), required=True, validate=validate.Length(min=1))

    @post_load
    def _schema(self, data: dict[str, Json], **_: Any) -> Schema:
        return Schema(data["id"], data["name"] or "", data["description"] or "", tuple(data["attributes"]))


class _ExtensionForm(_Declaration):
    schema = fields.String(required=True)
    required = _flag()


class _TypeForm(_Declaration):
    id = _text()
    name = fields.String(required=True)
    endpoint = fields.String(required=True)
    description = _text()
    schema = fields.String(required=True)
    schemaExtensions = fields.List(fields.Nested(_ExtensionForm), load_default=list)

    @post_load
    def _type(self, data: dict[str, Json], **_: Any) -> DeclaredType:
        extensions = tuple((each["schema"], each["required"]) for each in data["schemaExtensions"])
        endpoint = data["endpoint"].removeprefix("/")
        return DeclaredType(data["name"], endpoint, data["description"] or "", data["schema"], extensions)


_SCHEMA_FORM = _SchemaForm()
_TYPE_FORM = _TypeForm()


def read(body: Json) -> list[Schema | DeclaredType]:
    """The declarations in JSON: a Schema, a ResourceType, an array of them, or a ListResponse.

    Raises DeclarationError naming the first thing that is wrong in one of them.
    """
    if isinstance(body, dict) and isinstance(body.get("Resources"), list):
        body = body["Resources"]
    listed = body if isinstance(body, list) else [body]
    if not listed:
        raise DeclarationError("Nothing is declared: the list is empty.")
    return [_read_one(each) for each in listed]


def _read_one(body: Json) -> Schema | DeclaredType:
    urns = body.get("schemas") if isinstance(body, dict) else None
    urns = urns if isinstance(urns, list) else []
    if not isinstance(body, dict) or not ({"attributes", "endpoint"} & set(body) or {SCHEMA_URN} & set(map(str, urns))):
        raise DeclarationError("Expected a Schema (with attributes) or a ResourceType (with an endpoint).")
    is_type = "endpoint" in body
    named = body.get("name") if is_type else body.get("id")
    what = f"{'ResourceType' if is_type else 'Schema'} {quote(named) if isinstance(named, str) else 'without a name'}"
    try:
        found = messages.load(_TYPE_FORM if is_type else _SCHEMA_FORM, body, what)
    except InvalidSyntax as error:
        raise DeclarationError(error.detail) from None
    if isinstance(found, Schema):
        _check_schema(found)
    return found  # type: ignore[no-any-return]  # marshmallow does not know what a form makes


def _check_schema(schema: Schema) -> None:
    if len(schema.id) > _LONGEST_URN or not is_urn(schema.id):
        raise DeclarationError(f"{quote(schema.id)} is no schema URN: it begins with urn: and names the schema.")
    common = {attribute.key for attribute in core.COMMON}
    for attribute in schema.attributes:
        if attribute.key in common:
            raise DeclarationError(f"{schema.id}: every resource has {attribute.name} already.")
    _check_names(schema.id, schema.attributes)
    for attribute in schema.attributes:
        _check_attribute(f"{schema.id}:{attribute.name}", attribute)


def _check_names(where: str, attributes: Iterable[Attribute]) -> None:
    seen: set[str] = set()
    for attribute in attributes:
        fits = is_attribute_name(attribute.name) and len(attribute.name) <= _LONGEST_NAME
        if not fits or attribute.key in _GRAMMAR:
            raise DeclarationError(
                f"{where}: {quote(attribute.name)} is no attribute name: a letter, then letters, digits, - and _."
            )
        if attribute.key in seen:
            raise DeclarationError(f"{where}: {attribute.name} is declared twice (case does not count).")
        seen.add(attribute.key)


def _check_attribute(path: str, attribute: Attribute) -> None:
    for problem, wrong in (
        ("is complex and has no subAttributes.", attribute.complex and not attribute.sub_attributes),
        (f"is of type {attribute.type}: only complex has subAttributes.", not attribute.complex and attribute.subs),
        ("is complex: its sub-attributes can be unique.", attribute.complex and attribute.uniqueness != "none"),
        (f"is of type {attribute.type}: only reference has referenceTypes.", _refers_wrongly(attribute)),
        ("is writeOnly: its returned is never.", attribute.mutability == "writeOnly" and attribute.returned != "never"),
        ("is readOnly: nobody could give it the value it requires.", attribute.read_only and attribute.required),
    ):
        if wrong:
            raise DeclarationError(f"{path} {problem}")
    _check_names(path, attribute.sub_attributes)
    for sub in attribute.sub_attributes:
        if sub.complex:
            raise DeclarationError(f"{path}.{sub.name} is complex inside a complex attribute (RFC 7643 section 2.3.8).")
        _check_attribute(f"{path}.{sub.name}", sub)


def _refers_wrongly(attribute: Attribute) -> bool:
    return bool(attribute.reference_types) and attribute.type != "reference"


def stored_schema(body: Json) -> Schema:
    """A schema that was checked before it was stored."""
    return _SCHEMA_FORM.load(body)  # type: ignore[no-any-return]  # marshmallow does not know what a form makes


def stored_type(body: Json) -> DeclaredType:
    """A resource type that was checked before it was stored."""
    return _TYPE_FORM.load(body)  # type: ignore[no-any-return]  # marshmallow does not know what a form makes

"""Schemas and resource types as JSON (RFC 7643 sections 6 and 7): read from an operator, and from the database."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, fields, post_load, validate

from ..errors import InvalidSyntax
from . import declaration, forms
from .attribute import Attribute
from .declaration import DeclarationError, DeclaredType
from .path import quote
from .schema import SCHEMA_URN, Schema

Json = Any

_TYPES = ("string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex")
#: Types whose values are compared with or without case.
_WITH_CASE = ("string", "reference", "binary")


def _text() -> fields.String:
    return fields.String(allow_none=True, load_default="")


def _flag(name: str, default: bool | None = False) -> fields.Boolean:
    return fields.Boolean(data_key=name, truthy={True}, falsy={False}, load_default=default)


def _choice(*choices: str, default: str | None) -> fields.String:
    return fields.String(validate=validate.OneOf(choices), load_default=default)


class _Declaration(forms.Form):
    """A form that refuses unknown members: a characteristic with a typing error in its name would not hold."""

    labels = frozenset({"meta"})

    class Meta:
        unknown = RAISE


class _AttributeForm(_Declaration):
    name = fields.String(required=True)
    type = _choice(*_TYPES, default="string")
    description = _text()
    multi_valued = _flag("multiValued")
    required = _flag("required")
    case_exact = _flag("caseExact", None)
    canonical_values = fields.List(fields.String(), data_key="canonicalValues", load_default=list)
    mutability = _choice("readOnly", "readWrite", "immutable", "writeOnly", default="readWrite")
    returned = _choice("always", "never", "default", "request", default=None)
    uniqueness = _choice("none", "server", "global", default="none")
    reference_types = fields.List(fields.String(), data_key="referenceTypes", load_default=list)
    pattern = _text()
    sub_attributes = fields.List(fields.Nested(lambda: _AttributeForm()), data_key="subAttributes", load_default=list)

    @post_load
    def _attribute(self, data: dict[str, Json], **_: Any) -> Attribute:
        kind, exact = data["type"], data["case_exact"]
        # RFC 7643 sections 2.3.6 and 2.3.7: both types are case exact; a reference may be declared not to be.
        exact = kind == "binary" or (kind == "reference" if exact is None else exact)
        return Attribute(
            data["name"],
            kind,
            tuple(data["sub_attributes"]),
            data["multi_valued"],
            data["description"] or "",
            data["required"],
            tuple(data["canonical_values"]),
            exact and kind in _WITH_CASE,
            data["mutability"],
            data["returned"] or ("never" if data["mutability"] == "writeOnly" else "default"),
            data["uniqueness"],
            tuple(data["reference_types"]),
            data["pattern"] or "",
        )


class _SchemaForm(_Declaration):
    id = fields.String(required=True)
    name = _text()
    description = _text()
    attributes = fields.List(fields.Nested(_AttributeForm), required=True, validate=validate.Length(min=1))
    nested = fields.List(fields.String(), data_key="nestedSchemas", load_default=list)

    @post_load
    def _schema(self, data: dict[str, Json], **_: Any) -> Schema:
        about = (data["id"], data["name"] or "", data["description"] or "")
        return Schema(*about, tuple(data["attributes"]), tuple(data["nested"]))


class _ExtensionForm(_Declaration):
    schema = fields.String(required=True)
    required = _flag("required")


class _TypeForm(_Declaration):
    id = _text()
    name = fields.String(required=True)
    endpoint = fields.String(required=True)
    description = _text()
    schema = fields.String(required=True)
    extensions = fields.List(fields.Nested(_ExtensionForm), data_key="schemaExtensions", load_default=list)
    member_of_groups = _flag("memberOfGroups")

    @post_load
    def _type(self, data: dict[str, Json], **_: Any) -> DeclaredType:
        extensions = tuple((extension["schema"], extension["required"]) for extension in data["extensions"])
        endpoint = data["endpoint"].removeprefix("/")
        about = (data["name"], endpoint, data["description"] or "", data["schema"])
        return DeclaredType(*about, extensions, data["member_of_groups"])


_SCHEMA_FORM = _SchemaForm()
_TYPE_FORM = _TypeForm()


def read(body: Json) -> list[Schema | DeclaredType]:
    """Returns the declarations in JSON: a Schema, a ResourceType, an array of them, or a ListResponse.

    Raises DeclarationError naming the first member that is wrong.
    """
    if isinstance(body, dict) and isinstance(body.get("Resources"), list):
        body = body["Resources"]
    declarations = body if isinstance(body, list) else [body]
    if not declarations:
        raise DeclarationError("Nothing is declared: the list is empty.")
    return [_read_one(declared) for declared in declarations]


def _read_one(body: Json) -> Schema | DeclaredType:
    """One declaration: a ResourceType has an endpoint, a Schema has attributes or the URN of schemas."""
    urns = body.get("schemas") if isinstance(body, dict) else None
    urns = urns if isinstance(urns, list) else []
    if not isinstance(body, dict) or not ({"attributes", "endpoint"} & set(body) or {SCHEMA_URN} & set(map(str, urns))):
        raise DeclarationError("Expected a Schema (with attributes) or a ResourceType (with an endpoint).")
    is_type = "endpoint" in body
    name = body.get("name") if is_type else body.get("id")
    title = f"{'ResourceType' if is_type else 'Schema'} {quote(name) if isinstance(name, str) else 'without a name'}"
    try:
        declared: Schema | DeclaredType = forms.load(_TYPE_FORM if is_type else _SCHEMA_FORM, body, title)
    except InvalidSyntax as error:
        raise DeclarationError(error.detail) from None
    if isinstance(declared, Schema):
        declaration.check(declared)
    return declared


def stored_schema(body: Json) -> Schema:
    """A schema that was checked before it was stored."""
    return _SCHEMA_FORM.load(body)  # type: ignore[no-any-return]  # marshmallow does not know what a form makes


def stored_type(body: Json) -> DeclaredType:
    """A resource type that was checked before it was stored."""
    return _TYPE_FORM.load(body)  # type: ignore[no-any-return]  # marshmallow does not know what a form makes

"""The JSON schemas of the OpenAPI document: resources and messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import ERROR_URN
from .attribute import Attribute
from .messages import LIST_URN, PATCH_URN
from .schema import ResourceType

Json = dict[str, Any]

_TYPES: dict[str, Json] = {
    "string": {"type": "string"},
    "reference": {"type": "string"},
    "binary": {"type": "string", "contentEncoding": "base64"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "decimal": {"type": "number"},
    "dateTime": {"type": "string", "format": "date-time"},
}
_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer"}
_TEXTS: Json = {"type": "array", "items": _TEXT}
#: The parameters that choose attributes.
PROJECTION = ("attributes", "excludedAttributes")


def attribute_schema(attribute: Attribute) -> Json:
    """The JSON schema of an attribute's values, of the whole list when it is multi-valued."""
    if attribute.complex:
        one: Json = {"type": "object", "properties": _properties(attribute.sub_attributes)}
    else:
        one = dict(_TYPES[attribute.type])
        if attribute.pattern:
            one["pattern"] = attribute.pattern
        if attribute.canonical_values:
            one["examples"] = list(attribute.canonical_values)
    schema: Json = {"type": "array", "items": one} if attribute.multi_valued else one
    if attribute.description:
        schema["description"] = attribute.description
    if attribute.read_only:
        schema["readOnly"] = True
    if attribute.write_only or attribute.returned == "never":
        schema["writeOnly"] = True
    return schema


def _properties(attributes: Iterable[Attribute]) -> Json:
    return {attribute.name: attribute_schema(attribute) for attribute in attributes}


def resource_schemas(types: Iterable[ResourceType]) -> Json:
    """Two JSON schemas for each type: as the service answers it, and as clients send it, where required ones count."""
    schemas: Json = {}
    for resource_type in types:
        properties = _properties((*resource_type.common, *resource_type.schema.attributes))
        for extension in resource_type.extensions:
            properties[extension.id] = {"type": "object", "properties": _properties(extension.attributes)}
        whole = {"type": "object", "description": resource_type.description, "properties": properties}
        # A projection can leave out every attribute but these two.
        schemas[resource_type.name] = whole | {"required": ["schemas", "id"]}
        required = [
            attribute.name
            for attribute in resource_type.schema.attributes
            if attribute.required and not attribute.read_only
        ]
        schemas[f"{resource_type.name}Request"] = whole | {"required": required}
    return schemas


def message_schemas(types: Sequence[ResourceType]) -> Json:
    """The JSON schemas of the protocol's messages, by name."""
    return {
        "Error": _object(
            {"schemas": {"const": [ERROR_URN]}, "status": _TEXT, "scimType": _TEXT, "detail": _TEXT},
            "schemas",
            "status",
            "detail",
        )
        | {"additionalProperties": False},
        "ListResponse": _list_response_schema(types),
        "PatchOp": _patch_schema(),
        "SearchRequest": _object(
            {
                "schemas": _TEXTS,
                **dict.fromkeys(("filter", "sortBy", "sortOrder", "cursor"), _TEXT),
                **dict.fromkeys(("startIndex", "count"), _NUMBER),
                **dict.fromkeys(PROJECTION, _TEXTS),
            }
        ),
        "BulkRequest": _bulk_request_schema(),
        "BulkResponse": _bulk_response_schema(),
        "Declaration": {
            "type": "object",
            "description": "What the service declares (RFC 7643 sections 5 to 7).",
        },
    }


def _list_response_schema(types: Sequence[ResourceType]) -> Json:
    resource = {"anyOf": [ref(resource_type.name) for resource_type in types]}
    properties = {
        "schemas": {"const": [LIST_URN]},
        "totalResults": _NUMBER,
        "startIndex": _NUMBER,
        "itemsPerPage": _NUMBER,
        "nextCursor": _TEXT,
        "previousCursor": _TEXT,
        "Resources": {"type": "array", "items": resource},
    }
    return _object(properties, "schemas", "totalResults", "Resources")


def _patch_schema() -> Json:
    operation = _object(
        {"op": _TEXT | {"examples": ["add", "replace", "remove"]}, "path": _TEXT, "value": {}},
        "op",
    )
    schemas = _TEXTS | {"examples": [[PATCH_URN]]}
    return _object({"schemas": schemas, "Operations": {"type": "array", "items": operation}}, "Operations")


def _bulk_request_schema() -> Json:
    operation = _object(
        {"method": _TEXT, "path": _TEXT, "bulkId": _TEXT, "version": _TEXT, "data": {"type": "object"}},
        "method",
        "path",
    )
    properties = {"schemas": _TEXTS, "failOnErrors": _NUMBER, "Operations": {"type": "array", "items": operation}}
    return _object(properties, "Operations")


def _bulk_response_schema() -> Json:
    result = _object(
        {
            "method": _TEXT,
            "bulkId": _TEXT,
            "version": _TEXT,
            "location": _TEXT,
            "status": _TEXT | {"pattern": "^[1-5][0-9][0-9]$"},
            "response": {"type": "object"},
        },
        "method",
        "status",
    )
    return _object({"schemas": _TEXTS, "Operations": {"type": "array", "items": result}}, "Operations")


def _object(properties: Json, *required: str) -> Json:
    """The JSON schema of an object with these properties; `required` names the required ones."""
    return {"type": "object", "properties": properties, "required": list(required)}


def ref(name: str) -> Json:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}

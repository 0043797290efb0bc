"""The service as an OpenAPI 3.1 document, made from the same declarations that everything else follows from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import ERROR_URN
from .messages import LIST_URN, MEDIA_TYPE, PATCH_URN
from .schema import Attribute, ResourceType

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
#: What any request may be answered with instead.
_ERRORS = {
    "400": "The request cannot be understood or is not allowed; `scimType` and `detail` say why.",
    "401": "The bearer token is missing or not valid here.",
    "403": "Not allowed with this token, or never.",
    "404": "There is nothing at this URL.",
    "500": "Something went wrong in the service.",
    "503": "The database is busy or cannot be reached; Retry-After says when to try again.",
}
_WRITE_ERRORS = _ERRORS | {
    "409": "A unique value is taken.",
    "412": "If-Match names a version that is no longer current.",
    "413": "The body is too large.",
    "415": "The content type is not JSON.",
    "501": "Not offered here.",
}
_QUERY = ("filter", "sortBy", "sortOrder", "startIndex", "count", "cursor", "attributes", "excludedAttributes")
_PROJECTION = ("attributes", "excludedAttributes")


def document(types: Iterable[ResourceType], servers: Sequence[Json], version: str) -> Json:
    """The OpenAPI document of an endpoint with these resource types; paths are below the app's SCIM base URL."""
    known = list(types)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "scimlite",
            "version": version,
            "description": "SCIM 2.0 (RFC 7643, RFC 7644) with cursor pagination (RFC 9865).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": list(servers),
        "security": [{"bearer": []}],
        "paths": _paths(known),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "parameters": _parameters(),
            "responses": {f"Error{status}": _error(text) for status, text in _WRITE_ERRORS.items()},
            "schemas": _messages(known) | {name: each for known_type in known for name, each in _both(known_type)},
        },
    }


# --- schemas ------------------------------------------------------------------------------------------------------


def attribute_schema(attribute: Attribute) -> Json:
    """The JSON schema of an attribute's values, of the whole list when it is multi-valued."""
    if attribute.complex:
        one: Json = {"type": "object", "properties": _properties(attribute.sub_attributes)}
    else:
        one = dict(_TYPES[attribute.type])
        if attribute.canonical_values:
            one["examples"] = list(attribute.canonical_values)
    found: Json = {"type": "array", "items": one} if attribute.multi_valued else one
    if attribute.description:
        found["description"] = attribute.description
    if attribute.read_only:
        found["readOnly"] = True
    if attribute.mutability == "writeOnly" or attribute.returned == "never":
        found["writeOnly"] = True
    return found


def _properties(attributes: Iterable[Attribute]) -> Json:
    return {attribute.name: attribute_schema(attribute) for attribute in attributes}


def _both(resource_type: ResourceType) -> Iterable[tuple[str, Json]]:
    """A type as it is answered, and as it is sent: then what is required has to be there."""
    properties = _properties((*resource_type.common, *resource_type.schema.attributes))
    for extension in resource_type.extensions:
        properties[extension.id] = {"type": "object", "properties": _properties(extension.attributes)}
    whole = {"type": "object", "description": resource_type.description, "properties": properties}
    # Projection leaves out what it may; these are always returned.
    yield resource_type.name, whole | {"required": ["schemas", "id"]}
    required = [each.name for each in resource_type.schema.attributes if each.required and not each.read_only]
    yield f"{resource_type.name}Request", whole | {"required": required}


def _messages(types: Sequence[ResourceType]) -> Json:
    text, number = {"type": "string"}, {"type": "integer"}
    schemas = {"type": "array", "items": text}
    operation = {
        "type": "object",
        "required": ["op"],
        "properties": {"op": text | {"examples": ["add", "replace", "remove"]}, "path": text, "value": {}},
    }
    paging = {"totalResults": number, "startIndex": number, "itemsPerPage": number}
    one = {"anyOf": [_ref(each.name) for each in types]}
    answer = {
        "type": "object",
        "required": ["method", "status"],
        "properties": {
            "method": text,
            "bulkId": text,
            "version": text,
            "location": text,
            "status": text | {"pattern": "^[1-5][0-9][0-9]$"},
            "response": {"type": "object"},
        },
    }
    asked = {
        "type": "object",
        "required": ["method", "path"],
        "properties": {"method": text, "path": text, "bulkId": text, "version": text, "data": {"type": "object"}},
    }
    return {
        "Error": _object(
            {"schemas": {"const": [ERROR_URN]}, "status": text, "scimType": text, "detail": text},
            "schemas",
            "status",
            "detail",
        )
        | {"additionalProperties": False},
        "ListResponse": _object(
            {
                "schemas": {"const": [LIST_URN]},
                **paging,
                "nextCursor": text,
                "previousCursor": text,
                "Resources": {"type": "array", "items": one},
            },
            "schemas",
            "totalResults",
            "Resources",
        ),
        "PatchOp": _object(
            {"schemas": schemas | {"examples": [[PATCH_URN]]}, "Operations": {"type": "array", "items": operation}},
            "Operations",
        ),
        "SearchRequest": _object(
            {
                "schemas": schemas,
                **dict.fromkeys(("filter", "sortBy", "sortOrder", "cursor"), text),
                **dict.fromkeys(("startIndex", "count"), number),
                **dict.fromkeys(_PROJECTION, schemas),
            }
        ),
        "BulkRequest": _object(
            {"schemas": schemas, "failOnErrors": number, "Operations": {"type": "array", "items": asked}}, "Operations"
        ),
        "BulkResponse": _object({"schemas": schemas, "Operations": {"type": "array", "items": answer}}, "Operations"),
        "Declaration": {
            "type": "object",
            "description": "What the service declares (RFC 7643 sections 5 to 7).",
        },
    }


def _object(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


# --- paths --------------------------------------------------------------------------------------------------------


def _paths(types: Sequence[ResourceType]) -> Json:
    declaration, listed = _ref("Declaration"), _ref("ListResponse")
    paths: Json = {
        "/": {"get": _operation("Query all resources.", listed, _QUERY)},
        "/.search": {"post": _operation("Query all resources.", listed, (), _ref("SearchRequest"))},
        "/Bulk": {"post": _operation("Many writes at once.", _ref("BulkResponse"), (), _ref("BulkRequest"))},
        "/Schemas": {"get": _operation("The schemas.", {"type": "object"}, ())},
        "/Schemas/{id}": {"get": _operation("A schema.", declaration, (), id=True)},
        "/ResourceTypes": {"get": _operation("The resource types.", {"type": "object"}, ())},
        "/ResourceTypes/{id}": {"get": _operation("A resource type.", declaration, (), id=True)},
        "/ServiceProviderConfig": {
            "get": _operation("What the service can do; needs no token.", declaration, ()) | {"security": [{}]}
        },
        "/openapi.json": {"get": _operation("This document.", {"type": "object"}, (), media="application/json")},
    }
    for each in types:
        paths |= _paths_of(each)
    for path in paths.values():
        if "get" in path:
            path["head"] = path["get"] | {
                "responses": {"default": {"description": "What GET answers, without its body."}}
            }
    return paths


def _paths_of(resource_type: ResourceType) -> Json:
    name, endpoint = resource_type.name, f"/{resource_type.endpoint}"
    answer, sent = _ref(name), _ref(f"{name}Request")
    single = {
        "get": _operation(f"A {name}.", answer, _PROJECTION, id=True, reading=True),
        "put": _operation(f"Replace a {name}.", answer, _PROJECTION, sent, id=True),
        "patch": _operation(f"Change a {name}.", answer, _PROJECTION, _ref("PatchOp"), id=True, empty=True),
        "delete": _operation(f"Delete a {name}.", None, (), id=True, writing=True),
    }
    paths = {
        endpoint: {
            "get": _operation(f"Query {endpoint[1:]}.", _ref("ListResponse"), _QUERY),
            "post": _operation(f"Create a {name}.", answer, _PROJECTION, sent, status="201"),
        },
        f"{endpoint}/.search": {
            "post": _operation(f"Query {endpoint[1:]}.", _ref("ListResponse"), (), _ref("SearchRequest"))
        },
        f"{endpoint}/{{id}}": single,
    }
    if name == "User":
        # The same, but for the user that the token was issued for; 501 with other tokens (RFC 7644 section 3.11).
        not_offered = {"501": {"$ref": "#/components/responses/Error501"}}
        paths["/Me"] = {
            method: each
            | {
                "parameters": [given for given in each["parameters"] if given["$ref"] != "#/components/parameters/id"],
                "responses": each["responses"] | not_offered,
            }
            for method, each in single.items()
        }
    return paths


def _operation(
    summary: str,
    answer: Json | None,
    parameters: Iterable[str],
    body: Json | None = None,
    *,
    status: str = "200",
    id: bool = False,
    empty: bool = False,
    reading: bool = False,
    writing: bool = False,
    media: str = MEDIA_TYPE,
) -> Json:
    """One method of a path. `answer` None, or `empty`: it may be 204; `reading` and `writing` take entity tags."""
    named = [*(["id"] if id else []), *parameters]
    named += ["If-None-Match"] if reading else ["If-Match"] if id and (body is not None or writing) else []
    responses: Json = {}
    if answer is not None:
        responses[status] = {"description": "Done.", "content": {media: {"schema": answer}}}
    if answer is None or empty:
        responses["204"] = {"description": "Done; there is nothing to show."}
    if reading:
        responses["304"] = {"description": "If-None-Match names the current version."}
    errors = _WRITE_ERRORS if body is not None or writing else _ERRORS
    responses |= {error: {"$ref": f"#/components/responses/Error{error}"} for error in errors}
    operation: Json = {
        "summary": summary,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in named],
        "responses": responses,
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {MEDIA_TYPE: {"schema": body}}}
    return operation


def _parameters() -> Json:
    numbers = ("startIndex", "count")
    found: Json = {
        name: {"name": name, "in": "query", "schema": {"type": "integer" if name in numbers else "string"}}
        for name in _QUERY
    }
    found["id"] = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    for header in ("If-Match", "If-None-Match"):
        found[header] = {"name": header, "in": "header", "schema": {"type": "string"}}
    return found


def _error(description: str) -> Json:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": _ref("Error")}}}

"""The service as an OpenAPI 3.1 document, made from the declared resource types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import core
from .messages import MEDIA_TYPE
from .openapi_schemas import PROJECTION, message_schemas, ref, resource_schemas
from .schema import ResourceType

Json = dict[str, Any]

#: The errors of every request, by status.
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
    "412": "If-Match, If-None-Match or If-Unmodified-Since does not fit the current version.",
    "413": "The body is too large.",
    "415": "The content type is not JSON, or the content coding is not gzip or deflate.",
    "501": "Not offered here.",
}
_CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
_QUERY = ("filter", "sortBy", "sortOrder", "startIndex", "count", "cursor", "attributes", "excludedAttributes")


def document(types: Iterable[ResourceType], servers: Sequence[Json], version: str) -> Json:
    """The OpenAPI document of an endpoint with these resource types; paths are below the app's SCIM base URL."""
    listed = list(types)
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
        "paths": _paths(listed),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "parameters": _parameters(),
            "responses": {f"Error{status}": _error(text) for status, text in _WRITE_ERRORS.items()},
            "schemas": message_schemas(listed) | resource_schemas(listed),
        },
    }


# --- paths --------------------------------------------------------------------------------------------------------


def _paths(types: Sequence[ResourceType]) -> Json:
    """The paths of all endpoints; every GET can be asked with HEAD, too."""
    declaration, listed = ref("Declaration"), ref("ListResponse")
    paths: Json = {
        "/": {"get": _operation("Query all resources.", listed, _QUERY)},
        "/.search": {"post": _operation("Query all resources.", listed, (), ref("SearchRequest"))},
        "/Bulk": {"post": _operation("Many writes at once.", ref("BulkResponse"), (), ref("BulkRequest"))},
        "/Schemas": {"get": _operation("The schemas.", {"type": "object"}, ())},
        "/Schemas/{id}": {"get": _operation("A schema.", declaration, (), id=True)},
        "/ResourceTypes": {"get": _operation("The resource types.", {"type": "object"}, ())},
        "/ResourceTypes/{id}": {"get": _operation("A resource type.", declaration, (), id=True)},
        "/ServiceProviderConfig": {
            "get": _operation("What the service can do; needs no token.", declaration, ()) | {"security": [{}]}
        },
        "/openapi.json": {"get": _operation("This document.", {"type": "object"}, (), media="application/json")},
    }
    for resource_type in types:
        paths |= _paths_of(resource_type)
    for path in paths.values():
        if "get" in path:
            path["head"] = path["get"] | {
                "responses": {"default": {"description": "What GET answers, without its body."}}
            }
    return paths


def _paths_of(resource_type: ResourceType) -> Json:
    """The paths of one resource type, and /Me for users."""
    name, endpoint = resource_type.name, f"/{resource_type.endpoint}"
    answer, sent = ref(name), ref(f"{name}Request")
    single = {
        "get": _operation(f"A {name}.", answer, PROJECTION, id=True, reading=True),
        "put": _operation(f"Replace a {name}.", answer, PROJECTION, sent, id=True),
        "patch": _operation(f"Change a {name}.", answer, PROJECTION, ref("PatchOp"), id=True, empty=True),
        "delete": _operation(f"Delete a {name}.", None, (), id=True, writing=True),
    }
    paths = {
        endpoint: {
            "get": _operation(f"Query {endpoint[1:]}.", ref("ListResponse"), _QUERY),
            "post": _operation(f"Create a {name}.", answer, PROJECTION, sent, status="201"),
        },
        f"{endpoint}/.search": {
            "post": _operation(f"Query {endpoint[1:]}.", ref("ListResponse"), (), ref("SearchRequest"))
        },
        f"{endpoint}/{{id}}": single,
    }
    if name == core.USER.name:
        paths["/Me"] = {method: _me(operation) for method, operation in single.items()}
    return paths


def _me(operation: Json) -> Json:
    """The method of a user at /Me: the user that the token was issued for; 501 for other tokens (RFC 7644 3.11)."""
    id_parameter = {"$ref": "#/components/parameters/id"}
    return operation | {
        "parameters": [parameter for parameter in operation["parameters"] if parameter != id_parameter],
        "responses": operation["responses"] | {"501": {"$ref": "#/components/responses/Error501"}},
    }


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
    """One method of a path.

    In: the JSON schema of the answer (None: 204) and of the body, the names of parameters; `id` for a path with an id,
    `empty` for an answer that may be 204 as well, `reading` and `writing` for methods that take entity tags.
    """
    named = [*(["id"] if id else []), *parameters]
    if reading or (id and (body is not None or writing)):
        named += _CONDITIONS
    responses: Json = {}
    if answer is not None:
        responses[status] = {"description": "Done.", "content": {media: {"schema": answer}}}
    if answer is None or empty:
        responses["204"] = {"description": "Done; there is nothing to show."}
    if reading:
        responses["304"] = {"description": "If-None-Match names the current version."}
    errors = _WRITE_ERRORS if body is not None or writing else _ERRORS
    if reading:
        errors = errors | {"412": _WRITE_ERRORS["412"]}
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
    """All parameters, by name."""
    numbers = ("startIndex", "count")
    parameters: Json = {
        name: {"name": name, "in": "query", "schema": {"type": "integer" if name in numbers else "string"}}
        for name in _QUERY
    }
    parameters["id"] = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    for header in _CONDITIONS:
        parameters[header] = {"name": header, "in": "header", "schema": {"type": "string"}}
    return parameters


def _error(description: str) -> Json:
    """An answer with the error message of RFC 7644 section 3.12."""
    return {"description": description, "content": {MEDIA_TYPE: {"schema": ref("Error")}}}

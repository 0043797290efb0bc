"""The OpenAPI document of any resource types: valid, and its schemas follow from the declared attributes."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from scimlite.scim import openapi
from scimlite.scim.core import GROUP, USER
from scimlite.scim.openapi_schemas import attribute_schema
from scimlite.scim.schema import ResourceType


@pytest.fixture
def document(device: ResourceType) -> dict[str, Any]:
    """The document of three types."""
    return openapi.document([USER, GROUP, device], [{"url": "https://scim.example.com"}], "1.2.3")


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert document["info"]["version"] == "1.2.3"
    assert document["servers"] == [{"url": "https://scim.example.com"}]


def test_every_type_has_its_paths(document: dict[str, Any]) -> None:
    for resource_type in (USER, GROUP):
        endpoint = f"/{resource_type.endpoint}"
        assert set(document["paths"][endpoint]) == {"get", "head", "post"}
        assert set(document["paths"][endpoint + "/{id}"]) == {"get", "head", "put", "patch", "delete"}
        assert set(document["paths"][endpoint + "/.search"]) == {"post"}
    assert "/Devices/{id}" in document["paths"]


def test_me_is_a_user_without_an_id(document: dict[str, Any]) -> None:
    me, user = document["paths"]["/Me"], document["paths"]["/Users/{id}"]
    parameter = {"$ref": "#/components/parameters/id"}
    for method in ("get", "put", "patch", "delete"):
        assert parameter in user[method]["parameters"]
        assert me[method]["parameters"] == [other for other in user[method]["parameters"] if other != parameter]
        assert me[method]["responses"].keys() - user[method]["responses"].keys() <= {"501"}
        assert "501" in me[method]["responses"]


def test_schemas_of_a_type(document: dict[str, Any], device: ResourceType) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Device"]["required"] == ["schemas", "id"]
    assert schemas["DeviceRequest"]["required"] == ["name"]
    assert set(schemas["Device"]["properties"]) == {*(a.name for a in device.core.values()), device.extensions[0].id}
    assert schemas["Device"]["properties"] == schemas["DeviceRequest"]["properties"]


def test_schema_of_an_attribute(device: ResourceType) -> None:
    assert attribute_schema(device.core["state"]) == {"type": "string", "readOnly": True}
    assert attribute_schema(device.core["pin"]) == {"type": "string", "writeOnly": True}
    assert attribute_schema(device.core["counts"]) == {"type": "array", "items": {"type": "integer"}}
    kinds = attribute_schema(USER.core["emails"].subs["type"])
    assert kinds["examples"] == ["work", "home", "other"]
    assert kinds["description"]

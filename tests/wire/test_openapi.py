"""The OpenAPI document: valid, complete, and what the service really answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from installation import Connected, Installation
from scim_client import ENTERPRISE_URN, PATCH_URN
from scimlite.config import Settings
from scimlite.web.app import create_app
from scimlite.web.scim.view import route_of


@pytest.fixture
def document(app: Connected) -> dict[str, Any]:
    """The document of an app."""
    found: dict[str, Any] = app.client.get("/openapi.json").ok(200).json
    return found


def test_the_document_is_openapi_3_1(document: dict[str, Any], app: Connected) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert document["servers"] == [{"url": app.client.base}]


def test_the_document_of_the_service_needs_no_token(installation: Installation) -> None:
    client = installation.client("any", None)
    answer = client.get(f"{installation.url}/openapi.json").ok(200)
    assert answer.headers["content-type"] == "application/json"
    assert list(OpenAPIV31SpecValidator(answer.json).iter_errors()) == []
    assert answer.json["servers"][0]["variables"]["slug"]["default"]


def test_every_route_is_in_the_document_and_the_other_way_round(
    installation: Installation, document: dict[str, Any]
) -> None:
    rules = create_app(Settings.from_environment(installation.env)).url_map.iter_rules()
    prefix = "/scim/v2/<slug>"
    served = {route_of(rule.rule).removeprefix(prefix) or "/" for rule in rules if rule.rule.startswith(prefix)}
    # The last is served where the feature `service-configuration` is on.
    served -= {"/<scimpath:rest>", "/serviceConfiguration"}
    described = set()
    for path in document["paths"]:
        generic = re.sub(r"^/(Users|Groups)", "/<endpoint>", path)
        described.add(generic.replace("{id}", "<id>"))
    assert described == served


def checked(document: dict[str, Any], name: str, value: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    Draft202012Validator(schema).validate(value)


def test_what_is_answered_is_what_the_document_says(app: Connected, document: dict[str, Any]) -> None:
    client = app.client
    boss = client.user("boss").ok(201)
    user = client.user(
        "u",
        title="T",
        emails=[{"value": "u@example.com", "type": "work", "primary": True}],
        **{ENTERPRISE_URN: {"department": "D", "manager": {"value": boss.id}}},
    ).ok(201)
    checked(document, "User", user.json)
    group = client.group("g", user.id).ok(201)
    checked(document, "Group", group.json)
    checked(document, "User", client.get(f"/Users/{user.id}?attributes=userName").ok(200).json)
    for path in ("/", "/Users", "/Groups", "/Users?cursor=&count=1", "/Users?filter=userName%20pr"):
        checked(document, "ListResponse", client.get(path).ok(200).json)
    operation = {"method": "DELETE", "path": f"/Users/{boss.id}"}
    checked(document, "BulkResponse", client.post("/Bulk", {"Operations": [operation]}).ok(200).json)
    for error in (
        client.get("/Users/none"),
        client.post("/Users", {}),
        client.user("u"),
        client.request("PATCH", f"/Users/{user.id}", {"schemas": [PATCH_URN], "Operations": []}),
        client.get("/Users?filter=x"),
    ):
        assert error.status >= 400
        checked(document, "Error", error.json)


def test_a_wrong_answer_would_be_noticed(document: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="is not of type"):
        checked(document, "User", {"schemas": [], "id": "1", "active": "yes"})


def test_what_only_one_side_writes_is_marked(document: dict[str, Any]) -> None:
    user = document["components"]["schemas"]["User"]["properties"]
    assert user["password"]["writeOnly"] is True
    assert user["groups"]["readOnly"] is True
    assert user["meta"]["properties"]["created"]["format"] == "date-time"
    assert document["components"]["schemas"]["UserRequest"]["required"] == ["userName"]

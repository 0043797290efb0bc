"""URLs and headers as bytes: what is no UTF-8 is refused, and endpoint names are compared without case."""

from __future__ import annotations

from typing import Any

import pytest

from installation import Connected, Installation, watch
from scim_client import ScimClient, assert_scim_error
from scimlite.admin import explain

NOT_TEXT = ["%FF", "%C3", "%C0%AF", "%ED%A0%80", "%zz", "%"]


# --- bytes that are no text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", NOT_TEXT)
def test_a_filter_that_is_no_text_is_refused(installation: Installation, app: Connected, noise: str) -> None:
    app.client.user("ann").ok(201)
    seen = watch(installation, app)
    for path in ("/Users", "/Groups", "", "/Schemas"):
        refused = app.client.get(f"{path}?filter=userName%20eq%20%22{noise}%22")
        assert_scim_error(refused, 400, "invalidFilter", "UTF-8")
    assert seen.told() == [("searched", "refused")] * 3


@pytest.mark.parametrize("noise", NOT_TEXT)
@pytest.mark.parametrize(
    "name", ["sortBy", "sortOrder", "startIndex", "count", "attributes", "excludedAttributes", "cursor", "unknown"]
)
def test_any_parameter_that_is_no_text_is_refused(app: Connected, name: str, noise: str) -> None:
    client = app.client
    made = client.user("ann").ok(201)
    query = f"?{name}={noise}"
    requests: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("GET", "/Users", None),
        ("POST", "/Users", {"userName": "bob"}),
        ("GET", f"/Users/{made.id}", None),
        ("HEAD", f"/Users/{made.id}", None),
        ("PUT", f"/Users/{made.id}", {"userName": "bob"}),
        ("PATCH", f"/Users/{made.id}", {"Operations": [{"op": "replace", "path": "title", "value": "x"}]}),
        ("DELETE", f"/Users/{made.id}", None),
        ("POST", "/.search", {}),
        ("POST", "/Bulk", {"Operations": [{"method": "DELETE", "path": f"/Users/{made.id}"}]}),
        ("GET", "/Schemas", None),
        ("GET", "/ResourceTypes/User", None),
        ("GET", "/ServiceProviderConfig", None),
        ("GET", "/openapi.json", None),
    ]
    for method, path, body in requests:
        answer = client.request(method, path + query, *([body] if body is not None else []))
        if method == "HEAD":
            assert answer.status == 400
        else:
            assert_scim_error(answer, 400, "invalidValue", "UTF-8")
    assert client.get(f"/Users/{made.id}").content == made.content
    assert client.find("Users")["totalResults"] == 1


@pytest.mark.parametrize("noise", ["%FF", "a%C3", "%C0%AF", "%ED%A0%80", "%C3%A9%FF", "%zz", "%"])
def test_a_path_that_is_no_text_is_refused(app: Connected, noise: str) -> None:
    client = app.client
    body = {"userName": "x", "Operations": [{"op": "replace", "path": "title", "value": "x"}]}
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert_scim_error(client.request(method, f"/Users/{noise}", body), 400, "invalidValue", "path")
    for path in (f"/{noise}", f"/{noise}/.search", f"/Schemas/{noise}", f"/ResourceTypes/{noise}", f"/a/b/{noise}"):
        assert_scim_error(client.get(path), 400, "invalidValue", "path")
    operation = {"method": "DELETE", "path": f"/Users/{noise}"}
    assert_scim_error(client.post("/Bulk", {"Operations": [operation]}), 400, "invalidSyntax", "UTF-8")


def test_escapes_of_text_are_read(app: Connected) -> None:
    app.client.user("é😀").ok(201)
    assert app.client.get("/Users?filter=userName%20eq%20%22%C3%A9%F0%9F%98%80%22").ok(200).json["totalResults"] == 1
    for path in ("/Users/%C3%A9", "/Users/50%25", "/%F0%9F%98%80", "//Users//%F0%9F%98%80"):
        assert_scim_error(app.client.get(path), 404)


def test_the_login_comes_first(installation: Installation, app: Connected) -> None:
    anonymous = installation.client(app.slug, None)
    for path in ("/Users?filter=%FF", "/Users/%FF", "/%FF"):
        assert_scim_error(anonymous.get(path), 401)
    assert_scim_error(anonymous.get("/Users", headers={"User-Agent": "\xff"}), 401)
    assert_scim_error(ScimClient(f"{installation.url}/scim/v2/%FF", app.text).get("/Users"), 401)


@pytest.mark.parametrize(
    "name", ["User-Agent", "X-Request-Id", "client-request-id", "X-Correlation-Id", "ADSCIMVersion"]
)
def test_a_header_that_is_no_text_is_refused(app: Connected, name: str) -> None:
    for value in ("\xff", "agent \xc3", "\xed\xa0\x80"):
        refused = app.client.get("/Users", headers={name: value})
        assert_scim_error(refused, 400, "invalidValue", name.title())
        assert_scim_error(app.client.post("/Users", {"userName": "u"}, headers={name: value}), 400, "invalidValue")
    assert app.client.find("Users")["totalResults"] == 0
    app.client.post("/Users", {"userName": "u"}, headers={name: "\xc3\xa9"}).ok(201)


def test_what_is_no_text_is_in_the_report(installation: Installation, app: Connected) -> None:
    """A request that is refused for its path or a header has a row and an explanation, as any other refused one."""
    made = app.client.user("ann").ok(201)
    latin = {"User-Agent": "Z\xfcrich"}
    body = {"userName": "bob", "Operations": [{"op": "add", "path": "title", "value": "x"}]}
    seen = watch(installation, app)
    requests = [
        ("POST", "/Users", latin, "created"),
        ("PUT", f"/Users/{made.id}", latin, "updated"),
        ("PATCH", f"/Users/{made.id}", {"If-Match": "\xff"}, "updated"),
        ("DELETE", "/Users/%FF", {}, "deleted"),
        ("POST", "/.search", latin, "searched"),
        ("POST", "/users/.search", {"X-Request-Id": "\xff"}, "searched"),
        ("POST", "/Bulk", latin, "bulk"),
        ("GET", "/Users", latin, "searched"),
        ("GET", "/%zz", {}, "searched"),
    ]
    refused = [app.client.request(method, path, body, headers=headers) for method, path, headers, _ in requests]
    for answer in refused:
        assert_scim_error(answer, 400, "invalidValue")
    assert seen.told() == [(act, "refused") for *_, act in requests]
    assert [row.request_id for row in seen.new()] == [answer.headers["x-request-id"] for answer in refused]
    assert {row.detail for row in seen.new()} == {
        "The header User-Agent is not UTF-8.",
        "The header If-Match is not UTF-8.",
        "The header X-Request-Id is not UTF-8.",
        "The path is malformed: it is not percent-encoded UTF-8.",
    }
    explained = explain.explain(installation.db, refused[1].headers["x-request-id"])
    assert [(kept.method, kept.path) for each in explained for kept in each.refused] == [("PUT", f"/Users/{made.id}")]
    assert app.client.get(f"/Users/{made.id}").content == made.content


# --- parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "scim_type"),
    [
        ("filter=userName%20pr&filter=userName%20pr", "invalidFilter"),
        ("filter=userName%20pr&FILTER=userName%20pr", "invalidFilter"),
        ("count=1&count=1", "invalidValue"),
        ("startIndex=1&startindex=2", "invalidValue"),
        ("attributes=id&attributes=userName", "invalidValue"),
        ("sortBy=id&sort%42y=id", "invalidValue"),
    ],
)
def test_a_parameter_twice(app: Connected, query: str, scim_type: str) -> None:
    for path in ("/Users", "", "/Schemas"):
        assert_scim_error(app.client.get(f"{path}?{query}"), 400, scim_type, "twice")
    assert_scim_error(app.client.post(f"/Users?{query}", {"userName": "u"}), 400, scim_type, "twice")
    assert app.client.find("Users")["totalResults"] == 0


def test_a_value_path_among_attributes_is_its_attribute(app: Connected) -> None:
    emails = [{"value": "w@x", "type": "work"}, {"value": "h@x", "type": "home"}]
    made = app.client.user("u", emails=emails, title="t").ok(201)
    text = "emails%5Btype%20eq%20%22work%22%5D.value"
    for answer in (
        app.client.get(f"/Users/{made.id}?attributes={text}").ok(200).json,
        app.client.get(f"/Users?attributes={text},id").ok(200).json["Resources"][0],
        app.client.post("/.search", {"attributes": ['emails[type eq "work"].value']}).ok(200).json["Resources"][0],
    ):
        assert answer["emails"] == emails
        assert "title" not in answer
    for answer in (
        app.client.get(f"/Users/{made.id}?excludedAttributes={text}").ok(200).json,
        app.client.post("/.search", {"excludedAttributes": ['emails[type eq "work"].value']}).json["Resources"][0],
    ):
        assert "emails" not in answer
        assert answer["title"] == "t"
    assert_scim_error(app.client.get("/Users?attributes=emails%5Btype"), 400, "invalidPath")


# --- endpoints without case -----------------------------------------------------------------------------------------


def test_endpoints_in_any_case(app: Connected) -> None:
    client = app.client
    made = client.post("/users", {"userName": "ann"}).ok(201)
    assert made.headers["location"] == made.json["meta"]["location"] == f"{client.base}/Users/{made.id}"
    for path in ("/users", "/USERS/", "//uSERS"):
        assert client.get(path).ok(200).json["Resources"][0]["meta"]["location"] == made.headers["location"]
    for path in (f"/users/{made.id}", f"/USERS/{made.id}/"):
        assert client.get(path).ok(200).content == made.content
    client.patch(f"/users/{made.id}", {"op": "replace", "path": "title", "value": "x"}).ok(200)
    client.put(f"/USERS/{made.id}", {"userName": "bob"}).ok(200)
    group = client.post("/GROUPS", {"displayName": "g", "members": [{"value": made.id}]}).ok(201)
    assert client.get(f"/groups/{group.id}").ok(200).json["members"][0]["$ref"] == made.headers["location"]
    for path in ("/.Search", "/.SEARCH/", "/users/.search", "/Users/.Search", "/GROUPS/.SEARCH"):
        assert client.post(path, {"count": 1}).ok(200).json["itemsPerPage"] == 1
    client.delete(f"/uSeRs/{made.id}").ok(204)


def test_messages_and_declarations_in_any_case(installation: Installation, app: Connected) -> None:
    client = app.client
    operations = [
        {"method": "POST", "path": "/users", "bulkId": "b", "data": {"userName": "ann"}},
        {
            "method": "PATCH",
            "path": "/USERS/bulkId:b",
            "data": {"Operations": [{"op": "add", "path": "title", "value": "x"}]},
        },
        {"method": "DELETE", "path": "/Users/bulkId:b"},
    ]
    for path in ("/bulk", "/BULK/"):
        results = client.post(path, {"Operations": operations}).ok(200).json["Operations"]
        assert [each["status"] for each in results] == ["201", "200", "204"]
        assert len({each["location"] for each in results}) == 1
        assert results[0]["location"].startswith(f"{client.base}/Users/")
    for right, others in {
        "/Schemas": ("/schemas", "/schemas/", "/SCHEMAS"),
        "/ResourceTypes": ("/resourcetypes", "/resourceTypes/"),
        "/ResourceTypes/User": ("/resourcetypes/user", "/RESOURCETYPES/USER/"),
        "/ServiceProviderConfig": ("/serviceproviderconfig", "/serviceProviderConfig/"),
        "/openapi.json": ("/OpenAPI.json",),
    }.items():
        for other in others:
            assert client.get(other).ok(200).content == client.get(right).ok(200).content
    assert_scim_error(client.get("/me"), 501)
    assert_scim_error(installation.client(app.slug, None).get("/users"), 401)
    installation.client(app.slug, None).get("/serviceproviderconfig").ok(200)
    assert_scim_error(client.get("/bulk"), 405, detail="POST")
    for path in ("/user", "/usersx", "/xusers", "/schemas.x", "/.searchx", "/bulk/x/y"):
        assert_scim_error(client.get(path), 404)


def test_the_slug_keeps_its_case(installation: Installation, app: Connected) -> None:
    assert_scim_error(installation.client(app.slug.upper(), app.text).get("/Users"), 401)


def test_the_log_names_the_route(installation: Installation, app: Connected) -> None:
    request = app.client.post("/.SEARCH", {}).ok(200).headers["x-request-id"]
    line = next(line for line in installation.log().splitlines() if f"request={request}" in line)
    assert "route=/scim/v2/<slug>/.search " in line

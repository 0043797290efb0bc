"""Queries over the wire: SearchRequest in a body, the root of all types, pages by cursor."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from installation import Connected, Installation
from scim_client import assert_scim_error
from scimlite.scim.messages import LIST_URN

SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


@pytest.fixture
def filled(app: Connected) -> Connected:
    """An app with twelve users and two groups."""
    ids = [app.client.user(f"user{number:02}", title=f"T{number % 3}").ok(201).id for number in range(12)]
    app.client.group("Staff", *ids[:3]).ok(201)
    app.client.group("Users").ok(201)
    return app


def url(path: str, parameters: dict[str, Any]) -> str:
    return f"{path}?{urlencode(parameters)}"


def search(app: Connected, path: str = "", **message: Any) -> Any:
    return app.client.post(f"{path}/.search", {"schemas": [SEARCH_URN], **message})


# --- .search ------------------------------------------------------------------------------------------------------


def test_a_search_in_a_body_is_the_same_as_in_the_url(filled: Connected) -> None:
    asked = {"filter": 'title eq "T1"', "sortBy": "userName", "sortOrder": "descending", "startIndex": 2, "count": 2}
    by_body = search(filled, "/Users", **asked, attributes=["userName"]).ok(200)
    by_url = filled.client.find("Users", **asked, attributes="userName")
    assert by_body.json == by_url
    assert by_body.json["schemas"] == [LIST_URN]
    assert [each["userName"] for each in by_body.json["Resources"]] == ["user07", "user04"]
    assert set(by_body.json["Resources"][0]) == {"schemas", "id", "userName"}


def test_a_search_of_groups_and_without_members(filled: Connected) -> None:
    found = search(filled, "/Groups", excludedAttributes=["members"], filter='displayName eq "staff"').ok(200).json
    assert [each["displayName"] for each in found["Resources"]] == ["Staff"]
    assert "members" not in found["Resources"][0]


@pytest.mark.parametrize("path", ["", "/Users", "/Groups"])
def test_an_empty_message_asks_for_everything(filled: Connected, path: str) -> None:
    assert search(filled, path).ok(200).json["totalResults"] == {"": 14, "/Users": 12, "/Groups": 2}[path]
    assert filled.client.post(f"{path}/.search", {}).ok(200).json["totalResults"] > 0


@pytest.mark.parametrize(
    ("message", "scim_type", "named"),
    [
        ({"filter": "userName"}, "invalidFilter", "operator"),
        ({"filter": 7}, "invalidSyntax", "filter"),
        ({"startIndex": "1"}, "invalidSyntax", "startIndex"),
        ({"count": 2.5}, "invalidSyntax", "count"),
        ({"attributes": "userName"}, "invalidSyntax", "attributes"),
        ({"attributes": ["userName"], "excludedAttributes": ["title"]}, "invalidValue", "excludedAttributes"),
        ({"sortBy": "nothing"}, "invalidPath", "nothing"),
        ({"sortOrder": "up"}, "invalidValue", "sortOrder"),
        ({"cursor": "", "startIndex": 1}, "invalidValue", "startIndex"),
        ({"cursor": "forged"}, "invalidCursor", "cursor"),
    ],
)
def test_a_message_that_cannot_be(filled: Connected, message: dict[str, Any], scim_type: str, named: str) -> None:
    assert_scim_error(search(filled, "/Users", **message), 400, scim_type, named)


def test_a_refused_search_is_in_the_journal(installation: Installation, filled: Connected) -> None:
    search(filled, "", filter="nothing eq 1")
    rows = installation.journal(filled)
    assert (rows[-1].action, rows[-1].outcome, rows[-1].status) == ("searched", "refused", 400)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/.search", "/Users/.search"])
def test_only_post_searches(filled: Connected, method: str, path: str) -> None:
    answer = filled.client.request(method, path, {} if method != "GET" else None)
    assert_scim_error(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_no_search_where_there_is_no_endpoint(filled: Connected) -> None:
    assert_scim_error(search(filled, "/Nothing"), 404)


# --- the root -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/"])
def test_the_root_has_resources_of_all_types(filled: Connected, path: str) -> None:
    found = filled.client.get(path).ok(200).json
    assert found["totalResults"] == 14
    kinds = [each["meta"]["resourceType"] for each in found["Resources"]]
    assert (kinds.count("User"), kinds.count("Group")) == (12, 2)
    group = next(each for each in found["Resources"] if each.get("displayName") == "Staff")
    assert len(group["members"]) == 3
    user = next(each for each in found["Resources"] if each.get("userName") == "user00")
    assert [each["display"] for each in user["groups"]] == ["Staff"]
    assert user["meta"]["location"].endswith(f"/Users/{user['id']}")


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ('userName eq "user03"', 1),
        ('userName ne "user03"', 13),
        ("not (userName pr)", 2),
        ('displayName eq "staff"', 1),
        ('meta.resourceType eq "Group"', 2),
        ('meta.resourceType eq "User" and title eq "T0"', 4),
        ('title eq "T0" or displayName eq "Users"', 5),
        ("members pr", 1),
    ],
)
def test_attributes_that_a_type_lacks_have_no_value_there(filled: Connected, text: str, total: int) -> None:
    assert filled.client.get(url("/", {"filter": text})).ok(200).json["totalResults"] == total
    assert search(filled, filter=text).ok(200).json["totalResults"] == total


def test_an_attribute_of_no_type_is_refused(filled: Connected) -> None:
    answer = filled.client.get(url("/", {"filter": 'shoeSize eq "44" or userName pr'}))
    assert_scim_error(answer, 400, "invalidFilter", "shoeSize")


def test_projection_at_the_root_goes_by_type(filled: Connected) -> None:
    found = filled.client.get(url("/", {"attributes": "userName,members.value"})).ok(200).json["Resources"]
    staff = next(each for each in found if "members" in each)
    assert set(staff["members"][0]) == {"value"}
    assert sum("userName" in each for each in found) == 12


def test_the_root_of_another_app_is_not_ours(installation: Installation, filled: Connected) -> None:
    other = installation.app()
    assert other.client.get("/").ok(200).json["totalResults"] == 0


# --- cursors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/Users", "/"])
def test_a_walk_by_cursor_there_and_back(filled: Connected, path: str) -> None:
    def page(cursor: str) -> dict[str, Any]:
        found: dict[str, Any] = filled.client.get(url(path, {"cursor": cursor, "count": "5"})).ok(200).json
        assert found["itemsPerPage"] == len(found["Resources"])
        assert "startIndex" not in found
        return found

    first = page("")
    assert "previousCursor" not in first
    pages = [first]
    while "nextCursor" in pages[-1]:
        pages.append(page(pages[-1]["nextCursor"]))
    seen = [each["id"] for each in (resource for found in pages for resource in found["Resources"])]
    assert len(seen) == len(set(seen)) == first["totalResults"]
    back = page(pages[-1]["previousCursor"])
    assert back["Resources"] == pages[-2]["Resources"]
    assert page(back["previousCursor"])["Resources"] == first["Resources"]
    assert "previousCursor" not in page(back["previousCursor"])


def test_cursors_with_a_filter_a_sort_and_a_body(filled: Connected) -> None:
    asked = {"filter": 'title ne "T1"', "sortBy": "title", "sortOrder": "descending", "count": 3}
    first = search(filled, "/Users", **asked, cursor="").ok(200).json
    second = search(filled, "/Users", **asked, cursor=first["nextCursor"]).ok(200).json
    whole = search(filled, "/Users", **asked | {"count": 100}).ok(200).json["Resources"]
    assert first["Resources"] + second["Resources"] == whole[:6]
    # The count of the first page is remembered.
    del asked["count"]
    assert search(filled, "/Users", **asked, cursor=first["nextCursor"]).ok(200).json == second


def test_a_cursor_of_another_query_app_or_count_is_refused(installation: Installation, filled: Connected) -> None:
    first = filled.client.get(url("/Users", {"cursor": "", "count": "5"})).ok(200).json["nextCursor"]
    users = filled.client
    for parameters in ({"filter": "title pr"}, {"sortBy": "title"}, {"sortBy": "id", "sortOrder": "descending"}):
        answer = users.get(url("/Users", {"cursor": first, "count": "5", **parameters}))
        assert_scim_error(answer, 400, "invalidCursor")
    assert_scim_error(users.get(url("/Groups", {"cursor": first, "count": "5"})), 400, "invalidCursor")
    assert_scim_error(users.get(url("/", {"cursor": first, "count": "5"})), 400, "invalidCursor")
    assert_scim_error(users.get(url("/Users", {"cursor": first, "count": "6"})), 400, "invalidCount")
    assert_scim_error(users.get(url("/Users", {"cursor": first[:-2] + "xx", "count": "5"})), 400, "invalidCursor")
    other = installation.app()
    other.client.user("u").ok(201)
    assert_scim_error(other.client.get(url("/Users", {"cursor": first, "count": "5"})), 400, "invalidCursor")


def test_a_page_of_none_and_a_clamped_one(filled: Connected) -> None:
    none = filled.client.get(url("/Users", {"cursor": "", "count": "0"})).ok(200).json
    assert (none["totalResults"], none["Resources"]) == (12, [])
    assert "nextCursor" not in none
    all_of_them = filled.client.get(url("/Users", {"cursor": "", "count": "99999"})).ok(200).json
    assert len(all_of_them["Resources"]) == 12


def test_the_configuration_announces_both_ways_of_paging(filled: Connected) -> None:
    announced = filled.client.get("/ServiceProviderConfig").ok(200).json["pagination"]
    assert announced == {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": 100,
        "maxPageSize": 1000,
    }


def test_the_configuration_for_a_client_that_knows_no_cursors(filled: Connected) -> None:
    old = filled.client.get("/ServiceProviderConfig", headers={"User-Agent": "python-httpx/0.28.1"}).ok(200).json
    assert "pagination" not in old
    assert old["filter"]["supported"] is True

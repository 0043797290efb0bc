"""Queries that no index answers have a budget: terms times resources."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from installation import Connected, Installation
from scim_client import Answer, ScimClient, assert_scim_error
from scimlite.admin import schemas
from scimlite.errors import Remedy
from scimlite.journal import refusals

SETTINGS = {"MAX_COMPARISONS": "1000"}
USERS = 60
BADGES = [
    {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": "urn:example:Badge",
        "name": "Badge",
        "attributes": [{"name": "color", "type": "string"}],
    },
    {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "name": "Badge",
        "endpoint": "/Badges",
        "schema": "urn:example:Badge",
    },
]


def fill(app: Connected, users: int) -> None:
    operations = [
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": f"{number}",
            "data": {
                "userName": f"user-{number}",
                "title": "Engineer",
                "displayName": "Same Name",
                "name": {"familyName": f"Family {number}"},
                "emails": [{"value": f"user-{number}@example.com", "type": "work"}],
            },
        }
        for number in range(users)
    ]
    operations.append({"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "Staff"}})
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    assert {each["status"] for each in app.client.post("/Bulk", bulk).ok(200).json["Operations"]} == {"201"}


_filled: dict[int, Connected] = {}


@pytest.fixture
def client(installation: Installation) -> ScimClient:
    """A client of an app with 60 users, the same for all tests of an installation."""
    key = id(installation)
    if key not in _filled:
        _filled[key] = installation.app("filled")
        fill(_filled[key], USERS)
    return _filled[key].client


def repeated(term: str, times: int, word: str = "or") -> str:
    return f" {word} ".join(term.replace("#", str(number)) for number in range(times))


def ask(client: ScimClient, endpoint: str, **parameters: str | int) -> Answer:
    return client.get(f"/{endpoint}?{urlencode(parameters, quote_via=quote)}")


def refused(answer: Answer) -> None:
    assert_scim_error(answer, 400, "tooMany", detail="more than 1,000 in all")


TITLES = repeated('title co "Eng"', 60)
REFUSED = {
    "co": repeated('displayName co "#"', 17),
    "and": repeated('title co "g"', 17, "and"),
    "ew": repeated('userName ew "x#"', 17),
    "ne": repeated('title ne "x#"', 17, "and"),
    "not": repeated('not (title eq "x#")', 17, "and"),
    "pr": repeated("displayName pr", 17),
    "boolean": repeated("active eq false", 17),
    "not indexed": repeated('profileUrl eq "https://x#"', 17),
    "same for all": repeated('displayName eq "Same Name"', 17),
    "ranges that hold all": repeated('userName gt "a"', 17),
    "modified": repeated('meta.lastModified gt "200#-01-01T00:00:00Z"', 9) + " or " + repeated('title co "x"', 8),
    "created": repeated('meta.created lt "2000-01-01T00:00:00Z"', 17),
    "items": repeated('emails[type eq "work" and value co "x#"]', 9),
    "one item": "emails[" + repeated('value co "x#"', 17) + "]",
    "groups": repeated('groups.display co "x#"', 17),
    "behind a beginning of all": f'userName sw "user" and ({TITLES})',
    "behind what all have": f"displayName pr and ({TITLES})",
    "hidden in a negation": f'not (userName eq "x" or {TITLES})',
}

ALLOWED = {
    "16 terms": (repeated('displayName co "x#"', 16), 0),
    "names": (repeated('userName eq "user-#"', 90), USERS),
    "addresses": (repeated('emails.value eq "user-#@example.com"', 80), USERS),
    "display names": (repeated('displayName eq "Nobody #"', 60), 0),
    "beginnings": (repeated('userName sw "nobody#"', 60), 0),
    "behind a name": (f'userName eq "user-7" and ({TITLES})', 1),
    "behind a beginning of few": (f'userName sw "user-1" and ({TITLES})', 11),
    "behind nobody": (f'displayName eq "Nobody" and ({TITLES})', 0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_query_that_no_index_answers_has_a_budget(client: ScimClient, name: str) -> None:
    refused(ask(client, "Users", filter=REFUSED[name]))


@pytest.mark.parametrize("name", ALLOWED)
def test_a_query_that_an_index_answers_may_be_long(client: ScimClient, name: str) -> None:
    filter, total = ALLOWED[name]
    assert ask(client, "Users", filter=filter, count=0).ok(200).json["totalResults"] == total


def test_every_way_to_ask_has_the_budget(client: ScimClient) -> None:
    filter = REFUSED["co"]
    search: dict[str, Any] = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter}
    refused(ask(client, "Users", filter=filter, count=0))
    refused(ask(client, "Users", filter=filter, cursor=""))
    refused(ask(client, "", filter=filter))
    refused(client.post("/Users/.search", search))
    refused(client.post("/.search", search))
    # An order compares each resource that was found once more.
    filter = ALLOWED["16 terms"][0]
    ask(client, "Users", filter=filter, sortBy="id").ok(200)
    refused(ask(client, "Users", filter=filter, sortBy="name.familyName"))
    # A path of PATCH is no query.
    id = client.find("Users", filter='userName eq "user-3"')["Resources"][0]["id"]
    path = "emails[" + repeated('value co "user"', 60) + "].display"
    client.patch(f"/Users/{id}", {"op": "replace", "path": path, "value": "x"}).ok(200)


def test_what_counts_is_terms_times_resources(installation: Installation, client: ScimClient) -> None:
    small = installation.app("small")
    fill(small, 8)
    assert ask(small.client, "Users", filter=repeated('title co "x#"', 99)).ok(200).json["totalResults"] == 0
    # Groups of the large app are few.
    ask(client, "Groups", filter=repeated('displayName co "x#"', 99)).ok(200)


def test_declared_types_have_the_budget(installation: Installation) -> None:
    app = installation.app("badges")
    schemas.add(installation.scope, app.slug, BADGES)
    for number in range(11):
        app.client.post("/Badges", {"schemas": ["urn:example:Badge"], "color": f"c{number}"}).ok(201)
    refused(ask(app.client, "Badges", filter=repeated('color co "x#"', 91)))
    ask(app.client, "Badges", filter=repeated('color co "x#"', 90)).ok(200)


def test_three_comparisons_are_never_too_many(installation: Installation) -> None:
    service = installation.start(workers=1, MAX_COMPARISONS="1")
    app = installation.app("strict")
    fill(app, 5)
    strict = installation.client(app.slug, app.text, service.url)
    ask(strict, "Users", filter=repeated('title co "x#"', 3)).ok(200)
    ask(strict, "Users", sortBy="title", filter=repeated('title co "x#"', 2)).ok(200)
    assert_scim_error(ask(strict, "Users", filter=repeated('title co "x#"', 4)), 400, "tooMany")


def test_the_operator_finds_the_refusal_and_its_setting(installation: Installation, client: ScimClient) -> None:
    answer = ask(client, "Users", filter=REFUSED["co"])
    request_id = answer.json["detail"].rpartition("(request ")[2].rstrip(")")
    (refusal,) = refusals.of_request(installation.db, request_id)
    assert refusal.remedy == Remedy(setting="SCIMLITE_MAX_COMPARISONS", app=refusal_app(client))


def refusal_app(client: ScimClient) -> str:
    return client.base.rsplit("/", 1)[1]

"""Each leniency is counted for the app whose client needed it, once a request, without a statement in the request."""

from __future__ import annotations

import codecs
import json
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any

import pytest

from installation import Connected, Installation
from scim_client import ENTERPRISE_URN, GROUP_URN, MEDIA_TYPE, PATCH_URN, USER_URN
from scimlite.admin import schemas
from scimlite.apps import trial
from scimlite.journal import tallies
from scimlite.journal.tallies import Kind
from scimlite.scim.leniency import Leniency

Json = Any
SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
CREW = "urn:example:schemas:extension:crew:2.0:User"
CREW_SCHEMA = {
    "id": CREW,
    "attributes": [{"name": "level", "type": "integer"}, {"name": "badges", "multiValued": True}],
}
USER = {"schemas": [USER_URN], "userName": "new"}
STAFF = {"schemas": [USER_URN, ENTERPRISE_URN], "userName": "new"}


THREE_CREATES = [
    {"method": "POST", "path": "/Users", "bulkId": name, "data": {**USER, "userName": name, "active": "true"}}
    for name in ("a", "b", "c")
]


@dataclass(frozen=True)
class Case:
    """A request to an app with the user `known` and the group `known`, and the leniencies that it needs."""

    method: str
    path: str
    body: Json = None
    needs: tuple[str, ...] = ()
    status: int = 200
    content_type: str | None = MEDIA_TYPE
    agent: str | None = None
    #: True for a request that proves to be of `scimlite app test`.
    is_test: bool = False


def create(needs: str, **attributes: Json) -> Case:
    return Case("POST", "/Users", {**USER, **attributes}, tuple(needs.split()), 201)


def patch(needs: str, *operations: Json, status: int = 200) -> Case:
    body = {"schemas": [PATCH_URN], "Operations": list(operations)}
    return Case("PATCH", "/Users/{user}", body, tuple(needs.split()), status)


def find(needs: str, filter: str, status: int = 200) -> Case:
    return Case("GET", f"/Users?filter={urllib.parse.quote(filter)}", None, tuple(needs.split()), status)


def replace(path: str, value: Json) -> Json:
    return {"op": "replace", "path": path, "value": value}


CASES = [
    # As the RFCs have it.
    Case("GET", "/Users/{user}"),
    create("", emails=[{"value": "a@example.com", "type": "work", "primary": True}]),
    Case("POST", "/Users", {**STAFF, ENTERPRISE_URN: {"department": "d", "manager": {"value": "m"}}}, (), 201),
    Case("POST", "/Groups", {"schemas": [GROUP_URN], "displayName": "G", "members": [{"value": "{user}"}]}, (), 201),
    Case("PUT", "/Users/{user}", {**USER, "active": True, "groups": []}),
    patch("", replace("name.givenName", "G"), {"op": "add", "value": {"title": "T", "name": {"familyName": "F"}}}),
    patch("", {"op": "add", "value": {ENTERPRISE_URN: {"department": "d"}}}),
    patch("", {"op": "remove", "path": 'emails[type eq "work"].value'}, {"op": "remove", "path": "title"}),
    find("", f'active eq true and {ENTERPRISE_URN}:department pr or emails[type eq "work" and value co "x"]'),
    Case("POST", "/Users/.search", {"schemas": [SEARCH_URN], "filter": 'userName eq "known"'}),
    Case("POST", "/Bulk", {"schemas": [BULK_URN], "Operations": [{"method": "DELETE", "path": "/Users/{user}"}]}),
    # Filters and paths.
    find("bare-literal", "userName eq known"),
    find("bare-literal", "userName sw 7"),
    find("bare-literal", "meta.created gt 2015-10-10T14:38:21Z"),
    find("", f"{CREW}:level gt 4.5"),
    find("string-number", f'{CREW}:level gt "4.5"'),
    find("sub-after-filter", 'emails[type eq "work"].value eq "x"'),
    find("dotted-urn", f'{ENTERPRISE_URN}.department eq "x"'),
    find("unqualified-extension", 'department eq "x"'),
    find("urn-alias", 'urn:scim:schemas:extension:enterprise:1.0:department eq "x"'),
    find("string-boolean", 'active eq "True"'),
    Case("GET", "/users/{user}", None, ("endpoint-case",)),
    Case("GET", "/resourcetypes", None, ("endpoint-case",)),
    Case("GET", "/Users?attributes=emails%5Btype%20eq%20%22work%22%5D", None, ("filter-in-attributes",)),
    # Values.
    create("string-boolean", active="True"),
    create("string-boolean", emails=[{"value": "a@example.com", "primary": "False"}]),
    patch("string-boolean operation-case", {"op": "Replace", "path": "active", "value": "False"}),
    Case("POST", "/Users", {**USER, "schemas": [USER_URN, CREW], CREW: {"level": "3"}}, ("string-number",), 201),
    create("number-as-text", externalId=701984),
    create("wrapped-single", title=["T"]),
    Case(
        "POST",
        "/Users",
        {**USER, "schemas": [USER_URN, CREW], CREW: {"badges": [{"value": "red"}]}},
        ("wrapped-value",),
        201,
    ),
    create("bare-value", emails=["a@example.com"]),
    patch("bare-value", replace(f"{ENTERPRISE_URN}:manager", "m")),
    patch("legacy-manager", replace(f"{ENTERPRISE_URN}:manager", {"managerId": "m"})),
    patch("blank-reference", replace(f"{ENTERPRISE_URN}:manager", {"value": ""})),
    patch("nested-schemas", {"op": "add", "value": {ENTERPRISE_URN: {"schemas": [ENTERPRISE_URN], "division": "d"}}}),
    patch("foreign-container", {"op": "add", "value": {"urn:okta:custom:group:1.0": {"description": "All"}}}),
    create("unknown-attribute", favouriteColour="green"),
    create("unknown-attribute", emails=[{"value": "a@example.com", "colour": "green"}]),
    Case(
        "POST",
        "/Groups",
        {"schemas": [GROUP_URN], "displayName": "G", "members": [{"value": "{user}", "displayName": "U"}]},
        ("display-name",),
        201,
    ),
    # Messages.
    Case("POST", "/Users", {"userName": "new"}, ("missing-schemas",), 201),
    Case("PUT", "/Users/{user}", {"schemas": [], "userName": "new"}, ("missing-schemas",)),
    Case("PATCH", "/Users/{user}", {"Operations": [replace("title", "T")]}, ("missing-schemas",)),
    Case("POST", "/.search", {"filter": 'userName eq "known"'}, ("missing-schemas",)),
    Case("POST", "/Bulk", {"Operations": [{"method": "DELETE", "path": "/Users/{user}"}]}, ("missing-schemas",)),
    Case("POST", "/Users", {**USER, "schemas": [USER_URN, "urn:x:y"]}, ("wrong-schemas",), 201),
    Case("POST", "/Users", {**USER, "schemas": [GROUP_URN]}, ("wrong-schemas",), 201),
    Case("POST", "/Users", {**USER, ENTERPRISE_URN: {"department": "d"}}, ("wrong-schemas",), 201),
    Case("PATCH", "/Users/{user}", {"schemas": [USER_URN], "Operations": [replace("title", "T")]}, ("wrong-schemas",)),
    patch("operation-case", {"op": "Add", "path": "title", "value": "T"}),
    patch("operation-label", {"name": "addTitle", **replace("title", "T")}),
    patch("key-as-path", {"op": "add", "value": {"name.givenName": "G"}}),
    patch("key-as-path", {"op": "add", "value": {f"{ENTERPRISE_URN}:department": "d"}}),
    patch("remove-with-value", {"op": "remove", "path": "emails", "value": [{"value": "x@example.com"}]}),
    patch("remove-with-value", {"op": "remove", "path": "title", "value": "x"}),
    patch("blank-removal", {"op": "remove", "path": "title", "value": ""}),
    patch("new-item", replace('emails[type eq "work"].value', "a@example.com")),
    Case("POST", "/Users", USER, ("no-content-type",), 201, content_type=None),
    Case("POST", "/Users", codecs.BOM_UTF8 + json.dumps(USER).encode(), ("byte-order-mark",), 201),
    # Once a request, whatever it holds, and also when the request is refused.
    find("bare-literal", "userName eq known or userName eq other"),
    Case("POST", "/Bulk", {"schemas": [BULK_URN], "Operations": THREE_CREATES}, ("string-boolean",)),
    patch("operation-case", {"op": "Replace", "path": "title"}, status=400),
    # The operator's own test plays a client, and is none; whoever merely calls itself so is one.
    Case("GET", "/Users?filter=userName%20eq%20known", agent="scimlite app test", is_test=True),
    Case("GET", "/Users?filter=userName%20eq%20known", needs=("bare-literal",), agent="scimlite app test"),
]


def filled(body: Json, ids: dict[str, str]) -> Json:
    if isinstance(body, dict):
        return {name: filled(value, ids) for name, value in body.items()}
    if isinstance(body, list):
        return [filled(value, ids) for value in body]
    return body.replace("{user}", ids["user"]) if isinstance(body, str) else body


def send(installation: Installation, app: Connected, case: Case) -> None:
    ids = {"user": app.client.user("known").ok(201).id}
    options: dict[str, Json] = {} if case.body is None else {"body": filled(case.body, ids)}
    if isinstance(case.body, bytes):
        options = {"raw": case.body}
    headers = {"Content-Type": case.content_type} if case.body is not None else {}
    headers["User-Agent"] = case.agent
    if case.is_test:
        headers[trial.HEADER] = trial.proof(installation.keyring, app.slug)
    app.client.request(case.method, case.path.format(**ids), headers=headers, **options).ok(case.status)


@pytest.fixture(scope="module")
def counted(installation: Installation) -> list[dict[str, int]]:
    """The counts of each case's app, some seconds after all requests were sent."""
    apps = [installation.app() for _ in CASES]
    for app, case in zip(apps, CASES, strict=True):
        if CREW in urllib.parse.unquote(str(case)):
            schemas.add(installation.scope, app.slug, CREW_SCHEMA, to=["User"])
    for app, case in zip(apps, CASES, strict=True):
        send(installation, app, case)
    ids = [installation.app_row(app).id for app in apps]
    deadline = time.monotonic() + 30
    while True:
        counts = [tallies.last_week(installation.db, id, Kind.LENIENCY) for id in ids]
        missing = [case for case, count in zip(CASES, counts, strict=True) if case.needs and not count]
        if not missing or time.monotonic() > deadline:
            return counts
        time.sleep(0.5)


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: f"{number}-{'-'.join(CASES[number].needs)}")
def test_a_request_counts_what_it_needs(counted: list[dict[str, int]], number: int) -> None:
    assert counted[number] == dict.fromkeys(CASES[number].needs, 1)


def test_every_leniency_has_a_case() -> None:
    assert {name for case in CASES for name in case.needs} == {leniency.value for leniency in Leniency}

"""Hostile bodies and queries over the wire: always a SCIM answer, never a fault of ours, and nothing stored half."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from peewee import SQL, fn

from examples import tries
from hostile_json import hostile
from installation import Connected, Installation
from scim_client import ENTERPRISE_URN, ERROR_URN, PATCH_URN, Answer, assert_scim_error
from scimlite.db.tables import MemberRow, ResourceRow, ValueRow
from scimlite.scim import document

Json = Any

SETTINGS = {"MAX_BODY": "65536"}

_USER = {
    "userName": "fuzz",
    "externalId": "7",
    "active": True,
    "name": {"givenName": "G", "familyName": "F"},
    "emails": [{"value": "a@example.com", "type": "work", "primary": True}],
    ENTERPRISE_URN: {"department": "d", "manager": {"value": "x"}},
}
_PATCH = {
    "schemas": [PATCH_URN],
    "Operations": [
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "x"},
        {"op": "add", "value": {"title": "t", ENTERPRISE_URN: {"department": "e"}}},
        {"op": "remove", "path": "nickName"},
    ],
}
_SEARCH = {"filter": 'userName sw "f" and not (emails[type eq "home"])', "sortBy": "userName", "count": 3}
_SEARCH |= {"startIndex": 1, "attributes": ["userName"], "sortOrder": "descending"}
_QUERIES = ("filter", "sortBy", "sortOrder", "attributes", "excludedAttributes", "startIndex", "count", "cursor")


def _group(ids: dict[str, str]) -> Json:
    return {"displayName": "fuzz", "members": [{"value": ids["user"]}, {"value": ids["group"]}]}


def _members(ids: dict[str, str]) -> Json:
    add = {"op": "add", "path": "members", "value": [{"value": ids["user"]}]}
    remove = {"op": "remove", "path": f'members[value eq "{ids["user"]}"]'}
    return {"Operations": [add, remove, {"op": "replace", "path": "displayName", "value": "g"}]}


def _bulk(ids: dict[str, str]) -> Json:
    return {
        "failOnErrors": 5,
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "in bulk", "title": "t"}},
            {"method": "POST", "path": "/Groups", "bulkId": "b", "data": {**_group(ids), "externalId": "bulkId:a"}},
            {"method": "PATCH", "path": f"/Users/{ids['user']}", "data": _PATCH},
            {"method": "DELETE", "path": "/Users/bulkId:a"},
        ],
    }


#: Method, path, and a right body for it; new endpoints are added here.
ENDPOINTS: dict[str, Callable[[dict[str, str]], Json]] = {
    "POST /Users": lambda ids: _USER,
    "PUT /Users/{user}": lambda ids: _USER,
    "PATCH /Users/{user}": lambda ids: _PATCH,
    "POST /Groups": _group,
    "PUT /Groups/{group}": _group,
    "PATCH /Groups/{group}": _members,
    "POST /Bulk": _bulk,
    "POST /.search": lambda ids: _SEARCH,
    "POST /Users/.search": lambda ids: _SEARCH,
    "POST /Me": lambda ids: _USER,
    "PATCH /Me": lambda ids: _PATCH,
}


def assert_scim(answer: Answer) -> None:
    """An answer that a client can read, in the one form that errors have."""
    assert answer.status < 500 or answer.status == 501, answer.content[:500]
    if answer.status >= 400:
        assert_scim_error(answer, answer.status, answer.json.get("scimType"))
        assert len(answer.content) < 4000
    elif answer.content:
        assert answer.headers["content-type"] == "application/scim+json"
        for each in answer.json.get("Operations", []):
            assert int(each["status"]) < 500
            assert int(each["status"]) < 400 or each["response"]["schemas"] == [ERROR_URN]


def counts(installation: Installation, app: Connected) -> list[Any]:
    """How many resources there are, their versions summed, and how many values and members."""
    row = installation.app_row(app).id
    total = fn.COUNT(SQL("*"))
    living = ResourceRow.select(total, fn.SUM(ResourceRow.version)).where(ResourceRow.app_id == row)
    of_app = [ValueRow.select(total).where(ValueRow.app_id == row)]
    of_app += [MemberRow.select(total).where(MemberRow.app_id == row)]
    return [list(map(tuple, installation.db.rows(query))) for query in (living, *of_app)]


def assert_indexed(installation: Installation, app: Connected) -> None:
    """The value index says of every living resource what its document says; the deleted keep nothing from others."""
    found = installation.app_row(app)
    types = {each.name: each for each in found.resource_types.values()}
    resources = ResourceRow.select(ResourceRow.id, ResourceRow.type, ResourceRow.document, ResourceRow.deleted_at)
    for row, name, text, deleted_at in installation.db.rows(resources.where(ResourceRow.app_id == found.id)):
        columns = (ValueRow.path, ValueRow.item, ValueRow.nth, ValueRow.key)
        of_resource = ValueRow.resource_id == row
        if deleted_at:
            taken = ValueRow.select(ValueRow.path).where(of_resource, ValueRow.unique_key.is_null(False))
            assert installation.db.rows(taken) == []
            continue
        values = installation.db.rows(ValueRow.select(*columns).where(of_resource))
        expected = document.value_rows(types[name], json.loads(text))
        assert {tuple(each) for each in values} == {tuple(each) for each in expected}


@pytest.fixture(scope="module")
def target(installation: Installation) -> tuple[Connected, dict[str, str]]:
    """An app, a user and a group in it."""
    app = installation.app()
    user = app.client.user("target", emails=_USER["emails"]).ok(201).id
    return app, {"user": user, "group": app.client.group("target", user).ok(201).id}


@tries(250)
@given(data=st.data(), endpoint=st.sampled_from(sorted(ENDPOINTS)))
def test_any_body(
    installation: Installation, target: tuple[Connected, dict[str, str]], data: st.DataObject, endpoint: str
) -> None:
    app, ids = target
    method, path = endpoint.split()
    raw = data.draw(hostile(ENDPOINTS[endpoint](ids)))
    before = counts(installation, app)
    answer = app.client.request(method, path.format(**ids), raw=raw)
    assert_scim(answer)
    event(str(answer.status))
    if answer.status >= 400:
        assert counts(installation, app) == before
    else:
        assert_indexed(installation, app)
        _forget_others(app, ids)


def _forget_others(app: Connected, ids: dict[str, str]) -> None:
    """Delete what was made, so that names are free for the next try."""
    for endpoint in ("Users", "Groups"):
        for each in app.client.find(endpoint)["Resources"]:
            if each["id"] not in ids.values():
                app.client.delete(f"/{endpoint}/{each['id']}").ok(204)


NOISE = st.binary(max_size=20) | st.text(max_size=10).map(lambda text: text.encode("utf-8", "surrogatepass"))
# Together shorter than a request line may be: gunicorn answers longer ones itself.
QUERY_PARTS = st.sampled_from(
    [
        *(
            b"userName",
            b" eq ",
            b'"target"',
            b" and ",
            b"not (",
            b")",
            b"emails[",
            b"]",
            b"\xff",
            b"\0",
            b"\xed\xa0\x80",
        ),
        *(
            b"1" * 30,
            b"-1",
            b"\xc4\xb0",
            b"(" * 30,
            b"a" * 900,
            b",",
            b".",
            b"true",
            b'"\\u0000"',
            b'"\\ud800"',
            b" pr",
        ),
    ]
)


@tries(150)
@given(name=st.sampled_from(_QUERIES), value=NOISE | st.lists(QUERY_PARTS, max_size=8).map(b"".join))
def test_any_query(
    installation: Installation, target: tuple[Connected, dict[str, str]], name: str, value: bytes
) -> None:
    app, ids = target
    query = f"?{name}={urllib.parse.quote_from_bytes(value, safe='')}"
    before = counts(installation, app)
    for path in ("/Users", "/Groups", "/", f"/Users/{ids['user']}", "/Schemas"):
        assert_scim(app.client.get(path + query))
    assert counts(installation, app) == before

"""Any input is read, or refused with a ScimError whose detail can be sent to the client."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from examples import tries
from hostile_json import hostile
from scimlite.errors import ScimError
from scimlite.scim import bulk, document, intake, messages, patch, patch_apply
from scimlite.scim.core import ENTERPRISE_URN, GROUP, USER, USER_URN
from scimlite.scim.filter_parser import parse_filter
from scimlite.scim.patch_path import parse_patch_path
from scimlite.scim.path import parse_attr_path
from scimlite.scim.query import load_query, load_search
from scimlite.scim.schema import ResourceType

Json = Any

USER_BODY = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "userName": "ada",
    "externalId": "7",
    "active": True,
    "name": {"givenName": "Ada", "familyName": "King"},
    "emails": [{"value": "a@example.com", "type": "work", "primary": True}, {"value": "b@example.com"}],
    "x509Certificates": [{"value": "QUJD"}],
    ENTERPRISE_URN: {"department": "d", "manager": {"value": "8", "$ref": "../Users/8"}},
}
GROUP_BODY = {"displayName": "Makers", "externalId": "9", "members": [{"value": "7", "type": "User"}, {"value": "8"}]}
PATCH_BODY = {
    "schemas": [messages.PATCH_URN],
    "Operations": [
        {"op": "add", "path": 'emails[type eq "work"].value', "value": "x"},
        {"op": "replace", "value": {"name.givenName": "Grace", ENTERPRISE_URN: {"department": "e"}}},
        {"op": "remove", "path": f"{ENTERPRISE_URN}:manager"},
        {"op": "add", "path": "emails", "value": [{"value": "c@example.com", "primary": True}]},
    ],
}
MEMBERS_BODY = {
    "Operations": [
        {"op": "add", "path": "members", "value": [{"value": "7"}]},
        {"op": "remove", "path": 'members[value eq "8"]'},
    ]
}
SEARCH_BODY = {"filter": 'emails[type eq "work"] or not (title pr)', "sortBy": "name.familyName", "count": 5}
SEARCH_BODY |= {"startIndex": 1, "attributes": ["userName", "emails.value"], "sortOrder": "descending"}
BULK_BODY = {
    "failOnErrors": 3,
    "Operations": [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ada"}},
        {"method": "POST", "path": "/Groups", "bulkId": "b", "data": {"members": [{"value": "bulkId:a"}]}},
        {"method": "PATCH", "path": "/Users/bulkId:a", "data": PATCH_BODY},
        {"method": "DELETE", "path": "/Users/7", "version": 'W/"1"'},
    ],
}


def _resource(resource_type: ResourceType) -> Callable[[Json], Any]:
    return lambda body: document.value_rows(resource_type, intake.clean(resource_type, body).document)


def _patch(resource_type: ResourceType, stored: Json) -> Callable[[Json], Any]:
    current = intake.clean(resource_type, stored).document
    return lambda body: patch_apply.apply(
        patch.plan(messages.load_patch(body), resource_type).edits, resource_type, {"id": "1", **current}
    )


def _search(body: Json) -> None:
    query = load_search(body)
    if query.filter is not None:
        parse_filter(query.filter, USER.urns)
    if query.sort_by is not None:
        parse_attr_path(query.sort_by, USER.urns)


#: A right body and its reader, by name; a new kind of body is added here.
READERS: dict[str, tuple[Json, Callable[[Json], Any]]] = {
    "user": (USER_BODY, _resource(USER)),
    "group": (GROUP_BODY, _resource(GROUP)),
    "patch of a user": (PATCH_BODY, _patch(USER, USER_BODY)),
    "patch of a group": (MEMBERS_BODY, _patch(GROUP, GROUP_BODY)),
    "search": (SEARCH_BODY, _search),
    "bulk": (BULK_BODY, lambda body: bulk.load(body, 10)),
}


def read(call: Callable[[], Any]) -> None:
    """The call raises nothing but a ScimError with a short detail that can be sent."""
    try:
        call()
    except ScimError as error:
        refused = error
    else:
        event("read")
        return
    assert 400 <= refused.status < 500
    assert len(refused.detail) < 1000
    refused.detail.encode()
    event(f"{refused.status} {refused.scim_type}")


@pytest.mark.parametrize("kind", READERS)
def test_right_bodies_are_read(kind: str) -> None:
    body, reader = READERS[kind]
    reader(body)


@tries(600)
@given(data=st.data(), kind=st.sampled_from(sorted(READERS)))
def test_any_body(data: st.DataObject, kind: str) -> None:
    body, reader = READERS[kind]
    raw = data.draw(hostile(body))
    read(lambda: reader(messages.load_json(raw)))


PARTS = st.sampled_from(
    [
        *("emails", ".value", ".", "[", "]", "(", ")", "type", " eq ", " pr", '"work"', '"', "\\", "\\u0000", "\0"),
        *("urn:", f"{ENTERPRISE_URN}:", USER_URN, ":", " and ", " or ", "not ", "not(", "1", "1e999", "-", "$ref"),
        *("é", "İ", "\U0001f600", "\ud800", "\t", "\x7f", "\u2028", "title", "null", "true", "%", "_", "*", ","),
        *("(" * 30, "a" * 9000, "." * 50),
    ]
)


@tries(600)
@given(
    st.lists(PARTS, max_size=12).map("".join) | st.text(max_size=30) | st.text(st.characters(categories=["Cs", "Cc"]))
)
def test_any_path_and_filter(text: str) -> None:
    read(lambda: parse_patch_path(text, USER.urns))
    read(lambda: parse_attr_path(text, USER.urns))
    read(lambda: parse_filter(text, USER.urns))
    read(lambda: patch.plan([patch.Operation("add", text, "x", has_value=True)], USER))
    read(lambda: patch.plan([patch.Operation("replace", None, {text: "x"}, has_value=True)], USER))
    read(lambda: patch.plan([patch.Operation("remove", f"emails[{text}]")], USER))
    read(
        lambda: load_query(
            urllib.parse.urlencode(
                dict.fromkeys(("filter", "sortBy", "count", "attributes"), text), errors="surrogatepass"
            )
        )
    )

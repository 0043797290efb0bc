"""Bulk requests: the message, and references between its operations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimlite.errors import InvalidSyntax, PayloadTooLarge
from scimlite.scim import bulk, bulk_order
from scimlite.scim.bulk import BulkOperation

Json = Any

BULK_REQUEST_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def post(bulk_id: str, *refers: str, **data: Json) -> BulkOperation:
    """A creation whose data refers to other bulkIds."""
    return BulkOperation(
        "POST", "Groups", None, bulk_id, None, {"members": [member(bulk_id) for bulk_id in refers], **data}
    )


def member(bulk_id: str) -> Json:
    return {"value": f"bulkId:{bulk_id}"}


def change(endpoint: str, id: str, *refers: str, method: str = "PUT") -> BulkOperation:
    return BulkOperation(method, endpoint, id, None, None, {"members": [member(bulk_id) for bulk_id in refers]})


def loaded(*operations: Json, **more: Json) -> bulk.BulkRequest:
    return bulk.load({"schemas": [BULK_REQUEST_URN], "Operations": list(operations), **more}, 10)


# -- the message -------------------------------------------------------------------------------------------


def test_a_request_is_read() -> None:
    data = {"userName": "Alice"}
    read = loaded(
        {"method": "POST", "path": "/Users", "bulkId": "qwerty", "data": data},
        {"METHOD": "delete", "Path": "Users//1/", "Version": 'W/"3"', "location": None, "status": None},
        {"method": "PATCH", "path": "/Groups/bulkId%3Aa%2Fb", "bulkId": None, "version": None, "data": {}},
        FailOnErrors=2,
    )
    assert read.fail_on_errors == 2
    assert read.operations == [
        BulkOperation("POST", "Users", None, "qwerty", None, data),
        BulkOperation("DELETE", "Users", "1", None, 'W/"3"', None),
        BulkOperation("PATCH", "Groups", "bulkId:a/b", None, None, {}),
    ]
    assert loaded({"method": "DELETE", "path": "/Users/1"}).fail_on_errors is None
    assert loaded({"method": "DELETE", "path": "/Users/1"}, failOnErrors=None).fail_on_errors is None


CREATE = {"method": "POST", "path": "/Users", "bulkId": "a", "data": {}}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (None, "JSON object"),
        ([CREATE], "JSON object"),
        ({}, "Operations"),
        ({"Operations": None}, "Operations"),
        ({"Operations": {}}, "Operations"),
        ({"Operations": []}, "Operations: takes at least one operation."),
        ({"Operations": ["x"]}, "Operations[0]"),
        ({"Operations": [CREATE, {"path": "/Users/1"}]}, "Operations[1].method"),
        ({"Operations": [{"method": "DELETE"}]}, "Operations[0].path"),
        ({"Operations": [{"method": 1, "path": "/Users/1"}]}, "Operations[0].method"),
        ({"Operations": [{"method": "GET", "path": "/Users/1"}]}, "“GET”"),
        ({"Operations": [{"method": "DELETE", "path": 7}]}, "Operations[0].path"),
        ({"Operations": [{"method": "DELETE", "path": "/Users/1", "version": 7}]}, "Operations[0].version"),
        ({"Operations": [{"method": "DELETE", "path": "/Users/1", "verb": "x"}]}, "Operations[0].verb"),
        ({"Operations": [{"method": "POST", "path": "/Users", "data": {}}]}, "Operations[0].bulkId"),
        ({"Operations": [{"method": "POST", "path": "/Users", "bulkId": ""}]}, "Operations[0].bulkId"),
        ({"Operations": [{"method": "POST", "path": "/Users", "bulkId": 7}]}, "Operations[0].bulkId"),
        ({"Operations": [CREATE, CREATE]}, "“a”"),
        ({"Operations": [CREATE, {"method": "DELETE", "path": "/Users/1", "bulkId": "a"}]}, "“a”"),
        ({"Operations": [CREATE], "operations": [CREATE]}, "twice"),
        *(({"Operations": [CREATE], "failOnErrors": value}, "failOnErrors") for value in (0, -1, 1.5, "1", True, [])),
    ],
)
def test_what_is_no_bulk_request_is_refused(body: Json, named: str) -> None:
    with pytest.raises(InvalidSyntax) as caught:
        bulk.load(body, 10)
    assert named in caught.value.detail


def test_more_operations_than_allowed() -> None:
    operations = [{"method": "DELETE", "path": f"/Users/{number}"} for number in range(11)]
    assert len(bulk.load({"Operations": operations[:10]}, 10).operations) == 10
    for name in ("Operations", "operations"):
        with pytest.raises(PayloadTooLarge, match=r"exceeds the maxOperations \(10\)"):
            bulk.load({name: operations}, 10)


def test_a_response() -> None:
    assert bulk.response([{"status": "204"}]) == {
        "schemas": [bulk.BULK_RESPONSE_URN],
        "Operations": [{"status": "204"}],
    }


# -- references --------------------------------------------------------------------------------------------

IDS = {"a": "id-a", "b": "id-b", "a/b": "id-ab", 'q"\\': "id-q", "bulkId:a": "id-twice", "with blank": "id-wb"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bulkId:a", "id-a"),
        ({"members": [{"value": "bulkId:a"}, {"value": "x"}]}, {"members": [{"value": "id-a"}, {"value": "x"}]}),
        ({"urn:x": {"manager": {"value": "bulkId:b"}}}, {"urn:x": {"manager": {"value": "id-b"}}}),
        ({"$ref": "https://example.com/v2/Users/bulkId:a"}, {"$ref": "https://example.com/v2/Users/id-a"}),
        ("../Users/bulkId:b", "../Users/id-b"),
        ("bulkId:a/b", "id-ab"),
        ("/Users/bulkId:a/b", "/Users/id-ab"),
        ("bulkId:bulkId:a", "id-twice"),
        ("bulkId:with blank", "id-wb"),
        ("bulkId:unknown", "bulkId:unknown"),
        ("bulkId:", "bulkId:"),
        ("BulkId:a", "BulkId:a"),
        ("say bulkId:a", "say bulkId:a"),
        ("see /bulkId:a", "see /bulkId:a"),
        ("xbulkId:a", "xbulkId:a"),
        ({"bulkId:a": 1}, {"bulkId:a": 1}),
        ({"password": "bulkId:a", "PassWord": "bulkId:b"}, {"password": "bulkId:a", "PassWord": "bulkId:b"}),
        ({"path": 'members[value eq "bulkId:a"]'}, {"path": 'members[value eq "bulkId:a"]'}),
        ([1, None, True, 2.5, {}, []], [1, None, True, 2.5, {}, []]),
        (None, None),
    ],
)
def test_references_in_values(value: Json, expected: Json) -> None:
    for method in ("POST", "PUT"):
        assert bulk.resolve(BulkOperation(method, "Users", data=value), IDS).data == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"path": 'members[value eq "bulkId:a"]'}, {"path": 'members[value eq "id-a"]'}),
        ({"Path": 'members[value eq"bulkId:a"].display'}, {"Path": 'members[value eq"id-a"].display'}),
        ({"path": "members[value eq bulkId:a]"}, {"path": 'members[value eq "id-a"]'}),
        (
            {"path": 'members[value eq "bulkId:a" or (value eq "bulkId:b")]'},
            {"path": 'members[value eq "id-a" or (value eq "id-b")]'},
        ),
        ({"path": r'members[value eq "bulkId:q\"\\"]'}, {"path": 'members[value eq "id-q"]'}),
        ({"path": 'members[display eq "say bulkId:a"]'}, {"path": 'members[display eq "say bulkId:a"]'}),
        ({"path": 'members[value eq "bulkId:nobody"]'}, {"path": 'members[value eq "bulkId:nobody"]'}),
        ({"path": None, "value": {"manager": "bulkId:a"}}, {"path": None, "value": {"manager": "id-a"}}),
        ({"value": {'members[value eq "bulkId:a"]': 1}}, {"value": {'members[value eq "id-a"]': 1}}),
        ({"path": "password", "value": "bulkId:a"}, {"path": "password", "value": "bulkId:a"}),
        ({"Path": "urn:x:User:Password", "Value": "bulkId:a"}, {"Path": "urn:x:User:Password", "Value": "bulkId:a"}),
        ({"value": {"password": "bulkId:a"}}, {"value": {"password": "bulkId:a"}}),
        ({"path": "members", "value": [member("b")]}, {"path": "members", "value": [{"value": "id-b"}]}),
    ],
)
def test_references_in_patch_operations(operation: Json, expected: Json) -> None:
    body = {"Operations": [{"op": "add", **operation}]}
    resolved = bulk.resolve(BulkOperation("PATCH", "Groups", "1", data=body), IDS)
    assert resolved.data == {"Operations": [{"op": "add", **expected}]}


def test_references_in_paths() -> None:
    assert bulk.resolve(change("Users", "bulkId:a"), IDS).id == "id-a"
    assert bulk.resolve(change("Users", "bulkId:nobody"), IDS).id == "bulkId:nobody"
    assert bulk.resolve(change("Users", "7"), IDS).id == "7"


def test_all_references_are_found() -> None:
    operation = BulkOperation(
        "PATCH",
        "Groups",
        "bulkId:group",
        data={
            "Operations": [
                {"op": "remove", "path": 'members[value eq "bulkId:leaver"]'},
                {"op": "add", "path": "members", "value": [member("joiner"), member("joiner"), {"value": "x"}]},
            ]
        },
    )
    assert bulk.references(operation) == ["group", "leaver", "joiner"]
    assert bulk.references(post("a", "b", "a")) == ["b", "a"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers() | st.sampled_from(["bulkId:a", "POST", "/Users/bulkId:a"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["path", "value"]), inner),
)


@given(ANYTHING)
def test_what_refers_to_nothing_stays_as_it_is(value: Json) -> None:
    for method in ("POST", "PATCH"):
        assert bulk.resolve(BulkOperation(method, "Users", data=value), {}).data == value


# -- values that wait --------------------------------------------------------------------------------------


def test_values_that_refer_to_the_missing_wait() -> None:
    data = {
        "displayName": "A",
        "members": [member("b"), {"value": "x"}, member("known"), {"value": "y", "$ref": "../Groups/bulkId:c"}],
        "owner": {"value": "bulkId:b"},
        "tags": [],
        "urn:x:y": {"manager": {"value": "bulkId:c"}, "department": "d"},
    }
    now, later = bulk.postpone(data, {"b", "c"})
    assert now == {
        "displayName": "A",
        "members": [{"value": "x"}, member("known")],
        "tags": [],
        "urn:x:y": {"department": "d"},
    }
    assert later == [
        {"op": "add", "path": "members", "value": [member("b"), {"value": "y", "$ref": "../Groups/bulkId:c"}]},
        {"op": "add", "path": "owner", "value": [{"value": "bulkId:b"}]},
        {"op": "add", "path": "urn:x:y:manager", "value": [{"value": "bulkId:c"}]},
    ]
    assert bulk.postpone(data, set()) == (data, [])
    assert bulk.postpone("no object", {"b"}) == ("no object", [])
    assert bulk.postpone({"members": [member("b")]}, {"b"})[0] == {}


MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["POST", "PATCH", "put"]) | ANYTHING,
        "path": st.sampled_from(["/Users", "/Users/bulkId:a", "//", ""]) | ANYTHING,
        "bulkId": st.sampled_from(["a", "b"]) | ANYTHING,
        "version": ANYTHING,
        "data": ANYTHING,
    },
)
REQUESTS = st.fixed_dictionaries({"Operations": st.lists(MEMBERS) | ANYTHING}, optional={"failOnErrors": ANYTHING})


@given(REQUESTS | ANYTHING)
def test_any_request_is_read_and_put_in_order_or_refused(body: Json) -> None:
    try:
        read = bulk.load(body, 5)
    except (InvalidSyntax, PayloadTooLarge) as refused:
        refused.detail.encode()
    else:
        steps = bulk_order.steps(read.operations)
        assert sorted(number for step in steps for number in step) == list(range(len(read.operations)))
        for operation in read.operations:
            bulk.postpone(operation.data, {"a"})
            assert "a" not in bulk.references(bulk.resolve(operation, {"a": "1"}))
            assert bulk.resolve(operation, {}) == operation

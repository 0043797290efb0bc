"""Bodies: JSON within limits, PatchOp messages, and the messages of answers."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scimlite.errors import InvalidSyntax, InvalidValue, ScimError
from scimlite.scim import messages
from scimlite.scim.messages import load_json, load_patch
from scimlite.scim.patch import Operation
from scimlite.scim.schema import SERVICE_PROVIDER_URN

# -- JSON --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        (b"{}", {}),
        (b' \r\n\t{"a": [1, 2.5, -0.0, true, null, "\xc3\xa9"]} ', {"a": [1, 2.5, -0.0, True, None, "é"]}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a":"\\\\u0000"}', {"a": "\\u0000"}),
        (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a":"\\u0001\\u001f\\u007f"}', {"a": "\x01\x1f\x7f"}),
        (b'{"a":{"a":1},"A":1,"b":[{"a":1},{"a":1}]}', {"a": {"a": 1}, "A": 1, "b": [{"a": 1}, {"a": 1}]}),
        (b'{"\\"":"\\"","\\\\":"\\\\\\""}', {'"': '"', "\\": '\\"'}),
        (b'{"\\u0022":"\\u005c","/":"\\/"}', {'"': "\\", "/": "/"}),
        (b"9223372036854775807", 2**63 - 1),
        (b"5", 5),
    ],
)
def test_json(raw: bytes, parsed: Any) -> None:
    assert load_json(raw) == parsed


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"", "The body is empty"),
        (b" \r\n\t", "The body is empty"),
        (b"{", "The body is not JSON"),
        (b'{"a":1} x', "unexpected content after document at line 1"),
        (b'{"a":1}{"a":1}', "The body is not JSON"),
        (b'{\n"a":1,}', "at line 2, column"),
        (b"{'a':1}", "The body is not JSON"),
        (b"{a:1}", "The body is not JSON"),
        (b"NaN", "The body is not JSON"),
        (b'{"a":Infinity}', "The body is not JSON"),
        (b'{"a":-Infinity}', "The body is not JSON"),
        (b'{"a":1e999}', "The body is not JSON"),
        (b'{"a":01}', "The body is not JSON"),
        (b'"\xff"', "The body is not JSON"),
        (b'{"a":"\xed\xa0\x80"}', "The body is not JSON"),
        (b'{"a":"\\ud800"}', "The body is not JSON"),
        (b'{"a":"\\udc00\\ud800"}', "The body is not JSON"),
        (b'{"\\ud800":1}', "The body is not JSON"),
        (b'{"a":"\x00"}', "The body is not JSON"),
        (b'{"a":1}\x00', "The body is not JSON"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "The body is not JSON"),
        (b"\xef\xbb\xbf", "The body is empty"),
        (b"\xef\xbb\xbf \n", "The body is empty"),
        (b" \xef\xbb\xbf{}", "The body is not JSON"),
        (b"userName=ada", "The body is not JSON"),
        (b"<User/>", "The body is not JSON"),
        (b'{"a":1,"a":1}', "The body names “a” twice"),
        (b'{"a":"x","a":"y"}', "The body names “a” twice"),
        (b'[{"b":{"value":"\\\\","value":"\\""}}]', "The body names “value” twice"),
        (b'{"a":"\\"","\\u0061":"\\\\"}', "The body names “a” twice"),
    ],
)
def test_no_json(raw: bytes, detail: str) -> None:
    with pytest.raises(InvalidSyntax) as refused:
        load_json(raw)
    assert detail in refused.value.detail
    refused.value.detail.encode()


@pytest.mark.parametrize("raw", [b'{"a":"\\u0000"}', b'{"\\u0000":1}', b'{"a":["x\\\\\\u0000"]}', b'"\\u0000"'])
def test_nul(raw: bytes) -> None:
    with pytest.raises(InvalidValue, match="NUL"):
        load_json(raw)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_depth(opening: str, closing: str) -> None:
    levels = 16 if len(opening) > 5 else 32
    load_json((opening * levels + "1" + closing * levels).encode())
    with pytest.raises(InvalidSyntax, match="nested deeper than 32 levels"):
        load_json((opening * levels + "[1]" + closing * levels).encode())


def test_wide_is_not_deep() -> None:
    load_json(json.dumps([[{}]] * 5000).encode())


@pytest.mark.parametrize("levels", [1000, 100_000, 1_000_000])
def test_depth_that_would_end_the_stack(levels: int) -> None:
    with pytest.raises(InvalidSyntax):
        load_json(b"[" * levels)
    with pytest.raises(InvalidSyntax):
        load_json(b"[" * levels + b"]" * levels)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
@example({"a": ["\0"]}, True)
@example({"\0": 1}, False)
@example({"\\": '\\u0000"\\\\"'}, False)
def test_any_value_comes_through_unless_it_holds_nul(value: Any, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    if "\\x00" in repr(value).replace("\\\\", ""):
        with pytest.raises(InvalidValue):
            load_json(raw)
    else:
        assert load_json(raw) == value


@given(st.binary(max_size=60) | st.text('{}[]",:\\u0d8atrue ', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        load_json(raw)
    except ScimError as refused:
        refused.detail.encode()


# -- PATCH -------------------------------------------------------------------------------------------------


def body(*operations: Any) -> dict[str, Any]:
    return {"schemas": [messages.PATCH_URN], "Operations": list(operations)}


def test_patch() -> None:
    read = load_patch(
        body(
            {"op": "Add", "path": "title", "value": None},
            {"op": "remove", "path": "title"},
            {"op": "REPLACE", "value": {}},
        )
    )
    assert read == [
        Operation("add", "title", None, has_value=True),
        Operation("remove", "title", None, has_value=False),
        Operation("replace", None, {}, has_value=True),
    ]


@pytest.mark.parametrize(
    "message",
    [
        {"operations": [{"op": "remove", "path": "a"}]},
        {"SCHEMAS": [], "OPERATIONS": [{"OP": "remove", "PATH": "a"}], "other": 1},
        {"schemas": ["urn:x:y"], "Operations": [{"op": "remove", "path": "a", "Name": "label"}]},
    ],
)
def test_patch_in_other_words(message: dict[str, Any]) -> None:
    assert load_patch(message) == [Operation("remove", "a")]


def test_an_empty_path_is_none() -> None:
    (operation,) = load_patch(body({"op": "add", "path": "", "value": {"title": "x"}}))
    assert operation.path is None


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ([], "The PatchOp message is a JSON object"),
        ("x", "The PatchOp message is a JSON object"),
        (None, "The PatchOp message is a JSON object"),
        ({}, "Operations: "),
        ({"Operations": None}, "Operations: "),
        ({"Operations": []}, "Operations: takes at least one operation."),
        ({"Operations": {}}, "Operations: "),
        ({"Operations": "x"}, "Operations: "),
        ({"Operations": [5]}, "Operations[0]"),
        ({"Operations": [{"op": "add", "value": {}}, None]}, "Operations[1]"),
        ({"schemas": "x", "Operations": [{"op": "remove", "path": "a"}]}, "schemas: "),
        ({"schemas": [5], "Operations": [{"op": "remove", "path": "a"}]}, "schemas: takes an array of strings"),
        ({"Operations": [{"op": "remove", "path": "a"}], "operations": []}, "Operations: this member occurs twice"),
        ({"SCHEMAS": [], "Schemas": []}, "schemas: this member occurs twice"),
        (body({"path": "a"}), "Operations[0].op: "),
        (body({"op": None}), "Operations[0].op: "),
        (body({"op": 5}), "Operations[0].op: "),
        (body({"op": "remove", "path": "a"}, {"op": "delete", "path": "a"}), "Operations[1].op: “delete” is not add"),
        (body({"op": "add "}), "Operations[0].op: “add ” is not add"),
        (body({"op": "x" * 1000}), "Operations[0].op: “xxx"),
        (body({"op": "add", "path": 5, "value": 1}), "Operations[0].path: "),
        (body({"op": "add", "path": ["a"], "value": 1}), "Operations[0].path: "),
        (body({"op": "add", "op ": "x", "value": {}}), "Operations[0].op : "),
        (body({"op": "add", "from": "/a", "value": {}}), "Operations[0].from: "),
        (body({"op": "add", "values": {}}), "Operations[0].values: "),
        (body({"op": "add", "OP": "remove", "value": {}}), "Operations[0].op: this member occurs twice"),
        (body({"op": "add", "x" * 1000: 1, "value": {}}), "Operations[0].xxx"),
    ],
)
def test_no_patch(message: Any, detail: str) -> None:
    with pytest.raises(InvalidSyntax) as refused:
        load_patch(message)
    assert detail in refused.value.detail
    assert len(refused.value.detail) < 200


@given(JSON | st.fixed_dictionaries({"Operations": st.lists(JSON, max_size=3)}))
def test_any_message_is_read_or_refused(message: Any) -> None:
    with contextlib.suppress(InvalidSyntax):
        assert all(isinstance(operation, Operation) for operation in load_patch(message))


# -- answers ----------------------------------------------------------------------------------------------


def test_list_response() -> None:
    assert json.loads(messages.list_response(['{"id":"1"}', '{"id":"2"}'], 7, 3)) == {
        "schemas": [messages.LIST_URN],
        "totalResults": 7,
        "startIndex": 3,
        "itemsPerPage": 2,
        "Resources": [{"id": "1"}, {"id": "2"}],
    }
    assert json.loads(messages.list_response([], 0, 1))["Resources"] == []


def test_cursor_response() -> None:
    body = {"schemas": [messages.LIST_URN], "totalResults": 2, "itemsPerPage": 1, "Resources": [{"id": "1"}]}
    for next_cursor, previous_cursor in ((None, None), ("n", None), ("n", "p"), (None, "p")):
        response = messages.cursor_response(['{"id":"1"}'], 2, next_cursor=next_cursor, previous_cursor=previous_cursor)
        cursors = {"nextCursor": next_cursor, "previousCursor": previous_cursor}
        assert json.loads(response) == body | {name: cursor for name, cursor in cursors.items() if cursor}


def test_service_provider_config_has_what_rfc_7643_section_5_requires() -> None:
    config = messages.service_provider_config(
        "https://example.com/ServiceProviderConfig",
        max_results=1000,
        page_size=100,
        max_operations=500,
        max_payload_size=65536,
        change_password=True,
    )
    assert config["schemas"] == [SERVICE_PROVIDER_URN]
    for feature in ("patch", "bulk", "filter", "changePassword", "sort", "etag"):
        assert isinstance(config[feature]["supported"], bool)
    assert config["bulk"] == {"supported": True, "maxOperations": 500, "maxPayloadSize": 65536}
    assert config["filter"]["maxResults"] == 1000
    assert all(scheme.keys() >= {"type", "name", "description"} for scheme in config["authenticationSchemes"])
    assert "null" not in json.dumps(config)

"""Wrong JSON: right bodies with one part replaced, cut off, or doubled."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

Json = Any

#: What stands in the place of a value, as bytes: much of it is no JSON, or none that a database can store.
AWFUL = [
    *(b"null", b"true", b"0", b"-0", b"1.5", b'""', b'" "', b"[]", b"{}", b"[[]]", b"[{}]", b"[null]", b'{"":null}'),
    *(b"9223372036854775808", b"-9223372036854775809", b"1" * 5000, b"1e999", b"-1e999", b"1e-999", b"NaN"),
    *(b"Infinity", b"0x10", b"01", b"1.", b"--1", b"'a'", b"undefined", b"/* */", b"a", b"", b",", b":", b"]", b"}"),
    *(b'"\\u0000"', b'"a\\u0000b"', b'"\\ud800"', b'"\\udfff"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'"\\x41"'),
    *(b'"\\', b'"\x00"', b'"\n"', b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"'),
    *(b"\xff\xfe1\x00", b"\xef\xbb\xbf1", b"[" * 40 + b"]" * 40, b'{"a":' * 40 + b"1" + b"}" * 40, b"[" * 100_000),
    *(b'{"a":' * 5000, b"[" * 31 + b"]" * 31, b'"' + b"x" * 70_000 + b'"', b'"' + b"\\ud83d\\ude00" * 3000 + b'"'),
    *(b'"' + "\u0130".encode() * 3000 + b'"', b'{"value":1,"value":2}', b'{"value":"a","VALUE":"b"}'),
    *(
        b'{"value":{"value":{"value":1}}}',
        b'{"type":[],"primary":"x"}',
        b'[{"value":"a","value":"b"}]',
        b'["a",null,{}]',
    ),
    *(b'[{"value":"a"},1]', b'{"$ref":1,"value":"x"}', b'{"schemas":1}', b'"bulkId:x"', b'"bulkId:"', b'"PATCH"'),
    *(b'"/Users/bulkId:a"', b'"remove"', b'"members"', b'"emails[type eq \\"x\\"]"', b'"%00"', b'"*"'),
    *(b'"emails[' + b"(" * 3000 + b'"', b'"' + b"not (" * 500 + b'"', b'"a eq ' + b"9" * 5000 + b'"'),
]

_MARK = "\u2603here\u2603"
_MARKED = json.dumps(_MARK, ensure_ascii=False).encode()


@st.composite
def hostile(draw: st.DrawFn, right: Json) -> bytes:
    """A wrong body made from a right one."""
    kind = draw(st.integers(0, 99))
    if kind < 65:
        marked = _text(_replaced(right, draw(st.sampled_from(list(_places(right))))))
        return marked.replace(_MARKED, draw(st.sampled_from(AWFUL)))
    whole = _text(right)
    place = draw(st.integers(0, len(whole)))
    if kind < 75:
        return whole[:place]
    if kind < 85:
        return whole[:place] + draw(st.binary(min_size=1, max_size=4)) + whole[place:]
    if kind < 95 and isinstance(right, dict):
        name: str = draw(st.sampled_from(sorted(right)))
        name = draw(st.sampled_from([name, name.upper(), "".join(f"\\u{ord(letter):04x}" for letter in name)]))
        return whole[:-1] + b',"' + name.encode() + b'":' + draw(st.sampled_from(AWFUL[:13])) + b"}"
    no_json: bytes = draw(st.sampled_from(AWFUL) | st.binary(max_size=40))
    return no_json


def _text(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _places(value: Json, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value, the whole one included."""
    places = [above]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in pairs:
        places += _places(inner, (*above, step))
    return places


def _replaced(value: Json, place: tuple[Any, ...]) -> Json:
    """The value with a mark at one place."""
    if not place:
        return _MARK
    copied = value.copy()
    copied[place[0]] = _replaced(copied[place[0]], place[1:])
    return copied

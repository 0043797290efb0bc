"""Queries (RFC 7644 section 3.4.2): the parameters of a GET, and the SearchRequest message of section 3.4.3."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from marshmallow import fields

from ..errors import InvalidFilter, InvalidValue
from . import forms
from .escapes import unescaped
from .path import quote

Json = Any

SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

#: Largest startIndex: what a 64-bit OFFSET can take on both databases.
_MAX_INTEGER = 2**63 - 1
_INTEGER = re.compile(r"([+-]?)0*([0-9]+)", re.ASCII)
_unescaped = partial(unescaped, encoding="latin-1")
#: What a query string cannot be read without care for: bytes above 127, escapes of them, and malformed escapes.
_SUSPECT = re.compile(r"[^\x00-\x7f]|%(?![0-7][0-9A-Fa-f])")
_PARAMETERS = {
    name.lower(): name
    for name in (
        "filter",
        "sortBy",
        "sortOrder",
        "startIndex",
        "count",
        "attributes",
        "excludedAttributes",
        "cursor",
    )
}


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a query (RFC 7644 section 3.4.2)."""

    filter: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start_index: int = 1
    count: int | None = None
    attributes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    #: RFC 9865: None without cursor pagination, empty for its first page.
    cursor: str | None = None


def load_parameters(query_string: str) -> dict[str, str]:
    """Returns the parameters of a URL by their names in lower case: names are compared without case (seen:
    `startindex`).

    In: the query string of a WSGI environment. An empty parameter counts as absent, apart from `cursor`. Raises
    InvalidFilter when `filter` is no text in UTF-8 or is given twice, InvalidValue for any other parameter.
    """
    # The usual query string is ASCII, also behind its escapes, so that nothing in it can be malformed.
    read = _unescaped if _SUSPECT.search(query_string) else unquote
    members: dict[str, str] = {}
    for part in query_string.split("&"):
        raw_name, _, raw_value = part.partition("=")
        if not raw_value and raw_name.lower() != "cursor":
            continue
        try:
            name = read(raw_name.replace("+", " ")).lower()
        except ValueError:
            raise InvalidValue("The name of a parameter is malformed: it is not percent-encoded UTF-8.") from None
        refusal = InvalidFilter if name == "filter" else InvalidValue
        label = _PARAMETERS.get(name) or quote(name)
        try:
            value = read(raw_value.replace("+", " "))
        except ValueError:
            raise refusal(f"The parameter {label} is malformed: it is not percent-encoded UTF-8.") from None
        if name in members and name in _PARAMETERS:
            raise refusal(f"The parameter {label} is given twice.")
        members[name] = value
    if any("\0" in value for value in members.values()):
        raise InvalidValue("A parameter holds a NUL character.")
    return members


def load_query(query_string: str) -> Query:
    """Returns the query of a GET; unknown parameters are left out.

    startIndex below 1 is 1, count below 0 is 0 (RFC 7644 section 3.4.2.4). Raises the errors of `load_parameters`, and
    InvalidValue naming the parameter.
    """
    members = load_parameters(query_string)
    return _query(
        members.get("filter"),
        members.get("sortby"),
        members.get("sortorder"),
        _integer(members, "startIndex"),
        _integer(members, "count"),
        _names(members.get("attributes")),
        _names(members.get("excludedattributes")),
        members.get("cursor"),
    )


class _SearchForm(forms.Form):
    """A SearchRequest (RFC 7644 section 3.4.3, RFC 9865 section 3)."""

    urn = SEARCH_URN

    attributes = fields.List(fields.String(), allow_none=True)
    excluded = fields.List(fields.String(), data_key="excludedAttributes", allow_none=True)
    filter = fields.String(allow_none=True)
    sort_by = fields.String(data_key="sortBy", allow_none=True)
    sort_order = fields.String(data_key="sortOrder", allow_none=True)
    start_index = fields.Integer(data_key="startIndex", strict=True, allow_none=True)
    count = fields.Integer(strict=True, allow_none=True)
    cursor = fields.String(allow_none=True)


_SEARCH_FORM = _SearchForm()


def load_search(body: Json) -> Query:
    """Returns the query of a SearchRequest message; raises InvalidSyntax or InvalidValue naming the member."""
    members = forms.load(_SEARCH_FORM, body, "The SearchRequest message")
    return _query(
        members.get("filter") or None,
        members.get("sort_by") or None,
        members.get("sort_order"),
        members.get("start_index"),
        members.get("count"),
        tuple(members.get("attributes") or ()),
        tuple(members.get("excluded") or ()),
        members.get("cursor"),
    )


def _query(
    filter: str | None,
    sort_by: str | None,
    order: str | None,
    start_index: int | None,
    count: int | None,
    attributes: tuple[str, ...],
    excluded: tuple[str, ...],
    cursor: str | None,
) -> Query:
    """The query of checked parameters, those of a URL and those of a message alike."""
    order = (order or "ascending").lower()
    if order not in ("ascending", "descending"):
        raise InvalidValue("sortOrder is ascending or descending.")
    if cursor is not None and start_index is not None:
        raise InvalidValue("cursor and startIndex cannot be used together.")
    return Query(
        filter,
        sort_by,
        order == "descending",
        min(max(start_index or 1, 1), _MAX_INTEGER),
        None if count is None else max(count, 0),
        attributes,
        excluded,
        cursor,
    )


def _integer(members: dict[str, str], name: str) -> int | None:
    """The parameter as a number; None without it."""
    text = members.get(name.lower())
    if text is None:
        return None
    match = _INTEGER.fullmatch(text.strip())
    if not match:
        raise InvalidValue(f"{name} is a whole number, not {quote(text)}.")
    sign, digits = match.groups()
    number = int(digits) if len(digits) < 19 else _MAX_INTEGER
    return -number if sign == "-" else number


def _names(text: str | None) -> tuple[str, ...]:
    """The names of a comma-separated list; a comma in the brackets of a value path separates nothing."""
    if not text:
        return ()
    names = _split_outside_brackets(text) if "[" in text else text.split(",")
    return tuple(name.strip() for name in names if name.strip())


def _split_outside_brackets(text: str) -> list[str]:
    """The parts of a text between commas; brackets hold filters, in which strings may hold any character."""
    parts, start, in_brackets, in_string, escaped = [], 0, False, False, False
    for position, char in enumerate(text):
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char in "[]":
            in_brackets = char == "["
        elif char == '"':
            in_string = in_brackets
        elif char == "," and not in_brackets:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]

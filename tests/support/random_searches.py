"""Random resources and random filters over all attributes of a type, with values that break naive comparisons."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from hypothesis import strategies as st

from people import STAFF_URN, USER
from scimlite.scim import core
from scimlite.scim.attribute import Attribute
from scimlite.scim.filter import And, Bare, Compare, Filter, Not, Or, Scalar, ValuePath, unparse
from scimlite.scim.path import AttrPath
from scimlite.scim.schema import ResourceType

Json = Any
T = TypeVar("T")

#: Few, so that random filters often match; each has relatives that naive code takes for the same text.
TEXTS = [
    *("a", "A", "ab", "AB", "b", "aa", "", " ", "a ", " a", "%", "_", "a%", "a_b", "axb", "*", "\\", "\\%", "'", '"'),
    *("ß", "ẞ", "ss", "SS", "s", "İ", "i", "ı", "I", "i\u0307", "é", "e\u0301", "É", "e", "\u212b", "å", "Σ", "ς", "σ"),
    *(
        "\u017f",
        "K",
        "\u212a",
        "\uff2b",
        "k",
        "\uff4b\uff41",
        "ka",
        "\ufb03",
        "ffi",
        "\u3000",
        "\uff76\uff9e",
        "\u30ac",
    ),
    *("😀", "\ufb00", "ff", "\uffee", "\ue000", "\ud7ff", "\U0010ffff", "\U0010ffff\U0010ffff", "\u1f80", "가"),
    *("\u1100\u1161", "1", "10", "9", "-1", "true", "null", "work", "WORK", "home", "and", "tab\t", "line\n", "\u00a0"),
    *("a" * 199, "a" * 200, "a" * 200 + "b", "a" * 200 + "B", "a" * 201, "a" * 300, "é" * 200, "ß" * 100, "a b"),
    *("s" * 200 + "t", "\U0010ffff" * 200, "\U0010ffff" * 201),
]
INTEGERS = [0, 1, -1, 2, 9, 10, -10, 2**31, 2**53 + 1, 2**63 - 1, -(2**63) + 1]
DECIMALS = [0, -0.0, 1, 1.5, -1.5, 2, 10, 1e300, -1e300, 5e-324, 0.1, 9007199254740993]
TIMES = [
    *("2011-05-13T04:42:34Z", "2011-05-13T06:42:34+02:00", "2011-05-13T04:42:34.5Z", "2011-05-13T04:42:34.500000Z"),
    *("2011-05-13T04:42:34", "1969-12-31T23:59:59.999999Z", "1066-10-14T09:00:00Z", "9999-12-31T23:59:59Z"),
    *("2011-05-13T04:42:33-00:30", "2030-01-01t00:00:00z"),
]
BINARIES = ["QUJD", "QUJE", "qujd", "QUI="]

#: Numbers that filters compare with, beside those that resources have.
BOUNDS = [
    "4.5",
    "-0.5",
    "5.0",
    "9.0",
    "1e1",
    "1e30",
    "-1E+30",
    "9" * 25,
    "9223372036854775807.5",
    "-9223372036854775809",
]

#: Texts that a filter may hold without quotation marks.
_WORD = re.compile(r"(?![ (\[\])\"'])[^ \t\r\n()\[\]\"]+")
_NO_WORDS = {"and", "or", "not", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "true", "false", "null"}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")

POOLS: dict[str, list[Json]] = {
    "string": TEXTS,
    "reference": TEXTS,
    "boolean": [True, False],
    "integer": INTEGERS,
    "decimal": DECIMALS,
    "dateTime": TIMES,
    "binary": BINARIES,
}
_OPERATORS = {
    "string": ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"),
    "boolean": ("eq", "ne"),
    "binary": ("eq", "ne"),
    "integer": ("eq", "ne", "gt", "ge", "lt", "le"),
}
_OPERATORS |= {"reference": _OPERATORS["string"], "decimal": _OPERATORS["integer"], "dateTime": _OPERATORS["integer"]}


# --- resources ----------------------------------------------------------------------------------------------------


def _value(attribute: Attribute) -> st.SearchStrategy[Json]:
    if attribute.complex:
        subs = [sub for sub in attribute.sub_attributes if not sub.read_only]
        one: st.SearchStrategy[Json] = st.fixed_dictionaries({}, optional={sub.name: _value(sub) for sub in subs})
    else:
        one = st.sampled_from(POOLS[attribute.type])
    return st.lists(one, max_size=3) if attribute.multi_valued else one


@cache
def _body(resource_type: ResourceType) -> st.SearchStrategy[dict[str, Json]]:
    """Some attributes of a resource; the caller adds required and unique ones."""
    parts: dict[str, st.SearchStrategy[Json]] = {}
    extensions: dict[str, dict[str, st.SearchStrategy[Json]]] = {}
    for urn, attribute in resource_type.attributes:
        special = attribute.key in ("schemas", "id", "meta", "username") or attribute.links or attribute.derived
        if not special and not (attribute.required or attribute.returned == "never"):
            (parts if urn is None else extensions.setdefault(urn, {}))[attribute.name] = _value(attribute)
    for urn, inner in extensions.items():
        parts[urn] = st.fixed_dictionaries({}, optional=inner)
    return _sparse(parts)


@st.composite
def _sparse(draw: st.DrawFn, parts: dict[str, st.SearchStrategy[Json]]) -> dict[str, Json]:
    names = draw(st.lists(st.sampled_from(sorted(parts)), unique=True, max_size=8))
    return {name: draw(parts[name]) for name in names}


@st.composite
def directories(draw: st.DrawFn) -> dict[str, Json]:
    """Users and groups for `People.load`: groups hold users and groups, circles included, and some are deleted."""
    texts = [text for text in TEXTS if text.strip()]
    chosen = draw(st.lists(st.sampled_from(texts), min_size=1, max_size=5))
    users: list[dict[str, Json]] = [
        {"userName": f"{number}{text}"} | draw(_body(USER)) for number, text in enumerate(chosen)
    ]
    chosen = draw(st.lists(st.sampled_from(texts), max_size=4))
    names = [f"{text}{number}" for number, text in enumerate(chosen)]
    anybody = [user["userName"] for user in users] + names
    groups = []
    for name in names:
        body = draw(_body(core.GROUP))
        members = draw(st.lists(st.sampled_from(anybody), unique=True, max_size=4))
        groups.append({"displayName": name, "members": members, **body})
    manager = draw(st.sampled_from(users))
    if manager is not users[-1]:
        users[-1].setdefault(core.ENTERPRISE_URN, {})["manager"] = {"value": f"«{manager['userName']}.id»"}
    pairs = [("Users", user["userName"]) for user in users] + [("Groups", name) for name in names]
    deleted = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=2))
    return {"users": users, "groups": groups, "deleted": deleted}


# --- filters ------------------------------------------------------------------------------------------------------


@st.composite
def filters(draw: st.DrawFn, resource_type: ResourceType, existing: list[Json]) -> Filter:
    """Filters over all attributes of a type; `existing` are ids, times and the like that the resources have."""

    def comparison() -> Filter:
        urn, attribute = _one_of(draw, _filterable(resource_type))
        whole = named(draw, resource_type, urn, attribute)
        if (attribute.multi_valued or attribute.complex) and draw(_COIN):
            return ValuePath(whole, tree(draw, lambda: in_item(draw, attribute, existing), 2))
        sub = _one_of(draw, (None, *attribute.sub_attributes))
        if sub is None:
            return _compare(draw, whole, attribute, attribute, existing)
        return _compare(draw, AttrPath(whole.name, sub.name, whole.urn), sub, attribute, existing)

    return tree(draw, comparison, 3)


_COIN = st.booleans()
_PERCENT = st.integers(0, 99)


def _one_of(draw: st.DrawFn, choices: Sequence[T]) -> T:
    return choices[draw(st.integers(0, len(choices) - 1))]


def named(draw: st.DrawFn, resource_type: ResourceType, urn: str | None, attribute: Attribute) -> AttrPath:
    """An attribute's path: in any case, behind its schema's URN or a existing misspelling of that, or without one."""
    kind = draw(_PERCENT)
    name = attribute.name if kind < 70 else attribute.name.upper() if kind < 85 else attribute.name.lower()
    aliases = [alias for alias, meant in resource_type.urn_aliases.items() if meant == urn]
    urns: list[str | None] = [urn or resource_type.schema.id, *aliases]
    target = resource_type.find(AttrPath(attribute.name))
    if target is not None and target.attribute is attribute:
        urns += [None] * 4
    chosen = _one_of(draw, urns)
    return AttrPath(name, urn=chosen.upper() if chosen and kind % 5 == 0 else chosen)


@cache
def _filterable(resource_type: ResourceType) -> tuple[tuple[str | None, Attribute], ...]:
    return tuple(pair for pair in resource_type.attributes if pair[1].returned != "never")


def tree(draw: st.DrawFn, comparison: Callable[[], Filter], depth: int) -> Filter:
    """A comparison, or several joined by the logical operators."""
    kind = draw(_PERCENT)
    if depth == 0 or kind < 40:
        return comparison()
    if kind < 60:
        return Not(tree(draw, comparison, depth - 1))
    terms = tuple(tree(draw, comparison, depth - 1) for _ in range(draw(st.integers(2, 3))))
    return And(terms) if kind < 80 else Or(terms)


def in_item(draw: st.DrawFn, holder: Attribute, existing: list[Json]) -> Compare:
    """A comparison of a sub-attribute, or of the `value` of a simple attribute."""
    sub = _one_of(draw, holder.sub_attributes or (holder,))
    return _compare(draw, AttrPath("value" if sub is holder else sub.name), sub, holder, existing)


def _compare(draw: st.DrawFn, path: AttrPath, attribute: Attribute, holder: Attribute, existing: list[Json]) -> Compare:
    """A comparison that type and operator allow, with a value that the resources may have."""
    kind = draw(_PERCENT)
    leaf = attribute.value_sub if attribute.complex else attribute
    if kind < 10 or leaf is None or (holder.derived and leaf.key == "type"):
        return Compare(path, "pr")
    op = _one_of(draw, _OPERATORS[leaf.type])
    if kind < 20:
        return Compare(path, _one_of(draw, ("eq", "ne")), None)
    value = _one_of(draw, _pool(leaf, holder, existing))
    if kind < 30 and leaf.type in ("integer", "decimal"):
        value = _one_of(draw, BOUNDS)
    if kind < 40 and isinstance(value, str) and leaf.type in ("string", "reference"):
        cut = draw(st.integers(0, len(value)))
        value = value[cut:] if draw(_COIN) else value[:cut]
    return Compare(path, op, literal(draw, value))


def literal(draw: st.DrawFn, value: Json) -> Scalar:
    """A value as a filter holds it: some numbers are quoted, and some words are not."""
    if value is None or isinstance(value, bool):
        return value
    text: str = json.dumps(value) if isinstance(value, int | float) else value
    word = _WORD.fullmatch(text) and text.isprintable() and text.lower() not in _NO_WORDS
    return Bare(text) if word and draw(_COIN) else text


def spelled(term: Filter) -> str:
    """The text of a filter, in which words without quotation marks keep their form."""
    match term:
        case And(terms) | Or(terms):
            return (" and " if isinstance(term, And) else " or ").join(f"({spelled(inner)})" for inner in terms)
        case Not(inner):
            return f"not ({spelled(inner)})"
        case ValuePath(path, inner):
            return f"{path}[{spelled(inner)}]"
        case Compare(path, op, Bare() as word):
            return f"{path} {op} {word}"
    return unparse(term)


def _pool(leaf: Attribute, holder: Attribute, existing: list[Json]) -> Sequence[Json]:
    if leaf.key == "type" and holder.links:
        return ("User", "group", "x")
    if holder.links or holder.derived or holder.key in ("id", "meta", "schemas", "manager"):
        return [value for value in existing if leaf.type != "dateTime" or _TIME.fullmatch(value)] or TIMES
    return POOLS[leaf.type]


def sort_paths(resource_type: ResourceType) -> list[AttrPath]:
    """The paths that resources can be sorted by."""
    paths: list[AttrPath] = []
    for urn, attribute in resource_type.attributes:
        if not (attribute.links or attribute.derived or attribute.returned == "never" or attribute.key == "schemas"):
            if not attribute.complex or attribute.value_sub:
                paths.append(AttrPath(attribute.name, urn=urn))
            paths += [AttrPath(attribute.name, sub.name, urn) for sub in attribute.sub_attributes]
    return paths


def known_values(resources: list[dict[str, Json]]) -> list[Json]:
    """Values of links and derived attributes: ids, URIs, versions, times, names."""
    texts: dict[str, None] = {}
    for resource in resources:
        texts |= dict.fromkeys([resource["id"], *resource["schemas"], *map(str, resource["meta"].values())])
        for link in [*resource.get("members", []), *resource.get("groups", [])]:
            texts |= dict.fromkeys([link["value"], link["$ref"], link["display"]])
    return list(texts) or [STAFF_URN, "User"]

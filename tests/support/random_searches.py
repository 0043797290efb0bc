"""Random resources and random filters over all attributes of their types, from values that break naive comparisons."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from people import STAFF_URN, USER
from scimlite.scim import core
from scimlite.scim.filter import And, Compare, Filter, Not, Or, ValuePath
from scimlite.scim.path import AttrPath
from scimlite.scim.schema import Attribute, ResourceType

Json = Any

#: Few, so that random filters often find something; each with relatives that naive code takes for the same.
TEXTS = [
    *("a", "A", "ab", "AB", "b", "aa", "", " ", "a ", " a", "%", "_", "a%", "a_b", "axb", "*", "\\", "\\%", "'", '"'),
    *("ß", "ẞ", "ss", "SS", "s", "İ", "i", "ı", "I", "i\u0307", "é", "e\u0301", "É", "e", "\u212b", "å", "Σ", "ς", "σ"),
    *("😀", "\ufb00", "ff", "\uffee", "\ue000", "\ud7ff", "\U0010ffff", "\U0010ffff\U0010ffff", "\u1f80", "\u1100\u1161"),
    *("가", "1", "10", "9", "-1", "true", "null", "work", "WORK", "home", "and", "tab\t", "line\n", "\u00a0", "a b"),
    *("a" * 199, "a" * 200, "a" * 200 + "b", "a" * 200 + "B", "a" * 201, "a" * 300, "é" * 200, "ß" * 100, "s" * 200 + "t"),
    *("\U0010ffff" * 200, "\U0010ffff" * 201),
]
INTEGERS = [0, 1, -1, 2, 9, 10, -10, 2**31, 2**53 + 1, 2**63 - 1, -(2**63) + 1]
DECIMALS = [0, -0.0, 1, 1.5, -1.5, 2, 10, 1e300, -1e300, 5e-324, 0.1, 9007199254740993]
TIMES = [
    *("2011-05-13T04:42:34Z", "2011-05-13T06:42:34+02:00", "2011-05-13T04:42:34.5Z", "2011-05-13T04:42:34.500000Z"),
    *("2011-05-13T04:42:34", "1969-12-31T23:59:59.999999Z", "1066-10-14T09:00:00Z", "9999-12-31T23:59:59Z"),
    *("2011-05-13T04:42:33-00:30", "2030-01-01t00:00:00z"),
]
BINARIES = ["QUJD", "QUJE", "qujd", "QUI="]

_POOLS: dict[str, list[Json]] = {
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
        one = st.sampled_from(_POOLS[attribute.type])
    return st.lists(one, max_size=3) if attribute.multi_valued else one


def _body(resource_type: ResourceType) -> st.SearchStrategy[dict[str, Json]]:
    """Some attributes of a resource; what must be there or unique is for the caller to add."""
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
    users = [{"userName": f"{number}{text}"} | draw(_body(USER)) for number, text in enumerate(chosen)]
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
def _compare(draw: st.DrawFn, path: AttrPath, attribute: Attribute, *, holder: Attribute, known: list[Json]) -> Compare:
    """A comparison that type and operator allow, with a value that the resources at hand may well have."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return Compare(path, "pr")
    if kind == 1:
        return Compare(path, draw(st.sampled_from(["eq", "ne"])), None)
    leaf = attribute.value_sub if attribute.complex else attribute
    if leaf is None or leaf.returned == "never" or (holder.derived and leaf.key == "type"):
        return Compare(path, "pr")
    pool = [value for value in known if _fits(leaf, value)] if holder.links or holder.derived else []
    if leaf.path in ("id", "meta.location", "meta.version", "meta.created", "meta.lastModified", "schemas"):
        pool = [value for value in known if _fits(leaf, value)]
    elif leaf.key == "resourcetype":
        pool = ["User", "Group", "user"]
    elif leaf.key == "type" and holder.links:
        pool = ["User", "group", "x"]
    elif leaf.name == "value" and holder.key == "manager":
        pool = [value for value in known if _fits(leaf, value)]
    value = draw(st.sampled_from(pool or _POOLS[leaf.type]))
    if isinstance(value, str) and leaf.type in ("string", "reference") and draw(st.integers(0, 3)) == 0:
        value = value[draw(st.integers(0, len(value))) :] if draw(st.booleans()) else value[: len(value) // 2 + 1]
    return Compare(path, draw(st.sampled_from(_OPERATORS[leaf.type])), value)


def _fits(leaf: Attribute, value: Json) -> bool:
    if leaf.type == "dateTime":
        return isinstance(value, str) and value[:2] == "20" and value.endswith("Z")
    return isinstance(value, str)


def _item_filter(attribute: Attribute, known: list[Json]) -> st.SearchStrategy[Filter]:
    subs = attribute.sub_attributes or (attribute,)
    names = {sub: "value" if sub is attribute else sub.name for sub in subs}
    one = st.sampled_from(subs).flatmap(
        lambda sub: _compare(AttrPath(names[sub]), sub, holder=attribute, known=known)
    )
    return _trees(one)


def _trees(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Filter]:
    def joined(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(several.map(And), several.map(Or), inner.map(Not))

    return st.recursive(one, joined, max_leaves=4)


def filters(resource_type: ResourceType, known: list[Json]) -> st.SearchStrategy[Filter]:
    """Filters over all attributes of a type; `known` are ids, times and the like that resources really have."""

    def of_attribute(pair: tuple[str | None, Attribute]) -> st.SearchStrategy[Filter]:
        urn, attribute = pair
        choices: list[st.SearchStrategy[Any]] = []
        whole = AttrPath(attribute.name, urn=urn)
        if not attribute.complex or attribute.value_sub:
            choices.append(_compare(whole, attribute, holder=attribute, known=known))
        else:
            choices.append(st.just(Compare(whole, "pr")))
        for sub in attribute.sub_attributes:
            path = AttrPath(attribute.name, sub.name, urn)
            choices.append(_compare(path, sub, holder=attribute, known=known))
        if attribute.multi_valued or attribute.complex:
            inside = _item_filter(attribute, known).map(lambda term: ValuePath(whole, term))
            choices += [inside] * max(len(choices) // 2, 1)
        return st.one_of(choices)

    usable = [pair for pair in resource_type.attributes if pair[1].returned != "never"]
    return _trees(st.sampled_from(usable).flatmap(of_attribute))


def sort_paths(resource_type: ResourceType) -> st.SearchStrategy[AttrPath]:
    """Everything that resources can be sorted by."""
    paths: list[AttrPath] = []
    for urn, attribute in resource_type.attributes:
        if not (attribute.links or attribute.derived or attribute.returned == "never" or attribute.key == "schemas"):
            if not attribute.complex or attribute.value_sub:
                paths.append(AttrPath(attribute.name, urn=urn))
            paths += [AttrPath(attribute.name, sub.name, urn) for sub in attribute.sub_attributes]
    return st.sampled_from(paths)


def known_values(resources: list[dict[str, Json]]) -> list[Json]:
    """What filters need to hit derived things: ids, URIs, versions, times, names."""
    found: dict[str, None] = {}
    for resource in resources:
        found |= dict.fromkeys([resource["id"], *resource["schemas"], *map(str, resource["meta"].values())])
        for link in [*resource.get("members", []), *resource.get("groups", [])]:
            found |= dict.fromkeys([link["value"], link["$ref"], link["display"]])
    return list(found) or [STAFF_URN]

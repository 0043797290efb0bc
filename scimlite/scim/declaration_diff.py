"""Compares declarations of schemas and resource types, attribute by attribute and characteristic by characteristic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .declaration import DeclaredType
from .schema import Schema

Json = Any

#: Members that name a declaration, and members with declarations of their own.
_APART = frozenset({"schemas", "id", "attributes", "subAttributes"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One characteristic that two declarations give differently; None stands for a side without it.

    `path` is a resource type, a schema's URN, or an attribute after its URN. When a side lacks the whole of it, the
    characteristic is empty, and the other side has True.
    """

    path: str
    characteristic: str
    before: Json
    after: Json


def differences(
    before: Iterable[Schema | DeclaredType], after: Iterable[Schema | DeclaredType]
) -> Iterator[Difference]:
    """Yields what differs between two sets of declarations: resource types first, then schemas with attributes."""
    old, new = list(before), list(after)
    for kind in (DeclaredType, Schema):
        sides = [{_name(item).lower(): item for item in side if isinstance(item, kind)} for side in (old, new)]
        for key in dict.fromkeys([*sides[1], *sides[0]]):
            one, other = sides[0].get(key), sides[1].get(key)
            title = next(_name(item) for item in (other, one) if item)
            yield from _compare(title, ":", *(item and _declaration(item) for item in (one, other)))


def _name(declared: Schema | DeclaredType) -> str:
    return declared.id if isinstance(declared, Schema) else declared.name


def _declaration(declared: Schema | DeclaredType) -> Json:
    return declared.declaration(whole=True) if isinstance(declared, Schema) else declared.declaration()


def _compare(path: str, separator: str, before: Json, after: Json) -> Iterator[Difference]:
    """Yields the differences of one declaration and of the attributes in it; `separator` comes before their names."""
    if before is None or after is None:
        yield Difference(path, "", before and True, after and True)
        return
    for name in dict.fromkeys([*after, *before]):
        if name not in _APART and before.get(name) != after.get(name):
            yield Difference(path, name, before.get(name), after.get(name))
    parts = [{part["name"].lower(): part for part in _parts(side)} for side in (before, after)]
    for key in dict.fromkeys([*parts[1], *parts[0]]):
        one, other = parts[0].get(key), parts[1].get(key)
        present = {**(one or {}), **(other or {})}
        yield from _compare(f"{path}{separator}{present['name']}", ".", one, other)


def _parts(declaration: Json) -> list[Json]:
    """The attributes of a schema, or the sub-attributes of an attribute."""
    return [*declaration.get("attributes", ()), *declaration.get("subAttributes", ())]

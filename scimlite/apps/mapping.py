"""The rows of an attribute mapping, which makes a resource's profile, and the JSON that they are written in.

`compiled_mapping` checks rows against a resource type and reads values with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from ..errors import OperatorError, ScimError
from ..scim import core

Json = Any

#: Sources in a user's groups, and whether they give name or id of each group. They are joined whenever a profile is
#: read, so that renaming a group rewrites no member's profile.
_JOINED = {"groups": "name", "groups.display": "name", "groups.value": "id"}
TRANSFORMS: dict[str, Callable[[str], str]] = {"trim": str.strip, "lower": str.lower, "upper": str.upper}


class MappingError(OperatorError):
    """A mapping cannot be used; the text names the row and says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the application's name for a value, and its origin, which is one of path, template and constant."""

    target: str
    source: str | None = None
    template: str | None = None
    constant: Json = None
    #: The value when the origin has none.
    default: Json = None
    #: Names of TRANSFORMS, applied to text in this order.
    transform: tuple[str, ...] = ()
    required: bool = False

    @property
    def origin(self) -> str:
        """The origin as operators write it."""
        if self.source is not None:
            return self.source
        return self.template if self.template is not None else orjson.dumps(self.constant).decode()

    @property
    def joined(self) -> str | None:
        """`name` or `id` when the row lists the groups of a user; None otherwise."""
        return _JOINED.get((self.source or "").lower())

    def as_dict(self) -> dict[str, Json]:
        """The row as plain data, without the members that are not set."""
        origin = {"source": self.source, "template": self.template, "constant": self.constant, "default": self.default}
        row: dict[str, Json] = {"target": self.target}
        row |= {name: value for name, value in origin.items() if value is not None}
        if self.transform:
            row["transform"] = list(self.transform)
        return {**row, "required": True} if self.required else row


@dataclass(frozen=True, slots=True)
class Mapping:
    """The rows of users and of groups, in the order of their targets in a profile."""

    user: tuple[Row, ...]
    group: tuple[Row, ...]

    def rows(self, kind: str) -> tuple[Row, ...]:
        """The rows of a resource type by its name; none for types other than User and Group."""
        return {core.USER.name: self.user, core.GROUP.name: self.group}.get(kind, ())

    def to_json(self) -> str:
        """The JSON that the database keeps; `{}` for the default mapping."""
        return "{}" if self == DEFAULT else orjson.dumps(self.as_dict()).decode()

    def as_dict(self) -> dict[str, Json]:
        """The mapping as plain data."""
        return {"user": [row.as_dict() for row in self.user], "group": [row.as_dict() for row in self.group]}

    def with_row(self, kind: str, row: Row) -> Mapping:
        """The mapping with a row in place of the row of the same target, or at the end."""
        rows = self.rows(kind)
        if any(old.target == row.target for old in rows):
            return self._with(kind, tuple(row if old.target == row.target else old for old in rows))
        return self._with(kind, (*rows, row))

    def without(self, kind: str, target: str) -> Mapping:
        """The mapping without the row of a target; MappingError when there is none."""
        kept = tuple(row for row in self.rows(kind) if row.target != target)
        if len(kept) == len(self.rows(kind)):
            targets = ", ".join(row.target for row in self.rows(kind))
            raise MappingError(f"There is no target {target!r} for {kind.lower()}s. Targets: {targets or 'none'}.")
        return self._with(kind, kept)

    def _with(self, kind: str, rows: tuple[Row, ...]) -> Mapping:
        return Mapping(rows, self.group) if kind == core.USER.name else Mapping(self.user, rows)


_ENTERPRISE = core.ENTERPRISE_URN
DEFAULT = Mapping(
    user=(
        Row("userName", "userName", required=True),
        Row("givenName", "name.givenName"),
        Row("familyName", "name.familyName"),
        # authentik sends its only address with the type `other`, Keycloak without one.
        Row("email", 'emails[type eq "work"].value | emails.value'),
        Row("displayName", "displayName"),
        Row("active", "active"),
        Row("department", f"{_ENTERPRISE}:department"),
        Row("title", "title"),
        Row("manager", f"{_ENTERPRISE}:manager"),
        Row("groups", "groups"),
    ),
    group=(Row("name", "displayName"),),
)


# --- JSON ---------------------------------------------------------------------------------------------------------


def read(body: Json) -> Mapping:
    """A mapping from plain data: `{"user": [row, …], "group": [row, …]}`; a list that is left out is the default's.

    Raises MappingError naming a row that is malformed, that has no origin or several, or that repeats a target.
    """
    # Imported here, because marshmallow takes 50 ms, and most commands read no mapping.
    from . import mapping_form

    try:
        loaded = mapping_form.load(body, tuple(TRANSFORMS))
    except ScimError as error:
        raise MappingError(error.detail) from None
    mapped = {kind: tuple(_row(members) for members in rows) for kind, rows in loaded.items()}
    for rows in mapped.values():
        _require_distinct(rows)
    return Mapping(mapped.get("user", DEFAULT.user), mapped.get("group", DEFAULT.group))


def _row(members: dict[str, Json]) -> Row:
    row = Row(**{**members, "transform": tuple(members.get("transform", ()))})
    if sum(name in members for name in ("source", "template", "constant")) != 1:
        raise MappingError(f"{row.target}: give one of source, template and constant.")
    return row


def _require_distinct(rows: Iterable[Row]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.target.lower() in seen:
            raise MappingError(f"{row.target}: there are two rows for this target.")
        seen.add(row.target.lower())


@lru_cache(maxsize=256)
def from_json(text: str) -> Mapping:
    """A mapping from the JSON that the database keeps."""
    body = orjson.loads(text)
    return read(body) if body else DEFAULT

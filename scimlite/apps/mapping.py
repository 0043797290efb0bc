"""The attribute mapping: how a SCIM resource becomes the profile that the application behind scimlite reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import marshmallow
import orjson
from marshmallow import Schema, fields, validate

from ..errors import InvalidPath, InvalidValue, OperatorError, Remedy, ScimError
from ..scim import comparison, core, forms
from ..scim.document import Document
from ..scim.patch_path import PatchPath, parse_patch_path
from ..scim.schema import Attribute, ResourceType, Target

Json = Any

#: What a profile reads from the groups that a user is in: joined whenever it is read, for a group that is renamed must
#: not rewrite the profiles of its members.
_JOINED = {"groups": "name", "groups.display": "name", "groups.value": "id"}
_TRANSFORMS: dict[str, Callable[[str], str]] = {"trim": str.strip, "lower": str.lower, "upper": str.upper}
_PLACE = re.compile(r"\{([^{}]*)\}")
_MOST_ROWS = 200
_LONGEST = 1000


class MappingError(OperatorError):
    """A mapping that cannot be; the text names the row and says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what the application calls it, and where it comes from: one of path, template and constant."""

    target: str
    source: str | None = None
    template: str | None = None
    constant: Json = None
    #: Instead of no value.
    default: Json = None
    #: Carried out in this order on text: trim, lower, upper.
    transform: tuple[str, ...] = ()
    required: bool = False

    @property
    def origin(self) -> str:
        """Where it comes from, as operators write it."""
        if self.source is not None:
            return self.source
        return self.template if self.template is not None else orjson.dumps(self.constant).decode()

    @property
    def joined(self) -> str | None:
        """`name` or `id` when it is of the groups that a user is in."""
        return _JOINED.get((self.source or "").lower())

    def as_dict(self) -> dict[str, Json]:
        """The row as JSON has it: without what is not set."""
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
        """The rows of a resource type by name; none of what is neither user nor group."""
        return {core.USER.name: self.user, core.GROUP.name: self.group}.get(kind, ())

    def to_json(self) -> str:
        """The mapping as the database keeps it; the default one is `{}`."""
        return "{}" if self == DEFAULT else orjson.dumps(self.as_dict()).decode()

    def as_dict(self) -> dict[str, Json]:
        """The mapping as JSON has it."""
        return {"user": [row.as_dict() for row in self.user], "group": [row.as_dict() for row in self.group]}

    def with_row(self, kind: str, row: Row) -> Mapping:
        """The mapping with a row for its target, where that stood before or at the end."""
        rows = self.rows(kind)
        if any(each.target == row.target for each in rows):
            return self._with(kind, tuple(row if each.target == row.target else each for each in rows))
        return self._with(kind, (*rows, row))

    def without(self, kind: str, target: str) -> Mapping:
        """The mapping without a target; MappingError when it has none of that name."""
        kept = tuple(row for row in self.rows(kind) if row.target != target)
        if len(kept) == len(self.rows(kind)):
            known = ", ".join(row.target for row in self.rows(kind))
            raise MappingError(f"There is no target {target!r} for {kind.lower()}s. Targets: {known or 'none'}.")
        return self._with(kind, kept)

    def _with(self, kind: str, rows: tuple[Row, ...]) -> Mapping:
        return Mapping(rows, self.group) if kind == core.USER.name else Mapping(self.user, rows)


_ENTERPRISE = core.ENTERPRISE_URN
DEFAULT = Mapping(
    user=(
        Row("userName", "userName", required=True),
        Row("givenName", "name.givenName"),
        Row("familyName", "name.familyName"),
        Row("email", 'emails[type eq "work"].value'),
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


def _scalar(value: Json) -> None:
    if not isinstance(value, str | bool | int | float) or (isinstance(value, str) and len(value) > _LONGEST):
        raise marshmallow.ValidationError(f"takes a text of at most {_LONGEST} characters, a number, true or false.")


def _text() -> fields.String:
    return fields.String(validate=validate.Length(1, _LONGEST))


class _RowSchema(Schema):
    target = fields.String(
        required=True, validate=validate.Regexp(r"[A-Za-z_][A-Za-z0-9_.:-]{0,99}\Z", error="is not a name.")
    )
    source = _text()
    template = _text()
    constant = fields.Raw(validate=_scalar)
    default = fields.Raw(validate=_scalar)
    transform = fields.List(fields.String(validate=validate.OneOf(list(_TRANSFORMS))), validate=validate.Length(max=3))
    required = fields.Boolean(truthy={True}, falsy={False})


class _MappingSchema(Schema):
    user = fields.List(fields.Nested(_RowSchema), validate=validate.Length(max=_MOST_ROWS))
    group = fields.List(fields.Nested(_RowSchema), validate=validate.Length(max=_MOST_ROWS))


_MAPPING_SCHEMA = _MappingSchema()


def read(body: Json) -> Mapping:
    """A mapping from JSON: `{"user": [row, …], "group": [row, …]}`; what is left out is the default's.

    Raises MappingError naming the row that is not one, has not exactly one origin, or a target that there was before.
    """
    try:
        loaded = forms.load(_MAPPING_SCHEMA, body, "The mapping")
    except ScimError as error:
        raise MappingError(error.detail) from None
    found = {kind: tuple(_row(each) for each in rows) for kind, rows in loaded.items()}
    for rows in found.values():
        _distinct(rows)
    return Mapping(found.get("user", DEFAULT.user), found.get("group", DEFAULT.group))


def _row(given: dict[str, Json]) -> Row:
    row = Row(**{**given, "transform": tuple(given.get("transform", ()))})
    if sum(name in given for name in ("source", "template", "constant")) != 1:
        raise MappingError(f"{row.target}: give one of source, template and constant.")
    return row


def _distinct(rows: Iterable[Row]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.target.lower() in seen:
            raise MappingError(f"{row.target}: there are two rows for this target.")
        seen.add(row.target.lower())


@lru_cache(maxsize=256)
def from_json(text: str) -> Mapping:
    """A mapping as the database keeps it."""
    body = orjson.loads(text)
    return read(body) if body else DEFAULT


# --- checking -----------------------------------------------------------------------------------------------------


def check(mapping: Mapping, types: Iterable[ResourceType]) -> None:
    """Raise MappingError when a row names what resources of these types cannot have, or what nobody may read."""
    for resource_type in types:
        for row in mapping.rows(resource_type.name):
            try:
                _reader(row, resource_type)
            except ScimError as error:
                raise MappingError(f"{row.target}: {error.detail}") from None


def _target(text: str, resource_type: ResourceType) -> tuple[PatchPath, Target]:
    """What a source path means; InvalidPath says why when it cannot be a source."""
    path = parse_patch_path(text, resource_type.urns)
    target = resource_type.find(path.attr)
    attribute = target.attribute if target else None
    if target is None or attribute is None:
        raise InvalidPath(f"{resource_type.name}s of this app have no attribute {text!r}.")
    sub = attribute.subs.get((path.sub or "").lower())
    if path.sub is not None and sub is None:
        raise InvalidPath(f"{attribute.path} has no sub-attribute {path.sub!r}.")
    if attribute.links or attribute.derived or attribute.key == "meta":
        raise InvalidPath(f"{attribute.path} is not part of a {resource_type.name.lower()}'s own attributes.")
    if any(each.write_only or each.apart or each.returned == "never" for each in (attribute, sub) if each):
        raise InvalidPath(f"{attribute.path} may be read by nobody.")
    chosen = sub or (attribute.value_sub if attribute.complex else attribute)
    if chosen is None or chosen.complex:
        raise InvalidPath(f"{attribute.path} has several parts: name one of them, such as {_example(attribute)}.")
    return path, Target(target.urn, attribute, chosen if attribute.complex else None)


def _example(attribute: Attribute) -> str:
    return next((sub.path for sub in attribute.sub_attributes), attribute.path)


# --- reading values -----------------------------------------------------------------------------------------------

_Reader = Callable[[Document], Json]


def _reader(row: Row, resource_type: ResourceType) -> _Reader:
    """What gives a row's value of a document; InvalidPath when there is no such attribute."""
    if row.constant is not None:
        return lambda document: row.constant
    if row.joined is not None and resource_type.derived is not None:
        if row.required or row.default is not None or row.transform:
            raise InvalidPath("what is joined from groups is neither required, transformed, nor has a default.")
        return lambda document: None
    read = (
        _template(row.template, resource_type) if row.template is not None else _path(row.source or "", resource_type)
    )
    return partial(_finished, row, read) if row.transform or row.default is not None else read


def _finished(row: Row, read: _Reader, document: Document) -> Json:
    value = read(document)
    if isinstance(value, str):
        for name in row.transform:
            value = _TRANSFORMS[name](value)
    return row.default if value is None or value == "" else value


def _template(text: str, resource_type: ResourceType) -> _Reader:
    """`{name.givenName} {name.familyName}`: no value when none of its attributes has one."""
    if "{" in _PLACE.sub("", text) or "}" in _PLACE.sub("", text):
        raise InvalidPath(f"{text!r} has a brace without its other half.")
    readers = [_path(each, resource_type) for each in _PLACE.findall(text)]
    if not readers:
        raise InvalidPath(f"{text!r} names no attribute: write it in braces, such as {{userName}}.")
    pieces = _PLACE.split(text)[::2]

    def read(document: Document) -> Json:
        values = [reader(document) for reader in readers]
        if all(value is None or value == "" for value in values):
            return None
        parts = [pieces[0]]
        for value, piece in zip(values, pieces[1:], strict=True):
            parts += [_written(value), piece]
        return " ".join("".join(parts).split()) or None

    return read


def _written(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _path(text: str, resource_type: ResourceType) -> _Reader:
    """The value at a path: of several values the first that the filter matches, else the primary one or the first."""
    path, target = _target(text, resource_type)
    attribute = target.attribute
    assert attribute is not None
    matches = comparison.matcher(path.filter, attribute) if path.filter is not None else None
    name, urn, sub = attribute.name, target.urn, target.sub.name if target.sub else None
    many = attribute.multi_valued

    def read(document: Document) -> Json:
        holder = document if urn is None else document.get(urn)
        value = holder.get(name) if holder else None
        if value is None:
            return None
        if many:
            value = _picked(value, matches)
        elif matches is not None and not matches(value):
            return None
        if sub is not None and value is not None:
            value = value.get(sub)
        if isinstance(value, list):
            # Of a part with several values the first.
            value = value[0] if value else None
        return None if value == "" else value

    return read


def _picked(items: list[Json], matches: Callable[[Json], bool] | None) -> Json:
    """The one of several values that a path without an index means; None when there is none."""
    if matches is None:
        first = items[0] if items else None
        return next((item for item in items if isinstance(item, dict) and item.get("primary")), first)
    for item in items:
        if matches(item):
            return item
    return None


# --- profiles -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compiled:
    """A mapping for one resource type, made ready once."""

    rows: tuple[Row, ...]
    #: Target to what gives its value, without the rows that are joined.
    readers: dict[str, _Reader]

    @property
    def targets(self) -> list[str]:
        """The keys of a profile, in order."""
        return [row.target for row in self.rows]

    def profile(self, document: Document) -> dict[str, Json]:
        """The profile of a document, without what is joined; None stands for no value."""
        return {target: read(document) for target, read in self.readers.items()}

    def missing(self, profile: dict[str, Json]) -> Iterator[Row]:
        """The required rows that have no value."""
        return (row for row in self.rows if row.required and profile.get(row.target) is None)

    def require(self, profile: dict[str, Json]) -> None:
        """Raise InvalidValue naming the SCIM attribute and the target of the first required row without a value."""
        row = next(self.missing(profile), None)
        if row is not None:
            raise InvalidValue(
                f"{row.origin} is required: this app needs it for {row.target}, and it has no value.",
                remedy=Remedy(optional_target=row.target),
            )

    def joined(self, profile: dict[str, Json], groups: Iterable[tuple[str, Json]]) -> dict[str, Json]:
        """The profile with what is joined: of (id, name) of the groups that the user is in."""
        listed = list(groups)
        full: dict[str, Json] = {}
        for row in self.rows:
            if row.joined is None:
                full[row.target] = profile.get(row.target)
            else:
                full[row.target] = [name if row.joined == "name" else id for id, name in listed]
        return full


@lru_cache(maxsize=512)
def compiled(text: str, resource_type: ResourceType) -> Compiled | None:
    """A mapping, as the database keeps it, for one resource type; None for a type that has no profiles."""
    return compile_rows(from_json(text), resource_type)


def compile_rows(mapping: Mapping, resource_type: ResourceType) -> Compiled | None:
    """A mapping for one resource type; None for a type that has no profiles. Raises InvalidPath as `check` does."""
    if resource_type.name not in (core.USER.name, core.GROUP.name):
        return None
    rows = mapping.rows(resource_type.name)
    readers = [(row, _reader(row, resource_type)) for row in rows]
    return Compiled(rows, {row.target: read for row, read in readers if row.joined is None})

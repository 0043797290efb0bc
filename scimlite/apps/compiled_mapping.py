"""An attribute mapping compiled for a resource type: it checks the rows, and makes the profile of a document. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import orjson

from ..errors import InvalidPath, InvalidValue, Remedy, ScimError
from ..scim import comparison, core
from ..scim.attribute import Attribute
from ..scim.document import Document
from ..scim.patch_path import PatchPath, parse_patch_path
from ..scim.schema import ResourceType, Target
from .mapping import TRANSFORMS, Mapping, MappingError, Row, from_json

Json = Any

#: An attribute in a template.
_PLACE = re.compile(r"\{([^{}]*)\}")

#: The strings of a source, its other text, and the `|` between its paths.
_PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|[^"|]+|["|]')


#: Characters of a text that a mapping makes, and of a whole profile.
_LONGEST_TEXT = 65_536
_LARGEST = 1_048_576


def _excess(size: int, total: int, document: Document) -> str | None:
    """What is too large about a value of this size, in words, or about the profile with it; None when nothing is."""
    own = len(orjson.dumps(document))
    if size > max(_LONGEST_TEXT, own):
        return f"its value would have {size:,} characters, and {_LONGEST_TEXT:,} are the most"
    if total > max(_LARGEST, own):
        return f"with it the profile would have {total:,} characters, and {_LARGEST:,} are the most"
    return None


@dataclass(frozen=True)
class Compiled:
    """A mapping for one resource type; `compiled` caches it."""

    rows: tuple[Row, ...]
    #: The function that reads a target's value from a document, by target, without the rows that are joined.
    readers: dict[str, Reader]

    def profile(self, document: Document, *, lenient: bool = True) -> dict[str, Json]:
        """The profile of a document, without the rows that are joined; None stands for no value.

        A mapping can repeat values, so a text and the whole profile have a largest size, unless the document itself is
        larger. Beyond it a value is left out when `lenient`, else InvalidValue names the target.
        """
        profile: dict[str, Json] = {}
        total = 0
        for target, read in self.readers.items():
            value = read(document)
            size = 0
            if type(value) is str:
                size = len(value)
            elif type(value) in (dict, list):
                size = len(orjson.dumps(value))
            total += size
            if (size > _LONGEST_TEXT or total > _LARGEST) and (excess := _excess(size, total, document)):
                if not lenient:
                    raise InvalidValue(f"{target}: {excess}. The attribute mapping of this app must take less for it.")
                total -= size
                value = None
            profile[target] = value
        return profile

    def missing(self, profile: dict[str, Json]) -> Iterator[Row]:
        """The required rows that have no value."""
        return (row for row in self.rows if row.required and profile.get(row.target) is None)

    def require(self, profile: dict[str, Json]) -> None:
        """Raises InvalidValue naming the SCIM attribute and the target of the first required row without a value."""
        row = next(self.missing(profile), None)
        if row is not None:
            raise InvalidValue(
                f"{row.origin} is required: this app needs it for {row.target}, and it has no value.",
                remedy=Remedy(optional_target=row.target),
            )

    def joined(self, profile: dict[str, Json], groups: Iterable[tuple[str, Json]]) -> dict[str, Json]:
        """The profile with the rows that are joined, given (id, name) of the groups that the user is in."""
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
    """The mapping in the database's JSON, compiled for one resource type; None for a type without profiles."""
    return compile_rows(from_json(text), resource_type)


def compile_rows(mapping: Mapping, resource_type: ResourceType) -> Compiled | None:
    """A mapping compiled for one resource type; None for a type without profiles.

    Raises InvalidPath when a row names an attribute that resources of the type lack, or that is never returned.
    """
    if resource_type.name not in (core.USER.name, core.GROUP.name):
        return None
    rows = mapping.rows(resource_type.name)
    readers = [(row, _reader(row, resource_type)) for row in rows]
    return Compiled(rows, {row.target: read for row, read in readers if row.joined is None})


def check(mapping: Mapping, types: Iterable[ResourceType]) -> None:
    """Raises MappingError when a row names an attribute that its type lacks, or that is never returned."""
    for resource_type in types:
        for row in mapping.rows(resource_type.name):
            try:
                _reader(row, resource_type)
            except ScimError as error:
                raise MappingError(f"{row.target}: {error.detail}") from None


# --- reading values -----------------------------------------------------------------------------------------------

Reader = Callable[[Document], Json]


def _reader(row: Row, resource_type: ResourceType) -> Reader:
    """The function that reads a row's value from a document; InvalidPath when the type lacks the attribute."""
    if row.constant is not None:
        return lambda document: row.constant
    if row.joined is not None and resource_type.derived is not None:
        if row.required or row.default is not None or row.transform:
            raise InvalidPath("the groups of a user take no transform and no default, and cannot be required.")
        return lambda document: None
    if row.template is not None:
        read = _template(row.template, resource_type)
    else:
        read = _path(row.source or "", resource_type)
    return partial(_finished, row, read) if row.transform or row.default is not None else read


def _finished(row: Row, read: Reader, document: Document) -> Json:
    value = read(document)
    if isinstance(value, str):
        for name in row.transform:
            value = TRANSFORMS[name](value)
    return row.default if value is None or value == "" else value


def _template(text: str, resource_type: ResourceType) -> Reader:
    """A reader of a template such as `{name.givenName} {name.familyName}`; no value when no attribute has one."""
    if "{" in _PLACE.sub("", text) or "}" in _PLACE.sub("", text):
        raise InvalidPath(f"{text!r} has an opening or closing brace without the other one.")
    readers = [_path(path, resource_type) for path in _PLACE.findall(text)]
    if not readers:
        raise InvalidPath(f"{text!r} names no attribute: write it in braces, such as {{userName}}.")
    pieces = _PLACE.split(text)[::2]

    def read(document: Document) -> Json:
        values = [reader(document) for reader in readers]
        if all(value is None or value == "" for value in values):
            return None
        parts = [pieces[0]]
        for value, piece in zip(values, pieces[1:], strict=True):
            parts += [_as_text(value), piece]
        return " ".join("".join(parts).split()) or None

    return read


def _as_text(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _path(text: str, resource_type: ResourceType) -> Reader:
    """A reader of the value at a path; of several paths with `|` between them, of the first that has a value."""
    first, *others = [_single_path(path, resource_type) for path in _alternatives(text)]
    if not others:
        return first

    def read(document: Document) -> Json:
        value = first(document)
        for other in others:
            if value is not None:
                break
            value = other(document)
        return value

    return read


def paths(row: Row) -> list[str]:
    """The paths that give a row a value: those of its template, or the first alternative of its source."""
    if row.template is not None:
        return [_alternatives(place)[0].strip() for place in _PLACE.findall(row.template)]
    return [] if row.source is None else [_alternatives(row.source)[0].strip()]


def _alternatives(text: str) -> list[str]:
    """The paths in a source, which `|` separates outside of strings."""
    if "|" not in text:
        return [text]
    paths = [""]
    for piece in _PIECES.findall(text):
        if piece == "|":
            paths.append("")
        else:
            paths[-1] += piece
    return [path.strip() for path in paths]


def _single_path(text: str, resource_type: ResourceType) -> Reader:
    """A reader of the value at a path.

    Of several values it takes the first that the filter matches; without a filter the primary one, or the first.
    """
    path, target = resolve(text, resource_type)
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
            value = _pick(value, matches)
        elif matches is not None and not matches(value):
            return None
        if sub is not None and value is not None:
            value = value.get(sub)
        if isinstance(value, list):
            # The first value of a sub-attribute with several.
            value = value[0] if value else None
        return None if value == "" else value

    return read


def _pick(items: list[Json], matches: Callable[[Json], bool] | None) -> Json:
    """The value, out of several, that a path means; None when there is none."""
    if matches is None:
        first = items[0] if items else None
        return next((item for item in items if isinstance(item, dict) and item.get("primary")), first)
    for item in items:
        if matches(item):
            return item
    return None


def resolve(text: str, resource_type: ResourceType) -> tuple[PatchPath, Target]:
    """The path and the attribute that a source names; InvalidPath says why it cannot be a source."""
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
    if any(part.write_only or part.apart or part.returned == "never" for part in (attribute, sub) if part):
        raise InvalidPath(f"{attribute.path} is never returned, so a profile cannot have it.")
    leaf = sub or (attribute.value_sub if attribute.complex else attribute)
    if leaf is None or leaf.complex:
        raise InvalidPath(f"{attribute.path} has several parts: name one of them, such as {_example(attribute)}.")
    return path, Target(target.urn, attribute, leaf if attribute.complex else None)


def _example(attribute: Attribute) -> str:
    return next((sub.path for sub in attribute.sub_attributes), attribute.path)

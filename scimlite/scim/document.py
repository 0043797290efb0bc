"""Whole resources as documents: check what a client sent, list the values to index, tell two versions apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import InvalidSyntax, InvalidValue, Mutability
from . import values
from .schema import Attribute, ResourceType

Json = Any
Document = dict[str, Json]


class ValueRow(NamedTuple):
    """One indexed value: the attribute's path, which item of a multi-valued attribute, its n-th value, the key."""

    path: str
    item: int
    nth: int
    key: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A resource as it came in, checked: what is stored, who it links to, and what was not taken."""

    document: Document
    links: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def clean(resource_type: ResourceType, body: Json) -> Cleaned:
    """Check a resource sent with POST or PUT.

    readOnly and unknown attributes are left out and listed in `ignored` (RFC 7644 section 3.3); values of the
    linking attribute become ids in `links`. Raises InvalidSyntax when it is no object or names something twice,
    InvalidValue when a value is wrong or a required one is missing.
    """
    if not isinstance(body, dict):
        raise InvalidSyntax(f"A {resource_type.name} is a JSON object.")
    document: Document = {}
    links: list[str] = []
    ignored: list[str] = []
    for name, extension, given in _entries(resource_type, body, ignored):
        if extension is None:
            links += _take(resource_type, resource_type.core.get(name.lower()), name, given, document, ignored)
            continue
        part: Document = document.get(extension, {})
        for sub_name, sub_given in _unique_names(given, extension):
            attribute = resource_type.extension_by_key[extension.lower()].by_key.get(sub_name.lower())
            _take(resource_type, attribute, f"{extension}:{sub_name}", sub_given, part, ignored)
        if part:
            document[extension] = part
    finished = finish(resource_type, document)
    require(resource_type, finished)
    return Cleaned(finished, list(dict.fromkeys(links)), ignored)


def _entries(
    resource_type: ResourceType, body: Document, ignored: list[str]
) -> Iterator[tuple[str, str | None, Json]]:
    """The members of the body as (name, extension URN or None, value); extension members must be objects."""
    for name, given in _unique_names(body, "The resource"):
        extension = resource_type.extension_by_key.get(name.lower())
        if extension is None:
            if name.lower() == resource_type.schema.id.lower() and isinstance(given, dict):
                for inner, value in given.items():
                    yield inner, None, value
            else:
                yield name, None, given
        elif given is None:
            continue
        elif isinstance(given, dict):
            yield name, extension.id, given
        else:
            raise InvalidValue(f"{extension.id} takes an object.")


def _unique_names(body: Document, where: str) -> Iterable[tuple[str, Json]]:
    """The items of an object; names that differ only in case are refused, for nobody can tell which was meant."""
    if len({name.lower() for name in body}) < len(body):
        seen: set[str] = set()
        for name in body:
            if name.lower() in seen:
                raise InvalidSyntax(f"{where} names {name!r} twice.")
            seen.add(name.lower())
    return body.items()


def _take(
    resource_type: ResourceType,
    attribute: Attribute | None,
    name: str,
    given: Json,
    document: Document,
    ignored: list[str],
) -> list[str]:
    """Put one attribute's value into the document; returns the ids when it is the linking attribute."""
    if attribute is None:
        ignored.append(name)
        return []
    if attribute.read_only:
        return []
    if attribute.key == "schemas":
        _check_schemas(given)
        return []
    value = values.clean(attribute, given)
    if value is None:
        return []
    if attribute.links:
        return link_ids(attribute, value)
    if attribute.mutability != "writeOnly":
        document[attribute.name] = value
    return []


def _check_schemas(given: Json) -> None:
    if given is None or (isinstance(given, list) and all(isinstance(urn, str) for urn in given)):
        return
    raise InvalidValue("schemas takes an array of strings.")


def link_ids(attribute: Attribute, items: Iterable[Json]) -> list[str]:
    """The ids that values of the linking attribute point at; a value without one is refused."""
    ids: list[str] = []
    for item in items:
        if not item.get("value"):
            raise InvalidValue(f"{attribute.path}.value is required.")
        ids.append(item["value"])
    return ids


def with_defaults(resource_type: ResourceType, document: Document, current: Document | None = None) -> Document:
    """The document with what `current` has, or else the default, for attributes that declare one and have no value."""
    missing = {
        attribute.name: (current or {}).get(attribute.name, attribute.default)
        for urn, attribute in resource_type.attributes
        if urn is None and attribute.default is not None and attribute.name not in document
    }
    return {**document, **missing} if missing else document


def renewed(resource_type: ResourceType, current: Document, sent: Document) -> Document:
    """What a PUT makes of a stored document: everything as sent, but the id stays and immutable values must.

    Raises Mutability when an immutable attribute has a value that differs (RFC 7644 section 3.5.1).
    """
    for urn, attribute in resource_type.attributes:
        if attribute.mutability == "immutable":
            before = (current if urn is None else current.get(urn, {})).get(attribute.name)
            after = (sent if urn is None else sent.get(urn, {})).get(attribute.name)
            if before is not None and before != after:
                raise Mutability(f"{attribute.path} is immutable: it cannot change once it has a value.")
    kept = with_defaults(resource_type, {k: v for k, v in sent.items() if k != "schemas"}, current)
    return finish(resource_type, {"id": current["id"], **kept})


def require(resource_type: ResourceType, document: Document) -> None:
    """Raise InvalidValue naming the first required attribute that has no value (RFC 7643 section 2.2)."""
    for urn, attribute in resource_type.attributes:
        holder = document if urn is None else document.get(urn, {})
        if urn is not None and urn not in document and urn not in resource_type.required_extensions:
            continue
        if attribute.required and not attribute.read_only and not attribute.links:
            if holder.get(attribute.name) in (None, "", []):
                raise InvalidValue(f"{attribute.path} is required and must not be empty.")


def finish(resource_type: ResourceType, document: Document) -> Document:
    """The document with `schemas` naming the core schema and the extensions that hold something, put first."""
    urns = [resource_type.schema.id]
    urns += [extension.id for extension in resource_type.extensions if document.get(extension.id)]
    rest = {name: value for name, value in document.items() if name != "schemas" and value != {}}
    return {"schemas": urns, **rest}


def value_rows(resource_type: ResourceType, document: Document) -> set[ValueRow]:
    """Every simple value of a document as a row of the value index."""
    rows: set[ValueRow] = set()
    for urn, attribute in resource_type.attributes:
        holder = document if urn is None else document.get(urn)
        if holder and attribute.key not in ("schemas", "id", "meta"):
            value = holder.get(attribute.name)
            if value is not None:
                rows.update(_rows(attribute, value))
    return rows


def _rows(attribute: Attribute, value: Json) -> Iterator[ValueRow]:
    items = value if attribute.multi_valued else [value]
    for item, one in enumerate(items):
        if not attribute.complex:
            yield ValueRow(attribute.path, item, 0, values.key(attribute, one))
            continue
        for name, given in one.items():
            sub = attribute.subs[name.lower()]
            for nth, each in enumerate(given if sub.multi_valued else [given]):
                yield ValueRow(sub.path, item, nth, values.key(sub, each))


def differences(resource_type: ResourceType, old: Document, new: Document) -> dict[str, list[Json]]:
    """What changed between two versions: attribute path to [from, to], None where there was or is no value.

    Single complex values are compared by sub-attribute, multi-valued attributes as a whole.
    """
    changes: dict[str, list[Json]] = {}
    for urn, attribute in resource_type.attributes:
        if attribute.key == "schemas":
            continue
        before = (old if urn is None else old.get(urn, {})).get(attribute.name)
        after = (new if urn is None else new.get(urn, {})).get(attribute.name)
        if before == after:
            continue
        if attribute.complex and not attribute.multi_valued:
            for sub in attribute.sub_attributes:
                was, now = (before or {}).get(sub.name), (after or {}).get(sub.name)
                if was != now:
                    changes[sub.path] = [was, now]
        else:
            changes[attribute.path] = [before, after]
    return changes

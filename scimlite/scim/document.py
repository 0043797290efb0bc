"""Whole resources as documents: a body is checked, completed, replaced, and listed in the value index."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from ..errors import InvalidValue, Mutability
from . import immutable, quirks, values
from .attribute import Attribute
from .names import check_user_name
from .schema import ResourceType

Json = Any
Document = dict[str, Json]

#: Attributes, by key, that documents hold and the value index does not: filters read them from columns.
_NOT_INDEXED = ("schemas", "id", "meta")
#: Characters of the name that a client may give a member.
_LONGEST_DISPLAY = 1000


class ValueRow(NamedTuple):
    """One indexed value: the attribute's path, which item of a multi-valued attribute, its n-th value, the key."""

    path: str
    item: int
    nth: int
    key: str


# --- a body becomes a document ------------------------------------------------------------------------------------


def link_ids(attribute: Attribute, value: Json, ignored: list[str], displays: dict[str, str]) -> list[str]:
    """The ids in values of the linking attribute; puts what the client calls them into `displays`.

    Raises InvalidValue for a value without an id.
    """
    ids: list[str] = []
    for sent in values.items_of(value):
        item = quirks.display_name(attribute, sent)
        link = values.clean_item(attribute, item, ignored)
        if not link or not link.get("value"):
            raise InvalidValue(f"{attribute.path}.value is required.")
        ids.append(link["value"])
        if isinstance(item, dict) and (display := _display(item)):
            displays[link["value"]] = display
    return ids


def _display(link: dict[str, Json]) -> str | None:
    """What a client calls a linked resource; None when it says nothing, or too much."""
    for name, value in link.items():
        if name.lower() == "display" and isinstance(value, str) and len(value) <= _LONGEST_DISPLAY:
            return value
    return None


def with_defaults(resource_type: ResourceType, document: Document, current: Document | None = None) -> Document:
    """The document with a value for attributes that declare a default and have none.

    A new resource gets the default; one that replaces `current` keeps the value that `current` has, if any.
    """
    missing: Document = {}
    for urn, attribute in resource_type.attributes:
        if urn is None and attribute.default is not None and attribute.name not in document:
            if current is None:
                missing[attribute.name] = attribute.default
            elif attribute.name in current:
                missing[attribute.name] = current[attribute.name]
    return {**document, **missing} if missing else document


def renewed(resource_type: ResourceType, current: Document, sent: Document) -> Document:
    """The document after a PUT: everything as sent, and the values of `current` that clients cannot write or send.

    Those are immutable attributes that are not sent, and writeOnly ones, which no client can send back. Raises
    Mutability when an immutable attribute is sent with another value (RFC 7644 section 3.5.1), InvalidValue when a
    required attribute of these kinds has no value, or when a new userName cannot be one.
    """
    kept: Document = {"id": current["id"], **with_defaults(resource_type, sent, current)}
    for urn, attribute in resource_type.attributes:
        if attribute.mutability == "readWrite" and not attribute.fixed_subs:
            continue
        before = (current if urn is None else current.get(urn, {})).get(attribute.name)
        after = (sent if urn is None else sent.get(urn, {})).get(attribute.name)
        if before is None or before == after:
            continue
        settled = _settled(attribute, before, after)
        if settled is None:
            continue
        if urn is None:
            kept[attribute.name] = settled
        else:
            kept[urn] = {**kept.get(urn, {}), attribute.name: settled}
    finished = finish(resource_type, kept)
    require(resource_type, finished)
    check_name(finished, current)
    return finished


class Place(NamedTuple):
    """A place in documents: the URN of an extension or None, an attribute, and a sub-attribute of a single value."""

    urn: str | None
    name: str
    sub: str | None = None


def assigned(resource_type: ResourceType, current: Document, sent: Document, places: Collection[Place]) -> Document:
    """The document with these places as they are in `sent`, and all others as in `current`.

    Raises Mutability when an immutable attribute would change, InvalidValue as `renewed`.
    """
    made = {name: dict(value) if isinstance(value, dict) else value for name, value in current.items()}
    for place in places:
        source = sent if place.urn is None else sent.get(place.urn, {})
        holder = made if place.urn is None else made.setdefault(place.urn, {})
        value = source.get(place.name)
        if place.sub is not None:
            whole = dict(holder.get(place.name) or {})
            part = (value or {}).get(place.sub)
            whole.pop(place.sub, None)
            value = {**whole, place.sub: part} if part is not None else whole or None
        if value is None:
            holder.pop(place.name, None)
        else:
            holder[place.name] = value
    for urn, attribute in resource_type.attributes:
        if attribute.mutability == "immutable":
            before = (current if urn is None else current.get(urn, {})).get(attribute.name)
            if before is not None and before != (made if urn is None else made.get(urn, {})).get(attribute.name):
                raise Mutability(f"{attribute.path} is immutable: it cannot change once it has a value.")
    finished = finish(resource_type, made)
    require(resource_type, finished)
    check_name(finished, current)
    return finished


def _settled(attribute: Attribute, before: Json, after: Json) -> Json:
    """The value after a PUT of an attribute that is immutable, writeOnly, or has immutable sub-attributes."""
    if attribute.mutability == "readWrite" or (attribute.write_only and after is not None):
        return immutable.settle(attribute, before, after)
    if after is not None:
        raise Mutability(f"{attribute.path} is immutable: it cannot change once it has a value.")
    return before


def require(resource_type: ResourceType, document: Document, *, kept: Collection[str] = ()) -> None:
    """Raises InvalidValue naming the first required attribute that has no value (RFC 7643 section 2.2).

    The attributes of an extension are required once the resource has a value in the extension; sub-attributes are
    required in each value of their attribute. Attributes whose mutability is in `kept` are not required.
    """
    for extension in resource_type.required_extensions:
        if not document.get(extension):
            raise InvalidValue(f"{extension} is required and must not be empty.")
    for urn, attribute, subs in resource_type.demanding:
        if urn is not None and urn not in document:
            continue
        value = (document if urn is None else document[urn]).get(attribute.name)
        if attribute.required and attribute.mutability not in kept and _blank(value):
            raise InvalidValue(f"{attribute.path} is required and must not be empty.")
        for sub in subs:
            if any(_blank(item.get(sub.name)) for item in values.items_of(value)):
                raise InvalidValue(f"{sub.path} is required and must not be empty.")


def check_name(document: Document, before: Document) -> None:
    """Raises InvalidValue for a userName that no user can get; one that the resource had `before` stays."""
    name = document.get("userName")
    if isinstance(name, str) and name != before.get("userName"):
        check_user_name(name)


def _blank(value: Json) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def finish(resource_type: ResourceType, document: Document) -> Document:
    """The document with `schemas` first: the core schema, and the extensions that have a value."""
    urns = [resource_type.schema.id]
    urns += [extension.id for extension in resource_type.extensions if document.get(extension.id)]
    rest = {name: value for name, value in document.items() if name != "schemas" and value != {}}
    return {"schemas": urns, **rest}


# --- parts of a document ------------------------------------------------------------------------------------------


class Names(NamedTuple):
    """The name of a resource (None when it has none), and its displayName, which may be empty."""

    name: str | None
    display: str | None


def names(resource_type: ResourceType, document: Document) -> Names:
    """The name of a resource: userName, displayName or name, the first that it has as one text."""
    texts = {key: value for key, name in resource_type.naming if isinstance(value := document.get(name), str)}
    return Names(next(filter(None, texts.values()), None), texts.get("displayname"))


def without(resource_type: ResourceType, document: Document, paths: Collection[str]) -> Document:
    """The document without the values at these index paths."""
    rest = dict(document)
    for urn, attribute in resource_type.attributes:
        if not any(leaf.path in paths for leaf in attribute.leaves()):
            continue
        holder = rest if urn is None else dict(rest.get(urn, {}))
        value = holder.pop(attribute.name, None)
        items = values.items_of(value) if attribute.complex else []
        kept = [part for item in items if (part := _without_subs(attribute, item, paths))]
        if kept:
            holder[attribute.name] = kept if attribute.multi_valued else kept[0]
        if urn is not None:
            rest[urn] = holder
    return rest


def _without_subs(attribute: Attribute, item: Document, paths: Collection[str]) -> Document:
    """A complex value without the sub-attributes at these index paths."""
    return {name: value for name, value in item.items() if attribute.subs[name.lower()].path not in paths}


def value_rows(resource_type: ResourceType, document: Document) -> set[ValueRow]:
    """Every simple value of a document as a row of the value index."""
    rows: set[ValueRow] = set()
    for attributes, holder in parts(resource_type, document):
        for name, value in holder.items():
            attribute = attributes.get(name.lower())
            # A name in another case was stored under a former schema.
            if attribute is not None and attribute.name == name and attribute.key not in _NOT_INDEXED:
                add_rows(rows, attribute, value)
    return rows


def parts(resource_type: ResourceType, document: Document) -> Iterator[tuple[dict[str, Attribute], Document]]:
    """The attributes by key with the object that holds them: the document itself, then one for each extension."""
    yield resource_type.core, document
    for extension in resource_type.extensions:
        yield extension.by_key, document.get(extension.id) or {}


def texts(resource_type: ResourceType, document: Document, paths: Collection[str]) -> Iterator[tuple[Attribute, str]]:
    """The attribute or sub-attribute and the text of each value at these index paths."""
    for attributes, holder in parts(resource_type, document):
        for name, value in holder.items():
            attribute = attributes.get(name.lower())
            for leaf in attribute.leaves() if attribute else ():
                if leaf.path in paths:
                    items = values.items_of(value)
                    found = (
                        items
                        if leaf is attribute
                        else [inner for item in items for inner in values.items_of(item.get(leaf.name))]
                    )
                    yield from ((leaf, text) for text in found)


def add_rows(rows: set[ValueRow], attribute: Attribute, value: Json) -> None:
    """Adds the rows of the value index for one attribute with this value."""
    if value is None:
        return
    for item, one in enumerate(value if attribute.multi_valued else (value,)):
        if not attribute.complex:
            rows.add(ValueRow(attribute.path, item, 0, values.key(attribute, one)))
            continue
        for name, inner in one.items():
            sub = attribute.subs.get(name.lower())
            if sub is not None:
                for nth, simple in enumerate(inner if sub.multi_valued else (inner,)):
                    rows.add(ValueRow(sub.path, item, nth, values.key(sub, simple)))

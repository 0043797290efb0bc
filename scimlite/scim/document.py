"""Whole resources as documents: check what a client sent, list the values to index, tell two versions apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import InvalidSyntax, InvalidValue, Mutability
from . import immutable, quirks, values
from .schema import Attribute, ResourceType

Json = Any
Document = dict[str, Json]

#: What stands in the journal for a value that nobody may read.
HIDDEN = "(not shown)"
#: By their keys: what documents hold and filters do not find among the values.
_NOT_INDEXED = ("schemas", "id", "meta")


class ValueRow(NamedTuple):
    """One indexed value: the attribute's path, which item of a multi-valued attribute, its n-th value, the key."""

    path: str
    item: int
    nth: int
    key: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A resource as it came in, checked: what is stored, who it links to, and what was not taken.

    `secrets` are the values of attributes that are kept apart (a password) by path, which no document holds.
    """

    document: Document
    links: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    secrets: dict[str, Json] = field(default_factory=dict, repr=False)


def clean(resource_type: ResourceType, body: Json) -> Cleaned:
    """Check a resource sent with POST or PUT.

    readOnly and unknown attributes are left out (RFC 7644 section 3.3) and listed in `ignored`, but for those that
    the service itself puts into its answers, which clients send back; values of the linking attribute become ids in
    `links`. Raises InvalidSyntax when it is no object or names something twice, InvalidValue when a value is wrong
    or a required one is missing.
    """
    if not isinstance(body, dict):
        raise InvalidSyntax(f"A {resource_type.name} is a JSON object.")
    intake = _Intake(resource_type)
    intake.take(body)
    finished = finish(resource_type, intake.document)
    require(resource_type, finished)
    return Cleaned(finished, list(dict.fromkeys(intake.links)), intake.ignored, intake.secrets)


class _Intake:
    """A resource while it is read."""

    def __init__(self, resource_type: ResourceType) -> None:
        self.resource_type = resource_type
        self.document: Document = {}
        self.links: list[str] = []
        self.ignored: list[str] = []
        self.secrets: dict[str, Json] = {}
        self._seen: set[str] = set()

    def take(self, body: Document) -> None:
        """Read the whole resource."""
        for name, given in values.unique_names(body, "The resource"):
            extension = self.resource_type.extension_by_key.get(name.lower())
            if extension is not None:
                self._schema(extension.id, extension.by_key, given)
            elif name.lower() == self.resource_type.schema.id.lower():
                self._schema(None, self.resource_type.core, given)
            else:
                self._attribute(None, self.resource_type.core.get(name.lower()), name, given)

    def _schema(self, urn: str | None, attributes: dict[str, Attribute], given: Json) -> None:
        """The attributes of one schema, in an object of their own."""
        where = urn or self.resource_type.schema.id
        if given is None:
            return
        if not isinstance(given, dict):
            raise InvalidValue(f"{where} takes an object.")
        for name, value in values.unique_names(quirks.without_nested_schemas(given) if urn else given, where):
            self._attribute(urn, attributes.get(name.lower()), f"{where}:{name}", value)

    def _attribute(self, urn: str | None, attribute: Attribute | None, name: str, given: Json) -> None:
        """One attribute, None when the schema does not know it."""
        if attribute is None:
            if given is not None:
                values.note(self.ignored, name)
            return
        if attribute.path in self._seen:
            raise InvalidSyntax(f"The resource names {attribute.path} twice.")
        self._seen.add(attribute.path)
        if attribute.read_only:
            if given is not None and not attribute.derived and attribute not in self.resource_type.common:
                values.note(self.ignored, name)
        elif attribute.key == "schemas":
            _check_schemas(given)
        elif attribute.links:
            self.links += link_ids(attribute, given, self.ignored)
        else:
            value = values.clean(attribute, given, self.ignored)
            if value is not None and attribute.apart:
                self.secrets[attribute.path] = value
            elif value is not None:
                holder = self.document if urn is None else self.document.setdefault(urn, {})
                holder[attribute.name] = value


def _check_schemas(given: Json) -> None:
    if given is None or (isinstance(given, list) and all(isinstance(urn, str) for urn in given)):
        return
    raise InvalidValue("schemas takes an array of strings.")


def link_ids(attribute: Attribute, given: Json, ignored: list[str]) -> list[str]:
    """The ids that values of the linking attribute point at; a value without one is refused."""
    ids: list[str] = []
    for item in values.items_of(given):
        link = values.clean_item(attribute, item, ignored)
        if not link or not link.get("value"):
            raise InvalidValue(f"{attribute.path}.value is required.")
        ids.append(link["value"])
    return ids


def with_defaults(resource_type: ResourceType, document: Document, current: Document | None = None) -> Document:
    """The document with a value for attributes that declare a default and have none.

    A new resource gets the default; one that replaces `current` keeps what that has, and nothing where it has nothing.
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
    """What a PUT makes of a stored document: everything as sent, but what clients cannot write stays.

    Immutable attributes that are not sent stay as well, and writeOnly ones, which no client can send back; Mutability
    is raised when an immutable one has a value that differs (RFC 7644 section 3.5.1).
    """
    kept: Document = {"id": current["id"], **with_defaults(resource_type, sent, current)}
    for urn, attribute in resource_type.attributes:
        if attribute.mutability == "readWrite" and not attribute.fixed_subs:
            continue
        before = (current if urn is None else current.get(urn, {})).get(attribute.name)
        after = (sent if urn is None else sent.get(urn, {})).get(attribute.name)
        if before is None or before == after:
            continue
        if attribute.mutability == "readWrite" or (attribute.write_only and after is not None):
            settled = immutable.settle(attribute, before, after)
        elif after is not None:
            raise Mutability(f"{attribute.path} is immutable: it cannot change once it has a value.")
        else:
            settled = before
        if settled is None:
            continue
        if urn is None:
            kept[attribute.name] = settled
        else:
            kept[urn] = {**kept.get(urn, {}), attribute.name: settled}
    return finish(resource_type, kept)


def require(resource_type: ResourceType, document: Document) -> None:
    """Raise InvalidValue naming the first required attribute that has no value (RFC 7643 section 2.2).

    The attributes of an extension are required once the resource has something of it; sub-attributes, in each
    value of their attribute.
    """
    for extension in resource_type.required_extensions:
        if not document.get(extension):
            raise InvalidValue(f"{extension} is required and must not be empty.")
    for urn, attribute, subs in resource_type.demanding:
        if urn is not None and urn not in document:
            continue
        value = (document if urn is None else document[urn]).get(attribute.name)
        if attribute.required and _blank(value):
            raise InvalidValue(f"{attribute.path} is required and must not be empty.")
        for sub in subs:
            if any(_blank(item.get(sub.name)) for item in values.items_of(value)):
                raise InvalidValue(f"{sub.path} is required and must not be empty.")


def _blank(value: Json) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def finish(resource_type: ResourceType, document: Document) -> Document:
    """The document with `schemas` naming the core schema and the extensions that hold something, put first."""
    urns = [resource_type.schema.id]
    urns += [extension.id for extension in resource_type.extensions if document.get(extension.id)]
    rest = {name: value for name, value in document.items() if name != "schemas" and value != {}}
    return {"schemas": urns, **rest}


class Names(NamedTuple):
    """What people call a resource: its name (None when it has none), and its displayName, which may be empty."""

    name: str | None
    display: str | None


def names(resource_type: ResourceType, document: Document) -> Names:
    """What people call a resource: userName, displayName or name, the first that it has as one text."""
    found = {key: value for key, name in resource_type.naming if isinstance(value := document.get(name), str)}
    return Names(next(filter(None, found.values()), None), found.get("displayname"))


def without(resource_type: ResourceType, document: Document, paths: Collection[str]) -> Document:
    """The document without the values at these index paths."""
    rest = dict(document)
    for urn, attribute in resource_type.attributes:
        if not any(leaf.path in paths for leaf in attribute.leaves()):
            continue
        holder = rest if urn is None else dict(rest.get(urn, {}))
        value = holder.pop(attribute.name, None)
        items = values.items_of(value) if attribute.complex else []
        parts = [
            {name: each for name, each in item.items() if attribute.subs[name.lower()].path not in paths}
            for item in items
        ]
        kept = [part for part in parts if part]
        if kept:
            holder[attribute.name] = kept if attribute.multi_valued else kept[0]
        if urn is not None:
            rest[urn] = holder
    return rest


def value_rows(resource_type: ResourceType, document: Document) -> set[ValueRow]:
    """Every simple value of a document as a row of the value index."""
    rows: set[ValueRow] = set()
    for attributes, holder in _parts(resource_type, document):
        for name, value in holder.items():
            attribute = attributes.get(name.lower())
            # In another case the name is of a former schema.
            if attribute is not None and attribute.name == name and attribute.key not in _NOT_INDEXED:
                _add_rows(rows, attribute, value)
    return rows


def _parts(resource_type: ResourceType, document: Document) -> Iterator[tuple[dict[str, Attribute], Document]]:
    """The document and what it holds for each extension, with the attributes that these may have by their key."""
    yield resource_type.core, document
    for extension in resource_type.extensions:
        yield extension.by_key, document.get(extension.id) or {}


def _add_rows(rows: set[ValueRow], attribute: Attribute, value: Json) -> None:
    if value is None:
        return
    for item, one in enumerate(value if attribute.multi_valued else (value,)):
        if not attribute.complex:
            rows.add(ValueRow(attribute.path, item, 0, values.key(attribute, one)))
            continue
        for name, given in one.items():
            sub = attribute.subs.get(name.lower())
            if sub is not None:
                for nth, each in enumerate(given if sub.multi_valued else (given,)):
                    rows.add(ValueRow(sub.path, item, nth, values.key(sub, each)))


class Change(NamedTuple):
    """An attribute whose value is not the same in two versions of a document; None where it had or has none."""

    attribute: Attribute
    before: Json
    after: Json


def changes(resource_type: ResourceType, old: Document, new: Document) -> list[Change]:
    """What is not the same in two versions of a document, in the order of the schemas."""
    if new is old:
        return []
    found = []
    for (attributes, before), (_, after) in zip(_parts(resource_type, old), _parts(resource_type, new), strict=True):
        if before != after:
            names = {name for name in {**before, **after} if before.get(name) != after.get(name)} - {"schemas"}
            found += [
                Change(attribute, before.get(attribute.name), after.get(attribute.name))
                for attribute in attributes.values()
                if attribute.name in names
            ]
    return found


def changed_rows(changes: Iterable[Change]) -> tuple[set[ValueRow], set[ValueRow]]:
    """The rows of the value index that there were of what changed, and those that there are to be."""
    before: set[ValueRow] = set()
    after: set[ValueRow] = set()
    for change in changes:
        _add_rows(before, change.attribute, change.before)
        _add_rows(after, change.attribute, change.after)
    return before, after


def differences(changes: Iterable[Change]) -> dict[str, list[Json]]:
    """Changes as they are told: attribute path to [from, to], None where there was or is no value.

    Single complex values are compared by sub-attribute, multi-valued attributes as a whole. Of writeOnly attributes
    it tells that they changed, and not to what.
    """
    told: dict[str, list[Json]] = {}
    for attribute, before, after in changes:
        if attribute.complex and not attribute.multi_valued:
            for sub in attribute.sub_attributes:
                was, now = (before or {}).get(sub.name), (after or {}).get(sub.name)
                if was != now:
                    hidden = attribute if attribute.write_only else sub
                    told[sub.path] = [_told(hidden, was), _told(hidden, now)]
        else:
            told[attribute.path] = [_told(attribute, before), _told(attribute, after)]
    return told


def _told(attribute: Attribute, value: Json) -> Json:
    """A value as it may be told to others than the client: nothing of what is writeOnly."""
    if value is None:
        return None
    if attribute.write_only:
        return HIDDEN
    hidden = {sub.name for sub in attribute.sub_attributes if sub.write_only}
    if not hidden:
        return value
    return [{name: HIDDEN if name in hidden else each for name, each in item.items()} for item in value]

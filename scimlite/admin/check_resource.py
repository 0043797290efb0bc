"""Compares one stored resource with all that was derived from its document. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from ..apps import App, compiled_mapping
from ..db.tables import PasswordRow, ResourceRow, ValueRow
from ..directory import value_index
from ..directory.identity import Subject
from ..errors import ScimError
from ..journal.selection import LONGEST_KEY
from ..scim import core
from ..scim import document as documents
from ..scim.document import Document
from ..scim.names import fold
from ..scim.schema import ResourceType
from . import check_values
from .check_findings import Kind, Problem

#: Microseconds by which a password may seem older than its user: servers' clocks differ.
_BEFORE = 300 * 1_000_000
#: Paths that one text names.
_MOST_NAMED = 5
#: What reading a document raises that no write of ours has stored.
_MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, ScimError, TypeError, ValueError)
#: The kinds of columns that are malformed; the others are COLUMNS.
_KINDS = {
    **dict.fromkeys(("created_at", "modified_at", "deleted_at", "active_since"), Kind.TIMES),
    **dict.fromkeys(("profile", "profile_version"), Kind.PROFILES),
    **dict.fromkeys(("document", "type"), Kind.DOCUMENTS),
    "ended": Kind.TOMBSTONES,
}


class Value(NamedTuple):
    """A value row of a resource, with the columns of the table in their order."""

    app_id: int
    type: str
    resource_id: int
    path: str
    item: int
    nth: int
    key: str
    unique_key: str | None
    sought: int


class Stored(NamedTuple):
    """The row of a resource, with the columns of the table in their order."""

    id: int
    app_id: int
    type: str
    uuid: str
    name: str
    display: str | None
    active: int
    version: int
    created_at: int
    modified_at: int
    deleted_at: int | None
    document: str
    active_since: int | None
    ended: str | None
    profile: str | None
    profile_version: int


class Known(NamedTuple):
    """What else is stored about a resource."""

    values: Sequence[Value]
    #: The row of its password.
    password: Any
    #: The names that lead to it in the report.
    names: Collection[str]
    #: True when the journal tells of its creation, or that may have been pruned.
    journalled: bool


def names_of(app: App, stored: Stored) -> list[str]:
    """The names by which the report finds a living user; nothing for others, and for a document that is unreadable."""
    if stored.type != core.USER.name or stored.deleted_at is not None:
        return []
    try:
        document = _document(stored)
        user_name, external_id = document.get("userName"), document.get("externalId")
        names = [fold(user_name) if isinstance(user_name, str) else "", external_id]
    except _MALFORMED:
        return []
    return [name[:LONGEST_KEY] for name in names if isinstance(name, str) and name]


def problems(app: App, stored: Stored, known: Known, now: int) -> Iterator[Problem]:
    """What is wrong with a resource of an app; `now` is the present time in microseconds."""
    malformed = [*_malformed(ResourceRow, stored, now, _KINDS, Kind.COLUMNS)]
    for value in known.values:
        malformed += _malformed(ValueRow, value, now, {}, Kind.VALUES)
    if known.password is not None:
        malformed += _malformed(PasswordRow, known.password, now, {}, Kind.PASSWORDS)
    place = f"{check_values.place(ResourceRow, stored, app.slug)}"
    if not malformed:
        place = f"{stored.type} {stored.uuid} of {app.slug}"
        malformed += _problems(app, stored, known)
    for kind, text in malformed:
        yield Problem(kind, f"{place}: {text}")


_Found = Iterator[tuple[Kind, str]]


def _malformed(model: Any, row: Sequence[Any], now: int, kinds: Mapping[str, Kind], other: Kind) -> _Found:
    """The columns of a row that hold what they cannot hold."""
    for column, words in check_values.faults(model, row, now):
        table = "" if model is ResourceRow else f"{model._meta.table_name}."
        yield kinds.get(column, other), f"{table}{column}: {words}"


def _problems(app: App, stored: Stored, known: Known) -> _Found:
    yield from _times(stored)
    if not known.journalled:
        yield Kind.JOURNAL, "journal.action: nothing of the app was pruned, and no entry says that it was created"
    yield from _tombstone(stored, known)
    resource_type = next((kind for kind in app.resource_types.values() if kind.name == stored.type), None)
    if resource_type is None:
        yield Kind.DOCUMENTS, "the app has no such type"
        return
    try:
        document = _document(stored)
        expected = documents.value_rows(resource_type, document)
        subject = Subject(resource_type, stored.uuid, document)
    except _MALFORMED as error:
        yield Kind.DOCUMENTS, f"the document cannot be read ({type(error).__name__})"
        return
    yield from _columns(resource_type, stored, document, subject)
    if stored.deleted_at is None:
        yield from _values(resource_type, stored, expected, known.values)
        yield from _password(stored, subject, known)
        missing = [name for name in names_of(app, stored) if name not in known.names]
        if missing:
            yield Kind.NAMES, f"{len(missing)} of userName and externalId are unknown to the report"
    yield from _profile(app, resource_type, stored, document)


def _document(stored: Stored) -> Document:
    document: Document = orjson.loads(stored.document)
    if not isinstance(document, dict):
        raise TypeError("a document is an object")
    return document


def _times(stored: Stored) -> _Found:
    if stored.created_at > stored.modified_at:
        yield Kind.TIMES, "modified_at: it was changed before it was created"
    if stored.deleted_at is not None and not stored.created_at <= stored.deleted_at <= stored.modified_at:
        yield Kind.TIMES, "deleted_at: it was deleted before it was created, or after its last change"
    if stored.active_since is not None and stored.active_since > stored.modified_at:
        yield Kind.TIMES, "active_since: it has been active since after its last change"


def _tombstone(stored: Stored, known: Known) -> _Found:
    if stored.deleted_at is None:
        if stored.ended is not None:
            yield Kind.TOMBSTONES, f"it lives, and is said to be {stored.ended}"
        return
    if stored.ended is None:
        yield Kind.TOMBSTONES, "nothing says how it was deleted"
    if stored.active or stored.active_since is not None:
        yield Kind.TOMBSTONES, "it is deleted and still active"
    if known.password is not None:
        yield Kind.TOMBSTONES, "it is deleted and still has a password"
    if any(value.unique_key is not None for value in known.values):
        yield Kind.TOMBSTONES, "it is deleted and still holds its unique values"


def _columns(resource_type: ResourceType, stored: Stored, document: Document, subject: Subject) -> _Found:
    differing = []
    if document.get("id") != stored.uuid:
        differing.append("id")
    named = document.get("schemas")
    if not isinstance(named, list) or resource_type.schema.id.lower() not in [str(urn).lower() for urn in named]:
        yield Kind.DOCUMENTS, "the document does not name its schema"
    if stored.name != subject.name:
        differing.append("name")
    if stored.display != subject.display:
        differing.append("display")
    if stored.deleted_at is None:
        if stored.active != subject.active:
            differing.append("active")
        if (stored.active_since is not None) != bool(subject.is_user and stored.active):
            differing.append("active_since")
    if differing:
        yield Kind.COLUMNS, ", ".join(differing)


def _values(
    resource_type: ResourceType, stored: Stored, expected: set[documents.ValueRow], values: Sequence[Value]
) -> _Found:
    wanted = {row[:3]: row for row in expected}
    real = {value[3:6]: value for value in values}
    differing = sorted(
        {place[0] for place in wanted.keys() ^ real.keys()}
        | {place[0] for place in wanted.keys() & real.keys() if wanted[place].key != real[place].key}
    )
    if differing:
        yield Kind.VALUES, _listed(differing)
    if any((value.app_id, value.type) != (stored.app_id, stored.type) for value in values):
        yield Kind.VALUES, "value rows of another app or type"
    odd = sorted(
        place[0]
        for place in wanted.keys() & real.keys()
        if (real[place].unique_key, real[place].sought) != value_index.indexed(resource_type, wanted[place])
    )
    if odd:
        yield Kind.UNIQUE_KEYS, _listed(odd)


def _listed(paths: Sequence[str]) -> str:
    paths = list(dict.fromkeys(paths))
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(paths[:_MOST_NAMED]) + more


def _password(stored: Stored, subject: Subject, known: Known) -> _Found:
    if known.password is None:
        return
    if not subject.is_user:
        yield Kind.PASSWORDS, "only users have passwords"
    if known.password.changed_at < stored.created_at - _BEFORE:
        yield Kind.PASSWORDS, "password.changed_at: it is before the creation of the user"


def _profile(app: App, resource_type: ResourceType, stored: Stored, document: Document) -> _Found:
    if stored.profile_version > app.mapping_version:
        yield (
            Kind.PROFILES,
            f"it was made by version {stored.profile_version} of a mapping whose last one is "
            + str(app.mapping_version),
        )
        return
    compiled = compiled_mapping.compiled(app.mapping, resource_type)
    if compiled is None:
        if stored.profile is not None:
            yield Kind.PROFILES, "this type has none"
        return
    if stored.profile is None:
        if stored.profile_version == app.mapping_version:
            yield Kind.PROFILES, "it is missing"
        return
    try:
        profile = orjson.loads(stored.profile)
        current = stored.profile_version == app.mapping_version
        wanted = orjson.loads(orjson.dumps(compiled.profile(document))) if current else profile
    except _MALFORMED as error:
        yield Kind.PROFILES, f"it cannot be read ({type(error).__name__})"
        return
    if profile != wanted:
        keys = profile.keys() | wanted.keys() if isinstance(profile, dict) else wanted.keys()
        differing = [
            key for key in sorted(keys) if not isinstance(profile, dict) or profile.get(key) != wanted.get(key)
        ]
        yield Kind.PROFILES, _listed(differing or ["targets are missing"])

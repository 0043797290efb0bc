"""Compares one stored resource with all that was derived from its document. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import orjson

from ..apps import App, compiled_mapping
from ..directory import tombstones, value_index
from ..directory.identity import Subject
from ..errors import ScimError
from ..journal.selection import LONGEST_KEY
from ..scim import core
from ..scim import document as documents
from ..scim.document import Document
from ..scim.names import fold
from ..scim.schema import ResourceType
from .check_findings import Kind, Problem

#: Microseconds by which clocks of several servers may differ.
SKEW = 24 * 3600 * 1_000_000
#: Paths that one text names.
_MOST_NAMED = 5
#: What reading a document raises that no write of ours has stored.
_MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, ScimError, TypeError, ValueError)
_ENDED = (tombstones.DELETED, tombstones.DEPROVISIONED, tombstones.DEACTIVATED)


class Value(NamedTuple):
    """A value row of a resource."""

    resource_id: int
    app_id: int
    type: str
    path: str
    item: int
    nth: int
    key: str
    unique_key: str | None
    sought: int


class Stored(NamedTuple):
    """The row of a resource."""

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
    active_since: int | None
    ended: str | None
    profile: str | None
    profile_version: int
    document: str


class Known(NamedTuple):
    """What else is stored about a resource: its value rows, its password's hash, and names that lead to it."""

    values: Sequence[Value]
    password: str | None
    names: Collection[str]


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
    place = f"{stored.type} {stored.uuid} of {app.slug}"
    for kind, text in _problems(app, stored, known, now):
        yield Problem(kind, f"{place}: {text}")


_Found = Iterator[tuple[Kind, str]]


def _problems(app: App, stored: Stored, known: Known, now: int) -> _Found:
    yield from _times(stored, now)
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
        yield from _password(subject, known)
        missing = [name for name in names_of(app, stored) if name not in known.names]
        if missing:
            yield Kind.NAMES, f"{len(missing)} of userName and externalId are unknown to the report"
    yield from _profile(app, resource_type, stored, document)


def _document(stored: Stored) -> Document:
    document: Document = orjson.loads(stored.document)
    if not isinstance(document, dict):
        raise TypeError("a document is an object")
    return document


def _times(stored: Stored, now: int) -> _Found:
    if not 0 < stored.created_at <= stored.modified_at:
        yield Kind.TIMES, "it was changed before it was created"
    if stored.modified_at > now + SKEW:
        yield Kind.TIMES, "it was changed in the future"
    if stored.deleted_at is not None and not stored.created_at <= stored.deleted_at <= stored.modified_at:
        yield Kind.TIMES, "it was deleted before it was created, or after its last change"
    if stored.active_since is not None and not 0 < stored.active_since <= stored.modified_at:
        yield Kind.TIMES, "it has been active since after its last change"
    if stored.version < 1:
        yield Kind.COLUMNS, f"its version is {stored.version}"


def _tombstone(stored: Stored, known: Known) -> _Found:
    if stored.deleted_at is None:
        if stored.ended is not None:
            yield Kind.TOMBSTONES, f"it lives, and is said to be {stored.ended}"
        return
    if stored.ended not in _ENDED:
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


def _password(subject: Subject, known: Known) -> _Found:
    if known.password is not None and not subject.is_user:
        yield Kind.PASSWORDS, "only users have passwords"
    elif known.password is not None and not known.password.startswith("$argon2"):
        yield Kind.PASSWORDS, "what is stored is no hash"


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

"""What the application is told of an event: one document, the same in the feed and in a webhook.

The dataclasses are the documentation too: `web.api.openapi` takes names, types and words from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Annotated, Any

import orjson

from ..clock import iso_time
from ..db.feed_order import FeedEntry, Place
from ..directory.profiles import Profile

Json = Any

#: The key under which a field's metadata hold its name in the document: None for what is not told.
NAME = "name"
_NOT_TOLD: dict[str, str | None] = {NAME: None}

#: Bytes of the largest document: Standard Webhooks asks for less than 20 kB.
LARGEST = 20_000


@dataclass(frozen=True, slots=True)
class State:
    """A user or group as it is now, which may be later than the event; only `id` when nothing else is kept."""

    id: Annotated[str, "The id, as SCIM has it; it never changes."]
    external_id: Annotated[str | None, "The identity provider's id."] = field(
        default=None, metadata={NAME: "externalId"}
    )
    name: Annotated[str | None, "userName of a user, displayName of a group."] = None
    active: Annotated[bool | None, "Whether a user may use the application; a deleted one may not."] = None
    ended: Annotated[str | None, "How a deleted one ended: deleted, deprovisioned, deactivated or erased."] = None
    version: Annotated[int | None, "Raised by each change: apply what you get when it is not lower than yours."] = None
    profile: Annotated[dict[str, Json] | None, "The values that the app's mapping makes, names of groups included."] = (
        None
    )
    #: The resource as SCIM has it, empty when it is not kept: not told.
    document: str = field(default="", metadata=_NOT_TOLD, repr=False)


@dataclass(frozen=True, slots=True)
class Data:
    """What the event is about."""

    user: Annotated[State | None, "The user, in events about users and members."] = None
    group: Annotated[State | None, "The group, in events about groups and members."] = None
    changed: Annotated[list[str] | None, "The paths of the attributes that changed."] = None
    previous: Annotated[dict[str, Json] | None, "Their values before the change, by path."] = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event, as the application gets it."""

    id: Annotated[str, "The event's id: the same in the feed and in each try to deliver it."]
    type: Annotated[str, "What happened."]
    timestamp: Annotated[str, "When it happened."]
    app: Annotated[str, "The app's slug."]
    request_id: Annotated[str | None, "The request that did it, as the provisioning report has it."]
    data: Annotated[Data, "What the event is about."]
    truncated: Annotated[bool | None, "True when values were left out because the event was too large: read them."] = (
        None
    )
    #: Not told: whose events keep their order, where the entry stands, its time in microseconds, and the document.
    lane: str = field(default="", metadata=_NOT_TOLD)
    place: Place = field(default=Place(0, 0), metadata=_NOT_TOLD)
    at: int = field(default=0, metadata=_NOT_TOLD)
    json: bytes = field(default=b"", metadata=_NOT_TOLD)


def event(type: str, entry: FeedEntry, epoch: int, app: str, user: State | None, group: State | None) -> Event:
    """The event of an entry about a user or a group in their present state, or about the app."""
    # A creation changes nothing: all that there is is in the profile.
    changes: dict[str, list[Json]] = {}
    if entry.changes and not type.endswith(".created"):
        changes = orjson.loads(entry.changes)
    previous = {path: before for path, (before, _) in changes.items()} or None
    whole = Event(
        f"evt_{epoch}_{entry.id}",
        type,
        iso_time(entry.at) or "",
        app,
        entry.request_id,
        Data(user, group, list(changes) or None, previous),
        None,
        entry.user_uuid or entry.group_uuid or "",
        entry.place,
        entry.at,
    )
    return _within(whole)


def state(id: str, profile: Profile | None, *, of_user: bool) -> State:
    """The state of a user or group; of one that is purged or erased nothing is left but the id."""
    if profile is None:
        return State(id, active=False if of_user else None, ended="erased")
    active = (profile.active and profile.ended is None) if of_user else None
    told = (profile.external_id, profile.name, active, profile.ended, profile.version, profile.values)
    return State(id, *told, profile.document)


def as_data(told: Any) -> Json:
    """A document, or a part of one, as JSON has it, without what is None."""
    return {
        name: as_data(value) if hasattr(value, "__dataclass_fields__") else value
        for attribute, name in _fields(told.__class__)
        if (value := getattr(told, attribute)) is not None
    }


@lru_cache
def _fields(told: Any) -> list[tuple[str, str]]:
    """The fields of a document that are told: the attribute, and its name there."""
    named = [(each.name, each.metadata.get(NAME, each.name)) for each in fields(told)]
    return [(attribute, name) for attribute, name in named if name is not None]


def to_json(told: Event) -> bytes:
    """The document as it is sent and signed."""
    return told.json or orjson.dumps(as_data(told))


def _within(whole: Event) -> Event:
    """The event with its document, without its largest values when that is too large.

    Those before the change go first, then those of the profiles.
    """
    document = to_json(whole)
    if len(document) > LARGEST:
        whole = _cut(whole)
        document = to_json(whole)
    return replace(whole, json=document)


def _cut(whole: Event) -> Event:
    data = whole.data
    parts: list[tuple[dict[str, Json], str]] = []
    previous = dict(data.previous or {})
    user = data.user and replace(data.user, profile=dict(data.user.profile or {}))
    group = data.group and replace(data.group, profile=dict(data.group.profile or {}))
    for values in (previous, *(told.profile for told in (user, group) if told and told.profile)):
        parts += sorted(((values, name) for name in values), key=lambda part: -len(orjson.dumps(part[0][part[1]])))
    cut = replace(whole, data=replace(data, user=user, group=group, previous=previous or None), truncated=True)
    for values, name in parts:
        if len(to_json(cut)) <= LARGEST:
            break
        del values[name]
    return cut

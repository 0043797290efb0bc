"""Refused and failed requests, kept for a week so that they can be explained: masked, and never longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from .. import clock
from ..clock import DAY
from ..db import Database, Slot, prepared
from ..db.tables import RefusalRow, ResourceRow
from ..errors import Remedy, ScimError
from ..scim import masking
from ..scim.schema import ResourceType
from ..scim.values import fold
from . import entries
from .entries import Entry, Scope

Json = Any

#: How long a request is kept, in microseconds.
KEPT = 7 * DAY
#: A body is cut to this, in bytes of JSON.
LONGEST_BODY = 64 * 1024
_LONGEST_PATH = 2000
#: Rows deleted at once: writers wait for no longer than that takes.
_CHUNK = 1000
#: Requests that are found by a client's own id.
_MOST_OF_CLIENT = 20


@dataclass(frozen=True, slots=True)
class Received:
    """What came: method, path below the app's base URL, and the body; `parsed` only when it was JSON."""

    method: str
    path: str
    #: Query parameters.
    query: tuple[tuple[str, str], ...] = ()
    #: Bytes of the body; None when there was none.
    size: int | None = None
    parsed: bool = False
    body: Json = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused request, or operation of a bulk request, as it is kept."""

    at: int
    method: str
    path: str
    scim_type: str | None
    detail: str | None
    #: The change that would have it accepted; a command line in a row that an older version wrote.
    remedy: Remedy | str | None
    #: Bytes of the body as it came.
    size: int | None
    #: Masked JSON, perhaps cut to LONGEST_BODY.
    body: str | None


@prepared
def _insert_refusal(db: Database) -> Any:
    columns = [name for name in RefusalRow._meta.sorted_field_names if name != "id"]
    return RefusalRow.insert({getattr(RefusalRow, name): Slot(name) for name in columns})


def record(
    scope: Scope,
    entry: Entry,
    error: ScimError,
    received: Received,
    types: Sequence[ResourceType],
    *,
    remedy: Remedy | None,
    status: int | None,
    keep_body: bool,
) -> None:
    """Record a refused or failed write: its journal row, and what came, in one transaction of their own.

    In: the entry, whose names are completed where an id is known; `types`, the resource types that the write may be
    about; `remedy`, the change that would have it accepted; `status`, as the client got it. The body is kept masked by
    schema, and only with `keep_body`.
    """

    def write() -> None:
        named = replace(entry, user=_named(scope, entry.user), group=_named(scope, entry.group))
        at = clock.now()
        entries.record(scope, [named], at=at, status=status)
        _keep(scope, named, error, received, types, at, remedy=remedy, keep_body=keep_body)

    scope.db.transact(write)


def _named(scope: Scope, pair: tuple[str | None, str | None] | None) -> tuple[str | None, str | None] | None:
    """The pair with the name that belongs to its id, where the request only had the id."""
    if pair is None or pair[0] is None or pair[1] is not None:
        return pair
    return pair[0], scope.db.scalar(_name, app=scope.app_id, uuid=pair[0])


@prepared
def _name(db: Database) -> Any:
    return ResourceRow.select(ResourceRow.name).where(
        ResourceRow.app_id == Slot("app"), ResourceRow.uuid == Slot("uuid")
    )


def _keep(
    scope: Scope,
    entry: Entry,
    error: ScimError,
    received: Received,
    types: Sequence[ResourceType],
    at: int,
    *,
    remedy: Remedy | None,
    keep_body: bool,
) -> None:
    user_uuid, user_name = entry.user or (None, None)
    scope.db.execute(
        _insert_refusal,
        at=at,
        app_id=scope.app_id,
        request_id=scope.origin.request_id or "",
        client_request_id=scope.origin.client_request_id,
        method=received.method[:20],
        path=_path(received, types),
        scim_type=error.scim_type,
        detail=error.detail[:_LONGEST_PATH],
        remedy=remedy.to_json() if remedy else None,
        size=received.size,
        body=_body(received, types) if keep_body else None,
        user_uuid=user_uuid,
        user_key=fold(user_name)[:500] if user_name else None,
    )


def _path(received: Received, types: Sequence[ResourceType]) -> str:
    text = received.path
    if received.query:
        masked = masking.search(types, dict(received.query))
        text += "?" + "&".join(f"{name}={value}" for name, value in masked.items())
    # What no database stores is legal in a URL.
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()[:_LONGEST_PATH]


def _body(received: Received, types: Sequence[ResourceType]) -> str | None:
    if not received.parsed:
        return None
    if received.path.endswith("/.search"):
        masked = masking.search(types, received.body)
    elif len(types) != 1:
        return None
    else:
        mask = masking.patch if received.method == "PATCH" else masking.resource
        masked = mask(types[0], received.body)
    return orjson.dumps(masked)[:LONGEST_BODY].decode(errors="ignore")


@prepared
def _delete_old(db: Database) -> Any:
    old = RefusalRow.alias()
    listed = old.select(old.id).where(old.at < Slot("before")).limit(Slot("limit"))
    return RefusalRow.delete().where(RefusalRow.id.in_(listed))


def forget_old(db: Database) -> int:
    """Delete what was kept for longer than a week, some at a time; returns how many requests went."""
    total, before = 0, clock.now() - KEPT
    while gone := db.transact(lambda: db.touch(_delete_old, before=before, limit=_CHUNK)):
        total += gone
    return total


def of_request(db: Database, request_id: str) -> list[Refusal]:
    """What is kept of a request, oldest first: several for a bulk request."""
    rows = db.rows(_of_request, request_id=request_id, since=clock.now() - KEPT)
    return [replace(refusal, remedy=_remedy(refusal.remedy)) for refusal in (Refusal(*row) for row in rows)]


def _remedy(stored: Remedy | str | None) -> Remedy | str | None:
    """The remedy in a row; a text that is no JSON object is the command line that an older version wrote."""
    return Remedy.from_json(stored) if isinstance(stored, str) and stored.startswith("{") else stored


def ids_of_client(db: Database, client_request_id: str) -> list[str]:
    """Our ids of what is kept of a request by the client's own id, the newest first; clients may use one again."""
    since = clock.now() - KEPT
    return list(dict.fromkeys(row[0] for row in db.rows(_of_client, id=client_request_id, since=since)))


@prepared
def _of_client(db: Database) -> Any:
    found = RefusalRow.select(RefusalRow.request_id).where(
        RefusalRow.client_request_id == Slot("id"), RefusalRow.at >= Slot("since")
    )
    return found.order_by(RefusalRow.id.desc()).limit(_MOST_OF_CLIENT)


@prepared
def _of_request(db: Database) -> Any:
    columns = (
        RefusalRow.at,
        RefusalRow.method,
        RefusalRow.path,
        RefusalRow.scim_type,
        RefusalRow.detail,
        RefusalRow.remedy,
        RefusalRow.size,
        RefusalRow.body,
    )
    found = RefusalRow.select(*columns).where(
        RefusalRow.request_id == Slot("request_id"), RefusalRow.at >= Slot("since")
    )
    return found.order_by(RefusalRow.id)

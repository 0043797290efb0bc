"""Keeps refused and failed requests, masked, for a week, so that they can be explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import orjson

from .. import clock
from ..clock import DAY
from ..db import Database, Slot, prepared
from ..db.tables import RefusalRow, ResourceRow
from ..errors import Remedy, ScimError
from ..scim import masking
from ..scim.schema import ResourceType
from . import entries
from .entries import Entry, Scope
from .selection import key_of

Json = Any

#: How long a request is kept, in microseconds.
KEPT = 7 * DAY
#: Bytes of JSON that are kept of a body.
LONGEST_BODY = 64 * 1024
#: Bytes of a body that are masked at most: masking 15 MB takes 5 s, and makes little of a body so much smaller.
_MASKED = 16 * LONGEST_BODY
_LONGEST_PATH = 2000
#: Rows deleted in one transaction, during which writers wait.
_CHUNK = 1000
#: Requests returned for a client's own request id.
_MOST_OF_CLIENT = 20


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came: method, path below the app's base URL, and body; `parsed` is true when it was JSON."""

    method: str
    path: str
    #: Query parameters.
    query: tuple[tuple[str, str], ...] = ()
    #: Bytes of the body; None without a body.
    size: int | None = None
    parsed: bool = False
    body: Json = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused or failed request, to be recorded."""

    #: Its journal entry; a name that belongs to an id may be missing.
    entry: Entry
    error: ScimError
    received: Received
    #: The resource types that the request may be about.
    types: Sequence[ResourceType]
    #: The HTTP status that the client got, if there was a client.
    status: int | None = None
    #: The change after which the request would be accepted.
    remedy: Remedy | None = None
    keep_body: bool = True


def record(scope: Scope, refused: Refused) -> None:
    """Records a refused or failed request: its journal entry, and the masked request, in a transaction of their own."""
    # Masked before the transaction, because other writers wait during it.
    body = _body(refused.received, refused.types) if refused.keep_body else None
    scope.db.transact(partial(_record, scope, refused, body))


def _record(scope: Scope, refused: Refused, body: str | None) -> None:
    user, group = refused.entry.user or (None, None), refused.entry.group or (None, None)
    at = clock.after(scope.begun_at, _modified_at(scope, user[0] or group[0]))
    entry = replace(
        refused.entry, user=_with_name(scope, refused.entry.user), group=_with_name(scope, refused.entry.group)
    )
    entries.record(scope, [entry], at=at, status=refused.status)
    _keep(scope, replace(refused, entry=entry), body, at)
    # Also where no housekeeping runs, such as in an embedding application.
    scope.db.execute(_delete_old, before=at - KEPT, limit=_CHUNK)


def _modified_at(scope: Scope, uuid: str | None) -> int | None:
    """When a resource was changed last; None when there is none."""
    return None if uuid is None else scope.db.scalar(_modified_at_by_id, app=scope.app_id, uuid=uuid)


@prepared
def _modified_at_by_id(db: Database) -> Any:
    return ResourceRow.select(ResourceRow.modified_at).where(
        ResourceRow.app_id == Slot("app"), ResourceRow.uuid == Slot("uuid")
    )


def _with_name(scope: Scope, pair: tuple[str | None, str | None] | None) -> tuple[str | None, str | None] | None:
    """The pair of id and name, with the stored name when the request had the id alone."""
    if pair is None or pair[0] is None or pair[1] is not None:
        return pair
    return pair[0], scope.db.scalar(_name_by_id, app=scope.app_id, uuid=pair[0])


@prepared
def _name_by_id(db: Database) -> Any:
    return ResourceRow.select(ResourceRow.name).where(
        ResourceRow.app_id == Slot("app"), ResourceRow.uuid == Slot("uuid")
    )


def _keep(scope: Scope, refused: Refused, body: str | None, at: int) -> None:
    received, error, remedy = refused.received, refused.error, refused.remedy
    user_uuid, user_name = refused.entry.user or (None, None)
    scope.db.execute(
        _insert_refusal,
        at=at,
        app_id=scope.app_id,
        request_id=scope.origin.request_id or "",
        client_request_id=scope.origin.client_request_id,
        method=received.method[:20],
        path=_path(received, refused.types),
        scim_type=error.scim_type,
        detail=error.detail[:_LONGEST_PATH],
        remedy=remedy.to_json() if remedy else None,
        size=received.size,
        body=body,
        user_uuid=user_uuid,
        user_key=key_of(user_name) if user_name else None,
    )


@prepared
def _insert_refusal(db: Database) -> Any:
    columns = [name for name in RefusalRow._meta.sorted_field_names if name != "id"]
    return RefusalRow.insert({getattr(RefusalRow, name): Slot(name) for name in columns})


def _path(received: Received, types: Sequence[ResourceType]) -> str:
    text = received.path
    if received.query:
        masked = masking.search(types, dict(received.query))
        text += "?" + "&".join(f"{name}={value}" for name, value in masked.items())
    # A URL may hold characters that no database stores.
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()[:_LONGEST_PATH]


def _body(received: Received, types: Sequence[ResourceType]) -> str | None:
    """The masked body as JSON; None when nothing can be kept of it."""
    try:
        return _masked(received, types)
    except (TypeError, ValueError, LookupError, AttributeError):
        # A caller without HTTP can give what is no JSON: a huge number, half a surrogate pair, any object.
        return None


def _masked(received: Received, types: Sequence[ResourceType]) -> str | None:
    if not received.parsed:
        return None
    body = received.body
    if received.size is None or received.size > _MASKED:
        body = _beginning(body)
    if received.path.endswith("/.search"):
        masked = masking.search(types, body)
    elif len(types) != 1:
        return None
    else:
        mask = masking.patch if received.method == "PATCH" else masking.resource
        masked = mask(types[0], body)
    return orjson.dumps(masked)[:LONGEST_BODY].decode(errors="ignore")


def _beginning(value: Any) -> Any:
    """A value whose lists and objects hold no more than is looked at: each ends after so many bytes."""
    if not isinstance(value, list | dict):
        return value
    kept: list[Any] = []
    size = 0
    for item in value.items() if isinstance(value, dict) else value:
        if size > _MASKED:
            break
        part = (item[0], _beginning(item[1])) if isinstance(value, dict) else _beginning(item)
        size += len(orjson.dumps(part))
        kept.append(part)
    return dict(kept) if isinstance(value, dict) else kept


# --- reading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused request, or a refused operation of a bulk request, from the database; fields are named like columns."""

    #: Microseconds since 1970 UTC.
    at: int
    method: str
    path: str
    scim_type: str | None
    detail: str | None
    #: The change after which the request would be accepted; in rows of older versions it is a command line.
    remedy: Remedy | str | None
    #: Bytes of the body as it came.
    size: int | None
    #: Masked JSON, cut to LONGEST_BODY.
    body: str | None
    app_id: int


_COLUMNS = tuple(getattr(RefusalRow, column.name) for column in fields(Refusal))


def of_request(db: Database, request_id: str) -> list[Refusal]:
    """The refusals of a request, oldest first; a bulk request may have several."""
    rows = db.rows(_of_request, request_id=request_id, since=clock.now() - KEPT)
    return [replace(refusal, remedy=_remedy(refusal.remedy)) for refusal in (Refusal(*row) for row in rows)]


def _remedy(stored: Remedy | str | None) -> Remedy | str | None:
    """The remedy in a row; a text that is no JSON object is the command line that an older version wrote."""
    return Remedy.from_json(stored) if isinstance(stored, str) and stored.startswith("{") else stored


@prepared
def _of_request(db: Database) -> Any:
    refusals = RefusalRow.select(*_COLUMNS).where(
        RefusalRow.request_id == Slot("request_id"), RefusalRow.at >= Slot("since")
    )
    return refusals.order_by(RefusalRow.id)


def ids_of_client(db: Database, client_request_id: str) -> list[str]:
    """Our ids of the refused requests with a client's own request id, newest first; clients may use one id again."""
    since = clock.now() - KEPT
    return list(dict.fromkeys(row[0] for row in db.rows(_of_client, id=client_request_id, since=since)))


@prepared
def _of_client(db: Database) -> Any:
    refusals = RefusalRow.select(RefusalRow.request_id).where(
        RefusalRow.client_request_id == Slot("id"), RefusalRow.at >= Slot("since")
    )
    return refusals.order_by(RefusalRow.id.desc()).limit(_MOST_OF_CLIENT)


def forget_old(db: Database) -> int:
    """Deletes refusals that are older than a week, some at a time; returns how many were deleted."""
    total, before = 0, clock.now() - KEPT
    while deleted := db.transact(lambda: db.touch(_delete_old, before=before, limit=_CHUNK)):
        total += deleted
    return total


@prepared
def _delete_old(db: Database) -> Any:
    old = RefusalRow.alias()
    listed = old.select(old.id).where(old.at < Slot("before")).limit(Slot("limit"))
    return RefusalRow.delete().where(RefusalRow.id.in_(listed))

"""Passwords of users: kept as argon2id hashes in a table of their own, or dropped, as the app's feature says.

The clear text lives in the request alone: no document, value row, journal row or log line ever holds it.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from .. import clock
from ..apps import App
from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.tables import PasswordRow, ResourceRow
from ..errors import InvalidValue, Unavailable
from ..scim import core
from ..scim.schema import ResourceType

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_PATH = core.USER_SCHEMA.by_key["password"].path
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Change:
    """A user's password to be: its hash, or None when it is taken away."""

    hash: str | None


def change(app: App, resource_type: ResourceType, secrets: Mapping[str, Any]) -> Change | None:
    """What the writeOnly values of a request make of the user's password; None when nothing, or the app drops it.

    Hashes, which takes tens of milliseconds: to be called before a transaction, never in one. Raises InvalidValue
    when the password is empty or too long.
    """
    if app.settings.passwords != "hash" or resource_type.name != core.USER.name or _PATH not in secrets:
        return None
    given = secrets[_PATH]
    if given is None:
        return Change(None)
    if not 0 < len(given) <= _LONGEST:
        raise InvalidValue(f"{_PATH} has 1 to {_LONGEST:,} characters.")
    return Change(_hasher().hash(_opaque(given)))


def apply(workspace: Workspace, row: int, change: Change | None) -> str | None:
    """Store a change in the caller's transaction; returns what was done, in words for the journal, if anything."""
    if change is None:
        return None
    if change.hash is None:
        return f"{_PATH} removed" if workspace.db.touch(_delete_password, row=row) else None
    workspace.db.execute(_upsert_password, row=row, app=workspace.app.id, hash=change.hash, at=clock.now())
    return f"{_PATH} set"


def forget(db: Database, row: int) -> None:
    """Delete the password of a user who is deleted, in the caller's transaction."""
    db.execute(_delete_password, row=row)


def verify(db: Database, app: App, user_id: str, password: str) -> bool:
    """Whether this is the password of a user of the app who may use the application.

    False for unknown, deleted and disabled users, those without a password, and apps that drop passwords; it takes
    as long for each of them. A hash that was made with other parameters than today's is made again.
    """
    from argon2.exceptions import VerifyMismatchError

    decoy = _decoy()
    found = (
        db.row(_password_of_user, app=app.id, uuid=user_id, type=core.USER.name)
        if app.settings.passwords == "hash"
        else None
    )
    row, stored = found or (None, decoy)
    opaque = _opaque(password)
    try:
        _hasher().verify(stored, opaque)
    except VerifyMismatchError:
        return False
    if row is not None and _hasher().check_needs_rehash(stored):
        renewed = _hasher().hash(opaque)
        # It can wait: a locked or read-only database must not keep anybody out.
        with suppress(Unavailable):
            db.transact(lambda: db.execute(_update_hash, row=row, old=stored, hash=renewed))
    return row is not None


@cache
def _hasher() -> PasswordHasher:
    """argon2id with the library's parameters; loaded when first used, for most apps drop passwords."""
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _decoy() -> str:
    """The hash of a password that nobody knows, checked in place of one that is not there."""
    return _hasher().hash(secrets.token_bytes(32))


def _opaque(password: str) -> bytes:
    """The password as it is compared: OpaqueString of RFC 8265 (RFC 7644 section 7.8), so any space and NFC."""
    spaced = "".join(" " if unicodedata.category(each) == "Zs" else each for each in password)
    # Half of a surrogate pair is refused in requests: here it is but a wrong password.
    return unicodedata.normalize("NFC", spaced).encode("utf-8", "surrogatepass")


@prepared
def _upsert_password(db: Database) -> Any:
    return PasswordRow.insert(
        {
            PasswordRow.resource_id: Slot("row"),
            PasswordRow.app_id: Slot("app"),
            PasswordRow.hash: Slot("hash"),
            PasswordRow.changed_at: Slot("at"),
        }
    ).on_conflict(conflict_target=[PasswordRow.resource_id], preserve=[PasswordRow.hash, PasswordRow.changed_at])


@prepared
def _delete_password(db: Database) -> Any:
    return PasswordRow.delete().where(PasswordRow.resource_id == Slot("row"))


@prepared
def _password_of_user(db: Database) -> Any:
    return (
        PasswordRow.select(PasswordRow.resource_id, PasswordRow.hash)
        .join(ResourceRow, on=(ResourceRow.id == PasswordRow.resource_id))
        .where(
            ResourceRow.app_id == Slot("app"),
            ResourceRow.uuid == Slot("uuid"),
            ResourceRow.type == Slot("type"),
            ResourceRow.deleted_at.is_null(),
            ResourceRow.active == 1,
        )
    )


@prepared
def _update_hash(db: Database) -> Any:
    """Not over a password that was set meanwhile."""
    return PasswordRow.update({PasswordRow.hash: Slot("hash")}).where(
        PasswordRow.resource_id == Slot("row"), PasswordRow.hash == Slot("old")
    )

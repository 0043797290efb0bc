"""Passwords of users: the feature `passwords` keeps argon2id hashes in a table of their own, or drops them.

The clear text exists in the request only: no document, value row, journal row or log line contains it.
"""

from __future__ import annotations

import secrets
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from peewee import EXCLUDED, Case

from .. import clock, deadline
from ..apps import App
from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.tables import PasswordRow, ResourceRow
from ..db.turns import in_child
from ..errors import InvalidValue, PayloadTooLarge, Remedy, Unavailable
from ..limits import Limits
from ..scim import core
from ..scim.schema import ResourceType

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_PATH = core.USER_SCHEMA.by_key["password"].path
_LONGEST = 1024
#: For each hash at work, how many may wait for their turn; and seconds that they wait.
_QUEUE = 4
_PATIENCE = 10.0
#: Seconds after which a client should ask again.
_RETRY_AFTER = 5


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a user's password: the hash of the new one, or None to remove the password."""

    hash: str | None


def change(workspace: Workspace, resource_type: ResourceType, secrets: Mapping[str, Any]) -> Change | None:
    """The change that a request's writeOnly values make to a user's password; None without one, or when it is dropped.

    Hashing takes tens of milliseconds, so callers do it before their transaction. Raises InvalidValue when the password
    is empty or too long, PayloadTooLarge when the request has set as many as it may, and Unavailable when too many are
    being hashed.
    """
    if workspace.app.settings.passwords != "hash" or resource_type.name != core.USER.name or _PATH not in secrets:
        return None
    password = secrets[_PATH]
    if password is None:
        return Change(None)
    if not 0 < len(password) <= _LONGEST:
        raise InvalidValue(f"{_PATH} has 1 to {_LONGEST:,} characters.")
    allowance = workspace.allowance
    if allowance is not None and allowance.prepared is not None:
        hash, allowance.prepared = allowance.prepared, None
        return Change(hash)
    _take_one(workspace)
    with _gate.entered(
        workspace.limits.max_hashes, queue=workspace.limits.max_hashes * _QUEUE, patience=deadline.at_most(_PATIENCE)
    ):
        return Change(_hasher().hash(_opaque(password)))


def _take_one(workspace: Workspace) -> None:
    """Counts one password of the request."""
    allowance = workspace.allowance
    if allowance is None:
        return
    if allowance.passwords <= 0:
        raise PayloadTooLarge(
            f"{_PATH}: one request sets at most {workspace.limits.max_passwords:,} passwords; send the others in "
            "another request.",
            remedy=Remedy(setting="SCIMLITE_MAX_PASSWORDS"),
        )
    allowance.passwords -= 1


def apply(workspace: Workspace, row: int, change: Change | None) -> str | None:
    """Stores a change in the caller's transaction; returns a note for the journal, None when nothing changed."""
    if change is None:
        return None
    if change.hash is None:
        return f"{_PATH} removed" if workspace.db.touch(_delete_password, row=row) else None
    workspace.db.execute(_upsert_password, row=row, app=workspace.app.id, hash=change.hash, at=clock.now())
    return f"{_PATH} set"


def forget(db: Database, row: int) -> None:
    """Deletes the password of a user who is deleted, in the caller's transaction."""
    db.execute(_delete_password, row=row)


def verify(db: Database, app: App, user_id: str, password: str, *, most_hashes: int = Limits().max_hashes) -> bool:
    """True when this is the password of an active user of the app.

    False for unknown, deleted and disabled users, for users without a password, and in apps that drop passwords; each
    answer takes the same time. A hash with other parameters than today's is replaced. At most `most_hashes` passwords
    are hashed at once in a process; raises Unavailable when the turn does not come in time, or the database is.
    """
    from argon2.exceptions import VerifyMismatchError

    decoy = _decoy()
    kept = None
    if app.settings.passwords == "hash":
        kept = db.row(_password_of_user, app=app.id, uuid=user_id, type=core.USER.name)
    row, stored = kept or (None, decoy)
    opaque = _opaque(password)
    renewed = None
    # However many sign in, nobody is sent away at once; but nobody holds a thread of the application for good.
    with _gate.entered(most_hashes, patience=deadline.at_most(_PATIENCE)):
        try:
            _hasher().verify(stored, opaque)
        except VerifyMismatchError:
            return False
        if row is not None and _hasher().check_needs_rehash(stored):
            renewed = _hasher().hash(opaque)
    if renewed is not None:
        # A locked or read-only database must not keep the user out; the next sign-in replaces the hash.
        with suppress(Unavailable):
            db.transact(lambda: db.execute(_update_hash, row=row, old=stored, hash=renewed))
    return row is not None


def hashed(password: str) -> str:
    """The hash of a password that is no user's of an app. Raises Unavailable when too many are being hashed."""
    with _gate.entered(Limits().max_hashes, queue=Limits().max_hashes * _QUEUE, patience=deadline.at_most(_PATIENCE)):
        return _hasher().hash(_opaque(password))


def matches(stored: str | None, password: str) -> bool:
    """True when a hash is this password's; None takes as long and is False. Raises Unavailable like `hashed`."""
    from argon2.exceptions import InvalidHashError, VerifyMismatchError

    with _gate.entered(Limits().max_hashes, queue=Limits().max_hashes * _QUEUE, patience=deadline.at_most(_PATIENCE)):
        try:
            _hasher().verify(stored or _decoy(), _opaque(password))
        except (VerifyMismatchError, InvalidHashError):
            return False
    return stored is not None


class _Gate:
    """Lets a few threads of the process hash at the same time: each takes a core and 64 MiB."""

    def __init__(self) -> None:
        self._reset()
        in_child(self._reset)

    def _reset(self) -> None:
        """Begins with nobody inside; a forked process has none of the other threads."""
        self._turn = threading.Condition()
        self._inside = 0
        self._waiting = 0

    @contextmanager
    def entered(self, most: int, *, queue: int | None = None, patience: float | None = None) -> Iterator[None]:
        """A context that at most this number of threads are in.

        Raises Unavailable when `queue` threads wait already, or when the turn does not come within `patience` seconds;
        None is no limit.
        """
        with self._turn:
            if self._inside >= most:
                if queue is not None and self._waiting >= queue:
                    raise _busy()
                self._waiting += 1
                try:
                    if not self._turn.wait_for(lambda: self._inside < most, patience):
                        raise _busy()
                finally:
                    self._waiting -= 1
            self._inside += 1
        try:
            yield
        finally:
            with self._turn:
                self._inside -= 1
                self._turn.notify()


def _busy() -> Unavailable:
    return Unavailable("Too many passwords are being hashed; try again in a moment.", retry_after=_RETRY_AFTER)


_gate = _Gate()


@cache
def _hasher() -> PasswordHasher:
    """argon2id with the library's parameters; loaded when first used, because most apps drop passwords."""
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _decoy() -> str:
    """The hash of a random password, which `verify` checks when there is no other hash."""
    return _hasher().hash(secrets.token_bytes(32))


def _opaque(password: str) -> bytes:
    """The password in the form that is hashed: OpaqueString of RFC 8265 (RFC 7644 section 7.8), any space and NFC."""
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    # Requests with half a surrogate pair are refused elsewhere; here it makes a wrong password.
    return unicodedata.normalize("NFC", spaced).encode("utf-8", "surrogatepass")


_before, _at = PasswordRow.changed_at, EXCLUDED.changed_at
#: `clock.after` in SQL.
_later = Case(None, [(_before >= _at, _before + 1)], _at)


@prepared
def _upsert_password(db: Database) -> Any:
    return PasswordRow.insert(
        {
            PasswordRow.resource_id: Slot("row"),
            PasswordRow.app_id: Slot("app"),
            PasswordRow.hash: Slot("hash"),
            PasswordRow.changed_at: Slot("at"),
        }
    ).on_conflict(
        conflict_target=[PasswordRow.resource_id],
        update={PasswordRow.hash: EXCLUDED.hash, PasswordRow.changed_at: _later},
    )


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
    """Leaves a password alone that was set in the meantime."""
    return PasswordRow.update({PasswordRow.hash: Slot("hash")}).where(
        PasswordRow.resource_id == Slot("row"), PasswordRow.hash == Slot("old")
    )

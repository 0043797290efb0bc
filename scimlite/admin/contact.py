"""When an app's client was first and last accepted."""

from __future__ import annotations

from dataclasses import dataclass

from peewee import fn

from ..apps import App
from ..db import Database
from ..db.tables import JournalRow, TokenRow
from ..journal import Action, activity
from ..journal.origin import Actor


@dataclass(frozen=True, slots=True)
class Contact:
    """When an app's client was first and last accepted, in microseconds since 1970 UTC; None when it never was.

    Writes leave journal entries; reads leave only the time at which a token was last used.
    """

    first: int | None
    last: int | None


def contact(db: Database, app: App) -> Contact:
    """Returns when the app's client was first and last accepted, by the journal and the tokens' last use."""
    accepted = JournalRow.select(JournalRow.at).where(
        JournalRow.request_id.is_null(False),
        JournalRow.action != Action.AUTHENTICATED.value,
        # A refused command has a request id too, with which it is explained.
        JournalRow.actor == Actor.SCIM.value,
    )
    first = db.scalar(accepted.where(JournalRow.app_id == app.id).order_by(JournalRow.at, JournalRow.id).limit(1))
    last = db.scalar(activity.newest_first(accepted, app.id).limit(1))
    used = db.scalar(TokenRow.select(fn.max(TokenRow.last_used_at)).where(TokenRow.app_id == app.id))
    times = [at for at in (first, last, used) if at is not None]
    return Contact(min(times, default=None), max(times, default=None))

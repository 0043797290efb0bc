"""Set-up links: each shows the connection values of one app to somebody who is no operator, for a while."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from functools import partial

from .. import clock, journal
from ..apps import App, by_id
from ..apps.keyring import Keyring
from ..apps.workspace import Workspace
from ..clock import DAY
from ..db import Database
from ..db.operator_tables import InvitationRow
from ..errors import OperatorError
from ..journal import Action, Entry

#: How long a link is good unless it is said, and at most, in microseconds.
LIFE, LONGEST = 7 * DAY, 90 * DAY


class InvitationError(OperatorError):
    """A set-up link cannot be made, or there is none with this number; the text says why."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A set-up link without its text; times are microseconds since 1970 UTC."""

    id: int
    app_id: int
    link_id: str
    #: Fingerprint of the secret key that signed it.
    key_id: str
    #: Who made it, as the journal names them.
    created_by: str
    created_at: int
    expires_at: int
    revoked_at: int | None
    opened_at: int | None

    @property
    def state(self) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "active" if clock.now() < self.expires_at else "expired"


_COLUMNS = (
    InvitationRow.id,
    InvitationRow.app_id,
    InvitationRow.link_id,
    InvitationRow.key_id,
    InvitationRow.created_by,
    InvitationRow.created_at,
    InvitationRow.expires_at,
    InvitationRow.revoked_at,
    InvitationRow.opened_at,
)


def make(workspace: Workspace, keyring: Keyring, *, life: int = LIFE) -> tuple[Invitation, str]:
    """Makes a link to an app, good for so many microseconds; returns it and its text.

    Raises InvitationError for a life that is too long, and for an app that is disabled.
    """
    if not 0 < life <= LONGEST:
        raise InvitationError(f"A set-up link is good for {LONGEST // DAY} days at most.")
    if not workspace.app.enabled:
        raise InvitationError(f"{workspace.app.slug} is disabled, and a link to it shows nothing: enable it first.")
    made = workspace.db.transact(partial(_make, workspace, keyring, life))
    return made, text_of(keyring, made)


def _make(workspace: Workspace, keyring: Keyring, life: int) -> Invitation:
    at = clock.after(workspace.app.created_at)
    link_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
    row = InvitationRow.insert(
        app_id=workspace.app.id,
        link_id=link_id,
        key_id=keyring.newest,
        created_by=workspace.origin.client,
        created_at=at,
        expires_at=at + life,
    )
    workspace.db.execute(row)
    made = next(each for each in every(workspace.db, workspace.app) if each.link_id == link_id)
    journal.record(workspace, [Entry(Action.INVITED, detail=f"set-up link {made.id}")], at=at)
    return made


def every(db: Database, app: App) -> list[Invitation]:
    """Returns the links to an app, the newest first."""
    query = InvitationRow.select(*_COLUMNS).where(InvitationRow.app_id == app.id)
    return [Invitation(*row) for row in db.rows(query.order_by(InvitationRow.id.desc()))]


def get(db: Database, app: App, id: int) -> Invitation:
    """Returns the link to an app with this number. Raises InvitationError when there is none."""
    found = next((each for each in every(db, app) if each.id == id), None)
    if found is None:
        raise InvitationError(f"{app.slug} has no set-up link {id}. List them: scimlite app invite {app.slug} --list")
    return found


def text_of(keyring: Keyring, invitation: Invitation) -> str:
    """Returns the text of a link again. Raises TokenError when the key that signed it is missing."""
    return keyring.sign_link(invitation.link_id, invitation.key_id)


def revoke(workspace: Workspace, invitation: Invitation) -> bool:
    """Ends a link at once; returns False when it was revoked before."""
    return workspace.db.transact(partial(_revoke, workspace, invitation))


def _revoke(workspace: Workspace, invitation: Invitation) -> bool:
    at = clock.after(invitation.created_at)
    row = InvitationRow.update(revoked_at=at).where(
        InvitationRow.id == invitation.id, InvitationRow.revoked_at.is_null()
    )
    if not workspace.db.touch(row):
        return False
    journal.record(workspace, [Entry(Action.INVITATION_REVOKED, detail=f"set-up link {invitation.id}")], at=at)
    return True


# --- for who has the link -----------------------------------------------------------------------------------------


def find(db: Database, link_id: str) -> tuple[Invitation, App] | None:
    """Returns the link with this id and its app; None when it shows nothing: it has ended, or its app is disabled or
    deleted."""
    row = db.row(InvitationRow.select(*_COLUMNS).where(InvitationRow.link_id == link_id))
    invitation = Invitation(*row) if row else None
    if invitation is None or invitation.state != "active":
        return None
    app = by_id(db, invitation.app_id)
    return (invitation, app) if app is not None and app.enabled else None


def note_opening(workspace: Workspace, invitation: Invitation) -> None:
    """Records that a link was opened, once."""
    workspace.db.transact(partial(_note_opening, workspace, invitation))


def _note_opening(workspace: Workspace, invitation: Invitation) -> None:
    at = clock.after(invitation.created_at)
    row = InvitationRow.update(opened_at=at).where(InvitationRow.id == invitation.id, InvitationRow.opened_at.is_null())
    if workspace.db.touch(row):
        journal.record(workspace, [Entry(Action.INVITATION_OPENED, detail=f"set-up link {invitation.id}")], at=at)

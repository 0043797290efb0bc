"""The set-up links of an app: what its Connect page does with them."""

from __future__ import annotations

from flask import Response
from werkzeug.exceptions import NotFound

from ...apps.keyring import TokenError
from ...clock import DAY
from ...operators import invitations
from ...operators.invitations import Invitation, InvitationError
from ...operators.roles import Act
from .app_connect import connect_page
from .routing import Routes
from .texts import _
from .visit import Visit

routes = Routes()


@routes.form("/apps/<slug>/connect/links", Act.INVITE)
def invite(visit: Visit) -> Response:
    """Makes a set-up link and shows it."""
    days = visit.request.form.get("days", "7")
    life = int(days) * DAY if days.isascii() and days.isdigit() and len(days) < 5 else 0
    workspace = visit.desk.workspace(Act.INVITE, visit.app)
    try:
        _, text = invitations.make(workspace, visit.desk.keyring, life=life)
    except InvitationError as error:
        return connect_page(visit, 400, problem=str(error))
    return connect_page(visit, link=visit.setup_url(text))


@routes.form("/apps/<slug>/connect/links/<int:number>/show", Act.INVITE)
def show_invitation(visit: Visit, number: int) -> Response:
    """Shows a set-up link again."""
    invitation = _found(visit, number)
    try:
        text = invitations.text_of(visit.desk.keyring, invitation)
    except TokenError as error:
        return connect_page(visit, 400, problem=str(error))
    return connect_page(visit, link=visit.setup_url(text))


@routes.form("/apps/<slug>/connect/links/<int:number>/revoke", Act.INVITE)
def revoke_invitation(visit: Visit, number: int) -> Response:
    """Ends a set-up link at once."""
    invitation = _found(visit, number)
    invitations.revoke(visit.desk.workspace(Act.INVITE, visit.app), invitation)
    visit.notice(_("The set-up link is revoked."))
    return visit.go("app_connect", slug=visit.app.slug)


def _found(visit: Visit, number: int) -> Invitation:
    """Returns the link to the app with this number. Raises NotFound."""
    try:
        return invitations.get(visit.desk.db, visit.app, number)
    except InvitationError:
        raise NotFound from None

"""The page behind a set-up link: how to connect one app, for somebody who is no operator and sees nothing else."""

from __future__ import annotations

from flask import Response
from werkzeug.exceptions import NotFound

from ...admin import first_steps, tokens
from ...admin.identity_providers import CHOICES, identity_provider
from ...admin.refused_reasons import refused_reasons
from ...apps import App
from ...apps.keyring import TokenError
from ...apps.workspace import Workspace
from ...journal import Actor, Origin, Scope
from ...journal.origin import SETUP_LINKS
from ...operators import attempts, invitations
from ...operators.invitations import Invitation
from ..scim.call import current_call
from .app_connect import chosen
from .endpoint import endpoint
from .routing import Routes
from .visit import Visit

routes = Routes()


@routes.page("/setup/<secret>", act=None)
def setup(visit: Visit, secret: str) -> Response:
    """Shows how to connect the app of a link, once somebody has pressed a button: mail filters only look at links."""
    invitation, app = _invited(visit, secret)
    if invitation.opened_at is None:
        return visit.render("setup_welcome.html", connected=app, invitation=invitation, secret=secret)
    return _page(visit, invitation, app, secret)


@routes.form("/setup/<secret>", act=None)
def open_setup(visit: Visit, secret: str) -> Response:
    """Opens a link, which the journal knows of the first time."""
    invitation, app = _invited(visit, secret)
    invitations.note_opening(_workspace(visit, invitation, app), invitation)
    return visit.go("setup", secret=secret)


@routes.form("/setup/<secret>/token", act=None)
def show_setup_token(visit: Visit, secret: str) -> Response:
    """Shows the page with the token in it, which the journal knows of."""
    invitation, app = _invited(visit, secret)
    token = tokens.of_provider(visit.console.db, app)
    workspace = _workspace(visit, invitation, app)
    try:
        text = tokens.show(workspace, visit.console.keyring, token) if token is not None else None
    except TokenError:
        # The text says which secret key is missing: that is the operator's to know.
        text = None
    invitations.note_opening(workspace, invitation)
    return _page(visit, invitation, app, secret, text, missing=text is None)


@routes.page("/setup/<secret>/arrivals", act=None)
def setup_arrivals(visit: Visit, secret: str) -> Response:
    """The list of what has arrived, which the page fetches again and again."""
    _, app = _invited(visit, secret)
    return visit.render("_arrivals.html", steps=first_steps.first_steps(visit.console.db, app), public=True)


def _invited(visit: Visit, secret: str) -> tuple[Invitation, App]:
    """Returns the link and its app. Raises NotFound for any link that shows nothing, and TooManyAttempts."""
    scope = Scope(visit.console.db, _origin(visit, "?"))
    attempts.check(scope, None)
    link_id = visit.console.keyring.link_id(secret)
    if link_id is None:
        attempts.fail(scope, None, "a set-up link that was not made here")
        raise NotFound
    # One that has ended is no guess: a page that is still open asks for news of it every few seconds.
    found = invitations.find(visit.console.db, link_id)
    if found is None:
        raise NotFound
    return found


def _workspace(visit: Visit, invitation: Invitation, app: App) -> Workspace:
    return Workspace(visit.console.db, _origin(visit, str(invitation.id)), app)


def _origin(visit: Visit, name: str) -> Origin:
    client = f"{SETUP_LINKS}{name}"
    return Origin(client, request_id=current_call().id, actor=Actor.SETUP, address=visit.address)


def _page(
    visit: Visit, invitation: Invitation, app: App, secret: str, text: str | None = None, *, missing: bool = False
) -> Response:
    db = visit.console.db
    return visit.render(
        "setup.html",
        connected=app,
        invitation=invitation,
        secret=secret,
        provider=identity_provider(chosen(visit), app.profile, app.name, app.slug),
        providers=CHOICES,
        endpoint=endpoint(visit, app.slug),
        text=text,
        missing=missing,
        steps=first_steps.first_steps(db, app),
        reasons=refused_reasons(db, app),
        public=True,
    )

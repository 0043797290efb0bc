"""What the identity provider of an app needs: address and token, its steps, and a list of what has arrived."""

from __future__ import annotations

from flask import Response

from ...admin import first_steps, tokens
from ...admin.identity_providers import CHOICES, identity_provider
from ...apps.keyring import TokenError
from ...operators import invitations
from ...operators.roles import Act
from .endpoint import endpoint
from .routing import Routes
from .texts import _
from .visit import Visit

routes = Routes()

_KEYS = dict(CHOICES)
#: Set-up links that the page shows: the newest.
_MOST_LINKS = 20


@routes.page("/apps/<slug>/connect")
def app_connect(visit: Visit) -> Response:
    """Shows how to connect an app; the query names the identity provider."""
    return connect_page(visit)


@routes.form("/apps/<slug>/connect", Act.SHOW_TOKEN)
def show_connection(visit: Visit) -> Response:
    """Shows the same page with the token in it, which the journal knows of."""
    workspace = visit.desk.workspace(Act.SHOW_TOKEN, visit.app)
    token = tokens.of_provider(workspace.db, visit.app)
    if token is None:
        visit.notice(_("There is no token that works: issue one."), "warn")
        return visit.go("app_connect", slug=visit.app.slug, idp=chosen(visit))
    try:
        text = tokens.show(workspace, visit.desk.keyring, token)
    except TokenError as error:
        visit.notice(str(error), "bad")
        return visit.go("app_connect", slug=visit.app.slug, idp=chosen(visit))
    return connect_page(visit, text=text)


@routes.page("/apps/<slug>/connect/arrivals")
def arrivals(visit: Visit) -> Response:
    """The list of what has arrived, which the page fetches again and again."""
    steps = first_steps.first_steps(visit.desk.db, visit.app)
    return visit.render("_arrivals.html", steps=steps, public=False)


def connect_page(
    visit: Visit, status: int = 200, *, text: str | None = None, link: str | None = None, problem: str | None = None
) -> Response:
    """Returns the page, with the text of the token or a set-up link that are to be shown, or what was wrong."""
    app = visit.app
    db = visit.desk.db
    return visit.render(
        "app_connect.html",
        status,
        provider=identity_provider(chosen(visit), app.profile, app.name, app.slug),
        providers=CHOICES,
        endpoint=endpoint(visit, app.slug),
        token=tokens.of_provider(db, app),
        text=text,
        steps=first_steps.first_steps(db, app),
        public=False,
        invitations=invitations.every(db, app)[:_MOST_LINKS],
        link=link,
        problem=problem,
    )


def chosen(visit: Visit) -> str | None:
    """Returns what the address or the form names; None for the identity provider that the app's name suggests."""
    chosen = visit.request.values.get("idp")
    return chosen if chosen in _KEYS else None

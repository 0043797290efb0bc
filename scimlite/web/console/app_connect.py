"""What the identity provider of an app needs: address and token, its steps, and a list of what has arrived."""

from __future__ import annotations

from flask import Response

from ...admin import first_steps, tokens
from ...admin.identity_providers import CHOICES, identity_provider
from ...apps.keyring import TokenError
from ...operators.roles import Act
from .routing import Routes
from .visit import Visit

routes = Routes()

_KEYS = dict(CHOICES)


@routes.page("/apps/<slug>/connect")
def app_connect(visit: Visit) -> Response:
    """Shows how to connect an app; the query names the identity provider."""
    return _page(visit)


@routes.form("/apps/<slug>/connect", Act.SHOW_TOKEN)
def show_connection(visit: Visit) -> Response:
    """Shows the same page with the token in it, which the journal knows of."""
    assert visit.app is not None
    workspace = visit.desk.workspace(Act.SHOW_TOKEN, visit.app)
    token = tokens.of_provider(workspace.db, visit.app)
    if token is None:
        visit.notice("There is no token that works: issue one.", "warn")
        return visit.go("app_connect", slug=visit.app.slug, idp=_chosen(visit))
    try:
        text = tokens.show(workspace, visit.desk.keyring, token)
    except TokenError as error:
        visit.notice(str(error), "bad")
        return visit.go("app_connect", slug=visit.app.slug, idp=_chosen(visit))
    return _page(visit, text)


@routes.page("/apps/<slug>/connect/arrivals")
def arrivals(visit: Visit) -> Response:
    """The list of what has arrived, which the page fetches again and again."""
    assert visit.app is not None
    steps = first_steps.first_steps(visit.desk.db, visit.app)
    return visit.render("_arrivals.html", steps=steps, public=False)


def _page(visit: Visit, text: str | None = None) -> Response:
    app = visit.app
    assert app is not None
    db = visit.desk.db
    return visit.render(
        "app_connect.html",
        provider=identity_provider(_chosen(visit), app.profile, app.name, app.slug),
        providers=CHOICES,
        base_url=visit.scim_url(app.slug),
        token=tokens.of_provider(db, app),
        text=text,
        steps=first_steps.first_steps(db, app),
        public=False,
    )


def _chosen(visit: Visit) -> str | None:
    """The identity provider that the address or the form names; None for the one that the app's name suggests."""
    chosen = visit.request.values.get("idp")
    return chosen if chosen in _KEYS else None

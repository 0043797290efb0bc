"""The webhooks of an app: how each does, a new one, its secret, and the ways to try, to pause and to remove one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response
from werkzeug.exceptions import NotFound

from ... import clock, outbound
from ...admin import webhook_state, webhook_trial, webhooks
from ...apps.workspace import Workspace
from ...errors import OperatorError
from ...events.sending import Service
from ...events.webhooks import Webhook
from ...installation import scim_root
from ...operators.roles import Act
from .routing import Routes
from .visit import Visit

routes = Routes()


@routes.page("/apps/<slug>/webhooks", Act.LOOK)
def app_webhooks(visit: Visit) -> Response:
    """Lists an app's webhooks."""
    return _page(visit)


@routes.form("/apps/<slug>/webhooks", Act.ADD_WEBHOOK)
def add_webhook(visit: Visit) -> Response:
    """Adds a webhook and shows its secret; what is wrong is said at the form."""
    values = visit.request.form
    try:
        made, secret = webhooks.add(
            _workspace(visit, Act.ADD_WEBHOOK),
            visit.desk.keyring,
            values.get("url", "").strip(),
            name=values.get("name", "").strip() or webhooks.DEFAULT_NAME,
            networks=visit.console.settings.outbound_networks,
        )
    except OperatorError as error:
        return _page(visit, 400, problem=str(error), values=values)
    assert secret is not None, "the standard format has one"
    return _page(visit, shown=(made, secret), said="Events come from now on. The receiver needs this secret.")


@routes.form("/apps/<slug>/webhooks/<int:number>/show", Act.SHOW_TOKEN)
def show_webhook_secret(visit: Visit, number: int) -> Response:
    """Shows the secret again, which the journal knows of."""
    webhook = _webhook(visit, number)
    try:
        secret = webhooks.show_secret(_workspace(visit, Act.SHOW_TOKEN), visit.desk.keyring, webhook)
    except OperatorError as error:
        return _said(visit, str(error), "bad")
    return _page(visit, shown=(webhook, secret), said="The report knows that you saw it.")


@routes.form("/apps/<slug>/webhooks/<int:number>/test", Act.EDIT_APP)
def test_webhook(visit: Visit, number: int) -> Response:
    """Sends an event that means nothing, and says what came back."""
    webhook = _webhook(visit, number)
    client = outbound.Client(visit.console.settings.outbound_networks)
    try:
        service = Service(visit.desk.keyring, scim_root(visit.console.settings))
        verdict = webhook_trial.send(_workspace(visit, Act.EDIT_APP), service, client, webhook)
    except OperatorError as error:
        return _said(visit, str(error), "bad")
    finally:
        client.close()
    if verdict.confirmed:
        return _said(visit, f"{webhook.name} answered {verdict.status}: it works.")
    return _said(visit, f"{webhook.name} did not confirm it: {verdict.error}", "bad")


@routes.form("/apps/<slug>/webhooks/<int:number>/pause", Act.EDIT_APP)
def pause_webhook(visit: Visit, number: int) -> Response:
    """Has a webhook get nothing for now."""
    return _done(visit, number, webhooks.pause, "is paused: events wait for it.")


@routes.form("/apps/<slug>/webhooks/<int:number>/resume", Act.EDIT_APP)
def resume_webhook(visit: Visit, number: int) -> Response:
    """Has a webhook go on where it stopped."""
    return _done(visit, number, webhooks.resume, "goes on where it stopped.")


@routes.form("/apps/<slug>/webhooks/<int:number>/remove", Act.EDIT_APP)
def remove_webhook(visit: Visit, number: int) -> Response:
    """Removes a webhook and what waits for it."""
    return _done(visit, number, webhooks.remove, "is removed.")


def _done(visit: Visit, number: int, act: Callable[[Workspace, Webhook], None], said: str) -> Response:
    webhook = _webhook(visit, number)
    act(_workspace(visit, Act.EDIT_APP), webhook)
    return _said(visit, f"{webhook.name} {said}")


def _page(
    visit: Visit,
    status: int = 200,
    *,
    shown: tuple[Webhook, str] | None = None,
    said: str = "",
    problem: str = "",
    values: Any = None,
) -> Response:
    db, now = visit.desk.db, clock.now()
    listed = [(each, each.lag(now)) for each in webhook_state.every(db, [visit.app])]
    return visit.render(
        "app_webhooks.html", status, listed=listed, shown=shown, said=said, problem=problem, values=values or {}
    )


def _said(visit: Visit, text: str, tone: str = "ok") -> Response:
    visit.notice(text, tone)
    return visit.go("app_webhooks", slug=visit.app.slug)


def _workspace(visit: Visit, act: Act) -> Workspace:
    return visit.desk.workspace(act, visit.app)


def _webhook(visit: Visit, number: int) -> Webhook:
    """Returns the app's webhook with this number. Raises NotFound."""
    listed = webhook_state.every(visit.desk.db, [visit.app])
    found = next((each.webhook for each in listed if each.webhook.id == number), None)
    if found is None:
        raise NotFound
    return found

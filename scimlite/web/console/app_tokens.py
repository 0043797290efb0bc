"""The tokens of an app: what there are, a new one, and the ways to replace and to end one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from flask import Response
from werkzeug.exceptions import NotFound

from ... import clock
from ...admin import tokens
from ...admin.tokens import Token
from ...apps.keyring import TokenError
from ...apps.workspace import Workspace
from ...operators.roles import Act
from .endpoint import endpoint
from .routing import Routes
from .texts import _
from .visit import Visit

routes = Routes()

_HOUR = clock.DAY // 24
#: How long a replaced token may go on working, by what the form sends.
_OVERLAPS = {"0": 0, "2h": 2 * _HOUR, "1d": clock.DAY, "7d": 7 * clock.DAY, "30d": 30 * clock.DAY}


@routes.page("/apps/<slug>/tokens", Act.REVOKE_TOKEN)
def app_tokens(visit: Visit) -> Response:
    """Lists an app's tokens."""
    return _page(visit)


@routes.form("/apps/<slug>/tokens", Act.ISSUE_TOKEN)
def issue_token(visit: Visit) -> Response:
    """Makes a token and shows it, once; what is wrong is said at its field."""
    values = visit.request.form
    try:
        ends = _end(values.get("expires", ""))
    except ValueError as error:
        return _page(visit, 400, problems={"expires": str(error)}, values=values)
    label = values.get("label", "").strip() or tokens.DEFAULT_LABEL
    try:
        made, text = tokens.issue(_workspace(visit, Act.ISSUE_TOKEN), visit.desk.keyring, label=label, expires_at=ends)
    except TokenError as error:
        return _page(visit, 400, problems={"label": str(error)}, values=values)
    return _page(visit, shown=(made, text), said=_("This is the new token. The others go on working."))


@routes.form("/apps/<slug>/tokens/<int:number>/show", Act.SHOW_TOKEN)
def show_token(visit: Visit, number: int) -> Response:
    """Shows a token again, which the journal knows of."""
    token = _token(visit, number)
    try:
        text = tokens.show(_workspace(visit, Act.SHOW_TOKEN), visit.desk.keyring, token)
    except TokenError as error:
        return _said(visit, str(error), "bad")
    return _page(visit, shown=(token, text), said=_("The report knows that you saw it."))


@routes.form("/apps/<slug>/tokens/<int:number>/rotate", Act.ISSUE_TOKEN)
def rotate_token(visit: Visit, number: int) -> Response:
    """Replaces a token by a new one, which is shown once; the old one works for a while."""
    token, overlap = _token(visit, number), _OVERLAPS.get(visit.request.form.get("overlap", "7d"))
    if overlap is None:
        return _said(visit, f"The old token can go on for {', '.join(_OVERLAPS)}.", "bad")
    try:
        made, text = tokens.rotate(_workspace(visit, Act.ISSUE_TOKEN), visit.desk.keyring, token, overlap=overlap)
    except TokenError as error:
        return _said(visit, str(error), "bad")
    said = _("This is the new token: paste it into the identity provider.")
    if overlap:
        said = _("This is the new token: paste it into the identity provider. The old one works for a while.")
    return _page(visit, shown=(made, text), said=said)


@routes.form("/apps/<slug>/tokens/<int:number>/revoke", Act.REVOKE_TOKEN)
def revoke_token(visit: Visit, number: int) -> Response:
    """Ends a token at once."""
    token = _token(visit, number)
    tokens.revoke(_workspace(visit, Act.REVOKE_TOKEN), token)
    return _said(visit, _("The token %(label)s is revoked.", label=token.label))


def _page(
    visit: Visit,
    status: int = 200,
    *,
    shown: tuple[Token, str] | None = None,
    said: str = "",
    problems: dict[str, str] | None = None,
    values: Any = None,
) -> Response:
    app, at = visit.app, clock.now()
    db, keyring = visit.desk.db, visit.desk.keyring
    listed = [
        (token, token.state(at), tokens.key_state(token, keyring), tokens.subject_name(db, app, token))
        for token in sorted(tokens.every(db, app), key=lambda token: (token.state(at) != "active", -token.id))
    ]
    return visit.render(
        "app_tokens.html",
        status,
        listed=listed,
        shown=shown,
        said=said,
        problems=problems or {},
        values=values or {},
        endpoint=endpoint(visit, app.slug),
    )


def _said(visit: Visit, text: str, tone: str = "ok") -> Response:
    visit.notice(text, tone)
    return visit.go("app_tokens", slug=visit.app.slug)


def _workspace(visit: Visit, act: Act) -> Workspace:
    return visit.desk.workspace(act, visit.app)


def _token(visit: Visit, number: int) -> Token:
    """Returns the app's token with this number. Raises NotFound."""
    token = tokens.by_id(visit.desk.db, visit.app, number)
    if token is None:
        raise NotFound
    return token


def _end(text: str) -> int | None:
    """Returns when a day of UTC begins; None without a day. Raises ValueError that says what is wrong."""
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("This is not a day: write one such as 2027-01-31.") from None
    at = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
    if at <= clock.now():
        raise ValueError("This day has begun: choose one to come.")
    return at

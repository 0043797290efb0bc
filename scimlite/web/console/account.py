"""The operator's own page: where they are signed in, and their password."""

from __future__ import annotations

from flask import Response

from ...operators import passwords, sessions
from ...operators.accounts import AccountError
from ...operators.roles import Act
from .routing import Routes
from .texts import _
from .visit import Visit

routes = Routes()


@routes.page("/account")
def account(visit: Visit) -> Response:
    """Shows the operator's own account."""
    return _shown(visit)


def _shown(visit: Visit, status: int = 200, problem: str | None = None) -> Response:
    living = sessions.of(visit.desk.db, visit.desk.operator)
    return visit.render(
        "account.html", status, sessions=living, here=visit.session, shortest=passwords.SHORTEST, problem=problem
    )


@routes.form("/account/password", Act.OWN_ACCOUNT)
def set_password(visit: Visit) -> Response:
    """Sets the operator's password."""
    form = visit.request.form
    try:
        if form.get("password") != form.get("again"):
            raise AccountError("The two passwords differ.")
        passwords.change(visit.desk.scope(Act.OWN_ACCOUNT), visit.desk.operator, form.get("password", ""))
    except AccountError as error:
        return _shown(visit, 400, str(error))
    visit.notice(_("Your password is set."))
    return visit.go("account")


@routes.form("/account/no-password", Act.OWN_ACCOUNT)
def remove_password(visit: Visit) -> Response:
    """Takes the operator's password away."""
    passwords.change(visit.desk.scope(Act.OWN_ACCOUNT), visit.desk.operator, None)
    visit.notice(_("You have no password any more."))
    return visit.go("account")


@routes.form("/account/sign-out", Act.LOOK)
def sign_out_elsewhere(visit: Visit) -> Response:
    """Ends the operator's sessions in all other browsers."""
    ended = sessions.end_others(visit.desk.scope(Act.LOOK), visit.session)
    visit.notice(_("You are signed out of %(count)s other browsers.", count=ended))
    return visit.go("account")

"""The page of all operators: who may do what, and the ways to let them in and to keep them out."""

from __future__ import annotations

from flask import Response, url_for

from ...apps import App
from ...errors import OperatorError
from ...operators import accounts, links, sessions
from ...operators.accounts import AccountError, Operator
from ...operators.roles import Act, Role
from .routing import Routes
from .texts import _, later
from .visit import Visit

routes = Routes()
_ACT = Act.MANAGE_OPERATORS


@routes.page("/operators", _ACT)
def operators(visit: Visit) -> Response:
    """Lists the operators."""
    return _listed(visit)


def _listed(visit: Visit, status: int = 200, *, problem: str | None = None, link: str | None = None) -> Response:
    """Returns the list, with what was wrong in the form for a new one, or a link that was just made."""
    db = visit.desk.db
    listed = [(each, len(sessions.of(db, each))) for each in accounts.every(db)]
    values = visit.request.form if problem else {}
    return visit.render(
        "operators.html",
        status,
        listed=listed,
        slugs=_slugs(visit),
        roles=list(Role),
        problem=problem,
        link=link,
        values=values,
    )


@routes.form("/operators", _ACT)
def add_operator(visit: Visit) -> Response:
    """Adds an operator and shows a link by which they sign in."""
    form = visit.request.form
    try:
        made = accounts.add(visit.desk.scope(_ACT), form.get("name", ""), _role(visit), _apps(visit))
    except OperatorError as error:
        return _listed(visit, 400, problem=str(error))
    visit.notice(_("%(name)s is added.", name=made.name))
    return _listed(visit, link=_link(visit, made))


@routes.page("/operators/<int:number>", _ACT)
def operator(visit: Visit, number: int) -> Response:
    """Shows an operator, and where they are signed in."""
    return _shown(visit, _found(visit, number))


def _shown(visit: Visit, shown: Operator, status: int = 200, problem: str | None = None) -> Response:
    return visit.render(
        "operator.html",
        status,
        shown=shown,
        sessions=sessions.of(visit.desk.db, shown),
        slugs=_slugs(visit),
        roles=list(Role),
        problem=problem,
    )


@routes.form("/operators/<int:number>", _ACT)
def edit_operator(visit: Visit, number: int) -> Response:
    """Gives an operator another name, role or other apps."""
    found, form = _found(visit, number), visit.request.form
    apps = _apps(visit)
    try:
        accounts.edit(
            visit.desk.scope(_ACT), found, name=form.get("name"), role=_role(visit), apps=apps, every_app=apps is None
        )
    except OperatorError as error:
        return _shown(visit, found, 400, str(error))
    visit.notice(_("The change holds at once, where they are signed in, too."))
    return visit.go("operator", number=number)


@routes.form("/operators/<int:number>/link", _ACT)
def make_link(visit: Visit, number: int) -> Response:
    """Shows a link that signs an operator in, once."""
    return _listed(visit, link=_link(visit, _found(visit, number)))


@routes.form("/operators/<int:number>/<act>", _ACT)
def act_on_operator(visit: Visit, number: int, act: str) -> Response:
    """Disables, enables, signs out or removes an operator."""
    found, scope = _found(visit, number), visit.desk.scope(_ACT)
    if act in ("disable", "enable"):
        accounts.set_enabled(scope, found, enabled=act == "enable")
        done = {"disable": later("%(name)s is disabled."), "enable": later("%(name)s is enabled.")}
        visit.notice(_(done[act], name=found.name))
    elif act == "sign-out":
        ended = sessions.end_all(scope, found)
        visit.notice(_("%(name)s is signed out of %(count)s browsers.", name=found.name, count=ended))
    elif act == "remove":
        if visit.request.form.get("confirmed") != found.name:
            raise AccountError(f"To remove {found.name}, type the name.")
        accounts.remove(scope, found)
        visit.notice(_("%(name)s is removed. The report keeps what they did.", name=found.name))
        return visit.go("operators")
    else:
        raise AccountError(f"There is no act {act!r}.")
    return visit.go("operator", number=number)


def _slugs(visit: Visit) -> dict[int, str]:
    return {app.id: app.slug for app in visit.desk.apps()}


def _found(visit: Visit, number: int) -> Operator:
    found = accounts.by_id(visit.desk.db, number)
    if found is None:
        raise AccountError("There is no such operator.")
    return found


def _role(visit: Visit) -> Role:
    try:
        return Role.named(visit.request.form.get("role", ""))
    except KeyError:
        raise AccountError(f"Choose a role: {', '.join(Role)}.") from None


def _apps(visit: Visit) -> list[App] | None:
    """The apps that were ticked; None for all."""
    if visit.request.form.get("every_app") == "on":
        return None
    return [visit.desk.app(slug) for slug in visit.request.form.getlist("app")]


def _link(visit: Visit, shown: Operator) -> str:
    secret = links.make(visit.desk.scope(_ACT), shown)
    return f"{visit.url}{url_for('console.link', secret=secret).removeprefix(visit.request.script_root)}"

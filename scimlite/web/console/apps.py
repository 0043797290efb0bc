"""The page of all apps, and the form for a new one."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, url_for

from ...admin import apps as admin
from ...admin import apps_at_a_glance, tokens
from ...admin.identity_providers import CHOICES, identity_provider
from ...errors import OperatorError
from ...operators.roles import Act
from .routing import Routes
from .texts import _
from .visit import Visit

routes = Routes()

#: Apps on a page: each costs some questions to the database.
_SIZE = 25


@dataclass(frozen=True, slots=True)
class _Pages:
    """Where the page is among its neighbours, for the pager."""

    number: int
    size: int
    total: int
    previous_url: str | None
    next_url: str | None


@routes.page("/")
def apps(visit: Visit) -> Response:
    """Lists the apps that the operator sees."""
    wanted = visit.request.args.get("search", "").strip()
    seen = [app for app in visit.desk.apps() if wanted.lower() in f"{app.name} {app.slug}".lower()]
    last = max((len(seen) - 1) // _SIZE + 1, 1)
    asked = visit.request.args.get("page", "1")
    number = min(int(asked), last) if asked.isascii() and asked.isdigit() and len(asked) < 7 and int(asked) else 1
    shown = seen[(number - 1) * _SIZE : number * _SIZE]

    def url(to: int) -> str | None:
        return url_for("console.apps", page=to, search=wanted or None) if 1 <= to <= last else None

    return visit.render(
        "apps.html",
        apps=apps_at_a_glance.glance(visit.desk.db, shown),
        days=apps_at_a_glance.DAYS,
        search=wanted,
        pages=_Pages(number, _SIZE, len(seen), url(number - 1), url(number + 1)),
    )


@routes.page("/apps/new", Act.CREATE_APP)
def new_app(visit: Visit) -> Response:
    """Shows the form for a new app."""
    return visit.render("app_new.html", providers=CHOICES, problems={}, values={})


@routes.form("/apps/new", Act.CREATE_APP)
def create_app(visit: Visit) -> Response:
    """Makes an app with a token, and goes to what its identity provider needs; what is wrong is said at its field."""
    values = visit.request.form
    key = values.get("idp")
    if key not in dict(CHOICES):
        key = "other"
    name, slug = values.get("name", "").strip(), values.get("slug", "").strip() or None
    try:
        made = admin.create(visit.desk.scope(Act.CREATE_APP), name, slug, profile=identity_provider(key).profile)
    except OperatorError as error:
        field = "slug" if slug is not None or (name and not admin.slug_of(name)) else "name"
        problems = {field: str(error)}
        return visit.render("app_new.html", 400, providers=CHOICES, problems=problems, values=values)
    tokens.issue(visit.desk.workspace(Act.CREATE_APP, made), visit.desk.keyring)
    visit.notice(_("%(name)s is added. Now enter its address and token in the identity provider.", name=made.name))
    return visit.go("app_connect", slug=made.slug, idp=key)

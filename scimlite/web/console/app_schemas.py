"""The pages of an app's schemas: what there is, the catalogue, a new declaration, and a removal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response
from werkzeug.exceptions import NotFound

from ...admin import catalog, schema_use, schemas
from ...admin.rehearsal import ConfirmationNeeded, rehearse
from ...apps import AppError
from ...errors import ScimError
from ...operators.roles import Act
from ...scim import core, messages
from ...scim.schema import ResourceType
from .routing import Routes
from .visit import Visit

routes = Routes()


@routes.page("/apps/<slug>/schemas")
def app_schemas(visit: Visit) -> Response:
    """Lists resource types and schemas, and the catalogue."""
    return _page(visit, 200)


@routes.page("/apps/<slug>/schemas/show")
def show_schema(visit: Visit) -> Response:
    """Shows the attributes of the schema or resource type that `name` in the query names."""
    app = visit.app
    try:
        found = schemas.find(app, visit.request.args.get("name", ""))
    except AppError:
        raise NotFound from None
    if isinstance(found, ResourceType):
        listed = [each for each in schemas.every(app) if each.schema in found.schemas]
        declared = found.endpoint not in core.RESOURCE_TYPES
    else:
        listed, declared = [found], found.declared
    holders = {each.schema.id: schema_use.holders(visit.desk.db, app, each) for each in listed if each.declared}
    kind = found if isinstance(found, ResourceType) else None
    name = found.name if isinstance(found, ResourceType) else found.schema.id
    return visit.render(
        "app_schema.html", kind=kind, name=name, listed=listed, declared=declared, holders=holders, most=schema_use.MOST
    )


@routes.page("/apps/<slug>/schemas/compare")
def compare_schema(visit: Visit) -> Response:
    """Compares what the app has of an entry of the catalogue with the entry."""
    try:
        compared = schemas.compare(visit.app, visit.request.args.get("entry", ""))
    except AppError:
        raise NotFound from None
    return visit.render("app_schema_compare.html", compared=compared)


@routes.form("/apps/<slug>/schemas/entry", Act.EDIT_APP)
def add_entry(visit: Visit) -> Response:
    """Declares an entry of the catalogue, or brings it to the present version."""
    scope, slug, name = visit.desk.scope(Act.EDIT_APP), visit.app.slug, visit.request.form.get("entry", "")

    def act(sure: bool) -> list[str]:
        return schemas.add_entry(scope, slug, name, force=sure)

    return _carried_out(visit, act, entry=name)


@routes.form("/apps/<slug>/schemas/declare", Act.EDIT_APP)
def declare_schema(visit: Visit) -> Response:
    """Declares what was pasted or uploaded; what is wrong is said beside it."""
    form, file = visit.request.form, visit.request.files.get("file")
    content = (file.read() if file is not None else b"") or form.get("declaration", "").encode()
    typed = {"text": content.decode(errors="replace"), "to": form.getlist("to"), "required": "required" in form}
    try:
        body = messages.load_json(content)
    except ScimError as error:
        return _page(visit, 400, typed=typed, problem=error.detail.replace("The body", "The declaration", 1))
    scope, slug = visit.desk.scope(Act.EDIT_APP), visit.app.slug

    def act(sure: bool) -> list[str]:
        return schemas.add(scope, slug, body, to=form.getlist("to"), required="required" in form or None, force=sure)

    return _carried_out(visit, act, typed=typed)


@routes.form("/apps/<slug>/schemas/remove", Act.EDIT_APP)
def remove_schema(visit: Visit) -> Response:
    """Says what would go with a declaration, and removes it once its name was typed."""
    form, app, scope = visit.request.form, visit.app, visit.desk.scope(Act.EDIT_APP)
    name, typed = form.get("name", ""), form.get("confirmed")
    try:
        if typed is not None and typed == name:
            visit.notice(" ".join(schemas.remove(scope, app.slug, name, force=True)))
            return visit.go("app_schemas", slug=app.slug)
        lost = ""
        try:
            rehearse(scope, lambda: schemas.remove(scope, app.slug, name))
        except ConfirmationNeeded as error:
            lost = str(error)
    except AppError as error:
        return _page(visit, 400, trouble=str(error))
    status = 200 if typed is None else 400
    return visit.render("app_schema_remove.html", status, name=name, lost=lost, wrong=typed is not None)


def _carried_out(visit: Visit, act: Callable[[bool], list[str]], **typed: Any) -> Response:
    """Carries out a declaration; asks first when values would be lost, and says why it cannot be."""
    sure = "sure" in visit.request.form
    try:
        visit.notice(" ".join(act(sure)))
    except ConfirmationNeeded as error:
        return _page(visit, 400, lost=str(error), **typed)
    except AppError as error:
        return _page(visit, 400, **{"problem" if "typed" in typed else "trouble": str(error)}, **typed)
    return visit.go("app_schemas", slug=visit.app.slug)


def _page(visit: Visit, status: int, **what: Any) -> Response:
    app = visit.app
    listed = schemas.every(app)
    known: dict[str, Any] = {"problem": "", "trouble": "", "lost": "", "entry": "", "typed": {}}
    return visit.render(
        "app_schemas.html",
        status,
        listed=listed,
        holders={each.schema.id: schema_use.holders(visit.desk.db, app, each) for each in listed if each.declared},
        most=schema_use.MOST,
        built_in=core.RESOURCE_TYPES,
        entries=catalog.every(),
        versions=catalog.versions(),
        **{**known, **what},
    )

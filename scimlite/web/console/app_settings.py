"""The settings of an app as a whole: its name, whether it is enabled, its file, and its end."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response

from ...admin import app_file, contents
from ...admin import apps as admin
from ...apps import AppError
from ...operators.roles import Act
from .endpoint import endpoint
from .routing import Routes
from .texts import _
from .visit import Visit

routes = Routes()


@routes.page("/apps/<slug>/settings", Act.EDIT_APP)
def app_settings(visit: Visit) -> Response:
    """Shows the settings of an app."""
    return _page(visit)


@routes.form("/apps/<slug>/settings", Act.EDIT_APP)
def rename_app(visit: Visit) -> Response:
    """Gives an app another name."""
    app = visit.app
    name = visit.request.form.get("name", "")
    try:
        edited = admin.edit(visit.desk.workspace(Act.EDIT_APP, app), app.slug, name=name)
    except AppError as error:
        return _page(visit, 400, problems={"name": str(error)}, values={"name": name})
    called = _("The app is called %(name)s now.", name=edited.name)
    visit.notice(called if edited.name != app.name else _("Nothing changed."))
    return visit.go("app_settings", slug=app.slug)


@routes.form("/apps/<slug>/settings/enable", Act.EDIT_APP)
def enable_app(visit: Visit) -> Response:
    """Lets an app's tokens work again."""
    return _switch(visit, on=True)


@routes.form("/apps/<slug>/settings/disable", Act.EDIT_APP)
def disable_app(visit: Visit) -> Response:
    """Refuses all of an app's tokens."""
    return _switch(visit, on=False)


@routes.form("/apps/<slug>/settings/delete", Act.DELETE_APP)
def delete_app(visit: Visit) -> Response:
    """Removes an app for good, once its slug was typed."""
    app = visit.app
    if visit.request.form.get("confirmed", "") != app.slug:
        said = f"Nothing was deleted: to delete this app, type its slug, {app.slug}."
        return _page(visit, 400, problems={"delete": said})
    deleted = admin.delete(visit.desk.workspace(Act.DELETE_APP, app), app.slug)
    visit.notice(_("%(name)s is deleted, with its people, groups and tokens.", name=deleted.name))
    return visit.go("apps")


@routes.page("/apps/<slug>/settings/file")
def app_as_file(visit: Visit) -> Response:
    """Sends an app as a file: without tokens, as `scimlite app import` reads it."""
    text = orjson.dumps(app_file.export(visit.app), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    headers = {"Content-Disposition": f'attachment; filename="{visit.app.slug}.json"'}
    return Response(text, content_type="application/json", headers=headers)


def _switch(visit: Visit, *, on: bool) -> Response:
    app = visit.app
    admin.set_enabled(visit.desk.workspace(Act.EDIT_APP, app), app.slug, enabled=on)
    enabled = _("%(name)s is enabled: its tokens work again.", name=app.name)
    disabled = _("%(name)s is disabled: its tokens are refused from now on.", name=app.name)
    visit.notice(enabled if on else disabled)
    return visit.go("app_settings", slug=app.slug)


def _page(visit: Visit, status: int = 200, *, problems: dict[str, str] | None = None, values: Any = None) -> Response:
    return visit.render(
        "app_settings.html",
        status,
        heads=contents.heads_of(visit.desk.db, [visit.app.id])[visit.app.id],
        endpoint=endpoint(visit, visit.app.slug),
        problems=problems or {},
        values=values or {"name": visit.app.name},
    )

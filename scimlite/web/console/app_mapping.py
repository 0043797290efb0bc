"""The page of an app's mapping: rows edited in place, what they would do for a person, and what they changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from flask import Response

from ...admin import mapping, mapping_draft
from ...admin.mapping_draft import KINDS, Draft, TypedRow
from ...apps import AppError
from ...apps import mapping as mappings
from ...apps.workspace import Workspace
from ...journal import Scope
from ...operators.roles import Act
from . import mapping_form
from .routing import Routes
from .texts import _
from .visit import Visit

routes = Routes()

#: Stored profiles are counted up to this, so that the page costs the same with 100,000 users.
MOST = 1_000
#: Users and groups that are looked at before a row becomes required: 0.2 s.
_MOST_LOOKED_AT = 5_000


@routes.page("/apps/<slug>/mapping")
def app_mapping(visit: Visit) -> Response:
    """Shows the rows of users and groups."""
    return _page(visit, 200, mapping_draft.of_mapping(mappings.from_json(visit.app.mapping)))


@routes.page("/apps/<slug>/mapping/export")
def export_mapping(visit: Visit) -> Response:
    """Sends the mapping as a file that can be imported."""
    app = visit.app
    content = orjson.dumps(mappings.from_json(app.mapping).as_dict(), option=orjson.OPT_INDENT_2)
    named = {"Content-Disposition": f'attachment; filename="{app.slug}-mapping.json"'}
    return Response(content, content_type="application/json", headers=named)


@routes.form("/apps/<slug>/mapping/draft", Act.EDIT_APP)
def draft_mapping(visit: Visit) -> Response:
    """Shows the rows after an edit, such as `up-user-3`, without saving anything."""
    app, request = visit.app, visit.request
    rows = mapping_form.typed(request.form) or mapping_draft.of_mapping(mappings.from_json(app.mapping))
    edit = request.args.get("edit", "")
    if edit == "import":
        try:
            rows = mapping_draft.from_file(app, mapping_form.read_file(request.files.get("file")))
        except AppError as error:
            return _page(visit, 400, rows, str(error))
    return _page(visit, 200, mapping_form.edited(rows, edit))


@routes.form("/apps/<slug>/mapping/preview", Act.EDIT_APP)
def preview_mapping(visit: Visit) -> Response:
    """Shows what the rows would do for a person, as a part of the page; saves nothing."""
    draft = mapping_draft.read(visit.app, mapping_form.typed(visit.request.form))
    return visit.render("_mapping_preview.html", **_preview(visit, draft))


@routes.form("/apps/<slug>/mapping", Act.EDIT_APP)
def save_mapping(visit: Visit) -> Response:
    """Sets the mapping; a row that cannot be is named beside it, and then nothing is saved."""
    app, form = visit.app, visit.request.form
    rows = mapping_form.typed(form)
    if not rows:
        # Read as a mapping, no rows at all would be the default one.
        now = mapping_draft.of_mapping(mappings.from_json(app.mapping))
        return _page(visit, 400, now, "The form came without rows, so nothing was saved. This is what it is now.")
    draft = mapping_draft.read(app, rows)
    new = draft.mapping
    if new is None:
        return _page(visit, 400, draft.rows, draft.problem)
    version = form.get("version", "")
    try:
        changes = mapping.change(
            visit.desk.scope(Act.EDIT_APP),
            app.slug,
            lambda current: new,
            force="sure" in form,
            version=int(version) if version.isdecimal() and len(version) < 10 else -1,
            most=_MOST_LOOKED_AT,
        )
    except mapping.MissingValuesError as error:
        return _page(visit, 400, draft.rows, str(error), sure=True)
    except AppError as error:
        visit.named_app = visit.desk.app(app.slug)
        return _page(visit, 400, draft.rows, str(error))
    if changes:
        targets = [target.partition(".")[2] or target for target in changes]
        listed = ", ".join([*targets[:10], *(["…"] if len(targets) > 10 else [])])
        visit.notice(_("Saved: %(targets)s. The application gets the new profiles from now on.", targets=listed))
    else:
        visit.notice(_("Nothing is different, so nothing was changed."), "warn")
    return visit.go("app_mapping", slug=app.slug)


@routes.form("/apps/<slug>/mapping/recompute", Act.EDIT_APP)
def recompute_mapping(visit: Visit) -> Response:
    """Makes some of the stored profiles anew, and says how many are left."""
    app = visit.app
    done = mapping.recompute_some(visit.desk.db, app)
    if visit.is_partial:
        stale = mapping.stale(visit.desk.db, app)
        total = visit.request.form.get("total", "")
        all_of_them = int(total) if total.isdecimal() and 0 < len(total) < 10 else 0
        progress = {
            "stale": stale,
            "total": all_of_them or stale + done,
            "most": stale,
            "goes_on": bool(done and stale),
        }
        return visit.render("_mapping_progress.html", **progress)
    count = f"{done:,}"
    visit.notice(_("%(count)s profiles were made anew.", count=count))
    return visit.go("app_mapping", slug=app.slug)


def _page(
    visit: Visit, status: int, rows: Mapping[str, Sequence[TypedRow]], problem: str = "", *, sure: bool = False
) -> Response:
    app = visit.app
    draft = mapping_draft.read(app, rows)
    types = dict(zip(KINDS, mapping.types(app), strict=True))
    form, edit = visit.request.form, visit.request.args.get("edit", "")
    return visit.render(
        "app_mapping.html",
        status,
        problem=problem or draft.problem,
        sure=sure,
        sources={kind: mapping_draft.sources(type_) for kind, type_ in types.items()},
        transforms=mapping_draft.TRANSFORMS,
        first_shown=mapping_form.first_shown(form, edit, draft),
        most_shown=mapping_form.SHOWN,
        carried=mapping_form.carried,
        stale=mapping.stale_up_to(visit.desk.db, app, MOST + 1),
        most=MOST,
        total=0,
        goes_on=False,
        **_preview(visit, draft),
    )


def _preview(visit: Visit, draft: Draft) -> dict[str, Any]:
    """Returns what the part of the page with the preview shows: changes, people to choose from, and the chosen one."""
    form, workspace = visit.request.form, Workspace.of(Scope(visit.desk.db, visit.desk.origin), visit.app)
    text = form.get("q", "").strip()[:200]
    found = mapping_draft.search(workspace, text)
    chosen = mapping_draft.person(workspace, form.get("person", ""))
    if chosen is None or (text and chosen.id not in [each.id for each in found]):
        chosen = found[0] if found else None
    shown = mapping_draft.preview(workspace, chosen, draft.mapping) if chosen and draft.mapping else None
    changes = mapping_draft.changes(workspace.app, draft)
    return {
        "draft": draft,
        "q": text,
        "found": found,
        "chosen": chosen,
        "preview": shown,
        "changes": changes,
        "words": mapping.in_words,
    }

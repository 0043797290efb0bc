"""The page of one group: members searched and paged, groups in it and around it, its story; restored."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for

from ...admin import deleted, member_search, people, person
from ...admin.person import Subject
from ...apps import AppError
from ...operators.roles import Act
from .routing import Routes
from .story import story
from .texts import _
from .visit import Visit

routes = Routes()

#: Members are counted up to this number, and groups listed.
_MOST, _MOST_GROUPS = 5_000, 100
_LONGEST = 500


@routes.page("/apps/<slug>/groups/<id>")
def group(visit: Visit, id: str) -> Response:
    """Shows a group, or what the report still knows of it."""
    return _page(visit, _subject(visit, id))


def _page(visit: Visit, subject: Subject, status: int = 200, problem: str | None = None) -> Response:
    told = story(visit, subject.selection, "group", subject.id)
    return visit.render(
        "group.html",
        400 if told.problems else status,
        subject=subject,
        found=subject.found,
        problem=problem,
        story=told,
        retention=visit.console.settings.retention,
        **_members(visit, subject),
    )


def _members(visit: Visit, subject: Subject) -> dict[str, Any]:
    """Returns the part of the members that the address asks for, with the groups around."""
    found, db = subject.found, visit.desk.db
    if found is None:
        return {"part": None}
    text = visit.request.args.get("q", "").strip()[:_LONGEST]
    after = visit.request.args.get("after") or None
    part = member_search.part(db, found, text or None, after)
    values: dict[str, Any] = {"slug": found.app.slug, "id": found.id, **({"q": text} if text else {})}
    return {
        "part": part,
        "text": text,
        "count": member_search.counts(db, [found], _MOST + 1)[found.row],
        "most": _MOST,
        "inner": member_search.groups_in(db, found, _MOST_GROUPS),
        "outer": people.groups_of(db, found)[:_MOST_GROUPS],
        "next_url": url_for("console.group", **values, after=part.after) if part.after else None,
        "first_url": url_for("console.group", **values) if after else None,
    }


@routes.form("/apps/<slug>/groups/<id>/restore", Act.RESTORE)
def restore_group(visit: Visit, id: str) -> Response:
    """Restores a deleted group with those of its members that still exist."""
    subject, app = _subject(visit, id), visit.app
    try:
        result = deleted.restore(visit.desk.workspace(Act.RESTORE, app), app.resource_types["Groups"], subject.id)
    except AppError as error:
        return _page(visit, subject, 409, str(error))
    visit.notice(_("The group is restored with %(what)s.", what=result))
    return visit.go("group", slug=app.slug, id=subject.id)


def _subject(visit: Visit, id: str) -> Subject:
    subject = person.group(visit.desk.db, visit.app, id) if len(id) <= 100 else None
    if subject is None:
        raise AppError("There is no such group in this app, and there never was.")
    return subject

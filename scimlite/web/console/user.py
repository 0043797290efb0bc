"""The page of one person: profile and attributes, groups, the story of their life; restored, exported, erased."""

from __future__ import annotations

import json

from flask import Response

from ...admin import attributes, deleted, erasure, export_person, people, person
from ...admin.person import Subject
from ...apps import AppError
from ...operators.roles import Act
from ...scim import core
from ...visible_text import visible, visible_json
from .routing import Routes
from .story import story
from .texts import _
from .visit import Visit

routes = Routes()

#: Groups that are listed.
_MOST_GROUPS = 200
#: Characters of a name that is typed to confirm; instead of a longer one the id is.
_LONGEST_TYPED = 60


@routes.page("/apps/<slug>/users/<id>")
def user(visit: Visit, id: str) -> Response:
    """Shows a person, or what the report still knows of them."""
    return _page(visit, _subject(visit, id))


def _page(visit: Visit, subject: Subject, status: int = 200, **context: object) -> Response:
    found, db = subject.found, visit.desk.db
    groups = people.groups_of(db, found) if found else []
    profile = person.profile(visit.desk.workspace(Act.LOOK, subject.app), found) if found else None
    told = story(visit, subject.selection, "user", subject.id)
    shown = {
        "problem": None,
        "holder": None,
        "erase_problem": None,
        **context,
        "subject": subject,
        "found": found,
        "groups": groups[:_MOST_GROUPS],
        "more_groups": max(len(groups) - _MOST_GROUPS, 0),
        "profile": list(attributes.flat({name: _shown(value) for name, value in profile.items()})) if profile else [],
        "attributes": list(attributes.flat(found.attributes)) if found else [],
        "document": _document(found.attributes) if found else None,
        "as_json": visit.request.args.get("tab") == "json" and found is not None,
        "story": told,
        "typed": _to_type(subject),
        "may_go_at": _may_go_at(visit, subject),
    }
    return visit.render("user.html", 400 if told.problems else status, **shown)


@routes.form("/apps/<slug>/users/<id>/restore", Act.RESTORE)
def restore_user(visit: Visit, id: str) -> Response:
    """Restores a deleted person; who has the name by now is said, and linked."""
    subject, app = _subject(visit, id), visit.app
    try:
        result = deleted.restore(visit.desk.workspace(Act.RESTORE, app), app.resource_types["Users"], subject.id)
    except AppError as error:
        living = people.find(visit.desk.db, core.USER, [app], subject.name)
        holder = next((each for each in living if each.deleted_at is None and each.id != subject.id), None)
        return _page(visit, subject, 409, problem=str(error), holder=holder)
    visit.notice(_("%(name)s is restored: %(what)s.", name=_short(subject), what=result))
    return visit.go("user", slug=app.slug, id=subject.id)


@routes.form("/apps/<slug>/users/<id>/erase", Act.ERASE)
def erase_user(visit: Visit, id: str) -> Response:
    """Erases a person for good, once their name was typed."""
    subject, app = _subject(visit, id), visit.app
    if visit.request.form.get("confirmed") not in (_to_type(subject), subject.name):
        return _page(visit, subject, 400, erase_problem=f"To erase this person, type {_to_type(subject)}.")
    erasure.erase(visit.desk.workspace(Act.ERASE, app), subject.id, subject.name)
    visit.notice(_("The person is erased. What was done and when stays, under the id alone."))
    return visit.go("user", slug=app.slug, id=subject.id)


@routes.form("/apps/<slug>/users/<id>/export", Act.EXPORT_PERSON)
def export_user(visit: Visit, id: str) -> Response:
    """Sends all that is kept about a person as a JSON file; the report notes it."""
    subject = _subject(visit, id)
    pieces = export_person.export(visit.desk.workspace(Act.EXPORT_PERSON, subject.app), subject)
    headers = {"Content-Disposition": f'attachment; filename="{subject.id}.json"'}
    return Response(pieces, headers=headers, content_type="application/json; charset=utf-8")


def _subject(visit: Visit, id: str) -> Subject:
    subject = person.user(visit.desk.db, visit.app, id) if len(id) <= 100 else None
    if subject is None:
        raise AppError("There is no such person in this app, and there never was.")
    return subject


def _to_type(subject: Subject) -> str:
    """Returns what is typed to confirm: the name as it is shown, or the id where nobody would type the name."""
    name = visible(subject.name)
    return name if len(name) <= _LONGEST_TYPED else subject.id


def _short(subject: Subject) -> str:
    return subject.name if len(subject.name) <= _LONGEST_TYPED else f"{subject.name[:_LONGEST_TYPED]}…"


def _shown(value: object) -> object:
    return "" if value is None else value


def _document(shown: dict[str, object]) -> str:
    return visible_json(json.dumps(shown, ensure_ascii=False, indent=2))


def _may_go_at(visit: Visit, subject: Subject) -> int | None:
    """Returns from when a purge may remove a deleted person; None for one who is not purged."""
    found = subject.found
    if found is None or found.deleted_at is None or found.is_kept:
        return None
    return found.deleted_at + visit.console.settings.retention

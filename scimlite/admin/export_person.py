"""Exports all that is kept about one person as a file: attributes, profile, groups and the entries of the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .. import clock, journal
from ..apps.workspace import Workspace
from ..clock import iso_time
from ..journal import Action, Entry, report
from ..visible_text import visible_json
from . import entry_data, facts, people
from .person import Subject, profile


def export(workspace: Workspace, subject: Subject) -> Iterator[str]:
    """Returns the pieces of a JSON document about a user of the workspace's app, and records that it was exported.

    Secret attributes and passwords are left out. What other users say of the person, such as a manager's name, is not
    in it. Somebody who is not stored any more has entries only.
    """
    head = {"exported_at": iso_time(clock.now()), **_stored(workspace, subject)}
    entry = Entry(Action.EXPORTED, user=(subject.id, subject.name if subject.found else None))
    workspace.db.transact(lambda: journal.record(workspace, [entry]))
    return _pieces(workspace, subject, head)


def _stored(workspace: Workspace, subject: Subject) -> dict[str, Any]:
    found = subject.found
    if found is None:
        return {"app": subject.app.slug, "id": subject.id, "state": subject.state}
    groups = [
        {"id": link.id, "display_name": link.name, "membership": link.kind}
        for link in people.groups_of(workspace.db, found)
    ]
    return {
        **{key: value(found) for key, value in facts.USER.items()},
        "deleted_at": iso_time(found.deleted_at),
        "version": found.version,
        "attributes": found.attributes,
        "profile": profile(workspace, found),
        "groups": groups,
    }


def _pieces(workspace: Workspace, subject: Subject, head: dict[str, Any]) -> Iterator[str]:
    """Yields the document; the entries of a long life are not all in memory."""
    yield _text(head)[:-1] + ', "entries": ['
    comma = "\n"
    for entry in report.iterate(workspace.db, subject.selection):
        yield comma + _text({key: value(entry) for key, value in entry_data.VALUES.items()})
        comma = ",\n"
    yield "\n]}\n"


def _text(data: dict[str, Any]) -> str:
    return visible_json(json.dumps(data, ensure_ascii=False))

"""Entries of the report as rows of a table, with the ways to the pages of what they are about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...admin.wording import actor_of, headline_of, operator_of, subject_of
from ...apps import App
from ...journal.report import Record
from ...visible_text import visible
from .navigation import way
from .visit import Visit

#: Changes of an entry that a row shows, and where there are few rows.
_MOST_CHANGES, _MOST_OF_ALL = 4, 100


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as the table shows it; a URL is None where no page is."""

    entry: Record
    who: str
    headline: str
    #: The reason of a refusal, where the headline has only its beginning.
    reason: str
    changes: dict[str, list[Any]]
    #: How many changes are not shown here.
    further: int
    actor: str
    operator: str
    person_url: str | None
    group_url: str | None
    app_url: str | None
    request_url: str | None


def rows_of(visit: Visit, records: Iterable[Record], *, whole: bool = False) -> list[Row]:
    """Returns the rows of entries that the operator may see; `whole` ones have up to a hundred changes."""
    apps = {app.id: app for app in visit.desk.apps()}
    most = _MOST_OF_ALL if whole else _MOST_CHANGES
    return [_row(record, apps.get(record.app_id or 0), most) for record in records]


def _row(record: Record, app: App | None, most: int) -> Row:
    changes = dict(list(record.changes.items())[:most])
    slug = app.slug if app is not None else None
    headline = headline_of(record)
    reason = visible(record.detail or "")
    return Row(
        record,
        subject_of(record),
        headline,
        "" if reason in headline else reason,
        changes,
        len(record.changes) - len(changes),
        actor_of(record),
        operator_of(record),
        way("user", slug=slug, id=record.user_id) if slug and record.user_id else None,
        way("group", slug=slug, id=record.group_id) if slug and record.group_id else None,
        way("app_overview", slug=slug) if slug else None,
        way("explain", request_id=record.request_id) if record.request_id else None,
    )

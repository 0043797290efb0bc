"""The story of a person or a group on their page: entries of the report as sentences, newest first, in a timespan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from flask import url_for

from ...admin.wording import actor_of, sentence_about
from ...clock import DAY
from ...journal import Outcome, paging
from ...journal.paging import Place
from ...journal.report import Record
from ...journal.selection import Selection
from .visit import Visit

#: Entries on a page.
_SIZE = 20


@dataclass(frozen=True, slots=True)
class Chapter:
    """One entry: what happened as a sentence, and by whom."""

    entry: Record
    sentence: str
    actor: str
    is_refused: bool


@dataclass(frozen=True, slots=True)
class Story:
    """A page of a story, with the days between which it is told and what is wrong with one of them."""

    chapters: list[Chapter]
    since: str
    until: str
    problems: dict[str, str]
    older_url: str | None
    newest_url: str | None


def story(visit: Visit, selection: Selection, endpoint: str, id: str) -> Story:
    """Returns the page of a story that the address asks for."""
    asked = {key: visit.request.args.get(key, "").strip() for key in ("since", "until")}
    days = {key: _day(text) for key, text in asked.items()}
    problems = {key: "A day such as 2026-11-27." for key, text in asked.items() if text and days[key] is None}
    slug = visit.named_app.slug if visit.named_app else ""
    values: dict[str, Any] = {"slug": slug, "id": id, **{key: text for key, text in asked.items() if text}}
    if problems:
        return Story([], asked["since"], asked["until"], problems, None, None)
    until = days["until"]
    wanted = replace(selection, since=days["since"], until=None if until is None else until + DAY)
    before = Place.of(visit.request.args.get("before", ""))
    page = paging.page(visit.desk.db, wanted, _SIZE, before=before)
    older = url_for(f"console.{endpoint}", **values, before=str(page.older)) if page.older else None
    newest = url_for(f"console.{endpoint}", **values) if before else None
    chapters = [
        Chapter(each, sentence_about(each), actor_of(each), each.outcome != Outcome.OK) for each in page.records
    ]
    return Story(chapters, asked["since"], asked["until"], {}, older, newest)


def _day(text: str) -> int | None:
    """Returns when a day begins in UTC, in microseconds; None for no day."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return round(moment.timestamp()) * 1_000_000

"""The provisioning report: who was created, changed, refused, when, by which client; searched, followed, downloaded."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for

from ...admin import report_search, reporting
from ...admin.report_search import CUSTOM, TIMES, TODAY, Reading, Search
from ...journal import Action, Actor, Outcome, paging
from ...journal.paging import Page, Place
from .entry_rows import rows_of
from .routing import Routes
from .texts import _, later
from .visit import Visit

routes = Routes()

#: Entries on a page, and apps that are suggested.
_SIZE, _MOST_SUGGESTED = 50, 200


@routes.page("/report")
def report(visit: Visit) -> Response:
    """Shows a page of the report for the search in the address."""
    search, reading = asked(visit)
    context = {} if reading.problems else _found(visit, search, reading)
    seen = visit.desk.apps()
    return visit.render(
        "report.html",
        400 if reading.problems else 200,
        search=search,
        problems=reading.problems,
        names=sorted({text for app in seen[:_MOST_SUGGESTED] for text in (app.name, app.slug)}),
        choices=_choices(),
        **context,
    )


@routes.page("/report/rows")
def report_rows(visit: Visit) -> Response:
    """Shows the newest entries alone, for a page that follows them."""
    search, reading = asked(visit)
    if reading.problems:
        return report(visit)
    return visit.render("_report_rows.html", search=search, **_found(visit, search, reading))


# --- what the pages show ------------------------------------------------------------------------------------------


def asked(visit: Visit) -> tuple[Search, Reading]:
    """Returns the search in the address, and how it was understood for this operator."""
    search = Search.of(visit.request.args)
    return search, report_search.read(visit.desk.db, search, visit.desk.operator.apps)


def _found(visit: Visit, search: Search, reading: Reading) -> dict[str, Any]:
    """The entries of the page, and the ways from there."""
    before, after = (Place.of(visit.request.args.get(name, "")) for name in ("before", "after"))
    found = paging.page(visit.desk.db, reading.selection, _SIZE, before=before, after=after)
    values: dict[str, Any] = search.values()
    following = "follow" in visit.request.args and found.newer is None
    return {
        "rows": rows_of(visit, found.records),
        "page": found,
        "newest_url": url_for("console.report", **values) if found.newer else None,
        "newer_url": url_for("console.report", **values, after=str(found.newer)) if found.newer else None,
        "older_url": url_for("console.report", **values, before=str(found.older)) if found.older else None,
        "following": following,
        "follow_url": None if found.newer else url_for("console.report", **values, follow="1"),
        "rows_url": url_for("console.report_rows", **values),
        "nothing": _nothing(visit, search, found),
    }


def _nothing(visit: Visit, search: Search, found: Page) -> str | None:
    """Why there are no entries: `nobody`, `time`, `search` or `yet`; None when there may be some."""
    if found.records or found.older or found.newer:
        return None
    if search.user and not reporting.ever_seen(visit.desk.db, search.user, visit.desk.operator.apps):
        return "nobody"
    if search.time:
        return "time"
    return "search" if search.values() else "yet"


def _choices() -> dict[str, list[tuple[str, str]]]:
    """The values and texts to choose from, by field."""
    return {
        "time": [("", _("All time")), *((time, _(text)) for time, text in _TIMES), (CUSTOM, _("From and to …"))],
        "outcome": [("", _("All")), *((str(each), _(str(each))) for each in Outcome)],
        "action": [("", _("All")), *((str(each), _(str(each).replace("_", " "))) for each in Action)],
        "actor": [("", _("All")), *((str(each), _(each.words)) for each in Actor)],
    }


_WORDS_OF_TIME = {
    "1h": later("Last hour"),
    "24h": later("Last 24 hours"),
    "7d": later("Last 7 days"),
    "30d": later("Last 30 days"),
}
_TIMES = [(TODAY, later("Today")), *((name, _WORDS_OF_TIME[name]) for name in TIMES)]

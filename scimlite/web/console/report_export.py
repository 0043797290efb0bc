"""The report as a chart, and as a file."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response

from ...admin import entry_data, reporting
from ...admin.reporting import TooLargeError
from ...journal import Outcome, histogram
from ...journal import report as journal_report
from .report import asked, report
from .routing import Routes
from .visit import Visit

routes = Routes()

_FORMATS = {
    "csv": ("text/csv; charset=utf-8", entry_data.csv_pieces),
    "json": ("application/x-ndjson", entry_data.json_pieces),
}
_TONES = {Outcome.OK: "ok", Outcome.REFUSED: "warn", Outcome.FAILED: "bad"}


@routes.page("/report/chart")
def report_chart(visit: Visit) -> Response:
    """Shows the search counted by time and outcome; alone when the page asks for it, else as a page."""
    search, reading = asked(visit)
    if reading.problems:
        return report(visit)
    found = histogram.count_by_time(visit.desk.db, reading.selection)
    data = None
    if found is not None:
        data = {
            "kind": "bars",
            "x": [begin // 1_000_000 for begin in found.begins],
            "series": [{"name": str(each), "values": found.counts[each], "tone": _TONES[each]} for each in Outcome],
        }
    template = "_report_chart.html" if visit.is_partial else "report_chart.html"
    return visit.render(template, data=data, since=found and found.since, search=search)


@routes.page("/report/download")
def report_download(visit: Visit) -> Response:
    """Sends the whole search as CSV, or as JSON with one object a line, oldest entry first, as the command does."""
    search, reading = asked(visit)
    form = visit.request.args.get("format", "csv")
    if reading.problems or form not in _FORMATS:
        return report(visit)
    try:
        reporting.check_size(visit.desk.db, reading.selection)
    except TooLargeError as error:
        return visit.render("report_too_large.html", 413, text=str(error), search=search, form=form)
    media_type, pieces = _FORMATS[form]
    response = Response(pieces(journal_report.iterate(visit.desk.db, reading.selection)), content_type=media_type)
    name = f"scimlite-report-{datetime.now(UTC):%Y-%m-%d}.{form}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response

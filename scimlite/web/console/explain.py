"""A request explained: what came, why it was refused, and the setting that would have it accepted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Response

from ...admin import explain as explaining
from ...admin.explain import Explanation, RefusedRequest, UnknownRequestError
from ...admin.wording import operator_of, wording_of_remedy
from ...clock import iso_time
from ...errors import Remedy
from ...operators.roles import Act
from ...visible_text import visible_lines
from .entry_rows import Row, rows_of
from .navigation import way
from .routing import Routes
from .visit import Visit

routes = Routes()

#: Characters of a body on a page, requests of one id of the client's own, and entries of one request, such as a bulk.
_LONGEST_BODY, _MOST_REQUESTS, _MOST_ENTRIES = 20_000, 20, 50


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused request as the page shows it; `body` is None where the role may not see it, or where none is kept."""

    request: RefusedRequest
    path: str
    body: str | None
    remedy: str | None
    #: Buttons to the settings that help: text and URL.
    buttons: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Shown:
    """One request as the page shows it."""

    explanation: Explanation
    refused: list[Refused]
    entries: list[Row]
    neighbours: list[Row]
    operator: str
    #: Lines for a ticket at the client's side: ids, times and the answer, nothing of what was sent.
    ticket: str


@routes.page("/requests")
def requests(visit: Visit) -> Response:
    """Shows the form for an id, and the request with the id in the address."""
    asked = visit.request.args.get("id", "").strip()
    return explain(visit, asked) if asked else visit.render("explain.html", asked="", shown=[], problem=None)


@routes.page("/requests/<request_id>")
def explain(visit: Visit, request_id: str) -> Response:
    """Explains the request with this id, or the requests with this id of the client's own."""
    try:
        found = explaining.explain(visit.desk.db, request_id, visit.desk.operator.apps, whole_journal=False)
    except UnknownRequestError as error:
        return visit.render("explain.html", 404, asked=request_id, shown=[], problem=str(error))
    shown = [_shown(visit, each) for each in found[:_MOST_REQUESTS]]
    return visit.render("explain.html", asked=request_id, shown=shown, problem=None)


def _shown(visit: Visit, explanation: Explanation) -> Shown:
    first = explanation.first
    near = explaining.neighbours(visit.desk.db, explanation, visit.desk.operator.apps)
    return Shown(
        explanation,
        [_refused(visit, each) for each in explanation.refused],
        rows_of(visit, explanation.entries[:_MOST_ENTRIES], whole=True),
        rows_of(visit, near),
        operator_of(first) if first else "",
        _ticket(explanation),
    )


def _refused(visit: Visit, refused: RefusedRequest) -> Refused:
    may_see = visit.desk.may(Act.SEE_REQUESTS)
    body = None
    if may_see and refused.body is not None:
        text = refused.body if isinstance(refused.body, str) else json.dumps(refused.body, ensure_ascii=False, indent=2)
        body = visible_lines(text[:_LONGEST_BODY]) + ("\n…" if len(text) > _LONGEST_BODY else "")
    # The query of a search is what was sent as well.
    path = refused.path if may_see else refused.path.split("?")[0]
    return Refused(refused, path, body, wording_of_remedy(refused.remedy), _buttons(visit, refused.remedy))


def _buttons(visit: Visit, remedy: Remedy | str | None) -> list[tuple[str, str]]:
    """The ways to the pages on which a remedy is done; none for an app that is gone, and for what no page does."""
    if not isinstance(remedy, Remedy) or remedy.app not in [app.slug for app in visit.desk.apps()]:
        return []
    slug: Any = remedy.app
    ways: list[tuple[str, str | None]] = []
    if remedy.feature is not None:
        text = f"Set the feature {remedy.feature} to {remedy.value}"
        ways.append((text, way("app_features", slug=slug, _anchor=f"field-{remedy.feature}")))
    if remedy.declare:
        ways.append(("Declare the attribute", way("app_schemas", slug=slug)))
    if remedy.optional_target is not None:
        ways.append((f"Make {remedy.optional_target} optional in the mapping", way("app_mapping", slug=slug)))
    if remedy.release:
        ways.append(("To the brake", way("app_overview", slug=slug)))
    return [(text, url) for text, url in ways if url is not None]


def _ticket(explanation: Explanation) -> str:
    first = explanation.first
    lines = [f"Request: {explanation.request_id}"]
    if first is not None:
        lines += [f"Time: {iso_time(first.at)}", f"App: {first.app or '-'}"]
        lines += [f"Your request id: {first.client_request_id}"] if first.client_request_id else []
    for refused in explanation.refused:
        answer = " ".join(filter(None, [str(refused.status or ""), refused.scim_type]))
        lines += [f"{refused.method} {refused.path.split('?')[0]}", f"Answer: {answer}", f"Rule: {refused.rule}"]
    return visible_lines("\n".join(lines))

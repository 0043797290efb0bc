"""The filters of the pages of users and groups, as the address has them, and what they choose."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Response, url_for

from ...admin import browsing, tabular
from ...admin.browsing import Choice, Part, State
from ...admin.people import Found
from ...apps import App, AppError
from ...scim.schema import ResourceType
from .visit import Visit

#: Characters of a text to search for; a longer one is in no name.
_LONGEST = 500
#: People are counted up to this number.
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Filters:
    """What the fields above a list hold: the values of the address, without empty ones, and what they choose."""

    values: dict[str, str]
    apps: Sequence[App]
    choice: Choice
    #: What is wrong with a field, by its name.
    problems: dict[str, str]

    @property
    def app_options(self) -> list[tuple[str, str]]:
        """The apps to choose from: value and text."""
        return [(app.slug, app.name) for app in self.apps]

    @property
    def command(self) -> str:
        """The command that lists the same."""
        noun = self.choice.resource_type.name.lower()
        parts = ["scimlite", noun, "list"]
        parts += [f"--app {self.values['app']}"] if "app" in self.values else []
        parts += [f"--search {shlex.quote(self.values['q'])}"] if "q" in self.values else []
        return " ".join([*parts, *([f"--{self.choice.state}"] if self.choice.state else [])])


def filters(visit: Visit, resource_type: ResourceType, states: Iterable[State]) -> Filters:
    """Reads the filters of the address; a wrong one is a problem and chooses nothing."""
    asked = visit.request.args
    values = {key: asked[key].strip() for key in ("q", "app", "state") if asked.get(key, "").strip()}
    apps = visit.desk.apps()
    problems = {}
    chosen = apps
    if "app" in values:
        chosen = [app for app in apps if app.slug == values["app"]]
        if not chosen:
            problems["app"] = "There is no such app."
    state = None
    if "state" in values:
        state = next((each for each in states if each == values["state"]), None)
        if state is None:
            problems["state"] = "There is no such state."
    if len(values.get("q", "")) > _LONGEST:
        problems["q"] = f"At most {_LONGEST} characters."
    choice = Choice(resource_type, [] if problems else chosen, values.get("q"), state)
    return Filters(values, apps, choice, problems)


def shown(visit: Visit, template: str, endpoint: str, found: Filters, **context: Any) -> Response:
    """Returns the page of a list: a part of what is chosen, and the way to the next part."""
    after = visit.request.args.get("after") or None
    values: dict[str, Any] = dict(found.values)
    part = Part([], None, False) if found.problems else browsing.part(visit.desk.db, found.choice, after)
    total = None
    if found.choice.text is None and after is None and not found.problems:
        total = browsing.count(visit.desk.db, found.choice, MOST + 1)
    return visit.render(
        template,
        400 if found.problems else 200,
        filters=found,
        part=part,
        total=total,
        most=MOST,
        next_url=url_for(f"console.{endpoint}", **values, after=part.after) if part.after else None,
        first_url=url_for(f"console.{endpoint}", **values) if after else None,
        **context,
    )


def download(visit: Visit, noun: str, found: Filters, facts: dict[str, Callable[[Found], Any]], form: str) -> Response:
    """Returns all that is chosen as a file, which is sent while it is read. Raises AppError for a wrong filter."""
    if found.problems:
        raise AppError(" ".join(found.problems.values()))
    everything = browsing.walk(visit.desk.db, found.choice)
    rows: Iterator[dict[str, Any]] = ({key: fact(each) for key, fact in facts.items()} for each in everything)
    if form == "csv":
        pieces, kind = tabular.csv_pieces(list(facts), (list(row.values()) for row in rows)), "text/csv"
    else:
        pieces, kind = tabular.json_pieces(rows), "application/x-ndjson"
    name = f"scimlite-{noun}-{datetime.now(UTC):%Y-%m-%d}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(pieces, headers=headers, content_type=f"{kind}; charset=utf-8")

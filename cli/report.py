"""`scimlite report`: what was provisioned, refused or failed, when, and by whom."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from scimlite import clock
from scimlite.admin import apps
from scimlite.apps import App, AppError
from scimlite.db import Database
from scimlite.directory import brakes
from scimlite.directory.brakes import Brake
from scimlite.errors import Unavailable
from scimlite.journal import Action, Outcome
from scimlite.journal import report as journal_report
from scimlite.journal.report import Record
from scimlite.journal.selection import Selection
from scimlite.journal.summary import summarize

from .context import Context
from .installation import with_installation
from .moments import MOMENT
from .output import iso_time, json_option, local_time, print_csv, print_json_lines, visible, width
from .summary import print_summary
from .wording import what, who

if TYPE_CHECKING:
    from rich.text import Text

#: Entries in the table unless asked for otherwise.
_TABLE_LIMIT = 50
#: Seconds between two looks while following.
_PAUSE = 0.5
#: A transaction becomes visible when it ends, under a time and an id taken before that: while following, entries of
#: this long ago are looked through again each time (microseconds).
_WINDOW = 5 * 60 * 1_000_000
#: Columns from which the action has one of its own.
_WIDE = 120
_FIELDS = (
    "id",
    "at",
    "app",
    "app_name",
    "action",
    "outcome",
    "user",
    "user_id",
    "group",
    "group_id",
    "changes",
    "client",
    "token",
    "request_id",
    "client_request_id",
    "status",
    "detail",
)


@click.command()
@click.option("--user", metavar="WHO", help="About one person: id, externalId, or any userName they ever had.")
@click.option("--app", metavar="APP", help="In one app: slug or name, also of a deleted one.")
@click.option("--since", type=MOMENT, metavar="TIME", help="Not before: 2h, 7d, yesterday, 2026-11-01T08:00 (local).")
@click.option("--until", type=MOMENT, metavar="TIME", help="Before this time, written like --since.")
@click.option(
    "--action",
    type=click.Choice([str(each) for each in Action]),
    metavar="ACTION",
    help="What was done or tried: created, member_added, …; a wrong one is answered with all.",
)
@click.option("--outcome", type=click.Choice([str(each) for each in Outcome]), help="How it ended.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"The newest N entries; {_TABLE_LIMIT} in the table unless given, all with --json and --csv.",
)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new entries as they come, until Ctrl-C.")
@click.option("--summary", is_flag=True, help="Count instead: by action and outcome, by reason of refusal.")
@with_installation
def report(
    context: Context,
    user: str | None,
    app: str | None,
    since: int | None,
    until: int | None,
    action: str | None,
    outcome: str | None,
    limit: int | None,
    as_json: bool,
    as_csv: bool,
    follow: bool,
    summary: bool,
) -> None:
    """Show what was provisioned, refused or failed, when, and by whom; the newest entry is the last.

    A person is found by every userName they ever had, also after they or the app were deleted. --follow begins
    with what --since or --limit select, and with nothing when neither is given. --json prints one object a line.

    \b
    Example: scimlite report --user alice@example.com --since 7d
             scimlite report --app entra-id --outcome refused
             scimlite report --summary --app entra-id --since 7d
             scimlite report --json --since 2026-11-01 --until 2026-12-01
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other: choose one.")
    if follow and until is not None:
        raise click.UsageError("--follow goes on for ever: leave out --until.")
    if summary and (follow or limit is not None):
        raise click.UsageError("--summary counts everything: leave out --follow and --limit.")
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since is not before --until, so nothing can be in between.")
    db = context.db
    selection = Selection(
        user=user,
        app_ids=None if app is None else _app_ids(db, app),
        since=since,
        until=until,
        action=action,
        outcome=outcome,
    )
    if summary:
        counted = summarize(db, selection)
        print_summary(counted, _brakes(db, selection), nothing=_nothing(db, selection), as_json=as_json, as_csv=as_csv)
    elif follow:
        with_past = limit is not None or since is not None
        _say_followed(_followed(db, selection, limit=limit if with_past else 0), as_json, as_csv)
    elif as_json or as_csv:
        _print_data(_selected(db, selection, limit), as_csv)
    else:
        _print_table(db, selection, limit or _TABLE_LIMIT)


def _brakes(db: Database, selection: Selection) -> list[tuple[App, Brake]]:
    """The brakes of the selection's apps."""
    chosen = [app for app in apps.every(db) if selection.app_ids is None or app.id in selection.app_ids]
    return [(app, brake) for app in chosen for brake in brakes.every(db, app)]


def _app_ids(db: Database, name: str) -> list[int]:
    """The apps of a slug or name, deleted ones included; AppError lists those there are."""
    found = apps.ever(db, name)
    if not found:
        known = ", ".join(app.slug for app in apps.every(db)[:10])
        raise AppError(f"There never was an app {name!r}. " + (f"Apps: {known}." if known else "There is no app now."))
    return found


def _selected(db: Database, selection: Selection, limit: int | None) -> Iterable[Record]:
    return journal_report.iterate(db, selection) if limit is None else journal_report.read(db, selection, limit=limit)


# --- following ----------------------------------------------------------------------------------------------------


def _followed(db: Database, selection: Selection, *, limit: int | None) -> Iterator[Record]:
    """The last `limit` rows there are (all without), then those that come, each once."""
    began = clock.now() - _WINDOW
    seen: dict[int, int] = {}
    if limit is not None:
        # What is there and not among the last ones is not new either.
        seen = {row.id: row.at for row in journal_report.unseen(db, _from(selection, began), ())}
    for row in _selected(db, selection, limit) if limit != 0 else ():
        seen[row.id] = row.at
        yield row
    while True:
        horizon = max(began, clock.now() - _WINDOW)
        for row in _come(db, _from(selection, horizon), seen):
            seen[row.id] = row.at
            yield row
        seen = {id: at for id, at in seen.items() if at >= horizon}
        time.sleep(_PAUSE)


def _from(selection: Selection, at: int) -> Selection:
    return replace(selection, since=max(at, selection.since or 0))


def _come(db: Database, selection: Selection, seen: dict[int, int]) -> list[Record]:
    """New rows; while the database is away there are none, which is said once."""
    told = False
    while True:
        try:
            return journal_report.unseen(db, selection, seen)
        except Unavailable as error:
            if not told:
                click.echo(f"{error.detail} Trying on; what comes meanwhile is shown then.", err=True)
            told = True
            time.sleep(_PAUSE)


def _say_followed(rows: Iterator[Record], as_json: bool, as_csv: bool) -> None:
    """Print rows as they come, until Ctrl-C."""
    try:
        if as_json or as_csv:
            _print_data(_flushed(rows), as_csv)
        else:
            click.echo("Waiting for new entries; Ctrl-C ends this.", err=True)
            layout = _Layout.for_any_rows()
            layout.print_head()
            for row in rows:
                layout.print([row])
                sys.stdout.flush()
    except KeyboardInterrupt:
        click.echo(err=True)


def _flushed(rows: Iterable[Record]) -> Iterator[Record]:
    """The rows; each has left this process before the next is waited for."""
    for row in rows:
        yield row
        sys.stdout.flush()


# --- for programs -------------------------------------------------------------------------------------------------


def as_data(row: Record) -> dict[str, Any]:
    """A row as programs get it."""
    return {name: iso_time(row.at) if name == "at" else getattr(row, name) for name in _FIELDS}


def _print_data(rows: Iterable[Record], as_csv: bool) -> None:
    if not as_csv:
        print_json_lines(map(as_data, rows))
        return
    print_csv(_FIELDS, ([_cell(value) for value in as_data(row).values()] for row in rows))


def _cell(value: Any) -> Any:
    return (json.dumps(value, ensure_ascii=False) if value else "") if isinstance(value, dict) else value


# --- for people ---------------------------------------------------------------------------------------------------


def _print_table(db: Database, selection: Selection, limit: int) -> None:
    """The newest rows as a table; says when there was more, or nothing."""
    rows = journal_report.read(db, selection, limit=limit + 1)
    if not rows:
        click.echo(_nothing(db, selection), err=True)
        return
    shown = rows[-limit:]
    layout = _Layout.for_rows(shown)
    layout.print_head()
    layout.print(shown)
    if len(rows) > limit:
        click.echo(
            f"These are the newest {limit} entries; there are more. --limit {limit * 10} shows more of them, "
            "--since and --until choose a time, --json prints all.",
            err=True,
        )


def _nothing(db: Database, selection: Selection) -> str:
    """That there is nothing, and of what."""
    words = [f"for {visible(selection.user)}"] if selection.user is not None else []
    if selection.app_ids is not None:
        words.append("in this app")
    words += [f"with {kind} {value}" for kind in ("action", "outcome") if (value := getattr(selection, kind))]
    words += [f"{kind} {local_time(value)}" for kind in ("since", "until") if (value := getattr(selection, kind))]
    if words:
        return f"No entries {' '.join(words)}."
    return "No entries yet: nothing was provisioned. `scimlite app create` makes an app to connect to."


class _Layout:
    """Columns of fixed width, so that rows can be printed as they come."""

    def __init__(self, app: int, who: int, action: int) -> None:
        """The widest app, person and action; what happened gets the rest of the line.

        On a narrow terminal the action has no column of its own but begins what happened.
        """
        self._wide = width() >= _WIDE
        given = [19, min(app, 24 if self._wide else 12), min(who, 44 if self._wide else 24)]
        given += [action] if self._wide else []
        self._widths = (*given, max(width() - sum(given) - 2 * len(given), 20))

    @classmethod
    def for_any_rows(cls) -> _Layout:
        """For rows that nobody has seen yet."""
        return cls(16, 32, max(len(action) for action in Action))

    @classmethod
    def for_rows(cls, rows: list[Record]) -> _Layout:
        """For these rows."""
        from rich.cells import cell_len

        def widest(heading: str, cell: Callable[[Record], str]) -> int:
            return max(cell_len(heading), *(cell_len(cell(row)) for row in rows))

        return cls(widest("App", _app), widest("Who", who), widest("Action", lambda row: row.action))

    def print_head(self) -> None:
        """The names of the columns, and a line under them."""
        from rich.text import Text

        names = ("Time", "App", "Who", *(("Action",) if self._wide else ()), "What")
        self._print(
            [[Text(name, "bold") for name in names], [Text("─" * each, "dim") for each in self._widths]],
        )

    def print(self, rows: Iterable[Record]) -> None:
        """Rows, each on as many lines as it needs."""
        from rich.text import Text

        def cells(row: Record) -> list[Text]:
            action = Text(row.action, _STYLES.get(row.action, ""))
            told = Text(what(row), "" if row.outcome == Outcome.OK else "red")
            last = [action, told] if self._wide else [Text(" ").join([action, told]) if told else action]
            return [Text(local_time(row.at), "dim"), Text(_app(row)), Text(who(row)), *last]

        self._print(map(cells, rows))

    def _print(self, rows: Iterable[list[Text]]) -> None:
        from rich.console import Console
        from rich.table import Table

        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        for each in self._widths:
            table.add_column(width=each, overflow="fold")
        for cells in rows:
            table.add_row(*cells)
        # rich colours a terminal only, and none when NO_COLOR is set.
        console = Console(width=max(width(), sum(self._widths) + 2 * len(self._widths)), highlight=False)
        with console.capture() as capture:
            console.print(table)
        for line in capture.get().splitlines():
            click.echo(line.rstrip(), color=True)


_STYLES: dict[str, str] = {
    Action.CREATED: "green",
    Action.ENABLED: "green",
    Action.RESTORED: "green",
    Action.DISABLED: "yellow",
    Action.DELETED: "yellow",
}


def _app(row: Record) -> str:
    return row.app or ""

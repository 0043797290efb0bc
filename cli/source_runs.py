"""`scimlite source test`, `preview`, `sync`, `status` and `runs`: reading a source, and how it is doing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from scimlite.admin import source_runs, source_state, sources
from scimlite.apps import App
from scimlite.apps import get as get_app
from scimlite.sync import history
from scimlite.sync.history import Outcome
from scimlite.sync.previews import Preview
from scimlite.sync.runs import Report
from scimlite.sync.sources import Source
from scimlite.visible_text import visible

from .kit.app_name import app_option, required_app_option
from .kit.choosing import chosen_apps
from .kit.context import Context, with_installation
from .kit.layout import Layout
from .kit.options import csv_option, json_option, wide_option
from .kit.output import print_csv, print_heading, print_json, print_json_lines, print_table
from .source_columns import COLUMNS, RUNS, numbers_text

_MOST_RUNS = 20
#: Changes that a preview names in a terminal.
_MOST_SHOWN = 50
_COLUMNS = ("act", "type", "key", "name", "changes", "reason")

_Command = Callable[..., Any]


def name_argument(command: _Command) -> _Command:
    """The source's name as an argument, which may be left out when the app has only one."""
    return click.argument("name", required=False, metavar="[NAME]")(command)


@click.command()
@name_argument
@required_app_option
@click.option("--entry", metavar="TEXT", help="Show this entry, by its key, name or userName, in place of three.")
@json_option
@with_installation
def test(context: Context, slug: str, name: str | None, entry: str | None, as_json: bool) -> None:
    """Try a source step by step, and show how three of its users would look. Nothing is written.

    \b
    Examples: scimlite source test staff --app hr
              scimlite source test staff --app hr --entry ann@example.com
    """
    app, tried = _of(context, slug, name)
    with source_runs.ground(context.db, context.settings) as place:
        trial = source_runs.trial(place, app, tried, wanted=entry)
    if as_json:
        print_json(
            {
                "source": tried.name,
                "passed": trial.passed,
                "steps": [{"step": each.step, "ok": each.ok, "text": each.text} for each in trial.findings],
                "entries": [
                    {
                        "type": sample.record.type,
                        "key": sample.record.key,
                        "name": sample.record.name,
                        "fault": sample.record.fault,
                        "resource": sample.resource,
                    }
                    for sample in trial.samples
                ],
            }
        )
    else:
        for each in trial.findings:
            mark = {True: "ok  ", False: "FAIL", None: "note"}[each.ok]
            click.echo(f"{mark}  {each.step:<8}  {visible(each.text)}")
        for sample in trial.samples:
            print_heading(f"{visible(sample.record.name)} ({visible(sample.record.key)})")
            told = sample.record.fault or json.dumps(sample.resource, indent=2, ensure_ascii=False)
            click.echo(told)
    if not trial.passed:
        failed = next(each for each in trial.findings if each.ok is False)
        raise click.ClickException(f"The source {tried.name} cannot be read: {failed.step}: {failed.text}")


@click.command()
@name_argument
@required_app_option
@json_option
@csv_option
@wide_option
@with_installation
def preview(context: Context, slug: str, name: str | None, as_json: bool, as_csv: bool) -> None:
    """Read a source, and say what a run would write, change by change. Nothing is written.

    It fails when a run would be held.

    \b
    Examples: scimlite source preview staff --app hr
              scimlite source preview staff --app hr --csv > changes.csv
    """
    app, read = _of(context, slug, name)
    with (
        source_runs.ground(context.db, context.settings) as place,
        _progress() as told,
        source_runs.preview(place, app, read, told=told) as seen,
    ):
        if as_csv:
            print_csv(_COLUMNS, (_row(*each) for each in seen.rows()))
        elif as_json:
            print_json_lines(dict(zip(_COLUMNS, _json_row(*each), strict=True)) for each in seen.rows())
        else:
            _print_preview(seen)
        holds = [hold.data() for hold in seen.holds]
    _fail_when_held(app, read, holds)


def _print_preview(seen: Preview) -> None:
    rows = [tuple(str(cell or "") for cell in _row(*each)) for each in _first(seen.rows(), _MOST_SHOWN)]
    layouts = [
        Layout("Act", 0, False, False, False),
        Layout("Type", 3, False, False, False),
        Layout("Name", 0, False, False, False),
        Layout("Changes", 0, True, False, False),
        Layout("Reason", 0, True, False, False),
    ]
    shown = [(act, kind, visible(name), visible(changes), visible(why)) for act, kind, _, name, changes, why in rows]
    print_table(layouts, shown, empty="A run would write nothing.")
    total = sum(seen.found.plan.counts().values())
    if total > len(rows):
        click.echo(f"and {total - len(rows):,} more: --csv or --json has all.", err=True)
    click.echo(f"A run would do: {numbers_text(seen.numbers)}.", err=True)


def _first(rows: Iterator[Any], most: int) -> list[Any]:
    return [row for row, _ in zip(rows, range(most), strict=False)]


def _json_row(step: Any, differences: dict[str, list[Any]]) -> tuple[Any, ...]:
    return (step.act.value, step.key.type, step.key.key, step.name, differences, step.reason)


def _row(step: Any, differences: dict[str, list[Any]]) -> tuple[Any, ...]:
    changes = "; ".join(f"{path}: {_text(before)} -> {_text(after)}" for path, (before, after) in differences.items())
    return (step.act.value, step.key.type, step.key.key, step.name, changes, step.reason)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@click.command()
@name_argument
@required_app_option
@click.option("--full", is_flag=True, help="Read everything, also where the source tells what changed.")
@click.option(
    "--accept-removals",
    type=click.IntRange(min=0),
    metavar="N",
    help="Let a held run take away up to N: users disabled or deleted, groups deleted, memberships ended.",
)
@click.option(
    "--accept-changes",
    type=click.IntRange(min=0),
    metavar="N",
    help="Let a held run change an attribute of up to N users.",
)
@click.option("--accept-identity", is_flag=True, help="It is another directory now, and that is right.")
@json_option
@with_installation
def sync(
    context: Context,
    slug: str,
    name: str | None,
    full: bool,
    accept_removals: int | None,
    accept_changes: int | None,
    accept_identity: bool,
    as_json: bool,
) -> None:
    """Read a source now, and write what differs.

    A run that would take away too much is held before it writes anything: it says what it would do, and which option
    accepts that number. It fails when it is held, and when the source cannot be read.

    \b
    Examples: scimlite source sync staff --app hr
              scimlite source sync staff --app hr --accept-removals 312
    """
    app, read = _of(context, slug, name)
    accepted: dict[str, Any] = {"removals": accept_removals, "changes": accept_changes}
    accepted = {key: number for key, number in accepted.items() if number is not None}
    if accept_identity:
        accepted["identity"] = True
    with source_runs.ground(context.db, context.settings) as place, _progress() as told:
        report = source_runs.sync(place, context.workspace(app), read, whole=full, accepted=accepted, told=told)
    if as_json:
        print_json(
            {
                "source": read.name,
                "outcome": report.outcome.value,
                "read": "full" if report.whole else "delta",
                "counts": {key: number for key, number in report.numbers.items() if number},
                "holds": [hold.data() for hold in report.holds],
                "detail": report.detail,
            }
        )
    elif report.outcome is Outcome.OK:
        click.echo(f"{visible(read.name)}: {numbers_text(report.numbers)}.")
    _end(app, read, report)


def _end(app: App, read: Source, report: Report) -> None:
    if report.outcome is Outcome.HELD:
        _fail_when_held(app, read, [hold.data() for hold in report.holds])
    if report.outcome is Outcome.FAILED:
        raise click.ClickException(f"The source {read.name} was not read: {report.detail}")


def _fail_when_held(app: App, read: Source, holds: list[dict[str, Any]]) -> None:
    if not holds:
        return
    reasons = "; ".join(hold["reason"] for hold in holds)
    raise click.ClickException(f"Held, nothing is written: {reasons}. {_way_out(app, read, holds)}")


def _way_out(app: App, read: Source, holds: list[dict[str, Any]]) -> str:
    """Return what an operator does about a held run."""
    if any(hold["accepts"] is None for hold in holds):
        return f"Look: scimlite source preview {visible(read.name)} --app {app.slug}"
    options = " ".join(
        f"--accept-{hold['accepts']}" + (f" {hold['number']}" if hold["number"] is not None else "") for hold in holds
    )
    return f"If that is right: scimlite source sync {visible(read.name)} --app {app.slug} {options}"


@click.command()
@click.argument("name", required=False, metavar="[NAME]")
@app_option
@json_option
@wide_option
@with_installation
def status(context: Context, slug: str | None, name: str | None, as_json: bool) -> None:
    """Say how sources are doing, for people and for monitoring: it fails when one is held, failing or late.

    \b
    Examples: scimlite source status
              scimlite source status staff --app hr
    """
    listed = source_state.every(context.db, chosen_apps(context, slug))
    if name is not None:
        listed = [each for each in listed if each.source.name == name]
        if not listed:
            raise click.ClickException(f"There is no source {name!r}. List them: scimlite source list")
    if as_json:
        print_json_lines(map(COLUMNS.data, listed))
    else:
        COLUMNS.print_table(listed, empty="There is no source.", hidden_when_empty=("Refused", "Missing", "Why"))
    bad = [each for each in listed if not each.well]
    for each in bad:
        holds = (each.source.holding or {}).get("holds", [])
        if holds and not as_json:
            click.echo(
                f"{each.app.slug}, {visible(each.source.name)}: {_way_out(each.app, each.source, holds)}", err=True
            )
    if bad:
        raise click.ClickException(
            ", ".join(f"{each.app.slug}/{each.source.name} is {each.state}" for each in bad) + "."
        )


@click.command()
@name_argument
@required_app_option
@click.option("--limit", type=click.IntRange(1, 1000), default=_MOST_RUNS, show_default=True, metavar="N", help="Runs.")
@json_option
@wide_option
@with_installation
def runs(context: Context, slug: str, name: str | None, limit: int, as_json: bool) -> None:
    """List the last runs of a source, the newest first.

    \b
    Example: scimlite source runs staff --app hr
    """
    app, chosen = _of(context, slug, name)
    listed = history.newest(context.db, app.id, chosen.id, limit)
    if as_json:
        print_json_lines(map(RUNS.data, listed))
        return
    RUNS.print_table(listed, empty=f"The source {visible(chosen.name)} was not read yet.")


def _of(context: Context, slug: str, name: str | None) -> tuple[App, Source]:
    app = get_app(context.db, slug)
    return app, sources.get(context.db, app, name)


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """A function that shows on a terminal how far a run is; elsewhere it shows nothing."""
    if not sys.stderr.isatty():
        yield lambda phase, number: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    words = {"read": "Reading", "compare": "Comparing", "write": "Writing"}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, Any] = {}

        def told(phase: str, number: int) -> None:
            if phase not in tasks:
                tasks[phase] = progress.add_task(words.get(phase, phase), total=None)
            progress.update(tasks[phase], completed=number)

        yield told

"""`scimlite target test`, `preview`, `sync`, `status` and `retry`: what is or would be pushed, and how that goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from scimlite.admin import target_state, target_trial, targets
from scimlite.apps import App
from scimlite.apps import get as get_app
from scimlite.outbound import Client
from scimlite.sync.targets import previews, runs
from scimlite.sync.targets.guard import Hold
from scimlite.sync.targets.runs import Means
from scimlite.sync.targets.stored import Outcome, Target
from scimlite.visible_text import visible

from .kit.app_name import app_option, required_app_option
from .kit.choosing import chosen_apps
from .kit.context import Context, operator, with_installation
from .kit.options import csv_option, json_option, wide_option
from .kit.output import print_json, print_json_lines
from .target_columns import PLAN, REFUSED, TARGETS, problem, spelled_counts, spelled_run
from .target_options import name_argument

_MARKS = {True: "ok", False: "FAILED", None: "-"}
#: Users and groups that `status` lists, of those the target refuses.
_MOST_REFUSED = 20
#: How often, and after how many seconds, a target is asked for that another process has.
_TRIES, _PAUSE = 10, 0.5


@contextmanager
def _means(context: Context) -> Iterator[Means]:
    """What a run needs, with a client that is closed afterwards."""
    with Client(context.settings.outbound_networks) as client:
        state_dir, roots = context.settings.state_dir, context.installation.scim_roots
        yield Means(context.db, client, state_dir, roots, told=_show if sys.stderr.isatty() else _say_nothing)


def _show(counts: Mapping[str, int]) -> None:
    """Prints how far a run is, in place of what was printed before."""
    click.echo(f"\r\x1b[K{spelled_counts(counts)}", nl=False, err=True)


def _say_nothing(counts: Mapping[str, int]) -> None:
    """What is no terminal gets the result alone."""


def _of(context: Context, slug: str, name: str | None) -> tuple[App, Target]:
    app = get_app(context.db, slug)
    return app, targets.get(context.db, app, name)


@click.command()
@name_argument
@required_app_option
@click.option("--write", is_flag=True, help="Make a user there, disable it, and delete it.")
@json_option
@with_installation
def test(context: Context, slug: str, name: str | None, write: bool, as_json: bool) -> None:
    """Try a target step by step: its name, the connection, the token, and what it can. It makes nothing by itself.

    \b
    Examples: scimlite target test crm --app entra-id
              scimlite target test crm --app entra-id --write
    """
    app, tried = _of(context, slug, name)
    failed = False
    with _means(context) as means:
        for finding in target_trial.check(context.workspace(app), means, tried, write=write):
            failed = failed or finding.ok is False
            if as_json:
                print_json_lines([{"step": finding.step, "ok": finding.ok, "text": finding.text}])
            else:
                click.echo(f"{_MARKS[finding.ok]:<7} {finding.step}: {visible(finding.text)}")
    if failed:
        raise click.ClickException(f"The target {tried.name} cannot be used as it is.")


@click.command()
@name_argument
@required_app_option
@csv_option
@json_option
@wide_option
@with_installation
def preview(context: Context, slug: str, name: str | None, as_csv: bool, as_json: bool) -> None:
    """Say what the next run would create, change, disable and delete, by name. Nothing is written or sent.

    It fails when the run would be held.

    \b
    Examples: scimlite target preview crm --app entra-id
              scimlite target preview crm --app entra-id --csv > plan.csv
    """
    app, planned = _of(context, slug, name)
    found = previews.preview(context.workspace(app), planned)
    if as_csv:
        PLAN.print_csv(found.planned)
    elif as_json:
        plan = [PLAN.data(each) for each in found.planned]
        print_json({"counts": found.counts, "held": found.hold.data if found.hold else None, "plan": plan})
    else:
        empty = f"{visible(planned.name)} has everything as it should be."
        PLAN.print_table(found.planned, empty=empty, hidden_when_empty=("Attributes", "Members"))
        if found.counts:
            click.echo(f"\n{spelled_counts(found.counts)}", err=True)
    if found.hold is not None:
        raise click.ClickException(f"This would be held: {found.hold.reason}.{_acceptance(app, planned, found.hold)}")


@click.command()
@name_argument
@required_app_option
@click.option(
    "--accept-removals",
    "accepted",
    type=click.IntRange(1),
    metavar="N",
    help="Let this run disable, delete and take out of groups so many, though it would be held.",
)
@click.option("--full", is_flag=True, help="Send everything again: somebody may have changed it there.")
@json_option
@with_installation
def sync(context: Context, slug: str, name: str | None, accepted: int | None, full: bool, as_json: bool) -> None:
    """Push what differs, now. It fails when the run is held, or the target cannot be used.

    \b
    Examples: scimlite target sync crm --app entra-id
              scimlite target sync crm --app entra-id --accept-removals 312
              scimlite target sync crm --app entra-id --full
    """
    app, pushed = _of(context, slug, name)
    if not pushed.enabled:
        raise click.ClickException(f"It is disabled. Enable it: scimlite target enable {pushed.name} --app {app.slug}")
    with _means(context) as means:
        for _ in range(_TRIES):
            report = runs.sync(means, pushed.id, operator(), accepted=accepted, full=full)
            if report is not None:
                break
            # The worker may have it for a moment.
            time.sleep(_PAUSE)
    if report is None:
        raise click.ClickException(f"Another process pushes to {pushed.name} now: look at scimlite target status.")
    if as_json:
        held = report.hold.data if report.hold else None
        counts = dict(sorted(report.counts.items()))
        print_json({"outcome": report.outcome.value, "counts": counts, "detail": report.detail, "held": held})
    else:
        clear = "\r\x1b[K" if sys.stderr.isatty() else ""
        click.echo(clear + (spelled_counts(report.counts) or "Nothing was to be pushed."), err=True)
    if report.hold is not None:
        reason = f"Held, and nothing was pushed: {report.hold.reason}."
        raise click.ClickException(f"{reason}{_acceptance(app, pushed, report.hold)}")
    if report.outcome is not Outcome.OK:
        raise click.ClickException(f"The run ended early: {report.detail}")


def _acceptance(app: App, target: Target, hold: Hold) -> str:
    return f" If that is meant: scimlite target sync {target.name} --app {app.slug} --accept-removals {hold.removals}"


@click.command()
@name_argument
@app_option
@json_option
@wide_option
@with_installation
def status(context: Context, slug: str | None, name: str | None, as_json: bool) -> None:
    """Show how targets do. It fails when one is held, fails, or has had no good run for three of its intervals.

    \b
    Examples: scimlite target status
              scimlite target status crm --app entra-id
    """
    if name is not None and slug is None:
        raise click.UsageError("Name the app of the target too: --app SLUG.")
    found = target_state.every(context.db, chosen_apps(context, slug))
    if name is not None:
        wanted = targets.get(context.db, get_app(context.db, slug or ""), name)
        found = [each for each in found if each.target.id == wanted.id]
    if as_json:
        for each in found:
            refused = target_state.refused(context.db, each.target, _MOST_REFUSED)
            print_json_lines([{**TARGETS.data(each), "refused_ones": [REFUSED.data(one) for one in refused]}])
    else:
        empty = "There is no target. Add one: scimlite target add NAME --app SLUG --url URL --token-env VARIABLE"
        TARGETS.print_table(found, empty=empty, hidden_when_empty=("Refused", "Problem"))
        for each in found:
            _print_more(context, each)
    if any(each.needs_you for each in found):
        sys.exit(1)


def _print_more(context: Context, shown: target_state.Status) -> None:
    """Prints what the table has no room for: the last run, attributes left out, and who is refused."""
    words = f"{shown.target.name} of {shown.app.slug}"
    if run := spelled_run(shown):
        click.echo(f"\nLast run with work of {words}: {visible(run)}")
    if left_out := shown.target.attributes_left_out:
        click.echo(f"It does not take: {visible(', '.join(left_out))}")
    if shown.refused or shown.parked:
        click.echo("")
        REFUSED.print_table(target_state.refused(context.db, shown.target, _MOST_REFUSED), empty="")
        click.echo(f"Try again: scimlite target retry {shown.target.name} --app {shown.app.slug}", err=True)
    if shown.needs_you:
        click.echo(f"{problem(shown) or 'It has had no good run for long.'}\n  {shown.remedy}", err=True)


@click.command()
@name_argument
@required_app_option
@with_installation
def retry(context: Context, slug: str, name: str | None) -> None:
    """Have everybody tried again whom the target refused, in the next run.

    \b
    Example: scimlite target retry crm --app entra-id
    """
    app, found = _of(context, slug, name)
    number = targets.retry(context.workspace(app), found)
    click.echo(f"{number:,} will be tried again.", err=True)

"""Which apps, which page and which one: what `user` and `group` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from scimlite.admin import apps, people
from scimlite.admin.people import Found
from scimlite.apps import App
from scimlite.scim import core
from scimlite.scim.schema import ResourceType

from .context import Context
from .output import local_time, visible

_PER_PAGE = 50
_MOST_PER_PAGE = 1000


def app_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The `--app` option."""
    return click.option("--app", "slug", metavar="SLUG", help="Only in this app.  [default: all]")(command)


def page_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The `--page` and `--per-page` options."""
    size = click.IntRange(1, _MOST_PER_PAGE)
    for option in (
        click.option(
            "--per-page", type=size, default=_PER_PAGE, show_default=True, metavar="N", help="Rows in a page."
        ),
        click.option("--page", type=click.IntRange(min=1), metavar="N", help="Which page.  [default: 1]"),
    ):
        command = option(command)
    return command


def chosen_apps(context: Context, slug: str | None) -> list[App]:
    """The app that `--app` names, or all; fails when there is none."""
    chosen = [apps.get(context.db, slug)] if slug is not None else apps.every(context.db)
    if not chosen:
        raise click.ClickException('There is no app yet. Make one: scimlite app create "Entra ID"')
    return chosen


def the_one(context: Context, resource_type: ResourceType, slug: str | None, text: str) -> Found:
    """The user or group that goes by this name; fails, listing them, when several do."""
    among = chosen_apps(context, slug)
    found = people.find(context.db, resource_type, among, text)
    if len(found) == 1:
        return found[0]
    noun = resource_type.name.lower()
    named_by = "userName" if resource_type is core.USER else "displayName"
    where = f" in {among[0].slug}" if slug is not None else ""
    if not found:
        raise click.ClickException(
            f"There is no {noun} {text!r}{where}, by id, {named_by} or externalId. "
            f"Look for a part of the name: scimlite {noun} list --search TEXT"
        )
    inside = len({each.app.id for each in found})
    hint = "name the app with --app" if inside == len(found) else "name one by its id"
    lines = "\n".join(f"  {_told(each)}" for each in found)
    raise click.ClickException(f"{len(found)} {noun}s go by {text!r}{where}; {hint}:\n{lines}")


def _told(found: Found) -> str:
    ended = f" {local_time(found.deleted_at)}" if found.deleted_at is not None else ""
    return f"{found.app.slug}  {visible(found.name)}  {found.id}  {found.state}{ended}"


def print_place(noun: str, number: int, size: int, shown: int, total: int) -> None:
    """Which part of a list was shown, and how to see the next one; nothing when it was all."""
    first = (number - 1) * size + 1
    if shown == 0 and total:
        click.echo(f"There are {total:,} {noun}s, and page {-(-total // size)} is the last.", err=True)
    elif shown < total:
        more = f" Next: --page {number + 1}" if first + shown - 1 < total else ""
        click.echo(f"\n{first:,} to {first + shown - 1:,} of {total:,} {noun}s.{more}", err=True)

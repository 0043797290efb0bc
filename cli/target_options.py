"""Options of `scimlite target add` and `edit`, and what they make of a target's options."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from scimlite.admin.targets import Kept
from scimlite.sync.targets.stored import DEFAULT_MEMBERS, MOST_MEMBERS, Leavers, Options

from .kit import completing
from .kit.options import Choice
from .kit.times import DURATION

_Command = Callable[..., Any]


def name_argument(command: _Command) -> _Command:
    """The target's name as the argument NAME, which may be left out."""
    return click.argument("name", required=False, metavar="[NAME]", shell_complete=completing.targets)(command)


def token_options(command: _Command) -> _Command:
    """Where the token is read; none of them takes the token itself, which others would see in the list of processes."""
    for option in (
        click.option("--token-stdin", is_flag=True, help="Read the token from stdin, and keep it in the state folder."),
        click.option("--token-file", metavar="PATH", help="Read the token from this file at each run."),
        click.option("--token-env", metavar="VARIABLE", help="Read the token from this variable of the environment."),
    ):
        command = option(command)
    return command


def behaviour_options(command: _Command) -> _Command:
    """What is pushed, and how."""
    for option in (
        click.option(
            "--same-installation/--other-installation",
            default=None,
            help="Push to an app of this same installation, which is refused otherwise.",
        ),
        click.option(
            "--max-memberships", type=click.IntRange(0), metavar="N", help="More memberships that end hold a run."
        ),
        click.option(
            "--max-percent",
            type=click.IntRange(0, 100),
            metavar="N",
            help="The share of those there, with --max-users.",
        ),
        click.option(
            "--max-users",
            type=click.IntRange(0),
            metavar="N",
            help="More users to disable or delete hold a run.  [default: the app's brake-users and brake-percent]",
        ),
        click.option(
            "--match/--no-match", default=None, help="Adopt who has the userName, or the displayName, there already."
        ),
        click.option(
            "--leavers",
            type=Choice([each.value for each in Leavers]),
            help="What becomes of users who leave the filter.  [default: disable]",
        ),
        click.option("--filter", metavar="FILTER", help='Push these users only, a SCIM filter; "" for all.'),
        click.option("--users-only/--with-groups", default=None, help="Push users, or groups and members too."),
        click.option("--no-delete/--delete", default=None, help="Disable users in place of deleting; leave groups."),
        click.option("--no-patch/--patch", default=None, help="Send whole resources by PUT, or what changed by PATCH."),
        click.option(
            "--members",
            type=click.IntRange(1, MOST_MEMBERS),
            metavar="N",
            help=f"The most members in one request.  [default: {DEFAULT_MEMBERS}]",
        ),
        click.option(
            "--every", type=DURATION, metavar="TIME", help="How often to look without a change.  [default: 15m]"
        ),
    ):
        command = option(command)
    return command


def chosen_options(before: Options, given: dict[str, Any]) -> Options:
    """Return options with those changed that the command line has."""
    changed: dict[str, Any] = {
        "members": given["members"],
        "patch": _opposite(given["no_patch"]),
        "delete": _opposite(given["no_delete"]),
        "groups": _opposite(given["users_only"]),
        "leavers": given["leavers"],
        "match": given["match"],
        "most_users": given["max_users"],
        "most_percent": given["max_percent"],
        "most_memberships": given["max_memberships"],
        "same_installation": given["same_installation"],
    }
    changed = {name: value for name, value in changed.items() if value is not None}
    if given["filter"] is not None:
        changed["filter"] = given["filter"] or None
    return replace(before, **changed)


def _opposite(flag: bool | None) -> bool | None:
    return None if flag is None else not flag


def token_source(
    variable: str | None, path: str | None, from_stdin: bool, state_dir: Path, *, needed: bool
) -> tuple[str | None, Kept | None]:
    """Return where the token is read, or what stdin has, to be kept. Raises UsageError for several, or none."""
    given = (variable is not None) + (path is not None) + from_stdin
    if given > 1 or (needed and not given):
        raise click.UsageError("Say where the token is: --token-env VARIABLE, --token-file PATH, or --token-stdin.")
    if variable is not None:
        return f"env:{variable}", None
    if path is not None:
        return f"file:{Path(path).absolute()}", None
    if not from_stdin:
        return None, None
    if sys.stdin.isatty():
        click.echo("Token, and Enter:", err=True)
    return None, Kept(sys.stdin.readline(), state_dir)

"""Confirmation of what cannot be undone: `--yes`, or the operator's answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import click

from scimlite.admin.rehearsal import ConfirmationNeeded

T = TypeVar("T")


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless `yes`. Raises Abort when the answer is no, ClickException when nobody can answer."""
    if yes:
        return
    try:
        answer = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise click.ClickException(
            "Nothing was done, because there is no terminal to confirm it on. Give --yes to confirm it."
        ) from None
    if not answer:
        raise click.Abort


def confirmed(act: Callable[[bool], T], question: str, *, yes: bool) -> T:
    """Carry out an act that takes whether it is confirmed; asks when it needs that. Returns what the act returns."""
    try:
        return act(yes)
    except ConfirmationNeeded as needed:
        click.echo(str(needed), err=True)
        confirm(question, yes=False)
    return act(True)

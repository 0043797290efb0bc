"""Recomputing stored profiles after the mapping changed, with a progress bar."""

from __future__ import annotations

import sys

import click

from scimlite.admin import mapping
from scimlite.apps import App

from .context import Context


def recompute_profiles(context: Context, app: App) -> None:
    """Recompute the stored profiles of an app that an earlier mapping made; says nothing when there are none."""
    stale = mapping.stale(context.db, app)
    if not stale:
        return
    total = 0
    with click.progressbar(length=stale, label="Profiles", file=sys.stderr) as bar:
        for count in mapping.recompute(context.db, app):
            total += count
            bar.update(count)
    click.echo(f"{total:,} profiles were recomputed.", err=True)

"""Choosing apps, users and groups by the names that an operator types."""

from __future__ import annotations

import click

from scimlite import apps
from scimlite.admin import people
from scimlite.admin.people import Found
from scimlite.apps import App
from scimlite.scim import core
from scimlite.scim.schema import ResourceType
from scimlite.visible_text import visible

from .context import Context
from .times import spoken_time


def chosen_apps(context: Context, slug: str | None) -> list[App]:
    """Return the app that `--app` names, or all apps. Raises ClickException when there is none."""
    chosen = [apps.get(context.db, slug)] if slug is not None else apps.every(context.db)
    if not chosen:
        raise click.ClickException('There is no app yet. Make one: scimlite app create "Entra ID"')
    return chosen


def the_one(context: Context, resource_type: ResourceType, slug: str | None, text: str) -> Found:
    """Return the only user or group with this id, name or externalId.

    Raises ClickException when there is none, and when there are several: then its text lists them.
    """
    among = chosen_apps(context, slug)
    matches = people.find(context.db, resource_type, among, text)
    if len(matches) == 1:
        return matches[0]
    noun = resource_type.name.lower()
    name_attribute = "userName" if resource_type is core.USER else "displayName"
    place = f" in {among[0].slug}" if slug is not None else ""
    if not matches:
        raise click.ClickException(
            f"There is no {noun} {text!r}{place}, by id, {name_attribute} or externalId. "
            f"Look for a part of the name: scimlite {noun} list --search TEXT"
        )
    apps_of_matches = len({match.app.id for match in matches})
    hint = "name the app with --app" if apps_of_matches == len(matches) else "name one by its id"
    lines = "\n".join(f"  {_line(match)}" for match in matches)
    raise click.ClickException(f"{len(matches)} {noun}s go by {text!r}{place}; {hint}:\n{lines}")


def _line(match: Found) -> str:
    ended = f" {spoken_time(match.deleted_at)}" if match.deleted_at is not None else ""
    return f"{match.app.slug}  {visible(match.name)}  {match.id}  {match.state}{ended}"

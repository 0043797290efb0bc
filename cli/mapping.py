"""`scimlite mapping`: what the application behind scimlite reads of users and groups."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import click

from scimlite.admin import apps
from scimlite.admin import mapping as remapping
from scimlite.apps import App, AppError, compiled_mapping
from scimlite.apps import mapping as mappings
from scimlite.apps.mapping import Mapping, Row
from scimlite.directory import profiles
from scimlite.errors import ScimError
from scimlite.scim import core, document, messages
from scimlite.scim.schema import ResourceType

from .choosing import the_one
from .context import Context
from .installation import with_installation
from .output import json_option, print_fields, print_heading, print_json, print_table


@click.group()
def mapping() -> None:
    """Set which attributes the application reads, and what it calls them.

    A profile is the flat view of a user or group that the application gets: each target comes from a SCIM attribute,
    a template over several, or a constant. What identity providers read back is not changed by it.

    \b
    Example: scimlite mapping set --app entra-id email 'emails[type eq "work"].value' --lower
    """


def _app_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--app", "slug", metavar="SLUG", required=True, help="The app.")(command)


def _group_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--group", "of_group", is_flag=True, help="A row for groups, not for users.")(command)


def _force_option(command: Callable[..., Any]) -> Callable[..., Any]:
    text = "Also when stored users lack a value that becomes required."
    return click.option("--force", is_flag=True, help=text)(command)


@mapping.command()
@_app_option
@json_option
@with_installation
def show(context: Context, slug: str, as_json: bool) -> None:
    """Show an app's mapping.

    \b
    Example: scimlite mapping show --app entra-id
    """
    found = apps.get(context.db, slug)
    current = mappings.from_json(found.mapping)
    if as_json:
        print_json(current.as_dict())
        return
    for number, kind in enumerate((core.USER, core.GROUP)):
        if number:
            print_heading("Groups")
        rows = [
            (
                row.target,
                row.origin,
                "" if row.default is None else json.dumps(row.default, ensure_ascii=False),
                ", ".join(row.transform),
                "required" if row.required else "",
            )
            for row in current.rows(kind.name)
        ]
        print_table(("Target", "Source", "Default", "Transform", ""), rows, empty="No rows.")
    behind = remapping.stale(context.db, found)
    if behind:
        click.echo(f"\n{behind:,} profiles are to be made anew: scimlite mapping recompute --app {slug}", err=True)


@mapping.command(name="set")
@_app_option
@click.argument("target")
@click.argument("source", required=False)
@click.option("--constant", metavar="TEXT", help="The same text for everybody, in place of SOURCE.")
@click.option("--template", metavar="TEXT", help="A SOURCE in which attributes stand in braces.")
@click.option("--default", metavar="TEXT", help="What it is without a value.")
@click.option("--trim", is_flag=True, help="Without blanks at the ends.")
@click.option("--lower", is_flag=True, help="In lower case.")
@click.option("--upper", is_flag=True, help="In upper case.")
@click.option("--required/--optional", default=None, help="Whether a write without a value is refused.")
@_group_option
@_force_option
@with_installation
def set_(
    context: Context,
    slug: str,
    target: str,
    source: str | None,
    constant: str | None,
    template: str | None,
    default: str | None,
    trim: bool,
    lower: bool,
    upper: bool,
    required: bool | None,
    of_group: bool,
    force: bool,
) -> None:
    """Say where TARGET comes from: an attribute, a template, or a constant.

    SOURCE is a path as in SCIM filters, such as name.givenName or emails[type eq "work"].value, or a template such as
    '{name.givenName} {name.familyName}'. Without SOURCE the row keeps where it comes from. Stored profiles are made
    anew; when that is stopped, scimlite mapping recompute goes on.

    \b
    Examples: scimlite mapping set --app entra-id fullName '{name.givenName} {name.familyName}'
              scimlite mapping set --app entra-id costCenter costCenter --default none --upper --required
              scimlite mapping set --app entra-id tenant --constant acme
    """
    if sum(each is not None for each in (source, constant, template)) > 1:
        raise click.UsageError("Give one of SOURCE, --constant and --template.")
    if lower and upper:
        raise click.UsageError("Give --lower or --upper, not both.")
    if source is not None and "{" in source:
        source, template = None, source
    kind = core.GROUP if of_group else core.USER
    given = {"source": source, "template": template, "constant": constant, "default": default}
    transform = [name for name, on in (("trim", trim), ("lower", lower), ("upper", upper)) if on]
    asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    asked |= {"transform": transform} if transform else {}
    asked |= {} if required is None else {"required": required}

    def renew(current: Mapping) -> Mapping:
        before = next((row for row in current.rows(kind.name) if row.target == target), None)
        return current.with_row(kind.name, _row(target, before, asked))

    _apply(context, slug, renew, force=force)


def _row(target: str, before: Row | None, asked: dict[str, Any]) -> Row:
    """The row that is asked for: a new one where an origin is given, else the one before with something else."""
    new_origin = asked.keys() & {"source", "template", "constant"}
    kept = before.as_dict() if before is not None and not new_origin else {"target": target}
    if before is None and not new_origin:
        raise AppError(f"There is no row for {target!r} yet: say where it comes from.")
    return mappings.read({"user": [{**kept, **asked}]}).user[0]


@mapping.command()
@_app_option
@click.argument("target", required=False)
@click.option("--all", "everything", is_flag=True, help="Back to the default mapping.")
@_group_option
@with_installation
def unset(context: Context, slug: str, target: str | None, everything: bool, of_group: bool) -> None:
    """Take TARGET out of the profiles, or go back to the default mapping.

    \b
    Examples: scimlite mapping unset --app entra-id department
              scimlite mapping unset --app entra-id --all
    """
    if (target is None) is not everything:
        raise click.UsageError("Give TARGET or --all.")
    kind = core.GROUP if of_group else core.USER
    _apply(context, slug, lambda current: mappings.DEFAULT if target is None else current.without(kind.name, target))


@mapping.command(name="import")
@_app_option
@click.argument("file", type=click.File("rb"))
@_force_option
@with_installation
def import_(context: Context, slug: str, file: BinaryIO, force: bool) -> None:
    """Set the mapping that FILE holds as JSON; - reads it from stdin.

    It replaces the rows of users, of groups, or both, as it names them.

    \b
    Example: scimlite mapping import --app entra-id mapping.json
    """
    new = mappings.read(messages.load_json(file.read()))
    _apply(context, slug, lambda current: new, force=force)


@mapping.command()
@_app_option
@with_installation
def export(context: Context, slug: str) -> None:
    """Print the mapping as JSON, for scimlite mapping import.

    \b
    Example: scimlite mapping export --app entra-id > mapping.json
    """
    print_json(mappings.from_json(apps.get(context.db, slug).mapping).as_dict())


@mapping.command()
@_app_option
@click.argument("user", required=False)
@click.option("--file", "file", type=click.File("rb"), help="A user (or group) as SCIM JSON; - reads it from stdin.")
@_group_option
@json_option
@with_installation
def test(context: Context, slug: str, user: str | None, file: BinaryIO | None, of_group: bool, as_json: bool) -> None:
    """Show the profile of a stored USER, or of one that a file holds as SCIM JSON.

    \b
    Examples: scimlite mapping test --app entra-id ann@example.com
              scimlite mapping test --app entra-id --file user.json
    """
    if (user is None) is (file is None):
        raise click.UsageError("Give USER or --file.")
    found = apps.get(context.db, slug)
    kind = found.resource_types[(core.GROUP if of_group else core.USER).endpoint]
    if user is not None:
        stored = the_one(context, kind, slug, user)
        values = profiles.read(context.workspace(found), kind, [stored.id])[stored.id]
    else:
        assert file is not None
        values = _of_file(found, kind, messages.load_json(file.read()))
    if as_json:
        print_json(values)
    else:
        print_fields(
            [(target, _cell(value) if value is not None else "(no value)") for target, value in values.items()]
        )
    compiled = compiled_mapping.compiled(found.mapping, kind)
    missing = list(compiled.missing(values)) if compiled else []
    for row in missing:
        click.echo(f"{row.target} is required, and {row.origin} has no value: writing this is refused.", err=True)
    if missing:
        raise click.exceptions.Exit(1)


def _of_file(found: App, kind: ResourceType, body: Any) -> dict[str, Any]:
    """The profile that a resource would have; in no group, for only stored ones are."""
    try:
        cleaned = document.with_defaults(kind, document.clean(kind, body).document)
    except ScimError as error:
        raise AppError(f"This would be refused: {error.detail}") from None
    compiled = compiled_mapping.compiled(found.mapping, kind)
    assert compiled is not None
    return compiled.joined(compiled.profile(cleaned), ())


@mapping.command()
@_app_option
@with_installation
def recompute(context: Context, slug: str) -> None:
    """Make stored profiles anew that an earlier mapping made; goes on where it was stopped.

    Until then a profile is made anew whenever it is read, so nobody sees an old one.

    \b
    Example: scimlite mapping recompute --app entra-id
    """
    _recompute(context, apps.get(context.db, slug))


def _apply(context: Context, slug: str, renew: Callable[[Mapping], Mapping], *, force: bool = False) -> None:
    found = apps.get(context.db, slug)
    changes = remapping.change(context.scope, found.slug, renew, force=force)
    if not changes:
        click.echo("It is like that already.", err=True)
    for target, (_, new) in changes.items():
        click.echo(f"{target}: {_told(new)}", err=True)
    _recompute(context, apps.get(context.db, found.slug))


def _told(row: Any) -> str:
    if not isinstance(row, dict):
        return "removed" if row is None else ", ".join(row)
    origin = row.get("source") or row.get("template") or json.dumps(row.get("constant"), ensure_ascii=False)
    marks = [*row.get("transform", []), *(["required"] if row.get("required") else [])]
    marks += [f"default {json.dumps(row['default'], ensure_ascii=False)}"] if "default" in row else []
    return f"<- {origin}" + (f" ({', '.join(marks)})" if marks else "")


def _recompute(context: Context, found: App) -> None:
    behind = remapping.stale(context.db, found)
    if not behind:
        return
    done = 0
    with click.progressbar(length=behind, label="Profiles", file=sys.stderr) as bar:
        for step in remapping.recompute(context.db, found):
            done += step
            bar.update(step)
    click.echo(f"{done:,} profiles were made anew.", err=True)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(_cell, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

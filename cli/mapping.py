"""`scimlite mapping`: the attributes that the application reads of users and groups."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO

import click

from scimlite.admin import apps
from scimlite.admin import mapping as remapping
from scimlite.admin.rehearsal import rehearse
from scimlite.apps import App
from scimlite.apps import mapping as mappings
from scimlite.apps.mapping import Row
from scimlite.directory import profiles
from scimlite.scim import core

from .kit.app_name import required_app_option
from .kit.choosing import the_one
from .kit.columns import Column, Columns
from .kit.confirming import confirm, confirmed
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.json_file import read_json
from .kit.options import dry_run_option, json_option, wide_option, yes_option
from .kit.output import print_fields, print_heading, print_json
from .kit.recomputing import recompute_profiles

_ROWS = Columns[Row](
    Column(heading="Target", shown=lambda row: row.target),
    Column(heading="Source", shown=lambda row: row.origin, wraps=True),
    Column(
        heading="Default",
        shown=lambda row: "" if row.default is None else json.dumps(row.default, ensure_ascii=False),
        rank=3,
    ),
    Column(heading="Transform", shown=lambda row: ", ".join(row.transform), rank=2),
    Column(heading="Required", shown=lambda row: "required" if row.required else "", rank=1),
    table=("Target", "Source", "Default", "Transform", "Required"),
)


#: Columns that are left out when no row has anything there.
_EXTRAS = ("Default", "Transform", "Required")


@click.group(cls=Group)
def mapping() -> None:
    """Set which attributes the application reads, and under which names.

    A profile is the flat view of a user or group that the application gets: each target comes from a SCIM attribute,
    a template over several, or a constant. Identity providers still read back the SCIM attributes that they wrote.

    \b
    Example: scimlite mapping set --app entra-id email \\
                 'emails[type eq "work"].value' --lower
    """


def _group_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--group", "of_group", is_flag=True, help="For groups; without it, for users.")(command)


def _yes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    text = "Do not ask when stored users lack a value that becomes required."
    return yes_option(command, old=["--force"], text=text)


_SET_ALL_THE_SAME = "Set it all the same?"


@mapping.command()
@required_app_option
@json_option
@wide_option
@with_installation
def show(context: Context, slug: str, as_json: bool) -> None:
    """Show an app's mapping.

    \b
    Example: scimlite mapping show --app entra-id
    """
    app = apps.get(context.db, slug)
    current = mappings.from_json(app.mapping)
    if as_json:
        print_json(current.as_dict())
        return
    _ROWS.print_table(current.rows(core.USER.name), empty="No rows.", hidden_when_empty=_EXTRAS)
    print_heading("Groups")
    _ROWS.print_table(current.rows(core.GROUP.name), empty="No rows.", hidden_when_empty=_EXTRAS)
    stale = remapping.stale(context.db, app)
    if stale:
        click.echo(f"\n{stale:,} stored profiles are out of date: scimlite mapping recompute --app {slug}", err=True)


@mapping.command(name="set")
@required_app_option
@click.argument("target")
@click.argument("source", required=False)
@click.option("--constant", metavar="TEXT", help="The same text for all, in place of SOURCE.")
@click.option("--template", metavar="TEXT", help="A SOURCE with attributes in braces: {name.givenName}.")
@click.option("--default", metavar="TEXT", help="The value when SOURCE has none.")
@click.option("--trim", is_flag=True, help="Remove blanks at both ends.")
@click.option("--lower", is_flag=True, help="Convert to lower case.")
@click.option("--upper", is_flag=True, help="Convert to upper case.")
@click.option(
    "--required/--optional", default=None, help="Refuse writes that leave it without a value, or accept them."
)
@_group_option
@_yes_option
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
    yes: bool,
) -> None:
    """Set the origin of TARGET: an attribute, a template, or a constant.

    SOURCE is a path as in SCIM filters, such as name.givenName or emails[type eq "work"].value, or a template such as
    '{name.givenName} {name.familyName}'. Without SOURCE the row keeps its origin. The stored profiles are recomputed;
    when that is interrupted, scimlite mapping recompute continues it.

    \b
    Examples: scimlite mapping set --app entra-id fullName \\
                  '{name.givenName} {name.familyName}'
              scimlite mapping set --app entra-id costCenter costCenter \\
                  --default none --upper --required
              scimlite mapping set --app entra-id tenant --constant acme
    """
    origins = (source, constant, template)
    if len(origins) - origins.count(None) > 1:
        raise click.UsageError("Give one of SOURCE, --constant and --template.")
    if lower and upper:
        raise click.UsageError("Give --lower or --upper, not both.")
    if source is not None and "{" in source:
        source, template = None, source
    members = {"source": source, "template": template, "constant": constant, "default": default, "required": required}
    values: dict[str, Any] = {name: value for name, value in members.items() if value is not None}
    transform = [name for name, on in (("trim", trim), ("lower", lower), ("upper", upper)) if on]
    values |= {"transform": transform} if transform else {}
    app = apps.get(context.db, slug)
    kind = core.GROUP if of_group else core.USER

    def act(sure: bool) -> dict[str, list[Any]]:
        return remapping.set_row(context.scope, app.slug, kind, target, values, force=sure)

    _print_changes(context, app, confirmed(act, _SET_ALL_THE_SAME, yes=yes))


@mapping.command()
@required_app_option
@click.argument("target", required=False)
@click.option("--all", "everything", is_flag=True, help="Return to the default mapping.")
@_group_option
@yes_option
@dry_run_option
@with_installation
def unset(
    context: Context, slug: str, target: str | None, everything: bool, of_group: bool, yes: bool, dry_run: bool
) -> None:
    """Remove TARGET from the profiles, or return to the default mapping, which the command asks about.

    \b
    Examples: scimlite mapping unset --app entra-id department
              scimlite mapping unset --app entra-id --all
    """
    if (target is None) is not everything:
        raise click.UsageError("Give TARGET or --all.")
    app = apps.get(context.db, slug)
    kind = core.GROUP if of_group else core.USER
    act = partial(remapping.remove_row, context.scope, app.slug, kind, target)
    if dry_run:
        _print_rows(rehearse(context.scope, act))
        return
    if everything and (rows := rehearse(context.scope, act)):
        _print_rows(rows)
        confirm("Do that?", yes=yes)
    _print_changes(context, app, act())


@mapping.command(name="import")
@required_app_option
@click.argument("file", type=click.File("rb"))
@_yes_option
@dry_run_option
@with_installation
def import_(context: Context, slug: str, file: BinaryIO, yes: bool, dry_run: bool) -> None:
    """Set the mapping that FILE holds as JSON; - reads it from stdin.

    It replaces all rows of users, all rows of groups, or both, depending on which of them FILE has.

    \b
    Example: scimlite mapping import --app entra-id mapping.json
    """
    new = mappings.read(read_json(file))
    app = apps.get(context.db, slug)

    def act(sure: bool) -> dict[str, list[Any]]:
        return remapping.change(context.scope, app.slug, lambda current: new, force=sure)

    if dry_run:
        _print_rows(rehearse(context.scope, lambda: act(True)))
    else:
        _print_changes(context, app, confirmed(act, _SET_ALL_THE_SAME, yes=yes))


@mapping.command()
@required_app_option
@with_installation
def export(context: Context, slug: str) -> None:
    """Print the mapping as JSON, for scimlite mapping import.

    \b
    Example: scimlite mapping export --app entra-id > mapping.json
    """
    print_json(mappings.from_json(apps.get(context.db, slug).mapping).as_dict())


@mapping.command()
@required_app_option
@click.argument("user", required=False)
@click.option("--file", "file", type=click.File("rb"), help="A user (or group) as SCIM JSON; - reads it from stdin.")
@_group_option
@json_option
@with_installation
def test(context: Context, slug: str, user: str | None, file: BinaryIO | None, of_group: bool, as_json: bool) -> None:
    """Show the profile of a stored USER, or of a user in a file of SCIM JSON.

    \b
    Examples: scimlite mapping test --app entra-id ann@example.com
              scimlite mapping test --app entra-id --file user.json
    """
    if (user is None) is (file is None):
        raise click.UsageError("Give USER or --file.")
    app = apps.get(context.db, slug)
    kind = app.resource_types[(core.GROUP if of_group else core.USER).endpoint]
    if user is not None:
        stored = the_one(context, kind, slug, user)
        values = profiles.read(context.workspace(app), kind, [stored.id])[stored.id]
    else:
        assert file is not None
        values = remapping.preview(app, kind, read_json(file))
    if as_json:
        print_json(values)
    else:
        print_fields(
            [(target, _cell(value) if value is not None else "(no value)") for target, value in values.items()]
        )
    missing = remapping.missing(app, kind, values)
    for row in missing:
        click.echo(f"{row.target} is required, and {row.origin} has no value: a write of this is refused.", err=True)
    if missing:
        raise click.exceptions.Exit(1)


@mapping.command()
@required_app_option
@with_installation
def recompute(context: Context, slug: str) -> None:
    """Recompute the stored profiles that an earlier mapping made.

    It continues a run that was interrupted. Until then such a profile is computed whenever it is read, so the
    application never gets an outdated one.

    \b
    Example: scimlite mapping recompute --app entra-id
    """
    recompute_profiles(context, apps.get(context.db, slug))


def _print_changes(context: Context, app: App, changes: dict[str, list[Any]]) -> None:
    """Print the rows that changed, and recompute the stored profiles."""
    _print_rows(changes)
    recompute_profiles(context, apps.get(context.db, app.slug))


def _print_rows(changes: dict[str, list[Any]]) -> None:
    if not changes:
        click.echo("It is like that already.", err=True)
    for target, (_, new) in changes.items():
        click.echo(f"{target}: {_change(new)}", err=True)


def _change(row: Any) -> str:
    if row is None:
        return "removed"
    return f"<- {remapping.in_words(row)}" if isinstance(row, dict) else remapping.in_words(row)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(_cell, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

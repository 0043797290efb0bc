"""`scimlite source map`: which attribute of a source becomes which SCIM attribute."""

from __future__ import annotations

from typing import Any, BinaryIO

import click

from scimlite.admin import sources
from scimlite.apps import App
from scimlite.apps import get as get_app
from scimlite.sync.reading import GROUP, USER
from scimlite.sync.sources import Source
from scimlite.visible_text import visible

from .kit.app_name import required_app_option
from .kit.columns import Column, Columns
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.json_file import read_json
from .kit.options import json_option, wide_option
from .kit.output import print_json

_ROWS = Columns[tuple[str, str, str]](
    Column("type", "Type", value=lambda row: row[0]),
    Column("attribute", "Attribute", value=lambda row: row[1], shown=lambda row: visible(row[1])),
    Column("expression", "From", value=lambda row: row[2], shown=lambda row: visible(row[2]), wraps=True),
)
_source_option = click.option(
    "--source", "name", metavar="NAME", help="The source; it may be left out when the app has only one."
)
_group_option = click.option("--group", "of_group", is_flag=True, help="For groups; without it, for users.")


@click.group(name="map", cls=Group)
def map_() -> None:
    """Set which attribute of a source becomes which SCIM attribute.

    FROM is an attribute of the source. `a | b` takes the first that has a value, `mail[*]` all values, `mail[1:]` all
    but the first, `{givenName} {sn}` is a text with values in it, and `"Sales"` the same text for all. `@key`, `@name`
    and `@active` are the entry's immutable id, its name there, and whether it is active.

    \b
    Examples: scimlite source map show --app hr
              scimlite source map set title jobTitle --app hr
    """


@map_.command()
@required_app_option
@_source_option
@json_option
@wide_option
@with_installation
def show(context: Context, slug: str, name: str | None, as_json: bool) -> None:
    """Show the mapping of a source.

    \b
    Example: scimlite source map show --app hr
    """
    _, chosen = _of(context, slug, name)
    if as_json:
        print_json(chosen.rows)
        return
    rows = [(type, *row) for type, rows in chosen.rows.items() for row in rows.items()]
    _ROWS.print_table(rows, empty="No rows.")


@map_.command(name="set")
@click.argument("attribute")
@click.argument("expression", metavar="FROM")
@required_app_option
@_source_option
@_group_option
@with_installation
def set_(context: Context, slug: str, name: str | None, attribute: str, expression: str, of_group: bool) -> None:
    """Set what a SCIM attribute is made from, such as title, name.givenName, emails.work or department.

    \b
    Examples: scimlite source map set emails.work mail --app hr
              scimlite source map set displayName '{givenName} {sn}' --app hr
    """
    app, chosen = _of(context, slug, name)
    rows = chosen.rows
    rows.setdefault(GROUP if of_group else USER, {})[attribute] = expression
    _save(context, app, chosen, rows)


@map_.command()
@click.argument("attribute")
@required_app_option
@_source_option
@_group_option
@with_installation
def unset(context: Context, slug: str, name: str | None, attribute: str, of_group: bool) -> None:
    """Take away a row: the source does not give the attribute any more, and its values stay as they are.

    \b
    Example: scimlite source map unset title --app hr
    """
    app, chosen = _of(context, slug, name)
    rows, type = chosen.rows, GROUP if of_group else USER
    if attribute not in rows.get(type, {}):
        known = ", ".join(rows.get(type, {})) or "none"
        raise click.ClickException(f"The mapping has no row for {attribute!r} of {type}. Rows: {known}.")
    del rows[type][attribute]
    _save(context, app, chosen, rows)


@map_.command()
@required_app_option
@_source_option
@with_installation
def reset(context: Context, slug: str, name: str | None) -> None:
    """Go back to the usual mapping of the source's kind.

    \b
    Example: scimlite source map reset --app hr
    """
    app, chosen = _of(context, slug, name)
    _save(context, app, chosen, sources.usual_mapping(app, chosen.kind))


@map_.command(name="import")
@click.argument("file", type=click.File("rb"))
@required_app_option
@_source_option
@with_installation
def import_(context: Context, slug: str, name: str | None, file: BinaryIO) -> None:
    """Take the mapping from a file that `scimlite source map show --json` wrote; - is stdin.

    \b
    Example: scimlite source map import mapping.json --app hr
    """
    app, chosen = _of(context, slug, name)
    data = read_json(file)
    if not isinstance(data, dict) or not all(_is_rows(rows) for rows in data.values()):
        raise click.ClickException('A mapping is an object such as {"User": {"userName": "uid"}}.')
    unknown = sorted(data.keys() - {USER, GROUP})
    if unknown:
        raise click.ClickException(f"A mapping has User and Group, not {unknown[0]!r}.")
    _save(context, app, chosen, data)


def _is_rows(rows: Any) -> bool:
    return isinstance(rows, dict) and all(isinstance(text, str) for text in rows.values())


def _save(context: Context, app: App, chosen: Source, rows: dict[str, dict[str, str]]) -> None:
    sources.set_mapping(context.workspace(app), chosen, rows)
    click.echo(f"The mapping of {visible(chosen.name)} is set; the next run reads everything by it.", err=True)


def _of(context: Context, slug: str, name: str | None) -> tuple[App, Source]:
    app = get_app(context.db, slug)
    return app, sources.get(context.db, app, name)

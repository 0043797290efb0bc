"""`scimlite schema`: attributes and resource types of an app's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from scimlite.admin import apps, catalog, schemas
from scimlite.admin.rehearsal import rehearse
from scimlite.scim.schema import ResourceType
from scimlite.visible_text import visible

from .kit import completing
from .kit.app_name import required_app_option
from .kit.confirming import confirmed
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.json_file import read_json
from .kit.options import dry_run_option, json_option, wide_option, yes_option
from .kit.output import print_fields, print_json, print_json_lines, print_text
from .schema_output import DIFFERENCES, ENTRIES, SCHEMAS, print_about_type, print_schema, print_type


@click.group(cls=Group)
def schema() -> None:
    """Declare attributes and resource types of an app's own.

    Declarations are JSON in the form of RFC 7643 section 7, and apply from the next request on. The commands list and
    show the built-in schemas too.

    \b
    Example: scimlite schema add acme.json --app entra-id --to User
    """


def _yes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    text = "Do not ask before deleting stored values and resources that would be left without a declaration."
    return yes_option(command, old=["--force"], text=text)


def _carry_out(context: Context, act: Callable[[bool], list[str]], *, yes: bool, dry_run: bool) -> None:
    """Change declarations, or with `dry_run` only say what would change; `act` takes whether data may be deleted."""
    if dry_run:
        changes = rehearse(context.scope, lambda: act(True))
        click.echo("Nothing was changed. This would be:", err=True)
    else:
        changes = confirmed(act, "Delete them?", yes=yes)
    click.echo("\n".join(map(visible, changes)), err=not dry_run)


@schema.command()
@click.argument("source", metavar="[FILE|NAME]", default="-", shell_complete=completing.file_or_catalog)
@required_app_option
@click.option("--to", multiple=True, metavar="TYPE", help="Extend this resource type; can be given several times.")
@click.option(
    "--required/--optional", default=None, help="Whether each resource must have the extension.  [default: optional]"
)
@_yes_option
@dry_run_option
@with_installation
def add(
    context: Context,
    source: str,
    slug: str,
    to: tuple[str, ...],
    required: bool | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Declare schemas and resource types: those in a JSON file, or an entry of the catalogue.

    FILE holds a Schema, which extends the resource types that --to names; or a ResourceType with its schemas in an
    array or a ListResponse. Without FILE, or with -, the command reads standard input. NAME is an entry of `scimlite
    schema catalog`; a file of that name comes first. A declaration that exists is replaced, and one from the catalogue
    comes to the present version. A declaration that contradicts itself or stored resources is refused.

    \b
    Examples: scimlite schema add acme.json --app entra-id --to User
              scimlite schema add devices.json --app entra-id
              scimlite schema add agents --app okta
    """
    app = apps.get(context.db, slug)
    if source == "-" or Path(source).is_file():
        with click.open_file(source, "rb") as file:
            body = read_json(file)

        def act(sure: bool) -> list[str]:
            return schemas.add(context.scope, app.slug, body, to=to, required=required, force=sure)

        _carry_out(context, act, yes=yes, dry_run=dry_run)
        return
    if {"/", "."} & set(source):
        raise click.UsageError(f"There is no file {source}.")
    if to or required is not None:
        raise click.UsageError(f"The catalogue's {source} says itself what it extends: leave out --to and --required.")
    _carry_out(
        context,
        lambda sure: schemas.add_entry(context.scope, app.slug, source, force=sure),
        yes=yes,
        dry_run=dry_run,
    )


@schema.command(name="catalog")
@click.argument("name", required=False, shell_complete=completing.catalog)
@json_option
@wide_option
def catalog_(name: str | None, as_json: bool) -> None:
    """List the ready-made declarations, or show the one under NAME.

    They are written from specifications and come with this version. With NAME and --json the output is a file for
    `scimlite schema add`.

    \b
    Examples: scimlite schema catalog
              scimlite schema catalog agents
    """
    if name is None:
        entries = catalog.every()
        if as_json:
            print_json_lines(map(ENTRIES.data, entries))
        else:
            ENTRIES.print_table(entries, empty="None.")
        return
    entry = catalog.find(name)
    if as_json:
        print_json(entry.to_json())
        return
    print_fields(
        [
            ("Name", f"{entry.name}, version {entry.version}"),
            ("For", entry.title),
            ("Written from", f"{entry.source} ({entry.date})"),
            ("", entry.url),
        ]
    )
    click.echo("")
    for note in entry.notes:
        print_text(note, first="- ")
    for kind in entry.types:
        click.echo("")
        print_about_type(kind)
    for schema in entry.schemas:
        click.echo("")
        print_schema(schema)


@schema.command()
@click.argument("name", shell_complete=completing.catalog)
@required_app_option
@json_option
@wide_option
@with_installation
def diff(context: Context, name: str, slug: str, as_json: bool) -> None:
    """Compare what an app declared from the catalogue with the catalogue.

    Each attribute whose characteristics differ is listed. `scimlite schema add NAME --app SLUG` brings the app's
    declarations to those of the catalogue.

    \b
    Example: scimlite schema diff agents --app okta
    """
    app = apps.get(context.db, slug)
    compared = schemas.compare(app, name)
    if as_json:
        listed = [DIFFERENCES.data(difference) for difference in compared.differences]
        about = {"app": app.slug, "name": compared.name, "version": compared.version}
        print_json({**about, "available": compared.available, "differences": listed})
        return
    versions = f"Version {compared.version} is declared, {compared.available} is in the catalogue."
    click.echo(
        versions if compared.version != compared.available else f"Version {compared.version} is declared.", err=True
    )
    DIFFERENCES.print_table(compared.differences, empty=f"{compared.name} is declared as the catalogue has it.")


@schema.command(name="list")
@required_app_option
@json_option
@wide_option
@with_installation
def list_(context: Context, slug: str, as_json: bool) -> None:
    """List the schemas of an app, with the resource types that use each.

    \b
    Example: scimlite schema list --app entra-id
    """
    app = apps.get(context.db, slug)
    listed = schemas.every(app)
    if as_json:
        print_json_lines({"app": app.slug, **SCHEMAS.data(schema)} for schema in listed)
    else:
        SCHEMAS.print_table(listed, empty="None.")


@schema.command()
@click.argument("name", shell_complete=completing.schemas)
@required_app_option
@json_option
@wide_option
@with_installation
def show(context: Context, name: str, slug: str, as_json: bool) -> None:
    """Show a schema by its URN, or a resource type by its name with its schemas.

    With --json the output is a file for `scimlite schema add`.

    \b
    Example: scimlite schema show Device --app entra-id
    """
    app = apps.get(context.db, slug)
    match = schemas.find(app, name)
    if isinstance(match, ResourceType):
        print_type(app, match, as_json=as_json)
    elif as_json:
        print_json(app.declared.schemas.get(match.schema.id.lower(), match.schema).declaration(whole=True))
    else:
        print_schema(match.schema)


@schema.command()
@click.argument("name", shell_complete=completing.schemas)
@required_app_option
@_yes_option
@dry_run_option
@with_installation
def remove(context: Context, name: str, slug: str, yes: bool, dry_run: bool) -> None:
    """Remove the declaration of a schema (by its URN) or of a resource type (by its name).

    While values or resources of it are stored, the command asks whether to delete them for good.

    \b
    Example: scimlite schema remove Device --app entra-id --dry-run
    """
    app = apps.get(context.db, slug)
    _carry_out(
        context, lambda sure: schemas.remove(context.scope, app.slug, name, force=sure), yes=yes, dry_run=dry_run
    )

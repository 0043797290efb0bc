"""`scimlite schema`: attributes and resource types of an app's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from scimlite.admin import apps, catalog, schemas
from scimlite.admin.catalog import CatalogEntry
from scimlite.admin.rehearsal import rehearse
from scimlite.admin.schemas import Listed, Use
from scimlite.admin.wording import visible
from scimlite.apps import App
from scimlite.scim import messages
from scimlite.scim.declaration import DeclaredType
from scimlite.scim.declaration_diff import Difference
from scimlite.scim.schema import Attribute, ResourceType, Schema

from .kit import completing
from .kit.app_name import required_app_option
from .kit.columns import Column, Columns
from .kit.confirming import confirmed
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.options import dry_run_option, json_option, yes_option
from .kit.output import print_fields, print_json, print_json_lines, print_table

_USES = Columns[Use](
    Column("name", value=lambda use: use.resource_type.name),
    Column("core", value=lambda use: use.core),
    Column("required", value=lambda use: use.required),
)
_ENTRIES = Columns[CatalogEntry](
    Column("name", "Name", value=lambda entry: entry.name),
    Column("version", "Version", value=lambda entry: entry.version),
    Column("title", "What it is for", value=lambda entry: entry.title),
    Column("source", "Written from", value=lambda entry: entry.source),
    Column("date", value=lambda entry: entry.date),
    Column("url", value=lambda entry: entry.url),
    Column("resource_types", value=lambda entry: [kind.name for kind in entry.types]),
    Column("schemas", value=lambda entry: [schema.id for schema in entry.schemas]),
    table=("Name", "Version", "What it is for", "Written from"),
)
_DIFFERENCES = Columns[Difference](
    Column("path", "What", value=lambda difference: difference.path),
    Column(
        "characteristic",
        "Characteristic",
        value=lambda difference: difference.characteristic or None,
        shown=lambda difference: difference.characteristic,
    ),
    Column(
        "here", "Here", value=lambda difference: difference.before, shown=lambda difference: _side(difference.before)
    ),
    Column(
        "catalog",
        "In the catalogue",
        value=lambda difference: difference.after,
        shown=lambda difference: _side(difference.after),
    ),
)


def _side(value: Any) -> str:
    """One side of a difference as a text."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_SCHEMAS = Columns[Listed](
    Column("schema", "Schema", value=lambda listed: listed.schema.id),
    Column("name", value=lambda listed: listed.schema.name),
    Column(
        "declared",
        "Declared",
        value=lambda listed: listed.declared,
        shown=lambda listed: _declared(listed),
    ),
    Column(
        "catalog",
        value=lambda listed: (
            listed.origin
            and {"name": listed.origin.name, "version": listed.origin.version, "available": _available(listed)}
        ),
    ),
    Column(
        "resource_types",
        "Of",
        value=lambda listed: [_USES.data(use) for use in listed.uses],
        shown=lambda listed: ", ".join(map(_use, listed.uses)),
    ),
    Column(heading="Attributes", shown=lambda listed: f"{len(_own_attributes(listed.schema))}"),
    table=("Schema", "Of", "Attributes", "Declared"),
)


def _available(listed: Listed) -> int | None:
    """Return the present version of the entry that a schema comes from; None when there is no such entry any more."""
    return catalog.versions().get(listed.origin.name) if listed.origin else None


def _declared(listed: Listed) -> str:
    """Return where a schema was declared: here, from an entry of the catalogue, or nowhere."""
    if not listed.declared:
        return "built in"
    if listed.origin is None:
        return "here"
    available = _available(listed)
    newer = f" ({available} available)" if available is not None and available != listed.origin.version else ""
    return f"{listed.origin.name} {listed.origin.version}{newer}"


def _use(use: Use) -> str:
    if use.core:
        return f"{use.resource_type.name} (core)"
    return f"{use.resource_type.name} (required)" if use.required else use.resource_type.name


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
@click.argument("source", metavar="[FILE|NAME]", default="-")
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
        body = messages.load_json(_contents(source))

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


def _contents(source: str) -> bytes:
    """Return what is in a file, or with `-` on standard input."""
    with click.open_file(source, "rb") as file:
        contents: bytes = file.read()
    return contents


@schema.command(name="catalog")
@click.argument("name", required=False)
@json_option
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
            print_json_lines(map(_ENTRIES.data, entries))
        else:
            _ENTRIES.print_table(entries, empty="None.")
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
    click.echo("".join(f"\n- {note}" for note in entry.notes))
    for kind in entry.types:
        click.echo("")
        _print_about_type(kind)
    for schema in entry.schemas:
        click.echo("")
        _print_schema(schema)


@schema.command()
@click.argument("name")
@required_app_option
@json_option
@with_installation
def diff(context: Context, name: str, slug: str, as_json: bool) -> None:
    """Compare what an app declared from the catalogue with the catalogue.

    Each attribute whose characteristics differ is listed. `scimlite schema add NAME --app SLUG` brings the app's
    declarations to those of the catalogue.

    \b
    Example: scimlite schema diff agents --app okta
    """
    compared = schemas.compare(apps.get(context.db, slug), name)
    if as_json:
        listed = [_DIFFERENCES.data(difference) for difference in compared.differences]
        about = {"name": compared.name, "version": compared.version, "available": compared.available}
        print_json({**about, "differences": listed})
        return
    versions = f"Version {compared.version} is declared, {compared.available} is in the catalogue."
    click.echo(
        versions if compared.version != compared.available else f"Version {compared.version} is declared.", err=True
    )
    _DIFFERENCES.print_table(compared.differences, empty=f"{compared.name} is declared as the catalogue has it.")


@schema.command(name="list")
@required_app_option
@json_option
@with_installation
def list_(context: Context, slug: str, as_json: bool) -> None:
    """List the schemas of an app, with the resource types that use each.

    \b
    Example: scimlite schema list --app entra-id
    """
    app = apps.get(context.db, slug)
    listed = schemas.every(app)
    if as_json:
        print_json_lines({"app": app.slug, **_SCHEMAS.data(schema)} for schema in listed)
    else:
        _SCHEMAS.print_table(listed, empty="None.")


@schema.command()
@click.argument("name", shell_complete=completing.schemas)
@required_app_option
@json_option
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
        _print_type(app, match, as_json=as_json)
    elif as_json:
        print_json(app.declared.schemas.get(match.schema.id.lower(), match.schema).declaration(whole=True))
    else:
        _print_schema(match.schema)


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


def _print_type(app: App, kind: ResourceType, *, as_json: bool) -> None:
    own = kind.schemas
    if as_json:
        keys = [schema.id.lower() for schema in own]
        declared = [app.declared.schemas[key].declaration(whole=True) for key in keys if key in app.declared.schemas]
        member = {"memberOfGroups": True} if kind.member_of_groups else {}
        print_json([{**kind.declaration(), **member}, *declared])
        return
    _print_about_type(kind)
    for schema in own:
        click.echo("")
        _print_schema(schema)


def _print_about_type(kind: ResourceType | DeclaredType) -> None:
    print_fields(
        [
            ("Resource type", kind.name),
            ("Endpoint", f"/{kind.endpoint}"),
            ("About", kind.description),
            ("In groups", "can be a member" if kind.member_of_groups else ""),
        ]
    )


def _print_schema(schema: Schema) -> None:
    print_fields([("Schema", schema.id), ("Name", schema.name), ("About", schema.description)])
    rows = [_row(line, prefix) for attribute in _own_attributes(schema) for line, prefix in _lines(attribute)]
    print_table(("Attribute", "Type", "Characteristics", "Description"), rows, empty="None.")


def _own_attributes(schema: Schema) -> list[Attribute]:
    """Return the attributes of a schema without the schemas inside of it, which are shown by themselves."""
    return [attribute for attribute in schema.attributes if not attribute.nested]


def _lines(attribute: Attribute) -> Iterator[tuple[Attribute, str]]:
    yield attribute, ""
    for sub in attribute.sub_attributes:
        yield sub, f"{attribute.name}."


def _row(attribute: Attribute, prefix: str) -> tuple[str, str, str, str]:
    """Return an attribute with the characteristics that differ from the defaults of RFC 7643 section 2.2."""
    words = [
        "required" if attribute.required else "",
        attribute.mutability if attribute.mutability != "readWrite" else "",
        f"returned {attribute.returned}" if attribute.returned != "default" else "",
        "unique" if attribute.uniqueness != "none" else "",
        "case exact" if attribute.case_exact else "",
    ]
    kind = f"{attribute.type}, several" if attribute.multi_valued else attribute.type
    return prefix + attribute.name, kind, ", ".join(filter(None, words)), attribute.description

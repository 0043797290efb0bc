"""`scimlite schema`: attributes and resource types of an app's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import click

from scimlite.admin import apps, schemas
from scimlite.admin.schemas import Listed, Use
from scimlite.admin.wording import visible
from scimlite.apps import App
from scimlite.scim import messages
from scimlite.scim.schema import Attribute, ResourceType, Schema

from .kit.columns import Column, Columns
from .kit.context import Context, with_installation
from .kit.options import json_option, required_app_option
from .kit.output import print_fields, print_json, print_table

_USES = Columns[Use](
    Column("name", value=lambda use: use.resource_type.name),
    Column("core", value=lambda use: use.core),
    Column("required", value=lambda use: use.required),
)
_SCHEMAS = Columns[Listed](
    Column("schema", "Schema", value=lambda listed: listed.schema.id),
    Column("name", value=lambda listed: listed.schema.name),
    Column(
        "declared",
        "Declared",
        value=lambda listed: listed.declared,
        shown=lambda listed: "here" if listed.declared else "built in",
    ),
    Column(
        "resource_types",
        "Of",
        value=lambda listed: [_USES.data(use) for use in listed.uses],
        shown=lambda listed: ", ".join(map(_use, listed.uses)),
    ),
    Column(heading="Attributes", shown=lambda listed: f"{len(listed.schema.attributes)}"),
    table=("Schema", "Of", "Attributes", "Declared"),
)


def _use(use: Use) -> str:
    if use.core:
        return f"{use.resource_type.name} (core)"
    return f"{use.resource_type.name} (required)" if use.required else use.resource_type.name


@click.group()
def schema() -> None:
    """Declare attributes and resource types of an app's own.

    Declarations are JSON in the form of RFC 7643 section 7, and apply from the next request on. The commands list and
    show the built-in schemas too.

    \b
    Example: scimlite schema add acme.json --app entra-id --to User
    """


def _force_option(command: Callable[..., Any]) -> Callable[..., Any]:
    words = "Delete stored values and resources that would be left without a declaration."
    return click.option("--force", "--yes", "force", is_flag=True, help=words)(command)


@schema.command()
@click.argument("file", type=click.File("rb"), default="-")
@required_app_option
@click.option("--to", multiple=True, metavar="TYPE", help="Extend this resource type; can be given several times.")
@click.option(
    "--required/--optional", default=None, help="Whether each resource must have the extension.  [default: optional]"
)
@_force_option
@with_installation
def add(context: Context, file: BinaryIO, slug: str, to: tuple[str, ...], required: bool | None, force: bool) -> None:
    """Declare the schemas and resource types in a JSON file.

    FILE holds a Schema, which extends the resource types that --to names; or a ResourceType with its schemas in an
    array or a ListResponse. Without FILE, or with -, the command reads standard input. A declaration that exists is
    replaced. A declaration that contradicts itself or stored resources is refused.

    \b
    Examples: scimlite schema add acme.json --app entra-id --to User
              scimlite schema add devices.json --app entra-id
    """
    app = apps.get(context.db, slug)
    body = messages.load_json(file.read())
    _print_changes(schemas.add(context.scope, app.slug, body, to=to, required=required, force=force))


@schema.command(name="list")
@required_app_option
@json_option
@with_installation
def list_(context: Context, slug: str, as_json: bool) -> None:
    """List the schemas of an app, with the resource types that use each.

    \b
    Example: scimlite schema list --app entra-id
    """
    listed = schemas.every(apps.get(context.db, slug))
    if as_json:
        print_json([_SCHEMAS.data(schema) for schema in listed])
    else:
        _SCHEMAS.print_table(listed, empty="None.")


@schema.command()
@click.argument("name")
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
        print_json(match.schema.declaration())
    else:
        _print_schema(match.schema)


@schema.command()
@click.argument("name")
@required_app_option
@_force_option
@with_installation
def remove(context: Context, name: str, slug: str, force: bool) -> None:
    """Remove the declaration of a schema (by its URN) or of a resource type (by its name).

    The command refuses while values or resources of it are stored; --force deletes them for good.

    \b
    Example: scimlite schema remove Device --app entra-id --force
    """
    app = apps.get(context.db, slug)
    _print_changes(schemas.remove(context.scope, app.slug, name, force=force))


def _print_changes(changes: list[str]) -> None:
    click.echo("\n".join(map(visible, changes)), err=True)


def _print_type(app: App, kind: ResourceType, *, as_json: bool) -> None:
    own = (kind.schema, *kind.extensions)
    if as_json:
        declared = [schema.declaration() for schema in own if schema.id.lower() in app.declared.schemas]
        print_json([kind.declaration(), *declared])
        return
    print_fields([("Resource type", kind.name), ("Endpoint", f"/{kind.endpoint}"), ("About", kind.description)])
    for schema in own:
        click.echo("")
        _print_schema(schema)


def _print_schema(schema: Schema) -> None:
    print_fields([("Schema", schema.id), ("Name", schema.name), ("About", schema.description)])
    rows = [_row(line, prefix) for attribute in schema.attributes for line, prefix in _lines(attribute)]
    print_table(("Attribute", "Type", "Characteristics", "Description"), rows, empty="None.")


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

"""`scimlite schema`: attributes and resource types of an app's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import click

from scimlite.admin import apps, schemas
from scimlite.apps import App
from scimlite.scim import messages
from scimlite.scim.schema import Attribute, ResourceType, Schema

from .context import Context
from .installation import with_installation
from .output import json_option, print_fields, print_json, print_table, visible


@click.group()
def schema() -> None:
    """Declare attributes and resource types of an app's own.

    Declarations are JSON as RFC 7643 section 7 writes them, and hold from the next request on. Built-in schemas are
    listed and shown too.

    \b
    Example: scimlite schema add acme.json --app entra-id --to User
    """


def _app_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--app", "slug", metavar="SLUG", required=True, help="The app.")(command)


def _force_option(command: Callable[..., Any]) -> Callable[..., Any]:
    words = "Delete what is stored and would be left without a declaration."
    return click.option("--force", "--yes", "force", is_flag=True, help=words)(command)


@schema.command()
@click.argument("file", type=click.File("rb"), default="-")
@_app_option
@click.option("--to", multiple=True, metavar="TYPE", help="Extend this resource type; can be given several times.")
@click.option(
    "--required/--optional", default=None, help="Whether each resource must have the extension.  [default: optional]"
)
@_force_option
@with_installation
def add(context: Context, file: BinaryIO, slug: str, to: tuple[str, ...], required: bool | None, force: bool) -> None:
    """Declare what a JSON file holds, or declare it anew; - or nothing is standard input.

    A file holds a Schema, which extends the resource types that --to names; or a ResourceType with its schemas in
    an array or a ListResponse. It is refused when it contradicts itself or what is stored.

    \b
    Examples: scimlite schema add acme.json --app entra-id --to User
              scimlite schema add devices.json --app entra-id
    """
    found = apps.get(context.db, slug)
    body = messages.load_json(file.read())
    _tell(schemas.add(context.scope, found.slug, body, to=to, required=required, force=force))


@schema.command(name="list")
@_app_option
@json_option
@with_installation
def list_(context: Context, slug: str, as_json: bool) -> None:
    """List the schemas of an app and the resource types that have them.

    \b
    Example: scimlite schema list --app entra-id
    """
    found = apps.get(context.db, slug)
    listed = {each.id: each for _, each in _used(found)}
    if as_json:
        print_json(
            [
                {
                    "schema": each.id,
                    "name": each.name,
                    "declared": each.id.lower() in found.declared.schemas,
                    "resource_types": [
                        {"name": kind.name, "core": kind.schema is held, "required": _must(kind, held)}
                        for kind, held in _used(found)
                        if held.id == each.id
                    ],
                }
                for each in listed.values()
            ]
        )
        return
    print_table(
        ("Schema", "Of", "Attributes", "Declared"),
        [
            (
                each.id,
                ", ".join(_relation(kind, held) for kind, held in _used(found) if held.id == each.id),
                f"{len(each.attributes)}",
                "here" if each.id.lower() in found.declared.schemas else "built in",
            )
            for each in listed.values()
        ],
        empty="None.",
    )


@schema.command()
@click.argument("name")
@_app_option
@json_option
@with_installation
def show(context: Context, name: str, slug: str, as_json: bool) -> None:
    """Show a schema by its URN, or a resource type by its name with its schemas.

    With --json it is what `scimlite schema add` takes.

    \b
    Example: scimlite schema show Device --app entra-id
    """
    found = apps.get(context.db, slug)
    for kind in found.resource_types.values():
        if kind.name.lower() == name.lower():
            _show_type(found, kind, as_json)
            return
    for _, each in _used(found):
        if each.id.lower() == name.lower():
            if as_json:
                print_json(each.declaration())
            else:
                _show_schema(each)
            return
    known = ", ".join(dict.fromkeys([*(k.name for k, _ in _used(found)), *(each.id for _, each in _used(found))]))
    raise click.ClickException(f"{found.slug} has no schema or resource type {name!r}. There is: {known}.")


@schema.command()
@click.argument("name")
@_app_option
@_force_option
@with_installation
def remove(context: Context, name: str, slug: str, force: bool) -> None:
    """Take back the declaration of a schema (its URN) or of a resource type (its name).

    It is refused while there are values or resources of it, unless --force says that they go too, for good.

    \b
    Example: scimlite schema remove Device --app entra-id --force
    """
    found = apps.get(context.db, slug)
    _tell(schemas.remove(context.scope, found.slug, name, force=force))


def _tell(done: list[str]) -> None:
    click.echo("\n".join(map(visible, done)), err=True)


def _used(app: App) -> Iterator[tuple[ResourceType, Schema]]:
    """The app's schemas with each type that has them."""
    for kind in app.resource_types.values():
        for each in (kind.schema, *kind.extensions):
            yield kind, each


def _must(kind: ResourceType, held: Schema) -> bool:
    return kind.schema is held or held.id in kind.required_extensions


def _relation(kind: ResourceType, held: Schema) -> str:
    if kind.schema is held:
        return f"{kind.name} (core)"
    return f"{kind.name} (required)" if held.id in kind.required_extensions else kind.name


def _show_type(app: App, kind: ResourceType, as_json: bool) -> None:
    held = (kind.schema, *kind.extensions)
    if as_json:
        declared = [each.declaration() for each in held if each.id.lower() in app.declared.schemas]
        print_json([kind.declaration(), *declared])
        return
    print_fields([("Resource type", kind.name), ("Endpoint", f"/{kind.endpoint}"), ("About", kind.description)])
    for each in held:
        click.echo("")
        _show_schema(each)


def _show_schema(shown: Schema) -> None:
    print_fields([("Schema", shown.id), ("Name", shown.name), ("About", shown.description)])
    rows = []
    for attribute in shown.attributes:
        rows += [_row(each, prefix) for each, prefix in _lines(attribute)]
    print_table(("Attribute", "Type", "Characteristics", "Description"), rows, empty="None.")


def _lines(attribute: Attribute) -> Iterator[tuple[Attribute, str]]:
    yield attribute, ""
    for sub in attribute.sub_attributes:
        yield sub, f"{attribute.name}."


def _row(attribute: Attribute, prefix: str) -> tuple[str, str, str, str]:
    """An attribute with those of its characteristics that are not what they mostly are."""
    words = [
        "required" if attribute.required else "",
        attribute.mutability if attribute.mutability != "readWrite" else "",
        f"returned {attribute.returned}" if attribute.returned != "default" else "",
        "unique" if attribute.uniqueness != "none" else "",
        "case exact" if attribute.case_exact else "",
    ]
    kind = f"{attribute.type}, several" if attribute.multi_valued else attribute.type
    return prefix + attribute.name, kind, ", ".join(filter(None, words)), attribute.description

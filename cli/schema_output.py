"""Schemas in the output: an app's, those of the catalogue, and what differs between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from scimlite.admin import catalog
from scimlite.admin.catalog import CatalogEntry
from scimlite.admin.schemas import Listed, Use
from scimlite.apps import App
from scimlite.scim.attribute import Attribute
from scimlite.scim.declaration import DeclaredType
from scimlite.scim.declaration_diff import Difference
from scimlite.scim.schema import ResourceType, Schema

from .kit.columns import Column, Columns
from .kit.layout import Layout
from .kit.output import print_fields, print_json, print_table

_USES = Columns[Use](
    Column("name", value=lambda use: use.resource_type.name),
    Column("core", value=lambda use: use.core),
    Column("required", value=lambda use: use.required),
)
ENTRIES = Columns[CatalogEntry](
    Column("name", "Name", value=lambda entry: entry.name),
    Column("version", "Version", value=lambda entry: entry.version),
    Column("title", "What it is for", value=lambda entry: entry.title, wraps=True),
    Column("source", "Written from", value=lambda entry: entry.source, wraps=True, rank=1),
    Column("date", value=lambda entry: entry.date),
    Column("url", value=lambda entry: entry.url),
    Column("resource_types", value=lambda entry: [kind.name for kind in entry.types]),
    Column("schemas", value=lambda entry: [schema.id for schema in entry.schemas]),
    table=("Name", "Version", "What it is for", "Written from"),
)
DIFFERENCES = Columns[Difference](
    Column("path", "What", value=lambda difference: difference.path, whole=True),
    Column(
        "characteristic",
        "Characteristic",
        value=lambda difference: difference.characteristic or None,
        shown=lambda difference: difference.characteristic,
    ),
    Column(
        "here",
        "Here",
        value=lambda difference: difference.before,
        shown=lambda difference: _side(difference.before),
        wraps=True,
    ),
    Column(
        "catalog",
        "In the catalogue",
        value=lambda difference: difference.after,
        shown=lambda difference: _side(difference.after),
        wraps=True,
    ),
)


def _side(value: Any) -> str:
    """One side of a difference as a text."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


SCHEMAS = Columns[Listed](
    Column("schema", "Schema", value=lambda listed: listed.schema.id, whole=True),
    Column("name", value=lambda listed: listed.schema.name),
    Column(
        "declared",
        "Declared",
        value=lambda listed: listed.declared,
        shown=lambda listed: _declared(listed),
        rank=2,
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
        wraps=True,
    ),
    Column(heading="Attributes", shown=lambda listed: f"{len(_own_attributes(listed.schema))}", rank=3),
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


def print_type(app: App, kind: ResourceType, *, as_json: bool) -> None:
    """Print a resource type with its schemas; as JSON what `scimlite schema add` takes."""
    own = kind.schemas
    if as_json:
        keys = [schema.id.lower() for schema in own]
        declared = [app.declared.schemas[key].declaration(whole=True) for key in keys if key in app.declared.schemas]
        member = {"memberOfGroups": True} if kind.member_of_groups else {}
        print_json([{**kind.declaration(), **member}, *declared])
        return
    print_about_type(kind)
    for schema in own:
        click.echo("")
        print_schema(schema)


def print_about_type(kind: ResourceType | DeclaredType) -> None:
    """Print a resource type without its schemas."""
    print_fields(
        [
            ("Resource type", kind.name),
            ("Endpoint", f"/{kind.endpoint}"),
            ("About", kind.description),
            ("In groups", "can be a member" if kind.member_of_groups else ""),
        ]
    )


def print_schema(schema: Schema) -> None:
    """Print a schema with its attributes."""
    print_fields([("Schema", schema.id), ("Name", schema.name), ("About", schema.description)])
    rows = [_row(line, prefix) for attribute in _own_attributes(schema) for line, prefix in _lines(attribute)]
    layouts = [
        Layout("Attribute", whole=True),
        Layout("Type"),
        Layout("Characteristics", wraps=True),
        Layout("Description", wraps=True, rank=1),
    ]
    print_table(layouts, rows, empty="None.")


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
        f"matches {attribute.pattern}" if attribute.pattern else "",
    ]
    kind = f"{attribute.type}, several" if attribute.multi_valued else attribute.type
    return prefix + attribute.name, kind, ", ".join(filter(None, words)), attribute.description

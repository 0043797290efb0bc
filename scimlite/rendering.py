"""Stored resources as the bytes a client gets: the stored text is joined with meta and links, rarely parsed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from .links import Link
from .scim.projection import Projection
from .store import Resource

Json = Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(microseconds: int) -> str:
    """A stored time as xsd:dateTime in UTC, exact to the microsecond so that filters can compare it."""
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def etag(resource: Resource) -> str:
    """The entity tag of a version."""
    return f'W/"{resource.version}"'


def location(resource: Resource, projection: Projection, base: str) -> str:
    """The resource's URI."""
    return f"{base}/{projection.resource_type.endpoint}/{resource.id}"


def render(resource: Resource, projection: Projection, base: str) -> bytes:
    """A resource as JSON with what the projection lets through; `base` is the app's SCIM base URL."""
    added = _added(resource, projection, base)
    if projection.plain:
        inner = b",".join(b'"%s":%s' % (name.encode(), orjson.dumps(value)) for name, value in added.items())
        return resource.document.encode()[:-1] + b"," + inner + b"}"
    return orjson.dumps(projection.apply({**orjson.loads(resource.document), **added}))


def _added(resource: Resource, projection: Projection, base: str) -> dict[str, Json]:
    """What is not in the stored document: links, derived attributes, meta."""
    resource_type = projection.resource_type
    added: dict[str, Json] = {}
    if resource_type.links is not None and resource.links is not None and projection.wants(resource_type.links):
        added[resource_type.links.name] = _members(resource.links, base)
    if resource_type.derived is not None and resource.derived and projection.wants(resource_type.derived):
        added[resource_type.derived.name] = _groups(resource.derived, base)
    added["meta"] = {
        "resourceType": resource_type.name,
        "created": timestamp(resource.created_at),
        "lastModified": timestamp(resource.modified_at),
        "location": location(resource, projection, base),
        "version": etag(resource),
    }
    return added


def _members(links: Sequence[Link], base: str) -> list[Json]:
    return [
        {"value": id, "$ref": f"{base}/{kind}s/{id}", "type": kind, "display": display}
        for id, kind, display in links
    ]


def _groups(links: Sequence[Link], base: str) -> list[Json]:
    return [
        {"value": id, "$ref": f"{base}/Groups/{id}", "display": display, "type": kind}
        for id, kind, display in links
    ]

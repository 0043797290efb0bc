"""Stored resources as the bytes a client gets: the stored text is joined with meta and links, rarely parsed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from .links import Link
from .resources import Resource
from .scim.projection import Projection

Json = Any

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


def timestamp(microseconds: int) -> str:
    """A stored time as xsd:dateTime in UTC, exact to the microsecond so that filters can compare it."""
    return (_EPOCH + microseconds * _MICROSECOND).isoformat(timespec="microseconds") + "Z"


def etag(resource: Resource) -> str:
    """The entity tag of a version."""
    return f'W/"{resource.version}"'


def location(resource: Resource, projection: Projection, base: str) -> str:
    """The resource's URI."""
    return f"{base}/{projection.resource_type.endpoint}/{resource.id}"


def render(resource: Resource, projection: Projection, base: str) -> bytes:
    """A resource as JSON with what the projection lets through; `base` is the app's SCIM base URL."""
    if not projection.plain:
        meta = {"meta": orjson.loads(_meta(resource, projection, base))}
        linked = _linked(resource, projection, base)
        return orjson.dumps(projection.apply({**orjson.loads(resource.document), **linked, **meta}))
    parts = [resource.document[:-1].encode()]
    for name, value in _linked(resource, projection, base).items():
        parts.append(b'"%s":%s' % (name.encode(), orjson.dumps(value)))
    return b'%s,"meta":%s}' % (b",".join(parts), _meta(resource, projection, base))


def _meta(resource: Resource, projection: Projection, base: str) -> bytes:
    """The `meta` attribute as JSON, put together as text: a page has a hundred of them."""
    return b'{"resourceType":"%s","created":"%s","lastModified":"%s","location":%s,"version":"W/\\"%d\\""}' % (
        projection.resource_type.name.encode(),
        timestamp(resource.created_at).encode(),
        timestamp(resource.modified_at).encode(),
        orjson.dumps(location(resource, projection, base)),
        resource.version,
    )


def _linked(resource: Resource, projection: Projection, base: str) -> dict[str, Json]:
    """Links and derived attributes, which are not in the stored document."""
    resource_type = projection.resource_type
    linked: dict[str, Json] = {}
    if resource_type.links is not None and resource.links is not None and projection.wants(resource_type.links):
        named = projection.names(resource_type.links.subs["display"])
        linked[resource_type.links.name] = _members(resource.links, base, with_display=named)
    if resource_type.derived is not None and resource.derived and projection.wants(resource_type.derived):
        linked[resource_type.derived.name] = _groups(resource.derived, base)
    return linked


def _members(links: Sequence[Link], base: str, *, with_display: bool) -> list[Json]:
    members: list[Json] = [{"value": id, "$ref": f"{base}/{kind}s/{id}", "type": kind} for id, kind, _ in links]
    if with_display:
        for member, link in zip(members, links, strict=True):
            member["display"] = link.display
    return members


def _groups(links: Sequence[Link], base: str) -> list[Json]:
    return [
        {"value": id, "$ref": f"{base}/Groups/{id}", "display": display, "type": kind} for id, kind, display in links
    ]

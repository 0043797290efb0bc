"""Stored resources as the bytes a client gets: the stored text is joined with meta and links, rarely parsed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from ...directory.members import Link
from ...directory.read import Resource
from ...scim import core
from ...scim.projection import Projection

Json = Any

_EPOCH = datetime(1970, 1, 1)


def timestamp(microseconds: int) -> str:
    """A stored time as xsd:dateTime in UTC, exact to the microsecond so that filters can compare it."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{rest:06d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """A whole second as text; kept, for a page of resources would spend a fifth of its time on calendars."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def etag(resource: Resource) -> str:
    """The entity tag of a version."""
    return f'W/"{resource.version}"'


def location(resource: Resource, projection: Projection, base: str) -> str:
    """The resource's URI."""
    return f"{base}/{projection.resource_type.endpoint}/{resource.id}"


def render(resource: Resource, projection: Projection, base: str) -> bytes:
    """A resource as JSON with what the projection lets through; `base` is the app's SCIM base URL."""
    return Renderer(projection, base).render(resource).encode()


class Renderer:
    """Renders resources of one type; what is the same for a whole page is worked out once."""

    def __init__(self, projection: Projection, base: str) -> None:
        resource_type = projection.resource_type
        links, derived = resource_type.links, resource_type.derived
        self._projection = projection
        self._base = base
        self._plain = projection.plain
        self._links = links if projection.wants(links) else None
        self._with_display = links is not None and projection.names(links.subs["display"])
        self._derived = derived if projection.wants(derived) else None
        self._type = resource_type.name
        # Ids are UUIDs: nothing in them has to be escaped.
        self._location = orjson.dumps(f"{base}/{resource_type.endpoint}/")[:-1].decode()

    def render(self, resource: Resource) -> str:
        """A resource as JSON with what the projection lets through."""
        if not self._plain:
            meta = {"meta": orjson.loads(self._meta(resource))}
            document = {**orjson.loads(resource.document), **self._linked(resource), **meta}
            return orjson.dumps(self._projection.apply(document)).decode()
        linked = self._linked(resource)
        more = f"{orjson.dumps(linked).decode()[1:-1]}," if linked else ""
        return f'{resource.document[:-1]},{more}"meta":{self._meta(resource)}}}'

    def _meta(self, resource: Resource) -> str:
        """The `meta` attribute as JSON, put together as text: a page has a hundred of them."""
        created = timestamp(resource.created_at)
        modified = created if resource.modified_at == resource.created_at else timestamp(resource.modified_at)
        return (
            f'{{"resourceType":"{self._type}","created":"{created}","lastModified":"{modified}",'
            f'"location":{self._location}{resource.id}","version":"W/\\"{resource.version}\\""}}'
        )

    def _linked(self, resource: Resource) -> dict[str, Json]:
        """Links and derived attributes, which are not in the stored document."""
        linked: dict[str, Json] = {}
        if self._links is not None and resource.links is not None:
            linked[self._links.name] = _members(resource.links, self._base, with_display=self._with_display)
        if self._derived is not None and resource.derived:
            linked[self._derived.name] = _groups(resource.derived, self._base)
        return linked


def _members(links: Sequence[Link], base: str, *, with_display: bool) -> list[Json]:
    urls = {kind: f"{base}/{endpoint}/" for kind, endpoint in core.ENDPOINTS.items()}
    members: list[Json] = [{"value": id, "$ref": urls[kind] + id, "type": kind} for id, kind, _ in links]
    if with_display:
        for member, link in zip(members, links, strict=True):
            member["display"] = link.display
    return members


def _groups(links: Sequence[Link], base: str) -> list[Json]:
    url = f"{base}/{core.GROUP.endpoint}/"
    return [{"value": id, "$ref": url + id, "display": display, "type": kind} for id, kind, display in links]

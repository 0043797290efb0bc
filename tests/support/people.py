"""Apps with people for tests of searching, written and read by the functions behind the endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import orjson

from scimlite.admin import apps
from scimlite.apps import App
from scimlite.apps.workspace import Workspace
from scimlite.db import Database, migration
from scimlite.directory import read, search, write
from scimlite.journal import Origin, Scope
from scimlite.limits import Limits
from scimlite.scim import core
from scimlite.scim.attribute import Attribute
from scimlite.scim.filter_parser import parse_filter
from scimlite.scim.path import parse_attr_path
from scimlite.scim.projection import Projection
from scimlite.scim.schema import ResourceType, schema
from scimlite.web.scim.rendering import render

Json = Any

ORIGIN = Origin("tests")
BASE = "https://scim.example.com/scim/v2/people"
STAFF_URN = "urn:example:params:scim:schemas:extension:staff:2.0:User"

#: An extension with the types and shapes of attributes that the core schemas lack.
STAFF = schema(
    STAFF_URN,
    "Staff",
    "What the core schemas have no example of.",
    [
        Attribute("level", "integer"),
        Attribute("score", "decimal"),
        Attribute("hired", "dateTime"),
        Attribute("tags", multi_valued=True),
        Attribute("codes", multi_valued=True, case_exact=True),
        Attribute("levels", "integer", multi_valued=True),
        Attribute("badge", "binary", case_exact=True),
        Attribute(
            "lockers",
            "complex",
            (
                Attribute("number", "integer"),
                Attribute("since", "dateTime"),
                Attribute("open", "boolean"),
                Attribute("primary", "boolean"),
                Attribute("keys", multi_valued=True),
            ),
            multi_valued=True,
        ),
        Attribute("desk", "complex", (Attribute("floor", "integer"), Attribute("room"))),
    ],
    core=False,
)

USER = replace(core.USER, extensions=(*core.USER.extensions, STAFF))

#: Names that were stored before there was a limit are found like all others.
_LIMITS = Limits(max_name=64_000)
_PLACE = re.compile(r"«(.+?)\.(id|ref|created|lastModified|version)»")


@dataclass
class People:
    """One app with its users and groups; `«boss.id»` in a filter or a body is the id of the user named boss."""

    db: Database
    app: App
    ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    def in_new_app(cls, db: Database, slug: str = "people", **features: str) -> People:
        """An empty app; the database is created when there is none."""
        migration.upgrade(db)
        app = apps.create(Scope(db, ORIGIN), slug, slug)
        return cls(db, apps.edit(Scope(db, ORIGIN), slug, features=features) if features else app)

    @property
    def workspace(self) -> Workspace:
        """The app as its client works in it."""
        return Workspace(self.db, ORIGIN, self.app, limits=_LIMITS)

    def resource_type(self, endpoint: str) -> ResourceType:
        """The type behind an endpoint; users have the STAFF extension as well."""
        return USER if endpoint == "Users" else self.app.resource_types[endpoint]

    # --- filling ---

    def load(self, directory: dict[str, Json]) -> None:
        """Create users, then groups, then set members (which may form a circle); delete the listed ones."""

        def work() -> None:
            for user in directory.get("users", ()):
                self.add("Users", user)
            for group in directory.get("groups", ()):
                self.add("Groups", {"displayName": group["displayName"]})
            for group in directory.get("groups", ()):
                if set(group) - {"displayName"}:
                    self.put("Groups", group["displayName"], group)
            for user in directory.get("replaced", ()):
                self.put("Users", user["userName"], user)
            for endpoint, name in directory.get("deleted", ()):
                self.delete(endpoint, name)

        self.db.transact(work)

    def add(self, endpoint: str, body: dict[str, Json]) -> str:
        """Create a resource and return its id; its name may be one that only an older version allowed."""
        resource_type = self.resource_type(endpoint)
        with patch("scimlite.scim.document.check_user_name"):
            resource = write.create(self.workspace, resource_type, self._ready(body)).resource
        self.ids[body.get("userName") or body["displayName"]] = resource.id
        return resource.id

    def put(self, endpoint: str, name: str, body: dict[str, Json]) -> None:
        """Replace a resource."""
        write.replace(self.workspace, self.resource_type(endpoint), self.ids[name], self._ready(body))

    def delete(self, endpoint: str, name: str) -> None:
        """Delete a resource."""
        write.delete(self.workspace, self.resource_type(endpoint), self.ids[name])

    def _ready(self, body: dict[str, Json]) -> Json:
        """A body with its places filled in; members, who are given by name, become ids."""
        ready = {name: value for name, value in body.items() if name != "members"}
        if "members" in body:
            ready["members"] = [{"value": self.ids[name]} for name in body["members"]]
        return self._filled(ready)

    def _filled(self, value: Json) -> Json:
        match value:
            case str():
                return self.text(value)
            case {"repeat": pieces}:
                return "".join(piece * times for piece, times in pieces)
            case dict():
                return {name: self._filled(inner) for name, inner in value.items()}
            case list():
                return [self._filled(inner) for inner in value]
        return value

    def text(self, text: str) -> str:
        """A text with its places filled in."""
        return _PLACE.sub(self._place, text)

    def _place(self, match: re.Match[str]) -> str:
        name, part = match[1], match[2]
        if part == "id":
            return self.ids[name]
        resource = next(candidate for candidate in self._named[name] if candidate["id"] == self.ids[name])
        meta = resource["meta"]
        return str(meta["location"] if part == "ref" else meta[part].replace('"', '\\"'))

    @property
    def _named(self) -> dict[str, list[Json]]:
        named: dict[str, list[Json]] = {}
        for endpoint in ("Users", "Groups"):
            for resource in self.everything(endpoint):
                named.setdefault(name_of(resource), []).append(resource)
        return named

    # --- asking ---

    def request(
        self,
        endpoint: str,
        filter: str | None = None,
        *,
        by: str | None = None,
        descending: bool = False,
        start: int = 1,
        count: int = 1000,
    ) -> read.SearchRequest:
        """A query as the HTTP side would make it."""
        resource_type = self.resource_type(endpoint)
        term = parse_filter(filter, resource_type.urns) if filter is not None else None
        sort = None
        if by is not None:
            sort = search.sort(parse_attr_path(by, resource_type.urns), [resource_type], descending=descending)
        return read.SearchRequest(search.bind(term, resource_type), sort, start, count, BASE)

    def page(self, endpoint: str, filter: str | None = None, **options: Any) -> tuple[int, list[Json]]:
        """The total and one page of resources, as a client gets them without `attributes`."""
        resource_type = self.resource_type(endpoint)
        page = read.find(self.workspace, [resource_type], self.request(endpoint, filter, **options))
        return page.total, [_shown(resource, resource_type) for resource in page.resources]

    def names(self, endpoint: str, filter: str | None = None, **options: Any) -> list[str]:
        """The names of the resources that a query finds, in its order."""
        total, resources = self.page(endpoint, filter, **options)
        if not options.keys() & {"start", "count"}:
            assert total == len(resources)
        return [name_of(resource) for resource in resources]

    def everything(self, endpoint: str) -> list[Json]:
        """All resources of an endpoint, in the order of their creation."""
        return self.page(endpoint)[1]


def _shown(resource: read.Resource, resource_type: ResourceType) -> dict[str, Json]:
    shown: dict[str, Json] = orjson.loads(render(resource, Projection(resource_type), BASE))
    for member, link in zip(shown.get("members", []), resource.links or [], strict=True):
        # What filters compare: the userName stands for a displayName.
        member["display"] = link.display or link.name
    return shown


def name_of(resource: dict[str, Json]) -> str:
    """The name of a resource: its userName or displayName."""
    return str(resource.get("userName") or resource["displayName"])


def names_of(resources: Iterable[dict[str, Json]]) -> list[str]:
    """The names of resources."""
    return [name_of(resource) for resource in resources]

"""Sources of the kind scim: another SCIM server (RFC 7644)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

from ..reading import GROUP, USER, Finding, IncompleteError, Kind, Opening, Option, Record, SourceError
from .api import Api, Page
from .authorization import Authorization, Fixed
from .documents import values_of
from .refusals import AnswerError, findings
from .scim_pages import Abilities, resources
from .tokens import Tokens, client_credentials

Json = Any

_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:"
_LEFT_OUT = frozenset(("id", "schemas", "meta", "members", "groups", "password"))
_PLACES = {USER: "Users", GROUP: "Groups"}
_WHAT = {USER: "the users", GROUP: "the groups"}
#: Seconds by which a position is earlier than it is there, for what was being written then.
_OVERLAP = 300
_RIGHT = "the right to read users and groups"


class ScimReader:
    """Reads users and groups by pages."""

    def __init__(self, opening: Opening) -> None:
        self._api = Api(
            opening.client,
            opening.text("url") or "",
            _authorization(opening),
            signs_in_with="the user or the password" if opening.text("user") else "the token",
            headers={"Accept": "application/scim+json, application/json"},
        )
        text = opening.text("page-size") or "200"
        if not text.isdigit() or not 1 <= int(text) <= 10000:
            raise SourceError(f"--page-size is a number between 1 and 10,000, not {text!r}.")
        self._page_size = int(text)
        self._filter = opening.text("filter")
        self._types = [type for type in (USER, GROUP) if type in opening.attributes or type == USER]
        if opening.text("groups") == "no":
            self._types = [USER]

    def check(self) -> Iterator[Finding]:
        """Asks what the server can do, and for the first page of users and groups."""
        return findings(self._checked(), self._api.host)

    def _checked(self) -> Iterator[Finding]:
        able = self._abilities
        yield Finding("abilities", None if able.unknown else True, able.words())
        for type in self._types:
            query: dict[str, str | int] = {"count": 1, **self._narrowed(type)}
            page = self._api.get(_PLACES[type], query, what=_WHAT[type], right=_RIGHT)
            total = page.document.get("totalResults")
            if not isinstance(total, int):
                yield Finding(_PLACES[type].lower(), False, f"the list of {_WHAT[type][4:]} has no totalResults")
                return
            yield Finding(_PLACES[type].lower(), True, f"{total:,} {_WHAT[type][4:]}")

    def identity(self) -> str:
        """The base URL, once there is a SCIM server behind it."""
        if self._abilities.unknown:
            self._api.get(_PLACES[USER], {"count": 1}, what=_WHAT[USER], right=_RIGHT)
        return self._api.base

    def position(self) -> str | None:
        """The time there, a bit earlier; None where nothing can be asked by time."""
        able = self._abilities
        if not able.filter:
            return None
        # By their clock: the two may differ by more than the overlap.
        moment = datetime.fromtimestamp(able.time - _OVERLAP, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            self._api.get("Users", {"filter": _since(moment), "count": 1}, what="the changed users", right=_RIGHT)
        except AnswerError as error:
            if error.status in (400, 403, 501):
                # It filters by other attributes only.
                return None
            raise
        return moment

    def everything(self) -> Iterator[Record]:
        """Yields all users and groups."""
        for type in self._types:
            for resource in self._resources(type, self._narrowed(type)):
                yield self._record(type, resource)

    def changed(self, position: str) -> Iterable[str] | None:
        """The ids of what was written since a time; deletions are not told."""
        keys: list[str] = []
        for type in self._types:
            changes = self._resources(type, {"filter": _since(position), "attributes": "id"})
            keys += [each["id"] for each in changes]
        return keys

    def read(self, keys: Sequence[str]) -> Iterator[Record]:
        """Yields these users and groups, of users those of the filter."""
        for key in keys:
            for type in self._types:
                resource = self._one(type, key)
                if resource is not None:
                    yield self._record(type, resource)

    def resolve(self, reference: str) -> str | None:
        """Members and managers are ids."""
        return reference or None

    def close(self) -> None:
        """The connections are the client's."""

    @cached_property
    def _abilities(self) -> Abilities:
        try:
            page = self._api.get("ServiceProviderConfig", what="the ServiceProviderConfig")
        except AnswerError as error:
            if error.status != 404:
                raise
            return Abilities.none(self._page_size)
        return Abilities.of(page, self._page_size)

    def _narrowed(self, type: str) -> dict[str, str]:
        return {"filter": self._filter} if self._filter and type == USER else {}

    def _resources(self, type: str, query: Mapping[str, str]) -> Iterator[dict[str, Json]]:
        def page(more: Mapping[str, str | int]) -> Page:
            return self._api.get(_PLACES[type], {**query, **more}, what=_WHAT[type], right=_RIGHT)

        return resources(page, self._abilities, _WHAT[type])

    def _one(self, type: str, key: str) -> dict[str, Json] | None:
        """A resource by its id; None when it is not there, or not within the filter."""
        if type == USER and self._filter:
            query = {"filter": f'id eq "{_quoted(key)}" and ({self._filter})'}
            return next(self._resources(type, query), None)
        try:
            page = self._api.get(f"{_PLACES[type]}/{quote(key, safe='')}", what=f"the {type.lower()} {key}")
        except AnswerError as error:
            if error.status == 404:
                return None
            raise
        document: dict[str, Json] = page.document
        return document if document.get("id") == key else None

    def _record(self, type: str, resource: dict[str, Json]) -> Record:
        key: str = resource["id"]
        values: dict[str, Sequence[str]] = dict(values_of(resource, _LEFT_OUT))
        for path, found in list(values.items()):
            if path.lower().startswith(_ENTERPRISE):
                values.setdefault(path[len(_ENTERPRISE) :], found)
        name: Json = resource.get("userName" if type == USER else "displayName")
        called = name if isinstance(name, str) else key
        if type == USER:
            said = resource.get("active")
            active = True if said is None else _truth(said)
            fault = None if active is not None else "active is neither true nor false"
            return Record(USER, key, called, values, active is not False, fault=fault)
        members = self._members(resource)
        fault = None if members is not None else "a member has neither value nor $ref"
        return Record(GROUP, key, called, values, members=members or (), fault=fault)

    def _members(self, group: dict[str, Json]) -> list[str] | None:
        """The ids of a group's members, which may be in the group itself alone; None when one has no id."""
        found = group.get("members")
        if found is None:
            one = self._one(GROUP, group["id"])
            if one is None:
                raise IncompleteError(f"The group {group['id']} went while it was read. The next run reads again.")
            found = one.get("members") or []
        made = [_member(each) for each in found] if isinstance(found, list) else [None]
        return [each for each in made if each] if all(made) else None


def _member(item: Json) -> str | None:
    """The id of a member: its value, or else the end of its URL."""
    if not isinstance(item, dict):
        return None
    value = item.get("value")
    if not isinstance(value, str) and isinstance(item.get("$ref"), str):
        value = item["$ref"].rstrip("/").rpartition("/")[2]
    return value if isinstance(value, str) else None


def _truth(value: Json) -> bool | None:
    """A boolean, which some servers write as a text; None for what is none."""
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _authorization(opening: Opening) -> Authorization:
    user, token_url = opening.text("user"), opening.text("token-url")
    if token_url:
        client_id = opening.text("client-id")
        if not client_id or opening.secret is None:
            raise SourceError("--token-url needs --client-id, and the client's secret.")
        form = client_credentials(client_id, opening.secret, opening.text("scope"))
        return Tokens(opening.client, token_url, form)
    if opening.secret is None:
        return Fixed(None)
    if user:
        return Fixed("Basic " + b64encode(f"{user}:{opening.secret}".encode()).decode())
    if not opening.secret.isascii():
        raise SourceError("The token has a character that no token has: was another secret given?")
    return Fixed(f"Bearer {opening.secret}")


def _since(moment: str) -> str:
    return f'meta.lastModified ge "{moment}"'


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _items(attribute: str, *types: str) -> dict[str, str]:
    rows: dict[str, str] = {}
    for type in types:
        rows |= {f"{attribute}.{type}": f"{attribute}.{type}[*]"}
        rows |= _same(f"{attribute}.{type}.primary")
    return rows


_ADDRESS = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")

KIND = Kind(
    "scim",
    "another SCIM server",
    (
        Option("url", "The base URL, without /Users.", required=True, metavar="URL"),
        Option("user", "Signs in by user and password (Basic); the secret is the password.", metavar="NAME"),
        Option("token-url", "Gets tokens here, by --client-id and the secret (OAuth 2.0).", metavar="URL"),
        Option("client-id", "The client's id, with --token-url.", metavar="ID"),
        Option("scope", "The scope that is asked for, with --token-url."),
        Option("filter", "Reads only the users whom this SCIM filter matches.", metavar="FILTER"),
        Option("groups", "Whether groups are read.", default="yes", choices=("yes", "no")),
        Option("page-size", "Resources in an answer; the server may give fewer.", default="200", metavar="N"),
    ),
    ScimReader,
    {
        USER: {
            **_same("userName"),
            "externalId": "externalId | @key",
            "active": "@active",
            **_same(*(f"name.{part}" for part in ("formatted", "givenName", "familyName", "middleName"))),
            **_same("displayName", "nickName", "profileUrl", "title", "userType"),
            **_same("preferredLanguage", "locale", "timezone"),
            **_items("emails", "work", "home", "other"),
            **_items("phoneNumbers", "work", "mobile", "home", "other"),
            **_same(*(f"addresses.{type}.{part}" for type in ("work", "home") for part in _ADDRESS)),
            **_same("employeeNumber", "costCenter", "organization", "division", "department", "manager"),
        },
        GROUP: {"displayName": "displayName", "externalId": "externalId | @key"},
    },
    secret="token",
    tells_changes=True,
)

"""Sources of the kind google: the users and groups of a Google Workspace, read by its Directory API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from ..reading import GROUP, USER, Finding, Kind, Opening, Option, Record, SourceError
from .api import Api, Page, key_of, once
from .authorization import Authorization, Fixed
from .documents import values_of
from .refusals import AnswerError, findings
from .signing import assertion, key_text
from .tokens import Tokens

Json = Any

_ROOT = "admin/directory/v1"
_SCOPE = "https://www.googleapis.com/auth/admin.directory."
_TOKEN_URL = "https://oauth2.googleapis.com/token"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_USERS_RIGHT = (
    "the scope admin.directory.user.readonly, the Admin SDK API turned on, and an admin role that may read users"
)
_GROUPS_RIGHT = "the scope admin.directory.group.readonly, and an admin role that may read groups"
#: The largest pages that Google gives.
_USERS, _GROUPS = 500, 200


class GoogleReader:
    """Reads users, and groups with their members group by group. Google does not tell what changed."""

    def __init__(self, opening: Opening) -> None:
        self._groups = opening.text("groups") != "no" and GROUP in opening.attributes
        url = (opening.text("url") or "https://admin.googleapis.com").rstrip("/")
        self._api = Api(opening.client, f"{url}/{_ROOT}", _authorization(opening, groups=self._groups))
        self._customer = opening.text("customer") or "my_customer"
        self._query = opening.text("query")
        #: Keys by what members and managers are called: an id, an address, or an alias.
        self._keys: dict[str, str] = {}
        self._users: list[str] = []
        self._whole = False

    def check(self) -> Iterator[Finding]:
        """Asks for the first users and groups."""
        return findings(self._checked(), self._api.host)

    def _checked(self) -> Iterator[Finding]:
        page = self._api.get("users", {**self._narrowed(), "maxResults": 1}, what="the users", right=_USERS_RIGHT)
        found = page.list("users", "the users")
        yield Finding("users", True if found else None, "can be read" if found else "there are none")
        if self._groups:
            query: dict[str, str | int] = {"customer": self._customer, "maxResults": 1}
            groups = self._api.get("groups", query, what="the groups", right=_GROUPS_RIGHT).list("groups", "the groups")
            for group in groups:
                next(self._members(key_of(group, "the groups")), None)
            yield Finding("groups", True, "can be read, and their members" if groups else "there are none")

    def identity(self) -> str:
        """The id of the customer."""
        query: dict[str, str | int] = {"customer": self._customer, "maxResults": 1}
        users = self._api.get("users", query, what="the users", right=_USERS_RIGHT).list("users", "the users")
        found = users[0].get("customerId") if users else self._customer
        return found if isinstance(found, str) else self._customer

    def position(self) -> str | None:
        """Nothing tells changes."""
        return None

    def everything(self) -> Iterator[Record]:
        """Yields all users, then all groups."""
        for user in self._list("users", "users", {**self._narrowed(), "maxResults": _USERS}, "the users", _USERS_RIGHT):
            yield self._user(user)
        if self._groups:
            query: dict[str, str | int] = {"customer": self._customer, "maxResults": _GROUPS}
            for group in self._list("groups", "groups", query, "the groups", _GROUPS_RIGHT):
                yield self._group(group)
        self._whole = True

    def changed(self, position: str) -> Iterable[str] | None:
        """Everything must be read."""
        return None

    def read(self, keys: Sequence[str]) -> Iterator[Record]:
        """Yields these users, and groups."""
        for key in keys:
            user = self._one(USER, key)
            if user is not None and user["id"] == key:
                yield self._user(user)
                continue
            group = self._one(GROUP, key) if self._groups else None
            if group is not None and group["id"] == key:
                yield self._group(group)

    def resolve(self, reference: str) -> str | None:
        """The key of an id, an address or an alias."""
        called = reference.strip().lower()
        if called not in self._keys and not self._whole and called:
            # Of an address of another domain Google says that it is forbidden.
            found = self._one(USER, called, (400, 403, 404))
            if found is not None:
                self._keys[called] = found["id"]
        return self._keys.get(called)

    def close(self) -> None:
        """The connections are the client's."""

    def _narrowed(self) -> dict[str, str | int]:
        query: dict[str, str | int] = {"customer": self._customer, "projection": "full", "orderBy": "email"}
        return {**query, "query": self._query} if self._query else query

    def _pages(self, place: str, query: Mapping[str, str | int], what: str, right: str) -> Iterator[Page]:
        def after(page: Page) -> str | None:
            token = page.document.get("nextPageToken")
            return self._api.url(place, {**query, "pageToken": token}) if isinstance(token, str) and token else None

        return self._api.pages(self._api.url(place, query), after, what=what, right=right)

    def _list(
        self, place: str, name: str, query: Mapping[str, str | int], what: str, right: str
    ) -> Iterator[dict[str, Json]]:
        return once(self._pages(place, query, what, right), name, what)

    def _one(self, type: str, key: str, absent: tuple[int, ...] = (400, 404)) -> dict[str, Json] | None:
        place, right = ("users", _USERS_RIGHT) if type == USER else ("groups", _GROUPS_RIGHT)
        query = {"projection": "full"} if type == USER else None
        try:
            page = self._api.get(f"{place}/{quote(key, safe='')}", query, what=f"the {type.lower()} {key}", right=right)
        except AnswerError as error:
            # 400 is for what is no id and no address.
            if error.status in absent:
                return None
            raise
        key_of(page.document, f"the {place}")
        document: dict[str, Json] = page.document
        return document

    def _user(self, user: dict[str, Json]) -> Record:
        key: str = user["id"]
        values = values_of(user)
        name = values.get("primaryEmail", [key])[0]
        self._users.append(key)
        for called in (key, name, *values.get("aliases", ()), *values.get("nonEditableAliases", ())):
            self._keys[called.lower()] = key
        active = user.get("suspended") is not True and user.get("archived") is not True
        return Record(USER, key, name, values, active)

    def _group(self, group: dict[str, Json]) -> Record:
        key: str = group["id"]
        self._keys[key.lower()] = key
        values = values_of(group)
        members = list(dict.fromkeys(self._members(key)))
        return Record(GROUP, key, values.get("email", [key])[0], values, members=members)

    def _members(self, group: str) -> Iterator[str]:
        """What the members of a group are called."""
        what, place = f"the members of the group {group}", f"groups/{quote(group, safe='')}/members"
        for page in self._pages(place, {"maxResults": _GROUPS}, what, _GROUPS_RIGHT):
            for member in page.list("members", what):
                if member.get("type") == "CUSTOMER":
                    # Everybody in the organisation.
                    yield from self._users
                else:
                    yield key_of(member, what, "id" if "id" in member else "email")


def _authorization(opening: Opening, *, groups: bool) -> Authorization:
    """A service account with its key, or a token that something else renews."""
    file = opening.text("key-file")
    if file is None and opening.secret is not None and not opening.secret.startswith("{"):
        if not opening.secret.isascii():
            raise SourceError("The token has a character that no token has: was another secret given?")
        return Fixed(f"Bearer {opening.secret}")
    try:
        account = orjson.loads(key_text(opening.secret, file, "google"))
    except orjson.JSONDecodeError:
        account = None
    if not isinstance(account, dict) or account.get("type") != "service_account":
        raise SourceError("The key is not that of a service account: give the JSON file that Google made for it.")
    key, email = account.get("private_key"), account.get("client_email")
    if not isinstance(key, str) or not isinstance(email, str):
        raise SourceError("The key of the service account lacks its private_key or client_email: make a new one.")
    url = str(account.get("token_uri") or _TOKEN_URL)
    names = ("user.readonly", "group.readonly") if groups else ("user.readonly",)
    claims = {"iss": email, "aud": url, "scope": " ".join(_SCOPE + name for name in names)}
    if subject := opening.text("subject"):
        claims["sub"] = subject
    key_id = account.get("private_key_id")

    def form() -> dict[str, str]:
        header = {"kid": key_id} if isinstance(key_id, str) else {}
        return {"grant_type": _GRANT, "assertion": assertion(key, claims, header)}

    return Tokens(opening.client, url, form)


KIND = Kind(
    "google",
    "Google Workspace, by its Directory API",
    (
        Option("key-file", "The JSON file with the key of a service account.", metavar="FILE"),
        Option("subject", "The administrator for whom the service account reads, by delegation.", metavar="ADDRESS"),
        Option("customer", "The customer's id, such as C01abcdef.", default="my_customer", metavar="ID"),
        Option("query", "Reads only the users whom this query matches, such as orgUnitPath='/Staff'.", metavar="QUERY"),
        Option("groups", "Whether groups are read.", default="yes", choices=("yes", "no")),
        Option("url", "Another address of the Directory API, such as a proxy's.", metavar="URL"),
    ),
    GoogleReader,
    {
        USER: {
            "userName": "primaryEmail",
            "externalId": "@key",
            "active": "@active",
            "name.givenName": "name.givenName",
            "name.familyName": "name.familyName",
            "displayName": "name.displayName | name.fullName",
            "emails.work": "primaryEmail",
            "emails.work.primary": '"true"',
            "phoneNumbers.work": "phones.work",
            "phoneNumbers.mobile": "phones.mobile",
            "addresses.work.streetAddress": "addresses.work.streetAddress",
            "addresses.work.locality": "addresses.work.locality",
            "addresses.work.region": "addresses.work.region",
            "addresses.work.postalCode": "addresses.work.postalCode",
            "addresses.work.country": "addresses.work.countryCode",
            "title": "organizations.title",
            "preferredLanguage": "languages.languageCode",
            "employeeNumber": "externalIds.organization",
            "costCenter": "organizations.costCenter",
            "organization": "organizations.name",
            "department": "organizations.department",
            "manager": "relations.manager",
        },
        GROUP: {"displayName": "name", "externalId": "@key"},
    },
    secret="key of a service account, or token",
)

"""Sources of the kind okta: an Okta org, read by its API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

from ..reading import GROUP, USER, Finding, Kind, Opening, Option, Record, SourceError
from .api import Api, Page, key_of, once, time_there
from .authorization import Authorization, Fixed
from .documents import values_of
from .refusals import AnswerError, findings
from .signing import key_text, signed_client
from .tokens import Tokens

Json = Any

#: Who can sign in, if with a new password, and who cannot.
_ACTIVE = frozenset(("ACTIVE", "PASSWORD_EXPIRED", "LOCKED_OUT", "RECOVERY"))
_INACTIVE = frozenset(("STAGED", "PROVISIONED", "SUSPENDED", "DEPROVISIONED"))
#: A list has them only when it is asked for them.
_DEPROVISIONED = 'status eq "DEPROVISIONED"'
#: Entries in a page: users and groups, and members of a group.
_PAGE, _MEMBERS = 200, 1000
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel="?next"?')
#: Seconds by which a position is earlier than it is there, for what was being written then.
_OVERLAP = 300
_SCOPES = "okta.users.read okta.groups.read"
_USERS_RIGHT = "the scope okta.users.read, and an administrator role that may view users (Read-only Administrator)"
_GROUPS_RIGHT = "the scope okta.groups.read, and an administrator role that may view groups (Read-only Administrator)"


class OktaReader:
    """Reads users, and groups with their members group by group."""

    def __init__(self, opening: Opening) -> None:
        url = (opening.text("url") or "").rstrip("/")
        host = urlsplit(url).hostname or ""
        if "-admin.okta" in host:
            raise SourceError(f"--url is the address of the admin console: leave -admin out of {host}.")
        key = opening.text("client-id")
        self._api = Api(
            opening.client,
            url,
            _authorization(opening, url),
            signs_in_with="the key of the client" if key else "the API token",
            share=0.5,
        )
        self._members_of = opening.texts("members-of")
        self._groups = opening.text("groups") != "no" and GROUP in opening.attributes
        #: Keys by what managers are called: an id or a login, or else an email address; what was asked for besides.
        self._keys: dict[str, str] = {}
        self._emails: dict[str, str] = {}
        self._asked: set[str] = set()
        self._types: dict[str, str] = {}
        #: True once everything was read, so that who is not among the keys is nowhere.
        self._whole = False

    def check(self) -> Iterator[Finding]:
        """Asks for the org, and for the first users and groups."""
        return findings(self._checked(), self._api.host)

    def _checked(self) -> Iterator[Finding]:
        yield Finding("org", True, self.identity())
        page = self._api.get("api/v1/users", {"limit": 1}, what="the users", right=_USERS_RIGHT, listed=True)
        limit = page.headers.get("x-rate-limit-limit")
        said = f"; {limit} requests a minute are allowed, and half of them are used" if limit else ""
        yield Finding(
            "users", True if page.document else None, ("can be read" if page.document else "there are none") + said
        )
        if self._groups:
            self._api.get("api/v1/groups", {"limit": 1}, what="the groups", right=_GROUPS_RIGHT, listed=True)
            yield Finding("groups", True, "can be read")
        for group in self._members_of:
            self._api.get(f"api/v1/groups/{quote(group, safe='')}", what=f"the group {group}", right=_GROUPS_RIGHT)
            yield Finding("members-of", True, f"the group {group} is there")

    def identity(self) -> str:
        """The id of the org, which stays when its domain changes."""
        found = self._org.document.get("id")
        if not isinstance(found, str) or not found:
            raise SourceError(f"{self._api.host} does not answer like an Okta org: is --url the address of the org?")
        return found

    def position(self) -> str | None:
        """The time there, a bit earlier; None for the members of a group, where a change tells nothing of them."""
        if self._members_of:
            return None
        moment = datetime.fromtimestamp(time_there(self._org.headers) - _OVERLAP, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def everything(self) -> Iterator[Record]:
        """Yields all users, then all groups."""
        seen: set[str] = set()
        for user in self._all_users():
            if user["id"] not in seen:
                seen.add(user["id"])
                yield self._user(user)
        if self._groups:
            for group in self._list("api/v1/groups", "the groups", _GROUPS_RIGHT):
                # Everyone, and the like: who is in them is nobody's decision.
                if group.get("type") != "BUILT_IN":
                    yield self._group(group)
        self._whole = True

    def changed(self, position: str) -> Iterable[str] | None:
        """The ids of users and groups that were changed since a time; deletions are not told."""
        if self._members_of:
            return None
        since = f'lastUpdated gt "{position}"'
        for narrowed in (since, f"{_DEPROVISIONED} and {since}"):
            for user in self._list("api/v1/users", "the changed users", _USERS_RIGHT, filter=narrowed):
                self._types[user["id"]] = USER
        if self._groups:
            either = f'{since} or lastMembershipUpdated gt "{position}"'
            for group in self._list("api/v1/groups", "the changed groups", _GROUPS_RIGHT, filter=either):
                self._types[group["id"]] = GROUP
        return list(self._types)

    def read(self, keys: Sequence[str]) -> Iterator[Record]:
        """Yields these users and groups."""
        for key in keys:
            for type in (self._types[key],) if key in self._types else (USER, GROUP):
                found = self._one(type, key)
                if found is not None and found.get("id") == key:
                    if type == USER:
                        yield self._user(found)
                    elif found.get("type") != "BUILT_IN" and self._groups:
                        yield self._group(found)

    def resolve(self, reference: str) -> str | None:
        """The key of an id, a login or an email address; managers are called by any of them."""
        called = reference.strip().lower()
        known = self._keys.get(called) or self._emails.get(called)
        if known is None and called and not self._whole and called not in self._asked:
            self._asked.add(called)
            self._look_for(reference.strip())
            known = self._keys.get(called) or self._emails.get(called)
        return known

    def _look_for(self, reference: str) -> None:
        """Asks for a user whom a run that reads a few did not read."""
        found = self._one(USER, reference)
        if found is not None:
            self._user(found)
        elif '"' not in reference and "@" in reference:
            narrowed = f'profile.email eq "{reference}"'
            for user in self._list("api/v1/users", "a manager", _USERS_RIGHT, filter=narrowed):
                self._user(user)

    def close(self) -> None:
        """The connections are the client's."""

    @cached_property
    def _org(self) -> Page:
        return self._api.get(".well-known/okta-organization", what="the org")

    def _all_users(self) -> Iterator[dict[str, Json]]:
        if self._members_of:
            for group in self._members_of:
                yield from self._members(group)
            return
        yield from self._list("api/v1/users", "the users", _USERS_RIGHT)
        # Behind the others: who is deprovisioned meanwhile is in both rather than in neither.
        yield from self._list("api/v1/users", "the deprovisioned users", _USERS_RIGHT, filter=_DEPROVISIONED)

    def _members(self, group: str) -> Iterator[dict[str, Json]]:
        place = f"api/v1/groups/{quote(group, safe='')}/users"
        return self._list(place, f"the members of the group {group}", _GROUPS_RIGHT, _MEMBERS)

    def _list(self, place: str, what: str, right: str, size: int = _PAGE, **query: str) -> Iterator[dict[str, Json]]:
        url = self._api.url(place, {"limit": size, **query})
        return once(self._api.pages(url, _next, what=what, right=right, listed=True), None, what)

    def _one(self, type: str, key: str) -> dict[str, Json] | None:
        place = "users" if type == USER else "groups"
        right = _USERS_RIGHT if type == USER else _GROUPS_RIGHT
        try:
            page = self._api.get(f"api/v1/{place}/{quote(key, safe='')}", what=f"the {type.lower()} {key}", right=right)
        except AnswerError as error:
            if error.status == 404:
                return None
            raise
        key_of(page.document, f"the {type.lower()}s")
        document: dict[str, Json] = page.document
        return document

    def _user(self, user: dict[str, Json]) -> Record:
        key: str = user["id"]
        values = values_of(_profile(user))
        status = str(user.get("status"))
        values["status"] = [status]
        login = values.get("login", [key])[0]
        self._keys[key.lower()] = self._keys[login.lower()] = key
        for email in values.get("email", ()):
            self._emails.setdefault(email.lower(), key)
        fault = None if status in _ACTIVE | _INACTIVE else f"its status is {status!r}, which this version does not know"
        return Record(USER, key, login, values, status in _ACTIVE, fault=fault)

    def _group(self, group: dict[str, Json]) -> Record:
        key: str = group["id"]
        self._keys[key.lower()] = key
        values = values_of(_profile(group))
        members = []
        for member in self._members(key):
            self._keys.setdefault(member["id"].lower(), member["id"])
            members.append(member["id"])
        return Record(GROUP, key, values.get("name", [key])[0], values, members=members)


def _profile(entry: dict[str, Json]) -> dict[str, Json]:
    """What is known of an entry; an entry without it has no name, so that it is refused."""
    profile = entry.get("profile")
    return profile if isinstance(profile, dict) else {}


def _next(page: Page) -> str | None:
    found = _NEXT.search(page.headers.get("link", ""))
    return found[1] if found else None


def _authorization(opening: Opening, url: str) -> Authorization:
    client_id = opening.text("client-id")
    if client_id is None:
        if opening.secret is None:
            raise SourceError("Give the API token as the secret, or --client-id and --key-file.")
        if not opening.secret.isascii():
            raise SourceError("The API token has a character that no token has: was another secret given?")
        return Fixed(f"SSWS {opening.secret}")
    key = key_text(opening.secret, opening.text("key-file"), "okta")
    token_url = f"{url}/oauth2/v1/token"
    form = signed_client(client_id, token_url, _SCOPES, key, {"kid": opening.text("key-id")})
    return Tokens(opening.client, token_url, form)


KIND = Kind(
    "okta",
    "an Okta org, by its API",
    (
        Option("url", "The org's address, such as https://example.okta.com.", required=True, metavar="URL"),
        Option(
            "client-id", "Signs in as this service app with a key (OAuth 2.0), not with an API token.", metavar="ID"
        ),
        Option("key-file", "The private key of the service app, as PEM or JWK.", metavar="FILE"),
        Option("key-id", "The key's id (kid) at Okta; a JWK says it itself.", metavar="ID"),
        Option("members-of", "Reads only the members of this group, by its id.", many=True, metavar="ID"),
        Option("groups", "Whether groups are read.", default="yes", choices=("yes", "no")),
    ),
    OktaReader,
    {
        USER: {
            "userName": "login",
            "externalId": "@key",
            "active": "@active",
            "name.givenName": "firstName",
            "name.familyName": "lastName",
            "name.middleName": "middleName",
            "displayName": "displayName | {firstName} {lastName}",
            "nickName": "nickName",
            "emails.work": "email",
            "emails.work.primary": '"true"',
            "emails.other": "secondEmail",
            "phoneNumbers.work": "primaryPhone",
            "phoneNumbers.mobile": "mobilePhone",
            "addresses.work.streetAddress": "streetAddress",
            "addresses.work.locality": "city",
            "addresses.work.region": "state",
            "addresses.work.postalCode": "zipCode",
            "addresses.work.country": "countryCode",
            "title": "title",
            "userType": "userType",
            "preferredLanguage": "preferredLanguage",
            "locale": "locale",
            "timezone": "timezone",
            "employeeNumber": "employeeNumber",
            "costCenter": "costCenter",
            "organization": "organization",
            "division": "division",
            "department": "department",
            "manager": "managerId",
        },
        GROUP: {"displayName": "name", "externalId": "@key"},
    },
    secret="API token or private key",
    tells_changes=True,
)

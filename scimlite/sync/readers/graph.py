"""Sources of the kind graph: an Entra ID tenant, read by Microsoft Graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from ..reading import GROUP, USER, Finding, IncompleteError, Kind, Opening, Option, Record, SourceError
from .api import Page, key_of, once
from .documents import values_of
from .graph_sign_in import CLOUDS, connected
from .refusals import AnswerError, findings

Json = Any

_PAGE = 999
#: The most ids in an `in` of a filter.
_TOGETHER = 15
_NEXT, _DELTA = "@odata.nextLink", "@odata.deltaLink"
_USERS_RIGHT = "the application permission User.Read.All, with the consent of an administrator"
_GROUPS_RIGHT = "the application permission GroupMember.Read.All, with the consent of an administrator"


class GraphReader:
    """Reads users by a list, and groups with their members by a delta query, which needs no request for each group."""

    def __init__(self, opening: Opening) -> None:
        self._login, self._api = connected(opening)
        self._filter = opening.text("filter")
        self._members_of = opening.texts("members-of")
        self._groups = opening.text("groups") != "no" and GROUP in opening.attributes
        names = {type: {name.split(".")[0] for name in opening.attributes.get(type, ())} for type in (USER, GROUP)}
        self._manager = "manager" in names[USER]
        self._selected = {
            USER: ",".join(sorted({"id", "userPrincipalName", "accountEnabled", *names[USER]} - {"manager"})),
            GROUP: ",".join(sorted({"id", "displayName", *names[GROUP]} - {"members"})),
        }
        self._types: dict[str, str] = {}

    def check(self) -> Iterator[Finding]:
        """Asks for the tenant, a token, and the first users and groups."""
        return findings(self._checked(), self._login.host)

    def _checked(self) -> Iterator[Finding]:
        yield Finding("tenant", True, self.identity())
        self._api.get("users", {"$select": "id", "$top": 1}, what="the users", right=_USERS_RIGHT)
        yield Finding("sign-in", True, f"{self._api.host} accepts the application")
        page = self._api.get("users", self._query(), what="the users", right=_USERS_RIGHT)
        found = page.list("value", "the users")
        yield Finding("users", True if found else None, "can be read" if found else "there are none")
        if self._groups:
            query = {"$select": self._selected[GROUP] + ",members"}
            self._api.get("groups/delta", query, what="the groups", right=_GROUPS_RIGHT)
            yield Finding("groups", True, "can be read, and their members")
        for group in self._members_of:
            self._api.get(_place(group), {"$select": "id"}, what=f"the group {group}", right=_GROUPS_RIGHT)
            yield Finding("members-of", True, f"the group {group} is there")

    def identity(self) -> str:
        """The issuer of the tenant's tokens, which has its id."""
        try:
            page = self._login.get("v2.0/.well-known/openid-configuration", what="the tenant")
        except AnswerError as error:
            if error.status != 400:
                raise
            raise SourceError(f"{self._login.host} knows no such tenant: give its id, or one of its domains.") from None
        issuer = page.document.get("issuer")
        if not isinstance(issuer, str):
            raise SourceError(f"{self._login.host} does not answer like the sign-in of Entra ID.")
        return issuer

    def position(self) -> str | None:
        """The links to what changes from now on; None for the members of a group, of whom they tell nothing."""
        if self._members_of:
            return None
        links = {}
        for type, place, what, right in self._deltas():
            extra = ",manager" if type == USER and self._manager else ",members" if type == GROUP else ""
            query = {"$select": self._selected[type] + extra, "$deltatoken": "latest"}
            *_, last = self._delta(self._api.url(place, query), what, right)
            links[type] = last.document[_DELTA]
        return orjson.dumps(links).decode()

    def everything(self) -> Iterator[Record]:
        """Yields all users, then all groups."""
        if self._members_of:
            yield from self._users_of(self._member_ids())
        else:
            yield from self._users(self._query(self._filter))
        if self._groups:
            yield from self._all_groups()

    def changed(self, position: str) -> Iterable[str] | None:
        """The ids of users and groups that changed, came or went; None when Graph has forgotten since when."""
        links = orjson.loads(position)
        for type, _, what, right in self._deltas():
            try:
                for page in self._delta(links[type], what, right):
                    self._types |= {key_of(each, what): type for each in page.list("value", what)}
            except AnswerError as error:
                if error.status in (400, 410):
                    return None
                raise
            except KeyError:
                return None
        return list(self._types)

    def read(self, keys: Sequence[str]) -> Iterator[Record]:
        """Yields these users, of them those of the filter, and groups."""
        found: set[str] = set()
        for record in self._users_of(key for key in keys if self._types.get(key, USER) == USER):
            found.add(record.key)
            yield record
        for key in keys:
            if self._groups and key not in found and self._types.get(key, GROUP) == GROUP:
                yield from self._one_group(key)

    def resolve(self, reference: str) -> str | None:
        """Members and managers are ids."""
        return reference or None

    def close(self) -> None:
        """The connections are the client's."""

    # --- users ----------------------------------------------------------------------------------------------------

    def _query(self, narrowed: str | None = None) -> dict[str, str | int]:
        query: dict[str, str | int] = {"$select": self._selected[USER], "$top": _PAGE}
        if self._manager:
            query["$expand"] = "manager($select=id)"
        return {**query, "$filter": narrowed} if narrowed else query

    def _users(self, query: Mapping[str, str | int]) -> Iterator[Record]:
        pages = self._api.pages(self._api.url("users", query), _next, what="the users", right=_USERS_RIGHT)
        for user in once(pages, "value", "the users"):
            values = values_of(user, frozenset(("manager",)))
            manager = user.get("manager")
            if isinstance(manager, dict) and isinstance(manager.get("id"), str):
                values["manager"] = [manager["id"]]
            key: str = user["id"]
            name = values.get("userPrincipalName", [key])[0]
            active = user.get("accountEnabled")
            fault = None if isinstance(active, bool) else "Graph does not say whether it is enabled"
            yield Record(USER, key, name, values, active is True, fault=fault)

    def _users_of(self, ids: Iterable[str]) -> Iterator[Record]:
        """The users with these ids, of them those of the filter."""
        wanted = [each for each in ids if each.replace("-", "").isalnum()]
        for start in range(0, len(wanted), _TOGETHER):
            listed = ",".join(f"'{each}'" for each in wanted[start : start + _TOGETHER])
            narrowed = f"id in ({listed})" + (f" and ({self._filter})" if self._filter else "")
            yield from self._users(self._query(narrowed))

    def _member_ids(self) -> list[str]:
        """The ids of users in the chosen groups, and in groups in them."""
        made: dict[str, None] = {}
        for group in self._members_of:
            place = f"{_place(group)}/transitiveMembers"
            for member in self._members(place, f"the members of the group {group}"):
                if member.get("@odata.type", "#microsoft.graph.user") == "#microsoft.graph.user":
                    made[member["id"]] = None
        return list(made)

    # --- groups ---------------------------------------------------------------------------------------------------

    def _all_groups(self) -> Iterator[Record]:
        groups: dict[str, dict[str, Json]] = {}
        members: dict[str, dict[str, None]] = {}
        url = self._api.url("groups/delta", {"$select": self._selected[GROUP] + ",members"})
        for page in self._delta(url, "the groups", _GROUPS_RIGHT):
            for part in page.list("value", "the groups"):
                key = key_of(part, "the groups")
                if "@removed" in part:
                    groups.pop(key, None)
                    continue
                # A group comes in parts, and each has some of its members.
                groups.setdefault(key, {}).update(part)
                mine = members.setdefault(key, {})
                for member in Page(part, {}).list("members@delta", "the members of a group"):
                    id = key_of(member, "the members of a group")
                    if "@removed" in member:
                        mine.pop(id, None)
                    else:
                        mine[id] = None
        for key, group in groups.items():
            yield _group(key, group, list(members[key]))

    def _one_group(self, key: str) -> Iterator[Record]:
        place, what = _place(key), f"the group {key}"
        try:
            group = self._api.get(place, {"$select": self._selected[GROUP]}, what=what, right=_GROUPS_RIGHT).document
        except AnswerError as error:
            if error.status in (400, 404):
                return
            raise
        members = self._members(f"{place}/members", f"the members of {what}")
        yield _group(key, group, [member["id"] for member in members])

    def _members(self, place: str, what: str) -> Iterator[dict[str, Json]]:
        url = self._api.url(place, {"$select": "id", "$top": _PAGE})
        return once(self._api.pages(url, _next, what=what, right=_GROUPS_RIGHT), "value", what)

    def _deltas(self) -> Iterator[tuple[str, str, str, str]]:
        yield USER, "users/delta", "the changed users", _USERS_RIGHT
        if self._groups:
            yield GROUP, "groups/delta", "the changed groups", _GROUPS_RIGHT

    def _delta(self, url: str, what: str, right: str) -> Iterator[Page]:
        """The pages of a delta query, the last of which has the link to later ones. Raises IncompleteError."""
        link = None
        for page in self._api.pages(url, _next, what=what, right=right):
            yield page
            link = page.document.get(_DELTA)
        if not isinstance(link, str) or not link:
            raise IncompleteError(f"{self._api.host} ended the list of {what} without its last link. Nothing was done.")


def _group(key: str, group: Mapping[str, Json], members: Sequence[str]) -> Record:
    values = values_of({name: value for name, value in group.items() if not name.startswith(("@", "members"))})
    return Record(GROUP, key, values.get("displayName", [key])[0], values, members=members)


def _next(page: Page) -> str | None:
    return found if isinstance(found := page.document.get(_NEXT), str) else None


def _place(group: str) -> str:
    return f"groups/{quote(group, safe='')}"


KIND = Kind(
    "graph",
    "Entra ID, by Microsoft Graph",
    (
        Option("tenant", "The tenant's id, or one of its domains.", required=True, metavar="TENANT"),
        Option("client-id", "The application (client) id.", required=True, metavar="ID"),
        Option("key-file", "Signs in with this key and certificate (PEM), not with a secret.", metavar="FILE"),
        Option("cloud", "Where the tenant is.", default="global", choices=tuple(CLOUDS)),
        Option("filter", "Reads only the users whom this OData filter matches.", metavar="FILTER"),
        Option(
            "members-of", "Reads only who is in this group, by its id, or in groups in it.", many=True, metavar="ID"
        ),
        Option("groups", "Whether groups are read.", default="yes", choices=("yes", "no")),
        Option("url", "Another address of Microsoft Graph, such as a proxy's.", metavar="URL"),
        Option("login-url", "Another address of the sign-in.", metavar="URL"),
    ),
    GraphReader,
    {
        USER: {
            "userName": "userPrincipalName",
            "externalId": "@key",
            "active": "@active",
            "name.givenName": "givenName",
            "name.familyName": "surname",
            "displayName": "displayName",
            "emails.work": "mail",
            "emails.work.primary": '"true"',
            "emails.other": "otherMails[*]",
            "phoneNumbers.work": "businessPhones",
            "phoneNumbers.mobile": "mobilePhone",
            "addresses.work.streetAddress": "streetAddress",
            "addresses.work.locality": "city",
            "addresses.work.region": "state",
            "addresses.work.postalCode": "postalCode",
            "addresses.work.country": "country",
            "title": "jobTitle",
            "userType": "userType",
            "preferredLanguage": "preferredLanguage",
            "employeeNumber": "employeeId",
            "costCenter": "employeeOrgData.costCenter",
            "division": "employeeOrgData.division",
            "organization": "companyName",
            "department": "department",
            "manager": "manager",
        },
        GROUP: {"displayName": "displayName", "externalId": "@key"},
    },
    secret="client secret",
    tells_changes=True,
)

"""Profiles of users and groups as they are now, one or a page at a time, and the members of a group."""

from __future__ import annotations

import orjson
from flask import Response

from ...directory import members, profiles, read, search
from ...directory.profiles import Profile
from ...errors import InvalidValue, NotFound
from ...events import feed
from ...events.document import as_data, state
from ...scim import core
from ...scim.filter_parser import parse_filter
from ...scim.schema import ResourceType
from ..scim.call import Call
from .answers import Ended, Json, json_response
from .parameters import Parameters
from .view import ApiView

DEFAULT_PROFILES, MOST_PROFILES = 200, 1000


class _View(ApiView):
    """What the endpoints of users and of groups have in common."""

    endpoint = core.USER.endpoint
    #: What a page calls its list, and the parameters that look one up with the attributes that they are.
    listed = "profiles"
    looked_up: dict[str, str] = {"userName": "userName", "externalId": "externalId"}  # never changed

    def type_in(self, call: Call) -> ResourceType:
        """The resource type, as the app declares it."""
        return call.app.resource_types[self.endpoint]

    def shown(self, profile: Profile) -> Json:
        """A user or group in JSON."""
        return as_data(state(profile.id, profile, of_user=self.endpoint == core.USER.endpoint))


class ProfilesView(_View):
    """`/profiles`: all users, to begin with, or those of a name."""

    def get(self, call: Call, slug: str) -> Response:
        """Answers with a page in the order of creation; each has the cursor of the feed from before the first page.

        Raises InvalidValue, InvalidCursor and CursorExpired.
        """
        parameters = Parameters(call, ("after", "limit", *self.looked_up))
        limit = parameters.limit(DEFAULT_PROFILES, MOST_PROFILES)
        wanted = {name: value for name in self.looked_up if (value := parameters.get(name)) is not None}
        if wanted:
            if len(wanted) > 1 or parameters.get("after"):
                raise InvalidValue(f"Give one of {', '.join((*self.looked_up, 'after'))}.")
            ((name, value),) = wanted.items()
            found = self._find(call, self.looked_up[name], value)
            return json_response({self.listed: [self.shown(each) for each in found]})
        after = parameters.get("after")
        begun = feed.walk_from(call.reading, after)
        page = profiles.page(call.reading, self.type_in(call), begun.row, limit + 1)
        more, page = len(page) > limit, page[:limit]
        return json_response(
            {
                self.listed: [self.shown(each) for each in page],
                "cursor": feed.walk_cursor(call.reading, begun.place, page[-1].row) if more else None,
                "feed": feed.cursor_of(call.reading, begun.place),
                "more": more,
            }
        )

    def _find(self, call: Call, attribute: str, value: str) -> list[Profile]:
        resource_type = self.type_in(call)
        term = parse_filter(f"{attribute} eq {orjson.dumps(value).decode()}", resource_type.urns)
        request = read.SearchRequest(search.bind(term, resource_type), with_links=False, with_derived=False)
        ids = [each.id for each in read.find(call.reading, [resource_type], request).resources]
        return profiles.by_ids(call.reading, resource_type, ids)


class ProfileView(_View):
    """`/profiles/<id>`: one user, also one that has just been created."""

    def get(self, call: Call, slug: str, id: str) -> Response:
        """Answers with the user. Raises NotFound, and Ended for one that was deleted."""
        Parameters(call, ())
        return json_response(self.shown(self.living(call, id)))

    def living(self, call: Call, id: str) -> Profile:
        """The user or group with an id. Raises NotFound and Ended."""
        resource_type = self.type_in(call)
        found = profiles.by_ids(call.reading, resource_type, [id])
        if not found:
            raise NotFound(f"There is no {resource_type.name} {id[:100]!r} in this app.")
        if found[0].ended is not None:
            raise Ended(resource_type.name, found[0].ended)
        return found[0]


class GroupsView(ProfilesView):
    """`/groups`: all groups, or those of a name."""

    endpoint = core.GROUP.endpoint
    listed = "groups"
    looked_up: dict[str, str] = {"displayName": "displayName", "externalId": "externalId"}


class GroupView(ProfileView):
    """`/groups/<id>`: one group without its members."""

    endpoint = core.GROUP.endpoint


class MembersView(GroupView):
    """`/groups/<id>/members`: the direct members of a group, a page at a time."""

    def get(self, call: Call, slug: str, id: str) -> Response:
        """Answers with a page of members in the order of their creation. Raises NotFound, Ended and InvalidValue."""
        parameters = Parameters(call, ("after", "limit"))
        limit = parameters.limit(DEFAULT_PROFILES, MOST_PROFILES)
        after = parameters.get("after") or "0"
        if not (after.isascii() and after.isdigit() and len(after) < 19):
            raise InvalidValue("after is the cursor of the page before.")
        page = members.page(call.db, self.living(call, id).row, int(after), limit + 1)
        more, page = len(page) > limit, page[:limit]
        shown = [{"id": link.id, "type": link.kind, "name": link.name} for _, link in page]
        return json_response({"members": shown, "cursor": str(page[-1][0]) if more else None, "more": more})


ROUTES = (
    ("/<slug>/profiles", ProfilesView, "Profiles"),
    ("/<slug>/profiles/<id>", ProfileView, "Profile"),
    ("/<slug>/groups", GroupsView, "Groups"),
    ("/<slug>/groups/<id>", GroupView, "Group"),
    ("/<slug>/groups/<id>/members", MembersView, "Members"),
)

"""The page of all groups: searched as one types, and the deleted ones."""

from __future__ import annotations

from flask import Response

from ...admin import member_search
from ...admin.browsing import State
from ...admin.people import Found
from ...scim import core
from . import choosing
from .routing import Routes
from .visit import Visit

routes = Routes()

#: Members are counted up to this number.
_MOST = 300


@routes.page("/groups")
def groups(visit: Visit) -> Response:
    """Lists the groups that the filters choose."""
    found = choosing.filters(visit, core.GROUP, [State.DELETED])
    return choosing.shown(visit, "groups.html", "groups", found, members=_members, retention=_retention(visit))


def _members(visit: Visit, listed: list[Found]) -> dict[int, str]:
    """Returns how many members groups have in words, by their rows."""
    counted = member_search.counts(visit.desk.db, listed, _MOST + 1)
    return {row: f"{_MOST:,}+" if count > _MOST else f"{count:,}" for row, count in counted.items()}


def _retention(visit: Visit) -> int:
    return visit.console.settings.retention

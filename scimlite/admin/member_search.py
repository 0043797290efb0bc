"""Members of a group for its page: searched, and a part at a time that costs the same however large the group is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import SQL, fn

from ..db import Database
from ..db.tables import MemberRow, ResourceRow
from ..directory import members
from ..scim import core
from ..scim.names import fold
from . import browsing
from .browsing import SIZE, Choice, WrongPlace
from .group_members import Member
from .people import Found

#: A group of up to so many members is sorted as a whole; a larger one comes in the order in which members were created.
SORTED = 1000
_COLUMNS = (ResourceRow.uuid, ResourceRow.type, ResourceRow.name, ResourceRow.display, ResourceRow.active, SQL("1"))


@dataclass(frozen=True, slots=True)
class MemberPart:
    """A part of a group's direct members."""

    members: list[Member]
    #: Where the next part begins; None when there is none.
    after: str | None
    #: True when the time was over before the part was full.
    unfinished: bool = False


def part(db: Database, group: Found, text: str | None, after: str | None) -> MemberPart:
    """Returns some of a group's living direct members, with a text in a name if one is given. Raises WrongPlace.

    In a group with more than SORTED members the text is looked for among users only, in e-mail addresses too.
    """
    if members.count(db, group.row, SORTED + 1) <= SORTED:
        return _sorted(db, group, text, _number(after))
    if text is None:
        return _by_row(db, group, _number(after))
    some = browsing.part(db, Choice(core.USER, [group.app], text, group=group.row), after)
    return MemberPart([_member(each) for each in some.found], some.after, some.unfinished)


def groups_in(db: Database, group: Found, most: int) -> list[Member]:
    """Returns the groups that are directly in a group, up to a number; it looks at the groups, not at the members."""
    membership = MemberRow.alias()
    within = membership.select(SQL("1")).where(membership.group_id == group.row, membership.member_id == ResourceRow.id)
    query = ResourceRow.select(*_COLUMNS).where(
        ResourceRow.app_id == group.app.id,
        ResourceRow.type == core.GROUP.name,
        ResourceRow.deleted_at.is_null(),
        fn.EXISTS(within),
    )
    return sorted((Member(*row) for row in db.rows(query.limit(most))), key=lambda member: fold(member.name))


def counts(db: Database, groups: list[Found], most: int) -> dict[int, int]:
    """Counts the direct members of groups by their rows, up to a number each."""
    return {group.row: members.count(db, group.row, most) for group in groups}


def _sorted(db: Database, group: Found, text: str | None, first: int) -> MemberPart:
    listed = [Member(*row) for row in db.rows(_direct(group))]
    if text is not None:
        wanted = fold(text)
        listed = [each for each in listed if wanted in fold(each.name) or wanted in fold(each.display or "")]
    listed.sort(key=lambda member: (member.type, fold(member.name)))
    end = first + SIZE
    return MemberPart(listed[first:end], str(end) if len(listed) > end else None)


def _by_row(db: Database, group: Found, after: int) -> MemberPart:
    query = _direct(group, MemberRow.member_id).where(MemberRow.member_id > after)
    rows = db.rows(query.order_by(MemberRow.member_id).limit(SIZE + 1))
    place = str(rows[SIZE - 1][-1]) if len(rows) > SIZE else None
    return MemberPart([Member(*row[:-1]) for row in rows[:SIZE]], place)


def _direct(group: Found, *more: Any) -> Any:
    return (
        ResourceRow.select(*_COLUMNS, *more)
        .join(MemberRow, on=(MemberRow.member_id == ResourceRow.id))
        .where(MemberRow.group_id == group.row, ResourceRow.deleted_at.is_null())
    )


def _member(found: Found) -> Member:
    return Member(found.id, found.type, found.name, found.display, found.active, 1)


def _number(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise WrongPlace
    return int(after)

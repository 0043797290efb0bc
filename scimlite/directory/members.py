"""Which resource holds which: members of groups, groups of users, and their changes inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from peewee import JOIN, SQL, Case, Cast, Expression, Select, fn

from ..apps.workspace import Workspace
from ..db import Database, Outer, Slot, chunks, prepared
from ..db.tables import MemberRow, ResourceRow
from ..errors import InvalidValue, Mutability, NoTarget, Remedy
from ..journal import Action, Entry, Outcome
from ..scim import core
from ..scim.filter import Filter
from ..scim.patch_plan import LinkStep
from . import search

#: What a group can hold.
_LINKABLE = ("User", "Group")
#: Ids bound in one statement.
_CHUNK = 1000
#: Ids named in one error.
_MOST_NAMED = 10


class Link(NamedTuple):
    """The other end of a link: `kind` is its type, or for a user's groups `direct` or `indirect`."""

    id: str
    kind: str
    display: str


@dataclass(slots=True)
class Linked:
    """What a change of links did: whether anything, and its journal rows."""

    changed: bool = False
    entries: list[Entry] = field(default_factory=list)
    #: Rows of what is no longer linked.
    removed: list[int] = field(default_factory=list)


NOTHING = Linked()


# --- reading ------------------------------------------------------------------------------------------------------


@prepared
def _members_of_groups(db: Database) -> Any:
    other = ResourceRow.alias()
    return (
        MemberRow.select(MemberRow.group_id, other.uuid, other.type, fn.coalesce(other.display, other.name))
        .join(other, on=(other.id == MemberRow.member_id))
        .where(db.one_of(MemberRow.group_id, "groups"), other.deleted_at.is_null())
        .order_by(MemberRow.group_id, MemberRow.member_id)
    )


def members_of(db: Database, groups: list[int]) -> dict[int, list[Link]]:
    """The living members of groups, by the group's row."""
    found: dict[int, list[Link]] = {}
    for group, id, kind, display in db.rows(_members_of_groups, groups=groups):
        found.setdefault(group, []).append(Link(id, kind, display))
    return found


def _above(direct: Any, of_users: Any) -> Any:
    """Direct and indirect groups as a CTE; `of_users` is the condition on `direct`, an alias of MemberRow.

    UNION makes cycles end, the deleted conduct nothing; those that are reached are left out by `_shown`.
    """
    start = direct.select(
        direct.member_id.alias("user_id"), direct.group_id.alias("group_id"), SQL("0").alias("depth")
    ).where(of_users)
    above = start.cte("above", recursive=True, columns=("user_id", "group_id", "depth"))
    outer = MemberRow.alias()
    # CROSS JOIN: SQLite keeps to this order, from the few to what an index has of them.
    step = (
        Select([above], [above.c.user_id, outer.group_id, SQL("1")])
        .join(outer, JOIN.CROSS)
        .where(outer.member_id == above.c.group_id, _lives(above.c.group_id))
    )
    return above.union(step)


def _lives(group: Any) -> Any:
    """Whether a group of a CTE is not deleted.

    A subquery, and about the CTE: a join, or a condition on what is joined to it, is reason enough for PostgreSQL to
    read whole tables and for SQLite to make a Bloom filter of one.
    """
    row = ResourceRow.alias()
    return Expression(row.select(row.deleted_at).where(row.id == group), "IS", SQL("NULL"))


def _shown(closure: Any, group: Any, *columns: Any) -> Any:
    """A query of the living groups that `_above` found; `group` is the alias of ResourceRow that they are read by."""
    return (
        Select([closure], columns)
        .join(group, JOIN.CROSS)
        .where(group.id == closure.c.group_id, _lives(closure.c.group_id))
        .with_cte(closure)
    )


@prepared
def _groups_of_users(db: Database) -> Any:
    direct, group = MemberRow.alias(), ResourceRow.alias()
    closure = _above(direct, db.one_of(direct.member_id, "users"))
    user = closure.c.user_id
    return (
        _shown(closure, group, user, group.uuid, fn.min(closure.c.depth), group.name)
        .group_by(user, group.id, group.uuid, group.name)
        .order_by(user, group.id)
    )


def more_than(db: Database, group: int, number: int) -> bool:
    """Whether a group has more living members than this; it costs what that many do, and the deleted before them."""
    return bool(db.scalar(_count_members, group=group, limit=number + 1) > number)


@prepared
def _count_members(db: Database) -> Any:
    living = (
        MemberRow.select(MemberRow.member_id)
        .join(ResourceRow, on=(ResourceRow.id == MemberRow.member_id))
        .where(MemberRow.group_id == Slot("group"), ResourceRow.deleted_at.is_null())
        .limit(Slot("limit"))
        .alias("living")
    )
    return Select([living], [fn.count(SQL("*"))])


def groups_of(db: Database, users: list[int]) -> dict[int, list[Link]]:
    """The living groups that users are in, directly or through other groups, by the user's row."""
    found: dict[int, list[Link]] = {}
    for user, id, depth, name in db.rows(_groups_of_users, users=users):
        found.setdefault(user, []).append(Link(id, "direct" if depth == 0 else "indirect", name))
    return found


def groups_column(db: Database, row: type[ResourceRow]) -> Any:
    """What `groups_of` finds, as a column beside those of a user's row: no statement of its own for one or a few.

    `groups_in` reads it.
    """
    held, direct, group = MemberRow.alias(), MemberRow.alias(), ResourceRow.alias()
    closure = _above(direct, direct.member_id == Outer(row.id))
    found = _shown(closure, group, db.json_rows(group.id, closure.c.depth, group.uuid, group.name))
    # Who is in no group is spared the recursion.
    return Case(None, [(fn.EXISTS(held.select(SQL("1")).where(held.member_id == row.id)), found)])


def groups_in(column: str | None) -> list[Link]:
    """The groups that a `groups_column` holds, in the order of `groups_of`."""
    found: dict[str, Link] = {}
    for _, depth, id, name in sorted(orjson.loads(column or "[]")):
        found.setdefault(id, Link(id, "direct" if depth == 0 else "indirect", name))
    return list(found.values())


# --- changing -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Outcome:
    """Rows that came and went so far; one that went and came back did neither."""

    added: dict[int, None] = field(default_factory=dict)
    removed: dict[int, None] = field(default_factory=dict)
    #: Id, type and name of rows that were looked up anyway.
    known: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    def add(self, rows: list[int]) -> None:
        for row in rows:
            if row in self.removed:
                del self.removed[row]
            else:
                self.added[row] = None

    def remove(self, rows: list[int]) -> None:
        for row in rows:
            if row in self.added:
                del self.added[row]
            else:
                self.removed[row] = None


def change(workspace: Workspace, group: int, steps: Sequence[LinkStep], pair: tuple[str, str]) -> Linked:
    """Carry out steps on a locked group's links; the members that are there are never loaded.

    Raises InvalidValue naming members that do not exist when the app refuses them, NoTarget or Mutability when a
    value path asks for more than adding and removing.
    """
    db, app = workspace.db, workspace.app
    outcome = _Outcome()
    unknown: dict[str, None] = {}
    for step in steps:
        if step.expect is not None:
            _expect(workspace, group, step)
            continue
        wanted = _resolve(workspace, list(step.add), outcome)
        missing = [id for id in step.add if id not in wanted]
        if missing and app.settings.unknown_members == "refuse":
            named = ", ".join(missing[:_MOST_NAMED])
            raise InvalidValue(
                f"members.value: {len(missing)} not found in this app: {named}.",
                remedy=Remedy(feature="unknown-members", value="skip"),
            )
        unknown.update(dict.fromkeys(missing))
        kept = list(wanted.values())
        if step.reset:
            outcome.remove([row[0] for row in db.rows(_delete_other_members, group=group, kept=kept)])
        if step.remove_where is not None:
            outcome.remove(_remove_where(workspace, group, step.remove_where))
        if step.remove:
            gone = list(_resolve(workspace, sorted(step.remove), outcome, living=False).values())
            outcome.remove([row[0] for row in db.rows(_delete_members, group=group, members=gone)])
        if kept:
            outcome.add(_insert(workspace, group, kept))
    return _told(db, outcome, list(unknown), pair)


@prepared
def _delete_other_members(db: Database) -> Any:
    kept = db.one_of(MemberRow.member_id, "kept")
    return MemberRow.delete().where(MemberRow.group_id == Slot("group"), ~kept).returning(MemberRow.member_id)


@prepared
def _delete_members(db: Database) -> Any:
    listed = db.one_of(MemberRow.member_id, "members")
    return MemberRow.delete().where(MemberRow.group_id == Slot("group"), listed).returning(MemberRow.member_id)


@prepared
def _insert_members(db: Database) -> Any:
    table, column = db.each("members", "bigint")
    rows = Select([table], [Cast(Slot("app"), "BIGINT"), Cast(Slot("group"), "BIGINT"), column]).where(SQL("(1 = 1)"))
    fields = [MemberRow.app_id, MemberRow.group_id, MemberRow.member_id]
    return MemberRow.insert_from(rows, fields).on_conflict_ignore().returning(MemberRow.member_id)


@prepared
def _resources_by_id(db: Database) -> Any:
    # Only what the unique index answers: with more conditions SQLite may choose an index over all users.
    columns = (ResourceRow.uuid, ResourceRow.id, ResourceRow.type, ResourceRow.name, ResourceRow.deleted_at)
    return ResourceRow.select(*columns).where(ResourceRow.app_id == Slot("app"), db.one_of(ResourceRow.uuid, "ids"))


def _resolve(workspace: Workspace, ids: list[str], outcome: _Outcome, *, living: bool = True) -> dict[str, int]:
    """The rows behind public ids of this app; those that do not exist are left out."""
    found: dict[str, int] = {}
    for chunk in chunks(ids, _CHUNK):
        for id, row, kind, name, deleted_at in workspace.db.rows(_resources_by_id, app=workspace.app.id, ids=chunk):
            if kind in _LINKABLE and not (living and deleted_at is not None):
                found[id] = row
                outcome.known[row] = (id, kind, name)
    return {id: found[id] for id in ids if id in found}


def _insert(workspace: Workspace, group: int, rows: list[int]) -> list[int]:
    """Add members; returns those that were not there before."""
    added: list[int] = []
    for chunk in chunks(rows, _CHUNK):
        added += [
            row[0] for row in workspace.db.rows(_insert_members, app=workspace.app.id, group=group, members=chunk)
        ]
    return added


def _matching(db: Database, condition: Filter) -> tuple[Any, dict[str, Any]]:
    """A query of the group's members that match a filter, and its binds."""
    attribute = core.GROUP.links
    assert attribute is not None
    shape, binds = search.bind_item(condition, attribute, core.GROUP)
    other = ResourceRow.alias()
    query = (
        MemberRow.select(MemberRow.member_id)
        .join(other, on=(other.id == MemberRow.member_id))
        .where(
            MemberRow.group_id == Slot("group"),
            other.deleted_at.is_null(),
            search.other_end(db, shape, other),
        )
    )
    return query, binds


def _remove_where(workspace: Workspace, group: int, condition: Filter) -> list[int]:
    db = workspace.db
    query, binds = _matching(db, condition)
    rows = [row[0] for row in db.rows(query, group=group, app=workspace.app.id, base="", **binds)]
    for chunk in chunks(rows, _CHUNK):
        db.rows(_delete_members, group=group, members=chunk)
    return rows


def _expect(workspace: Workspace, group: int, step: LinkStep) -> None:
    """A value path that does not remove: some member must match, and even then only `members` itself can change."""
    assert step.expect is not None
    query, binds = _matching(workspace.db, step.expect)
    if workspace.db.row(query.limit(1), group=group, app=workspace.app.id, base="", **binds) is None:
        raise NoTarget("No member matches the filter of the path.")
    if step.then_refuse:
        raise Mutability("A member cannot be changed: remove it and add another one.")


@prepared
def _names(db: Database) -> Any:
    return ResourceRow.select(ResourceRow.id, ResourceRow.uuid, ResourceRow.type, ResourceRow.name).where(
        db.one_of(ResourceRow.id, "rows")
    )


def _told(db: Database, outcome: _Outcome, unknown: list[str], group: tuple[str, str]) -> Linked:
    """The journal rows of a change: one for each member that came, went, or does not exist."""
    linked = Linked(bool(outcome.added or outcome.removed), removed=list(outcome.removed))
    known = outcome.known
    for chunk in chunks((row for row in (*outcome.added, *outcome.removed) if row not in known), _CHUNK):
        known.update({row: (id, kind, name) for row, id, kind, name in db.rows(_names, rows=chunk)})
    for rows, action in ((outcome.added, Action.MEMBER_ADDED), (outcome.removed, Action.MEMBER_REMOVED)):
        linked.entries += [_entry(action, *known[row], group) for row in rows if row in known]
    for id in unknown:
        detail = f"member {id[:100]} does not exist in this app; the others were applied"
        linked.entries.append(Entry(Action.MEMBER_ADDED, Outcome.REFUSED, (id[:100], None), group, detail=detail))
    return linked


def _entry(action: Action, id: str, kind: str, name: str, group: tuple[str, str]) -> Entry:
    if kind == "User":
        return Entry(action, user=(id, name), group=group)
    return Entry(action, group=group, detail=f"member is the group {name} ({id})")


@prepared
def _living_members(db: Database) -> Any:
    return (
        MemberRow.select(ResourceRow.id, ResourceRow.uuid, ResourceRow.type, ResourceRow.name)
        .join(ResourceRow, on=(ResourceRow.id == MemberRow.member_id))
        .where(MemberRow.group_id == Slot("group"), ResourceRow.deleted_at.is_null())
    )


def lost_by_deletion(db: Database, group: int, pair: tuple[str, str]) -> Linked:
    """What a deleted group's members lose: their membership ended, though the rows stay for a restore."""
    rows = db.rows(_living_members, group=group)
    entries = [_entry(Action.MEMBER_REMOVED, id, kind, name, pair) for _, id, kind, name in rows]
    return Linked(bool(rows), entries, [row[0] for row in rows])


def regained_by_restore(db: Database, group: int, pair: tuple[str, str]) -> list[Entry]:
    """The journal rows of a restored group's living members."""
    rows = db.rows(_living_members, group=group)
    return [_entry(Action.MEMBER_ADDED, id, kind, name, pair) for _, id, kind, name in rows]


def may_have_changed(db: Database, row: int) -> bool:
    """Whether a user is or was in a group that may show in an answer: then no version vouches for it."""
    return db.row(_any_group, row=row) is not None


def changed_since(db: Database, group: int, at: int) -> bool:
    """Whether a member's own name or life changed after `at`, which shows in the group but is no version of it."""
    return db.row(_changed_member, group=group, at=at) is not None


@prepared
def _changed_member(db: Database) -> Any:
    return (
        MemberRow.select(MemberRow.member_id)
        .join(ResourceRow, on=(ResourceRow.id == MemberRow.member_id))
        .where(MemberRow.group_id == Slot("group"), ResourceRow.modified_at > Slot("at"))
        .limit(1)
    )


@prepared
def _any_group(db: Database) -> Any:
    return MemberRow.select(MemberRow.group_id).where(MemberRow.member_id == Slot("row")).limit(1)

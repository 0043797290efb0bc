"""Changes the members of groups inside the caller's transaction, and makes the journal entries of the changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from peewee import SQL, Cast, Select

from ..apps.workspace import Workspace
from ..db import Database, Slot, chunks, prepared
from ..db.tables import MemberRow, ResourceRow
from ..errors import InvalidValue, Mutability, NoTarget, Remedy
from ..journal import Action, Entry, Outcome, short
from ..scim import core, references
from ..scim.filter import Filter
from ..scim.patch_plan import LinkStep
from . import members, search

#: Ids bound in one statement.
_CHUNK = 1000
#: Ids named in one error, and characters of each.
_MOST_NAMED = 10
_LONGEST_ID = 100


@dataclass(slots=True)
class Linked:
    """The outcome of a change of links: whether any link changed, and the journal entries."""

    changed: bool = False
    entries: list[Entry] = field(default_factory=list)
    #: Rows of resources that are no longer linked.
    removed: list[int] = field(default_factory=list)
    #: When the newest of the resources in question was created: a membership begins later.
    since: int = 0


NOTHING = Linked()


def change(
    workspace: Workspace, group: int, steps: Sequence[LinkStep], pair: tuple[str, str], displays: Mapping[str, str]
) -> Linked:
    """Carries out steps on the links of a locked group, whose members are never loaded.

    In: the group's row, (id, name) of the group for the journal, and what the client calls the members, by id. Raises
    InvalidValue naming members that do not exist when the app refuses them, or when a replace names no others;
    NoTarget or Mutability when a value path does more than add and remove.
    """
    changing = _Change(workspace, group, pair)
    for step in steps:
        changing.carry_out(step)
    linked = changing.linked()
    if displays and workspace.app.settings.member_display == "sent":
        changing.name_added(displays)
    return linked


def newest(workspace: Workspace, ids: Iterable[str]) -> int | None:
    """When the newest of these resources was created; None when none exists."""
    times = [
        row[-1]
        for chunk in chunks(ids, _CHUNK)
        for row in workspace.db.rows(_resources_by_id, app=workspace.app.id, ids=chunk)
    ]
    return max(times, default=None)


class _Change:
    """A change of one group's members: the rows added and removed by its steps so far.

    A row that one step removes and another adds back counts as neither.
    """

    def __init__(self, workspace: Workspace, group: int, pair: tuple[str, str]) -> None:
        self._db = workspace.db
        self._app = workspace.app
        self._base = workspace.base
        self._type = workspace.app.resource_types[core.GROUP.endpoint]
        assert self._type.links is not None
        #: The members of the group's type, whose ends are the types that can be members.
        self._attribute = self._type.links
        self._group = group
        self._pair = pair
        self._added: dict[int, None] = {}
        self._removed: dict[int, None] = {}
        #: Rows that were inserted and are still there.
        self._inserted: dict[int, None] = {}
        #: Ids of members to add that do not exist in the app.
        self._missing: dict[str, None] = {}
        self._since = 0
        #: Id, type and name by row, of rows that a step looked up.
        self._names: dict[int, tuple[str, str, str]] = {}

    def carry_out(self, step: LinkStep) -> None:
        """Carries out one step; it removes before it adds."""
        if step.expect is not None:
            self._require_match(step.expect)
            if step.then_refuse:
                raise Mutability("A member cannot be changed: remove it and add another one.")
            return
        db, group = self._db, self._group
        found = self._wanted(list(step.add))
        for ids in step.replacements:
            self._require_one(ids, found, step)
        wanted = list(found.values())
        if step.reset:
            self._note_removed(db.rows(_delete_other_members, group=group, kept=wanted))
        if step.remove_where is not None:
            self._remove_where(step.remove_where, step.among)
        if step.remove:
            rows = list(self._resolve(sorted(step.remove), living=False).values())
            self._note_removed(db.rows(_delete_members, group=group, members=rows))
        for chunk in chunks(wanted, _CHUNK):
            self._note_added(db.rows(_insert_members, app=self._app.id, group=group, members=chunk))

    def _wanted(self, ids: list[str]) -> dict[str, int]:
        """The rows of members to add, by id; members that do not exist are refused or noted, as the feature says."""
        rows = self._resolve(ids)
        missing = [id for id in ids if id not in rows]
        if missing and self._app.settings.unknown_members == "refuse":
            raise InvalidValue(
                f"members.value: {len(missing)} not found in this app: {_listed(missing)}.",
                remedy=Remedy(feature="unknown-members", value="skip"),
            )
        self._missing.update(dict.fromkeys(missing))
        return rows

    def _require_one(self, ids: Sequence[str], found: Mapping[str, int], step: LinkStep) -> None:
        """Raises InvalidValue when none of the ids that replace all members exists: the group would become empty.

        In: `found`, the members to add that exist; a later operation may have taken one of the ids from them.
        """
        if any(id in found for id in ids):
            return
        others = [id for id in ids if id not in step.add]
        if others and self._resolve(others):
            return
        if step.unless_empty and not members.more_than(self._db, self._group, 0):
            return
        raise InvalidValue(
            f"members.value: nobody in the new list exists in this app: {_listed(ids)}. Create them first, or replace "
            "members with an empty list to empty the group."
        )

    def _resolve(self, ids: list[str], *, living: bool = True) -> dict[str, int]:
        """The rows of resources of this app by id, in the order of the ids; ids that do not exist are left out."""
        rows: dict[str, int] = {}
        linkable = [end.type for end in self._attribute.ends]
        for chunk in chunks(ids, _CHUNK):
            found = self._db.rows(_resources_by_id, app=self._app.id, ids=chunk)
            for id, row, kind, name, deleted_at, created_at in found:
                self._since = max(self._since, created_at)
                if kind in linkable and not (living and deleted_at is not None):
                    rows[id] = row
                    self._names[row] = (id, kind, name)
        return {id: rows[id] for id in ids if id in rows}

    def _remove_where(self, condition: Filter, among: frozenset[str] | None) -> None:
        query, binds = self._matching(condition)
        matches = self._db.rows(query, **binds)
        if among is not None:
            rows = set(self._resolve(sorted(among)).values())
            matches = [match for match in matches if match[0] in rows]
        for chunk in chunks([row[0] for row in matches], _CHUNK):
            self._db.rows(_delete_members, group=self._group, members=chunk)
        self._note_removed(matches)

    def _require_match(self, condition: Filter) -> None:
        query, binds = self._matching(condition)
        if self._db.row(query.limit(1), **binds) is None:
            raise NoTarget("No member matches the filter of the path.")

    def _matching(self, condition: Filter) -> tuple[Any, dict[str, Any]]:
        """A query of the group's members that match a filter, and its binds.

        Raises InvalidFilter for a filter that excludes a `$ref` which no resource of the app can have.
        """
        references.check(condition, self._attribute, self._base)
        shape, binds = search.bind_item(condition, self._attribute, self._type)
        other = ResourceRow.alias()
        query = (
            MemberRow.select(MemberRow.member_id)
            .join(other, on=(other.id == MemberRow.member_id))
            .where(
                MemberRow.group_id == Slot("group"),
                other.deleted_at.is_null(),
                search.other_end(self._db, shape, other),
            )
        )
        return query, {"group": self._group, "app": self._app.id, "base": self._base, **binds}

    def _note_added(self, rows: Iterable[Sequence[int]]) -> None:
        for (row,) in rows:
            self._inserted[row] = None
            if row in self._removed:
                del self._removed[row]
            else:
                self._added[row] = None

    def _note_removed(self, rows: Iterable[Sequence[int]]) -> None:
        for (row,) in rows:
            self._inserted.pop(row, None)
            if row in self._added:
                del self._added[row]
            else:
                self._removed[row] = None

    def linked(self) -> Linked:
        """The outcome, with a journal entry for each member that was added, was removed, or does not exist."""
        linked = Linked(bool(self._added or self._removed), removed=list(self._removed), since=self._since)
        names = self._names
        for chunk in chunks((row for row in (*self._added, *self._removed) if row not in names), _CHUNK):
            names.update({row: (id, kind, name) for row, id, kind, name in self._db.rows(_names_of_rows, rows=chunk)})
        for rows, action in ((self._added, Action.MEMBER_ADDED), (self._removed, Action.MEMBER_REMOVED)):
            linked.entries += [_entry(action, *names[row], self._pair) for row in rows if row in names]
        linked.entries += [self._refused(id[:_LONGEST_ID]) for id in self._missing]
        return linked

    def name_added(self, displays: Mapping[str, str]) -> None:
        """Keeps what the client calls the members that were added; `linked` must have been called."""
        named = [(row, displays.get(self._names[row][0])) for row in self._inserted if row in self._names]
        names = [{"group": self._group, "member": row, "display": display} for row, display in named if display]
        self._db.execute_many(_name_member, names)

    def _refused(self, id: str) -> Entry:
        detail = f"member {id} does not exist in this app; the others were applied"
        return Entry(Action.MEMBER_ADDED, Outcome.REFUSED, (id, None), self._pair, detail=detail)


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
    """Returns the members that were not in the group before."""
    table, column = db.bound_list("members", "bigint")
    rows = Select([table], [Cast(Slot("app"), "BIGINT"), Cast(Slot("group"), "BIGINT"), column]).where(SQL("(1 = 1)"))
    fields = [MemberRow.app_id, MemberRow.group_id, MemberRow.member_id]
    return MemberRow.insert_from(rows, fields).on_conflict_ignore().returning(MemberRow.member_id)


@prepared
def _name_member(db: Database) -> Any:
    query = MemberRow.update(display=Slot("display"))
    return query.where(MemberRow.group_id == Slot("group"), MemberRow.member_id == Slot("member"))


@prepared
def _resources_by_id(db: Database) -> Any:
    # Conditions for the unique index only: with more of them SQLite may choose an index over all users.
    columns = ("uuid", "id", "type", "name", "deleted_at", "created_at")
    return ResourceRow.select(*[getattr(ResourceRow, column) for column in columns]).where(
        ResourceRow.app_id == Slot("app"), db.one_of(ResourceRow.uuid, "ids")
    )


@prepared
def _names_of_rows(db: Database) -> Any:
    return ResourceRow.select(ResourceRow.id, ResourceRow.uuid, ResourceRow.type, ResourceRow.name).where(
        db.one_of(ResourceRow.id, "rows")
    )


def _listed(ids: Sequence[str]) -> str:
    """The first ids, as an error names them."""
    return ", ".join(id[:_LONGEST_ID] for id in ids[:_MOST_NAMED])


# --- a group deleted and restored ---------------------------------------------------------------------------------


def lost_by_deletion(db: Database, group: int, pair: tuple[str, str]) -> Linked:
    """The memberships that end because their group is deleted; the rows stay, so that a restore brings them back.

    In: the group's row, and (id, name) of the group for the journal.
    """
    rows = db.rows(_living_members, group=group)
    entries = [_entry(Action.MEMBER_REMOVED, id, kind, name, pair) for _, id, kind, name in rows]
    return Linked(bool(rows), entries, [row[0] for row in rows])


def regained_by_restore(db: Database, group: int, pair: tuple[str, str]) -> list[Entry]:
    """The journal entries of a restored group's living members; the arguments are those of `lost_by_deletion`."""
    rows = db.rows(_living_members, group=group)
    return [_entry(Action.MEMBER_ADDED, id, kind, name, pair) for _, id, kind, name in rows]


@prepared
def _living_members(db: Database) -> Any:
    return (
        MemberRow.select(ResourceRow.id, ResourceRow.uuid, ResourceRow.type, ResourceRow.name)
        .join(ResourceRow, on=(ResourceRow.id == MemberRow.member_id))
        .where(MemberRow.group_id == Slot("group"), ResourceRow.deleted_at.is_null())
    )


def _entry(action: Action, id: str, kind: str, name: str, group: tuple[str, str]) -> Entry:
    if kind == "User":
        return Entry(action, user=(id, name), group=group)
    # A journal entry has columns for a user and for the group; other members are in its words.
    end = f"{'group' if kind == 'Group' else kind} {short(name)} ({id})"
    return Entry(action, group=group, detail=f"member is the {end}")

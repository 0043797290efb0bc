"""Reads resources and memberships in chunks, each in one state, and compares them."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import peewee
from peewee import SQL, fn

from .. import clock
from ..apps import App
from ..db import chunks, inspection
from ..db.operator_tables import InvitationRow, OperatorAppRow
from ..db.tables import (
    AliasRow,
    AppRow,
    BrakeRow,
    DepartureRow,
    JournalRow,
    MemberRow,
    PasswordRow,
    ResourceRow,
    TokenRow,
    ValueRow,
)
from ..journal import Action
from ..scim import core
from . import check_entries, check_resource, check_values
from .check_entries import End, Member
from .check_findings import Kind
from .check_resource import Known, Stored, Value
from .check_run import ROWS, Run

#: Resources that are read in one transaction.
_RESOURCES = 500
#: Groups whose creation is looked for by one statement: by their times, as they may have any number of entries.
_GROUPS = 100


def resources(run: Run, app_id: int) -> Iterator[int]:
    after = 0
    while True:
        with inspection.one_state(run.db):
            app = run.app(app_id)
            query = ResourceRow.select(*check_values.columns(ResourceRow)).where(
                ResourceRow.app_id == app_id, ResourceRow.id > after
            )
            resources = [Stored(*row) for row in run.db.rows(query.order_by(ResourceRow.id).limit(_RESOURCES))]
            known = _known(run, app, resources) if app is not None else {}
        if app is None or not resources:
            return
        now = clock.now()
        for resource in resources:
            run.add_all(check_resource.problems(app, resource, known[resource.id], now))
        after = resources[-1].id
        yield len(resources)


def _known(run: Run, app: App, resources: Sequence[Stored]) -> dict[int, Known]:
    """What else is stored about resources, by row."""
    ids = [resource.id for resource in resources]
    values: dict[int, list[Value]] = {id: [] for id in ids}
    for row in run.db.rows(ValueRow.select(*check_values.columns(ValueRow)).where(ValueRow.resource_id.in_(ids))):
        values[row[2]].append(Value(*row))
    of_users = PasswordRow.select(*check_values.columns(PasswordRow)).where(PasswordRow.resource_id.in_(ids))
    password = check_values.record(PasswordRow)
    passwords = {row[0]: password._make(row) for row in run.db.rows(of_users)}
    names = sorted({name for resource in resources for name in check_resource.names_of(app, resource)})
    aliases: dict[str, set[str]] = {}
    query = AliasRow.select(AliasRow.user_uuid, AliasRow.name)
    for uuid, name in run.db.rows(query.where(AliasRow.app_id == app.id, AliasRow.name.in_(names))):
        aliases.setdefault(uuid, set()).add(name)
    unknown = _unjournalled(run, app, resources)
    return {
        resource.id: Known(
            values[resource.id],
            passwords.get(resource.id),
            aliases.get(resource.uuid, ()),
            resource.uuid not in unknown,
        )
        for resource in resources
    }


def _unjournalled(run: Run, app: App, resources: Sequence[Stored]) -> set[str]:
    """The ids of users and groups of whose creation the journal does not tell, although nothing was pruned."""
    if app.id not in run.whole():
        return set()
    users, groups = (
        {resource.uuid: resource.created_at for resource in resources if resource.type == kind.name}
        for kind in (core.USER, core.GROUP)
    )
    created = (JournalRow.app_id == app.id, JournalRow.action == Action.CREATED.value)
    query = JournalRow.select(JournalRow.user_uuid).where(JournalRow.user_uuid.in_(list(users)), *created)
    found = {row[0] for row in run.db.rows(query)}
    for some in chunks(groups.items(), _GROUPS):
        pairs = [(JournalRow.group_uuid == uuid) & (JournalRow.at == at) for uuid, at in some]
        query = JournalRow.select(JournalRow.group_uuid).where(reduce(operator.or_, pairs), *created)
        found |= {row[0] for row in run.db.rows(query)}
    missing = (users.keys() | groups.keys()) - found
    # A database that was filled past the journal says nothing of anybody.
    told = (JournalRow.user_uuid.is_null(False)) | (JournalRow.group_uuid.is_null(False))
    query = JournalRow.select(JournalRow.id).where(JournalRow.app_id == app.id, JournalRow.outcome == "ok", told)
    return missing if missing and run.db.row(query.limit(1)) else set()


def members(run: Run) -> Iterator[int]:
    group, member = ResourceRow.alias(), ResourceRow.alias()
    columns = (MemberRow.group_id, MemberRow.member_id, MemberRow.app_id, MemberRow.display)
    query = (
        MemberRow.select(*columns, group.app_id, group.type, member.app_id, member.type)
        .join(group, peewee.JOIN.LEFT_OUTER, on=(group.id == MemberRow.group_id))
        .join(member, peewee.JOIN.LEFT_OUTER, on=(member.id == MemberRow.member_id))
        .order_by(MemberRow.group_id, MemberRow.member_id)
        .limit(ROWS)
    )
    query = run.narrowed(query, MemberRow.app_id)
    key = peewee.Tuple(MemberRow.group_id, MemberRow.member_id)
    after = (-1, -1)
    while True:
        apps: dict[int, App | None] = {}
        with inspection.one_state(run.db):
            rows = run.db.rows(query.where(key > peewee.Tuple(*after)))
            slugs = run.slugs()
            for app_id in {row[2] for row in rows}:
                apps[app_id] = run.app(app_id)
        if not rows:
            return
        for row in rows:
            _judge_member(run, row, apps[row[2]], slugs.get(row[2], "no app"))
        after = rows[-1][:2]
        yield len(rows)


def _judge_member(run: Run, row: Any, app: App | None, slug: str) -> None:
    """Adds what is wrong with a membership, read with both its ends."""
    group_id, member_id, app_id, display, *ends = row
    stored = (app_id, group_id, member_id, display)
    place = check_values.place(MemberRow, stored, slug)
    for column, words in check_values.faults(MemberRow, stored, clock.now()):
        run.found(Kind.MEMBERS, f"{place}: {column}: {words}")
    if app is not None:
        found = Member(group_id, member_id, app_id, display, End(*ends[:2]), End(*ends[2:]))
        run.add_all(check_entries.member_problems(app, found, place))


def strays(run: Run) -> Iterator[int]:
    """What belongs to apps that are deleted or never were, and values and passwords of no resource."""
    living = AppRow.select(AppRow.id).where(AppRow.deleted_at.is_null())
    of_apps: list[tuple[Any, Kind]] = [
        (ResourceRow, Kind.DOCUMENTS),
        (MemberRow, Kind.MEMBERS),
        (TokenRow, Kind.TOKENS),
        (BrakeRow, Kind.BRAKES),
        (DepartureRow, Kind.BRAKES),
        (InvitationRow, Kind.INVITATIONS),
        (OperatorAppRow, Kind.OPERATORS),
    ]
    for table, kind in of_apps:
        query = table.select(table.app_id, fn.count(SQL("*"))).where(table.app_id.not_in(living))
        for app_id, count in run.db.rows(query.group_by(table.app_id)):
            name = table._meta.table_name
            run.found(kind, f"{name}: app_id: {count:,} rows of the app {app_id}, which is deleted or never was")
    of_resources: list[tuple[Any, Kind]] = [(ValueRow, Kind.VALUES), (PasswordRow, Kind.PASSWORDS)]
    for table, kind in of_resources:
        query = (
            table.select(table.resource_id, fn.count(SQL("*")))
            .join(ResourceRow, peewee.JOIN.LEFT_OUTER, on=(ResourceRow.id == table.resource_id))
            .where(ResourceRow.id.is_null() | (ResourceRow.app_id != table.app_id))
            .group_by(table.resource_id)
        )
        for row, count in run.db.rows(query.limit(ROWS)):
            name = table._meta.table_name
            run.found(kind, f"{name}: resource_id: {count:,} rows of the resource {row}, which is none of their app")
    yield 0

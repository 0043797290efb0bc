"""Reads resources and memberships in chunks, each in one state, and compares them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import peewee
from peewee import SQL, fn

from .. import clock
from ..apps import App
from ..db import inspection
from ..db.tables import AliasRow, AppRow, MemberRow, PasswordRow, ResourceRow, TokenRow, ValueRow
from . import check_entries, check_resource
from .check_entries import End, Member
from .check_findings import Kind
from .check_resource import Known, Stored, Value
from .check_run import ROWS, Run

#: Resources that are read in one transaction.
_RESOURCES = 500
_STORED = [getattr(ResourceRow, name) for name in Stored._fields]
_VALUES = [getattr(ValueRow, name) for name in Value._fields]


def resources(run: Run, app_id: int) -> Iterator[int]:
    after = 0
    while True:
        with inspection.one_state(run.db):
            app = run.app(app_id)
            query = ResourceRow.select(*_STORED).where(ResourceRow.app_id == app_id, ResourceRow.id > after)
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
    for row in run.db.rows(ValueRow.select(*_VALUES).where(ValueRow.resource_id.in_(ids))):
        values[row[0]].append(Value(*row))
    of_users = PasswordRow.select(PasswordRow.resource_id, PasswordRow.hash)
    passwords: dict[int, str] = dict(run.db.rows(of_users.where(PasswordRow.resource_id.in_(ids))))
    names = sorted({name for resource in resources for name in check_resource.names_of(app, resource)})
    aliases: dict[str, set[str]] = {}
    query = AliasRow.select(AliasRow.user_uuid, AliasRow.name)
    for uuid, name in run.db.rows(query.where(AliasRow.app_id == app.id, AliasRow.name.in_(names))):
        aliases.setdefault(uuid, set()).add(name)
    return {
        resource.id: Known(values[resource.id], passwords.get(resource.id), aliases.get(resource.uuid, ()))
        for resource in resources
    }


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
    place = peewee.Tuple(MemberRow.group_id, MemberRow.member_id)
    after = (-1, -1)
    while True:
        apps: dict[int, App | None] = {}
        with inspection.one_state(run.db):
            rows = run.db.rows(query.where(place > peewee.Tuple(*after)))
            for app_id in {row[2] for row in rows}:
                apps[app_id] = run.app(app_id)
        if not rows:
            return
        for row in rows:
            app = apps[row[2]]
            if app is not None:
                group_id, member_id, app_id, display, *ends = row
                found = Member(group_id, member_id, app_id, display, End(*ends[:2]), End(*ends[2:]))
                run.add_all(check_entries.member_problems(app, found))
        after = rows[-1][:2]
        yield len(rows)


def strays(run: Run) -> Iterator[int]:
    """What belongs to apps that are deleted or never were, and values and passwords of no resource."""
    living = AppRow.select(AppRow.id).where(AppRow.deleted_at.is_null())
    of_apps: list[tuple[Any, Kind]] = [
        (ResourceRow, Kind.DOCUMENTS),
        (MemberRow, Kind.MEMBERS),
        (TokenRow, Kind.TOKENS),
    ]
    for table, kind in of_apps:
        query = table.select(table.app_id, fn.count(SQL("*"))).where(table.app_id.not_in(living))
        for app_id, count in run.db.rows(query.group_by(table.app_id)):
            run.found(kind, f"{count:,} rows of the app {app_id}, which is deleted or never was")
    of_resources: list[tuple[Any, Kind]] = [(ValueRow, Kind.VALUES), (PasswordRow, Kind.PASSWORDS)]
    for table, kind in of_resources:
        query = (
            table.select(table.resource_id, fn.count(SQL("*")))
            .join(ResourceRow, peewee.JOIN.LEFT_OUTER, on=(ResourceRow.id == table.resource_id))
            .where(ResourceRow.id.is_null() | (ResourceRow.app_id != table.app_id))
            .group_by(table.resource_id)
        )
        for row, count in run.db.rows(query.limit(ROWS)):
            run.found(kind, f"{count:,} rows of the resource {row}, which is none of their app")
    yield 0

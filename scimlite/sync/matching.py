"""Finds resources of the app for entries that have none yet: whom to adopt, and whose name is taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from peewee import JOIN, SQL, fn

from ..apps import App
from ..db import Database, Slot, chunks, prepared
from ..db.sync_tables import SourceLinkRow, SourceRow
from ..db.tables import PREFIX, ResourceRow, ValueRow, sought
from ..scim import document as documents
from ..scim.schema import ResourceType
from .plan import Act, Plan, Step
from .reading import GROUP, USER
from .rules import Rules
from .staging import Staging

_CHUNK = 200
#: The index path of each way to match, by the rule's name.
_PATHS = {"userName": "userName", "externalId": "externalId", "emails.work": "emails.value"}
_GROUP_NAME = "displayName"


@dataclass(frozen=True, slots=True)
class Found:
    """A living resource that has a value."""

    row: int
    uuid: str
    active: bool
    document: str
    #: The source that has it already; None for one without.
    owner: str | None


def settle(db: Database, app: App, plan: Plan, staging: Staging, rules: Rules) -> dict[str, int]:
    """Decides about the entries that would be created: some adopt a resource, others are refused with the reason.

    Returns how many existing users have the name of an entry and are not adopted (`clashing`).
    """
    clashing = 0
    types = {each.name: each for each in app.resource_types.values()}
    steps = [*plan.newcomers, *(step for step in plan.groups if step.act is Act.CREATE)]
    for kind in (USER, GROUP):
        of_kind = [step for step in steps if step.key.type == kind]
        for part in chunks(of_kind, _CHUNK):
            clashing += _settle(db, app, types[kind], part, staging, rules)
    for listed in (plan.newcomers, plan.groups):
        plan.refused += [step for step in listed if step.act is Act.REFUSE]
        listed[:] = [step for step in listed if step.act is not Act.REFUSE]
    return {"clashing": clashing} if clashing else {}


def _settle(
    db: Database, app: App, resource_type: ResourceType, steps: Sequence[Step], staging: Staging, rules: Rules
) -> int:
    way = rules.match if resource_type.name == USER else ("none" if rules.match == "none" else _GROUP_NAME)
    named = {id(step): staging.body(step.entry).resource for step in steps if step.entry is not None}
    if way != "none":
        path = _PATHS.get(way, way)
        wanted = {key: _key(resource_type, way, body) for key, body in named.items()}
        found = _by_key(db, app, resource_type, path, [key for key in wanted.values() if key])
        taken: dict[str, int] = {}
        for key in wanted.values():
            taken[key or ""] = taken.get(key or "", 0) + 1
        for step in steps:
            key = wanted[id(step)]
            if key:
                _adopt(step, found.get(key, []), way, unique=taken[key] == 1, rules=rules)
    clashing = 0
    name = "userName" if resource_type.name == USER else _GROUP_NAME
    if resource_type.name == USER or app.settings.unique_group_names:
        keys = {key: _key(resource_type, name, body) for key, body in named.items()}
        there = _by_key(db, app, resource_type, name, [key for key in keys.values() if key])
        clashing = sum(bool(there.get(keys[id(step)] or "")) for step in steps if step.act is Act.CREATE)
    return clashing


def _adopt(step: Step, found: Sequence[Found], way: str, *, unique: bool, rules: Rules) -> None:
    """Makes a newcomer of a step that adopts, or that is refused because it is not sure whom."""
    if not found:
        return
    reason = None
    if not unique or len(found) > 1:
        reason = f"{way} does not tell apart whom to adopt: {len(found)} of the app, or several entries, have it"
    elif found[0].owner is not None:
        reason = f"the resource with this {way} is linked to the source {found[0].owner}"
    elif not found[0].active and not rules.match_disabled:
        reason = f"the user with this {way} is disabled; --match-disabled adopts disabled users too"
    if reason is None:
        step.act, step.adopted = Act.ADOPT, (found[0].row, found[0].uuid)
    else:
        step.act, step.reason = Act.REFUSE, reason


def _key(resource_type: ResourceType, way: str, body: Mapping[str, Any]) -> str | None:
    """What the value index has for an entry's value; None without a value."""
    if way == "emails.work":
        mails = [item for item in body.get("emails", ()) if item.get("type") == "work"]
        part: dict[str, Any] = {"emails": mails[:1]}
    else:
        part = {way: body.get(way)} if body.get(way) else {}
    path = _PATHS.get(way, way)
    rows = documents.value_rows(resource_type, part) if part.get(next(iter(part), "")) else set()
    return next((row.key for row in rows if row.path == path), None)


def _by_key(
    db: Database, app: App, resource_type: ResourceType, path: str, keys: Iterable[str]
) -> dict[str, list[Found]]:
    """The living resources of the app with these values, by the value's key."""
    wanted = sorted(set(keys))
    made: dict[str, list[Found]] = {}
    if not wanted:
        return made
    binds = {"app": app.id, "type": resource_type.name, "path": path, "starts": [key[:PREFIX] for key in wanted]}
    for key, row, uuid, active, document, owner in db.rows(_with_values, **binds):
        if path != "emails.value" or _is_work(document, key, resource_type):
            made.setdefault(key, []).append(Found(row, uuid, bool(active), document, owner))
    return {key: made[key] for key in wanted if key in made}


def _is_work(document: str, key: str, resource_type: ResourceType) -> bool:
    mails = [item for item in orjson.loads(document).get("emails", ()) if item.get("type") == "work"]
    return any(row.key == key for row in documents.value_rows(resource_type, {"emails": mails}))


@prepared
def _with_values(db: Database) -> Any:
    start = fn.substr(ValueRow.key, SQL("1"), SQL(str(PREFIX)))
    owner = SourceRow.name
    return (
        ValueRow.select(ValueRow.key, ResourceRow.id, ResourceRow.uuid, ResourceRow.active, ResourceRow.document, owner)
        .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        .join(
            SourceLinkRow,
            JOIN.LEFT_OUTER,
            on=((SourceLinkRow.app_id == ResourceRow.app_id) & (SourceLinkRow.resource_id == ResourceRow.id)),
        )
        .join(SourceRow, JOIN.LEFT_OUTER, on=(SourceRow.id == SourceLinkRow.source_id))
        .where(
            ValueRow.app_id == Slot("app"),
            ValueRow.type == Slot("type"),
            ValueRow.path == Slot("path"),
            db.one_of(start, "starts"),
            sought(ValueRow),
            ResourceRow.deleted_at.is_null(),
        )
        .order_by(ResourceRow.id)
    )

"""Fill an app straight through the tables, for measurements at sizes that POST takes hours to reach.

    SCIMLITE_DATABASE_URL=sqlite:///var/scimlite.db python bench/seed.py --app bench --users 1000000

Users are those that scimload looks for, with every row that the store writes for a POST except the journal's. The
settings are the service's own SCIMLITE_* variables; `scimlite app create` makes the app. Asked for users that are
there already, it adds the rest. With --members a group "Large" gets that many of them.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import uuid
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import orjson
from peewee import fn
from scimload import Load

from scimlite import clock, installation
from scimlite.admin import apps
from scimlite.admin.contents import contents
from scimlite.apps import App
from scimlite.config import Settings
from scimlite.db import Database, Insert, chunks
from scimlite.db.tables import AliasRow, MemberRow, ResourceRow, ValueRow
from scimlite.directory import value_index
from scimlite.scim import core, document, intake
from scimlite.scim.names import fold
from scimlite.scim.schema import ResourceType

_CHUNK = 2000
COLUMNS = {
    ResourceRow: (
        *("id", "app_id", "type", "uuid", "name", "display", "active", "active_since", "version", "created_at"),
        *("modified_at", "document", "profile_version"),
    ),
    ValueRow: ("app_id", "type", "resource_id", "path", "item", "nth", "key", "unique_key", "sought"),
    AliasRow: ("app_id", "name", "user_uuid"),
    MemberRow: ("app_id", "group_id", "member_id"),
}
Rows = dict[Any, list[tuple[Any, ...]]]


def main() -> None:
    """Add what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--app", default="bench", help="the app's slug")
    parser.add_argument("--users", type=int, required=True, help="how many the app shall have")
    parser.add_argument("--members", type=int, default=0, help="size of the group Large, which is made once")
    arguments = parser.parse_args()
    db = installation.database(Settings.from_environment().with_secret_keys())
    app = apps.get(db, arguments.app)
    there = contents(db, app).users
    first = (db.scalar(ResourceRow.select(fn.max(ResourceRow.id))) or 0) + 1
    began = time.monotonic()
    for numbers in chunks(range(there, arguments.users), _CHUNK):
        rows = _users(app, first + numbers[0] - there, numbers)
        _insert(db, rows)
        print(f"\r{numbers[-1] + 1:,} users, {time.monotonic() - began:.0f} s", end="", file=sys.stderr)
    group = first + max(arguments.users - there, 0)
    if arguments.members:
        _insert(db, _group(db, app, group, arguments.members))
    print(file=sys.stderr)
    if db.kind == "postgresql":
        db.peewee.execute_sql("SELECT setval(pg_get_serial_sequence('resource', 'id'), %s)", (group,))
    # PostgreSQL's autovacuum would do this within a minute of so many rows.
    db.peewee.execute_sql("VACUUM (ANALYZE)" if db.kind == "postgresql" else "ANALYZE")


def _users(app: App, row: int, numbers: Iterable[int]) -> Rows:
    """The rows of the users of these numbers, beginning with this row."""
    made: Rows = {ResourceRow: [], ValueRow: [], AliasRow: []}
    maker = SimpleNamespace(a=SimpleNamespace(omit=()))
    for number, id in zip(numbers, itertools.count(row), strict=False):
        name = Load.name(maker, number)
        body = Load.user(maker, number, name, f"ext-{number:07d}")
        whole = _resource(app, app.resource_types[core.USER.endpoint], id, body, made)
        made[AliasRow] += [(app.id, fold(name), whole["id"]), (app.id, whole["externalId"], whole["id"])]
    return made


def _group(db: Database, app: App, row: int, members: int) -> Rows:
    """The rows of a group of the app's first users."""
    made: Rows = {ResourceRow: [], ValueRow: []}
    _resource(app, app.resource_types[core.GROUP.endpoint], row, {"displayName": "Large"}, made)
    users = ResourceRow.select(ResourceRow.id).where(ResourceRow.app_id == app.id, ResourceRow.type == "User")
    rows = db.rows(users.order_by(ResourceRow.id).limit(members))
    return {**made, MemberRow: [(app.id, row, user) for (user,) in rows]}


def _resource(app: App, resource_type: ResourceType, row: int, body: dict[str, Any], made: Rows) -> dict[str, Any]:
    """Add the rows of one resource; returns its document."""
    cleaned = intake.clean(resource_type, body).document
    whole = {"schemas": cleaned["schemas"], "id": str(uuid.uuid4()), **cleaned}
    names, at = document.names(resource_type, whole), clock.now()
    text = orjson.dumps(whole).decode()
    head = (row, app.id, resource_type.name, whole["id"], names.name, names.display)
    active_since = at if resource_type.name == core.USER.name else None
    made[ResourceRow].append((*head, 1, active_since, 1, at, at, text, 0))
    made[ValueRow] += [
        (app.id, resource_type.name, row, *value, *value_index.indexed(resource_type, value))
        for value in sorted(document.value_rows(resource_type, whole))
    ]
    return whole


def _insert(db: Database, rows: Rows) -> None:
    """Insert rows in one transaction; Peewee's own, for COPY does not go with the batches of `Database.transact`."""
    with db.peewee.atomic():
        for table, values in rows.items():
            columns = COLUMNS[table]
            if db.kind == "postgresql":
                into = f"COPY {table._meta.table_name} ({', '.join(columns)}) FROM STDIN"
                with db.peewee.cursor().copy(into) as copy:
                    for value in values:
                        copy.write_row(value)
            else:
                db.insert(Insert(table, columns), values)


if __name__ == "__main__":
    main()

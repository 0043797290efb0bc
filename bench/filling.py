"""A large installation, written straight into the tables: users with values, names and groups, and a long journal.

The same numbers make the same rows. Indexes of the journal are taken away while it is filled and made again by the
text that the migrations gave them.
"""

from __future__ import annotations

import random
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from scimlite import clock
from scimlite.admin import apps
from scimlite.apps import App
from scimlite.db import Database, Slot, chunks
from scimlite.db.tables import AliasRow, JournalRow, MemberRow, ResourceRow
from scimlite.directory import value_index
from scimlite.journal import Action, Actor, Outcome
from scimlite.journal.origin import OPERATORS
from scimlite.scim import core, document

#: Share of the users, and so of the journal, that each app has.
SHARES = {"main": 60, "second": 30, "third": 10}
GROUPS = 100
DAY = 24 * 3600 * 1_000_000
#: Over how long the journal goes, to this moment.
SPAN = 400 * DAY
#: Of a journal, how much is about one user: somebody whom a client changes all the time.
BUSY = 0.01
_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class _Kind:
    """Entries of one kind, with how many in ten thousand are such."""

    weight: int
    action: Action
    outcome: Outcome = Outcome.OK
    status: int | None = None
    detail: str | None = None
    changes: bool = False
    group: bool = False
    #: `id`: somebody with an id; `name`: somebody who got none; `nobody`.
    about: str = "id"
    client: str = "Azure AD provisioning/1.0"


_TAKEN = "Another User “{name}” of this app already has this userName."
_KINDS = (
    _Kind(7000, Action.UPDATED, changes=True),
    _Kind(1300, Action.MEMBER_ADDED, group=True),
    _Kind(400, Action.MEMBER_REMOVED, group=True),
    _Kind(500, Action.CREATED, changes=True),
    _Kind(250, Action.DISABLED, changes=True),
    _Kind(180, Action.ENABLED, changes=True),
    _Kind(50, Action.DELETED),
    _Kind(200, Action.CREATED, Outcome.REFUSED, 409, _TAKEN, about="name"),
    _Kind(100, Action.UPDATED, Outcome.REFUSED, 400, "“{name}” is no value of “active”: it has to be true or false."),
    _Kind(5, Action.UPDATED, Outcome.FAILED, 500, "Something went wrong here."),
    _Kind(5, Action.SEARCHED, Outcome.REFUSED, 400, "There is no attribute “nickname” to filter by.", about="nobody"),
    _Kind(5, Action.AUTHENTICATED, Outcome.REFUSED, 401, "The token has expired.", about="nobody"),
    _Kind(5, Action.TOKEN_SHOWN, detail="default", about="nobody", client="cli:operator"),
)


class Filler:
    """Fills one database whose apps are there; says on stderr how far it is."""

    def __init__(self, db: Database, *, users: int, rows: int) -> None:
        """So many users, and so many entries of the journal."""
        self._db = db
        self._random = random.Random(20_261_124)
        self._users, self._rows = users, rows
        self._apps = [apps.get(db, slug) for slug in SHARES for _ in range(SHARES[slug] // 10)]
        self._uuids = [self._uuid() for _ in range(users + GROUPS)]

    def fill(self) -> None:
        """Users, groups and names, then the journal."""
        self._db.transact(self._directory)
        self._journal()

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _app(self, number: int) -> App:
        return self._apps[number % len(self._apps)]

    # --- users and groups -----------------------------------------------------------------------------------------

    def _directory(self) -> None:
        bodies = [(core.USER, user_body(number)) for number in range(self._users)]
        bodies += [(core.GROUP, {"displayName": f"Group {number}"}) for number in range(GROUPS)]
        for chunk in chunks(_told("users and groups", list(enumerate(bodies))), 5000):
            resources, values, names = [], [], []
            for number, (kind, body) in chunk:
                common = {"app_id": self._app(number).id, "type": kind.name}
                whole = document.finish(kind, {"schemas": [kind.schema.id], "id": self._uuids[number], **body})
                resources.append({**common, **_resource(number, whole)})
                found = document.value_rows(kind, whole)
                values += [
                    (common["app_id"], kind.name, number + 1, *value, *value_index.indexed(kind, value))
                    for value in found
                ]
                if kind is core.USER:
                    alias = {"app_id": common["app_id"], "user_uuid": whole["id"]}
                    names += [{**alias, "name": whole[path]} for path in ("userName", "externalId")]
            self._insert(ResourceRow, resources)
            self._db.insert(value_index.insert_values, values)
            self._insert(AliasRow, names)
        # Two groups for everybody, of their own app.
        own = [[at for at in range(GROUPS) if self._app(self._users + at) is app] for app in self._apps]
        for chunk in chunks(range(self._users), 5000):
            members = [
                {
                    "app_id": self._app(number).id,
                    "group_id": self._users + 1 + own[number % len(own)][(number // 10 + further) % 10],
                    "member_id": number + 1,
                }
                for number in chunk
                for further in (0, 1)
            ]
            self._insert(MemberRow, members)

    def _insert(self, table: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            slots = {getattr(table, name): Slot(name) for name in rows[0]}
            self._db.execute_many(table.insert(slots), rows)

    # --- the journal ----------------------------------------------------------------------------------------------

    def _journal(self) -> None:
        run = self._db.peewee.execute_sql
        indexes = self._journal_indexes()
        for name in indexes:
            run(f"DROP INDEX {name}")
        columns = [name for name in JournalRow._meta.sorted_field_names if name != "id"]
        if self._db.kind == "sqlite":
            self._into_sqlite(columns)
        else:
            with self._db.peewee.connection().cursor().copy(f"COPY journal ({', '.join(columns)}) FROM STDIN") as copy:
                for batch in self._entries():
                    for row in batch:
                        copy.write_row(row)
            self._db.peewee.connection().commit()
        for text in _told("indexes of the journal", list(indexes.values())):
            run(text)
        if self._db.kind == "postgresql":
            # What autovacuum does sooner or later.
            self._db.close()
            connection = self._db.peewee.connection()
            connection.autocommit = True
            connection.execute("VACUUM (ANALYZE)")
            self._db.close()
            # As a server of its own would have written it long ago.
            run("CHECKPOINT")

    def _into_sqlite(self, columns: list[str]) -> None:
        connection = self._db.peewee.connection()
        connection.execute("PRAGMA synchronous=OFF")
        # Sorting for the indexes: some hundred thousand pages at once.
        connection.execute("PRAGMA cache_size=-1000000")
        text = f"INSERT INTO journal ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        for batch in self._entries():
            connection.execute("BEGIN")
            connection.executemany(text, batch)
            connection.execute("COMMIT")

    def _journal_indexes(self) -> dict[str, str]:
        if self._db.kind == "sqlite":
            query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'journal' AND sql > ''"
        else:
            query = (
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'journal' AND indexname <> 'journal_pkey'"
            )
        return dict(self._db.peewee.execute_sql(query).fetchall())

    def _entries(self) -> Iterator[list[tuple[Any, ...]]]:
        """The journal in batches, oldest first, in the order of the columns."""
        step = SPAN / self._rows
        start = clock.now() - SPAN
        weights = [kind.weight for kind in _KINDS]
        changes = [_changes(number) for number in range(1000)]
        for first in _told("entries of the journal", list(range(0, self._rows, _BATCH)), each=_BATCH):
            size = min(_BATCH, self._rows - first)
            kinds = self._random.choices(_KINDS, weights, k=size)
            users = self._random.choices(range(self._users), k=size)
            bits = self._random.getrandbits
            batch = []
            for at, (kind, user) in enumerate(zip(kinds, users, strict=True), start=first):
                number = 0 if bits(16) < BUSY * 2**16 else user
                app = self._apps[number % 10]
                ids = f"{bits(192):048x}"
                name = f"user{number}@example.com"
                group = self._users + bits(6)
                is_command = kind.client.startswith(OPERATORS)
                batch.append(
                    (
                        int(start + at * step),
                        app.id,
                        str(kind.action),
                        str(kind.outcome),
                        self._uuids[number] if kind.about == "id" else None,
                        name if kind.about != "nobody" else None,
                        name if kind.about == "name" else None,
                        self._uuids[group] if kind.group else None,
                        f"Group {group - self._users}" if kind.group else None,
                        changes[bits(9)] if kind.changes else None,
                        kind.client,
                        "default",
                        None if is_command else ids[:16],
                        f"{ids[16:24]}-{ids[24:28]}-{ids[28:32]}-{ids[32:36]}-{ids[36:]}",
                        kind.status,
                        kind.detail and kind.detail.format(name=name),
                        str(Actor.CLI if is_command else Actor.SCIM),
                        None if is_command else "192.0.2.7",
                        1000 if is_command else None,
                        None,
                        # As entries are that came before the feed.
                        0,
                    )
                )
            yield batch


def user_body(number: int) -> dict[str, Any]:
    """What a client would have created this user with."""
    return {
        "userName": f"user{number}@example.com",
        "externalId": f"external-{number}",
        "displayName": f"User Number {number}",
        "name": {"givenName": f"Given{number % 50}", "familyName": f"Family{number % 300}"},
        "active": number % 10 != 0,
        "emails": [{"value": f"user{number}@example.com", "type": "work", "primary": True}],
        core.ENTERPRISE_URN: {"department": f"Department {number // 10}"},
    }


def _resource(number: int, whole: dict[str, Any]) -> dict[str, Any]:
    at = clock.now() - SPAN
    active = int(whole.get("active", True))
    return {
        "id": number + 1,
        "uuid": whole["id"],
        "name": whole.get("userName") or whole["displayName"],
        "display": whole["displayName"],
        "active": active,
        "version": 1,
        "created_at": at,
        "modified_at": at,
        "document": orjson.dumps(whole).decode(),
        "active_since": at if active else None,
        "profile_version": 0,
    }


def _changes(number: int) -> str:
    changed: dict[str, Any] = {
        "title": [f"Engineer {number % 7}", f"Engineer {number % 7 + 1}"],
        "name.familyName": [f"Family{number}", f"Family{number + 1}"],
        f"{core.ENTERPRISE_URN}:department": [None, f"Department {number}"],
        'emails[type eq "work"].value': [f"user{number}@example.com", f"user{number}@example.org"],
    }
    wanted = list(changed)[: number % len(changed) + 1]
    return orjson.dumps({path: changed[path] for path in wanted}).decode()


def _told(what: str, items: list[Any], each: int = 1) -> Iterable[Any]:
    """The items; stderr says how many were used."""
    began = time.monotonic()
    for at, item in enumerate(items, start=1):
        yield item
        if at == len(items) or at % max(len(items) // 20, 1) == 0:
            print(f"\r{what}: {at * each:,} in {time.monotonic() - began:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)

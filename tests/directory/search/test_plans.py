"""What identity providers match on is answered from an index, whatever a database knows of its tables.

Three thousand users in each of two apps, and one group that holds all of them: enough for a scan to show.
"""

from __future__ import annotations

import itertools
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from people import BASE, ORIGIN, USER, People
from scimlite.admin import apps
from scimlite.db import Database, Slot, migration
from scimlite.db.tables import MemberRow, ResourceRow
from scimlite.directory import read, value_index
from scimlite.journal import Scope
from scimlite.scim import core, document
from scimlite.scim.schema import ResourceType
from scimlite.web.scim.rendering import timestamp

USERS, GROUPS = 3000, 300
#: Pages that a look-up may touch, and instructions of SQLite's machine; a scan takes some hundred or ten thousands.
MOST_PAGES, MOST_STEPS = 80, 3000

E = core.ENTERPRISE_URN
LOOKUPS = {
    "Users": [
        'id eq "{user}"',
        'userName eq "USER1234@example.com"',
        'externalId eq "ext-1234"',
        'displayName eq "user number 1234"',
        'emails.value eq "user1234@example.com"',
        'emails eq "user1234@example.com"',
        'emails[type eq "work"].value eq "user1234@example.com"',
        'emails[type eq "work" and value eq "user1234@example.com"]',
        'emails[type eq "home" and primary eq false].value eq "home1234@example.org"',
        'emails[value eq "home1234@example.org" and primary ne true]',
        'emails[primary eq false].value sw "home1234@"',
        "userName eq user1234@example.com",
        "employeeNumber eq 1234",
        'emails[value eq "user1234@example.com" or value eq "home1234@example.org"]',
        'phoneNumbers[type eq "work"].value eq "+1 555 1234"',
        f'{E}:employeeNumber eq "1234"',
        f'{E}:costCenter eq "cost 1234"',
        f'{E}:organization eq "example 1234"',
        f'{E}:division eq "division 1234"',
        f'{E}:department eq "department 123"',
        'manager eq "{user}"',
        f'{E}:manager.value eq "{{user}}"',
        'id eq "{user}" and manager eq "{other}"',
        'manager eq "{other}" and id eq "{user}"',
        'userName sw "user1234"',
        'meta.lastModified gt "{recently}"',
        'meta.lastModified ge "{recently}"',
        'userName eq "user1234@example.com" and active eq true',
        'active eq true and userName eq "user1234@example.com"',
        'userName eq "user1234@example.com" and not (title eq "Title 1")',
        'title eq "Title 2" and displayName eq "user number 1234"',
        'name.familyName eq "Family34" and emails[type eq "work" and value sw "user1234@"]',
        'userName eq "user1234@example.com" or emails.value eq "home1235@example.org"',
        '(userName eq "user1234@example.com" and active eq true) or externalId eq "ext-7"',
        'userName eq "nobody" or userName eq "user1234@example.com" or userName eq "user7@example.com"',
        'id eq "{user}" and emails[type eq "work" and not (value co "x")]',
    ],
    "Groups": [
        'id eq "{group}"',
        'displayName eq "GROUP 123"',
        'externalId eq "group-ext-123"',
        'members eq "{user}"',
        'members.value eq "{user}"',
        'members[value eq "{user}"]',
        'id eq "{group}" and members eq "{user}"',
        'id eq "{everyone}" and members eq "{user}"',
        'members eq "{user}" and id eq "{everyone}"',
        'displayName eq "Everyone" and members.value eq "{user}"',
        'displayName sw "group 12" and members[value eq "{user}"]',
    ],
}
CASES = [pytest.param(endpoint, text, id=text) for endpoint, texts in LOOKUPS.items() for text in texts]


class Crowd(People):
    """A large app, filled in one go rather than through the store."""

    def fill(self, first: int) -> None:
        """Write users and groups; `first` is the first number that no row has yet."""
        self.rows = {"resource": [], "value": [], "member": []}
        numbers = itertools.count(first)
        users = [self._resource(core.USER, _user(number), next(numbers)) for number in range(USERS)]
        for number, user in enumerate(users):
            user[core.ENTERPRISE_URN]["manager"] = {"value": users[number // 10]["id"]}
        groups = [self._resource(core.GROUP, _group(number), next(numbers)) for number in range(GROUPS)]
        for row, (resource_type, body) in enumerate(
            [(core.USER, user) for user in users] + [(core.GROUP, group) for group in groups], start=first
        ):
            self._write(resource_type, body, row)
        everyone = [(first + USERS, first + number) for number in range(USERS)]
        others = [(first + USERS + 1 + number % (GROUPS - 1), first + number) for number in range(USERS)]
        self.rows["member"] = [
            {"app": self.app.id, "group": group, "member": member} for group, member in everyone + others
        ]
        self._insert()
        self.places = {
            "user": users[1234]["id"],
            "other": users[123]["id"],
            "everyone": groups[0]["id"],
            "group": groups[123]["id"],
            "recently": timestamp(_modified(first + USERS - 6)),
        }

    def _resource(self, resource_type: ResourceType, body: dict[str, Any], row: int) -> dict[str, Any]:
        return {"schemas": [], "id": str(uuid.UUID(int=row * 0x9E3779B97F4A7C15F39CC060 % 2**128)), **body}

    def _write(self, resource_type: ResourceType, body: dict[str, Any], row: int) -> None:
        whole = document.finish(resource_type, body)
        common = {"app_id": self.app.id, "type": resource_type.name}
        name = whole.get("userName") or whole["displayName"]
        self.rows["resource"].append(
            {
                **common,
                "id": row,
                "uuid": whole["id"],
                "name": name,
                "display": whole["displayName"],
                "active": 1,
                "version": 1,
                "created_at": _modified(row),
                "modified_at": _modified(row),
                "document": orjson.dumps(whole).decode(),
            }
        )
        self.rows["value"] += [
            (self.app.id, resource_type.name, row, *value, None, int(value.path in resource_type.sought_paths))
            for value in document.value_rows(resource_type, whole)
        ]

    def _insert(self) -> None:
        resource = {getattr(ResourceRow, column): Slot(column) for column in self.rows["resource"][0]}
        member = {
            MemberRow.app_id: Slot("app"),
            MemberRow.group_id: Slot("group"),
            MemberRow.member_id: Slot("member"),
        }
        self.db.execute_many(ResourceRow.insert(resource), self.rows["resource"])
        self.db.insert(value_index.insert_values, self.rows["value"])
        self.db.execute_many(MemberRow.insert(member), self.rows["member"])


def _modified(row: int) -> int:
    return 1_700_000_000_000_000 + row * 1_000_000


def _user(number: int) -> dict[str, Any]:
    return {
        "userName": f"user{number}@example.com",
        "externalId": f"ext-{number}",
        "displayName": f"User Number {number}",
        "name": {"givenName": f"Given{number % 50}", "familyName": f"Family{number % 300}"},
        "title": f"Title {number % 7}",
        "active": number % 10 != 0,
        "emails": [
            {"value": f"user{number}@example.com", "type": "work", "primary": True},
            {"value": f"home{number}@example.org", "type": "home"},
        ],
        "phoneNumbers": [{"value": f"+1 555 {number}", "type": "work"}],
        core.ENTERPRISE_URN: {
            "employeeNumber": str(number),
            "costCenter": f"Cost {number}",
            "organization": f"Example {number}",
            "division": f"Division {number}",
            "department": f"Department {number // 10}",
        },
    }


def _group(number: int) -> dict[str, Any]:
    return {"displayName": f"Group {number}" if number else "Everyone", "externalId": f"group-ext-{number}"}


@pytest.fixture(scope="module")
def crowd(database: Database) -> Crowd:
    """The second of two equal apps, in a database that was never analyzed and is not, unless a test does it."""
    migration.upgrade(database)
    if database.kind == "postgresql":
        for table in ("resource", "value", "member"):
            database.peewee.execute_sql(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")

    def work() -> Crowd:
        for number, slug in enumerate(("first", "second")):
            crowd = Crowd(database, apps.create(Scope(database, ORIGIN), slug, slug))
            crowd.fill(1 + number * (USERS + GROUPS))
        return crowd

    crowd = database.transact(work)
    if database.kind == "postgresql":
        next_row = "SELECT setval(pg_get_serial_sequence('resource', 'id'), 100000)"
        database.peewee.execute_sql(next_row)
    return crowd


def statements(crowd: Crowd, endpoint: str, text: str, *, with_derived: bool) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The statements of a search with their parameters: a page from the front, one from the end, the total."""
    request = replace(crowd.request(endpoint, text.format_map(crowd.places)), with_derived=with_derived)
    resource_type = crowd.resource_type(endpoint)
    found = read._statements(crowd.db, [resource_type], request)
    binds = {"app": crowd.app.id, "type": resource_type.name, "base": BASE, "endpoint": endpoint}
    for statement in (found.forwards, found.backwards, found.count):
        yield crowd.db._bound(statement, {**binds, **request.filter.binds, "limit": 100, "offset": 0})


def assert_frugal(crowd: Crowd, endpoint: str, text: str) -> None:
    """Fails when a look-up scans a table, or does more work than a look-up takes."""
    # With the groups of ten users that share a department, a look-up does more, but scans as little.
    for with_derived, times in ((False, 1), (True, 5)):
        for sql, params in statements(crowd, endpoint, text, with_derived=with_derived):
            if crowd.db.kind == "sqlite":
                _assert_sqlite(crowd.db, sql, params, times)
            else:
                for prepared in (False, True):
                    _assert_postgresql(crowd.db, sql, params, times, generic=prepared)


def _assert_sqlite(db: Database, sql: str, params: tuple[Any, ...], times: int) -> None:
    plan = [row[3] for row in db.peewee.execute_sql(f"EXPLAIN QUERY PLAN {sql}", params)]
    # Of a recursion, only what it has found so far is scanned.
    scans = [line for line in plan if line.startswith("SCAN") and line not in ("SCAN down", "SCAN above")]
    assert not scans, plan
    steps = [0]

    def count() -> int:
        steps[0] += 100
        return 0

    connection = db.peewee.connection()
    connection.set_progress_handler(count, 100)
    try:
        connection.execute(sql, params).fetchall()
    finally:
        connection.set_progress_handler(None, 0)
    assert steps[0] <= MOST_STEPS * times, plan


def _assert_postgresql(db: Database, sql: str, params: tuple[Any, ...], times: int, *, generic: bool) -> None:
    """Explain as psycopg would have it planned: with the values at first, without them from some point on."""
    connection = db.peewee.connection()
    explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
    if generic:
        types = ", ".join("unknown" if isinstance(value, str) else _integer_type(value) for value in params)
        numbers = itertools.count(1)
        numbered = re.sub("%s", lambda _: f"${next(numbers)}", sql)
        connection.execute(f"PREPARE look_up ({types}) AS {numbered}")
        connection.execute("SET plan_cache_mode = force_generic_plan")
        values = ", ".join("'" + str(value).replace("'", "''") + "'" for value in params)
        rows = connection.execute(f"{explain} EXECUTE look_up ({values})").fetchall()
        connection.execute("DEALLOCATE look_up")
        connection.execute("RESET plan_cache_mode")
    else:
        rows = connection.execute(explain + sql, params, prepare=False).fetchall()
    plan = rows[0][0] if isinstance(rows[0][0], list) else json.loads(rows[0][0])
    top = plan[0]["Plan"]
    assert not [node for node in _nodes(top) if node["Node Type"] in ("Seq Scan", "Parallel Seq Scan")], plan
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] <= MOST_PAGES * times, plan


def _integer_type(value: int) -> str:
    """The type that psycopg gives an int."""
    if abs(value) < 2**15:
        return "smallint"
    return "integer" if abs(value) < 2**31 else "bigint"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


@pytest.mark.parametrize(("endpoint", "text"), CASES)
def test_a_look_up_uses_an_index(crowd: Crowd, endpoint: str, text: str) -> None:
    assert_frugal(crowd, endpoint, text)


@pytest.fixture(scope="module")
def analyzed(crowd: Crowd) -> Iterator[Crowd]:
    """The same databases with statistics."""
    crowd.db.peewee.execute_sql("ANALYZE")
    return crowd


@pytest.mark.parametrize(("endpoint", "text"), CASES)
def test_a_look_up_uses_an_index_when_tables_were_analyzed(analyzed: Crowd, endpoint: str, text: str) -> None:
    assert_frugal(analyzed, endpoint, text)


@pytest.mark.parametrize(
    "text", ['userName co "1234"', 'name.familyName eq "Family34"', 'title eq "x" or userName eq "x"']
)
def test_the_test_would_notice_a_scan(crowd: Crowd, text: str) -> None:
    with pytest.raises(AssertionError):
        assert_frugal(crowd, "Users", text)
    assert USER.find is not None

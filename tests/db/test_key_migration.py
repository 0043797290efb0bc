"""Migration 0009: keys of an older version, whose comparison without case took different letters for the same."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scimlite import installation
from scimlite.config import Settings
from scimlite.db import Database, migration
from scimlite.db.tables import AliasRow, JournalRow, RefusalRow, ValueRow
from scimlite.directory.value_index import indexed
from scimlite.errors import OperatorError
from scimlite.scim import core, declared, document
from scimlite.scim.schema import ResourceType

BADGE = "urn:example:schemas:extension:badge:2.0:User"
DECLARED = {
    "schemas": [
        {
            "id": BADGE,
            "name": "Badge",
            "description": "",
            "attributes": [
                {"name": "label"},
                {"name": "code", "caseExact": True, "uniqueness": "server"},
                {
                    "name": "marks",
                    "type": "complex",
                    "multiValued": True,
                    "subAttributes": [{"name": "text"}, {"name": "exact", "caseExact": True}],
                },
            ],
        }
    ],
    "types": [
        {
            "name": "User",
            "endpoint": "/Users",
            "schema": core.USER_URN,
            "schemaExtensions": [{"schema": BADGE, "required": False}],
        }
    ],
}
WIDE = "\uff4d\uff41\uff58"  # "max" in full width


def old_fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


class Older:
    """A database as the version before left it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.rows = 0
        self.run(
            "INSERT INTO app (id, slug, name, enabled, settings, declared, version, created_at) "
            "VALUES (1, 'old', 'Old', 1, '{}', ?, 1, 1)",
            json.dumps(DECLARED),
        )
        types = declared.from_json(json.dumps(DECLARED)).resource_types(core.RESOURCE_TYPES)
        self.users, self.groups = types["Users"], types["Groups"]

    def run(self, sql: str, *params: Any) -> Any:
        return self.db.peewee.execute_sql(sql.replace("?", self.db.peewee.param), params)

    def add(self, resource_type: ResourceType, body: dict[str, Any], *, deleted: bool = False) -> str:
        """Stores a resource; returns its id."""
        self.rows += 1
        uuid = f"uuid{self.rows}"
        whole = document.finish(resource_type, {"id": uuid, **body})
        self.run(
            "INSERT INTO resource (id, app_id, type, uuid, name, active, version, created_at, modified_at, deleted_at, "
            "document) VALUES (?, 1, ?, ?, ?, 1, 1, 1, 1, ?, ?)",
            *(self.rows, resource_type.name, uuid, body.get("userName") or body["displayName"], 1 if deleted else None),
            json.dumps(whole, ensure_ascii=False),
        )
        for value, old in self._values(resource_type, whole):
            unique, sought = indexed(resource_type, value._replace(key=old))
            self.run(
                "INSERT INTO value (app_id, type, resource_id, path, item, nth, key, unique_key, sought) "
                "VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
                *(resource_type.name, self.rows, *value[:3], old, None if deleted else unique, sought),
            )
        return uuid

    def _values(self, resource_type: ResourceType, whole: dict[str, Any]) -> Iterator[tuple[document.ValueRow, str]]:
        """The values, with the keys of the older version."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("scimlite.scim.values.fold", old_fold)
            older = {value[:3]: value.key for value in document.value_rows(resource_type, whole)}
        for value in document.value_rows(resource_type, whole):
            yield value, older[value[:3]]

    def alias(self, uuid: str, *names: str) -> None:
        for name in names:
            self.run("INSERT INTO alias (app_id, name, user_uuid) VALUES (1, ?, ?)", name, uuid)

    def entry(
        self, name: str, uuid: str | None = None, request: str | None = None, key: str | None = None, at: int = 1
    ) -> None:
        self.run(
            "INSERT INTO journal (at, app_id, action, outcome, user_uuid, user_name, user_key, request_id) "
            "VALUES (?, 1, 'created', 'ok', ?, ?, ?, ?)",
            *(at, uuid, name, key, request),
        )

    def refusal(self, request: str, key: str, at: int = 1) -> None:
        self.run(
            "INSERT INTO refusal (at, app_id, request_id, method, path, user_key) VALUES (?, 1, ?, 'POST', '/', ?)",
            *(at, request, key),
        )

    def keys(self) -> set[tuple[Any, ...]]:
        columns = (ValueRow.resource_id, ValueRow.path, ValueRow.item, ValueRow.nth, ValueRow.key, ValueRow.unique_key)
        return {tuple(row) for row in self.db.rows(ValueRow.select(*columns))}


@pytest.fixture
def older(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Older]:
    db = installation.database(settings)
    for path in sorted(Path(migration._DIRECTORY).glob("0*.py"))[:8]:
        shutil.copy(path, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(migration, "_DIRECTORY", str(tmp_path))
        migration.upgrade(db)
    yield Older(db)
    db.close()


USERS: list[dict[str, Any]] = [
    {"userName": "weiß", "externalId": "Straße", "displayName": "Weiß", "name": {"familyName": "STRAẞE"}},
    {"userName": "ada", "displayName": "Ada", "emails": [{"value": "ada@x"}, {"value": "ﬁ@ß", "type": "Σς"}]},
    {"userName": "Ὀδυσσεύς", "nickName": "ᾈ", "externalId": WIDE, "title": "İ"},
    {"userName": f"{WIDE}@x", BADGE: {"label": WIDE, "code": f"{WIDE}ß", "marks": [{"text": WIDE, "exact": WIDE}]}},
    {"userName": "ß" * 200, BADGE: {"code": "a", "marks": [{"text": "a"}, {"text": "ẞ", "exact": "ß"}]}},
    {"userName": "ꭰ", "photos": [{"value": "ꭰ"}], "profileUrl": "Ꭰ"},
    {"userName": "z\u0301ß", "roles": [{"value": "ﬀ", "primary": True}]},
]


def test_keys_become_those_that_a_new_resource_gets(older: Older) -> None:
    expected: set[tuple[Any, ...]] = set()
    for number, (resource_type, body, deleted) in enumerate(
        [(older.users, user, False) for user in USERS]
        + [(older.users, USERS[0], True), (older.groups, {"displayName": "Große Gruppe"}, False)],
        start=1,
    ):
        uuid = older.add(resource_type, body, deleted=deleted)
        for value in document.value_rows(resource_type, document.finish(resource_type, {"id": uuid, **body})):
            expected.add((number, *value, None if deleted else indexed(resource_type, value)[0]))
    assert older.keys() != expected
    assert migration.upgrade(older.db)[0] == "0009_keys_without_case_folding"
    assert older.keys() == expected


def test_people_are_found_in_the_journal_by_their_own_names(older: Older) -> None:
    weiss = older.add(older.users, {"userName": "weiss", "externalId": "e"})
    sharp = older.add(older.users, {"userName": "groß", "externalId": "gross"})
    renamed = older.add(older.users, {"userName": "ada"})
    older.alias(weiss, "weiss", "e")
    older.alias(sharp, "gross")
    older.alias(renamed, "weiss", "ada", "strasse", "pruned ss")
    for name in ("weiß", "Strasse", "Straße", "ada"):
        older.entry(name, renamed)
    older.entry("Weiß", request="r1", key="weiss")
    older.entry("weiss", request="r2", key="weiss")
    older.entry("ﬁn", sharp, request="r3")
    for request, key in (("r1", "weiss"), ("r2", "weiss"), ("r3", "fin")):
        older.refusal(request, key)
    # Two operations of one bulk request.
    older.entry("Weiß", request="r4", key="weiss", at=2)
    older.entry("weiss", request="r4", key="weiss", at=3)
    older.refusal("r4", "weiss", at=3)
    migration.upgrade(older.db)
    aliases = {tuple(row) for row in older.db.rows(AliasRow.select(AliasRow.user_uuid, AliasRow.name))}
    # "strasse" stays: one of the names was that.
    kept = {(renamed, name) for name in ("weiß", "ada", "strasse", "straße", "pruned ss")}
    assert aliases == {(weiss, "weiss"), (weiss, "e"), (sharp, "gross"), (sharp, "groß"), (sharp, "ﬁn"), *kept}
    keys = older.db.rows(JournalRow.select(JournalRow.user_key).where(JournalRow.user_key.is_null(False)))
    assert sorted(row[0] for row in keys) == ["weiss", "weiss", "weiß", "weiß"]
    refusals = older.db.rows(RefusalRow.select(RefusalRow.request_id, RefusalRow.user_key))
    assert {tuple(row) for row in refusals} == {("r1", "weiß"), ("r2", "weiss"), ("r3", "ﬁn"), ("r4", "weiss")}


def test_names_that_differ_only_in_width_are_named_and_nothing_is_done(older: Older) -> None:
    older.add(older.users, {"userName": WIDE})
    older.add(older.users, {"userName": "Max"})
    older.add(older.users, {"userName": "weiß"})
    before = older.keys()
    with pytest.raises(OperatorError) as refused:
        migration.upgrade(older.db)
    assert f"app old, User, userName: '{WIDE}' (uuid1) and 'Max' (uuid2)" in str(refused.value)
    assert "weiß" not in str(refused.value)
    assert "Nothing was changed" in str(refused.value)
    assert older.keys() == before
    assert migration.status(older.db).pending[0] == "0009_keys_without_case_folding"
    older.run("DELETE FROM value WHERE resource_id = 2")
    migration.upgrade(older.db)
    assert migration.status(older.db).current


def test_two_wide_names_and_deleted_ones(older: Older) -> None:
    older.add(older.users, {"userName": "Ｍax"})
    older.add(older.users, {"userName": "Ｍａx"})
    older.add(older.users, {"userName": "ｍax"}, deleted=True)
    with pytest.raises(OperatorError, match=r"'Ｍax' \(uuid1\) and 'Ｍａx' \(uuid2\)\)"):
        migration.upgrade(older.db)

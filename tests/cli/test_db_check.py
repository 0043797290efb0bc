"""`scimlite db check`: each thing that is wrong is named, and nothing else is."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import databases
from command_line import Site
from commands import Commands
from damage import Filled, damaged, fill
from installation import Installation
from scim_client import add_members


@pytest.fixture(scope="module")
def filled(site: Site) -> Filled:
    return fill(site)


def test_a_sound_database_is_said_to_be_sound(filled):
    said = filled.check()
    assert (said["sound"], said["findings"]) == (True, [])
    assert said["checked"]["apps"] == 1
    assert said["checked"]["resources"] == 7
    everything = filled.site.json("db", "check")
    assert everything["sound"] is True
    assert everything["checked"]["resources"] == 9
    text = filled.site.ok("db", "check")
    assert " is sound: 9 users, groups and other resources, 6 memberships and " in text


#: What is done to the database, and the kind that is found then. {app} and {other} are ids of apps, {alice}, {gone} and
#: {staff} rows of resources.
ONE = "WHERE id = {alice}"
CASES = [
    ("documents", ["UPDATE resource SET document = '[1]' " + ONE]),
    ("documents", ["UPDATE resource SET document = '{{\"schemas\"' " + ONE]),
    ("documents", ["UPDATE resource SET document = REPLACE(document, 'core:2.0:User\"', 'core:2.0:Us\"') " + ONE]),
    ("documents", ["UPDATE resource SET type = 'Ghost' WHERE id = {robot}"]),
    ("columns", ["UPDATE resource SET name = 'mallory' " + ONE]),
    ("columns", ["UPDATE resource SET display = NULL " + ONE]),
    ("columns", ["UPDATE resource SET active = 0, active_since = NULL " + ONE]),
    ("columns", ["UPDATE resource SET active_since = NULL " + ONE]),
    ("values", ["DELETE FROM value WHERE resource_id = {alice} AND path = 'displayName'"]),
    ("values", ["UPDATE value SET key = 'mallory' WHERE resource_id = {alice} AND path = 'displayName'"]),
    ("values", ["INSERT INTO value (app_id, type, resource_id, path, item, nth, key, sought) "
                "VALUES ({app}, 'User', {alice}, 'title', 0, 0, 'x', 0)"]),
    ("values", ["UPDATE value SET type = 'Group' WHERE resource_id = {alice} AND path = 'displayName'"]),
    ("unique-keys", ["UPDATE value SET unique_key = NULL WHERE resource_id = {alice} AND path = 'userName'"]),
    ("unique-keys", ["UPDATE value SET sought = 0 WHERE resource_id = {alice} AND path = 'userName'"]),
    ("profiles", ["UPDATE resource SET profile = REPLACE(profile, 'ALICE B', 'ALICE C') " + ONE]),
    ("profiles", ["UPDATE resource SET profile = NULL " + ONE]),
    ("profiles", ["UPDATE resource SET profile = 'x' " + ONE]),
    ("profiles", ["UPDATE resource SET profile_version = 999 " + ONE]),
    ("times", ["UPDATE resource SET created_at = modified_at + 1 " + ONE]),
    ("times", ["UPDATE resource SET active_since = modified_at + 1 " + ONE]),
    ("times", ["UPDATE resource SET deleted_at = created_at - 1 WHERE id = {gone}"]),
    ("tombstones", ["UPDATE resource SET ended = 'deleted' " + ONE]),
    ("tombstones", ["UPDATE resource SET active = 1 WHERE id = {gone}"]),
    ("tombstones", ["UPDATE value SET unique_key = key WHERE resource_id = {gone} AND path = 'userName'"]),
    ("tombstones", ["INSERT INTO password VALUES ({gone}, {app}, '{hash}', {future} - 34560000000000)"]),
    ("names", ["DELETE FROM alias WHERE name = 'alice2' AND app_id = {app}"]),
    ("members", ["UPDATE member SET group_id = 99999 WHERE group_id = {staff} AND member_id = {alice}"]),
    ("members", ["UPDATE member SET member_id = 99999 WHERE group_id = {staff} AND member_id = {alice}"]),
    ("members", ["UPDATE member SET member_id = {stranger} WHERE group_id = {staff} AND member_id = {alice}"]),
    ("members", ["UPDATE member SET group_id = {alice}, member_id = {staff} "
                 "WHERE group_id = {staff} AND member_id = {alice}"]),
    ("journal", ["UPDATE journal SET at = 5 WHERE user_uuid = '{uuid}' AND action = 'created'"]),
    ("journal", ["UPDATE journal SET user_uuid = '{of_stranger}' WHERE user_uuid = '{uuid}' AND action = 'created'"]),
    ("journal", ["UPDATE journal SET user_uuid = '{of_group}' WHERE user_uuid = '{uuid}' AND action = 'created'"]),
    ("tallies", ["UPDATE tally SET name = 'weather' WHERE app_id = {app}"]),
    ("tokens", ["UPDATE token SET key_id = 'ffffffffffff' WHERE app_id = {app}"]),
    ("brakes", ["INSERT INTO departure (app_id, kind, at, resource_id) VALUES ({app}, 'users', 1, {staff})"]),
    ("apps", ["UPDATE app SET mapping = "
              "'{{\"user\": [{{\"target\": \"x\", \"source\": \"nothing.like\"}}]}}' WHERE id = {app}"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "statements"), CASES, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_named(filled, kind, statements):
    with damaged(filled, statements):
        said = filled.check()
    # SQLite and PostgreSQL see foreign keys that lead nowhere too, and an app that cannot be read hides no other part.
    found = [finding["kind"] for finding in said["findings"] if finding["kind"] != "database"]
    assert kind in found
    assert len(found) == 1 or (kind, found) in TOGETHER, said
    finding = next(finding for finding in said["findings"] if finding["kind"] == kind)
    assert finding["count"] >= 1
    assert filled.slug in finding["examples"][0]
    assert len(finding["examples"]) <= 5
    assert "mallory" not in json.dumps(said)


#: Kinds that cannot come alone.
TOGETHER = [("documents", ["documents", "members"])]


#: What belongs to nothing, or is not as the database's own constraints have it: only the whole check finds it.
STRAYS = [
    ("", "values", ["INSERT INTO value (app_id, type, resource_id, path, item, nth, key, sought) "
                    "VALUES ({app}, 'User', 88888, 'title', 0, 0, 'x', 0)"]),
    ("", "documents", ["UPDATE app SET deleted_at = 5 WHERE id = {app}"]),
    ("", "database", ["UPDATE journal SET app_id = 777 WHERE user_uuid = '{uuid}'"]),
    ("postgresql", "database", ["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'journal_at'::regclass"]),
]  # fmt: skip


@pytest.mark.parametrize(("only", "kind", "statements"), STRAYS, ids=lambda value: str(value)[:60])
def test_what_belongs_to_nothing_is_named(filled, only, kind, statements):
    if only not in ("", filled.site.installation.kind):
        pytest.skip(f"Only {only} has this.")
    with damaged(filled, statements):
        result = filled.site.run("db", "check")
        as_data = json.loads(filled.site.run("db", "check", "--json").stdout)
    if only:
        filled.site.installation.db.peewee.execute_sql("REINDEX INDEX journal_at")
    assert result.exit_code == 1
    assert f"{kind}: " in result.stdout
    assert kind in [finding["kind"] for finding in as_data["findings"]]
    # A line for each kind.
    assert len(result.stdout.splitlines()) == len(as_data["findings"])
    assert "Restore a backup" in result.stderr
    assert filled.site.json("db", "check")["sound"] is True


def test_indexes_are_compared_where_amcheck_is_installed(filled):
    """And else the check says how to have it."""
    installation = filled.site.installation
    if installation.kind == "sqlite":
        pytest.skip("SQLite is tested below, on a file.")
    run = installation.db.peewee.execute_sql
    assert "that needs CREATE EXTENSION amcheck" in filled.check()["notes"][0]
    if not run("SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'").fetchall():
        pytest.skip("This PostgreSQL comes without amcheck.")
    run("CREATE EXTENSION amcheck")
    try:
        said = filled.check()
        assert (said["sound"], said["notes"]) == (True, [])
    finally:
        run("DROP EXTENSION amcheck")


class TestSqlite:
    @pytest.fixture
    def command(self, tmp_path: Path) -> Commands:
        made = Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})
        made("app", "create", "Entra ID").ok()
        return made

    def _damage(self, tmp_path: Path, name: str) -> None:
        """Overwrites the root page of a table or index."""
        file = tmp_path / "state" / "scimlite.db"
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
        connection.close()
        stored = file.read_bytes()
        at = (page - 1) * 4096
        file.write_bytes(stored[:at] + b"\xa5" * 4096 + stored[at + 4096 :])

    @pytest.mark.parametrize("name", ["journal_at", "journal", "resource", "tally", "member_member"])
    def test_a_damaged_page_is_found_and_the_rest_is_checked(self, command, tmp_path, name):
        self._damage(tmp_path, name)
        ran = command("db", "check")
        assert ran.code == 1
        assert ran.out.startswith("database: ")
        assert "Traceback" not in ran.err
        assert "Restore a backup" in ran.err

    def test_a_row_that_no_index_has_is_found(self, command, tmp_path):
        file = tmp_path / "state" / "scimlite.db"
        with sqlite3.connect(file) as connection:
            # The index forgets the row: it is made over none, and then said to be over all.
            connection.execute("DROP INDEX journal_at")
            connection.execute("CREATE INDEX journal_at ON journal (at, id) WHERE at < 0")
            connection.execute("PRAGMA writable_schema=ON")
            text = "CREATE INDEX journal_at ON journal (at, id)"
            connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'journal_at'", (text,))
        connection.close()
        ran = command("db", "check")
        assert ran.code == 1
        assert "missing from index journal_at" in ran.out

    def test_the_secret_key_of_another_installation_is_named(self, command, tmp_path):
        (tmp_path / "state" / "secret_key").write_text("another key that signed none of the tokens here")
        ran = command("db", "check")
        assert ran.code == 1
        assert ran.out.startswith("tokens: 1 tokens that are malformed, or signed with an unknown secret key: ")
        assert "which signed it, is not given" in ran.out


@pytest.fixture(params=databases.KINDS)
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with databases.upgraded_url(request.param, request, tmp_path) as url:
        made = Installation.new(url, tmp_path)
        made.start(workers=2)
        yield made
        made.stop()


def test_writers_make_no_finding(live):
    """Clients create, change, delete and move users through groups while the check runs again and again."""
    app = live.app(**{"brake-users": "off", "brake-percent": "off"})
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(number: int) -> None:
        client = app.client.another()
        try:
            group = client.group(f"group{number}").ok().id
            count = 0
            while not stop.is_set():
                user = client.user(f"user{number}-{count}", displayName="x", title="y").ok().id
                client.patch(f"/Groups/{group}", add_members(user)).ok()
                client.patch(f"/Users/{user}", {"op": "replace", "path": "displayName", "value": "z" * count}).ok()
                if count % 2:
                    client.delete(f"/Users/{user}").ok()
                count += 1
        except BaseException as error:
            failures.append(error)
        finally:
            client.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    try:
        checked = 0
        while checked < 40 and not failures:
            said = Commands(live.env)("db", "check", "--json").json
            assert said["findings"] == [], said
            checked = said["checked"]["resources"]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert not failures
    Commands(live.env)("db", "check").ok()

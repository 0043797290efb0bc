"""`scimlite db check` looks at every column of every table: each kind of damage is named with its table and column."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from command_line import Site
from damage import TABLES, Filled, damaged, fill
from scimlite.admin import check_findings
from scimlite.admin.check import Check
from scimlite.db import tables

NEGATIVE, NOBODY, LATE = "-1", "'00000000-0000-4000-8000-000000000000'", "{future}"
APP, ALICE, FIRST = "id = {app}", "id = {alice}", "id = (SELECT min(id) FROM {table} WHERE app_id = {app})"
ANN, BOB = "name = 'Ann'", "name = 'Bob'"
OF_ANN = "operator_id = (SELECT id FROM operator WHERE name = 'Ann')"
OF_BOB = "operator_id = (SELECT id FROM operator WHERE name = 'Bob')"
CREATED = "id = (SELECT min(id) FROM journal WHERE user_uuid = '{uuid}')"
REFUSED = "app_id = {app} AND outcome = 'refused'"

#: Table, column, the value that it gets, and in which rows. What is damaged in one round is damaged at once: first what
#: is wrong by itself, then what contradicts other columns and rows. What has a + is right, and makes another one wrong.
Case = tuple[str, str, str, str]
ROUNDS: dict[str, list[Case]] = {
    "values": [
        *(("app", column, value, APP) for column, value in (
            ("name", "' '"), ("enabled", "2"), ("settings", "'['"), ("profile", "'soft'"), ("declared", "'[]'"),
            ("mapping", "'[]'"), ("mapping_version", "0"), ("version", "0"), ("created_at", LATE), ("sourced", "2"))),
        ("app", "version", NEGATIVE, "id = {other}"),
        ("app", "deleted_at", NEGATIVE, "name = 'Dead'"),
        *(("token", column, value, FIRST) for column, value in (
            ("token_id", "'x'"), ("key_id", "'x'"), ("label", "''"), ("issued_at", LATE), ("expires_at", "0"),
            ("revoked_at", NEGATIVE), ("last_used_at", LATE), ("refusals", "'{{'"), ("subject", "'me'"),
            ("kind", "'admin'"))),
        *(("brake", column, value, "app_id = {app}") for column, value in (
            ("kind", "'time'"), ("tripped_at", NEGATIVE), ("released_at", LATE), ("detail", "''"), ("spare", "-5"),
            ("spare_version", "0"), ("spare_from", NEGATIVE), ("spare_until", NEGATIVE))),
        *(("departure", column, value, "resource_id = {gone}") for column, value in (
            ("at", NEGATIVE), ("kind", "'time'"), ("active_since", "0"))),
        *(("refusal", column, value, FIRST) for column, value in (
            ("at", NEGATIVE), ("scim_type", "'soft'"), ("size", NEGATIVE), ("path", "''"))),
        *(("journal", column, value, CREATED) for column, value in (
            ("at", LATE), ("action", "'eaten'"), ("outcome", "'lucky'"), ("changes", "'{{\"a\": 1}}'"),
            ("status", "42"), ("actor", "'ghost'"), ("address", "'here'"), ("uid", NEGATIVE), ("sudo_uid", NEGATIVE),
            ("tx", NEGATIVE))),
        ("alias", "user_uuid", "'x'", "name = 'bob' AND app_id = {app}"),
        ("alias", "name", "''", "name = 'alice2' AND app_id = {app}"),
        *(("tally", column, value, "app_id = {app}") for column, value in (("day", "-3"), ("times", "0"))),
        *(("operator", column, value, ANN) for column, value in (
            ("name", "' '"), ("role", "'king'"), ("every_app", "7"), ("password", "'mallory'"), ("issuer", "''"),
            ("subject", "''"), ("created_at", NEGATIVE), ("disabled_at", LATE), ("signed_in_at", LATE))),
        *(("sign_in_link", column, value, OF_BOB) for column, value in (("digest", "'x'"), ("expires_at", NEGATIVE))),
        *(("session", column, value, OF_BOB) for column, value in (
            ("digest", "'x'"), ("way", "'magic'"), ("address", "'here'"), ("created_at", LATE), ("proved_at", LATE),
            ("seen_at", LATE))),
        *(("sign_in_attempt", column, value, "id > 0") for column, value in (("at", LATE), ("who", "'me'"))),
        *(("invitation", column, value, FIRST) for column, value in (
            ("link_id", "'x'"), ("key_id", "'x'"), ("created_by", "''"), ("created_at", LATE), ("expires_at", "0"),
            ("revoked_at", LATE), ("opened_at", LATE))),
        *(("feed", column, value, "id > 0") for column, value in (("id", "2"), ("epoch", "0"), ("origin", "''"))),
        *(("reading", column, value, "id > 0") for column, value in (
            ("at", LATE), ("epoch", "0"), ("tx", NEGATIVE), ("place", NEGATIVE))),
        *(("set_stream", column, value, "epoch > 0") for column, value in (
            ("epoch", "0"), ("tx", NEGATIVE), ("place", NEGATIVE), ("acknowledged", "'{{}}'"))),
        *(("webhook", column, value, "id > 0") for column, value in (
            ("name", "''"), ("url", "'ftp://x'"), ("types", "'{{}}'"), ("format", "'fax'"), ("session_revoked", "3"),
            ("lanes", "0"), ("state", "'lost'"), ("epoch", "0"), ("tx", NEGATIVE), ("place", NEGATIVE),
            ("leased_until", NEGATIVE), ("not_before", NEGATIVE), ("created_at", LATE), ("begins_at", LATE),
            ("failing_since", LATE), ("last_ok_at", LATE), ("last_failed_at", LATE), ("removed_at", LATE))),
        *(("webhook_secret", column, value, "id > 0") for column, value in (
            ("secret_id", "'x'"), ("key_id", "'x'"), ("created_at", LATE), ("expires_at", "0"))),
        *(("delivery", column, value, "tx = 0") for column, value in (
            ("tx", NEGATIVE), ("attempts", NEGATIVE), ("next_at", NEGATIVE), ("last_status", NEGATIVE),
            ("dead_at", LATE))),
        *(("receipt", column, value, "webhook_id > 0") for column, value in (
            ("at", LATE), ("status", "42"), ("attempts", NEGATIVE), ("ms", NEGATIVE))),
        *(("source", column, value, "id > 0") for column, value in (
            ("name", "''"), ("kind", "''"), ("settings", "'[]'"), ("mapping", "'[]'"), ("mapping_version", "0"),
            ("owned", "'[]'"), ("secret", "'hunter2'"), ("rules", "'['"), ("state", "'lost'"),
            ("read_version", NEGATIVE), ("due_at", NEGATIVE), ("failures", NEGATIVE), ("held", "'[]'"),
            ("accepted", "'[]'"), ("last_ok_at", LATE), ("last_full_at", LATE), ("leased_until", NEGATIVE),
            ("created_at", LATE), ("removed_at", LATE))),
        *(("source_link", column, value, "source_id > 0") for column, value in (
            ("type", "'Robot'"), ("key", "''"), ("version", NEGATIVE), ("state", "'lost'"),
            ("missing_runs", NEGATIVE), ("missing_since", LATE))),
        *(("source_run", column, value, "id > 0") for column, value in (
            ("kind", "'half'"), ("started_at", LATE), ("beat_at", LATE), ("ended_at", LATE), ("outcome", "'lucky'"),
            ("counts", "'[]'"))),
        *(("target", column, value, "id > 0") for column, value in (
            ("name", "'C R M'"), ("url", "'ftp://x'"), ("settings", "'[]'"), ("secret", "'hunter2'"), ("mark", "'x'"),
            ("every", "0"), ("enabled", "2"), ("abilities", "'[]'"), ("left_out", "'{{}}'"), ("held", "'[]'"),
            ("leased_until", NEGATIVE), ("not_before", NEGATIVE), ("created_at", LATE), ("last_run_at", LATE),
            ("last_ok_at", LATE), ("failing_since", LATE), ("removed_at", LATE))),
        *(("target_link", column, value, "changed_at > 0") for column, value in (
            ("uuid", "'x'"), ("type", "'Robot'"), ("remote_id", "''"), ("version", NEGATIVE), ("digests", "'[]'"),
            ("active", "2"), ("state", "'lost'"), ("tries", NEGATIVE), ("retry_at", NEGATIVE), ("changed_at", LATE))),
        ("target_member", "sure", "2", "sure = 1"),
        *(("target_run", column, value, "id > 0") for column, value in (
            ("started_at", LATE), ("ended_at", LATE), ("outcome", "'lucky'"), ("counts", "'[]'"))),
    ],
    "resources": [
        *(("resource", column, value, ALICE) for column, value in (
            ("active", "2"), ("version", "0"), ("created_at", NEGATIVE), ("modified_at", LATE), ("deleted_at", LATE),
            ("active_since", LATE), ("ended", "'lost'"), ("profile_version", NEGATIVE))),
        ("value", "sought", "5", "resource_id = {staff}"),
        ("password", "hash", "'$argon2id$x'", "resource_id = {alice}"),
        ("password", "changed_at", LATE, "resource_id = {alice}"),
    ],
    "relations": [
        ("app", "deleted_at", "created_at - 1", "name = 'Dead'"),
        ("app", "enabled", "1", "name = 'Dead'"),
        ("app", "settings", "'{{\"brake_users\": \"many\"}}'", "id = {other}"),
        ("token", "expires_at", "issued_at - 1", "label = 'expires'"),
        ("token", "revoked_at", "issued_at - 1", "label = 'revoked'"),
        ("token", "last_used_at", "issued_at - 200000000000", "label = 'used'"),
        ("token", "key_id", "'ffffffffffff'", "label = 'strange'"),
        ("token", "refusals", "'{{\"bored\": 1}}'", "label = 'noisy'"),
        ("token", "subject", NOBODY, "label = 'lost'"),
        ("token", "subject", "'{of_group}'", "label = 'group'"),
        ("brake", "spare", "100000", "app_id = {app}"),
        ("departure", "active_since", "at + 200000000000", "resource_id = {gone}"),
        ("refusal", "remedy", "'{{\"x\": 1}}'", FIRST),
        ("refusal", "body", "'{{\"x'", FIRST),
        ("journal", "user_uuid", NOBODY, CREATED),
        ("journal", "group_uuid", NOBODY, "group_uuid = '{of_group}' AND action = 'member_added'"),
        ("journal", "status", "500", "user_uuid = '{uuid}' AND action = 'updated'"),
        ("journal", "user_key", "'x'", "user_uuid = '{of_gone}' AND action = 'deleted'"),
        ("alias", "user_uuid", NOBODY, "name = 'bob' AND app_id = {app}"),
        ("alias", "user_uuid", "'{of_group}'", "name = 'back' AND app_id = {app}"),
        ("password", "changed_at", "1000", "resource_id = {alice}"),
        ("operator", "name_key", "'annn'", ANN),
        ("operator", "+issuer", "'https://example.com'", ANN),
        ("operator", "subject", "NULL", ANN),
        ("operator", "signed_in_at", "created_at - 1", ANN),
        ("operator", "disabled_at", "created_at - 1", BOB),
        ("operator_app", "operator_id", "(SELECT id FROM operator WHERE name = 'Ann')", "app_id = {app}"),
        ("sign_in_link", "operator_id", "operator_id", OF_BOB),
        ("session", "operator_id", "operator_id", OF_BOB),
        ("session", "proved_at", "created_at - 1", OF_ANN),
        ("session", "seen_at", "created_at - 1", OF_ANN),
        ("invitation", "revoked_at", "created_at - 1", FIRST),
        ("invitation", "opened_at", "created_at - 1", FIRST),
        ("invitation", "expires_at", "created_at - 1", FIRST),
        ("reading", "token_id", "(SELECT min(id) FROM token WHERE app_id = {other})", "id > 0"),
        ("set_stream", "token_id", "(SELECT min(id) FROM token WHERE app_id = {other})", "epoch > 0"),
        ("webhook", "removed_at", "created_at - 1", "id > 0"),
        ("webhook_secret", "expires_at", "created_at - 1", "id > 0"),
        ("source", "removed_at", "created_at - 1", "id > 0"),
        ("source_run", "ended_at", "started_at - 200000000000", "id > 0"),
        ("target", "removed_at", "created_at - 1", "id > 0"),
        ("target_run", "ended_at", "started_at - 200000000000", "id > 0"),
    ],
    "more relations": [
        ("app", "declared", "'{{\"schemas\": [1]}}'", "id = {other}"),
        ("brake", "tripped_at", "1000", "app_id = {app}"),
        ("brake", "+released_at", "2000", "app_id = {app}"),
        ("brake", "detail", "NULL", "app_id = {app}"),
        ("brake", "spare", "3", "app_id = {app}"),
        ("brake", "spare_version", "999", "app_id = {app}"),
        ("brake", "+spare_from", "500", "app_id = {app}"),
        ("brake", "spare_until", "5", "app_id = {app}"),
        ("journal", "+outcome", "'failed'", "user_uuid = '{uuid}' AND action = 'updated'"),
        ("journal", "status", "200", "user_uuid = '{uuid}' AND action = 'updated'"),
        ("operator", "role", "'auditor'", ANN),
        ("invitation", "expires_at", "{future}", FIRST),
    ],
    "missing": [("journal", "action", "'exported'", "action = 'created' AND app_id = {app}")],
    "slugs": [("app", "slug", "'Rich App'", APP)],
}  # fmt: skip
#: What only SQLite stores: any type in any column, and text that is none.
ROUNDS_OF_SQLITE: dict[str, list[Case]] = {
    "types": [
        ("app", "version", "'two'", "id = {other}"),
        ("token", "issued_at", "'now'", FIRST),
        ("token", "label", "CAST(x'ff' AS TEXT)", FIRST),
        ("resource", "version", "'two'", ALICE),
        ("value", "item", "'one'", "resource_id = {staff}"),
        ("journal", "at", "'now'", CREATED),
        ("journal", "client", "CAST(x'ff' AS TEXT)", CREATED),
        ("brake", "spare", "1.5", "app_id = {app}"),
        ("departure", "at", "'now'", "resource_id = {gone}"),
        ("alias", "user_uuid", "x'00'", "name = 'bob' AND app_id = {app}"),
        ("tally", "times", "'often'", "app_id = {app}"),
        ("refusal", "body", "x'00'", FIRST),
        ("operator", "name", "x'00'", ANN),
        ("session", "seen_at", "'now'", OF_BOB),
        ("member", "display", "CAST(x'ff' AS TEXT)", "group_id = {staff}"),
    ]
}
#: What a finding may name besides, because it follows: an app that cannot be read hides its parts.
FOLLOWS = {
    "values": {("session", "operator_id"), ("sign_in_link", "operator_id")},
    "relations": {("journal", "action")},
}
_NAMED = re.compile(r"^(\w+)(?: [^:]*? of [^:]+)?: (?:(\w+)\.)?(\w+): ")


@pytest.fixture(scope="module")
def filled(site: Site) -> Filled:
    return fill(site)


@pytest.fixture(scope="module")
def found(filled: Filled) -> Iterator[dict[str, list[str]]]:
    """What the check finds after each round of damage, in its words."""
    installation = filled.site.installation
    rounds = ROUNDS | (ROUNDS_OF_SQLITE if installation.kind == "sqlite" else {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_findings, "MOST_EXAMPLES", 1000)
        texts = {}
        for name, cases in rounds.items():
            statements = [
                f"UPDATE {table} SET {column.lstrip('+')} = {value} WHERE {where.replace('{table}', table)}"
                for table, column, value, where in reversed(cases)
            ]
            with damaged(filled, statements):
                texts[name] = _said(filled)
        yield texts


def _said(filled: Filled) -> list[str]:
    installation = filled.site.installation
    check = Check(installation.db, None, installation.keyring.fingerprints)
    for _ in check.run():
        pass
    installation.db.close()
    return [text for finding in check.findings if finding.kind != "database" for text in finding.examples]


def _columns(texts: list[str]) -> set[tuple[str, str]]:
    """Table and column of each finding."""
    named = [_NAMED.match(text) for text in texts]
    return {(match[2] or match[1], match[3]) for match in named if match is not None}


@pytest.mark.parametrize(
    ("name", "table", "column"),
    sorted(
        {
            (name, case[0], case[1])
            for name, cases in (ROUNDS | ROUNDS_OF_SQLITE).items()
            for case in cases
            if case[1][0] != "+"
        }
    ),
)
def test_damage_is_named_with_table_and_column(found, name, table, column):
    if name not in found:
        pytest.skip("Only SQLite stores this.")
    assert (table, column) in _columns(found[name]), found[name]


@pytest.mark.parametrize("name", ROUNDS)
def test_nothing_else_is_named(found, name):
    damage = {case[:2] for case in ROUNDS[name]}
    assert _columns(found[name]) - damage - FOLLOWS.get(name, set()) == set(), found[name]
    assert "mallory" not in "".join(found[name])


def test_every_table_is_damaged():
    damaged_tables = {case[0] for cases in ROUNDS.values() for case in cases}
    wanted = {table._meta.table_name for table in tables.TABLES}
    assert set(TABLES) == wanted
    assert wanted - damaged_tables <= {"signing_key", "member"}


def test_the_full_database_is_sound(filled):
    assert _said(filled) == []

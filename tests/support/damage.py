"""A database in which every table has rows, and statements that damage it past all constraints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from command_line import Site
from installation import Installation
from scimlite import clock
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.directory.read import Resource
from scimlite.errors import ScimError
from scimlite.journal import tallies
from scimlite.operators import accounts, attempts, invitations, links, sessions
from scimlite.operators.roles import Role
from scimlite.operators.sessions import Way
from scimlite.scim.leniency import Leniency

ROBOT = "urn:example:robot"
ROBOTS = [
    {"name": "Robot", "endpoint": "/Robots", "schema": ROBOT, "memberOfGroups": True},
    {
        "id": ROBOT,
        "attributes": [{"name": "displayName", "required": True}, {"name": "serial", "uniqueness": "server"}],
    },
]


@dataclass(frozen=True)
class Filled:
    """An app with everything that the check compares."""

    site: Site
    slug: str
    alice: Resource
    gone: Resource
    staff: Resource

    @property
    def id(self) -> int:
        return apps.get(self.site.installation.db, self.slug).id

    def check(self, *options: str) -> dict[str, Any]:
        """What the check says, as data; the exit code says the same."""
        result = self.site.run("db", "check", "--json", *(options or ("--app", self.slug)))
        said: dict[str, Any] = json.loads(result.stdout)
        assert result.exit_code == (0 if said["sound"] else 1), result.output
        return said


def fill(site: Site) -> Filled:
    """People of every kind in one app, another app beside it, operators, and rows in every other table."""
    slug = site.app("Rich")
    added = site.run("schema", "add", "--app", slug, input=json.dumps(ROBOTS))
    assert added.exit_code == 0, added.output
    site.ok("app", "edit", slug, "--feature", "passwords=hash", "--feature", "member-display=sent")
    alice = site.user(
        slug,
        "alice",
        displayName="Alice",
        externalId="a-1",
        active=True,
        password="correct horse battery staple",
        title="Chief",
        emails=[
            {"value": "a@example.com", "type": "work", "primary": True},
            {"value": "b@example.com", "type": "home"},
        ],
    )
    bob = site.user(slug, "bob", displayName="Bob", active=False)
    gone = site.user(slug, "gone", externalId="g-1", active=True, password="correct horse battery staple")
    back = site.user(slug, "back", active=True)
    robot = site._create(slug, "Robots", {"displayName": "R2", "serial": "x-1"})
    inner = site.group(slug, "Inner", bob, robot, gone)
    staff = site.group(slug, "Staff", alice, inner)
    site.ok("mapping", "set", "--app", slug, "shout", "displayName", "--upper")
    site.replace(slug, alice, userName="alice2", displayName="Alice B", externalId="a-1", active=True)
    for user in (gone, back):
        site.delete(slug, user)
    site.ok("user", "restore", back.id, "--app", slug)
    tallies.count(
        site.installation.db, apps.get(site.installation.db, slug).id, tallies.Kind.LENIENCY, Leniency.BARE_LITERAL
    )
    tallies.write_all()
    other = site.app("Other")
    site.group(other, "Staff", site.user(other, "alice", active=True))
    made = Filled(site, slug, alice, gone, staff)
    _fill_more(made)
    return made


def _fill_more(filled: Filled) -> None:
    """Adds tokens, operators with all that is theirs, refused requests, rows of the feed, of sources and of targets."""
    site, db = filled.site, filled.site.installation.db
    for label in ("expires", "revoked", "used", "strange", "noisy", "lost", "group"):
        site.ok("token", "issue", filled.slug, "--label", label)
    site.ok("app", "delete", site.app("Dead"), "--yes")
    site.run("user", "restore", filled.gone.id, "--app", "other")
    for name in ("", "alice2"):
        with pytest.raises(ScimError):
            site.user(filled.slug, name)
    scope = site.installation.scope
    ann = accounts.add(scope, "Ann", Role.OWNER)
    bob = accounts.add(scope, "Bob", Role.AUDITOR, [apps.get(db, filled.slug)])
    for operator in (ann, bob):
        sessions.begin(scope, operator, Way.LINK, agent="Browser/1")
        links.make(scope, operator)
    attempts.fail(scope, "Ann", "wrong password")
    workspace = Workspace.of(scope, apps.get(db, filled.slug))
    for _ in range(3):
        invitations.make(workspace, site.installation.keyring)
    places = {**_places(filled), "now": clock.now()}
    for statement in FEED + SOURCES:
        db.peewee.execute_sql(statement.format(**places))


#: Rows of the feed and of targets, as the service writes them.
FEED = [
    "INSERT INTO reading (app_id, token_id, at, epoch, tx, place) SELECT {app}, min(id), {now}, 1, 0, 5 FROM token",
    "INSERT INTO set_stream SELECT min(id), {app}, 1, 0, 5, '[]' FROM token",
    "INSERT INTO webhook (app_id, name, url, format, session_revoked, lanes, state, epoch, tx, place, leased_until, "
    "not_before, created_at, begins_at) VALUES "
    "({app}, 'crm', 'https://a.example', 'set', 0, 1, 'active', 1, 0, 5, 0, 0, {now}, {now})",
    "INSERT INTO webhook_secret (webhook_id, secret_id, key_id, created_at) "
    "SELECT id, 'AAAAAAAAAAAAAAAAAAAAAA', '0123456789ab', {now} FROM webhook",
    "INSERT INTO delivery (webhook_id, journal_id, tx, lane, attempts, next_at) "
    "SELECT id, 5, 0, 'x', 0, {now} FROM webhook",
    "INSERT INTO receipt (journal_id, webhook_id, at, status, attempts, ms) "
    "SELECT 4, id, {now}, 200, 1, 9 FROM webhook",
    "INSERT INTO target (app_id, name, url, settings, secret, mark, every, enabled, left_out, leased_until, "
    "not_before, created_at) VALUES ({app}, 'crm', 'https://a.example', '{{}}', 'env:X', 'AAAAAAAAAAAAAAAAAAAAAA', "
    "60000000, 1, '[]', 0, 0, {now})",
    "INSERT INTO target_link (app_id, target_id, resource_id, uuid, type, version, digests, active, state, tries, "
    "retry_at, changed_at) SELECT {app}, id, {alice}, '{uuid}', 'User', 1, '{{}}', 1, 'ok', 0, 0, {now} FROM target",
    "INSERT INTO target_member (app_id, target_id, group_id, member_id, sure) "
    "SELECT {app}, id, {staff}, {alice}, 1 FROM target",
    "INSERT INTO target_run (app_id, target_id, started_at, counts) SELECT {app}, id, {now}, '{{}}' FROM target",
]
#: Rows of sources, as the service writes them.
SOURCES = [
    "INSERT INTO source (app_id, name, kind, settings, mapping, mapping_version, owned, rules, state, read_version, "
    "due_at, failures, leased_until, created_at) VALUES "
    "({app}, 'corp', 'csv', '{{}}', '{{}}', 1, '{{}}', '{{}}', 'active', 0, {now}, 0, 0, {now})",
    "INSERT INTO source_link (app_id, source_id, type, key, resource_id, digest, ties, version, state, missing_runs) "
    "SELECT {app}, id, 'User', 'k1', {alice}, '', '', 1, 'ok', 0 FROM source",
    "INSERT INTO source_run (app_id, source_id, request_id, kind, started_at, beat_at, outcome, counts) "
    "SELECT {app}, id, 'r', 'full', {now}, {now}, 'ok', '{{}}' FROM source",
]


def _places(filled: Filled) -> dict[str, Any]:
    db = filled.site.installation.db
    rows = db.peewee.execute_sql("SELECT id, uuid, name, app_id FROM resource").fetchall()
    by_uuid = {uuid: id for id, uuid, _, _ in rows}
    other = next(row for row in rows if row[2] == "alice" and row[3] != filled.id)
    return {
        "app": filled.id,
        "alice": by_uuid[filled.alice.id],
        "uuid": filled.alice.id,
        "gone": by_uuid[filled.gone.id],
        "staff": by_uuid[filled.staff.id],
        "of_group": filled.staff.id,
        "of_gone": filled.gone.id,
        "robot": next(id for id, _, name, _ in rows if name == "R2"),
        "stranger": other[0],
        "of_stranger": other[1],
        "other": other[3],
        "future": clock.now() + 400 * clock.DAY,
        "hash": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
    }


@contextmanager
def damaged(filled: Filled, statements: list[str]) -> Iterator[None]:
    """The database with these statements done, past all constraints; put back afterwards."""
    installation = filled.site.installation
    places = _places(filled)
    with unconstrained(installation) as run:
        saved = {name: run(f"SELECT * FROM {name}") for name in TABLES}
        for statement in statements:
            run(statement.format(**places))
    try:
        yield
    finally:
        with unconstrained(installation) as run:
            for name in TABLES:
                run(f"DELETE FROM {name}")
            for name in reversed(TABLES):
                for row in saved[name]:
                    run(f"INSERT INTO {name} VALUES ({', '.join([installation.db.peewee.param] * len(row))})", *row)


#: All tables, those that refer to others first.
TABLES = (
    *("target_run", "target_member", "target_link", "target", "source_run", "source_link", "source"),
    *("receipt", "delivery", "webhook_secret", "webhook", "set_stream", "reading", "feed", "invitation"),
    *("sign_in_attempt", "session", "sign_in_link", "operator_app", "operator", "signing_key", "refusal", "tally"),
    *("departure", "brake", "password", "member", "value", "alias", "journal", "token", "resource", "app"),
)


@contextmanager
def unconstrained(installation: Installation) -> Iterator[Any]:
    """A function that runs statements without foreign keys, all of them in one transaction."""
    db = installation.db.peewee

    def run(sql: str, *params: Any) -> list[Any]:
        cursor = db.execute_sql(sql, params)
        return list(cursor.fetchall()) if sql.startswith("SELECT") else []

    if installation.kind == "sqlite":
        db.execute_sql("PRAGMA foreign_keys=OFF")
    with db.atomic():
        if installation.kind == "postgresql":
            db.execute_sql("SET LOCAL session_replication_role = replica")
        yield run
    if installation.kind == "sqlite":
        db.execute_sql("PRAGMA foreign_keys=ON")

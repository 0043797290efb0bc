"""Triggers and constraints that the operator has added to the database: 400, journalled with what the rule says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from commands import Commands
from installation import Installation
from scim_client import assert_scim_error

FUNCTION = (
    "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.{column} {condition} THEN "
    "RAISE EXCEPTION 'the works council has to agree first'{code}; END IF; RETURN NEW; END $$"
)
TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER guard BEFORE {event} ON {table} WHEN NEW.{column} {condition} "
        "BEGIN SELECT RAISE({code}, 'the works council has to agree first'); END"
    ],
    "postgresql": [
        FUNCTION,
        "CREATE {kind} guard {when} {event} ON {table} {deferred} FOR EACH ROW EXECUTE FUNCTION guard()",
    ],
}
REMOVED = {"sqlite": ["DROP TRIGGER guard"], "postgresql": ["DROP TRIGGER guard ON {table}", "DROP FUNCTION guard"]}
#: How SQLite raises, and PostgreSQL: the code, and whether it is when the transaction ends.
HOW = {
    "plain": ("ABORT", "", False),
    "own code": ("FAIL", " USING ERRCODE = 'SC001'", False),
    "standard code": ("ROLLBACK", " USING ERRCODE = '22023'", False),
    "deferred": ("ABORT", "", True),
}


@contextmanager
def guarded(
    installation: Installation, how: str, event: str, table: str, column: str, condition: str
) -> Iterator[None]:
    on_sqlite, on_postgresql, deferred = HOW[how]
    places = {
        "event": event,
        "table": table,
        "column": column,
        "condition": condition,
        "code": on_sqlite if installation.kind == "sqlite" else on_postgresql,
        "kind": "CONSTRAINT TRIGGER" if deferred else "TRIGGER",
        "when": "AFTER" if deferred else "BEFORE",
        "deferred": "DEFERRABLE INITIALLY DEFERRED" if deferred else "",
    }
    run = installation.db.peewee.execute_sql
    for statement in TRIGGERS[installation.kind]:
        run(statement.format(**places))
    try:
        yield
    finally:
        for statement in REMOVED[installation.kind]:
            run(statement.format(**places))


@pytest.mark.parametrize("how", HOW)
def test_a_trigger_that_raises_is_a_clean_refusal(installation: Installation, how: str) -> None:
    app = installation.app()
    seen = len(installation.log())
    with guarded(installation, how, "INSERT", "resource", "name", "= 'mallory'"):
        answer = app.client.user("mallory")
        said = assert_scim_error(answer, 400)
        assert "a rule of its operator's own" in said["detail"]
        assert "works council" not in said["detail"]
        # Nothing of it is there, and others go on.
        app.client.user("alice").ok(201)
        assert app.client.find("Users")["totalResults"] == 1
    app.client.user("mallory").ok(201)
    refused = [record for record in installation.journal(app) if record.outcome == "refused"]
    assert [(record.action, record.status) for record in refused] == [("created", 400)]
    assert "the works council has to agree first" in (refused[0].detail or "")
    logged = installation.log()[seen:]
    assert "refused by a rule of the database" in logged
    assert "works council" not in logged
    assert "Traceback" not in logged


def test_a_command_says_what_the_rule_says(installation: Installation) -> None:
    app = installation.app()
    with guarded(installation, "plain", "UPDATE", "app", "enabled", "= 0"):
        said = Commands(installation.env)("app", "disable", app.slug)
    assert (said.code, said.out) == (1, "")
    assert "A rule of the database refuses this" in said.err
    assert "the works council has to agree first" in said.err
    assert said.err.count("\n") == 1

"""`scimlite user history` and `user erase`: a person's life told, and a person forgotten."""

import itertools
import json

import pytest

from command_line import CLIENT
from scimlite import journal
from scimlite.admin import apps, erasure
from scimlite.apps.workspace import Workspace
from scimlite.db.tables import TABLES, ResourceRow
from scimlite.journal import Action, Entry, Outcome

NUMBERS = itertools.count(1)


@pytest.fixture
def slug(site):
    """An app of its own for each test."""
    return site.app(f"told {next(NUMBERS)}")


def refuse(site, slug, name, detail):
    """The journal row of a POST that was refused."""
    app = apps.get(site.installation.db, slug)
    entry = Entry(Action.CREATED, Outcome.REFUSED, user=(None, name), detail=detail)
    db = site.installation.db
    db.transact(lambda: journal.record(Workspace(db, CLIENT, app), [entry], status=409))


def life(site, slug, name="ann@example.com"):
    """A user who lived and died."""
    ann = site.user(slug, name, title="Engineer", emails=[{"value": f"mail-{name}", "type": "work"}])
    group = site.group(slug, f"Sales of {name}", ann)
    site.replace(slug, ann, userName=f"new-{name}", title="Lead")
    refuse(site, slug, name, f"nobody called {name} is welcome")
    site.delete(slug, ann)
    return ann, group


def test_a_life_is_told_in_order(site, slug):
    ann, _ = life(site, slug)
    told = site.ok("user", "history", "ann@example.com", "--app", slug).splitlines()
    sentences = [line[21:] for line in told if line[:2] == "20"]
    assert sentences[0] == "was created  [idp/1.0 / default]"
    assert sentences[1].startswith("joined the group Sales of ann@example.com")
    assert "title: Engineer → Lead" in sentences[2]
    assert "userName: ann@example.com → new-ann@example.com" in sentences[2]
    assert sentences[3].startswith("creating was refused (409): nobody called ann@example.com is welcome")
    assert sentences[4].startswith("was deleted: delete-the-deactivated is off")
    assert len(sentences) == 5
    # By every name, by the id, and when only the journal is left.
    for name in ("new-ann@example.com", ann.id):
        assert "was created" in site.ok("user", "history", name, "--app", slug)
    site.installation.db.execute(ResourceRow.update(ended="deprovisioned").where(ResourceRow.uuid == ann.id))
    site.ok("purge", "--older-than", "0s", "--app", slug, "--apply")
    told = site.ok("user", "history", "ann@example.com", "--app", slug)
    assert "was created" in told
    assert "was purged" in told


def test_a_history_for_programs(site, slug):
    ann, _ = life(site, slug)
    rows = [json.loads(line) for line in site.ok("user", "history", ann.id, "--json").splitlines()]
    assert [row["action"] for row in rows] == ["created", "member_added", "updated", "deleted"]
    assert "The report has no entry" in site.fails("user", "history", "nobody@example.com")


def everything(site):
    """All that the database holds, as text."""
    db = site.installation.db
    return "\n".join(repr(row) for table in TABLES for row in db.rows(table.select()))


@pytest.mark.parametrize("dead", [True, False])
def test_who_is_erased_is_nowhere(site, slug, dead):
    name = f"zoe{next(NUMBERS)}@example.com"
    zoe, group = life(site, slug, name)
    if not dead:
        site.ok("user", "restore", zoe.id)
    other = site.user(slug, "bob@example.com")
    site.add_member(slug, group, other)
    site.replace(slug, other, userName="bob@example.com", title="Lead")
    assert name in everything(site)
    said = site.run("user", "erase", zoe.id, "--app", slug, input="y\n").stderr
    assert "1 memberships" in said
    assert "entries of the report" in said
    stored = everything(site).replace(f"Sales of {name}", "").replace(f"sales of {name}", "")
    assert name not in stored
    rows = [json.loads(line) for line in site.ok("user", "history", zoe.id, "--json").splitlines()]
    assert {row["action"] for row in rows} >= {"created", "updated", "deleted", "erased"}
    assert all(row["user"] is None and not row["changes"] and row["detail"] is None for row in rows)
    assert "was erased" in site.ok("user", "history", zoe.id)
    # Nobody else lost anything.
    assert site.json("user", "show", "bob@example.com", "--app", slug)["groups"][0]["id"] == group.id
    assert "set to Lead" in site.ok("user", "history", "bob@example.com", "--app", slug)
    site.user(slug, f"new-{name}")


def test_it_asks_and_can_be_repeated(site, slug, monkeypatch):
    ann, _ = life(site, slug)
    assert site.run("user", "erase", ann.id, "--app", slug, input="n\n").exit_code == 1
    assert site.json_lines("user", "list", "--deleted", "--app", slug)
    monkeypatch.setattr(erasure, "_CHUNK", 2)
    assert site.run("user", "erase", ann.id, "--app", slug, "--yes").exit_code == 0
    assert "There is no user" in site.fails("user", "erase", ann.id, "--app", slug, "--yes")


def test_sqlite_files_keep_no_trace(site, slug):
    if site.installation.kind != "sqlite":
        pytest.skip("PostgreSQL vacuums by itself.")
    name = f"trace{next(NUMBERS)}@example.com"
    user = site.user(slug, name)
    site.delete(slug, user)
    site.ok("user", "erase", user.id, "--app", slug, "--yes")
    site.installation.db.close()
    assert name.encode() not in site.installation.stored()

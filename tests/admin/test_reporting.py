"""Following the report: each entry once, also one whose transaction ends after entries with later times."""

import pytest

from scimlite import clock
from scimlite.admin import reporting
from scimlite.admin.reporting import Follower
from scimlite.apps import AppError, get
from scimlite.apps.workspace import Workspace
from scimlite.db.tables import JournalRow
from scimlite.journal import Action, Entry, record
from scimlite.journal.selection import Selection

MINUTE = 60_000_000


def users(entries):
    return [entry.user for entry in entries]


def test_an_entry_is_new_once(site):
    slug = site.app("first")
    site.user(slug, "ann")
    follower = Follower(site.installation.db, Selection())
    assert users(follower.past(1)) == ["ann"]
    assert follower.new() == []
    site.user(slug, "ben")
    assert users(follower.new()) == ["ben"]
    assert follower.new() == []


def test_without_a_past_everything_that_is_there_is_old(site):
    slug = site.app("first")
    site.user(slug, "ann")
    follower = Follower(site.installation.db, Selection())
    assert list(follower.past(0)) == []
    assert follower.new() == []


def test_all_of_the_past(site):
    slug = site.app("first")
    for name in ("ann", "ben", "cid"):
        site.user(slug, name)
    follower = Follower(site.installation.db, Selection(action="created"))
    assert users(follower.past(None)) == ["ann", "ben", "cid"]
    assert follower.new() == []


@pytest.mark.parametrize(("minutes", "found"), [(4, True), (6, False)])
def test_an_entry_of_a_transaction_that_ended_late(site, minutes, found):
    slug = site.app("first")
    follower = Follower(site.installation.db, Selection())
    assert list(follower.past(0)) == []
    site.user(slug, "ann")
    assert users(follower.new()) == ["ann"]
    scope = site.installation.scope
    workspace = Workspace.of(scope, get(scope.db, slug))
    entry = Entry(Action.CREATED, user=("1", "late"))
    scope.db.transact(lambda: record(workspace, [entry], at=clock.now() - minutes * MINUTE))
    assert users(follower.new()) == (["late"] if found else [])


def test_only_entries_of_the_selection_are_new(site):
    first, second = site.app("first"), site.app("second")
    follower = Follower(site.installation.db, Selection(app_ids=reporting.app_ids(site.installation.db, second)))
    assert list(follower.past(0)) == []
    site.user(first, "ann")
    site.user(second, "ben")
    assert users(follower.new()) == ["ben"]


def test_a_deleted_app_is_found_by_its_slug(site):
    db, slug = site.installation.db, site.app("first")
    id = get(db, slug).id
    site.ok("app", "delete", slug, "--yes")
    assert reporting.app_ids(db, slug) == [id]
    with pytest.raises(AppError, match="There is no app now"):
        reporting.app_ids(db, "second")
    site.app("third")
    with pytest.raises(AppError, match="Apps: third"):
        reporting.app_ids(db, "second")


def test_brakes_of_the_selected_apps(site):
    db = site.installation.db
    first, _ = site.app("first"), site.app("second")
    chosen = reporting.brakes_of(db, Selection(app_ids=reporting.app_ids(db, first)))
    assert {app.slug for app, _ in chosen} == {"first"}
    assert {app.slug for app, _ in reporting.brakes_of(db, Selection())} == {"first", "second"}


def test_the_newest_entries(site):
    slug = site.app("first")
    for name in ("ann", "ben", "cid"):
        site.user(slug, name)
    db = site.installation.db
    assert users(reporting.entries(db, Selection(action="created"), 2)) == ["ben", "cid"]
    assert users(reporting.entries(db, Selection(action="created"), None)) == ["ann", "ben", "cid"]
    assert db.scalar(JournalRow.select(JournalRow.id).limit(1))

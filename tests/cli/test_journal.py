"""`scimlite journal`: old entries go, what is younger stays."""

import json

import pytest

from command_line import CLIENT
from scimlite import clock, journal
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.journal import Action, Entry, pruning

DAY = 86_400 * 1_000_000


@pytest.fixture
def aged(site, request):
    """An app whose journal has entries of 400, 300 and no days ago."""
    slug = site.app(request.node.originalname)
    user = site.user(slug, f"{slug}@example.com")
    db = site.installation.db
    workspace = Workspace(db, CLIENT, apps.get(db, slug))
    for days in (400, 300):
        entry = Entry(Action.UPDATED, user=(user.id, f"{slug}@example.com"), detail=f"{days} days ago")
        at = clock.now() - days * DAY
        db.transact(lambda entry=entry, at=at: journal.record(workspace, [entry], at=at))
    return slug


def details(site, slug):
    return [json.loads(line)["detail"] for line in site.ok("report", "--app", slug, "--json").splitlines()]


def test_old_entries_go_and_the_others_stay(site, aged):
    result = site.run("journal", "prune", "--older-than", "350d", "--yes")
    assert result.exit_code == 0
    assert "entries were deleted" in result.stderr
    left = details(site, aged)
    assert "400 days ago" not in left
    assert "300 days ago" in left
    (told,) = [
        json.loads(line)
        for line in site.ok("report", "--action", "journal_pruned", "--limit", "1", "--json").splitlines()
    ]
    assert "entries from before" in told["detail"]
    assert told["client"].startswith("cli:")


def test_it_asks_first(site, aged):
    result = site.run("journal", "prune", "--older-than", "350d", input="n\n")
    assert result.exit_code == 1
    assert "entries are from before" in result.stderr
    assert "400 days ago" in details(site, aged)
    assert site.run("journal", "prune", "--older-than", "350d", input="y\n").exit_code == 0
    assert "400 days ago" not in details(site, aged)


def test_nothing_to_do_is_said(site):
    site.run("journal", "prune", "--older-than", "900d", "--yes")
    assert "No entry is from before" in site.run("journal", "prune", "--older-than", "900d").stderr


def test_more_than_one_step(site, aged, monkeypatch):
    monkeypatch.setattr(pruning, "_CHUNK", 1)
    assert site.run("journal", "prune", "--older-than", "200d", "--yes").exit_code == 0
    assert not {"400 days ago", "300 days ago"} & set(details(site, aged))


@pytest.mark.parametrize("options", [[], ["--older-than", "soon"], ["--older-than", "-3d"]])
def test_an_age_is_needed(site, options):
    site.fails("journal", "prune", *options, code=2)

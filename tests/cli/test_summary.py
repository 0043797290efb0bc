"""`scimlite report --summary`: what an app did, counted."""

import csv
import io
import json

import pytest

from scimlite import journal
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.journal import Action, Entry, Origin, Outcome


def record(workspace, entry, status):
    workspace.db.transact(lambda: journal.record(workspace, [entry], status=status))


@pytest.fixture(scope="module")
def busy(site):
    """An app with three users, a group, and refusals for two reasons."""
    slug = site.app("Busy")
    ann, bob = site.user(slug, "ann@example.com"), site.user(slug, "bob@example.com")
    site.user(slug, "eve@example.com")
    site.group(slug, "Staff", ann, bob)
    db = site.installation.db
    app = apps.get(db, slug)
    for name in ("ann", "bob", "eve"):
        detail = f"Another User “{name}” of this app already has this userName."
        refused = Entry(Action.CREATED, Outcome.REFUSED, user=(None, name), detail=detail)
        record(Workspace(db, Origin("idp", "default", f"request-{name}"), app), refused, 409)
    failed = Entry(Action.UPDATED, Outcome.FAILED, user=(ann.id, "ann"), detail="Something went wrong.")
    record(Workspace(db, Origin("idp", "default", "request-last"), app), failed, 500)
    return slug


def counted(site, *options):
    return json.loads(site.ok("report", "--summary", "--json", *options))


def test_counts_by_action_and_outcome(site, busy):
    summary = counted(site, "--app", busy)
    counts = {(each["action"], each["outcome"]): each["count"] for each in summary["actions"]}
    assert counts[("created", "ok")] == 4
    assert counts[("created", "refused")] == 3
    assert counts[("member_added", "ok")] == 2
    assert summary["entries"] == sum(counts.values())
    assert summary["users"] == 3
    assert summary["first_contact_at"] <= summary["last_contact_at"]
    assert (summary["first_contact"], summary["last_contact"]) == (
        summary["first_contact_at"],
        summary["last_contact_at"],
    )


def test_refusals_are_put_together_by_their_reason(site, busy):
    summary = counted(site, "--app", busy)
    assert [(each["count"], each["status"]) for each in summary["reasons"]] == [(3, 409), (1, 500)]
    assert summary["reasons"][0]["reason"] == "Another User … of this app already has this userName."


def test_of_one_person_and_of_one_outcome(site, busy):
    assert counted(site, "--app", busy, "--user", "bob@example.com", "--outcome", "ok")["users"] == 1
    assert {each["outcome"] for each in counted(site, "--app", busy, "--outcome", "refused")["actions"]} == {"refused"}


def test_for_people(site, busy):
    shown = site.ok("report", "--summary", "--app", busy)
    assert "member_added" in shown
    assert "409" in shown
    assert "Last contact" in shown


def test_csv(site, busy):
    rows = list(csv.DictReader(io.StringIO(site.ok("report", "--summary", "--csv", "--app", busy))))
    assert {"action": "created", "outcome": "refused", "count": "3"} in rows


def test_a_timespan_without_entries(site, busy):
    assert counted(site, "--app", busy, "--until", "2020-01-01")["entries"] == 0
    assert "No entries" in site.run("report", "--summary", "--app", busy, "--until", "2020-01-01").stderr


@pytest.mark.parametrize("options", [["--follow"], ["--limit", "3"], ["--json", "--csv"]])
def test_options_that_cannot_be(site, options):
    site.fails("report", "--summary", *options, code=2)

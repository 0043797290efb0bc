"""`scimlite app create|edit --profile`: a bundle of features for a kind of client, and what differs from it."""

from __future__ import annotations

import re

from scimlite.admin import apps
from scimlite.apps import app_profile
from scimlite.journal import report
from scimlite.journal.selection import Selection


def features(site, slug):
    return site.json("app", "show", slug)["features"]


def test_create_begins_with_a_profile(site):
    made = site.json("app", "create", "Strict one", "--profile", "strict")
    assert made["profile"] == "strict"
    shown = site.json("app", "show", "strict-one")
    assert (shown["profile"], shown["profile_differs"]) == ("strict", {})
    assert shown["features"].items() >= app_profile.features_of("strict").items()
    row = next(each for each in site.json_lines("app", "list") if each["slug"] == "strict-one")
    assert row["profile"] == "strict"


def test_an_app_has_the_default_profile(site):
    slug = site.app("Plain profile")
    shown = site.json("app", "show", slug)
    assert (shown["profile"], shown["profile_differs"]) == ("default", {})
    assert re.search(r"^Profile +default$", site.ok("app", "show", slug), re.MULTILINE)


def test_show_says_what_differs(site):
    slug = site.app("Differs")
    printed = site.run("app", "edit", slug, "--profile", "strict", "--feature", "patch-answer=body").stderr
    assert "profile: default -> strict" in printed
    assert "require-schemas: off -> on" in printed
    assert "patch-answer: auto -> body" in printed
    assert printed.endswith("Profile: strict (differs: patch-answer=body)\n")
    assert re.search(r"^Profile +strict \(differs: patch-answer=body\)$", site.ok("app", "show", slug), re.MULTILINE)
    assert site.json("app", "show", slug)["profile_differs"] == {"patch-answer": "body"}


def test_a_profile_sets_back_what_another_one_set_and_nothing_else(site):
    slug = site.app("Changed profile")
    site.ok("app", "edit", slug, "--feature", "brake-users=7", "--feature", "create-groups=off")
    before = features(site, slug)
    site.ok("app", "edit", slug, "--profile", "ms-reference")
    assert features(site, slug)["service-configuration"] == "on"
    site.ok("app", "edit", slug, "--profile", "default")
    assert features(site, slug) == before
    assert (before["brake-users"], before["create-groups"]) == ("7", "off")


def test_a_change_of_profile_is_in_the_report(site):
    slug = site.app("Reported profile")
    site.ok("app", "edit", slug, "--profile", "okta")
    app = apps.get(site.installation.db, slug)
    entry = report.read(site.installation.db, Selection(app_id=app.id))[-1]
    assert entry.action == "app_edited"
    assert entry.changes["profile"] == ["default", "okta"]
    assert entry.changes["unknown_attributes"] == ["refuse", "ignore"]


def test_the_same_profile_again_changes_nothing(site):
    slug = site.app("Same profile")
    assert "is like that already" in site.run("app", "edit", slug, "--profile", "default").stderr


def test_an_unknown_profile_is_refused_with_the_names_that_there_are(site):
    said = site.fails("app", "create", "Nothing", "--profile", "azure", code=2)
    assert all(name in said for name in app_profile.PROFILES)
    assert apps.find(site.installation.db, "nothing") is None


def test_nothing_to_change_names_the_options(site):
    assert "--profile" in site.fails("app", "edit", site.app("Unchanged"), code=2)

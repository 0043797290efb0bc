"""The page of an app's features: what is shown, reviewed, saved and refused."""

import re
from dataclasses import fields

import pytest

from browser import axe, picture, sizes
from console_client import signed_in
from scimlite.admin import apps, features
from scimlite.apps.features import AppSettings
from scimlite.operators.roles import Role

FORM = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
HOSTILE = 'Bob "<b>x</b>" &amp; {{ 7 }}'


@pytest.fixture(scope="module")
def owner(installation):
    return signed_in(installation, "features-owner")


@pytest.fixture(scope="module")
def auditor(installation):
    return signed_in(installation, "features-auditor", Role.AUDITOR)


@pytest.fixture
def path(app):
    return f"/console/apps/{app.slug}/features"


def value_of(installation, app, name):
    return features.current(installation.app_row(app))[name]


def hidden(page):
    return {name: value for name, value in FORM.findall(page.source) if name != "csrf_token"}


def reviewed(owner, path, installation, app, **values):
    version = str(installation.app_row(app).version)
    shown = {name.replace("_", "-"): text for name, text in values.items()}
    names = dict.fromkeys(shown)
    return [owner.post(path, {"version": version, "feature": name, name: shown[name]}) for name in names][-1]


def test_every_feature_is_in_one_group(installation, app):
    listed = [each.name for part in features.sections(installation.app_row(app)) for each in part.features]
    assert sorted(listed) == sorted(field.name.replace("_", "-") for field in fields(AppSettings))


def test_all_features_are_shown_with_what_leaving_means_now(installation, app, owner, path):
    app.client.user("ann@example.com")
    page = owner.get(path).ok()
    assert "Delete the deactivated users" in page.words
    assert "Active users at this moment: 1" in page.words
    assert "is disabled here, and gets everything back" in page.words
    assert page.source.count('role="switch"') + page.source.count('name="feature"') == len(fields(AppSettings))


def test_a_change_is_shown_before_it_is_saved(installation, app, owner, path):
    app.client.user("ann@example.com")
    app.client.user("bob@example.com", active=False)
    review = reviewed(owner, path, installation, app, delete_the_deactivated="on").ok()
    assert "Nothing is saved yet" in review.words
    assert "Active users at this moment: 1" in review.words
    assert "disabled already stay disabled: 1." in review.words
    assert value_of(installation, app, "delete-the-deactivated") == "off"
    assert f"scimlite app edit {app.slug} --feature delete-the-deactivated=on" in review.words

    saved = owner.post(f"{path}/save", hidden(review)).ok(303)
    assert "Saved." in owner.follow(saved).ok().words
    assert value_of(installation, app, "delete-the-deactivated") == "on"
    entry = installation.journal(app, wire=False, action="app_edited")[-1]
    assert (entry.client, entry.changes) == ("console:features-owner", {"delete_the_deactivated": ["off", "on"]})


def test_a_switch_that_is_not_sent_is_off_only_when_the_form_showed_it(installation, app, owner, path):
    version = str(installation.app_row(app).version)
    review = owner.post(path, {"version": version, "switch": "create-users"}).ok()
    assert set(hidden(review)) == {"version", "profile", "feature", "create-users"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("brake_users", "many", "brake-users is a number or off"),
        ("brake_window", "1 week", "brake-window is a time such as 30m"),
        ("patch_replace", "hole", "Did you mean"),
    ],
)
def test_a_wrong_value_is_said_beside_its_feature(installation, app, owner, path, name, text, said):
    page = reviewed(owner, path, installation, app, **{name: text}).ok(400)
    option = name.replace("_", "-")
    beside = re.search(rf'id="field-{option}-error">([^<]*)', page.source)
    assert beside
    assert said in beside[1]


def test_an_unknown_feature_is_refused(installation, app, owner, path):
    page = reviewed(owner, path, installation, app, no_such_thing="on").ok(400)
    assert "There is no feature" in page.words


def test_what_stored_groups_contradict_is_refused_beside_the_switch(installation, owner):
    app = installation.app(unique_group_names="off")
    path = f"/console/apps/{app.slug}/features"
    for _ in range(2):
        app.client.group("Sales")
    version = str(installation.app_row(app).version)
    sent = {"version": version, "switch": "unique-group-names", "unique-group-names": "on"}
    page = owner.post(path, sent).ok(400)
    beside = re.search(r'id="field-unique-group-names-error">([^<]*)', page.source)
    assert beside
    assert "while groups share a name: Sales" in beside[1]
    owner.post(f"{path}/save", sent).ok(400)
    assert value_of(installation, app, "unique-group-names") == "off"


def test_a_form_that_is_older_than_the_app_saves_nothing(installation, app, owner, path):
    review = reviewed(owner, path, installation, app, brake_users="7").ok()
    apps.edit(installation.scope, app.slug, features={"brake-percent": "33"})
    page = owner.post(f"{path}/save", hidden(review)).ok(400)
    assert "Somebody else changed this app meanwhile" in page.words
    assert 'value="33"' in page.source
    assert value_of(installation, app, "brake-users") == "50"
    stale = owner.post(path, {"version": hidden(review)["version"], "feature": "brake-users", "brake-users": "7"})
    assert "Somebody else changed this app meanwhile" in stale.ok(400).words
    assert 'value="33"' in stale.source
    owner.post(f"{path}/save", {"version": "x", "feature": "brake-users", "brake-users": "7"}).ok(400)


def test_a_profile_is_looked_at_before_it_is_chosen(installation, app, owner, path):
    page = owner.get(f"{path}?profile=strict").ok()
    assert "refuse → strict, not saved" in page.words
    assert value_of(installation, app, "unknown-attributes") == "refuse"
    sent = {**hidden(page), "feature": "unknown-attributes", "unknown-attributes": "strict", "switch": "revive"}
    review = owner.post(path, sent).ok()
    assert "Profile: default → strict" in review.words
    owner.post(f"{path}/save", hidden(review)).ok(303)
    row = installation.app_row(app)
    assert (row.profile, row.settings.unknown_attributes) == ("strict", "strict")
    # The operator left the others as they were, and the page marks them.
    assert row.settings.require_schemas is False
    assert "changed, the profile has on" in owner.get(path).ok().words


def test_an_unknown_profile_is_refused(app, owner, path, installation):
    assert "There is no profile" in owner.get(f"{path}?profile=none").ok(400).words
    version = str(installation.app_row(app).version)
    assert "There is no profile" in owner.post(path, {"version": version, "profile": "none"}).ok(400).words


def test_without_a_difference_nothing_is_saved(installation, app, owner, path):
    before = installation.app_row(app).version
    page = owner.follow(reviewed(owner, path, installation, app, brake_users="50").ok(303))
    assert "Nothing is different" in page.words
    assert installation.app_row(app).version == before


@pytest.mark.parametrize(
    ("features_", "name", "text", "said"),
    [
        (
            {},
            "delete_users",
            "off",
            "Nobody can be disabled or deleted any more. Users who would keep their access: 1.",
        ),
        (
            {"brake_percent": "off"},
            "brake_users",
            "off",
            "There is no brake any more. Active users whom a mistake could disable: 1.",
        ),
        (
            {"delete_the_deactivated": "on"},
            "delete_the_deactivated",
            "off",
            "is disabled here, and gets everything back",
        ),
        ({}, "member_display", "sent", "names of members is forgotten"),
    ],
)
def test_a_review_says_what_a_change_means(installation, owner, features_, name, text, said):
    app = installation.app(**features_)
    app.client.user("ann@example.com")
    page = reviewed(owner, f"/console/apps/{app.slug}/features", installation, app, **{name: text}).ok()
    assert said in page.words


def test_passwords_that_would_go_are_counted(installation, owner):
    app = installation.app(passwords="hash")
    app.client.user("ann@example.com", password="correct horse")
    page = reviewed(owner, f"/console/apps/{app.slug}/features", installation, app, passwords="drop").ok()
    assert "The password hashes that are kept are deleted: 1." in page.words


def test_an_auditor_reads_and_changes_nothing(installation, app, owner, auditor, path):
    page = auditor.get(path).ok()
    assert "Delete the deactivated users" in page.words
    assert 'method="post" action="' + path not in page.source
    assert "Review the changes" not in page.words
    for form in (path, f"{path}/save"):
        auditor.post(form, {"version": "1", "switch": "create-users"}).ok(403)
    assert value_of(installation, app, "create-users") == "on"


def test_an_operator_of_other_apps_sees_nothing(installation, app, path):
    other = installation.app()
    stranger = signed_in(installation, f"bound-{app.slug}", Role.OPERATOR, other.slug)
    stranger.get(path).ok(404)
    stranger.post(path, {"version": "1"}).ok(404)
    stranger.post(f"{path}/save", {"version": "1"}).ok(404)


def test_in_a_browser(installation, open_page, owner):
    app = installation.app(HOSTILE)
    app.client.user("ann@example.com")
    page = open_page(viewport={"width": 1280, "height": 900})
    page.context.add_cookies(
        [{"name": key, "value": text, "url": installation.url} for key, text in owner.cookies.items()]
    )
    page.goto(f"{installation.url}/console/apps/{app.slug}/features?profile=strict")
    axe(page, "features")
    sizes(page)
    picture(page, "features")
    page.goto(f"{installation.url}/console/apps/{app.slug}/features")
    page.get_by_role("switch", name="Delete the deactivated users").check()
    page.get_by_label("Most users who leave", exact=True).fill("7")
    page.get_by_role("button", name="Review the changes").click()
    page.get_by_text("is deleted here, to be purged").wait_for()
    axe(page, "review")
    sizes(page)
    picture(page, "features-review")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    picture(page, "features-saved")
    assert value_of(installation, app, "brake-users") == "7"
    page.set_viewport_size({"width": 360, "height": 800})
    page.emulate_media(color_scheme="dark")
    axe(page, "features in dark")
    picture(page, "features-dark-360")

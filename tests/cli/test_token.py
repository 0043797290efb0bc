"""`scimlite token`: issue, show, rotate and revoke bearer tokens."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from scimlite.admin import apps, tokens
from scimlite.apps import authentication
from scimlite.errors import Unauthorized
from scimlite.journal import Origin, report
from scimlite.journal.selection import Selection

OTHER_KEY = "another key for tests and never for a service"


def works(site, slug, token):
    """Whether a service lets this token in."""
    try:
        keyring = site.installation.keyring
        return (
            authentication.authenticate(site.installation.db, keyring, f"Bearer {token}", slug, lambda: Origin("test"))
            is not None
        )
    except Unauthorized:
        return False


def acts(site, slug):
    app = apps.get(site.installation.db, slug)
    rows = report.read(site.installation.db, Selection(app_id=app.id))
    return [(row.action, row.detail) for row in rows if row.action.startswith("token_")][1:]


def by_label(site, slug, **kwargs):
    return {each["label"]: each for each in site.json_lines("token", "list", slug, **kwargs)}


# --- issue --------------------------------------------------------------------------------------------------------


def test_issue_prints_the_token_alone_on_stdout(site):
    slug = site.app("Issue")
    result = site.run("token", "issue", slug, "--label", "second")
    assert re.fullmatch(r"scimlite_[\w.-]+\n", result.stdout)
    assert works(site, slug, result.stdout.strip())
    assert f"Bearer token   {result.stdout}" in result.stderr
    assert f"scimlite token show {slug} second" in result.stderr
    assert acts(site, slug) == [("token_issued", "token second")]
    first = site.ok("token", "show", slug, "default")
    assert works(site, slug, first.strip())


def test_a_token_that_expires(site):
    slug = site.app("Expiring")
    made = site.json("token", "issue", slug, "--label", "90 days", "--expires", "90d")
    assert made["app"] == slug
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)
    site.ok("token", "issue", slug, "--label", "dated", "--expires", "2099-01-31T08:00Z")
    assert by_label(site, slug)["dated"]["expires_at"] == "2099-01-31T08:00:00.000000Z"


@pytest.mark.parametrize("expires", ["2020-01-31", "soon", "-1d", "0d"])
def test_an_expiry_that_cannot_be(site, expires):
    slug = site.app(f"Never {expires}")
    assert "90d" in site.fails("token", "issue", slug, "--label", "x", "--expires", expires, code=2)
    assert list(by_label(site, slug)) == ["default"]


def test_a_label_names_one_working_token(site):
    slug = site.app("Labels")
    assert "Choose another label" in site.fails("token", "issue", slug)
    site.ok("token", "revoke", slug, "default", "--yes")
    site.ok("token", "issue", slug)
    assert [each["state"] for each in site.json_lines("token", "list", slug)] == ["revoked", "active"]
    assert "1 to 100 printable" in site.fails("token", "issue", slug, "--label", "a\x1b[31mb")


# --- show ---------------------------------------------------------------------------------------------------------


def test_show_prints_the_same_token_again(site):
    made = site.json("app", "create", "Again")
    result = site.run("token", "show", made["slug"])
    assert result.stdout == made["token"] + "\n"
    assert "SCIM base URL  " + made["base_url"] in result.stderr
    assert site.json("token", "show", made["slug"])["token"] == made["token"]
    assert acts(site, made["slug"]) == [("token_shown", "token default")] * 2


def test_show_needs_a_label_only_when_it_cannot_know(site):
    slug = site.app("Several")
    site.ok("token", "issue", slug, "--label", "2027")
    assert site.json("token", "show", slug)["label"] == "default"
    site.ok("token", "issue", slug, "--label", "2028")
    site.ok("token", "revoke", slug, "default", "--yes")
    assert "Name one: '2027', '2028'" in site.fails("token", "show", slug)
    assert site.json("token", "show", slug, "2028")["label"] == "2028"
    assert "Tokens: 'default', '2027', '2028'" in site.fails("token", "show", slug, "nope")


def test_a_token_that_does_not_work_is_not_shown(site):
    slug = site.app("Ended")
    site.ok("token", "revoke", slug, "default", "--yes")
    assert f"scimlite token issue {slug}" in site.fails("token", "show", slug, "default")
    assert f"scimlite token issue {slug}" in site.fails("token", "show", slug)


def test_show_says_that_the_app_is_disabled(site):
    slug = site.app("Off")
    site.ok("app", "disable", slug)
    assert f"scimlite app enable {slug}" in site.run("token", "show", slug).stderr


# --- keys ---------------------------------------------------------------------------------------------------------


def test_list_says_which_token_needs_an_old_key(site):
    slug = site.app("Keys")
    key = site.env["SCIMLITE_SECRET_KEY"]
    both = {"SCIMLITE_SECRET_KEY": f"{OTHER_KEY},{key}"}
    assert by_label(site, slug)["default"]["secret_key_is"] == "newest"
    assert by_label(site, slug, **both)["default"]["secret_key_is"] == "old"
    assert re.search(r"old \([0-9a-f]{12}\)", site.ok("token", "list", slug, **both))
    before = site.ok("token", "show", slug)
    assert site.ok("token", "show", slug, **both) == before
    site.ok("token", "rotate", slug, **both)
    listed = site.json_lines("token", "list", slug, **both)
    assert [each["secret_key_is"] for each in listed] == ["old", "newest"]
    site.ok("token", "revoke", slug, "default", "--yes", **both)


def test_a_key_that_fits_nothing_is_refused(site):
    slug = site.app("Wrong key")
    for command in ("list", "show", "issue", "rotate"):
        assert "secret_key" in site.fails("token", command, slug, SCIMLITE_SECRET_KEY="w" * 32)


# --- rotate -------------------------------------------------------------------------------------------------------


def test_rotate_lets_the_old_token_work_on_for_a_while(site):
    made = site.json("app", "create", "Rotated")
    slug = made["slug"]
    result = site.run("token", "rotate", slug)
    new = result.stdout.strip()
    assert new != made["token"]
    assert works(site, slug, made["token"])
    assert works(site, slug, new)
    old, fresh = site.json_lines("token", "list", slug)
    assert (fresh["label"], fresh["expires_at"]) == ("default", None)
    left = datetime.fromisoformat(old["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    assert "Paste the new token; the old one works until " in result.stderr
    # What the block says can be shown again without a label can be.
    assert site.ok("token", "show", slug).strip() == new
    assert [action for action, _ in acts(site, slug)] == ["token_rotated", "token_shown"]


def test_rotate_without_overlap_stops_the_old_token(site):
    made = site.json("app", "create", "At once")
    result = site.run("token", "rotate", made["slug"], "default", "--overlap", "0d")
    assert "Paste the new token; the old one has stopped working." in result.stderr
    assert not works(site, made["slug"], made["token"])
    assert works(site, made["slug"], result.stdout.strip())


def test_rotate_keeps_the_length_of_life(site):
    slug = site.app("Length")
    site.ok("token", "issue", slug, "--label", "short", "--expires", "30d")
    made = site.json("token", "rotate", slug, "short", "--overlap", "1h")
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


def test_only_a_working_token_is_rotated(site):
    slug = site.app("Rotate revoked")
    site.ok("token", "revoke", slug, "default", "--yes")
    assert f"scimlite token issue {slug}" in site.fails("token", "rotate", slug, "default")
    assert "7d" in site.fails("token", "rotate", slug, "--overlap", "long", code=2)


# --- revoke -------------------------------------------------------------------------------------------------------


def test_revoke_asks_and_stops_the_token(site):
    made = site.json("app", "create", "Revoked")
    slug = made["slug"]
    result = site.run("token", "revoke", slug, "default", input="n\n")
    assert result.exit_code == 1
    assert "never used" in result.stderr
    assert works(site, slug, made["token"])
    assert "last used at" in site.run("token", "revoke", slug, "default", input="y\n").stderr
    assert not works(site, slug, made["token"])
    assert "already revoked" in site.run("token", "revoke", slug, "default", "--yes").stderr
    assert [action for action, _ in acts(site, slug)].count("token_revoked") == 1


def test_revoke_needs_a_label(site):
    assert "LABEL" in site.fails("token", "revoke", site.app("No label"), code=2)


def test_a_label_goes_before_a_number(site):
    slug = site.app("Numbers")
    first = tokens.every(site.installation.db, apps.get(site.installation.db, slug))[0]
    site.ok("token", "issue", slug, "--label", str(first.id))
    site.ok("token", "revoke", slug, str(first.id), "--yes")
    assert {label: each["state"] for label, each in by_label(site, slug).items()} == {
        "default": "active",
        str(first.id): "revoked",
    }


def test_list_is_for_people_too(site):
    slug = site.app("Listed")
    printed = site.ok("token", "list", slug)
    assert printed.split()[:2] == ["Label", "State"]
    assert re.search(r"^default +active .* never +never +newest", printed, re.MULTILINE)
    assert "scimlite_" not in printed


# --- subjects -----------------------------------------------------------------------------------------------------


def test_a_token_for_a_user(site):
    slug = site.app("Subjects")
    ann = site.user(slug, "Ann@example.com", externalId="ext-1")
    result = site.run("token", "issue", slug, "--label", "ann", "--subject", "ann@EXAMPLE.com")
    assert works(site, slug, result.stdout.strip())
    assert f"For Ann@example.com alone, at http://127.0.0.1:8000/scim/v2/{slug}/Me" in result.stderr
    # Nothing that an identity provider could use.
    assert "SCIM base URL" not in result.stderr
    for label, subject in (("by id", ann.id), ("by externalId", "ext-1")):
        made = site.json("token", "issue", slug, "--label", label, "--subject", subject)
        assert made["subject"] == ann.id
    listed = by_label(site, slug)
    assert {label: each["subject"] for label, each in listed.items()} == {
        "default": None,
        "ann": ann.id,
        "by id": ann.id,
        "by externalId": ann.id,
    }
    assert site.json("token", "show", slug, "ann")["subject"] == ann.id
    assert "For Ann@example.com alone" in site.run("token", "show", slug, "ann").stderr
    site.run("token", "rotate", slug, "ann", "--overlap", "0d")
    assert by_label(site, slug)["ann"]["subject"] == ann.id
    rows = report.read(site.installation.db, Selection(user=ann.id, action="token_issued"))
    assert (rows[0].user, rows[0].detail) == ("Ann@example.com", "token ann")


def test_list_shows_subjects_when_there_are_any(site):
    slug = site.app("Columns")
    assert "Subject" not in site.ok("token", "list", slug)
    ann = site.user(slug, "ann@example.com")
    site.ok("token", "issue", slug, "--label", "ann", "--subject", "ann@example.com")
    printed = site.ok("token", "list", slug)
    assert printed.split()[:3] == ["Label", "State", "Subject"]
    assert re.search(r"^ann +active +ann@example\.com +\d", printed, re.MULTILINE)
    site.delete(slug, ann)
    assert re.search(r"^ann +active +ann@example\.com \(deleted\) ", site.ok("token", "list", slug), re.MULTILINE)


def test_a_subject_is_a_living_user_of_the_app(site):
    slug, other = site.app("Here"), site.app("There")
    site.user(other, "elsewhere@example.com")
    gone = site.user(slug, "gone@example.com")
    site.delete(slug, gone)
    for name in ("elsewhere@example.com", "nobody@example.com", ""):
        assert "There is no user" in site.fails("token", "issue", slug, "--label", "x", "--subject", name)
    assert "is deleted" in site.fails("token", "issue", slug, "--label", "x", "--subject", "gone@example.com")
    assert list(by_label(site, slug)) == ["default"]

"""`scimlite check`: what needs the operator is told, each with exit code 1, and nothing else is."""

import json

import pytest

from scimlite import clock, journal
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.clock import DAY
from scimlite.db.tables import BrakeRow, TokenRow
from scimlite.journal import Action, Entry, Origin, Outcome
from scimlite.journal.origin import Actor

HOUR = DAY // 24


def findings(site, slug, *options, code=0, **env):
    """What is looked at for one app and the installation, by topic, and whether each is fine."""
    ran = site.run("check", "--app", slug, "--json", *options, **env)
    assert ran.exit_code == code, ran.output
    return {each["topic"]: (each["fine"], each["text"]) for each in map(json.loads, ran.stdout.splitlines())}


def tell(site, slug, *, outcome=Outcome.OK, count=1, client="idp/1.0"):
    """Entries of a client in the journal."""
    db = site.installation.db
    actor = Actor.CLI if client.startswith("cli:") else Actor.SCIM
    origin = Origin(client, "default", "0123456789abcdef", actor=actor)
    workspace = Workspace(db, origin, apps.get(db, slug))
    entries = [Entry(Action.CREATED, outcome, user=(None, f"user-{n}")) for n in range(count)]
    db.transact(lambda: journal.record(workspace, entries, status=200))


def change(site, row, slug, **values):
    db = site.installation.db
    db.execute(row.update(values).where(row.app_id == apps.get(db, slug).id))


def test_a_new_app_is_fine_and_says_so_on_stderr(site):
    slug = site.app("New")
    ran = site.run("check", "--app", slug)
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "All is well" in ran.stderr
    found = findings(site, slug)
    assert found["contact"] == (True, "No client was ever accepted")
    assert found["token"] == (True, "No token that is needed ends within 14 days")
    assert found["brake"][0]
    # With PostgreSQL only a state folder that is there.
    assert found.get("disk", (True,))[0]
    assert "ok" in site.ok("check", "--app", slug, "--all")


def test_a_client_that_stays_away(site):
    slug = site.app("Away")
    change(site, TokenRow, slug, last_used_at=clock.now() - 5 * HOUR)
    assert findings(site, slug)["contact"] == (True, "A client was last accepted 5 hours ago")
    assert findings(site, slug, "--contact", "4h", code=1)["contact"][0] is False
    assert "contact" not in findings(site, slug, "--contact", "off")
    # The operator's own acts are no contact.
    tell(site, slug, client="cli:root")
    assert findings(site, slug, "--contact", "4h", code=1)["contact"][0] is False
    tell(site, slug)
    assert findings(site, slug, "--contact", "4h")["contact"] == (True, "A client was last accepted 0 minutes ago")


def test_a_share_of_refusals_above_the_limit(site):
    slug = site.app("Refusing")
    tell(site, slug, outcome=Outcome.REFUSED, count=9)
    assert findings(site, slug)["refusals"][0] is True
    tell(site, slug, outcome=Outcome.FAILED)
    text = "10 of 10 entries of the last 24 hours are refused or failed"
    assert findings(site, slug, code=1)["refusals"] == (False, text)
    tell(site, slug, count=90)
    assert findings(site, slug)["refusals"][0] is True
    assert findings(site, slug, "--refusals", "9", code=1)["refusals"][0] is False


def test_a_brake_that_holds(site):
    slug = site.app("Held")
    db = site.installation.db
    row = {"app_id": apps.get(db, slug).id, "kind": "users", "tripped_at": clock.now() - 3 * HOUR, "detail": "too many"}
    db.execute(BrakeRow.insert(row))
    assert findings(site, slug, code=1)["brake"] == (False, "The brake on users holds since 3 hours: too many")
    site.ok("app", "release", slug)
    assert findings(site, slug)["brake"][0] is True


def test_a_token_that_ends_until_the_client_uses_a_newer_one(site):
    slug = site.app("Ending")
    assert findings(site, slug)["token"][0] is True
    site.ok("token", "rotate", slug, "--overlap", "3d")
    db, app_id = site.installation.db, apps.get(site.installation.db, slug).id
    old, new = [
        row[0] for row in db.rows(TokenRow.select(TokenRow.id).where(TokenRow.app_id == app_id).order_by(TokenRow.id))
    ]

    def used(token, at):
        db.execute(TokenRow.update({TokenRow.last_used_at: at}).where(TokenRow.id == token))

    used(old, clock.now())
    fine, text = findings(site, slug, code=1)["token"]
    assert not fine
    assert "ends in 2 days" in text or "ends in 3 days" in text
    assert findings(site, slug, "--tokens", "2d")["token"][0] is True
    # The client went on with it to its end, and is shut out since.
    db.execute(TokenRow.update({TokenRow.expires_at: clock.now() - 3 * HOUR}).where(TokenRow.id == old))
    fine, text = findings(site, slug, code=1)["token"]
    assert not fine
    assert text.endswith(" ended 3 hours ago, and its client has used no other")
    assert findings(site, slug, "--tokens", "2h")["token"][0] is True
    used(new, clock.now())
    assert findings(site, slug)["token"][0] is True
    site.ok("token", "revoke", slug, "default", "--yes")
    used(old, clock.now())
    change(site, TokenRow, slug, revoked_at=clock.now() - 1)
    assert findings(site, slug, code=1)["token"] == (False, "No token is active: no client can be accepted")


def test_a_full_disk_and_an_old_backup(site, tmp_path):
    slug = site.app("Disk")
    state = tmp_path / "state"
    state.mkdir()
    env = {"SCIMLITE_STATE_DIR": str(state)}
    assert findings(site, slug, "--disk", "100", code=1, **env)["disk"][0] is False
    limit = ("--backup", "26h")
    assert "No backup was ever made" in findings(site, slug, *limit, code=1, **env)["backup"][1]
    (state / "last-backup").write_text(f"{clock.now() - 27 * HOUR}\n")
    assert findings(site, slug, *limit, code=1, **env)["backup"] == (False, "The last backup was made 27 hours ago")
    if site.installation.kind == "sqlite":
        site.ok("db", "backup", str(tmp_path / "copy.db"), **env)
        assert findings(site, slug, *limit, **env)["backup"] == (True, "The last backup was made 0 minutes ago")
        assert (state / "last-backup").stat().st_mode & 0o777 == 0o600


def test_an_app_that_is_disabled_is_left_alone(site):
    slug = site.app("Off")
    change(site, TokenRow, slug, last_used_at=clock.now() - 5 * DAY)
    assert findings(site, slug, code=1)["contact"][0] is False
    site.ok("app", "disable", slug)
    assert set(findings(site, slug)) <= {"disk"}


def test_all_apps(site):
    slugs = [site.app("One, checked"), site.app("Two, checked")]
    told = {json.loads(line)["app"] for line in site.run("check", "--json").stdout.splitlines()}
    assert told >= set(slugs)


def test_no_database_and_no_app(nothing):
    assert "scimlite db upgrade" in nothing.fails("check")
    nothing.ok("db", "upgrade")
    assert "All is well" in nothing.run("check").stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--contact", "x"], "'x' is not a duration"),
        (["--disk", "101"], "--disk"),
        (["--refusals", "-1"], "--refusals"),
    ],
)
def test_wrong_options_are_named(site, options, named):
    assert named in site.fails("check", *options, code=2)

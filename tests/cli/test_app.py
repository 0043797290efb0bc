"""`scimlite app`: make, show, change and remove apps."""

import re
from datetime import datetime

import pytest

from scimlite import journal
from scimlite.admin import apps
from scimlite.apps import authentication
from scimlite.apps.workspace import Workspace
from scimlite.journal import Action, Entry, Origin, Outcome, report, tallies
from scimlite.journal.selection import Selection
from scimlite.scim.leniency import Leniency


def actions(site, slug):
    app = apps.get(site.installation.db, slug)
    return [row.action for row in report.read(site.installation.db, Selection(app_id=app.id))]


# --- create -------------------------------------------------------------------------------------------------------


def test_create_prints_what_entra_asks_for(site):
    printed = site.ok("app", "create", "Entra ID")
    url = re.search(r"Tenant URL +(\S+)", printed).group(1)
    token = re.search(r"Secret Token +(\S+)\n", printed).group(1)
    assert url.endswith("/scim/v2/entra-id")
    assert site.installation.keyring.token_id(token)
    assert "scimlite token show entra-id" in printed
    assert actions(site, "entra-id") == ["app_created", "token_issued"]


def test_create_for_programs(site):
    made = site.json("app", "create", "Okta, Übung", "--slug", "okta-2")
    assert made["slug"] == "okta-2"
    assert made["name"] == "Okta, Übung"
    assert made["base_url"] == "http://127.0.0.1:8000/scim/v2/okta-2"
    assert made["listening"] in (True, False)
    assert made["enabled"] is True
    assert datetime.fromisoformat(made["created_at"]).utcoffset().total_seconds() == 0
    db, app = site.installation.db, apps.get(site.installation.db, "okta-2")
    header = f"Bearer {made['token']}"
    caller = authentication.authenticate(db, site.installation.keyring, header, "okta-2", lambda: Origin("test"))
    assert (caller.app.id, caller.label) == (app.id, made["token_label"])


def test_the_base_url_is_the_one_that_clients_know(site):
    made = site.json("app", "create", "Behind a proxy", SCIMLITE_BASE_URL="https://scim.example.com/x/")
    assert made["base_url"] == "https://scim.example.com/x/scim/v2/behind-a-proxy"
    assert made["listening"] is None


def test_create_says_that_entra_wants_https(site):
    assert "SCIMLITE_BASE_URL" in site.run("app", "create", "Plain").stderr
    assert site.run("app", "create", "Safe", SCIMLITE_BASE_URL="https://scim.example.com").stderr == ""


@pytest.mark.parametrize("slug", ["", "Upper", "under_score", "dot.dot", "a/b", "x" * 64, "ä", "-", "-x"])
def test_a_slug_that_cannot_stand_in_a_url_is_refused(site, slug):
    assert "1 to 63 of a-z, 0-9 and hyphens" in site.fails("app", "create", "Odd", "--slug", slug)


def test_a_name_without_a_latin_letter_needs_a_slug(site):
    assert "--slug" in site.fails("app", "create", "日本")


def test_a_slug_is_taken_once(site):
    site.app("Twice")
    assert "There is an app 'twice' already" in site.fails("app", "create", "TWICE")
    assert actions(site, "twice") == ["app_created", "token_issued"]


def test_a_wrong_secret_key_is_noticed_before_anything_is_made(site):
    site.app("With the right key")
    said = site.fails("app", "create", "With another key", SCIMLITE_SECRET_KEY="another key which signed nothing here")
    assert "SCIMLITE_SECRET_KEY" in said
    assert apps.find(site.installation.db, "with-another-key") is None


# --- list and show ------------------------------------------------------------------------------------------------


def test_list_counts_what_apps_hold(site):
    slug = site.app("Counted")
    ann = site.user(slug, "ann")
    site.group(slug, "Team", ann, site.user(slug, "bob", active=False))
    row = next(each for each in site.json_lines("app", "list") if each["slug"] == slug)
    assert (row["users"], row["disabled_users"], row["groups"], row["memberships"]) == (2, 1, 1, 2)
    line = next(line for line in site.ok("app", "list").splitlines() if line.startswith(slug))
    assert "2 (1 disabled)" in line
    site.delete(slug, ann)
    row = next(each for each in site.json_lines("app", "list") if each["slug"] == slug)
    assert (row["users"], row["memberships"]) == (1, 1)


def test_list_and_show_say_whether_an_app_works(site):
    """In the words of the console's list."""
    slug = site.app("Worded")

    def told() -> tuple[str, str, str]:
        row = next(each for each in site.json_lines("app", "list") if each["app"] == slug)
        line = next(line for line in site.ok("app", "list").splitlines() if line.startswith(slug))
        shown = next(line for line in site.ok("app", "show", slug).splitlines() if line.startswith("State"))
        return row["health"], re.split(r"  +", line)[2], shown.partition("State")[2].strip()

    assert told() == ("never", "never connected", "never connected: No request with a valid token has come yet.")
    site.user(slug, "ann")
    assert told() == ("ok", "ok", "ok: Requests come and are carried out.")
    site.ok("app", "disable", slug)
    assert told()[:2] == ("disabled", "disabled")
    assert site.json("app", "show", slug)["state"] == "disabled"


def test_show_tells_features_with_what_they_do(site):
    slug = site.app("Shown")
    printed = site.ok("app", "show", slug)
    assert "http://127.0.0.1:8000/scim/v2/shown" in printed
    assert re.search(r"^default +active +", printed, re.MULTILINE)
    assert f"as by default: scimlite app show {slug} --features" in printed
    printed = site.ok("app", "show", slug, "--features")
    for feature in apps.AppSettings.__dataclass_fields__.values():
        line = next(line for line in printed.splitlines() if line.startswith(feature.name.replace("_", "-")))
        assert feature.metadata["help"][:40] in line


def test_show_of_a_busy_app_fits_a_screen(site):
    slug = site.app("Busy")
    site.user(slug, "ann")
    site.ok("app", "edit", slug, *("--feature", "patch-answer=empty", "--feature", "revive=on", "--profile", "strict"))
    for label in ("next", "other", "third"):
        site.ok("token", "issue", slug, "--label", label)
    app = apps.get(site.installation.db, slug)
    causes = ["malformed", "revoked", "wrong-app", "unknown"]
    addresses = [f"192.0.2.{number}" for number in range(12)]
    for kind, names in (
        (tallies.Kind.REFUSED_TOKEN, causes),
        (tallies.Kind.REFUSED_ADDRESS, addresses),
        (tallies.Kind.LENIENCY, list(Leniency)),
        (tallies.Kind.TURNED_AWAY, ["app"]),
    ):
        for name in names:
            tallies.count(site.installation.db, app.id, kind, name, 1000)
    tallies.write_all()
    lines = site.run("app", "show", slug, columns=80).stdout.splitlines()
    # One line of the screen is the prompt's.
    assert len(lines) < 24
    assert [line for line in lines if len(line) > 80] == []
    for text in (
        "Refused tokens ",
        " 4,000 this week: malformed 1,000, ",
        "Leniencies ",
        f"scimlite app show {slug} --all",
    ):
        assert any(text in line for line in lines), text
    whole = site.ok("app", "show", slug, "--all")
    for text in (*causes, *addresses, *(known.words for known in Leniency), "third"):
        assert text in whole
    counts = site.json("app", "show", slug)
    assert counts["leniencies_this_week"] == {str(known): 1000 for known in Leniency}
    assert counts["refused_tokens_this_week"] == dict.fromkeys(causes, 1000)


def test_show_for_programs(site):
    slug = site.app("Shown to programs")
    site.user(slug, "ann")
    shown = site.json("app", "show", slug)
    assert shown["base_url"].endswith(f"/scim/v2/{slug}")
    assert shown["features"]["patch-answer"] == "auto"
    assert [(token["label"], token["state"]) for token in shown["tokens"]] == [("default", "active")]
    assert shown["users"] == 1
    assert shown["first_contact"] == shown["last_contact"]
    assert "scimlite_" not in site.ok("app", "show", slug)


def test_an_app_is_found_by_its_exact_name(site):
    site.app("Okta (production)", "--slug", "okta-p")
    assert site.json("app", "show", "Okta (production)")["slug"] == "okta-p"


def test_contact_is_what_the_client_did_and_not_the_operator(site):
    slug = site.app("Quiet")
    site.ok("app", "edit", slug, "--name", "Very quiet")
    shown = site.json("app", "show", slug)
    assert (shown["first_contact"], shown["last_contact"]) == (None, None)
    site.user(slug, "ann")
    first = site.json("app", "show", slug)["last_contact"]
    site.user(slug, "bob")
    shown = site.json("app", "show", slug)
    assert shown["first_contact"] == first < shown["last_contact"]


def test_show_says_that_the_client_is_refused_since(site):
    slug = site.app("Locked out")
    site.user(slug, "ann")
    refusal = Entry(Action.AUTHENTICATED, Outcome.REFUSED, detail="token default: the token has expired")
    origin = Origin("idp/1.0", "default", "fedcba9876543210")
    db = site.installation.db
    workspace = Workspace(db, origin, apps.get(db, slug))
    db.transact(lambda: journal.record(workspace, [refusal], status=401))
    assert site.json("app", "show", slug)["last_refusal"]["detail"] == refusal.detail
    assert refusal.detail in site.ok("app", "show", slug)
    site.user(slug, "bob")
    assert site.json("app", "show", slug)["last_refusal"] is None


def test_an_app_that_does_not_exist(site):
    site.app("Exists")
    for command in ("show", "enable", "disable", "delete"):
        said = site.fails("app", command, "nope")
        assert "There is no app 'nope'" in said
        assert "exists" in said
    assert "There is no app 'nope'" in site.fails("app", "edit", "nope", "--name", "x")


# --- edit, enable, disable ----------------------------------------------------------------------------------------


def test_edit_sets_features_and_the_name(site):
    slug = site.app("Edited")
    result = site.run(
        "app",
        "edit",
        slug,
        "--name",
        "New name",
        "--feature",
        "patch-answer=body",
        "--feature",
        "Unknown members=refuse",
    )
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "patch-answer: auto -> body" in result.stderr
    shown = site.json("app", "show", slug)
    assert shown["name"] == "New name"
    assert (shown["features"]["patch-answer"], shown["features"]["unknown-members"]) == ("body", "refuse")
    assert actions(site, slug)[-1] == "app_edited"


def test_what_changes_nothing_says_so(site):
    slug = site.app("Unchanged")
    assert "like that already" in site.run("app", "edit", slug, "--feature", "patch-answer=auto").stderr
    assert actions(site, slug)[-1] == "token_issued"


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ("patch-answer", "write name=value"),
        ("patch-answer=", "auto or body or empty"),
        ("patch-answer=BODY", "auto or body or empty"),
        ("nope=on", "There is no feature 'nope'. Features: "),
    ],
)
def test_a_feature_that_cannot_be_set_is_a_usage_error(site, feature, said):
    slug = site.app("Featured", "--slug", f"f{len(feature)}")
    assert said in site.fails("app", "edit", slug, "--feature", feature, code=2)


def test_edit_without_anything_to_change_is_a_usage_error(site):
    assert "--feature" in site.fails("app", "edit", site.app("Nothing"), code=2)


def test_edit_does_everything_or_nothing(site):
    slug = site.app("All or nothing")
    site.ok("app", "edit", slug, "--feature", "unique-group-names=off")
    site.group(slug, "Team")
    site.group(slug, "TEAM")
    said = site.fails("app", "edit", slug, "--name", "Changed", "--feature", "unique-group-names=on")
    assert "TEAM" in said
    assert site.json("app", "show", slug)["name"] == "All or nothing"


def test_disable_and_enable(site):
    slug = site.app("Switched")
    assert "is now disabled" in site.run("app", "disable", slug).stderr
    assert site.json("app", "show", slug)["enabled"] is False
    assert "was already disabled" in site.run("app", "disable", slug).stderr
    assert "is now enabled" in site.run("app", "enable", slug).stderr
    assert actions(site, slug)[2:] == ["app_disabled", "app_enabled"]


# --- delete -------------------------------------------------------------------------------------------------------


def test_delete_says_what_goes_and_asks(site):
    slug = site.app("Asked")
    site.group(slug, "Team", site.user(slug, "ann"))
    result = site.run("app", "delete", slug, input="n\n")
    assert result.exit_code == 1
    assert "1 user, 1 group, 1 membership and 1 active token" in result.stderr
    assert site.json("app", "show", slug)["users"] == 1
    assert site.run("app", "delete", slug, input="y\n").exit_code == 0
    assert "There is no app" in site.fails("app", "show", slug)


def test_delete_asks_nothing_when_told_so(site):
    slug = site.app("Not asked")
    app = apps.get(site.installation.db, slug)
    result = site.run("app", "delete", slug, "--yes")
    assert (result.exit_code, result.stderr) == (0, f"Removed {slug}.\n")
    rows = report.read(site.installation.db, Selection(app_id=app.id))
    assert rows[-1].action == "app_deleted"
    assert site.app("Not asked") == slug


def test_delete_without_somebody_to_ask_removes_nothing(site):
    slug = site.app("Nobody there")
    assert site.run("app", "delete", slug, input="").exit_code == 1
    assert site.json("app", "show", slug)["slug"] == slug


def test_show_spells_features_as_they_are_set(site):
    slug = site.app("Spelled")
    site.ok(
        "app", "edit", slug, "--feature", "revive=on", "--feature", "brake-users=off", "--feature", "brake-window=90m"
    )
    own = site.ok("app", "show", slug)
    assert re.search(
        r"^Features +revive=on, brake-users=off, brake-window=90m, 24 others as by default", own, re.MULTILINE
    )
    rows = [line.split() for line in site.ok("app", "show", slug, "--features").splitlines()]
    values = {row[0]: row[1] for row in rows if (len(row) > 1 and "-" in row[0]) or row[:1] == ["revive"]}
    assert (values["revive"], values["brake-users"], values["brake-window"]) == ("on", "off", "90m")
    assert (values["create-users"], values["patch-answer"], values["brake-percent"]) == ("on", "auto", "20")


# --- made once ----------------------------------------------------------------------------------------------------


def test_if_absent_makes_an_app_once(site):
    command = ("app", "create", "Held by Ansible", "--if-absent")
    made = site.json(*command)
    assert (made["created"], made["app"], "token" in made) == (True, "held-by-ansible", True)
    again = site.json(*command)
    assert (again["created"], again["app"], "token" in again) == (False, "held-by-ansible", False)
    assert len(site.json_lines("token", "list", "held-by-ansible")) == 1
    result = site.run(*command)
    assert (result.exit_code, result.stdout) == (0, f"{made['base_url']}\n")
    assert "is there already. Its token: scimlite token show held-by-ansible" in result.stderr
    assert site.json("app", "create", "Another name", "--slug", "held-by-ansible", "--if-absent")["created"] is False


@pytest.mark.parametrize(
    ("name", "slug"), [("Ørsted", "orsted"), ("Großstadt", "grossstadt"), ("Łódź", "lodz"), ("会社 7", "7")]
)
def test_latin_letters_of_every_kind_are_kept_in_a_slug(name, slug):
    assert apps.slug_of(name) == slug


@pytest.mark.parametrize("name", ["会社", "Компания", "شركة", "🏢"])
def test_a_name_without_latin_letters_is_told_what_to_give(site, name):
    said = site.fails("app", "create", name)
    assert said.startswith(f"Error: No slug can be made of {name!r}")
    assert site.json("app", "create", name, "--slug", f"company-{len(name)}-{ord(name[0])}")["name"] == name

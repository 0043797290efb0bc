"""What holds for every command: confirmation, dry runs, errors as data, and wrong names answered with right ones."""

import json

import click
import pytest

from command_line import every_command
from scimlite.admin import apps, deleted
from scimlite.clock import DAY
from scimlite.db.tables import TABLES, JournalRow, ResourceRow
from scimlite_cli.kit.options import Choice

ACME = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
    "id": "urn:example:Acme",
    "name": "Acme",
    "attributes": [{"name": "badge", "type": "string"}],
}

#: Commands that remove or replace something.
REMOVING = {
    ("app", "delete"),
    ("token", "revoke"),
    ("user", "erase"),
    ("schema", "add"),
    ("schema", "remove"),
    ("mapping", "unset"),
    ("mapping", "import"),
    ("journal", "prune"),
    ("purge",),
    ("db", "restore"),
    ("operator", "remove"),
    ("webhook", "remove"),
    ("source", "remove"),
    ("target", "remove"),
}


def rows(site):
    """Everything that the database holds."""
    return [sorted(map(str, site.installation.db.rows(table.select()))) for table in TABLES]


def parameters(command):
    return {name: each for each in command.params if isinstance(each, click.Option) for name in each.opts}


@pytest.fixture(scope="module")
def filled(site):
    """An app with something of everything that can be removed."""
    slug = site.app("Filled")
    site.ok("token", "issue", slug, "--label", "second")
    site.ok("app", "edit", slug, "--feature", "delete-the-deactivated=on")
    site.ok("schema", "add", "--app", slug, "--to", "User", input=json.dumps(ACME))
    site.user(slug, "ann", **{"urn:example:Acme": {"badge": "7"}})
    bob = site.user(slug, "bob")
    site.delete(slug, bob)
    db, app = site.installation.db, apps.get(site.installation.db, slug)
    db.execute(ResourceRow.update(deleted_at=ResourceRow.deleted_at - 40 * DAY).where(ResourceRow.uuid == bob.id))
    old = JournalRow.select(JournalRow.id).where(JournalRow.app_id == app.id).order_by(JournalRow.id).limit(1)
    db.execute(JournalRow.update(at=JournalRow.at - 900 * DAY).where(JournalRow.id.in_([db.scalar(old)])))
    return slug


REMOVALS = [
    (("app", "delete", "{slug}"), "1 user"),
    (("token", "revoke", "{slug}", "second"), "'second'"),
    (("user", "erase", "ann", "--app", "{slug}"), "0 memberships"),
    (("schema", "remove", "urn:example:Acme", "--app", "{slug}"), "urn:example:Acme:badge (1)"),
    (("mapping", "unset", "title", "--app", "{slug}"), "user.title: removed"),
    (("journal", "prune", "--older-than", "800d"), "1 entries"),
    (("purge", "--app", "{slug}"), "1"),
]


@pytest.mark.parametrize(("command", "said"), REMOVALS, ids=lambda value: " ".join(value[:2]) if value else "")
def test_a_dry_run_says_what_would_go_and_leaves_everything(site, filled, command, said):
    before = rows(site)
    result = site.run(*(word.format(slug=filled) for word in command), "--dry-run")
    assert result.exit_code == 0
    assert said in result.output
    assert rows(site) == before


@pytest.mark.parametrize(
    "command",
    [command for command, _ in REMOVALS if command[0] not in ("mapping", "purge")],
    ids=lambda value: " ".join(value[:2]),
)
def test_without_a_terminal_nothing_is_removed_unless_it_is_confirmed(site, filled, command):
    before = rows(site)
    command = [word.format(slug=filled) for word in command]
    said = site.fails(*command, input="")
    assert said.splitlines()[-1].startswith("Error: Nothing was done, because there is no terminal")
    assert "--yes" in said
    assert site.run(*command, input="n\n").exit_code == 1
    assert rows(site) == before


def test_every_command_that_removes_has_yes_and_dry_run():
    for path, command in every_command():
        options = parameters(command)
        assert ("--dry-run" in options) is (path in REMOVING or path == ("app", "import")), path
        if path in REMOVING:
            assert "--yes" in options, path
        for old in ("--force", "--apply"):
            # Deletes more there, and asks all the same.
            if path == ("journal", "prune"):
                continue
            assert old not in options or options[old] is options["--yes"], path


def test_older_names_of_yes_work_and_are_not_shown(site):
    for command in (("purge",), ("schema", "remove"), ("mapping", "set")):
        shown = site.ok(*command, "--help")
        assert "--yes" in shown
        assert "--force" not in shown
        assert "--apply" not in shown


# --- errors for programs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("app", "show", "nowhere", "--json"), 1, "There is no app 'nowhere'."),
        (("app", "show", "--json"), 2, "Name the app"),
        (("app", "show", "x", "--jsn", "--json"), 2, "Did you mean"),
        (("user", "lits", "--json"), 2, "Did you mean 'list'?"),
        (("usr", "list", "--json"), 2, "Did you mean 'user'?"),
        (("user", "show", "nobody at all", "--json"), 1, "There is no user"),
        (("report", "--since", "never", "--json"), 2, "is not a time"),
        (("explain", "0123", "--json"), 1, "There is no trace"),
    ],
)
def test_with_json_an_error_is_json_on_stderr(site, filled, command, code, said):
    error = json.loads(site.fails(*command, code=code))
    assert list(error) == ["error"]
    assert said in error["error"]


def test_with_json_a_wrong_setting_is_json_too(site):
    said = site.fails("app", "list", "--json", code=2, SCIMLITE_BASE_URL="nowhere")
    assert "SCIMLITE_BASE_URL" in json.loads(said)["error"]


def test_a_command_that_ends_with_another_code_does_so_with_json(site, nothing):
    result = nothing.run("db", "status", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["current"] is False


# --- wrong names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code", "meant"),
    [
        (("tokne",), 2, "'token'"),
        (("token", "rotat"), 2, "'rotate'"),
        (("app", "edit", "{slug}", "--feature", "patch-anser=body"), 2, "'patch-answer'"),
        (("app", "edit", "{slug}", "--feature", "patch-answer=boddy"), 2, "'body'"),
        (("report", "--action", "creatd"), 2, "'created'"),
        (("report", "--outcome", "refusd"), 2, "'refused'"),
        (("app", "create", "New", "--profile", "entr"), 2, "'entra'"),
        (("app", "edit", "{slug}", "--profile", "stict"), 2, "'strict'"),
        (("token", "rotate", "{slug}", "--idp", "okat"), 2, "'okta'"),
        (("token", "issue", "{slug}", "--kind", "raeder"), 2, "'reader'"),
        (("completion", "fsh"), 2, "'fish'"),
        (("token", "show", "{slug}", "defualt"), 1, "'default'"),
        (("schema", "show", "Usr", "--app", "{slug}"), 1, "'User'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_name_is_answered_with_the_one_that_was_meant(site, filled, command, code, meant):
    said = site.fails(*(word.format(slug=filled) for word in command), code=code)
    assert f"Did you mean {meant}?" in said


def test_every_choice_answers_with_the_one_that_was_meant():
    for path, command in every_command():
        for param in command.params:
            assert isinstance(param.type, Choice) or not isinstance(param.type, click.Choice), (path, param.name)


# --- one form of JSON ---------------------------------------------------------------------------------------------

LISTS = [
    ("app", "list"),
    ("token", "list", "{slug}"),
    ("schema", "list", "--app", "{slug}"),
    ("schema", "catalog"),
    ("user", "list", "--app", "{slug}"),
    ("user", "list", "--deleted", "--app", "{slug}"),
    ("group", "list", "--app", "{slug}"),
    ("report", "--app", "{slug}"),
    ("user", "history", "ann", "--app", "{slug}"),
]
OBJECTS = [
    ("app", "show", "{slug}"),
    ("token", "show", "{slug}", "default"),
    ("user", "show", "ann", "--app", "{slug}"),
    ("group", "show", "Staff", "--app", "{slug}"),
    ("purge", "--app", "{slug}"),
]


@pytest.fixture(scope="module")
def staffed(site, filled):
    site.group(filled, "Staff", site.user(filled, "cyd"))
    return filled


@pytest.mark.parametrize("command", LISTS, ids=lambda value: " ".join(value[:3]))
def test_lists_are_one_object_a_line_with_the_same_keys(site, staffed, command):
    rows = site.json_lines(*(word.format(slug=staffed) for word in command))
    assert rows
    assert len({tuple(row) for row in rows}) == 1
    for row in rows:
        if command != ("schema", "catalog"):
            assert row["app"] == staffed
        for key, value in row.items():
            if key == "at" or key.endswith("_at"):
                assert value is None or value.endswith("Z"), key


@pytest.mark.parametrize("command", OBJECTS, ids=lambda value: " ".join(value[:2]))
def test_one_thing_is_one_object(site, staffed, command):
    shown = site.json(*(word.format(slug=staffed) for word in command))
    assert isinstance(shown, dict)
    assert "purge" in command or shown["app"] == staffed


@pytest.mark.parametrize("command", [("user", "list"), ("user", "list", "--deleted"), ("group", "list")], ids=" ".join)
def test_an_empty_list_is_no_line(site, command):
    slug = site.app(f"Nothing for {' '.join(command)}")
    assert site.ok(*command, "--app", slug, "--json") == ""


def test_lists_for_programs_are_complete_and_a_page_is_a_page(site):
    slug = site.app("Many")
    for number in range(4):
        site.user(slug, f"user-{number}")
        site.group(slug, f"group-{number}")
    for noun, key in (("user", "user_name"), ("group", "display_name")):
        names = [f"{noun}-{number}" for number in range(4)]
        command = (noun, "list", "--app", slug)
        assert [row[key] for row in site.json_lines(*command)] == names
        assert [row[key] for row in site.json_lines(*command, "--page", "2", "--per-page", "3")] == names[3:]
        result = site.run(*command, "--page", "1", "--per-page", "3", "--json")
        assert "1 to 3 of 4" in result.stderr


def test_deleted_things_are_walked_in_steps(site, monkeypatch):
    slug = site.app("Walked")
    for number in range(5):
        site.delete(slug, site.user(slug, f"user-{number}"))
    monkeypatch.setattr(deleted, "_CHUNK", 2)
    rows = site.json_lines("user", "list", "--deleted", "--app", slug)
    assert [row["user_name"] for row in rows] == [f"user-{number}" for number in reversed(range(5))]


def test_older_keys_are_there_for_a_release(site, staffed):
    shown = site.json("app", "show", staffed)
    assert (shown["slug"], shown["enabled"]) == (shown["app"], True)
    assert shown["last_contact"] == shown["last_contact_at"]
    assert {token["label"] for token in shown["tokens"]} == {token["token_label"] for token in shown["tokens"]}
    (gone,) = site.json_lines("user", "list", "--deleted", "--app", staffed)
    assert (gone["name"], gone["purgeable_from"]) == (gone["user_name"], gone["purgeable_at"])
    (member,) = site.json("group", "show", "Staff", "--app", staffed)["members"]
    assert (member["active"], member["direct"]) == (True, True)
    assert (member["state"], member["membership"], member["display"]) == ("active", "direct", member["display_name"])

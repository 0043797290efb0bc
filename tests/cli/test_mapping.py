"""`scimlite mapping` and `scimlite user export`."""

import csv
import io
import itertools
import json

import pytest

from scimlite.admin import apps, mapping
from scimlite.db.tables import ResourceRow

NUMBERS = itertools.count(1)
FULL = "{name.givenName} {name.familyName}"


@pytest.fixture
def slug(site):
    """An app of its own for each test."""
    return site.app(f"mapped {next(NUMBERS)}")


def rows(site, slug, kind="user"):
    return {row["target"]: row for row in site.json("mapping", "show", "--app", slug)[kind]}


def set_(site, slug, *args):
    return site.run("mapping", "set", "--app", slug, *args)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_default_is_shown(site, slug):
    shown = site.ok("mapping", "show", "--app", slug)
    assert 'emails[type eq "work"].value' in shown
    assert "required" in shown
    assert list(rows(site, slug))[-1] == "groups"
    assert rows(site, slug, "group") == {"name": {"target": "name", "source": "displayName"}}


def test_a_dry_run_of_an_import_says_what_would_change(site, slug):
    before = site.ok("mapping", "export", "--app", slug)
    new = json.dumps({"user": [{"target": "userName", "source": "userName", "required": True}]})
    said = site.run("mapping", "import", "--app", slug, "-", "--dry-run", input=new)
    assert said.exit_code == 0
    assert "user.title: removed" in said.output
    assert site.ok("mapping", "export", "--app", slug) == before


def test_rows_are_set_changed_and_unset(site, slug):
    assert "user.fullName: <- {name.givenName}" in set_(site, slug, "fullName", FULL, "--upper").stderr
    assert rows(site, slug)["fullName"] == {"target": "fullName", "template": FULL, "transform": ["upper"]}
    set_(site, slug, "email", "--lower", "--required")
    assert rows(site, slug)["email"]["required"] is True
    assert rows(site, slug)["email"]["source"] == 'emails[type eq "work"].value | emails.value'
    set_(site, slug, "email", "--optional")
    assert rows(site, slug)["email"].get("required") is None
    assert rows(site, slug)["email"]["transform"] == ["lower"]
    set_(site, slug, "tenant", "--constant", "acme")
    set_(site, slug, "code", "externalId", "--group", "--default", "?")
    assert rows(site, slug, "group")["code"]["default"] == "?"
    assert "like that already" in set_(site, slug, "tenant", "--constant", "acme").stderr
    site.ok("mapping", "unset", "--app", slug, "tenant")
    assert "tenant" not in rows(site, slug)
    assert "Targets: userName" in site.fails("mapping", "unset", "--app", slug, "tenant")
    assert "Give --yes to confirm it" in site.fails("mapping", "unset", "--app", slug, "--all", input="")
    assert rows(site, slug)["email"]["transform"] == ["lower"]
    site.ok("mapping", "unset", "--app", slug, "--all", "--yes")
    site.ok("mapping", "unset", "--app", slug, "--all")
    assert list(rows(site, slug, "group")) == ["name"]
    edited = lines(site.ok("report", "--app", slug, "--action", "mapping_edited", "--json"))
    assert edited[0]["changes"]["user.fullName"][1]["template"] == FULL
    assert len(edited) == 7


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("x", "nowhere"), "no attribute 'nowhere'"),
        (("x", "password"), "is never returned"),
        (("x",), "give its source"),
        (("x y", "title"), "is not a name"),
    ],
)
def test_what_cannot_be_is_refused(site, slug, args, said):
    assert said in site.fails("mapping", "set", "--app", slug, *args)


@pytest.mark.parametrize(
    "args",
    [("x", "title", "--constant", "y"), ("x", "title", "--lower", "--upper"), ("x", "{title}", "--template", "y")],
)
def test_contradictions_are_refused(site, slug, args):
    assert "Give" in site.fails("mapping", "set", "--app", slug, *args, code=2)


def test_export_is_what_import_takes(site, slug):
    set_(site, slug, "fullName", FULL)
    exported = site.ok("mapping", "export", "--app", slug)
    other = site.app(f"mapped {next(NUMBERS)}")
    site.ok("mapping", "import", "--app", other, "-", input=exported)
    assert site.ok("mapping", "export", "--app", other) == exported
    assert "not JSON" in site.fails("mapping", "import", "--app", other, "-", input="{")
    assert "user[0].x: Unknown" in site.fails(
        "mapping", "import", "--app", other, "-", input='{"user":[{"target":"a","x":1}]}'
    )
    assert site.ok("mapping", "export", "--app", other) == exported


def test_who_lacks_what_is_to_be_required_is_listed_first(site, slug):
    for number in range(25):
        site.user(slug, f"user-{number}", **({"title": "x"} if number < 3 else {}))
    said = site.fails("mapping", "set", "--app", slug, "job", "title", "--required")
    assert "22 stored users or groups lack a value" in said
    assert "user-3: job has no value, because title has none" in said
    assert "and 2 more" in said
    assert "job" not in rows(site, slug)
    assert set_(site, slug, "job", "title", "--required", "--force").exit_code == 0
    assert rows(site, slug)["job"]["required"] is True
    assert "job is required" in site.run("mapping", "test", "--app", slug, "user-3").stderr


def test_setting_makes_stored_profiles_anew(site, slug):
    for number in range(7):
        site.user(slug, f"user-{number}", title=f"title {number}")
    assert "7 profiles were recomputed" in set_(site, slug, "job", "title").stderr
    app = apps.get(site.installation.db, slug)
    assert mapping.stale(site.installation.db, app) == 0
    query = ResourceRow.update(profile_version=0).where(ResourceRow.app_id == app.id)
    site.installation.db.execute(query)
    assert "7 stored profiles are out of date" in site.run("mapping", "show", "--app", slug).stderr
    assert "7 profiles were recomputed" in site.run("mapping", "recompute", "--app", slug).stderr
    assert site.run("mapping", "recompute", "--app", slug).stderr == ""


def test_a_profile_can_be_looked_at(site, slug):
    ann = site.user(slug, "ann", name={"givenName": "Ann"})
    site.group(slug, "Sales", ann)
    assert site.json("mapping", "test", "--app", slug, "ann")["groups"] == ["Sales"]
    assert "groups       Sales" in site.ok("mapping", "test", "--app", slug, "ann")
    body = json.dumps({"userName": "bob", "name": {"familyName": "Ash"}})
    tested = site.json("mapping", "test", "--app", slug, "--file", "-", input=body)
    assert (tested["familyName"], tested["active"], tested["groups"]) == ("Ash", True, [])
    assert site.json("mapping", "test", "--app", slug, "--group", "Sales") == {"name": "Sales"}
    assert "would be refused: userName" in site.fails("mapping", "test", "--app", slug, "--file", "-", input="{}")
    set_(site, slug, "job", "title", "--required", "--force")
    result = site.run("mapping", "test", "--app", slug, "--file", "-", input=body)
    assert result.exit_code == 1
    assert "job is required, and title has no value" in result.stderr
    assert "Give USER or --file" in site.fails("mapping", "test", "--app", slug, code=2)


def test_a_declaration_that_the_mapping_needs_cannot_go(site, slug):
    schema = {"id": "urn:example:Badge", "name": "Badge", "attributes": [{"name": "number", "type": "string"}]}
    site.ok("schema", "add", "-", "--app", slug, "--to", "User", input=json.dumps(schema))
    ann = site.user(slug, "ann", **{"urn:example:Badge": {"number": "7"}})
    set_(site, slug, "badge", "urn:example:Badge:number")
    assert site.json("mapping", "test", "--app", slug, ann.id)["badge"] == "7"
    assert "badge" in site.fails("schema", "remove", "urn:example:Badge", "--app", slug, "--force")
    site.ok("mapping", "unset", "--app", slug, "badge")
    site.ok("schema", "remove", "urn:example:Badge", "--app", slug, "--force")
    assert "badge" not in site.json("mapping", "test", "--app", slug, ann.id)


def test_users_are_exported_with_their_groups(site, slug):
    ann, _ = site.user(slug, "ann", title="a,b"), site.user(slug, "bob")
    for name in ("Sales", "Staff"):
        site.group(slug, name, ann)
    site.delete(slug, site.user(slug, "gone"))
    exported = lines(site.ok("user", "export", "--app", slug))
    assert [each["profile"]["userName"] for each in exported] == ["ann", "bob"]
    assert exported == lines(site.ok("user", "export", "--app", slug, "--jsonl"))
    assert exported[0]["id"] == ann.id
    assert sorted(exported[0]["profile"]["groups"]) == ["Sales", "Staff"]
    table = list(csv.DictReader(io.StringIO(site.ok("user", "export", "--app", slug, "--csv"))))
    assert sorted(table[0]["groups"].split(";")) == ["Sales", "Staff"]
    assert (table[0]["title"], table[1]["title"], table[1]["active"]) == ("a,b", "", "true")
    assert "not both" in site.fails("user", "export", "--app", slug, "--csv", "--jsonl", code=2)


def test_an_export_does_not_hold_everything(site, slug, monkeypatch):
    from scimlite.directory import profiles

    monkeypatch.setattr(profiles, "_CHUNK", 2)
    for number in range(5):
        site.user(slug, f"user-{number}")
    assert len(lines(site.ok("user", "export", "--app", slug))) == 5

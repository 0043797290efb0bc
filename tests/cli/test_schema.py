"""`scimlite schema`: declare, list, show and remove; refused where stored data stand against it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from command_line import Site
from scimlite.admin import apps
from scimlite.db.tables import ResourceRow, ValueRow
from scimlite.journal import report
from scimlite.journal.selection import Selection

ACME = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User"
DEVICE = "urn:example:schemas:2.0:Device"
DEVICES = [
    {"name": "Device", "endpoint": "/Devices", "schema": DEVICE},
    {"id": DEVICE, "attributes": [{"name": "displayName", "required": True}, {"name": "serial"}]},
]


def acme(**badge: Any) -> str:
    """The declaration of an extension with one attribute that has these characteristics."""
    return json.dumps({"id": ACME, "name": "Acme", "attributes": [{"name": "badge", **badge}, {"name": "team"}]})


def keys(site: Site, slug: str, path: str) -> list[tuple[str, str | None]]:
    app = apps.get(site.installation.db, slug)
    query = ValueRow.select(ValueRow.key, ValueRow.unique_key).where(ValueRow.app_id == app.id, ValueRow.path == path)
    return sorted(site.installation.db.rows(query))  # type: ignore[arg-type]


def document(site: Site, id: str) -> dict[str, Any]:
    query = ResourceRow.select(ResourceRow.document, ResourceRow.version).where(ResourceRow.uuid == id)
    row = site.installation.db.row(query)
    assert row
    return {**json.loads(row[0]), "version": row[1]}


@pytest.fixture
def slug(site: Site) -> str:
    """An app with an extension of users."""
    made = site.app("Acme", "--slug", f"acme-{len(apps.every(site.installation.db))}")
    add(site, made, acme())
    return made


def add(site: Site, slug: str, text: str, *options: str) -> str:
    result = site.run("schema", "add", "--app", slug, "--to", "User", *options, input=text)
    assert result.exit_code == 0, result.output
    return result.stderr


def refused(site: Site, slug: str, text: str, *options: str) -> str:
    return site.fails("schema", "add", "--app", slug, "--to", "User", *options, input=text)


# --- add, list, show ----------------------------------------------------------------------------------------------


def test_add_from_a_file_and_show_it_again(site, slug, tmp_path):
    file = tmp_path / "devices.json"
    file.write_text(json.dumps({"Resources": DEVICES}))
    said = site.run("schema", "add", str(file), "--app", slug).stderr
    assert f"Declared Device, {DEVICE}." in said
    listed = {each["schema"]: each for each in site.json_lines("schema", "list", "--app", slug)}
    assert listed[DEVICE]["resource_types"] == [{"name": "Device", "core": True, "required": True}]
    assert listed[ACME]["declared"] is True
    assert listed["urn:ietf:params:scim:schemas:core:2.0:User"]["declared"] is False
    printed = site.ok("schema", "list", "--app", slug)
    assert "Device (core)" in printed
    assert "built in" in printed
    assert "displayName" in site.ok("schema", "show", "device", "--app", slug)
    assert "badge" in site.ok("schema", "show", ACME, "--app", slug)


def test_what_show_prints_can_be_declared_elsewhere(site, slug):
    site.run("schema", "add", "-", "--app", slug, input=json.dumps(DEVICES))
    other = site.app("Other", "--slug", f"{slug}-copy")
    site.ok("schema", "add", "--app", other, input=site.ok("schema", "show", "Device", "--app", slug, "--json"))
    site.ok(
        "schema", "add", "--app", other, "--to", "User", input=site.ok("schema", "show", ACME, "--app", slug, "--json")
    )
    lists = [site.json_lines("schema", "list", "--app", each) for each in (slug, other)]
    by_schema = [sorted(({**row, "app": None} for row in each), key=lambda row: row["schema"]) for each in lists]
    assert by_schema[0] == by_schema[1]


def test_it_is_journalled_once(site, slug):
    app = apps.get(site.installation.db, slug)
    assert "declared like that already" in add(site, slug, acme())
    again = apps.get(site.installation.db, slug)
    assert again.version == app.version
    assert again.resource_types is app.resource_types
    site.run("schema", "remove", ACME, "--app", slug)
    rows = report.read(site.installation.db, Selection(app_id=app.id))
    assert [(row.action, row.detail) for row in rows if row.action.startswith("schema")] == [
        ("schema_declared", ACME),
        ("schema_removed", ACME),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "Nothing is declared"),
        ('{"id": "urn:x:y", "attributes": [{"name": "a", "type": "text"}]}', "attributes[0].type: Must be one of"),
        ('{"id": "x", "attributes": [{"name": "a"}]}', "is no schema URN"),
    ],
)
def test_what_cannot_hold_is_refused(site, slug, text, said):
    assert said in refused(site, slug, text)


def test_where_it_belongs_must_be_said(site, slug):
    other = json.dumps({"id": "urn:x:other", "attributes": [{"name": "a"}]})
    assert "belongs to no resource type" in site.fails("schema", "add", "--app", slug, input=other)
    assert "There is no resource type" in site.fails("schema", "add", "--app", slug, "--to", "Robot", input=other)
    assert "There is no app" in site.fails("schema", "list", "--app", "nowhere")
    assert "has no schema or resource type" in site.fails("schema", "show", "Robot", "--app", slug)
    assert "Nothing is declared as" in site.fails("schema", "remove", "Robot", "--app", slug)
    assert "is built in" in site.fails("schema", "remove", "User", "--app", slug)


# --- declared anew over stored values -----------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"type": "integer"}, {"multiValued": True}])
def test_values_of_another_kind_stand_against_it(site, slug, change):
    user = site.user(slug, "ada", **{ACME: {"badge": "7", "team": "x"}})
    said = refused(site, slug, acme(**change))
    assert f"{ACME}:badge (1)" in said
    assert "--yes" in said
    assert "deleted" in add(site, slug, acme(**change), "--force")
    assert document(site, user.id)[ACME] == {"team": "x"}
    assert document(site, user.id)["version"] == 2
    assert keys(site, slug, f"{ACME}:badge") == []
    site.user(slug, "bob", **{ACME: {"badge": ["7"] if "multiValued" in change else 7}})


def test_an_attribute_without_values_can_change(site, slug):
    site.user(slug, "ada", **{ACME: {"team": "x"}})
    add(site, slug, acme(type="complex", subAttributes=[{"name": "value"}]))
    site.user(slug, "bob", **{ACME: {"badge": {"value": "7"}}})


def test_what_becomes_required_must_be_there(site, slug):
    site.user(slug, "ada", **{ACME: {"team": "x"}})
    site.user(slug, "bob", **{ACME: {"badge": "7"}})
    said = refused(site, slug, acme(required=True))
    assert f"{ACME}:badge is required" in said
    assert "Missing in ada." in said
    site.user(slug, "cyd")
    said = refused(site, slug, acme(), "--required")
    assert "Missing in cyd." in said
    empty = site.app("Empty", "--slug", f"{slug}-empty")
    add(site, empty, acme(required=True), "--required")


def test_unique_is_refused_over_duplicates_with_the_list(site, slug):
    for name, badge in (("ada", "A7"), ("bob", "a7"), ("cyd", "C1")):
        site.user(slug, name, **{ACME: {"badge": badge}})
    said = refused(site, slug, acme(uniqueness="server"))
    assert "ada, bob" in said
    assert "cyd" not in said
    # With case they differ, and then they are unique; without it again they are not.
    assert "indexed anew" in add(site, slug, acme(uniqueness="server", caseExact=True))
    assert keys(site, slug, f"{ACME}:badge") == [("A7", "A7"), ("C1", "C1"), ("a7", "a7")]
    assert "ada, bob" in refused(site, slug, acme(uniqueness="server"))
    add(site, slug, acme())
    assert keys(site, slug, f"{ACME}:badge") == [("a7", None), ("a7", None), ("c1", None)]


def test_many_resources_are_indexed_anew(site, slug):
    for number in range(30):
        site.user(slug, f"u{number}", **{ACME: {"badge": f"B{number}", "team": "T"}})
    add(site, slug, acme(uniqueness="server"))
    assert keys(site, slug, f"{ACME}:badge") == sorted((f"b{n}", f"b{n}") for n in range(30))
    assert keys(site, slug, f"{ACME}:team") == [("t", None)] * 30


# --- remove -------------------------------------------------------------------------------------------------------


def test_remove_an_extension(site, slug):
    user = site.user(slug, "ada", **{ACME: {"badge": "7"}})
    gone = site.user(slug, "bob", **{ACME: {"badge": "8"}})
    site.delete(slug, gone)
    assert f"{ACME}:badge (1)" in site.fails("schema", "remove", ACME, "--app", slug)
    site.ok("schema", "remove", ACME, "--app", slug, "--force")
    for each in (user, gone):
        assert ACME not in document(site, each.id)
        assert document(site, each.id)["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:User"]
    assert keys(site, slug, f"{ACME}:badge") == []
    assert ACME not in site.ok("schema", "list", "--app", slug)


def test_remove_a_type(site, slug):
    site.ok("schema", "add", "--app", slug, input=json.dumps(DEVICES))
    made = site._create(slug, "Devices", {"displayName": "Phone", "serial": "1"})
    assert site.json("app", "show", slug)["others"] == 1
    assert "1 resources of the type Device" in site.fails("schema", "remove", "Device", "--app", slug)
    assert "is the core schema of Device" in site.fails("schema", "remove", DEVICE, "--app", slug)
    site.ok("schema", "remove", "Device", "--app", slug, "--yes")
    assert site.installation.db.row(ResourceRow.select().where(ResourceRow.uuid == made.id)) is None
    assert site.json("app", "show", slug)["others"] == 0


def test_an_app_goes_with_its_own_types(site, slug):
    site.ok("schema", "add", "--app", slug, input=json.dumps(DEVICES))
    site._create(slug, "Devices", {"displayName": "Phone"})
    said = site.run("app", "delete", slug, input="y\n").stderr
    assert "1 other resource" in said
    app_id = apps.ever(site.installation.db, slug)[0]
    assert site.installation.db.rows(ResourceRow.select().where(ResourceRow.app_id == app_id)) == []


def test_what_nobody_may_read_is_not_shown(site, slug):
    add(site, slug, acme(mutability="writeOnly"))
    site.user(slug, "ada", **{ACME: {"badge": "hush", "team": "x"}})
    printed = site.ok("user", "show", "ada", "--app", slug, "--json")
    assert "hush" not in printed
    assert "team" in printed

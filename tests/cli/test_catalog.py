"""`scimlite schema catalog`, `schema add NAME` and `schema diff`: ready-made declarations and their newer versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scimlite.admin import apps, catalog
from scimlite.journal import report
from scimlite.journal.selection import Selection

ROBOT = "urn:example:schemas:2.0:Robot"
ARMS = "urn:example:schemas:extension:2.0:Arms"
WHEELS = "urn:example:schemas:extension:2.0:Wheels"

FIRST: dict[str, Any] = {
    "version": 1,
    "title": "Robots",
    "source": "draft-robots-00",
    "date": "2026-01-01",
    "url": "https://example.com/robots/00",
    "notes": ["Nothing is left out."],
    "Resources": [
        {
            "name": "Robot",
            "endpoint": "/Robots",
            "schema": ROBOT,
            "schemaExtensions": [{"schema": ARMS}, {"schema": WHEELS}],
        },
        {
            "id": ROBOT,
            "attributes": [
                {"name": "displayName", "required": True},
                {"name": "serial"},
                {"name": "place", "type": "complex", "subAttributes": [{"name": "room"}, {"name": "floor"}]},
            ],
        },
        {"id": ARMS, "attributes": [{"name": "number", "type": "integer"}]},
        {"id": WHEELS, "attributes": [{"name": "wheels", "type": "integer"}]},
    ],
}


def second() -> dict[str, Any]:
    """The same entry in its next version: an attribute more, one that is unique, a schema less."""
    entry = json.loads(json.dumps(FIRST))
    robot, core, arms, _ = entry["Resources"]
    robot["schemaExtensions"] = [{"schema": ARMS, "required": False}]
    core["attributes"][1]["uniqueness"] = "server"
    core["attributes"][2]["subAttributes"].append({"name": "building"})
    core["attributes"].append({"name": "colour", "description": "Its colour."})
    return {**entry, "version": 2, "source": "draft-robots-01", "Resources": [robot, core, arms]}


@pytest.fixture
def robots(tmp_path, monkeypatch):
    """Puts an entry `robots` into a catalogue of its own; returns the function that writes a version of it."""
    folder = tmp_path / "declarations"
    folder.mkdir()
    monkeypatch.setattr(catalog, "_FOLDER", folder)

    def put(entry: dict[str, Any]) -> None:
        (folder / "robots.json").write_text(json.dumps(entry))

    put(FIRST)
    return put


@pytest.fixture
def slug(site) -> str:
    return site.app("Ready", "--slug", f"ready-{len(apps.every(site.installation.db))}")


def add(site, slug, name="robots", *options):
    result = site.run("schema", "add", name, "--app", slug, *options)
    assert result.exit_code == 0, result.output
    return result.stderr


def origins(site, slug) -> dict[str, Any]:
    return {row["schema"]: row["catalog"] for row in site.json_lines("schema", "list", "--app", slug) if row["catalog"]}


# --- the catalogue ------------------------------------------------------------------------------------------------


def test_the_list_says_what_there_is_and_where_it_comes_from(site):
    listed = {entry["name"]: entry for entry in site.json_lines("schema", "catalog")}
    assert list(listed) == ["agents", "agents-wzdk", "devices", "okta-entitlements"]
    assert listed["devices"]["source"] == "RFC 9944"
    assert listed["agents"]["resource_types"] == ["Agent", "AgenticApplication"]
    assert "urn:ietf:params:scim:schemas:extension:ble:2.0:Device" in listed["devices"]["schemas"]
    assert all(entry["version"] >= 1 and entry["url"].startswith("https://") for entry in listed.values())
    printed = site.ok("schema", "catalog")
    assert "draft-abbey-scim-agent-extension-00" in printed


@pytest.mark.parametrize("name", ["agents", "agents-wzdk", "devices", "okta-entitlements"])
def test_an_entry_is_shown_and_its_json_declares_the_same(site, slug, name):
    printed = site.ok("schema", "catalog", name.upper())
    entry = catalog.find(name)
    assert all(kind.name in printed for kind in entry.types)
    assert all(note in " ".join(printed.split()) for note in entry.notes)
    site.ok("schema", "add", "--app", slug, input=site.ok("schema", "catalog", name, "--json"))
    by_file = apps.get(site.installation.db, slug).declared
    add(site, slug, name)
    by_name = apps.get(site.installation.db, slug).declared
    assert [item.declaration() for item in by_name.schemas.values()] == [
        item.declaration() for item in by_file.schemas.values()
    ]
    assert "is declared as the catalogue has it" in site.run("schema", "diff", name, "--app", slug).stderr


def test_a_name_that_does_not_exist(site, slug):
    assert "Did you mean 'agents'?" in site.fails("schema", "add", "agnets", "--app", slug)
    assert "Entries: agents, agents-wzdk" in site.fails("schema", "catalog", "robots")
    assert "There is no file robots.json" in site.fails("schema", "add", "robots.json", "--app", slug, code=2)
    assert "leave out --to" in site.fails("schema", "add", "agents", "--to", "User", "--app", slug, code=2)
    assert "declares nothing from agents: scimlite schema add" in site.fails("schema", "diff", "agents", "--app", slug)


def test_a_file_comes_before_an_entry_of_that_name(site, slug, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices").mkdir()
    add(site, slug, "devices")
    (tmp_path / "agents").write_text(json.dumps({"id": ROBOT, "attributes": [{"name": "a"}]}))
    add(site, slug, "agents", "--to", "User")
    assert set(origins(site, slug)) == {item.id for item in catalog.find("devices").schemas}


def test_one_entry_does_not_take_what_another_declared(site, slug):
    add(site, slug, "agents")
    said = site.fails("schema", "add", "agents-wzdk", "--app", slug)
    assert "Agent comes from agents already" in said
    site.ok("schema", "remove", "Agent", "--app", slug)
    add(site, slug, "agents-wzdk")
    assert {origin["name"] for origin in origins(site, slug).values()} == {"agents", "agents-wzdk"}


# --- versions -----------------------------------------------------------------------------------------------------


def test_what_differs_from_a_newer_version(site, slug, robots):
    said = add(site, slug)
    assert said.startswith("Declared robots 1: Robot, ")
    robots(second())
    assert "robots 1 (2 available)" in site.ok("schema", "list", "--app", slug)
    assert origins(site, slug)[ROBOT] == {"name": "robots", "version": 1, "available": 2}
    compared = site.json("schema", "diff", "robots", "--app", slug)
    assert (compared["version"], compared["available"]) == (1, 2)
    assert [
        (each["path"], each["characteristic"], each["here"], each["catalog"]) for each in compared["differences"]
    ] == [
        (
            "Robot",
            "schemaExtensions",
            [{"schema": ARMS, "required": False}, {"schema": WHEELS, "required": False}],
            [{"schema": ARMS, "required": False}],
        ),
        (f"{ROBOT}:serial", "uniqueness", "none", "server"),
        (f"{ROBOT}:place.building", None, None, True),
        (f"{ROBOT}:colour", None, None, True),
        (WHEELS, None, True, None),
    ]
    printed = site.run("schema", "diff", "robots", "--app", slug)
    assert "Version 1 is declared, 2 is in the catalogue." in printed.stderr
    assert "uniqueness" in printed.stdout


def test_add_again_brings_the_newer_version(site, slug, robots):
    add(site, slug)
    made = site._create(slug, "Robots", {"displayName": "R2", "serial": "1", "place": {"room": "7"}})
    robots(second())
    said = add(site, slug)
    assert said.startswith("Declared robots 2: ")
    assert origins(site, slug)[ARMS] == {"name": "robots", "version": 2, "available": 2}
    assert WHEELS not in site.ok("schema", "list", "--app", slug)
    assert "is declared as the catalogue has it" in site.run("schema", "diff", "robots", "--app", slug).stderr
    assert "declared like that already" in add(site, slug)
    assert made.id
    app = apps.get(site.installation.db, slug)
    details = [
        row.detail
        for row in report.read(site.installation.db, Selection(app_id=app.id))
        if row.action == "schema_declared"
    ]
    assert [detail.split(":")[0] for detail in details] == ["robots 1", "robots 2"]


def test_a_newer_version_that_stored_values_contradict_is_refused(site, slug, robots):
    add(site, slug)
    for name in ("R2", "C3"):
        site._create(slug, "Robots", {"displayName": name, "serial": "1", WHEELS: {"wheels": 3}})
    robots(second())
    before = apps.get(site.installation.db, slug).declared.to_json()
    assert f"{WHEELS}:wheels (2)" in site.fails("schema", "add", "robots", "--app", slug)
    assert apps.get(site.installation.db, slug).declared.to_json() == before
    # What is lost can be given up; that two robots share a serial cannot.
    assert "share values that would have to be unique" in site.fails(
        "schema", "add", "robots", "--app", slug, "--force"
    )
    assert apps.get(site.installation.db, slug).declared.to_json() == before


def test_a_pattern_that_stored_values_do_not_match_is_refused(site, slug, robots):
    add(site, slug)
    for name, room in (("R2", "A-7"), ("C3", "7"), ("BB", "")):
        site._create(slug, "Robots", {"displayName": name, "serial": "1", "place": {"room": room, "floor": "2"}})
    entry = json.loads(json.dumps(FIRST))
    place = entry["Resources"][1]["attributes"][2]["subAttributes"]
    place[0]["pattern"] = "[A-Z]-[0-9]+"
    robots(entry)
    said = site.fails("schema", "add", "robots", "--app", slug)
    assert "place.room does not match [A-Z]-[0-9]+ in C3." in said
    place[0]["pattern"] = "([A-Z]-)?[0-9]+"
    robots(entry)
    add(site, slug)
    (difference,) = site.json("schema", "diff", "robots", "--app", slug)["differences"] or [None]
    assert difference is None


def test_what_the_operator_changed_shows_and_can_be_brought_back(site, slug, robots):
    add(site, slug)
    own = {"id": ARMS, "attributes": [{"name": "number", "type": "integer", "required": True}, {"name": "length"}]}
    site.ok("schema", "add", "--app", slug, input=json.dumps(own))
    differences = site.json("schema", "diff", "robots", "--app", slug)["differences"]
    assert [(each["path"], each["characteristic"]) for each in differences] == [
        (f"{ARMS}:number", "required"),
        (f"{ARMS}:length", None),
    ]
    add(site, slug)
    assert site.json("schema", "diff", "robots", "--app", slug)["differences"] == []


def test_an_entry_that_is_removed_is_forgotten(site, slug, robots):
    add(site, slug)
    site.ok("schema", "remove", ARMS, "--app", slug)
    (difference, extensions) = site.json("schema", "diff", "robots", "--app", slug)["differences"][::-1]
    assert (difference["path"], difference["here"]) == (ARMS, None)
    assert extensions["characteristic"] == "schemaExtensions"
    site.ok("schema", "remove", "Robot", "--app", slug)
    assert apps.get(site.installation.db, slug).declared.to_json() == "{}"
    assert "declares nothing from robots" in site.fails("schema", "diff", "robots", "--app", slug)


def test_an_entry_that_a_newer_scimlite_has_no_more(site, slug, robots, monkeypatch, tmp_path):
    add(site, slug)
    monkeypatch.setattr(catalog, "_FOLDER", tmp_path)
    assert origins(site, slug)[ROBOT] == {"name": "robots", "version": 1, "available": None}
    assert "robots 1" in site.ok("schema", "list", "--app", slug)

"""`scimlite app export` and `app import`: an app as a file, without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import Site
from scimlite.admin import apps
from scimlite.scim.core import USER_URN

ACME = "urn:example:acme:2.0:User"
EXTENSION = {"id": ACME, "name": "Acme", "attributes": [{"name": "badge", "pattern": "[0-9]+"}, {"name": "team"}]}


@pytest.fixture
def slug(site: Site) -> str:
    """An app with something of everything: profile, features, mapping, declarations, some from the catalogue."""
    made = site.app("Kept", "--slug", f"kept-{len(apps.every(site.installation.db))}", "--profile", "strict")
    site.ok("schema", "add", "agents", "--app", made)
    site.ok("schema", "add", "--app", made, "--to", "User", "--required", input=json.dumps(EXTENSION))
    site.ok("app", "edit", made, "--feature", "revive=on", "--feature", "patch-elements=on")
    site.ok("mapping", "set", "--app", made, "badge", f"{ACME}:badge", "--required")
    return made


def exported(site: Site, slug: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(site.ok("app", "export", slug))
    return body


def load(site: Site, body: Any, *options: str) -> str:
    result = site.run("app", "import", "-", *options, input=json.dumps(body))
    assert result.exit_code == 0, result.output
    return result.stderr


def entries(site: Site, slug: str) -> int:
    return len(site.json_lines("report", "--app", slug))


def test_a_copy_is_the_same_app(site: Site, slug: str) -> None:
    body = exported(site, slug)
    assert body["features"] == {"patch-elements": "on", "revive": "on"}
    assert body["catalog"].keys() == {"agents"}
    copied = load(site, body, "--app", f"copy-of-{slug}", "--create")
    assert "Made the app" in copied
    assert "revive: off -> on" in copied
    assert exported(site, f"copy-of-{slug}") == {**body, "slug": f"copy-of-{slug}"}
    assert "agents" in site.ok("schema", "list", "--app", f"copy-of-{slug}")


def test_there_is_no_secret_in_it(site: Site, slug: str) -> None:
    assert "scimlite_" not in site.ok("app", "export", slug).replace('"scimlite_app"', "")
    site_copy = f"bare-{slug}"
    load(site, exported(site, slug), "--app", site_copy, "--create")
    assert site.json_lines("token", "list", site_copy) == []


def test_the_same_file_again_changes_nothing(site: Site, slug: str) -> None:
    before = apps.get(site.installation.db, slug)
    body = exported(site, slug)
    # Declared in another order.
    body["declarations"].reverse()
    assert "nothing to change" in load(site, body)
    assert apps.get(site.installation.db, slug).version == before.version


def test_a_dry_run_changes_nothing(site: Site, slug: str) -> None:
    body = {**exported(site, slug), "name": "Renamed", "features": {"revive": "off"}}
    said = site.run("app", "import", "-", "--dry-run", input=json.dumps(body))
    assert "name: Kept -> Renamed" in said.stdout
    assert "patch-elements: on -> off" in said.stdout
    assert exported(site, slug)["name"] == "Kept"
    fresh = f"never-{slug}"
    load(site, body, "--app", fresh, "--create", "--dry-run")
    assert fresh not in site.ok("app", "list")


def test_what_the_file_leaves_out_is_as_in_a_new_app(site: Site, slug: str) -> None:
    load(site, {"scimlite_app": 1, "slug": slug})
    assert exported(site, slug) == {"scimlite_app": 1, "slug": slug, "name": "Kept", "profile": "default"}


def test_stored_values_are_not_lost_without_a_word(site: Site, slug: str) -> None:
    user = site.user(slug, "ann", schemas=[USER_URN, ACME], **{ACME: {"badge": "1", "team": "red"}})
    bare = {"scimlite_app": 1, "slug": slug, "profile": "entra"}
    before = exported(site, slug)
    assert "--yes" in site.fails("app", "import", "-", input=json.dumps(bare))
    assert exported(site, slug) == before, "nothing is half done"
    load(site, bare, "--yes")
    assert ACME not in site.ok("user", "show", user.id, "--json")


def test_rows_of_the_mapping_come_and_go_with_their_attributes(site: Site, slug: str) -> None:
    other = {"id": "urn:example:other", "name": "Other", "attributes": [{"name": "desk"}]}
    body = exported(site, slug)
    body["declarations"] = [
        {
            "name": "User",
            "endpoint": "/Users",
            "schema": "urn:ietf:params:scim:schemas:core:2.0:User",
            "schemaExtensions": [{"schema": other["id"], "required": False}],
        },
        other,
    ]
    del body["catalog"]
    body["mapping"]["user"][-1] = {"target": "desk", "source": f"{other['id']}:desk"}
    load(site, body, "--yes")
    assert exported(site, slug)["mapping"] == body["mapping"]
    assert ACME not in site.ok("app", "export", slug)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"scimlite_app": 2}, "scimlite_app"),
        ({"scimlite_app": True}, "scimlite_app"),
        ({"tokens": []}, "tokens"),
        ({"name": 7}, "name"),
        ({"name": ""}, "name"),
        ({"profile": "stern"}, "stern"),
        ({"features": {"reviev": "on"}}, "reviev"),
        ({"features": {"revive": "maybe"}}, "revive"),
        ({"features": {"revive": True}}, "features"),
        ({"features": {"revive": "on", "Revive": "off"}}, "revive twice"),
        ({"features": []}, "features"),
        ({"mapping": {"user": [{"target": "x", "source": "nothing"}]}}, "nothing"),
        ({"mapping": {"users": []}}, "users"),
        ({"mapping": None}, "mapping"),
        ({"declarations": {}}, "declarations"),
        ({"declarations": [{"id": "urn:x", "attributes": [{"name": "a", "type": "text"}]}]}, "type"),
        ({"declarations": [{"name": "A"}]}, "Schema"),
        ({"catalog": {"agents": {"version": 1, "names": ["urn:not:there"]}}}, "catalog"),
        ({"catalog": {"agents": 1}}, "catalog"),
    ],
)
def test_a_wrong_member_is_named(site: Site, slug: str, change: dict[str, Any], named: str) -> None:
    before, rows = exported(site, slug), entries(site, slug)
    wrong = json.dumps({**before, **change})
    assert named in site.fails("app", "import", "-", "--yes", input=wrong)
    assert (exported(site, slug), entries(site, slug)) == (before, rows)
    made = f"wrong-{slug}"
    site.fails("app", "import", "-", "--app", made, "--create", "--yes", input=wrong)
    assert made not in site.ok("app", "list")


def test_files_that_are_none(site: Site, tmp_path: Path) -> None:
    assert "JSON" in site.fails("app", "import", "-", input="{")
    assert "JSON object" in site.fails("app", "import", "-", input="[]")
    assert "no member scimlite_app" in site.fails("app", "import", "-", input="{}")
    assert "no slug" in site.fails("app", "import", "-", input='{"scimlite_app": 1}')
    assert "--create" in site.fails("app", "import", "-", input='{"scimlite_app": 1, "slug": "nowhere-at-all"}')
    absent = site.run("app", "import", str(tmp_path / "nowhere.json"))
    assert absent.exit_code == 2
    assert "nowhere.json" in absent.stderr


@pytest.mark.parametrize(
    "command",
    [("app", "import"), ("mapping", "import", "--app"), ("schema", "add", "--app"), ("mapping", "test", "--app")],
    ids=" ".join,
)
@pytest.mark.parametrize("contents", [b"", b"{", b"\xff\xfe{", b'{"a": 1, "a": 2}', b"[" * 5000])
def test_json_that_cannot_be_read_is_named_by_its_file(
    site: Site, slug: str, tmp_path: Path, command: tuple[str, ...], contents: bytes
) -> None:
    file = tmp_path / "wrong.json"
    file.write_bytes(contents)
    app = [slug] if command[-1] == "--app" else []
    option = ["--file"] if command[1] == "test" else []
    said = site.fails(*command, *app, *option, str(file))
    assert said.startswith(f"Error: {file} ")
    assert "The body" not in said


def test_the_file_names_its_app_before_the_environment_does(site: Site, slug: str) -> None:
    other = site.app("Other", "--slug", f"other-{slug}")
    renamed = {**exported(site, slug), "name": "Renamed"}
    assert "Kept -> Renamed" in site.run("app", "import", "-", input=json.dumps(renamed), SCIMLITE_APP=other).stderr
    del renamed["slug"]
    assert "Other -> Renamed" in site.run("app", "import", "-", input=json.dumps(renamed), SCIMLITE_APP=other).stderr

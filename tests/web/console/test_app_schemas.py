"""The pages of an app's schemas: what is listed, declared, compared, removed and refused."""

import hashlib
import json
import re
from dataclasses import replace
from html import unescape

import orjson
import pytest

from browser import axe, picture, sizes
from console_client import signed_in
from scim_client import USER_URN
from scimlite.admin import catalog, schema_use, schemas
from scimlite.apps import update
from scimlite.operators.roles import Role
from scimlite.scim import declared

URN = "urn:example:params:scim:schemas:extension:acme:2.0:User"
ACME = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
    "id": URN,
    "name": "Acme <b>staff</b>",
    "description": "What Acme \u202e needs.",
    "attributes": [
        {"name": "badge", "type": "string", "multiValued": False, "required": False, "uniqueness": "server"},
        {"name": "floors", "type": "integer", "multiValued": True, "required": False},
    ],
}


@pytest.fixture(scope="module")
def owner(installation):
    return signed_in(installation, "schemas-owner")


@pytest.fixture
def path(app):
    return f"/console/apps/{app.slug}/schemas"


def declare(owner, path, body=ACME, **fields):
    owner.get(path).ok()
    text = body if isinstance(body, str) else json.dumps(body)
    return owner.post(f"{path}/declare", {"declaration": text, "to": "User", **fields})


def urns(installation, app):
    return [each.schema.id for each in schemas.every(installation.app_row(app)) if each.declared]


def person(app, name, **values):
    body = {"schemas": [USER_URN, URN], "userName": name, URN: values}
    return app.client.post("/Users", body).ok().id


def test_built_in_schemas_are_shown_with_their_attributes(owner, app, path):
    page = owner.get(path).ok()
    assert "urn:ietf:params:scim:schemas:core:2.0:User" in page.words
    assert "agents AI agents" in page.words
    page = owner.get(f"{path}/show?name=User").ok()
    assert re.search(r"userName string required default server readWrite", page.words)
    assert "emails.value" not in page.words.split("emails complex")[0]
    assert "Remove" not in page.words
    owner.get(f"{path}/show?name=urn:ietf:params:scim:schemas:core:2.0:Group").ok()
    owner.get(f"{path}/show?name=Nothing").ok(404)
    owner.get(f"{path}/show").ok(404)


def test_a_schema_is_declared_and_counted(installation, owner, app, path):
    page = owner.follow(declare(owner, path).ok(303))
    assert f"Declared {URN}." in page.words
    assert "Remove" not in owner.get(f"{path}/show?name=User").words
    assert urns(installation, app) == [URN]
    person(app, "ann@example.com", badge="7", floors=[1, 2])
    person(app, "bob@example.com", floors=[3])
    assert re.search(re.escape(URN) + r" User 2 here 2", owner.get(path).words)
    page = owner.get(f"{path}/show?name={URN}").ok()
    assert "2 have values of it" in page.words
    assert "Acme <b>staff</b>" in page.words
    assert "What Acme \\u202e needs." in page.words
    assert "badge string default server readWrite" in page.words
    assert "floors integer, several default none readWrite" in page.words
    entry = installation.journal(app, wire=False, action="schema_declared")[-1]
    assert (entry.client, entry.detail) == ("console:schemas-owner", URN)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "The declaration"),
        ("", "The declaration"),
        ([], ""),
        ({**ACME, "attributes": [{"name": "x", "type": "colour"}]}, "attributes[0].type: Must be one of"),
        ({**ACME, "id": USER_URN}, USER_URN),
        ("[" * 5000, "The declaration"),
    ],
)
def test_a_wrong_declaration_is_said_beside_it(installation, owner, app, path, body, said):
    page = declare(owner, path, body).ok(400)
    beside = re.search(r'id="field-declaration-error">([^<]*)', page.source)
    assert beside
    assert said in unescape(beside[1])
    shown = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page.source, re.DOTALL)
    assert unescape(shown[1]) == (body if isinstance(body, str) else json.dumps(body))
    assert urns(installation, app) == []


def test_what_was_done_is_said_even_when_it_is_long(owner, app, path):
    # Digests, which no compression makes short.
    digests = [hashlib.sha256(bytes([number])).hexdigest() for number in range(150)]
    several = [{**ACME, "id": f"{URN}:{digest}", "attributes": [{"name": "x"}]} for digest in digests]
    done = declare(owner, path, several).ok(303)
    assert max(len(cookie) for cookie in owner.cookies.values()) < 4000
    assert "Declared urn:example" in owner.follow(done).ok().words


def test_a_file_is_declared(installation, owner, app, path):
    owner.get(path)
    boundary = "b0undary"
    fields = {"csrf_token": owner.csrf, "to": "User", "declaration": ""}
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    named = 'name="file"; filename="acme.json"'
    parts.append(
        f"--{boundary}\r\nContent-Disposition: form-data; {named}\r\n\r\n{json.dumps(ACME)}\r\n--{boundary}--\r\n"
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Origin": owner.url}
    owner.send("POST", f"{path}/declare", "".join(parts), headers=headers).ok(303)
    assert urns(installation, app) == [URN]


def test_what_a_new_declaration_would_delete_is_asked_about(installation, owner, app, path):
    declare(owner, path).ok(303)
    person(app, "ann@example.com", badge="7", floors=[1])
    smaller = {**ACME, "attributes": ACME["attributes"][:1]}
    page = declare(owner, path, smaller).ok(400)
    assert "These values would be deleted" in page.words
    assert "Delete them and declare" in page.words
    declare(owner, path, smaller, sure="yes").ok(303)
    assert "floors integer" not in owner.get(f"{path}/show?name={URN}").words


def test_what_stored_users_lack_cannot_be_required(installation, owner, app, path):
    app.client.user("ann@example.com").ok()
    page = declare(owner, path, required="on").ok(400)
    assert "ann@example.com" in page.words
    assert urns(installation, app) == []


def test_an_entry_of_the_catalogue_is_declared_and_compared(installation, owner, app, path):
    owner.get(path)
    owner.post(f"{path}/entry", {"entry": "agents"}).ok(303)
    page = owner.get(path).ok()
    assert "Agent" in page.words
    assert "Compare agents" in page.source
    page = owner.get(f"{path}/compare?entry=agents").ok()
    assert "It is declared as the catalogue has it." in page.words
    owner.get(f"{path}/show?name=Agent").ok()
    owner.get(f"{path}/compare?entry=devices").ok(404)
    owner.get(f"{path}/compare?entry=nothing").ok(404)
    assert "The catalogue has no entry" in owner.post(f"{path}/entry", {"entry": "agent"}).ok(400).words


def test_an_older_version_is_compared_and_brought_up_to_date(installation, owner, app, path):
    schemas.add_entry(installation.scope, app.slug, "okta-entitlements")
    row = installation.app_row(app)
    origin = row.declared.origins["okta-entitlements"]
    old = replace(row.declared, origins={origin.name: replace(origin, version=0)}).to_json()
    stored = orjson.loads(old)
    changed = stored["schemas"][0]["attributes"][0]
    changed["description"] = "An older sentence."
    text = orjson.dumps(stored).decode()
    assert declared.from_json(text).origins
    installation.db.transact(lambda: update(installation.db, row, declared=text))
    available = catalog.find("okta-entitlements").version
    assert f"version {available} is there" in owner.get(path).words
    page = owner.get(f"{path}/compare?entry=okta-entitlements").ok()
    assert f"Version 0 is declared, {available} is in the catalogue." in page.words
    assert "An older sentence." in page.words
    owner.post(f"{path}/entry", {"entry": "okta-entitlements"}).ok(303)
    assert "No difference" in owner.get(f"{path}/compare?entry=okta-entitlements").words


def test_a_removal_says_what_goes_and_has_the_name_typed(installation, owner, app, path):
    declare(owner, path).ok(303)
    person(app, "ann@example.com", badge="7", floors=[1])
    owner.get(f"{path}/show?name={URN}").ok()
    page = owner.post(f"{path}/remove", {"name": URN}).ok()
    assert f"{URN}:badge (1)" in page.words
    assert "These values would be deleted." in page.words
    page = owner.post(f"{path}/remove", {"name": URN, "confirmed": "yes"}).ok(400)
    assert "This is not the name." in page.words
    assert urns(installation, app) == [URN]
    page = owner.follow(owner.post(f"{path}/remove", {"name": URN, "confirmed": URN}).ok(303))
    assert "Values of User resources were deleted" in page.words
    assert urns(installation, app) == []


def test_a_removal_of_what_is_not_used_or_not_there(installation, owner, app, path):
    declare(owner, path).ok(303)
    assert "Nothing is stored of it." in owner.post(f"{path}/remove", {"name": URN}).ok().words
    assert urns(installation, app) == [URN]
    owner.post(f"{path}/remove", {"name": "Nothing"}).ok(400)
    owner.post(f"{path}/remove", {"name": USER_URN, "confirmed": USER_URN}).ok(400)
    owner.post(f"{path}/remove", {}).ok(400)


def test_a_count_ends_at_its_limit(installation, owner, app, path, monkeypatch):
    monkeypatch.setattr(schema_use, "MOST", 2)
    declare(owner, path).ok(303)
    for number in range(4):
        deleted = person(app, f"p{number}@example.com", floors=[number])
    row = installation.app_row(app)
    listed = next(each for each in schemas.every(row) if each.declared)
    assert schema_use.holders(installation.db, row, listed) == 3
    monkeypatch.setattr(schema_use, "MOST", 10)
    app.client.delete(f"/Users/{deleted}").ok()
    assert schema_use.holders(installation.db, row, listed) == 3


def test_resources_of_a_declared_type_are_counted(installation, owner, app, path):
    schemas.add_entry(installation.scope, app.slug, "okta-entitlements")
    app_row = installation.app_row(app)
    own = [each for each in schemas.every(app_row) if each.declared and any(use.core for use in each.uses)]
    assert own
    assert {schema_use.holders(installation.db, app_row, each) for each in own} == {0}


def test_an_auditor_reads_and_changes_nothing(installation, app, path, owner):
    declare(owner, path).ok(303)
    auditor = signed_in(installation, f"schemas-auditor-{app.slug}", Role.AUDITOR)
    for page in ("", f"/show?name={URN}"):
        found = auditor.get(path + page).ok()
        assert f'action="{path}' not in found.source
        assert "Remove" not in found.words
    for form in ("entry", "declare", "remove"):
        auditor.post(f"{path}/{form}", {"name": URN, "entry": "agents", "confirmed": URN}).ok(403)
    assert urns(installation, app) == [URN]


def test_an_operator_of_other_apps_sees_nothing(installation, app, path):
    other = installation.app()
    stranger = signed_in(installation, f"schemas-bound-{app.slug}", Role.OPERATOR, other.slug)
    for page in ("", "/show?name=User", "/compare?entry=agents"):
        stranger.get(path + page).ok(404)
    for form in ("entry", "declare", "remove"):
        stranger.post(f"{path}/{form}", {"name": URN}).ok(404)


def test_in_a_browser(installation, open_page, owner):
    app = installation.app('<b>"Acme"</b>')
    schemas.add_entry(installation.scope, app.slug, "agents")
    page = open_page(viewport={"width": 1280, "height": 900})
    page.context.add_cookies(
        [{"name": key, "value": text, "url": installation.url} for key, text in owner.cookies.items()]
    )
    page.goto(f"{installation.url}/console/apps/{app.slug}/schemas")
    page.get_by_label("Declaration", exact=True).fill(json.dumps(ACME, indent=2))
    page.get_by_role("checkbox", name="User", exact=True).check()
    page.locator("#declare ~ form").get_by_role("button", name="Declare").click()
    page.get_by_text(f"Declared {URN}.").wait_for()
    person(app, "ann@example.com", badge="7")
    axe(page, "schemas")
    sizes(page)
    picture(page, "schemas")
    page.get_by_role("link", name=URN).click()
    page.get_by_text("1 have values of it").wait_for()
    axe(page, "schema")
    sizes(page)
    picture(page, "schema")
    page.get_by_role("button", name="Remove…").click()
    page.get_by_text("These values would be deleted.").wait_for()
    axe(page, "removal")
    sizes(page)
    picture(page, "schema-remove")
    page.locator("#field-confirmed").fill(URN)
    page.get_by_role("button", name="Remove it for good").click()
    page.get_by_text("were deleted").wait_for()
    assert urns(installation, app)
    assert URN not in urns(installation, app)
    page.set_viewport_size({"width": 360, "height": 800})
    page.emulate_media(color_scheme="dark")
    axe(page, "schemas in dark")
    picture(page, "schemas-dark-360")

"""The page of an app's mapping: rows, edits, preview, saving, files, and profiles made anew."""

import json
import re
from html import unescape

import pytest
from playwright.sync_api import expect

from browser import axe, picture, sizes
from console_client import signed_in
from scim_client import USER_URN
from scimlite.admin import apps, mapping
from scimlite.apps import mapping as mappings
from scimlite.directory import profiles
from scimlite.operators.roles import Role

SELECT = re.compile(r'<select[^>]*? name="([^"]+)">(.*?)</select>', re.DOTALL)
HOSTILE = '<script>alert(1)</script>\u202e{{ 7 }}"'


@pytest.fixture(scope="module")
def owner(installation):
    return signed_in(installation, "mapping-owner")


@pytest.fixture
def path(app):
    return f"/console/apps/{app.slug}/mapping"


def form_of(page):
    """The fields of the editor as a browser would send them, one for each name; rows by `user` and `group`."""
    source = page.source[page.source.index('<form id="editor"') :]
    source = source[: source.index("</form>")]
    fields, numbers = {}, {"user": [], "group": []}
    for tag in re.findall(r"<input[^>]*>", source):
        name, value = re.search(r' name="([^"]+)"', tag), re.search(r' value=(?:"([^"]*)"|\'([^\']*)\')', tag)
        if name and name[1] in numbers:
            numbers[name[1]].append(value[1])
        elif name and (('type="checkbox"' not in tag and 'type="radio"' not in tag) or " checked" in tag):
            fields[name[1]] = unescape(value[1] or value[2] or "") if value else "on"
    for name, options in SELECT.findall(source):
        chosen = re.search(r'value="([^"]*)" selected', options)
        fields[name] = unescape(chosen[1]) if chosen else ""
    del fields["csrf_token"]
    return fields, numbers


def send(owner, path, fields, numbers):
    import urllib.parse

    pairs = [("csrf_token", owner.csrf), *fields.items()]
    pairs += [(kind, number) for kind, listed in numbers.items() for number in listed]
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": owner.url}
    return owner.send("POST", path, urllib.parse.urlencode(pairs), headers=headers)


def person(app, name, given):
    """A user with a given name and a title."""
    body = {"schemas": [USER_URN], "userName": name, "name": {"givenName": given}, "title": "boss"}
    return app.client.post("/Users", body).ok().id


def mapping_of(installation, app):
    return mappings.from_json(installation.app_row(app).mapping)


def targets(installation, app):
    return [row.target for row in mapping_of(installation, app).user]


def test_the_default_rows_are_shown(owner, app, path):
    page = owner.get(path).ok()
    fields, numbers = form_of(page)
    assert len(numbers["user"]) == len(mappings.DEFAULT.user)
    assert fields["user-3-text"] == 'emails[type eq "work"].value | emails.value'
    assert '<option value="name.givenName">' in page.source
    assert "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager" in page.source
    assert "password" not in re.findall(r'<option value="([^"]*)">', page.source)
    assert "Nobody is here yet" in page.words


def test_a_form_that_is_sent_as_it_came_changes_nothing(installation, owner, app, path):
    page = owner.follow(send(owner, path, *form_of(owner.get(path))).ok(303))
    assert "Nothing is different" in page.words
    assert mapping_of(installation, app) == mappings.DEFAULT


@pytest.mark.parametrize(
    "rows",
    [
        [{"target": "a", "constant": 5}, {"target": "b", "constant": "5"}, {"target": "c", "constant": True}],
        [{"target": "a", "template": "{userName}!", "default": "none", "transform": ["trim", "lower"]}],
        [{"target": "a", "source": "title", "default": "true", "required": True}, {"target": "b", "constant": '"x"'}],
        [{"target": "a", "source": "title", "transform": ["upper", "trim"]}],
        [],
    ],
)
def test_every_kind_of_row_comes_back_as_it_was(installation, owner, app, path, rows):
    mapping.change(installation.scope, app.slug, lambda _: mappings.read({"user": rows}))
    before = installation.app_row(app)
    assert "Nothing is different" in owner.follow(send(owner, path, *form_of(owner.get(path))).ok(303)).words
    assert installation.app_row(app) == before


def test_a_changed_row_is_saved_and_told(installation, owner, app, path):
    ann = app.client.user("ann@example.com", title="boss").ok().id
    fields, numbers = form_of(owner.get(path))
    fields |= {"user-7-target": "role", "user-7-transform": "upper", "user-7-default": "none"}
    page = owner.follow(send(owner, path, fields, numbers).ok(303))
    assert "Saved: title, role." in page.words
    assert "Stored profiles that an earlier mapping made: 1." in page.words
    assert mapping_of(installation, app).user[7].as_dict() == {
        "target": "role",
        "source": "title",
        "default": "none",
        "transform": ["upper"],
    }
    row = installation.app_row(app)
    kind = row.resource_types["Users"]
    assert profiles.read(installation.workspace(row), kind, [ann])[ann]["role"] == "BOSS"
    entry = installation.journal(app, wire=False, action="mapping_edited")[-1]
    assert (entry.client, set(entry.changes)) == ("console:mapping-owner", {"user.title", "user.role"})


def test_rows_are_added_moved_and_removed_without_saving(installation, owner, app, path):
    fields, numbers = form_of(owner.get(path))
    for edit, first, count in (
        ("add-user", "userName", 11),
        ("down-user-0", "givenName", 11),
        ("up-user-1", "userName", 11),
        ("remove-user-0", "givenName", 10),
        ("up-user-0", "givenName", 10),
        ("down-user-9", "givenName", 10),
        ("remove-user-99", "givenName", 10),
        ("remove-user-x", "givenName", 10),
        ("turn-user-0", "givenName", 10),
        ("add-nothing", "givenName", 10),
        ("", "givenName", 10),
    ):
        page = send(owner, f"{path}/draft?edit={edit}", fields, numbers).ok()
        fields, numbers = form_of(page)
        assert (fields["user-0-target"], len(numbers["user"])) == (first, count), edit
    assert mapping_of(installation, app) == mappings.DEFAULT
    assert "Not saved yet: 1 changes" in page.words
    # The new row is blank, and a blank row does not count.
    send(owner, path, fields, numbers).ok(303)
    assert targets(installation, app) == [row.target for row in mappings.DEFAULT.user[1:]]


def test_the_order_is_saved(installation, owner, app, path):
    fields, numbers = form_of(send(owner, f"{path}/draft?edit=down-user-0", *form_of(owner.get(path))).ok())
    send(owner, path, fields, numbers).ok(303)
    assert targets(installation, app)[:2] == ["givenName", "userName"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"user-1-text": "name.nickName"}, "have no attribute 'name.nickName'"),
        ({"user-1-text": "shoeSize"}, "have no attribute"),
        ({"user-1-text": "password"}, "never returned"),
        ({"user-1-text": "emails[type eq"}, ""),
        ({"user-1-text": ""}, "Say where the value comes from"),
        ({"user-1-target": ""}, "The target is missing"),
        ({"user-1-target": "a b"}, "target: is not a name"),
        ({"user-1-target": "USERNAME"}, "two rows for this target"),
        ({"user-1-origin": "template"}, "names no attribute"),
        ({"user-1-text": "x" * 1001}, "Length must be between 1 and 1000"),
        ({"user-1-transform": "shout"}, "Must be one of"),
        ({"user-1-text": HOSTILE}, ""),
    ],
)
def test_a_wrong_row_is_named_beside_it_and_nothing_is_saved(installation, owner, app, path, changed, said):
    fields, numbers = form_of(owner.get(path))
    page = send(owner, path, {**fields, **changed, "user-2-target": "family"}, numbers).ok(400)
    beside = re.search(r'id="user-1-error">([^<]*)', page.source)
    assert beside
    assert said in unescape(beside[1])
    assert "<script>alert" not in page.source
    again, _ = form_of(page)
    assert again["user-2-target"] == "family"
    assert mapping_of(installation, app) == mappings.DEFAULT


def test_too_many_rows_are_refused(installation, owner, app, path):
    fields, numbers = form_of(owner.get(path))
    numbers["user"] = [str(number) for number in range(300)]
    fields |= {f"user-{number}-target": f"t{number}" for number in range(300)}
    fields |= {f"user-{number}-text": "title" for number in range(300)}
    fields |= {f"user-{number}-origin": "source" for number in range(300)}
    assert "Longer than maximum length 200" in send(owner, path, fields, numbers).ok(400).words
    assert mapping_of(installation, app) == mappings.DEFAULT


def test_a_preview_compares_and_writes_nothing(installation, owner, app, path):
    person(app, "ann@example.com", "Ann")
    bob = app.client.user("bob@example.com", title="smith").ok().id
    fields, numbers = form_of(owner.get(path))
    fields |= {"user-7-transform": "upper", "user-1-target": "first", "user-2-required": "on", "q": "bob"}
    page = send(owner, f"{path}/preview", fields, numbers).ok()
    assert "<html" not in page.source
    assert re.search(r"title smith SMITH changed", page.words)
    assert "givenName no value no value removed" in page.words
    assert "first no value no value added" in page.words
    assert "familyName is required, and name.familyName has no value" in page.words
    assert "user.title" in page.words
    assert bob in page.source
    assert "ann@example.com" not in page.words
    chosen = send(owner, f"{path}/preview", {**fields, "q": "", "person": bob}, numbers).ok()
    assert "title smith SMITH" in chosen.words
    assert "Nobody has this" in send(owner, f"{path}/preview", {**fields, "q": "nobody"}, numbers).ok().words
    wrong = send(owner, f"{path}/preview", {**fields, "user-1-text": "shoeSize"}, numbers).ok()
    assert "A row cannot be used" in wrong.words
    assert "first: Users of this app have no attribute" in wrong.words
    assert mapping_of(installation, app) == mappings.DEFAULT


def test_a_preview_has_groups_and_people_of_this_app_alone(installation, owner, app, path):
    ann = app.client.user("ann@example.com").ok().id
    app.client.group("Sales", ann).ok()
    stranger = installation.app().client.user("ann.stranger@example.com").ok().id
    fields, numbers = form_of(owner.get(path))
    page = send(owner, f"{path}/preview", {**fields, "q": "sales"}, numbers).ok()
    assert "name Sales Sales" in page.words
    page = send(owner, f"{path}/preview", {**fields, "person": stranger}, numbers).ok()
    assert "stranger" not in page.words
    assert "groups Sales Sales" in page.words


def test_what_people_lack_is_asked_about_before_it_is_required(installation, owner, app, path):
    app.client.user("ann@example.com").ok()
    fields, numbers = form_of(owner.get(path))
    page = send(owner, path, {**fields, "user-7-required": "on"}, numbers).ok(400)
    assert "1 stored users or groups lack a value" in page.words
    assert "ann@example.com: title has no value" in page.words
    assert mapping_of(installation, app) == mappings.DEFAULT
    fields, numbers = form_of(page)
    send(owner, path, {**fields, "sure": "yes"}, numbers).ok(303)
    assert mapping_of(installation, app).user[7].required


def test_more_people_than_are_looked_at_are_asked_about(installation, owner, app, path, monkeypatch):
    scope, rows = installation.scope, [{"target": "name", "source": "userName", "required": True}]
    for name in ("ann", "bob"):
        app.client.user(name).ok()
    with pytest.raises(mapping.MissingValuesError, match="1 users or groups were looked at, and there are more"):
        mapping.change(scope, app.slug, lambda _: mappings.read({"user": rows}), most=1)
    assert mapping.change(scope, app.slug, lambda _: mappings.read({"user": rows}), most=2)


def test_many_rows_are_edited_a_part_at_a_time(installation, owner, app, path):
    rows = [{"target": f"t{number}", "constant": f'<b>"{number}'} for number in range(200)]
    mapping.change(installation.scope, app.slug, lambda _: mappings.read({"user": rows, "group": rows}))
    before = mapping_of(installation, app)
    page = owner.get(path).ok()
    assert len(page.source) < 150_000
    fields, numbers = form_of(page)
    assert (numbers["user"][-1], fields["user-24-target"]) == ("24", "t24")
    # Nothing is lost on the way from part to part, and none of it changes what is not shown.
    page = send(owner, f"{path}/draft?edit=show-user-50", {**fields, "user-0-target": "first"}, numbers).ok()
    fields, numbers = form_of(page)
    assert (numbers["user"][0], fields["user-60-text"]) == ("50", '<b>"60')
    page = send(owner, f"{path}/draft?edit=remove-user-60", fields, numbers).ok()
    fields, numbers = form_of(page)
    assert fields["user-60-target"] == "t61"
    # What is wrong is shown wherever it is.
    page = send(owner, path, {**fields, "user-61-target": "T199"}, numbers).ok(400)
    fields, numbers = form_of(page)
    assert (numbers["user"][-1], "There are two rows for this target." in page.words) == ("198", True)
    page = send(owner, f"{path}/draft?edit=remove-user-198", fields, numbers).ok()
    fields, numbers = form_of(page)
    send(owner, path, fields, numbers).ok(303)
    saved = mapping_of(installation, app)
    assert [row.target for row in saved.user] == [
        "first",
        *(f"t{n}" for n in range(1, 60)),
        "t61",
        "T199",
        *(f"t{n}" for n in range(63, 199)),
    ]
    assert saved.group == before.group
    fields, numbers = form_of(owner.get(path))
    page = send(owner, path, {**fields, "user-after": "[[1]]"}, numbers).ok(400)
    assert "came without some of its rows" in page.words


def test_a_form_that_is_older_than_the_app_saves_nothing(installation, owner, app, path):
    fields, numbers = form_of(owner.get(path))
    apps.edit(installation.scope, app.slug, features={"brake-percent": "33"})
    page = send(owner, path, {**fields, "user-7-target": "role"}, numbers).ok(400)
    assert "Somebody else changed this app meanwhile" in page.words
    assert mapping_of(installation, app) == mappings.DEFAULT
    # What was typed is still there, and can be saved over what there is now.
    fields, numbers = form_of(page)
    send(owner, path, fields, numbers).ok(303)
    assert "role" in targets(installation, app)


def test_a_form_without_rows_saves_nothing(installation, owner, app, path):
    fields, numbers = form_of(owner.get(path))
    send(owner, path, {**fields, "user-7-target": "role"}, numbers).ok(303)
    before = mapping_of(installation, app)
    page = owner.post(path, {"version": str(installation.app_row(app).version)}).ok(400)
    assert "came without rows" in page.words
    assert 'value="role"' in page.source
    assert mapping_of(installation, app) == before


def test_the_default_comes_back_after_a_look(installation, owner, app, path):
    mapping.change(
        installation.scope, app.slug, lambda _: mappings.read({"user": [{"target": "a", "source": "title"}]})
    )
    owner.get(path)
    page = owner.post(f"{path}/draft?edit=default", {"rows": "yes"}).ok()
    assert targets(installation, app) == ["a"]
    send(owner, path, *form_of(page)).ok(303)
    assert mapping_of(installation, app) == mappings.DEFAULT


def upload(owner, path, content):
    boundary = "b0undary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{owner.csrf}\r\n',
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="m.json"\r\n\r\n{content}\r\n',
        f"--{boundary}--\r\n",
    ]
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Origin": owner.url}
    return owner.send("POST", f"{path}/draft?edit=import", "".join(parts), headers=headers)


def test_a_file_is_exported_and_looked_at_before_it_is_imported(installation, owner, app, path):
    sent = owner.get(f"{path}/export").ok()
    assert sent.headers["content-disposition"] == f'attachment; filename="{app.slug}-mapping.json"'
    body = json.loads(sent.source)
    assert mappings.read(body) == mappings.DEFAULT
    body["user"][7]["target"] = "role"
    owner.get(path)
    page = upload(owner, path, json.dumps({"user": body["user"]})).ok()
    assert "Not saved yet: 2 changes" in page.words
    assert mapping_of(installation, app) == mappings.DEFAULT
    send(owner, path, *form_of(page)).ok(303)
    assert targets(installation, app)[7] == "role"
    assert mapping_of(installation, app).group == mappings.DEFAULT.group


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "Choose a file"),
        ("{", "The file"),
        ("[1]", "The mapping is a JSON object"),
        ('{"user": [{"target": "a"}]}', "a: give one of source"),
        ('{"users": []}', "users"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(installation, owner, app, path, content, said):
    owner.get(path)
    assert said in upload(owner, path, content).ok(400).words
    assert mapping_of(installation, app) == mappings.DEFAULT


def test_profiles_are_made_anew_some_at_a_time(installation, owner, app, path):
    for number in range(3):
        app.client.user(f"p{number}@example.com").ok()
    fields, numbers = form_of(owner.get(path))
    send(owner, path, {**fields, "user-7-target": "role"}, numbers).ok(303)
    assert "earlier mapping made: 3." in owner.get(path).words
    part = owner.post(f"{path}/recompute", {"total": "3"}, HX_Request="true").ok()
    assert "All stored profiles are up to date." in part.words
    assert mapping.stale(installation.db, installation.app_row(app)) == 0
    page = owner.follow(owner.post(f"{path}/recompute", {"total": "x"}).ok(303))
    assert "0 profiles were made anew." in page.words


def test_one_step_makes_no_more_than_it_may(installation, app, monkeypatch):
    monkeypatch.setattr(mapping, "_CHUNK", 2)
    for number in range(5):
        app.client.user(f"p{number}@example.com").ok()
    mapping.change(installation.scope, app.slug, lambda now: now.without("User", "title"))
    row = installation.app_row(app)
    assert mapping.recompute_some(installation.db, row, most=2) == 2
    assert mapping.stale(installation.db, row) == 3
    assert mapping.recompute_some(installation.db, row) == 3


def test_an_auditor_reads_and_changes_nothing(installation, app, path):
    auditor = signed_in(installation, f"auditor-{app.slug}", Role.AUDITOR)
    page = auditor.get(path).ok()
    assert "name.givenName" in page.words
    assert f'action="{path}' not in page.source
    assert "Add a row" not in page.words
    auditor.get(f"{path}/export").ok()
    for form in ("", "/draft", "/preview", "/recompute"):
        auditor.post(path + form, {"rows": "yes"}).ok(403)
    assert mapping_of(installation, app) == mappings.DEFAULT


def test_an_operator_of_other_apps_sees_nothing(installation, app, path):
    other = installation.app()
    stranger = signed_in(installation, f"mapping-bound-{app.slug}", Role.OPERATOR, other.slug)
    stranger.get(path).ok(404)
    stranger.get(f"{path}/export").ok(404)
    for form in ("", "/draft", "/preview", "/recompute"):
        stranger.post(path + form, {"rows": "yes"}).ok(404)


def test_in_a_browser(installation, open_page, owner, faults):
    app = installation.app('<b>"Acme"</b>')
    for name, given in (("ann@example.com", "Ann"), ("bob@example.com", HOSTILE)):
        person(app, name, given)
    app.client.group("Sales").ok()
    page = open_page(viewport={"width": 1280, "height": 900})
    cookies = [{"name": key, "value": text, "url": installation.url} for key, text in owner.cookies.items()]
    page.context.add_cookies(cookies)
    page.goto(f"{installation.url}/console/apps/{app.slug}/mapping")
    axe(page, "mapping")
    sizes(page)
    picture(page, "mapping")

    page.locator("#q").fill("bob")
    expect(page.locator("#preview")).not_to_contain_text("ann@example.com")
    page.get_by_role("button", name="Add a row").first.click()
    expect(page.locator("#user-10-target")).to_be_visible()
    page.locator("#user-10-target").fill("fullName")
    page.locator("#user-10-origin").select_option("template")
    page.locator("#user-10-text").fill("{name.givenName} {name.familyName}")
    expect(page.locator("#preview")).to_contain_text("fullName")
    expect(page.locator("#preview")).to_contain_text("added")
    page.get_by_role("button", name="Move up: row 11").click()
    expect(page.locator("#user-9-target")).to_have_value("fullName")
    page.locator("#user-8-text").fill("shoeSize")
    expect(page.locator("#preview")).to_contain_text("have no attribute")
    axe(page, "mapping with a wrong row")
    page.get_by_role("button", name="Save").click()
    faults.allow("status of 400")
    expect(page.locator("#user-8-error")).to_contain_text("have no attribute")
    axe(page, "mapping refused")
    picture(page, "mapping-refused")
    page.locator("#user-8-text").fill("nickName")
    expect(page.locator("#preview")).to_contain_text("user.manager")
    sizes(page)
    picture(page, "mapping-preview")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".flash")).to_contain_text("Saved: manager, fullName")
    page.get_by_role("button", name="Make them anew").click()
    expect(page.locator("#progress")).to_contain_text("up to date")
    assert mapping.stale(installation.db, installation.app_row(app)) == 0
    page.set_viewport_size({"width": 360, "height": 800})
    page.emulate_media(color_scheme="dark")
    axe(page, "mapping in dark")
    picture(page, "mapping-dark-360")

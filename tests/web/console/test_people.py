"""Users and groups at the console: found, shown, restored, exported, erased, by whom it may be, and by nobody else."""

from __future__ import annotations

import csv
import html
import io
import itertools
import json

import pytest

from console_client import signed_in
from scim_client import USER_URN
from scimlite.admin import browsing, deleted, member_search
from scimlite.clock import now
from scimlite.operators.roles import Role

_numbers = itertools.count(1)

#: Names that a client may send, and that no page may believe.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "\u0645\u0631\u062d\u0628\u0627",
    "\U0001f469\u200d\U0001f680 emoji",
    "=HYPERLINK(1)",
    "L" + "o" * 4000 + "ng",
)
BIDI = "evil\u202etxt.exe"


@pytest.fixture
def owner(installation):
    return signed_in(installation, f"owner{next(_numbers)}")


@pytest.fixture
def auditor(installation):
    return signed_in(installation, f"auditor{next(_numbers)}", Role.AUDITOR)


def user(app, user_name, **attributes):
    """The id of a new user."""
    return app.client.post("/Users", {"schemas": [USER_URN], "userName": user_name, **attributes}).ok(201).id


def group(app, name, *members):
    """The id of a new group."""
    return app.client.group(name, *members).ok(201).id


def patch(app, path, **values):
    return app.client.patch(path, *({"op": "replace", "path": name, "value": value} for name, value in values.items()))


def searched(client, path):
    """The words of a list, with those of the parts that follow when the time was over."""
    words = ""
    while True:
        page = client.get(path).ok()
        words += page.words
        if "Look further" not in page.words:
            return words
        path = html.unescape(page.source.split(">Look further")[0].rsplit('href="', 1)[1].split('"')[0])


def acts(installation, app):
    return [(row.action, row.client) for row in installation.journal(app) if row.actor == "console"]


# --- lists --------------------------------------------------------------------------------------------------------


def test_an_app_without_anybody(app, owner):
    page = owner.get(f"/console/users?app={app.slug}").ok()
    assert "Nobody yet" in page.words
    assert "No group yet" in owner.get(f"/console/groups?app={app.slug}").ok().words


def test_users_are_searched_and_filtered(app, owner):
    user(app, "ann@example.com", displayName="Ann Ab\u00e9")
    user(app, "bob@example.com", active=False)
    gone = user(app, "cid@example.com")
    app.client.delete(f"/Users/{gone}").ok(204)
    at = f"/console/users?app={app.slug}"
    page = owner.get(at).ok().words
    assert "2 users" in page
    assert "ann@example.com" in page
    assert "cid@example.com" not in page
    assert "ann@example.com" in searched(owner, f"{at}&q=AB%C3%89")
    nobody = searched(owner, f"{at}&state=disabled&q=nobody")
    assert "Nobody matches" in nobody or "That is all" in nobody
    only = owner.get(f"{at}&state=disabled").words
    assert "bob@example.com" in only
    assert "ann@example.com" not in only
    dead = owner.get(f"{at}&state=deleted").words
    assert "cid@example.com" in dead
    assert "May be purged from" in dead
    assert "kept" in dead
    assert "cid@example.com" in searched(owner, f"{at}&state=deleted&q=cid")
    assert "scimlite user list --app" in page


@pytest.mark.parametrize("query", ["state=odd", "app=nowhere", f"q={'x' * 501}", "after=odd", "after=99999-1-0"])
def test_a_filter_that_is_none_is_told(app, owner, query):
    page = owner.get(f"/console/users?{query}").ok(400)
    assert "Traceback" not in page.source


def test_a_list_goes_on_page_by_page(app, owner, monkeypatch):
    for number in range(browsing.SIZE + 3):
        user(app, f"user{number:03}")
    page = owner.get(f"/console/users?app={app.slug}").ok()
    assert f"{browsing.SIZE + 3} users" in page.words
    assert "user049" in page.words
    assert "user050" not in page.words
    following = page.source.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    assert "user0" not in following
    rest = owner.get(following).ok()
    assert "user050" in rest.words
    assert "user052" in rest.words
    assert "user049" not in rest.words
    assert "First page" in rest.words


@pytest.mark.parametrize("form", ["csv", "json"])
def test_the_download_has_what_is_chosen(app, owner, form):
    user(app, "=HYPERLINK(1)", displayName="@SUM(1)")
    user(app, "bob@example.com", active=False)
    page = owner.get(f"/console/users.{form}?app={app.slug}&q=hyper").ok()
    assert page.headers["content-disposition"].startswith("attachment")
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(page.source)))
        assert [(row["user_name"], row["display_name"], row["state"]) for row in rows] == [
            ("'=HYPERLINK(1)", "'@SUM(1)", "active")
        ]
    else:
        rows = [json.loads(line) for line in page.source.splitlines()]
        assert [(row["user_name"], row["state"]) for row in rows] == [("=HYPERLINK(1)", "active")]
    owner.get(f"/console/users.{form}?state=odd").ok(404)


# --- one person ---------------------------------------------------------------------------------------------------


def test_a_person_has_profile_groups_and_a_story(app, owner):
    ann = user(app, "ann@example.com", title="Dr", name={"familyName": "Abel"})
    inner = group(app, "Inner", ann)
    outer = group(app, "Outer", inner)
    patch(app, f"/Users/{ann}", title="Prof").ok(200)
    patch(app, f"/Users/{ann}", active="perhaps").ok(400)
    at = f"/console/apps/{app.slug}/users/{ann}"
    page = owner.get(at).ok()
    assert "title: Dr \u2192 Prof" in page.words
    assert "joined the group Inner" in page.words
    assert "refused" in page.words
    assert f"/groups/{inner}" in page.source
    assert f"/groups/{outer}" in page.source
    assert "through another group" in page.words
    assert page.words.index("Dr \u2192 Prof") < page.words.index("was created")
    assert '"familyName": "Abel"' in owner.get(f"{at}?tab=json").ok().source.replace("&#34;", '"')
    assert "No entries in this time" in owner.get(f"{at}?until=2020-01-01").ok().words
    assert "A day such as" in owner.get(f"{at}?since=yesterday").ok(400).words
    assert "was created" in owner.get(f"{at}?since=2020-01-01&until=2999-01-01").ok().words


def test_a_long_story_goes_on(app, owner):
    ann = user(app, "ann@example.com")
    for number in range(25):
        patch(app, f"/Users/{ann}", title=f"title {number:02}").ok(200)
    page = owner.get(f"/console/apps/{app.slug}/users/{ann}").ok()
    assert "title 24" in page.words
    assert "was created" not in page.words
    older = page.source.split('rel="next">Older')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    rest = owner.get(older).ok()
    assert "was created" in rest.words
    assert "Newest" in rest.words


def test_secrets_are_on_no_page(installation, owner):
    app = installation.app("secrets", passwords="hash")
    ann = user(app, "ann@example.com", password="correct horse battery")
    for path in (f"/console/apps/{app.slug}/users/{ann}", f"/console/apps/{app.slug}/users/{ann}?tab=json"):
        page = owner.get(path).ok()
        assert "correct horse" not in page.source
        assert "argon2" not in page.source
    owner.get(f"/console/apps/{app.slug}/users/{ann}")
    exported = owner.post(f"/console/apps/{app.slug}/users/{ann}/export").ok()
    assert "correct horse" not in exported.source
    assert "argon2" not in exported.source


def test_a_deleted_person_is_restored(installation, app, owner):
    ann = user(app, "ann@example.com")
    group(app, "Staff", ann)
    app.client.delete(f"/Users/{ann}").ok(204)
    at = f"/console/apps/{app.slug}/users/{ann}"
    assert "Restore" in owner.get(at).ok().words
    page = owner.post(f"{at}/restore").ok(303)
    assert "is restored" in owner.follow(page).ok().words
    app.client.get(f"/Users/{ann}").ok(200)
    assert [act for act, _ in acts(installation, app)] == ["restored"]


def test_a_restore_says_who_has_the_name(app, owner):
    ann = user(app, "ann@example.com")
    app.client.delete(f"/Users/{ann}").ok(204)
    other = user(app, "ann@example.com")
    at = f"/console/apps/{app.slug}/users/{ann}"
    owner.get(at)
    page = owner.post(f"{at}/restore").ok(409)
    assert "already has this userName" in page.words
    assert f"/users/{other}" in page.source
    app.client.get(f"/Users/{ann}").ok(404)
    owner.post(f"/console/apps/{app.slug}/users/{other}/restore").ok(409)


def test_an_erased_person_stays_as_an_id(app, owner):
    ann = user(app, "ann@example.com", title="Dr")
    at = f"/console/apps/{app.slug}/users/{ann}"
    owner.get(at)
    assert "type ann@example.com" in owner.post(f"{at}/erase", {"confirmed": "bob"}).ok(400).words
    assert "type ann@example.com" in owner.post(f"{at}/erase").ok(400).words
    app.client.get(f"/Users/{ann}").ok(200)
    page = owner.follow(owner.post(f"{at}/erase", {"confirmed": "ann@example.com"}).ok(303)).ok()
    assert "erased" in page.words
    assert "ann@example.com" not in page.source
    assert "Dr" not in page.words.split("story of this person", 1)[1]
    assert "Erase this person" not in page.words
    app.client.get(f"/Users/{ann}").ok(404)


def test_a_purged_person_keeps_a_story(installation, owner):
    app = installation.app("purge", **{"delete-the-deactivated": "on"})
    ann = user(app, "ann@example.com")
    app.client.delete(f"/Users/{ann}").ok(204)
    page = owner.get(f"/console/apps/{app.slug}/users/{ann}").ok()
    assert "A purge may remove this person" in page.words
    assert sum(deleted.purge(installation.scope, [installation.app_row(app)], now() + 1)) == 1
    page = owner.get(f"/console/apps/{app.slug}/users/{ann}").ok()
    assert "Purged" in page.words
    assert "ann@example.com was" in page.words or "was created" in page.words


def test_an_export_has_all_that_is_kept_and_is_noted(installation, app, owner):
    ann = user(app, "ann@example.com", title="Dr")
    staff = group(app, "Staff", ann)
    user(app, "bob@example.com")
    owner.get(f"/console/apps/{app.slug}/users/{ann}")
    page = owner.post(f"/console/apps/{app.slug}/users/{ann}/export").ok()
    assert page.headers["content-disposition"] == f'attachment; filename="{ann}.json"'
    data = json.loads(page.source)
    assert data["user_name"] == "ann@example.com"
    assert data["attributes"]["title"] == "Dr"
    assert "ann@example.com" in data["profile"].values()
    assert [each["id"] for each in data["groups"]] == [staff]
    assert [each["action"] for each in data["entries"]] == ["created", "member_added", "exported"]
    assert "bob@example.com" not in page.source
    assert [act for act, _ in acts(installation, app)] == ["exported"]
    assert "was exported" in owner.get(f"/console/apps/{app.slug}/users/{ann}").words


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(app, owner, name):
    ann = user(app, name, displayName=name, title=name)
    staff = group(app, name, ann)
    for path in (
        f"/console/users?app={app.slug}",
        f"/console/users?app={app.slug}&q=%3Cscript%3Ealert(2)%3C/script%3E",
        f"/console/apps/{app.slug}/users/{ann}",
        f"/console/apps/{app.slug}/users/{ann}?tab=json",
        f"/console/groups?app={app.slug}",
        f"/console/apps/{app.slug}/groups/{staff}",
    ):
        page = owner.get(path).ok()
        assert "<script>alert" not in page.source
        assert "<img src=x" not in page.source
        assert len(page.source) < 150_000
    owner.get(f"/console/apps/{app.slug}/users/{ann}")
    typed = ann if len(name) > 60 else name
    owner.post(f"/console/apps/{app.slug}/users/{ann}/erase", {"confirmed": typed}).ok(303)


def test_characters_that_reorder_letters_are_seen(app, owner):
    ann = user(app, "ann@example.com", displayName=BIDI)
    for path in (f"/console/users?app={app.slug}", f"/console/apps/{app.slug}/users/{ann}"):
        page = owner.get(path).ok()
        assert "\u202e" not in page.source
        assert "evil\\u202etxt" in page.words


@pytest.mark.parametrize("id", ["nobody", "0" * 36, "x" * 200, "%3Cscript%3E", "..%2F..", "a'b"])
@pytest.mark.parametrize("kind", ["users", "groups"])
def test_nobody_is_there(app, owner, kind, id):
    owner.get(f"/console/apps/{app.slug}/{kind}/{id}").ok(404)


# --- groups -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1000, 5])
def test_a_group_has_members_paged_and_searched(monkeypatch, installation, app, owner, most):
    members = [user(app, f"user{number:03}") for number in range(browsing.SIZE + 4)]
    group(app, "Inner", members[0])
    inner = group(app, "In it")
    staff = group(app, "Staff", inner, *members)
    app.client.delete(f"/Users/{members[7]}").ok(204)
    db, found = installation.db, browsing.walk
    monkeypatch.setattr(member_search, "SORTED", most)
    [row] = [each for each in found(db, browsing.Choice(*_groups_of(installation, app))) if each.id == staff]
    first = member_search.part(db, row, None, None)
    rest = member_search.part(db, row, None, first.after)
    ids = [each.id for each in first.members + rest.members]
    assert rest.after is None
    assert len(ids) == len(set(ids)) == browsing.SIZE + 4
    assert members[7] not in ids
    part = member_search.part(db, row, "ser04", None)
    names = [each.name for each in part.members]
    while part.after is not None:
        part = member_search.part(db, row, "ser04", part.after)
        names += [each.name for each in part.members]
    assert names == [f"user04{digit}" for digit in range(10)]
    page = owner.get(f"/console/apps/{app.slug}/groups/{staff}").ok()
    assert "Staff" in page.words
    assert f"/groups/{inner}" in page.source
    assert "Next" in page.words
    assert "user049" in owner.get(f"/console/apps/{app.slug}/groups/{staff}?q=SER049").ok().words
    assert "No member matches" in owner.get(f"/console/apps/{app.slug}/groups/{staff}?q=nobody").ok().words
    owner.get(f"/console/apps/{app.slug}/groups/{staff}?after=odd").ok(400)


def _groups_of(installation, app):
    from scimlite.scim import core

    return core.GROUP, [installation.app_row(app)]


def test_groups_are_listed_and_have_a_story(app, owner):
    ann = user(app, "ann@example.com")
    staff = group(app, "Staff", ann)
    group(app, "Sales")
    patch(app, f"/Groups/{staff}", displayName="Crew")
    words = searched(owner, f"/console/groups?app={app.slug}&q=cre")
    assert "Crew" in words
    assert "Sales" not in words
    told = owner.get(f"/console/apps/{app.slug}/groups/{staff}").ok().words
    assert "displayName: Staff \u2192 Crew" in told
    assert "joined the group" in told


def test_a_deleted_group_is_restored(app, owner):
    ann = user(app, "ann@example.com")
    staff = group(app, "Staff", ann)
    app.client.delete(f"/Groups/{staff}").ok(204)
    at = f"/console/apps/{app.slug}/groups/{staff}"
    assert "Staff" in owner.get(f"/console/groups?app={app.slug}&state=deleted").ok().words
    assert "Restore" in owner.get(at).ok().words
    assert "is restored with 1 member" in owner.follow(owner.post(f"{at}/restore").ok(303)).words
    owner.post(f"{at}/restore").ok(409)


# --- who may what -------------------------------------------------------------------------------------------------


def test_an_auditor_sees_and_changes_nothing(installation, app, auditor):
    ann = user(app, "ann@example.com")
    gone = user(app, "gone@example.com")
    app.client.delete(f"/Users/{gone}").ok(204)
    at = f"/console/apps/{app.slug}/users"
    for id in (ann, gone):
        page = auditor.get(f"{at}/{id}").ok()
        for act in ("restore", "export", "erase"):
            assert f"/{act}" not in page.source
            auditor.post(f"{at}/{id}/{act}", {"confirmed": "ann@example.com"}).ok(403)
    app.client.get(f"/Users/{ann}").ok(200)
    assert {act for act, _ in acts(installation, app)} == {"denied"}


def test_an_operator_who_is_bound_sees_no_other_app(installation, app):
    other = installation.app("other")
    ann = user(app, "ann@example.com")
    stranger = user(other, "stranger@example.com")
    crew = group(other, "Crew", stranger)
    client = signed_in(installation, f"bound{next(_numbers)}", Role.OPERATOR, app.slug)
    assert "stranger" not in client.get("/console/users").ok().source
    assert "stranger" not in client.get("/console/users?state=deleted").ok().source
    assert "stranger" not in client.get("/console/users.csv").ok().source
    assert "Crew" not in client.get("/console/groups").ok().source
    client.get(f"/console/users?app={other.slug}").ok(400)
    client.get(f"/console/apps/{other.slug}/users/{stranger}").ok(404)
    # An id of another app in the URL of one's own is nobody.
    client.get(f"/console/apps/{app.slug}/users/{stranger}").ok(404)
    client.get(f"/console/apps/{app.slug}/groups/{crew}").ok(404)
    client.get(f"/console/apps/{app.slug}/users/{ann}").ok()
    for act in ("restore", "export", "erase"):
        client.post(f"/console/apps/{app.slug}/users/{stranger}/{act}", {"confirmed": "stranger@example.com"}).ok(404)
        client.post(f"/console/apps/{other.slug}/users/{stranger}/{act}", {"confirmed": "stranger@example.com"}).ok(404)
    other.client.get(f"/Users/{stranger}").ok(200)

"""`scimlite user`: list users, and show one with groups and history."""

import csv
import io
import json
import re
from datetime import datetime

import pytest

from scimlite.admin import people

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def names(site, *options):
    return [each["user_name"] for each in site.json_lines("user", "list", *options)]


@pytest.fixture(scope="module")
def crowd(site):
    """An app with people whose names try the search."""
    slug = site.app("Crowd")
    site.user(
        slug, "bob@example.com", displayName="Bob Müller", emails=[{"value": "robert@corp.example", "type": "work"}]
    )
    site.user(slug, "Alice@Example.com", displayName="Alice Straße", active=False)
    site.user(slug, "çağla@example.com", displayName="100%_pure")
    site.user(slug, "dora@example.com", title="Müller", externalId="Ext-4")
    return slug


# --- list ---------------------------------------------------------------------------------------------------------


def test_list_is_in_the_order_of_names_without_case(site, crowd):
    assert names(site, "--app", crowd) == [
        "Alice@Example.com",
        "bob@example.com",
        "dora@example.com",
        "çağla@example.com",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ALICE", ["Alice@Example.com"]),
        ("müLLER", ["bob@example.com"]),
        ("mu\u0308ller", ["bob@example.com"]),
        ("STRAẞE", ["Alice@Example.com"]),
        ("strasse", []),
        ("ROBERT@", ["bob@example.com"]),
        ("%_", ["çağla@example.com"]),
        ("%", ["çağla@example.com"]),
        ("_", ["çağla@example.com"]),
        ("ÇAĞ", ["çağla@example.com"]),
        ("a@example", ["dora@example.com", "çağla@example.com"]),
        ("Ext-4", []),
        ("'; drop table value; --", []),
    ],
)
def test_search_finds_a_part_of_userName_displayName_or_email(site, crowd, text, found):
    assert names(site, "--app", crowd, "--search", text) == found


def test_list_of_the_active_or_the_disabled(site, crowd):
    assert names(site, "--app", crowd, "--disabled") == ["Alice@Example.com"]
    assert len(names(site, "--app", crowd, "--active")) == 3
    assert names(site, "--app", crowd, "--active", "--search", "alice") == []


def test_pages(site, crowd):
    shown = [site.json_lines("user", "list", "--app", crowd, "--per-page", "3", "--page", n) for n in ("1", "2", "3")]
    assert [[each["user_name"][0] for each in page] for page in shown] == [["A", "b", "d"], ["ç"], []]
    result = site.run("user", "list", "--app", crowd, "--per-page", "3")
    assert "1 to 3 of 4 users. Next: --page 2" in result.stderr
    assert "4 to 4 of 4 users.\n" in site.run("user", "list", "--app", crowd, "--per-page", "3", "--page", "2").stderr
    beyond = site.run("user", "list", "--app", crowd, "--per-page", "3", "--page", "9")
    assert (beyond.stdout, beyond.stderr) == ("", "There are 4 users, and page 2 is the last.\n")
    assert site.run("user", "list", "--app", crowd).stderr == ""


def test_a_page_beyond_all_numbers(site, crowd):
    assert "page 1 is the last" in site.run("user", "list", "--app", crowd, "--page", "9" * 30).stderr


@pytest.mark.parametrize("options", [["--page", "0"], ["--per-page", "0"], ["--per-page", "1001"], ["--json", "--csv"]])
def test_options_that_cannot_be(site, options):
    site.fails("user", "list", *options, code=2)


def test_a_list_for_programs(site, crowd):
    (bob,) = site.json_lines("user", "list", "--app", crowd, "--search", "bob@")
    assert bob["app"] == crowd
    assert bob["display_name"] == "Bob Müller"
    assert bob["email"] == "robert@corp.example"
    assert (bob["external_id"], bob["state"]) == (None, "active")
    assert datetime.fromisoformat(bob["created_at"]).utcoffset().total_seconds() == 0


def test_csv_has_everybody_unless_a_page_is_asked_for(site, crowd, monkeypatch):
    # So that the four people take several reads.
    monkeypatch.setattr(people, "_CHUNK", 2)
    rows = list(csv.DictReader(io.StringIO(site.ok("user", "list", "--app", crowd, "--csv", "--per-page", "1"))))
    assert [row["user_name"] for row in rows] == names(site, "--app", crowd)
    assert rows[1]["email"] == "robert@corp.example"
    assert rows[0]["state"] == "disabled"
    rows = list(csv.DictReader(io.StringIO(site.ok("user", "list", "--csv", "--app", crowd, "--search", "a@example"))))
    assert [row["user_name"] for row in rows] == ["dora@example.com", "çağla@example.com"]
    paged = site.ok("user", "list", "--app", crowd, "--csv", "--page", "2", "--per-page", "3")
    assert [row["user_name"] for row in csv.DictReader(io.StringIO(paged))] == ["çağla@example.com"]


def test_the_deleted_are_not_listed(site):
    slug = site.app("Left")
    site.delete(slug, site.user(slug, "gone@example.com"))
    assert "No user yet." in site.run("user", "list", "--app", slug).stderr
    assert "No user matches." in site.run("user", "list", "--app", slug, "--search", "x").stderr


def test_a_list_of_all_apps_names_the_app(site, crowd):
    other = site.app("Other crowd")
    site.user(other, "bob@example.com")
    found = site.json_lines("user", "list", "--search", "bob@example")
    assert {each["app"] for each in found} == {crowd, other}
    assert "App" in site.ok("user", "list").splitlines()[0]
    assert "App" not in site.ok("user", "list", "--app", crowd).splitlines()[0]
    exported = list(csv.DictReader(io.StringIO(site.ok("user", "list", "--csv"))))
    assert len({row["id"] for row in exported}) == len(exported) >= 5


def test_names_cannot_steer_the_terminal(site):
    slug = site.app("Escapes")
    user = site.user(slug, "evil@example.com", displayName="ab\u202ec\x1b[2Jfed", title="one\ntwo")
    for printed in (site.ok("user", "list", "--app", slug), site.ok("user", "show", user.id)):
        assert not any(each in printed for each in "\x1b\u202e")
        assert "ab\\u202ec\\x1b[2Jfed" in printed
    assert "one\\ntwo" in printed


def test_long_names_are_cut_to_the_terminal(site):
    slug = site.app("Long")
    site.user(slug, "x" * 300, displayName="y" * 90)
    printed = site.ok("user", "list", "--app", slug, columns=80)
    assert max(map(len, printed.splitlines())) <= 80
    assert re.search(r"^x+… +y+… +active +20\S+ \S+$", printed, re.MULTILINE)
    for options in ({"columns": 80}, {"COLUMNS": ""}):
        wide = site.ok("user", "list", "--app", slug, *(["--wide"] if "columns" in options else []), **options)
        assert wide.count("x") == 300


def test_names_longer_than_the_index_covers(site):
    slug = site.app("Very long")
    site.user(slug, "x" * 250 + "1")
    wanted = site.user(slug, "x" * 250 + "2")
    assert site.json("user", "show", "X" * 250 + "2")["id"] == wanted.id
    assert names(site, "--app", slug, "--search", "x2") == ["x" * 250 + "2"]


# --- show ---------------------------------------------------------------------------------------------------------


def test_show_tells_attributes_groups_and_history(site):
    slug = site.app("Shown")
    ann = site.user(
        slug,
        "Ann@example.com",
        externalId="e-1",
        name={"givenName": "Ann", "familyName": "Lee"},
        emails=[{"value": "a@home.example"}, {"value": "a@work.example", "type": "work", "primary": True}],
        addresses=[{"locality": "Ulm", "country": "DE", "type": "home"}],
        **{ENTERPRISE: {"department": "R&D", "manager": {"value": "m-1"}}},
    )
    team = site.group(slug, "Team", ann)
    site.group(slug, "All", team)
    printed = site.ok("user", "show", "ann@EXAMPLE.com", "--app", slug)
    for line in (
        "State          active",
        f"Id             {ann.id}",
        "name.givenName   Ann",
        "emails           a@work.example (work, primary)",
        "addresses        Ulm, DE (home)",
        "department       R&D",
        "manager.value    m-1",
    ):
        assert line in printed, line
    shown = site.json("user", "show", ann.id)
    assert shown["email"] == "a@work.example"
    assert shown["attributes"][ENTERPRISE]["department"] == "R&D"
    assert {(each["name"], each["membership"]) for each in shown["groups"]} == {("Team", "direct"), ("All", "indirect")}
    assert [each["action"] for each in shown["history"]] == ["created", "member_added"]
    assert shown["history"][1]["group"] == "Team"
    assert site.json("user", "show", "e-1", "--app", slug)["id"] == ann.id


def test_show_has_the_last_ten_entries(site):
    slug = site.app("Busy")
    user = site.user(slug, "busy", title="0")
    for number in range(1, 13):
        site.replace(slug, user, userName="busy", title=str(number))
    shown = site.json("user", "show", "busy", "--app", slug)
    assert [each["changes"]["title"][1] for each in shown["history"]] == [str(n) for n in range(3, 13)]
    assert shown["version"] == 13
    assert "title: 11 → 12" in site.ok("user", "show", user.id)


def test_several_apps_with_the_same_person(site):
    one, two = site.app("Same one"), site.app("Same two")
    users = [site.user(slug, "same@example.com") for slug in (one, two)]
    said = site.fails("user", "show", "SAME@example.com")
    assert "2 users go by 'SAME@example.com'; name the app with --app" in said
    for slug, user in zip((one, two), users, strict=True):
        assert f"{slug}  same@example.com  {user.id}  active" in said
        assert site.json("user", "show", "same@example.com", "--app", slug)["id"] == user.id


def test_several_people_of_one_app(site):
    slug = site.app("Confusing")
    site.user(slug, "x-1")
    site.user(slug, "other", externalId="x-1")
    assert "name one by its id" in site.fails("user", "show", "x-1")


def test_an_external_id_has_a_case(site):
    slug = site.app("Case")
    site.user(slug, "cased", externalId="AbC-9")
    assert site.json("user", "show", "AbC-9")["user_name"] == "cased"
    assert "There is no user 'abc-9'" in site.fails("user", "show", "abc-9")


def test_nobody_of_that_name(site):
    slug = site.app("Empty")
    assert "scimlite user list --search" in site.fails("user", "show", "nobody@example.com")
    assert f"in {slug}" in site.fails("user", "show", "nobody@example.com", "--app", slug)
    assert "There is no app" in site.fails("user", "show", "x", "--app", "nope")


def test_somebody_is_found_by_a_former_name(site):
    slug = site.app("Renamed")
    user = site.user(slug, "maiden@example.com")
    site.replace(slug, user, userName="married@example.com")
    assert site.json("user", "show", "Maiden@example.com")["user_name"] == "married@example.com"
    # Who has the name now goes before who had it.
    successor = site.user(slug, "maiden@example.com")
    assert site.json("user", "show", "maiden@example.com")["id"] == successor.id


def test_a_deleted_user_is_found_with_what_happened(site):
    slug = site.app("Deleted")
    user = site.user(slug, "gone@example.com")
    site.group(slug, "Team", user)
    site.delete(slug, user)
    for name in ("gone@example.com", user.id):
        shown = site.json("user", "show", name, "--app", slug)
        assert shown["state"] == "deleted"
        assert shown["deleted_at"] is not None
        assert shown["groups"] == []
        assert shown["history"][-1]["action"] == "deleted"
    assert "State          deleted" in site.ok("user", "show", user.id)


def test_a_group_is_no_user(site):
    slug = site.app("Kinds")
    group = site.group(slug, "kind-of-group")
    for name in ("kind-of-group", group.id):
        site.fails("user", "show", name)


def test_without_any_app_the_next_step_is_said(nothing):
    nothing_here = 'There is no app yet. Make one: scimlite app create "Entra ID"'
    nothing.ok("db", "upgrade")
    for command in (("user", "list"), ("user", "show", "x"), ("group", "list"), ("group", "show", "x")):
        assert nothing_here in nothing.fails(*command)
    assert nothing.run("app", "list").stderr.startswith("There is no app yet.")
    assert nothing.ok("app", "list", "--json") == ""


# --- check-password -----------------------------------------------------------------------------------------------


def test_check_password_says_whether_it_lets_the_user_in(site):
    slug = site.app("Passwords")
    site.ok("app", "edit", slug, "--feature", "passwords=hash")
    ann = site.user(slug, "ann@example.com", password="right")
    command = ("user", "check-password", "Ann@example.com", "--app", slug)
    tried = site.run(*command, input="right\n")
    assert (tried.exit_code, tried.stdout) == (0, "")
    assert "This password lets ann@example.com in." in tried.stderr
    # What was typed is not shown.
    assert "right" not in tried.output
    assert "This password does not let ann@example.com in." in site.fails(*command, input="wrong\n")
    site.replace(slug, ann, userName="ann@example.com", active=False)
    assert "in: the user is disabled." in site.fails(*command, input="right\n")
    site.delete(slug, ann)
    assert "in: the user is deleted." in site.fails(*command, input="right\n")


def test_check_password_says_that_the_app_drops_them(site):
    slug = site.app("Dropped")
    site.user(slug, "ann@example.com", password="right")
    told = site.fails("user", "check-password", "ann@example.com", "--app", slug)
    assert f"scimlite app edit {slug} --feature passwords=hash" in told


def test_export_of_one_person(site):
    slug = site.app("Export")
    ann = site.user(slug, "ann@example.com", title="Dr")
    site.group(slug, "Staff", ann)
    site.user(slug, "bob@example.com")
    data = json.loads(site.ok("user", "export", "ann@example.com", "--app", slug))
    assert data["id"] == ann.id
    assert data["attributes"]["title"] == "Dr"
    assert [each["display_name"] for each in data["groups"]] == ["Staff"]
    assert [each["action"] for each in data["entries"]] == ["created", "member_added", "exported"]
    site.ok("user", "erase", "ann@example.com", "--app", slug, "--yes")
    gone = json.loads(site.ok("user", "export", ann.id, "--app", slug))
    assert (gone["id"], gone["state"]) == (ann.id, "erased")
    assert {each["user"] for each in gone["entries"]} == {None}
    assert "There is no user" in site.fails("user", "export", "nobody", "--app", slug)
    assert "leave --csv out" in site.fails("user", "export", ann.id, "--app", slug, "--csv", code=2)

"""Deleted users and groups: listed, restored, purged; and brakes, told and released."""

import csv
import io
import itertools
import json

import pytest

from command_line import CLIENT
from scimlite.admin import apps, deleted
from scimlite.apps.workspace import Workspace
from scimlite.clock import DAY
from scimlite.db.tables import MemberRow, ResourceRow, ValueRow
from scimlite.directory import read as resources
from scimlite.directory import search, write
from scimlite.directory.read import SearchRequest
from scimlite.errors import NotFound, TooManyRequests, Uniqueness
from scimlite.scim import document
from scimlite.scim.filter_parser import parse_filter

NAMES = ("ann@example.com", "bob@example.com")


NUMBERS = itertools.count(1)


@pytest.fixture
def slug(site):
    """An app of its own for each test."""
    return site.app(f"app {next(NUMBERS)}")


def app_of(site, slug):
    return apps.get(site.installation.db, slug)


def deactivate(site, slug, user):
    """As a client does it; with delete-the-deactivated on that deprovisions."""
    app = app_of(site, slug)
    operation = {"op": "replace", "path": "active", "value": False}
    workspace = Workspace(site.installation.db, CLIENT, app)
    write.patch(workspace, app.resource_types["Users"], user.id, {"Operations": [operation]})


def read(site, slug, user, endpoint="Users"):
    app = app_of(site, slug)
    return resources.get(site.installation.workspace(app), app.resource_types[endpoint], user.id)


def age(site, slug, days):
    """Let days pass for everything that is deleted."""
    query = ResourceRow.update(deleted_at=ResourceRow.deleted_at - days * DAY)
    site.installation.db.execute(query.where(ResourceRow.app_id == app_of(site, slug).id))


def entries(site, slug, action):
    lines = site.ok("report", "--app", slug, "--action", action, "--json").splitlines()
    return [json.loads(line) for line in lines]


# --- lists --------------------------------------------------------------------------------------------------------


def test_the_deleted_are_listed_with_how_and_until_when(site, slug):
    ann, bob = (site.user(slug, name) for name in NAMES)
    site.delete(slug, ann)
    site.ok("app", "edit", slug, "--feature", "delete-the-deactivated=on")
    deactivate(site, slug, bob)
    listed = site.json_lines("user", "list", "--deleted", "--app", slug)
    assert [(each["name"], each["ended"]) for each in listed] == [
        (NAMES[1], "deactivated"),
        (NAMES[0], "deleted"),
    ]
    assert [each["purgeable_from"] is None for each in listed] == [False, True]
    table = site.ok("user", "list", "--deleted", "--app", slug)
    assert "never" in table
    assert "deactivated, deprovisioned" in table
    rows = list(csv.DictReader(io.StringIO(site.ok("user", "list", "--deleted", "--app", slug, "--csv"))))
    assert [row["id"] for row in rows] == [bob.id, ann.id]
    assert site.json_lines("user", "list", "--deleted", "--app", slug, "--search", "ANN@")[0]["id"] == ann.id
    page = site.json_lines("user", "list", "--deleted", "--app", slug, "--page", "2", "--per-page", "1")
    assert [each["id"] for each in page] == [ann.id]
    assert "neither active nor disabled" in site.fails("user", "list", "--deleted", "--active", code=2)


def test_nobody_is_deleted(site, slug):
    site.user(slug, NAMES[0])
    assert "No deleted user." in site.run("user", "list", "--deleted", "--app", slug).stderr
    assert "No deleted group." in site.run("group", "list", "--deleted", "--app", slug).stderr


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "ann@example.com"',
        'userName sw "ann"',
        'userName co "ann"',
        "userName pr",
        'userName ne "bob@example.com"',
        'not (userName eq "bob@example.com")',
        "active eq true",
        "active eq false",
        'emails[type eq "work" and value co "ann"]',
        'title eq "Engineer" or externalId eq "ext-ann"',
        'id eq "{ann}"',
    ],
)
def test_no_filter_finds_the_deleted(site, slug, text):
    ann = site.user(
        slug, NAMES[0], externalId="ext-ann", title="Engineer", emails=[{"value": NAMES[0], "type": "work"}]
    )
    bob = site.user(slug, NAMES[1])
    site.delete(slug, ann)
    app = app_of(site, slug)
    users = app.resource_types["Users"]
    wanted = search.bind(parse_filter(text.replace("{ann}", ann.id), users.urns), users)
    for count in (0, 100):
        found = resources.find(site.installation.workspace(app), [users], SearchRequest(wanted, count=count))
        assert found.total in (0, 1)
        assert {each.id for each in found.resources} <= {bob.id}


def test_lists_count_the_living(site, slug):
    users = [site.user(slug, f"user-{number}", active=bool(number % 2)) for number in range(6)]
    for user in users[:3]:
        site.delete(slug, user)
    for options, names in (
        ([], ["user-3", "user-4", "user-5"]),
        (["--disabled"], ["user-4"]),
        (["--active"], ["user-3", "user-5"]),
        (["--search", "user"], ["user-3", "user-4", "user-5"]),
    ):
        listed = site.json_lines("user", "list", "--app", slug, *options)
        assert [each["user_name"] for each in listed] == names
        beyond = site.json_lines("user", "list", "--app", slug, "--page", "9", *options)
        assert beyond == []


def test_a_name_that_was_often_deleted_is_found_by_who_has_it(site, slug):
    for _ in range(30):
        site.delete(slug, site.user(slug, NAMES[0], externalId="ext-ann"))
    ann = site.user(slug, NAMES[0], externalId="ext-ann")
    assert site.json("user", "show", NAMES[0], "--app", slug)["id"] == ann.id
    assert site.json("user", "show", "ext-ann", "--app", slug)["id"] == ann.id


def test_deleted_groups_share_names_with_whoever_wants_them(site, slug):
    for _ in range(2):
        site.delete(slug, site.group(slug, "Sales"))
    sales = site.group(slug, "Sales")
    site.ok("app", "edit", slug, "--feature", "unique-group-names=off")
    site.ok("app", "edit", slug, "--feature", "unique-group-names=on")
    with pytest.raises(Uniqueness):
        site.group(slug, "Sales")
    site.delete(slug, sales)
    site.group(slug, "Sales")


# --- restore ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["delete", "deprovision", "deactivate"])
def test_a_user_comes_back_with_memberships(site, slug, how):
    ann = site.user(slug, NAMES[0], title="Engineer", emails=[{"value": "a@example.com", "type": "work"}])
    inner = site.group(slug, "Sales", ann)
    site.group(slug, "Everyone", inner)
    before = read(site, slug, ann)
    if how != "delete":
        site.ok("app", "edit", slug, "--feature", "delete-the-deactivated=on")
    if how == "deactivate":
        deactivate(site, slug, ann)
    else:
        site.delete(slug, ann)
    with pytest.raises(NotFound):
        read(site, slug, ann)
    said = site.run("user", "restore", NAMES[0], "--app", slug)
    assert said.exit_code == 0, said.output
    assert "active, in the group Sales" in said.stderr
    after = read(site, slug, ann)
    assert after.document == before.document
    assert {each.name: each.kind for each in after.derived} == {"Sales": "direct", "Everyone": "indirect"}
    assert after.version > before.version
    assert site.json_lines("user", "list", "--search", "a@example.com", "--app", slug)[0]
    assert site.json_lines("user", "list", "--deleted", "--app", slug) == []
    (entry,) = entries(site, slug, "restored")
    assert entry["client"].startswith("cli:")
    assert entry["user_id"] == ann.id


def test_what_comes_back_is_found_by_what_it_has(site, slug):
    """Whatever its rows in the value index were when it ended."""
    ann = site.user(slug, NAMES[0], title="Engineer", emails=[{"value": "a@example.com"}])
    db, app = site.installation.db, app_of(site, slug)
    site.ok("app", "edit", slug, "--feature", "delete-the-deactivated=on")
    deactivate(site, slug, ann)
    db.execute(ValueRow.delete().where(ValueRow.resource_id == ann.row, ValueRow.path == "title"))
    site.ok("user", "restore", ann.id)
    columns = (ValueRow.path, ValueRow.item, ValueRow.nth, ValueRow.key)
    rows = db.rows(ValueRow.select(*columns).where(ValueRow.resource_id == ann.row))
    users = app.resource_types["Users"]
    now = json.loads(resources.get(Workspace(db, CLIENT, app), users, ann.id).document)
    assert sorted(map(tuple, rows)) == sorted(map(tuple, document.value_rows(users, now)))
    with pytest.raises(Uniqueness):
        site.user(slug, NAMES[0])


def test_who_was_disabled_comes_back_disabled(site, slug):
    ann = site.user(slug, NAMES[0], active=False)
    site.delete(slug, ann)
    assert "disabled, in no group" in site.run("user", "restore", ann.id).stderr
    assert site.json("user", "show", ann.id)["state"] == "disabled"


def test_a_name_that_was_taken_meanwhile_is_not_taken_back(site, slug):
    ann = site.user(slug, NAMES[0])
    site.delete(slug, ann)
    new = site.user(slug, NAMES[0])
    assert "is not deleted" in site.fails("user", "restore", NAMES[0], "--app", slug)
    assert "userName" in site.fails("user", "restore", ann.id, "--app", slug)
    with pytest.raises(NotFound):
        read(site, slug, ann)
    site.delete(slug, new)
    assert "go by" in site.fails("user", "restore", NAMES[0], "--app", slug)
    assert site.run("user", "restore", ann.id, "--app", slug).exit_code == 0
    assert "is not deleted" in site.fails("user", "restore", ann.id, "--app", slug)


def test_what_does_not_fit_the_schemas_any_more_stays_away(site, slug):
    ann = site.user(slug, NAMES[0])
    site.delete(slug, ann)
    schema = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": "urn:example:Badge",
        "name": "Badge",
        "attributes": [{"name": "number", "type": "string", "required": True}],
    }
    site.ok("schema", "add", "-", "--app", slug, "--to", "User", "--required", input=json.dumps(schema))
    assert "does not fit" in site.fails("user", "restore", ann.id, "--app", slug)
    with pytest.raises(NotFound):
        read(site, slug, ann)


def test_a_group_comes_back_with_members(site, slug):
    ann, bob = (site.user(slug, name) for name in NAMES)
    sales = site.group(slug, "Sales", ann, bob)
    site.delete(slug, sales)
    site.delete(slug, bob)
    assert site.json_lines("group", "list", "--deleted", "--app", slug)[0]["name"] == "Sales"
    assert "1 member" in site.run("group", "restore", sales.id).stderr
    assert [each.id for each in read(site, slug, sales, "Groups").links] == [ann.id]
    # Who is restored later is a member again too.
    site.ok("user", "restore", bob.id)
    assert [each.id for each in read(site, slug, sales, "Groups").links] == [ann.id, bob.id]


def test_a_disabled_brake_and_features_do_not_keep_an_operator_from_restoring(site, slug):
    ann = site.user(slug, NAMES[0])
    site.delete(slug, ann)
    site.ok("app", "edit", slug, "--feature", "create-users=off", "--feature", "update-users=off")
    assert site.run("user", "restore", ann.id).exit_code == 0


# --- purge --------------------------------------------------------------------------------------------------------


def test_purge_says_what_would_go_and_does_it_when_asked(site, slug):
    ann, bob = (site.user(slug, name) for name in NAMES)
    sales = site.group(slug, "Sales", ann, bob)
    site.ok("app", "edit", slug, "--feature", "delete-the-deactivated=on")
    for each in (ann, sales):
        site.delete(slug, each)
    assert "Nothing that may go" in site.run("purge", "--app", slug).stderr
    age(site, slug, 31)
    said = site.run("purge", "--app", slug)
    assert "--yes" in said.stderr
    assert site.ok("purge", "--app", slug, "--dry-run") == said.stdout
    assert site.json("purge", "--app", slug, "--dry-run", "--yes")["applied"] is False
    assert site.json("purge", "--app", slug)["would_go"] == [
        {"app": slug, "type": "Group", "count": 1},
        {"app": slug, "type": "User", "count": 1},
    ]
    assert len(site.json_lines("user", "list", "--deleted", "--app", slug)) == 1
    done = site.json("purge", "--app", slug, "--yes")
    assert done["applied"] is True
    assert done["total"] == 2
    db, app = site.installation.db, app_of(site, slug)
    assert [row[0] for row in db.rows(ResourceRow.select(ResourceRow.uuid).where(ResourceRow.app_id == app.id))] == [
        bob.id
    ]
    assert db.rows(MemberRow.select().where(MemberRow.app_id == app.id)) == []
    assert {each["user_id"] or each["group_id"] for each in entries(site, slug, "purged")} == {ann.id, sales.id}
    assert "There is no user" in site.fails("user", "restore", ann.id)
    # The report still knows who it was.
    assert "purged" in site.ok("report", "--user", NAMES[0], "--app", slug)


def test_the_deleted_are_kept_while_delete_the_deactivated_is_off(site, slug):
    ann = site.user(slug, NAMES[0])
    site.delete(slug, ann)
    age(site, slug, 4000)
    assert site.json("purge", "--older-than", "1d", "--app", slug, "--apply")["total"] == 0
    assert site.run("user", "restore", ann.id).exit_code == 0


def test_the_retention_time_is_a_setting(site, slug):
    site.ok("app", "edit", slug, "--feature", "delete-the-deactivated=on")
    site.delete(slug, site.user(slug, NAMES[0]))
    age(site, slug, 8)
    assert site.json("purge", "--app", slug)["total"] == 0
    assert site.json("purge", "--app", slug, SCIMLITE_RETENTION="7")["total"] == 1
    assert site.json("purge", "--app", slug, "--older-than", "9d")["total"] == 0
    assert site.json("purge", "--app", slug, "--older-than", "1w")["total"] == 1


def test_purging_takes_more_than_one_step(site, slug, monkeypatch):
    site.ok("app", "edit", slug, "--feature", "delete-the-deactivated=on")
    for number in range(5):
        site.delete(slug, site.user(slug, f"user-{number}"))
    monkeypatch.setattr(deleted, "_CHUNK", 2)
    age(site, slug, 31)
    assert "5 deleted users and groups" in site.run("purge", "--app", slug, "--apply").stderr
    assert len(entries(site, slug, "purged")) == 5


# --- brakes -------------------------------------------------------------------------------------------------------


@pytest.fixture
def braked(site, slug):
    """An app with twelve users of long standing that may lose two of them."""
    users = [site.user(slug, f"user-{number}") for number in range(12)]
    query = ResourceRow.update(active_since=ResourceRow.active_since - DAY)
    site.installation.db.execute(query.where(ResourceRow.app_id == app_of(site, slug).id))
    site.ok("app", "edit", slug, "--feature", "brake-users=2", "--feature", "brake-percent=10")
    return users


def test_a_brake_that_holds_is_told_and_released(site, slug, braked):
    assert "so far 0 of 12" in site.ok("app", "show", slug)
    for user in braked[:2]:
        site.delete(slug, user)
    assert "so far 2 of 12" in site.ok("app", "show", slug)
    for _ in range(2):
        with pytest.raises(TooManyRequests):
            site.delete(slug, braked[2])
    shown = site.ok("app", "show", slug)
    assert "HOLDS since" in shown
    assert f"scimlite app release {slug}" in shown
    assert "HOLDS since" in site.ok("report", "--summary", "--app", slug)
    held = {each["brake"]: each for each in site.json("report", "--summary", "--app", slug)["brakes"]}
    assert (held["users"]["holds"], held["members"]["on"]) == (True, False)
    assert "3 users of 12" in entries(site, slug, "brake_tripped")[0]["detail"]
    assert "Released: users." in site.run("app", "release", slug).stderr
    assert "so far 0 of 10" in site.ok("app", "show", slug)
    assert "No brake was on" in site.run("app", "release", slug).stderr
    site.delete(slug, braked[2])


def test_it_is_said_that_a_brake_cannot_trip(site, slug, braked):
    site.ok("app", "edit", slug, "--feature", "brake-users=12")
    assert "it cannot trip, because the app has only 12 active users" in site.ok("app", "show", slug)
    site.ok("app", "edit", slug, "--feature", "brake-users=11")
    assert "cannot trip" not in site.ok("app", "show", slug)
    (users, _) = site.json("app", "show", slug)["brakes"]
    assert (users["can_trip"], users["active_before"], users["counted"]) == (True, 12, 0)


@pytest.mark.parametrize(
    "feature",
    ["brake-users=many", "brake-users=-1", "brake-percent=101", "brake-window=8d", "brake-window=0m", "revive=maybe"],
)
def test_a_feature_takes_what_it_takes(site, slug, feature):
    assert feature.partition("=")[0] in site.fails("app", "edit", slug, "--feature", feature, code=2)

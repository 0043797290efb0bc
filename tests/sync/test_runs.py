"""Sources: what is there is written, what is gone is taken away, and what looks wrong is held before it is written."""

from __future__ import annotations

import os

import pytest

from made_source import DIRECTORIES
from scimlite import clock
from scimlite.admin import figures, sources, watch
from scimlite.db.sync_tables import SourceRow
from scimlite.db.tables import JournalRow
from scimlite.directory import write
from scimlite.errors import BadRequest
from scimlite.scim import messages
from scimlite.sync.history import Outcome
from scimlite.sync.lease import BusyError, Lease
from scimlite.sync.reading import SourceError
from sourced import Sourced

MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def people(site: Sourced, number: int) -> None:
    for each in range(number):
        site.directory.user(f"k{each}", f"user{each}", given="G", family=f"F{each}", mail=f"u{each}@example.com")


# --- what is written ----------------------------------------------------------------------------------------------


def test_users_and_groups_come_with_their_values(site):
    site.directory.user("a", "ann", given="Ann", family="Ash", mail=["ann@example.com", "a@example.org"], boss="b")
    site.directory.user("b", "bob", given="Bob")
    site.directory.user("c", "cid", active=False)
    site.directory.group("g", "Staff", "a", "b", "h")
    site.directory.group("h", "Inner", "c", "nobody")
    done = site.sync()
    assert {name: done.numbers[name] for name in ("users", "groups", "create", "members_added")} == {
        "users": 3,
        "groups": 2,
        "create": 5,
        "members_added": 4,
    }
    users = site.users()
    assert users["ann"]["name"] == {"givenName": "Ann", "familyName": "Ash"}
    assert users["ann"]["displayName"] == "Ann Ash"
    assert users["ann"]["externalId"] == "a"
    assert users["ann"]["emails"] == [
        {"type": "work", "value": "ann@example.com", "primary": True},
        {"type": "other", "value": "a@example.org"},
    ]
    assert users["ann"][MANAGER]["manager"]["value"] == users["bob"]["id"]
    assert users["bob"]["displayName"] == "bob"
    assert site.active() == {"ann", "bob"}
    assert site.members("Staff") == {"ann", "bob", "Inner"}
    assert site.members("Inner") == {"cid"}
    # Each person is written once, managers before their people.
    assert [act for act, _, who in site.acts() if who in ("ann", "bob")].count("updated") == 0


def test_a_second_run_writes_nothing(site):
    people(site, 5)
    site.directory.user("boss", "boss")
    site.directory.user("k1", "user1", boss="boss")
    site.directory.group("g", "Staff", "k0", "k1", "gone")
    site.sync()
    rows = site.installation.db.scalar(JournalRow.select(JournalRow.id).order_by(JournalRow.id.desc()).limit(1))
    done = site.sync()
    assert done.numbers["unchanged"] == 7
    assert site.installation.db.scalar(JournalRow.select(JournalRow.id).order_by(JournalRow.id.desc()).limit(1)) == rows


def test_a_change_there_is_a_change_here_and_other_attributes_stay(site):
    site.directory.user("a", "ann", title="Clerk", given="Ann", mail=["ann@example.com"])
    site.sync()
    id = site.users()["ann"]["id"]
    users = site.app.resource_types["Users"]
    write.patch(site.client, users, id, messages.patch_of("replace", "nickName", "Annie"))
    site.directory.user("a", "ann.ash", title="Chief", mail=["ash@example.com"])
    assert site.preview() == [
        (
            "change",
            "ann.ash",
            {
                "userName": ["ann", "ann.ash"],
                "displayName": ["ann", "ann.ash"],
                "name.givenName": ["Ann", None],
                "emails": [
                    [{"type": "work", "value": "ann@example.com", "primary": True}],
                    [{"type": "work", "value": "ash@example.com", "primary": True}],
                ],
                "title": ["Clerk", "Chief"],
            },
        )
    ]
    site.sync()
    ann = site.users()["ann.ash"]
    assert (ann["id"], ann["title"], ann["nickName"]) == (id, "Chief", "Annie")
    assert "name" not in ann


def test_a_story_of_a_person_who_came_changed_left_and_came_back(site):
    site.directory.user("a", "ann", title="Clerk")
    people(site, 3)
    site.directory.group("g", "Staff", "a", "k0")
    site.sync()
    site.directory.user("a", "ann", title="Chief")
    site.sync()
    gone = site.directory.records["a"]
    site.directory.remove("a")
    site.directory.group("g", "Staff", "k0")
    site.sync()
    assert "ann" not in site.active()
    site.directory.records["a"] = gone
    site.directory.group("g", "Staff", "a", "k0")
    site.sync()
    assert "ann" in site.active()
    assert site.members("Staff") == {"ann", "user0"}
    told = [(each.action, each.detail) for each in site.journal() if each.user == "ann"]
    assert [act for act, _ in told] == [
        *("created", "member_added", "updated", "disabled", "member_removed", "enabled", "member_added"),
    ]
    assert dict(told)["disabled"] == "not in the source any more"
    clients = {(each.client, each.actor) for each in site.journal() if each.user == "ann"}
    assert clients == {("source corp", "source")}


def test_two_users_swap_names_and_a_leavers_name_is_used_again(site):
    site.directory.user("a", "ann")
    site.directory.user("b", "bob")
    people(site, 4)
    site.sync()
    ids = {name: user["id"] for name, user in site.users().items()}
    site.directory.user("a", "bob")
    site.directory.user("b", "carl")
    site.sync()
    assert site.users()["bob"]["id"] == ids["ann"]
    assert site.users()["carl"]["id"] == ids["bob"]
    site.directory.user("a", "carl")
    site.directory.user("b", "bob")
    done = site.sync()
    assert done.numbers["refused"] == 2
    refused = [each for each in site.journal() if each.outcome == "refused"]
    assert len(refused) == 2
    # What is said once is not said again by each run.
    site.sync()
    assert len([each for each in site.journal() if each.outcome == "refused"]) == 2


# --- who leaves ---------------------------------------------------------------------------------------------------


def test_who_is_not_found_is_missing_first(site):
    people(site, 8)
    site.directory.group("g", "Staff", "k0", "k1")
    site.rules(missing_after=3)
    site.sync()
    site.directory.remove("k0")
    for _ in range(2):
        site.sync()
        assert "user0" in site.active()
        assert site.members("Staff") == {"user0", "user1"}
    site.sync()
    assert "user0" not in site.active()


def test_who_is_disabled_there_is_disabled_at_once(site):
    people(site, 3)
    site.rules(missing_after=9)
    site.sync()
    site.directory.user("k0", "user0", active=False, given="G", family="F0", mail="u0@example.com")
    site.sync()
    assert site.active() == {"user1", "user2"}


@pytest.mark.parametrize(("leavers", "there", "active"), [("delete", False, False), ("ignore", True, True)])
def test_leavers_are_deleted_or_left_alone(site, leavers, there, active):
    people(site, 4)
    site.directory.group("g", "Staff", "k0", "k1")
    site.rules(leavers=leavers)
    site.sync()
    site.directory.remove("k0", "g")
    site.sync()
    site.sync()
    assert ("user0" in site.users(), "user0" in site.active()) == (there, active)


def test_a_deprovisioned_user_who_comes_back_is_made_again(site):
    people(site, 4)
    site.feature("delete-the-deactivated", "on")
    site.sync()
    record = site.directory.records.pop("k0")
    site.sync()
    assert "user0" not in site.users()
    site.sync()
    site.directory.records["k0"] = record
    site.sync()
    assert "user0" in site.active()


def test_an_entry_with_a_fault_is_refused_and_no_leaver(site):
    people(site, 4)
    site.sync()
    site.directory.fault("k0", "mail is no text")
    done = site.sync()
    assert done.numbers["refused"] == 1
    assert "user0" in site.active()
    refused = [each for each in site.journal() if each.outcome == "refused"]
    assert [each.detail for each in refused] == ["mail is no text"]
    assert refused[0].user_id == site.users()["user0"]["id"]
    site.directory.user("k0", "user0", title="Back")
    site.sync()
    assert site.users()["user0"]["title"] == "Back"


def test_a_member_who_was_refused_joins_once_it_is_taken(site):
    site.create("bob")
    people(site, 3)
    site.directory.user("b", "bob")
    site.directory.group("g", "Staff", "b", "k0")
    assert site.sync().numbers["refused"] == 1
    assert site.members("Staff") == {"user0"}
    site.directory.user("b", "bobby")
    site.sync()
    assert site.members("Staff") == {"user0", "bobby"}


# --- reading that fails -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 5, 9])
def test_reading_that_ends_early_does_nothing(site, after):
    people(site, 10)
    site.sync()
    site.directory.user("k0", "other")
    site.directory.breaks_after = after
    done = site.sync(outcome=Outcome.FAILED)
    assert done.detail == "The connection was lost."
    assert "other" not in site.users()
    assert len(site.active()) == 10
    site.sync(outcome=Outcome.FAILED)
    failures = [each for each in site.journal() if each.action == "source_synced" and each.outcome == "failed"]
    assert len(failures) == 1, "a failure that goes on is told once"


def test_an_entry_that_comes_twice_is_no_reading(site):
    people(site, 3)
    site.directory.records["twin"] = site.directory.records["k0"]
    assert "twice" in (site.sync(outcome=Outcome.FAILED).detail or "")
    assert site.users() == {}


# --- the guard ----------------------------------------------------------------------------------------------------


def held(site: Sourced) -> str:
    done = site.sync(outcome=Outcome.HELD)
    assert site.sync(outcome=Outcome.HELD).detail == done.detail
    assert len([each for each in site.journal() if each.action == "source_held"]) == 1
    return done.detail or ""


def test_nothing_read_is_held_however_few_there_were(site):
    people(site, 2)
    site.sync()
    site.directory.records.clear()
    assert held(
        site
    ) == "none of the 2 linked users was found; 2 of 2 active users (100 %) would be disabled or deleted" or (
        "none of the 2 linked users was found" in held(site)
    )
    assert len(site.active()) == 2


def test_a_wrong_filter_within_the_hour_of_the_import_is_held(site):
    people(site, 300)
    site.sync()
    for each in range(80):
        site.directory.remove(f"k{each}")
    site.directory.user("new", "new")
    assert "220 of the 300" in held(site)
    assert len(site.active()) == 300
    assert "new" not in site.users(), "a held run also holds what it would add"
    site.sync(outcome=Outcome.HELD, accepted={"removals": 79})
    assert len(site.active()) == 300
    site.sync(accepted={"removals": 80})
    assert len(site.active()) == 221


def test_more_than_the_brake_allows_is_held_and_then_not_stopped_half_way(site):
    people(site, 100)
    site.sync()
    for each in range(60):
        site.directory.user(f"k{each}", f"user{each}", active=False)
    assert "60 of 100 active users" in held(site)
    site.sync(accepted={"removals": 60})
    assert len(site.active()) == 40


def test_a_group_that_would_lose_its_members_is_held(site):
    people(site, 60)
    site.directory.group("g", "Staff", *(f"k{each}" for each in range(60)))
    site.sync()
    site.directory.group("g", "Staff", "k0")
    assert "the group Staff would lose more than half" in held(site)
    site.sync(accepted={"removals": 59})
    assert site.members("Staff") == {"user0"}
    site.directory.group("g", "Staff", *(f"k{each}" for each in range(60)))
    site.sync()
    site.directory.remove("g")
    assert "Staff" in (site.sync(outcome=Outcome.HELD).detail or "")


def test_an_attribute_that_changes_for_everybody_is_held(site):
    people(site, 120)
    site.sync()
    for each in range(100):
        site.directory.user(f"k{each}", f"user{each}", given="X", family=f"F{each}", mail=f"u{each}@example.com")
    assert "name.givenName" in held(site)
    assert site.users()["user0"]["name"]["givenName"] == "G"
    site.sync(accepted={"changes": 100})
    assert site.users()["user0"]["name"]["givenName"] == "X"


def test_a_new_mapping_may_change_everybody(site):
    people(site, 120)
    site.sync()
    mapping = site.source.rows
    mapping["User"]["title"] = "family"
    sources.set_mapping(site.workspace, site.source, mapping)
    site.sync()
    assert site.users()["user7"]["title"] == "F7"


def test_another_directory_is_held(site):
    people(site, 3)
    site.sync()
    site.directory.identity = "dc=other"
    assert held(site) == "this is another directory: it was dc=made, and is dc=other"
    site.sync(accepted={"identity": True})


def test_many_refused_entries_are_held(site):
    people(site, 20)
    for each in range(5):
        site.directory.fault(f"k{each}", "no text")
    assert "5 of 20 entries are refused" in held(site)
    assert site.users() == {}


def test_an_operator_accepts_what_is_held_and_the_next_run_does_it(site):
    people(site, 10)
    site.sync()
    site.directory.records.clear()
    site.sync(outcome=Outcome.HELD)
    sources.accept(site.workspace, site.source, {"removals": 10})
    site.sync()
    assert site.active() == set()
    with pytest.raises(sources.SourceRequestError, match="Nothing"):
        sources.accept(site.workspace, site.source, {"removals": 10})


# --- who owns what ------------------------------------------------------------------------------------------------


def test_clients_may_not_change_what_a_source_gives(site):
    people(site, 3)
    site.directory.group("g", "Staff", "k0")
    site.sync()
    types, id = site.app.resource_types, site.users()["user0"]["id"]
    for change in (("replace", "name.givenName", "X"), ("replace", "active", False), ("remove", "emails")):
        with pytest.raises(BadRequest, match="source corp") as refused:
            write.patch(site.client, types["Users"], id, messages.patch_of(*change))
        assert refused.value.remedy.feature == "sourced-users"
    with pytest.raises(BadRequest, match="source corp"):
        write.delete(site.client, types["Users"], id)
    write.patch(site.client, types["Users"], id, messages.patch_of("replace", "nickName", "N"))
    site.feature("sourced-users", "shared")
    write.patch(site.client, types["Users"], id, messages.patch_of("replace", "name.givenName", "X"))
    site.sync()
    assert site.users()["user0"]["name"]["givenName"] == "X", "a source writes only what changed there"
    site.feature("sourced-users", "source")
    site.sync()
    assert site.users()["user0"]["name"]["givenName"] == "G", "what others changed is written again"


def test_a_client_keeps_its_own_users(site):
    own = site.create("own")
    people(site, 3)
    site.sync()
    write.patch(site.client, site.app.resource_types["Users"], own, messages.patch_of("replace", "title", "T"))
    write.delete(site.client, site.app.resource_types["Users"], own)


def test_existing_users_are_adopted_only_on_request_and_only_when_it_is_sure(site):
    ids = {name: site.create(name, externalId=f"x-{name}") for name in ("ann", "bob", "off")}
    users = site.app.resource_types["Users"]
    write.patch(site.client, users, ids["off"], messages.patch_of("replace", "active", False))
    for key, login in (("a", "ANN"), ("b", "bob"), ("b2", "Bob"), ("o", "off"), ("n", "new")):
        site.directory.user(key, login, title="T")
    site.rules(hold_refused=100)
    done = site.sync()
    assert (done.numbers["refused"], done.numbers["clashing"]) == (4, 4)
    site.rules(match="userName")
    done = site.sync()
    assert done.numbers["adopt"] == 1
    assert site.users()["ANN"]["id"] == ids["ann"]
    reasons = {each.detail for each in site.journal() if each.outcome == "refused" and "adopt" in (each.detail or "")}
    assert any("disabled" in reason for reason in reasons)
    assert any("tell apart" in reason for reason in reasons)


def test_two_sources_do_not_share_a_user(site):
    people(site, 2)
    site.sync()
    other = DIRECTORIES[f"{site.slug}-2"] = type(site.directory)()
    other.user("z", "user0")
    second = sources.add(site.workspace, "second", "made", {"directory": f"{site.slug}-2"})
    site_two = _Second(site.installation, site.slug, other)
    assert second.name == "second"
    site_two.rules(match="userName")
    assert site_two.sync().numbers["refused"] == 1
    assert any("linked to the source corp" in (each.detail or "") for each in site.journal())


class _Second(Sourced):
    """The same app, seen from its second source."""

    @property
    def source(self):
        return sources.get(self.installation.db, self.app, "second")


# --- deltas, leases, removing -------------------------------------------------------------------------------------


def test_what_changed_is_read_alone_where_the_source_tells_it(installation, request):
    site = Sourced.new(installation, f"telling-{installation.db.kind}", kind="telling")
    people(site, 10)
    site.directory.group("g", "Staff", "k0", "k1")
    assert site.sync().whole
    site.directory.user("k3", "user3", title="New")
    site.directory.user("n", "new")
    site.directory.group("g", "Staff", "k0", "n")
    done = site.sync()
    assert (done.whole, done.numbers["users"]) == (False, 2)
    assert site.users()["user3"]["title"] == "New"
    assert site.members("Staff") == {"user0", "new"}
    assert site.directory.whole_reads == 1
    site.directory.remove("k5")
    site.sync()
    assert "user5" in site.active(), "only a full run says that somebody is gone"
    site.sync(whole=True)
    assert "user5" not in site.active()


def test_a_source_that_cannot_tell_what_changed_is_not_read_every_five_minutes(installation):
    site = Sourced.new(installation, f"forgetful-{installation.db.kind}", kind="telling")
    people(site, 3)
    site.sync()
    site.sync()
    assert site.source.due_at < clock.now() + 10 * 60 * 1_000_000
    site.directory.tells = False
    assert site.sync().whole
    assert site.source.due_at > clock.now() + 50 * 60 * 1_000_000


def test_one_run_at_a_time(site):
    people(site, 2)
    with Lease(site.installation.db, site.source), pytest.raises(BusyError):
        site.sync()
    db, source = site.installation.db, site.source
    gone = SourceRow.update(holder=f"{os.uname().nodename}:999999999:x", leased_until=clock.now() + 10**9)
    db.execute(gone.where(SourceRow.id == source.id))
    site.sync()


def test_a_source_that_is_changed_while_it_is_read_writes_nothing_more(site):
    people(site, 3)
    told = []

    def change(phase, number):
        if not told:
            told.append(phase)
            sources.set_state(site.workspace, site.source, enabled=False)

    with pytest.raises(SourceError, match="while it was read"):
        site.sync(told=change)
    assert site.users() == {}
    site.sync()
    assert len(site.users()) == 3


@pytest.mark.parametrize(("users", "active"), [("keep", 3), ("disable", 0)])
def test_a_removed_source_leaves_its_users_as_it_is_told(site, users, active):
    people(site, 3)
    site.sync()
    state_dir = site.installation.settings.state_dir
    sources.remove(site.workspace, site.source, users=users, state_dir=state_dir)
    assert len(site.active()) == active
    id = site.users()["user0"]["id"]
    write.delete(site.client, site.app.resource_types["Users"], id)


# --- for monitoring -------------------------------------------------------------------------------------------------


def test_the_check_says_when_a_source_needs_somebody(site):
    people(site, 3)
    assert _checked(site) == (True, "The source 'corp' is up to date")
    site.sync()
    assert _checked(site) == (True, "The source 'corp' is up to date")
    kept = dict(site.directory.records)
    site.directory.records.clear()
    site.sync(outcome=Outcome.HELD)
    fine, text = _checked(site)
    assert not fine
    assert text.startswith("The source 'corp' is held: none of the 3 linked users was found")
    site.directory.records.update(kept)
    site.sync()
    db, source = site.installation.db, SourceRow.id == site.source.id
    db.execute(SourceRow.update(last_ok_at=SourceRow.last_ok_at - clock.DAY).where(source))
    assert _checked(site) == (False, "The source 'corp' had its last good run 24 hours ago: does `scimlite work` run?")
    sources.set_state(site.workspace, site.source, enabled=False)
    assert _checked(site) == (True, "The source 'corp' is disabled")


def _checked(site):
    found = watch.judge(figures.of_apps(site.installation.db, [site.app]), [], None, watch.Thresholds())
    return next((each.fine, each.text) for each in found if each.topic == "source")

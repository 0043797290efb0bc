"""An app at a target: all arrives, once, and only what differs is sent, whatever the target lacks, loses or refuses."""

from __future__ import annotations

import itertools
import random
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import COMMAND
from pushed_target import LOOPBACK, WORKER, Pushed
from quirky_target import Asked, Said
from scim_client import ENTERPRISE_URN, add_members, remove_member
from scimlite.admin import targets
from scimlite.config import Settings
from scimlite.db.sync_tables import SourceLinkRow, SourceRow
from scimlite.db.tables import ResourceRow
from scimlite.db.target_tables import TargetRow
from scimlite.installation import Installation as Opened
from scimlite.sync.targets import leases, links, runs, stored, trials
from scimlite.sync.targets.remote import Remote
from scimlite.sync.targets.stored import TargetError
from scimlite.worker import Worker
from scimlite_cli import target_runs


def soon(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


ANN = {"userName": "ann", "name": {"givenName": "Ann", "familyName": "Lee"}, "externalId": "E1"}


def replaced(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def fill(pushed: Pushed, number: int = 6) -> tuple[list[str], list[str]]:
    """Users, and two groups with all of them but the first and the last."""
    users = [pushed.here.client.user(f"user-{each}", title=str(each)).id for each in range(number)]
    groups = [pushed.here.client.group("odd", *users[1:]).id, pushed.here.client.group("even", *users[:-1]).id]
    return users, groups


def change(pushed: Pushed, users: list[str], groups: list[str]) -> None:
    """Of everything something changes."""
    client = pushed.here.client
    client.patch(f"/Users/{users[0]}", replaced("title", "Prof")).ok()
    client.patch(f"/Users/{users[1]}", replaced("active", False)).ok()
    client.patch(f"/Groups/{groups[0]}", add_members(users[0]), remove_member(users[2])).ok()
    client.patch(f"/Groups/{groups[1]}", replaced("displayName", "evenly")).ok()
    client.delete(f"/Users/{users[3]}").ok()


def without(feature: str) -> Callable[[Asked, Said], Said]:
    """The service says that it does not have a feature."""

    def after(asked: Asked, said: Said) -> Said:
        if asked.path == "/ServiceProviderConfig":
            return Said(said.status, {**said.body, feature: {"supported": False}})
        return said

    return after


def no_patch(asked: Asked) -> Said | None:
    return Said(501) if asked.method == "PATCH" else None


def no_filter(asked: Asked) -> Said | None:
    return Said(400, {"detail": "no filters"}) if "filter=" in asked.path else None


def most_members(asked: Asked) -> Said | None:
    """AWS takes 100 members in a request, and no whole groups."""
    values = [each for each in asked.operations if each["path"].startswith("members")]
    number = sum(len(each["value"]) if each["op"] == "add" else 1 for each in values)
    whole = "/Groups/" in asked.path and asked.method == "PUT"
    return Said(400, {"detail": "too many members"}) if number > 2 or whole or "members" in (asked.body or ()) else None


def test_a_life(pushed: Pushed) -> None:
    client = pushed.here.client
    work = [{"value": "ann@example.com", "type": "work", "primary": True}]
    ann = client.post("/Users", {**ANN, "emails": work}).id
    bob = client.user("bob", title="Dr").id
    staff = client.group("staff", ann, bob).id
    all_ = client.group("all", staff).id
    assert pushed.ok() == {"created": 4, "members_added": 3}
    pushed.assert_equal()
    there = pushed.users_there()["ann"]
    assert there["externalId"] == ann
    assert there["emails"] == work
    assert pushed.groups_there() == {"staff": {"ann", "bob"}, "all": {"staff"}}
    pushed.quirks.asked.clear()

    # Nothing changed: nothing is sent.
    assert pushed.ok() == {}
    assert pushed.quirks.asked == []

    client.patch(f"/Users/{ann}", replaced("name.familyName", "Li"), {"op": "remove", "path": "emails"}).ok()
    client.patch(f"/Users/{bob}", replaced("active", False)).ok()
    client.patch(f"/Groups/{staff}", remove_member(bob)).ok()
    assert pushed.ok() == {"changed": 1, "disabled": 1, "members_removed": 1}
    pushed.assert_equal()
    assert [each.method for each in pushed.quirks.asked] == ["PATCH"] * 3
    of_ann = next(each.operations for each in pushed.quirks.asked if there["id"] in each.path)
    assert of_ann == [replaced("name.familyName", "Li"), {"op": "remove", "path": "emails"}]
    assert pushed.quirks.asked[-1].operations[0]["path"].startswith("members[value eq ")

    pushed.quirks.asked.clear()
    for path in (f"/Users/{ann}", f"/Groups/{all_}"):
        client.delete(path).ok()
    assert pushed.ok() == {"deleted": 2}
    pushed.assert_equal()
    # Disabled first.
    assert [asked.method for asked in pushed.quirks.asked if "/Users/" in asked.path] == ["PATCH", "DELETE"]


def test_an_app_that_is_suddenly_empty_empties_no_target(pushed: Pushed) -> None:
    client = pushed.here.client
    users = [client.user(name).id for name in ("ann", "bob")]
    client.group("staff", *users)
    pushed.ok()
    for user in users:
        client.delete(f"/Users/{user}").ok()
    pushed.quirks.asked.clear()
    held = pushed.sync()
    assert held.outcome == "held"
    assert held.detail == "the app has nobody left to push, and 2 users would be disabled or deleted at the target"
    assert pushed.sync(accepted=1).outcome == "held"
    assert pushed.quirks.asked == []
    assert pushed.row.hold == {"reason": f"{held.detail}; 1 were accepted", "removals": 2}
    done = pushed.sync(accepted=2)
    assert (done.outcome, done.counts) == ("ok", {"deleted": 2})
    assert pushed.row.hold is None
    pushed.assert_equal()
    told = [row.action for row in pushed.installation.journal(pushed.here) if row.action.startswith("target")]
    assert told == ["target_synced", "target_held", "target_synced"]


def test_managers_and_restored_members(pushed: Pushed) -> None:
    client = pushed.here.client
    boss = client.user("zoe").id
    ann = client.user("ann").id
    manager = replaced(f"{ENTERPRISE_URN}:manager", {"value": ann})
    # The manager comes after the person in the order of creation.
    client.patch(f"/Users/{boss}", manager).ok()
    staff = client.group("staff", ann).id
    assert pushed.ok() == {"created": 3, "members_added": 1, "changed": 1}
    there = pushed.users_there()
    assert there["zoe"][ENTERPRISE_URN]["manager"]["value"] == there["ann"]["id"]
    assert there["zoe"][ENTERPRISE_URN]["manager"]["$ref"].endswith(f"/Users/{there['ann']['id']}")
    assert pushed.ok() == {}

    # Somebody deletes the group and a user at the target: what is changed next is made anew, members and all.
    pushed.there.client.delete(f"/Users/{there['ann']['id']}").ok()
    client.patch(f"/Users/{ann}", replaced("title", "Dr")).ok()
    pushed.there.client.delete(f"/Groups/{pushed.there.client.find('Groups')['Resources'][0]['id']}").ok()
    client.patch(f"/Groups/{staff}", add_members(boss)).ok()
    pushed.sync()
    pushed.make_due()
    pushed.sync()
    pushed.assert_equal()


class TestServersThatLackSomething:
    @pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
    def test_no_patch(self, pushed: Pushed, told: bool) -> None:
        pushed.quirks.before = no_patch
        if told:
            pushed.quirks.after = without("patch")
        users, groups = fill(pushed)
        for _ in range(2):
            # Who does not say so has the first run fail; the next one knows.
            pushed.sync()
            pushed.make_due()
        pushed.assert_equal()
        change(pushed, users, groups)
        pushed.ok()
        pushed.assert_equal()
        assert pushed.ok() == {}
        # Members go by themselves once it has PATCH, and those who are there stay.
        pushed.quirks.before, pushed.quirks.after = lambda asked: None, lambda asked, said: said
        pushed.edit(members=50)
        pushed.here.client.patch(f"/Groups/{groups[0]}", replaced("displayName", "oddly")).ok()
        assert pushed.ok() == {"changed": 1}
        pushed.assert_equal()

    def test_no_more_than_so_many_members(self, pushed: Pushed) -> None:
        pushed.quirks.before = most_members
        pushed.edit(members=2)
        users, groups = fill(pushed)
        pushed.ok()
        pushed.assert_equal()
        change(pushed, users, groups)
        assert pushed.ok()["members_added"] == 1
        pushed.assert_equal()

    @pytest.mark.parametrize("quirk", ["refused", "untold", "ignored"])
    def test_no_filter(self, pushed: Pushed, quirk: str) -> None:
        # Somebody made these there by hand, and the first of ours is lost.
        for number in range(12):
            pushed.there.client.user(f"other-{number}")
        if quirk == "refused":
            pushed.quirks.before = no_filter
        elif quirk == "untold":
            pushed.quirks.before, pushed.quirks.after = no_filter, without("filter")
        lost = iter([True])

        def after(asked: Asked, said: Said) -> Said:
            if asked.method == "POST" and next(lost, False):
                return Said(reset=True)
            return without("filter")(asked, said) if quirk == "untold" else said

        pushed.quirks.after = after
        if quirk == "ignored":
            pushed.quirks.before = lambda asked: _unfiltered(pushed, asked)
        ann = pushed.here.client.user("ann").id
        assert sum(pushed.ok().values()) == 1
        assert pushed.users_there()["ann"]["externalId"] == ann
        assert len(pushed.users_there()) == 13

    def test_no_groups(self, pushed: Pushed) -> None:
        def after(asked: Asked, said: Said) -> Said:
            if asked.path == "/ResourceTypes":
                said.body["Resources"] = [each for each in said.body["Resources"] if each["name"] == "User"]
            return said

        pushed.quirks.after = after
        fill(pushed, 3)
        assert pushed.ok() == {"created": 3}
        assert pushed.row.attributes_left_out == ["Groups"]

    def test_attributes_that_it_does_not_take(self, pushed: Pushed) -> None:
        def after(asked: Asked, said: Said) -> Said:
            said = _without_title(asked, said)
            for schema in said.body["Resources"] if asked.path == "/Schemas" else ():
                for each in schema["attributes"]:
                    if each["name"] == "name":
                        subs = each["subAttributes"]
                        each["subAttributes"] = [sub for sub in subs if sub["name"] != "middleName"]
            return said

        pushed.quirks.after = after
        name = {"givenName": "Ann", "middleName": "B"}
        body = {"userName": "ann", "title": "Dr", "name": name, ENTERPRISE_URN: {"department": "Sales"}}
        pushed.here.client.post("/Users", body).ok()
        pushed.ok()
        there = pushed.users_there()["ann"]
        assert there["name"] == {"givenName": "Ann"}
        assert "title" not in there
        assert ENTERPRISE_URN not in there
        assert pushed.row.attributes_left_out == ["name.middleName", "title", f"{ENTERPRISE_URN}:department"]

    def test_attributes_that_it_does_not_take_any_more(self, pushed: Pushed) -> None:
        body = {"userName": "ann", "title": "Dr", ENTERPRISE_URN: {"department": "Sales"}}
        ann = pushed.here.client.post("/Users", body).ok().id
        pushed.ok()
        pushed.quirks.after = _without_title
        pushed.edit(members=50)
        gone = ({"op": "remove", "path": "title"}, {"op": "remove", "path": f"{ENTERPRISE_URN}:department"})
        pushed.here.client.patch(f"/Users/{ann}", replaced("nickName", "A"), *gone).ok()
        assert pushed.ok() == {"changed": 1}
        assert pushed.quirks.asked[-1].operations == [replaced("nickName", "A")]


def _without_title(asked: Asked, said: Said) -> Said:
    """The target has neither an extension nor the attribute title."""
    if asked.path == "/ResourceTypes":
        for each in said.body["Resources"]:
            each["schemaExtensions"] = []
    if asked.path == "/Schemas":
        for schema in said.body["Resources"]:
            schema["attributes"] = [each for each in schema["attributes"] if each["name"] != "title"]
    return said


def _unfiltered(pushed: Pushed, asked: Asked) -> Said | None:
    """All resources, whatever was asked for."""
    if "filter=" not in asked.path:
        return None
    return Said(200, pushed.there.client.another().find("Users", count=10))


class TestServersThatFail:
    def test_answers_are_lost(self, pushed: Pushed) -> None:
        chance = random.Random(7)

        def after(asked: Asked, said: Said) -> Said:
            return Said(reset=True) if asked.method != "GET" and chance.random() < 0.3 else said

        pushed.quirks.after = after
        users, groups = fill(pushed)
        for _ in range(8):
            pushed.sync()
            pushed.make_due()
        change(pushed, users, groups)
        for _ in range(8):
            pushed.sync()
            pushed.make_due()
        pushed.quirks.after = lambda asked, said: said
        pushed.sync()
        pushed.assert_equal()

    def test_it_wants_to_be_left_alone(self, pushed: Pushed) -> None:
        # More often than a request is tried; the last ones do not say for how long.
        times = iter([Said(429, headers={"Retry-After": "0.05"})] * 18 + [Said(503, headers={"Retry-After": "1"})])
        pushed.quirks.before = lambda asked: next(times, None) if asked.method == "POST" else None
        fill(pushed)
        pushed.ok()
        pushed.assert_equal()
        assert [link.tries for link in pushed.links()] == [0] * 8

    def test_it_wants_to_be_left_alone_for_an_hour(self, pushed: Pushed) -> None:
        pushed.quirks.before = lambda asked: Said(503, headers={"Retry-After": "3600"})
        fill(pushed)
        failed = pushed.sync()
        assert (failed.outcome, failed.detail) == ("failed", "the target answered 503, and wants to be left alone")
        row = pushed.row
        assert row.not_before - (row.last_run_at or 0) >= 3600 * 10**6

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refused_token_stops_the_run(self, pushed: Pushed, status: int) -> None:
        fill(pushed)
        posts = iter(range(100))
        pushed.quirks.before = lambda asked: (
            Said(status, {"detail": "no"}) if asked.method == "POST" and next(posts) >= 2 else None
        )
        failed = pushed.sync()
        assert failed.outcome == "failed"
        assert failed.detail == f"the target refuses the token: it answered {status}: no"
        assert len(pushed.quirks.requests("POST")) <= 6
        pushed.sync()
        told = [row.action for row in pushed.installation.journal(pushed.here) if row.action == "target_failed"]
        assert len(told) == 1
        pushed.quirks.before = lambda asked: None
        pushed.ok()
        pushed.assert_equal()

    def test_a_target_that_is_down_costs_nobody_a_try(self, pushed: Pushed) -> None:
        fill(pushed)
        pushed.ok()
        change(
            pushed,
            *[[each["id"] for each in pushed.here.client.find(kind)["Resources"]] for kind in ("Users", "Groups")],
        )
        pushed.quirks.before = lambda asked: Said(502)
        for _ in range(2):
            failed = pushed.sync()
            assert (failed.outcome, failed.detail) == ("failed", "the target answered 502")
        assert {link.tries for link in pushed.links()} == {0}
        assert pushed.row.last_error == "the target answered 502"
        pushed.quirks.before = lambda asked: None
        pushed.ok()
        assert pushed.row.last_error is None
        pushed.assert_equal()

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (Said(404), "the target does not know its Users: /Users answered 404"),
            (Said(302, headers={"Location": "/login"}), "sends to another address"),
            (Said(200, headers={"Content-Type": "text/html"}), "with a web page"),
        ],
        ids=["gone", "moved", "page"],
    )
    def test_another_server_at_the_url_is_told_from_missing_users(
        self, pushed: Pushed, answer: Said, reason: str
    ) -> None:
        users, _ = fill(pushed)
        pushed.ok()
        before = [(link.uuid, link.remote_id) for link in pushed.links()]
        client = pushed.here.client
        client.delete(f"/Users/{users[0]}").ok()
        client.patch(f"/Users/{users[1]}", replaced("title", "Dr")).ok()
        client.user("new").ok()
        pushed.quirks.before = lambda asked: answer
        failed = pushed.sync()
        assert failed.outcome == "failed"
        assert reason in str(failed.detail)
        assert [(link.uuid, link.remote_id) for link in pushed.links()][: len(before)] == before
        pushed.quirks.before = lambda asked: None
        pushed.make_due()
        pushed.ok()
        pushed.assert_equal()

    def test_what_somebody_changed_there_is_put_right_by_a_full_run(self, pushed: Pushed) -> None:
        fill(pushed)
        pushed.ok()
        there = pushed.there.client
        user = pushed.users_there()["user-1"]["id"]
        there.patch(f"/Users/{user}", replaced("title", "Duke"), replaced("active", False)).ok()
        group = there.find("Groups")["Resources"][0]
        there.patch(f"/Groups/{group['id']}", {"op": "remove", "path": "members"}).ok()
        assert pushed.ok() == {}
        assert pushed.sync(full=True).outcome == "ok"
        pushed.assert_equal()

    @pytest.mark.parametrize("status", [400, 500])
    def test_one_that_is_refused_is_parked_and_does_not_stop_the_others(self, pushed: Pushed, status: int) -> None:
        def before(asked: Asked) -> Said | None:
            refused = asked.method == "POST" and asked.body.get("userName") == "user-2"
            return Said(status, {"detail": "not user-2"}) if refused else None

        pushed.quirks.before = before
        users, _ = fill(pushed)
        for number in range(links.MOST_TRIES + 1):
            pushed.here.client.patch(f"/Users/{users[0]}", replaced("title", f"T{number}")).ok()
            report = pushed.sync()
            assert report.outcome == "ok"
            pushed.make_due()
        (parked,) = [link for link in pushed.links() if link.state == "parked"]
        assert (parked.uuid, parked.tries) == (users[2], links.MOST_TRIES)
        assert f"answered {status}: not user-2" in parked.reason
        (told,) = [row for row in pushed.installation.journal(pushed.here) if row.action == "target_parked"]
        assert (told.user_id, told.user) == (users[2], "user-2")
        assert len(pushed.users_there()) == 5
        # A change has it tried again; who comes late comes into the groups.
        pushed.quirks.before = lambda asked: None
        pushed.here.client.patch(f"/Users/{users[2]}", replaced("title", "fine")).ok()
        assert pushed.ok() == {"created": 1, "members_added": 2}
        pushed.assert_equal()

    def test_a_member_that_somebody_deleted_there(self, pushed: Pushed) -> None:
        users, groups = fill(pushed)
        pushed.ok()
        gone = pushed.users_there()["user-0"]["id"]
        pushed.there.client.delete(f"/Users/{gone}").ok()
        pushed.quirks.before = lambda asked: (
            Said(404, {"detail": "no such member"})
            if any(gone in str(each.get("value")) for each in asked.operations)
            else None
        )
        pushed.here.client.patch(f"/Groups/{groups[0]}", add_members(users[0])).ok()
        for _ in range(2):
            pushed.sync()
            pushed.make_due()
        pushed.ok()
        pushed.assert_equal()


class TestWhoIsThereAlready:
    def test_a_name_that_is_taken(self, pushed: Pushed) -> None:
        taken = pushed.there.client.user("ANN", nickName="A").id
        ann = pushed.here.client.user("ann", title="Dr").id
        assert pushed.ok() == {"refused": 1}
        (link,) = pushed.links()
        assert link.reason == "its userName is taken there: with --match it is adopted"
        pushed.edit(match=True)
        pushed.make_due()
        assert pushed.ok() == {"adopted": 1}
        there = pushed.users_there()["ann"]
        assert (there["id"], there["externalId"], there["nickName"], there["title"]) == (taken, ann, "A", "Dr")


class TestFilters:
    def test_leavers(self, pushed: Pushed) -> None:
        pushed.edit(filter='title eq "in"')
        client = pushed.here.client
        users = [client.user(f"u{number}", title="in" if number < 3 else "out").id for number in range(4)]
        client.group("staff", *users)
        assert pushed.ok() == {"created": 4, "members_added": 3}
        client.patch(f"/Users/{users[0]}", replaced("title", "out")).ok()
        assert pushed.ok() == {"disabled": 1}
        assert pushed.users_there()["u0"]["active"] is False
        client.patch(f"/Users/{users[0]}", replaced("nickName", "X")).ok()
        assert pushed.ok() == {}
        client.patch(f"/Users/{users[0]}", replaced("title", "in")).ok()
        client.patch(f"/Users/{users[3]}", replaced("title", "in")).ok()
        assert pushed.ok() == {"enabled": 1, "created": 1, "members_added": 1}
        pushed.assert_equal()

        pushed.edit(filter='title eq "in"', leavers="delete")
        client.patch(f"/Users/{users[0]}", replaced("title", "out")).ok()
        assert pushed.ok() == {"deleted": 1}
        assert set(pushed.users_there()) == {"u1", "u2", "u3"}

        pushed.edit(filter='title eq "in"', leavers="ignore")
        client.patch(f"/Users/{users[1]}", replaced("title", "out")).ok()
        assert pushed.ok() == {}
        client.patch(f"/Users/{users[1]}", replaced("userName", "elsewhere")).ok()
        assert pushed.ok() == {}
        assert pushed.users_there()["u1"]["title"] == "in"

    def test_nothing_is_deleted(self, pushed: Pushed) -> None:
        pushed.edit(delete=False)
        users, groups = fill(pushed, 3)
        pushed.ok()
        pushed.here.client.delete(f"/Users/{users[1]}").ok()
        pushed.here.client.delete(f"/Groups/{groups[0]}").ok()
        assert pushed.ok() == {"disabled": 1}
        assert pushed.ok() == {}
        assert pushed.users_there()["user-1"]["active"] is False
        assert set(pushed.groups_there()) == {"odd", "even"}
        assert pushed.quirks.requests("DELETE") == []

    def test_users_only(self, pushed: Pushed) -> None:
        pushed.edit(groups=False)
        fill(pushed, 3)
        assert pushed.ok() == {"created": 3}
        assert pushed.groups_there() == {}


def test_users_who_go_while_a_run_is_under_way_are_judged(pushed: Pushed) -> None:
    users, _ = fill(pushed, 60)
    pushed.ok()
    client, left = pushed.here.client.another(), iter(users[30:])
    for user in users[:20]:
        client.patch(f"/Users/{user}", replaced("title", "Dr")).ok()

    def after(asked: Asked, said: Said) -> Said:
        # More and more are disabled, and twenty are too many of sixty.
        if asked.method == "PATCH" and (user := next(left, None)):
            client.another().patch(f"/Users/{user}", replaced("active", False)).ok()
        return said

    pushed.edit(most_users=10)
    pushed.quirks.after = after
    outcomes = [pushed.sync().outcome for _ in range(3)]
    assert set(outcomes) == {"ok", "held"}
    inactive = [user for user in pushed.users_there().values() if not user["active"]]
    assert len(inactive) <= 12


def test_the_app_changes_while_it_is_pushed(pushed: Pushed) -> None:
    users, groups = fill(pushed, 8)
    client, done = pushed.here.client.another(), threading.Event()

    def write() -> None:
        for number in range(40):
            client.patch(f"/Users/{users[number % 8]}", replaced("title", f"T{number}")).ok()
            client.patch(f"/Groups/{groups[number % 2]}", add_members(users[number % 8])).ok()
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        pushed.ok()
    thread.join()
    pushed.ok()
    pushed.assert_equal()


# --- processes that end, loops, and commands ----------------------------------------------------------------------


def test_killed_anywhere_the_end_is_the_same(pushed: Pushed) -> None:
    """Each process is killed after so many writes; names of groups may come twice, so a twin would stay."""
    users, groups = fill(pushed, 8)
    name = ("target", "sync", "crm", "--app", pushed.here.slug)
    process: list[subprocess.Popen[bytes]] = []
    writes = itertools.count(1)

    def push_and_kill(after: int, *, answered: bool) -> None:
        last = next(writes) + after
        pushed.make_due()

        def strike(asked: Asked, said: Said) -> Said:
            if asked.method != "GET" and next(writes) >= last:
                process[-1].kill()
                return said if answered else Said(reset=True)
            return said

        pushed.quirks.after = strike
        process.append(subprocess.Popen([COMMAND, *name], env=pushed.commands.environ(), stderr=subprocess.DEVNULL))
        process[-1].wait(60)

    push_and_kill(3, answered=True)
    push_and_kill(5, answered=False)
    change(pushed, users, groups)
    push_and_kill(2, answered=True)
    pushed.quirks.after = lambda asked, said: said
    pushed.make_due()
    pushed.commands(*name).ok()
    pushed.assert_equal()
    outcomes = [run.outcome for run in stored.runs(pushed.installation.db, pushed.row, 9)]
    assert (outcomes[0], outcomes.count("interrupted")) == ("ok", len(outcomes) - 1)
    assert len(outcomes) > 1


def test_a_lease_keeps_others_away(pushed: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed.here.client.user("ann").ok()
    db = pushed.installation.db
    assert leases.take(db, pushed.target.id, "another", 60)
    assert runs.sync(pushed.means, pushed.target.id, WORKER) is None
    monkeypatch.setattr(target_runs, "_TRIES", 1)
    said = pushed.commands.fails("target", "sync", "crm", "--app", pushed.here.slug)
    assert "Another process pushes to crm now" in said
    # Who holds it and loses it writes nothing more.
    pushed.make_due()
    pushed.quirks.before = lambda asked: _taken_over(pushed, asked)
    assert pushed.sync().outcome == "interrupted"
    assert [link.state for link in pushed.links()] == ["sending"]
    pushed.make_due()
    pushed.quirks.before = lambda asked: None
    pushed.ok()
    pushed.assert_equal()


def _taken_over(pushed: Pushed, asked: Asked) -> None:
    if asked.method == "POST":
        row = TargetRow.update(holder="another", leased_until=2**60).where(TargetRow.id == pushed.target.id)
        pushed.installation.db.execute(row)
        pushed.installation.db.close()


def test_the_worker_pushes_what_changes(pushed: Pushed) -> None:
    opened = Opened.open(Settings.from_environment(pushed.commands.env))
    pushed.here.client.user("ann").ok()
    Worker(opened).run(once=True)
    # Not before the operator had it run once.
    assert pushed.users_there() == {}
    pushed.ok()
    worker = Worker(opened, collected=0.3)

    def work() -> None:
        worker.run()
        opened.db.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        time.sleep(0.3)
        for name in ("bob", "zoe"):
            pushed.here.client.user(name).ok()
        soon(lambda: len(pushed.users_there()) == 3)
    finally:
        worker.stop()
        thread.join()
        opened.db.close()
    assert pushed.row.holder is None
    told = [row for row in pushed.installation.journal(pushed.here) if row.action == "target_synced"][1:]
    assert {row.client for row in told} == {"worker"}


def test_an_installation_does_not_push_to_itself(pushed: Pushed) -> None:
    pushed.here.client.user("ann").ok()
    pushed.quirks.hands_mark_on = True
    assert "a target of this same installation" in str(pushed.sync().detail)
    assert pushed.users_there() == {}
    pushed.edit(same_installation=True)
    pushed.ok()
    pushed.assert_equal()
    workspace = pushed.installation.workspace(pushed.installation.app_row(pushed.here))
    root = f"{pushed.installation.url}/scim/v2"
    for url in (f"{root}/x", f"{root}/x/".replace("127.0.0.1", "localhost")):
        with pytest.raises(TargetError, match="same installation"):
            targets.add(workspace, "loop", url, "env:X", networks=LOOPBACK, own_roots=[root])


def test_what_came_from_there_is_not_pushed_back(pushed: Pushed) -> None:
    ann = pushed.here.client.user("ann").id
    pushed.here.client.user("bob").ok()
    db, app = pushed.installation.db, pushed.installation.app_row(pushed.here)
    text = dict.fromkeys(("mapping", "owned", "rules"), "{}")
    number = dict.fromkeys(("mapping_version", "read_version", "due_at", "failures", "leased_until", "created_at"), 1)
    url = pushed.quirks.url.replace("127.0.0.1", "localhost") + "/"
    values = {"app_id": app.id, "name": "x", "kind": "scim", "settings": f'{{"url": "{url}"}}', "state": "active"}
    db.execute(SourceRow.insert(**values, **text, **number))
    source = db.scalar(SourceRow.select(SourceRow.id).where(SourceRow.app_id == app.id))
    row = db.scalar(ResourceRow.select(ResourceRow.id).where(ResourceRow.uuid == ann))
    link = {"app_id": app.id, "source_id": source, "type": "User", "key": "1", "resource_id": row}
    db.execute(SourceLinkRow.insert(**link, digest="", ties="", version=1, state="ok", missing_runs=0))
    assert pushed.ok() == {"created": 1}
    assert set(pushed.users_there()) == {"bob"}


def test_commands(pushed: Pushed) -> None:
    run, app = pushed.commands, ("--app", pushed.here.slug)
    client = pushed.here.client
    ann, bob = (client.user(name).id for name in ("ann", "bob"))
    client.group("staff", ann)
    secret = f"a-secret-{pushed.here.slug}"
    run("target", "add", "kept", "--url", pushed.quirks.url, "--token-stdin", *app, input=f"{secret}\n").ok()
    kept = Path(pushed.installation.env["SCIMLITE_STATE_DIR"]) / "secrets" / f"target-{pushed.here.slug}-kept"
    assert kept.read_text() == f"{secret}\n"
    assert secret.encode() not in pushed.installation.stored()
    tried = run("target", "test", "kept", *app)
    assert (tried.code, "FAILED  token: it is refused: /Users answered 401" in tried.out) == (1, True)
    run("target", "remove", "kept", *app, "--yes").ok()
    assert not kept.exists()

    tried = run("target", "test", *app, "--write", "--json").ok()
    assert [(each["step"], each["ok"]) for each in tried.json_lines][-3:] == [
        ("create", True),
        ("disable", True),
        ("delete", True),
    ]
    plan = run("target", "preview", *app, "--json").ok().json
    assert plan["counts"] == {"create": 3, "members_added": 1}
    assert run("target", "status", *app).ok().out.count("new") == 1
    assert run("target", "sync", *app, "--json").ok().json == {
        "outcome": "ok",
        "counts": {"created": 3, "members_added": 1},
        "detail": None,
        "held": None,
    }
    assert run("target", "preview", *app).ok().err == "crm has everything as it should be.\n"
    (place,) = run("user", "show", "ann", *app, "--json").ok().json["targets"]
    assert (place["target"], place["state"]) == ("crm", "ok")

    for user in (ann, bob):
        client.delete(f"/Users/{user}").ok()
    planned = run("target", "preview", *app, "--csv")
    assert planned.code == 1
    assert planned.out.splitlines()[1] == f"delete,User,ann,{ann},,0,0"
    accept = f"scimlite target sync crm --app {pushed.here.slug} --accept-removals 2"
    assert accept in planned.err
    assert accept in run("target", "sync", *app).err
    found = {each["topic"]: each["text"] for each in run("check", *app, "--json", "--all").json_lines}
    assert found["target"].startswith("The target 'crm' is held: the app has nobody left to push")
    status = run("target", "status", "crm", *app)
    assert (status.code, "held" in status.out, accept in status.err) == (1, True, True)
    run("target", "sync", *app, "--accept-removals", "2").ok()
    run("target", "status", *app).ok()

    run("target", "edit", *app, "--filter", 'title eq "x"', "--members", "7", "--every", "1h", "--name", "crm2").ok()
    shown = run("target", "show", *app, "--json").ok().json
    assert (shown["target"], shown["every_seconds"], shown["options"]["members"]) == ("crm2", 3600, 7)
    run("target", "disable", *app).ok()
    assert "It is disabled" in run("target", "sync", *app).err
    run("target", "enable", *app).ok()
    run("target", "retry", *app).ok()
    pushed.quirks.before = lambda asked: Said(401)
    client.user("zoe", title="x").ok()
    failed = run("target", "sync", *app)
    assert "The run ended early: the target refuses the token: it answered 401" in failed.err
    assert run("target", "status", *app).code == 1
    run("target", "remove", *app, "--yes").ok()


UNREACHABLE = [
    ("https://nowhere.invalid/scim", "name"),
    ("https://127.0.0.1:1/scim", "TCP"),
    ("https://10.0.0.1/scim", "address"),
]


@pytest.mark.parametrize(("url", "step"), UNREACHABLE, ids=[step for _, step in UNREACHABLE])
def test_the_step_at_which_a_target_cannot_be_reached(pushed: Pushed, url: str, step: str) -> None:
    remote = Remote(pushed.client, url, "a", None)
    assert [(each.step, each.ok) for each in trials.check(remote)] == [(step, False)]


REFUSED = [
    (("--url", "http://192.0.2.1/scim"), "192.0.2.1 is an address of documentation"),
    (("--url", "https://a.example/scim/v2/Users"), "is no base URL"),
    (("--url", "https://a.example/scim?x=1"), "has a query"),
    (("--url", "https://a.example", "--filter", "nothing eq 1"), "The filter cannot be used: "),
    (("--url", "https://a.example", "--token-env", "SCIMLITE_X"), "begins like the settings"),
]


@pytest.mark.parametrize(("options", "problem"), REFUSED, ids=[problem for _, problem in REFUSED])
def test_what_cannot_be_a_target(pushed: Pushed, options: tuple[str, ...], problem: str) -> None:
    token = () if "--token-env" in options else ("--token-env", "X")
    said = pushed.commands.fails("target", "add", "x", *options, *token, "--app", pushed.here.slug)
    assert problem in said

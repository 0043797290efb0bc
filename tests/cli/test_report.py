"""`scimlite report`: who is found, when, and how it is shown."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import threading
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from commands import COMMAND, Commands, Ran, Running
from installation import Connected, Installation
from scim_client import Answer, ScimClient, add_members, remove_member
from scimlite import clock, journal
from scimlite import installation as startup
from scimlite.admin import apps
from scimlite.config import Settings
from scimlite.journal import Action, Entry, report
from tcp_forwarder import Forwarder

MINUTE = 60_000_000


@pytest.fixture
def command(installation: Installation) -> Commands:
    return Commands(installation.env)


@pytest.fixture
def history(installation: Installation, app: Connected) -> History:
    return History(installation, app)


class History:
    """Writes entries of an app straight into its journal."""

    def __init__(self, installation: Installation, app: Connected) -> None:
        self.db = installation.db
        self.workspace = installation.workspace(installation.app_row(app))

    def add(self, name: str, at: int | None = None, **entry: object) -> None:
        made = Entry(Action.UPDATED, user=(None, name), **entry)
        self.db.transact(lambda: journal.record(self.workspace, [made], at=at))

    def fill(self, count: int, at: int) -> None:
        """Entries of the same moment, as one large request makes them."""
        entries = [Entry(Action.UPDATED, user=(None, f"user{number}")) for number in range(count)]
        self.db.transact(lambda: journal.record(self.workspace, entries, at=at))


def rename(client: ScimClient, id: str, name: str) -> None:
    client.patch(f"/Users/{id}", {"op": "replace", "path": "userName", "value": name}).ok()


def told(ran: Ran) -> list[tuple[str, str | None]]:
    """Action and userName of each entry."""
    return [(row["action"], row["user"]) for row in ran.ok().json_lines]


class TestPerson:
    """`--user` finds everything about one person, and about nobody else."""

    def test_is_found_by_id_externalid_and_every_name_after_renames_and_deletion(self, command, app):
        client = app.client
        alice = client.user("alice@example.com", externalId=f"Emp-{app.slug}").ok().id
        client.user("bob@example.com").ok()
        group = client.group("Engineering", alice).ok().id
        rename(client, alice, "alice.b@example.com")
        rename(client, alice, "Alice.Carroll@example.com")
        client.patch(f"/Groups/{group}", remove_member(alice)).ok()
        client.delete(f"/Users/{alice}").ok()
        expected = [
            ("created", "alice@example.com"),
            ("member_added", "alice@example.com"),
            ("updated", "alice.b@example.com"),
            ("updated", "Alice.Carroll@example.com"),
            ("member_removed", "Alice.Carroll@example.com"),
            ("deleted", "Alice.Carroll@example.com"),
        ]
        names = ("alice@example.com", "ALICE.B@Example.com", "alice.carroll@example.com")
        for who in (alice, alice.upper(), f"Emp-{app.slug}", *names):
            assert told(command("report", "--app", app.slug, "--user", who, "--json")) == expected, who

    def test_externalid_is_exact(self, command, app):
        app.client.user("alice", externalId=f"Emp-{app.slug}").ok()
        assert told(command("report", "--user", f"emp-{app.slug}", "--json")) == []

    def test_who_was_refused_and_never_got_an_id_is_found(self, command, app):
        name = f"Nobody.{app.slug}@example.com"
        assert app.client.user(name, active="perhaps").status == 400
        (row,) = command("report", "--user", name.lower(), "--json").ok().json_lines
        assert (row["action"], row["outcome"], row["status"], row["user"], row["user_id"]) == (
            "created",
            "refused",
            400,
            name,
            None,
        )

    def test_a_refused_second_create_is_found_under_the_one_who_has_the_name(self, command, app):
        app.client.user("alice").ok()
        assert app.client.user("ALICE").status == 409
        rows = command("report", "--app", app.slug, "--user", "alice", "--json").ok().json_lines
        assert [(row["user"], row["outcome"]) for row in rows] == [("alice", "ok"), ("ALICE", "refused")]

    def test_a_refused_change_carries_the_name(self, command, app):
        alice = app.client.user("alice").ok().id
        assert app.client.patch(f"/Users/{alice}", {"op": "replace", "path": "nonsense", "value": "x"}).status == 400
        row = command("report", "--user", alice, "--json").ok().json_lines[-1]
        assert (row["outcome"], row["user"], row["user_id"]) == ("refused", "alice", alice)
        assert "nonsense" in row["detail"]

    def test_membership_is_told_with_the_groups_name(self, command, app):
        alice, bob = (app.client.user(name).ok().id for name in ("alice", "bob"))
        group = app.client.group("Engineering").ok().id
        app.client.patch(f"/Groups/{group}", add_members(alice, bob)).ok()
        rows = command("report", "--user", alice, "--action", "member_added", "--json").ok().json_lines
        assert [(row["user"], row["group"], row["group_id"]) for row in rows] == [("alice", "Engineering", group)]

    def test_nobody_is_said_plainly(self, command, app):
        ran = command("report", "--user", "nobody at all", "--since", "2h").ok()
        assert ran.out == ""
        assert "Nobody called 'nobody at all' was ever seen" in ran.err
        assert command("report", "--user", "nobody at all", "--json").ok().out == ""


class TestApp:
    def test_is_found_by_slug_and_name_also_when_deleted(self, installation, command):
        name = "Gone with the wind"
        gone = installation.app(name)
        gone.client.user("alice").ok()
        apps.delete(installation.scope, gone.slug)
        expected = ["app_created", "token_issued", "created", "app_deleted"]
        assert [row["action"] for row in command("report", "--app", gone.slug, "--json").json_lines] == expected
        rows = command("report", "--app", name, "--json").ok().json_lines
        assert [row["action"] for row in rows] == expected
        assert {(row["app"], row["app_name"]) for row in rows} == {(gone.slug, name)}
        assert [row["user"] for row in command("report", "--user", "alice", "--app", gone.slug, "--json").json_lines]

    def test_of_one_name_are_shown_together(self, installation, command):
        first, second = (installation.app("Twice there") for _ in range(2))
        rows = command("report", "--app", "Twice there", "--action", "app_created", "--json").ok().json_lines
        assert [row["app"] for row in rows] == [first.slug, second.slug]

    def test_others_entries_are_left_out(self, installation, command, app):
        installation.app("Other").client.user("zoe").ok()
        assert {row["app"] for row in command("report", "--app", app.slug, "--json").json_lines} == {app.slug}

    def test_that_never_was_is_refused_with_those_there_are(self, command, app):
        ran = command("report", "--app", "no-such-app")
        assert ran.code == 1
        assert "There never was an app 'no-such-app'. Apps: " in ran.err


class TestSelection:
    def test_by_time(self, command, app, history):
        now = clock.now()
        for name, ago in (("early", 180), ("middle", 90), ("late", 30)):
            history.add(name, now - ago * MINUTE)
        names = ("report", "--app", app.slug, "--action", "updated", "--json")
        assert [user for _, user in told(command(*names, "--since", "2h"))] == ["middle", "late"]
        assert [user for _, user in told(command(*names, "--until", "1h"))] == ["early", "middle"]
        assert [user for _, user in told(command(*names, "--since", "2h", "--until", "1h"))] == ["middle"]

    def test_a_time_without_a_zone_is_local(self, command, app, history):
        noon_in_utc = 1_793_534_400_000_000  # 2026-11-01T12:00Z, 07:00 in New York
        history.add("alice", noon_in_utc)
        for since, found in (("2026-11-01T07:00", 1), ("2026-11-01T07:01", 0), ("2026-11-01T12:00Z", 1)):
            arguments = ("report", "--app", app.slug, "--action", "updated", "--json")
            ran = command.process(*arguments, "--since", since, "--until", "2026-11-02", TZ="America/New_York")
            assert len(ran.ok().json_lines) == found, since
        ran = command.process("report", "--app", app.slug, "--until", "2026-11-02", TZ="America/New_York")
        assert "2026-11-01 07:00:00" in ran.ok().out

    def test_by_action_and_outcome(self, command, app):
        app.client.user("alice").ok()
        app.client.user("alice")
        app.client.group("Engineering").ok()
        rows = told(command("report", "--app", app.slug, "--action", "created", "--outcome", "ok", "--json"))
        assert rows == [("created", "alice"), ("created", None)]
        rows = command("report", "--app", app.slug, "--outcome", "refused", "--json").ok().json_lines
        assert [row["status"] for row in rows] == [409]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--since", "soon"], "such as 2h, 7d, yesterday"),
            (["--until", "2026-02-31"], "such as 2h, 7d, yesterday"),
            (["--action", "explode"], "'member_added'"),
            (["--outcome", "fine"], "'ok', 'refused', 'failed'"),
            (["--limit", "0"], "--limit"),
            (["--json", "--csv"], "choose one"),
            (["--follow", "--until", "1h"], "--until"),
            (["--since", "1h", "--until", "2h"], "--since is not before --until"),
        ],
    )
    def test_what_cannot_be_meant_is_a_usage_error(self, command, arguments, said):
        ran = command("report", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err


class TestAmount:
    def test_the_table_shows_fifty_and_says_that_there_is_more(self, command, app, history):
        history.fill(60, clock.now())
        ran = command("report", "--app", app.slug).ok()
        assert [row.split()[3] for row in ran.out.splitlines()[2:]] == [f"user{n}" for n in range(10, 60)]
        assert "newest 50 entries; there are more. --limit 500 shows more" in ran.err
        ran = command("report", "--app", app.slug, "--limit", "500").ok()
        assert len(ran.out.splitlines()) == 2 + 62
        assert ran.err == ""

    def test_json_has_everything_once_and_in_order(self, command, app, history):
        # More than one page, all of the same moment; then later ones that were written before them.
        at = clock.now()
        history.add("last", at + MINUTE)
        history.fill(2345, at)
        rows = command("report", "--app", app.slug, "--action", "updated", "--json").ok().json_lines
        assert [row["user"] for row in rows] == [*(f"user{number}" for number in range(2345)), "last"]

    def test_limit_gives_the_newest_the_last_of_them_last(self, command, app, history):
        for number in range(5):
            history.add(f"user{number}")
        assert [user for _, user in told(command("report", "--app", app.slug, "--limit", "2", "--json"))] == [
            "user3",
            "user4",
        ]


class TestData:
    def test_json_has_everything_that_is_known(self, installation, command, app):
        headers = {"client-request-id": "ours-to-remember", "User-Agent": "Test client/1"}
        created = app.client.post("/Users", {"userName": "alice", "title": "Dr"}, headers=headers).ok()
        alice = created.id
        app.client.patch(f"/Users/{alice}", {"op": "replace", "path": "title", "value": "Prof"}).ok()
        first, second = command("report", "--user", alice, "--json").ok().json_lines
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first.pop("at"))
        assert isinstance(first.pop("id"), int)
        assert first == {
            "app": app.slug,
            "app_name": "app",
            "action": "created",
            "outcome": "ok",
            "user": "alice",
            "user_id": alice,
            "group": None,
            "group_id": None,
            "changes": {},
            "client": "Test client/1",
            "actor": "scim",
            "address": "127.0.0.1",
            "uid": None,
            "sudo_uid": None,
            "token_label": "default",
            "token": "default",
            "request_id": created.headers["x-request-id"],
            "client_request_id": "ours-to-remember",
            "status": 201,
            "detail": None,
        }
        assert second["changes"] == {"title": ["Dr", "Prof"]}

    def test_csv_has_the_same(self, command, app):
        alice = app.client.user('Alice "the", first', title="Dr").ok().id
        app.client.group('Friends of "Alice",\nthe first').ok()
        app.client.patch(f"/Users/{alice}", {"op": "replace", "path": "title", "value": "Prof"}).ok()
        rows = command("report", "--app", app.slug, "--json").ok().json_lines
        found = list(csv.DictReader(io.StringIO(command("report", "--app", app.slug, "--csv").ok().out, newline="")))
        assert len(found) == len(rows)
        for cells, row in zip(found, rows, strict=True):
            changes = json.dumps(row.pop("changes")) if row["changes"] else row.pop("changes") and ""
            assert cells.pop("changes") == (changes or "")
            assert cells == {name: "" if value is None else str(value) for name, value in row.items()}


class TestTable:
    @pytest.fixture
    def story(self, app: Connected) -> Answer:
        """A bit of everything; returns the refusal."""
        client = app.client
        alice = client.user("alice@example.com", title="Dr").ok().id
        refused = client.user("ALICE@example.com")
        group = client.group("Engineering", alice).ok().id
        client.patch(
            f"/Users/{alice}",
            {"op": "replace", "path": "title", "value": "Prof"},
            {"op": "add", "path": "nickName", "value": "Al"},
        ).ok()
        client.patch(f"/Users/{alice}", {"op": "replace", "path": "active", "value": False}).ok()
        client.patch(f"/Users/{alice}", {"op": "remove", "path": "nickName"}).ok()
        client.patch(f"/Groups/{group}", {"op": "replace", "path": "displayName", "value": "Research"}).ok()
        return refused

    def lines(self, command: Commands, app: Connected, columns: str) -> list[str]:
        ran = command("report", "--app", app.slug, COLUMNS=columns).ok()
        assert ran.err == ""
        lines = ran.out.splitlines()
        assert max(map(len, lines)) <= int(columns)
        assert not any(line != line.rstrip() for line in lines)
        # Without the time, whose width is fixed, and the app.
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  | {21}", line) for line in lines[2:])
        return [re.sub(r" {2,}", "  ", line[21:]).strip().removeprefix(app.slug).strip() for line in lines[2:]]

    def test_on_a_wide_terminal(self, command, app, story):
        assert self.lines(command, app, "200") == [
            f"app_created  app ({app.slug}), by cli:test",
            "token_issued  token default, by cli:test",
            "alice@example.com  created",
            "ALICE@example.com  created  refused (409): Another User of this app already has this userName. "
            f"(request {story.headers['x-request-id']})",
            "Engineering  created",
            "alice@example.com  member_added  Engineering",
            "alice@example.com  updated  nickName set to Al",
            "title: Dr → Prof",
            "alice@example.com  disabled  active: true → false",
            "alice@example.com  updated  nickName removed, was Al",
            "Research  updated  displayName: Engineering → Research",
        ]

    def test_on_a_narrow_terminal(self, command, app, story):
        # Where lines are folded depends on the width of the app's slug; here every entry is one line again.
        folded = "\n".join(self.lines(command, app, "100"))
        for line in (
            f"app_created app ({app.slug}), by cli:test",
            "token_issued token default, by cli:test",
            "alice@example.com  created",
            "ALICE@example.com  created refused (409): Another User of this app already has this userName. "
            f"(request {story.headers['x-request-id']})",
            "Engineering  created",
            "alice@example.com  member_added Engineering",
            "alice@example.com  updated nickName set to Al title: Dr → Prof",
            "alice@example.com  disabled active: true → false",
            "alice@example.com  updated nickName removed, was Al",
            "Research  updated displayName: Engineering → Research",
        ):
            assert line in folded.replace("\n", " ")

    def test_long_names_are_cut_on_a_terminal_and_whole_in_a_pipe(self, command, app):
        name = "a.person.with.a.rather.long.name@a-company-with-a-long-name.onmicrosoft.example"
        app.client.user(name).ok()
        ran = command("report", "--app", app.slug, "--action", "created", COLUMNS="100").ok()
        assert f"{name[:23]}… " in ran.out
        for options, env in (((), {"COLUMNS": ""}), (("--wide",), {"COLUMNS": "100"})):
            assert name in command("report", "--app", app.slug, "--action", "created", *options, **env).ok().out

    def test_complex_values_are_told_in_words_and_long_ones_cut(self, command, app):
        work = {"value": "alice@example.com", "type": "work"}
        alice = app.client.user("alice", emails=[work], displayName="x" * 500).ok().id
        home = {"value": "al@example.org", "type": "home"}
        app.client.patch(f"/Users/{alice}", {"op": "add", "path": "emails", "value": [home]}).ok()
        app.client.patch(f"/Users/{alice}", {"op": "replace", "path": "displayName", "value": "Al"}).ok()
        out = command("report", "--user", alice, COLUMNS="200").ok().out
        assert "emails: alice@example.com (work) → alice@example.com (work), al@example.org (home)" in out
        assert f"displayName: {'x' * 79}… → Al" in re.sub(r"\s*\n\s+", "", out)

    def test_what_a_client_sends_cannot_steer_the_terminal(self, command, app):
        app.client.group("alice\x1b[31m\u202eevil\nline", externalId="\x07").ok()
        out = command("report", "--app", app.slug, "--action", "created", COLUMNS="200").ok().out
        assert r"alice\x1b[31m\u202eevil\nline" in out
        assert len(out.splitlines()) == 3

    def test_colours_are_for_terminals_only(self, command, app, story):
        arguments = [COMMAND, "report", "--app", app.slug]
        assert "\x1b" not in command.process(*arguments[1:]).ok().out
        shown = self.on_a_terminal(arguments, command.environ(COLUMNS="100", TERM="xterm"))
        assert "\x1b[31mrefused (409)" in shown
        assert "\x1b[3" not in self.on_a_terminal(arguments, command.environ(COLUMNS="100", TERM="xterm", NO_COLOR="1"))

    @staticmethod
    def on_a_terminal(arguments: list[str], environ: dict[str, str]) -> str:
        ours, theirs = pty.openpty()
        with subprocess.Popen(arguments, env=environ, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs):
            os.close(theirs)
            shown = b""
            try:
                while chunk := os.read(ours, 65536):
                    shown += chunk
            except OSError:  # Linux says so when the other side has closed
                pass
            os.close(ours)
        return shown.decode()


class TestFollow:
    def test_new_entries_come_until_ctrl_c(self, command, app):
        app.client.user("before").ok()
        with command.started("report", "--app", app.slug, "--follow", "--json") as follower:
            # Whoever looks before the first look of the follower is not new; so wait until one is seen.
            seen = self.until_seen(app, follower)
            app.client.user("alice").ok()
            app.client.user("alice")
            rows = [json.loads(follower.line()) for _ in range(2)]
            assert [(row["user"], row["outcome"]) for row in rows] == [("alice", "ok"), ("alice", "refused")]
            assert follower.interrupt() == 0
            assert follower.rest() == []
        assert all(user.startswith("probe") for user in seen)

    @staticmethod
    def until_seen(app: Connected, follower: Running) -> list[str]:
        """Make entries until the follower shows one; returns whom it showed, all up to the last one made."""
        seen: list[str] = []
        for number in range(200):
            app.client.user(f"probe{number}").ok()
            if line := follower.line_within(0.2):
                seen.append(json.loads(line)["user"])
                break
        while seen[-1] != f"probe{number}":
            seen.append(json.loads(follower.line())["user"])
        return seen

    def test_the_table_begins_with_what_since_selects(self, command, app):
        app.client.user("before").ok()
        with command.started(
            "report", "--app", app.slug, "--action", "created", "--since", "1h", "--follow", COLUMNS="100"
        ) as follower:
            assert [word for word in follower.line().split() if "(" not in word] == ["Time", "App", "Who", "What"]
            assert set(follower.line()) == {"─", " "}
            assert follower.line().split()[3:] == ["before", "created"]
            app.client.user("after").ok()
            assert follower.line().split()[3:] == ["after", "created"]
            assert follower.line("stderr").startswith("Waiting for new entries")
            assert follower.interrupt() == 0

    def test_csv_and_limit(self, command, app, history):
        for name in ("one", "two", "three"):
            history.add(name)
        with command.started("report", "--app", app.slug, "--follow", "--csv", "--limit", "2") as follower:
            assert follower.line().startswith("id,at,app,")
            assert ",two," in follower.line()
            assert ",three," in follower.line()
            history.add("four")
            assert ",four," in follower.line()
            assert follower.interrupt() == 0

    def test_an_entry_of_a_minute_ago_that_comes_now_is_shown(self, command, app, history):
        with self.following(command, app) as follower:
            history.add("young")
            assert json.loads(follower.line())["user"] == "young"
            history.add("old", clock.now() - MINUTE)
            assert json.loads(follower.line())["user"] == "old"

    @staticmethod
    def following(command: Commands, app: Connected) -> AbstractContextManager[Running]:
        return command.started("report", "--app", app.slug, "--action", "updated", "--since", "2h", "-f", "--json")

    def test_transactions_that_end_out_of_order_are_all_shown(self, installation, command, app, history):
        if installation.kind == "sqlite":
            pytest.skip("SQLite has one writer at a time: ids are taken in the order of the commits.")
        slow = startup.database(Settings.from_environment(installation.env))
        recorded, ends = threading.Event(), threading.Event()

        def work() -> None:
            journal.record(replace(history.workspace, db=slow), [Entry(Action.UPDATED, user=(None, "slow"))])
            # A statement without an answer may not have arrived yet.
            assert report.latest_id(slow)
            recorded.set()
            assert ends.wait(60)

        def write() -> None:
            slow.transact(work)
            slow.close()

        writer = threading.Thread(target=write)
        with self.following(command, app) as follower:
            history.add("first")
            assert json.loads(follower.line())["user"] == "first"
            writer.start()
            assert recorded.wait(60)
            try:
                history.add("fast")
                shown = [json.loads(follower.line())]
            finally:
                ends.set()
                writer.join()
            shown.append(json.loads(follower.line()))
            assert [row["user"] for row in shown] == ["fast", "slow"]
            assert shown[0]["id"] > shown[1]["id"]
            # And nothing twice.
            history.add("last")
            assert json.loads(follower.line())["user"] == "last"

    def test_it_goes_on_after_the_database_was_away(self, installation, app, history):
        if installation.kind == "sqlite":
            pytest.skip("A file is not away.")
        url = installation.env["SCIMLITE_DATABASE_URL"]
        with Forwarder.to(url) as forwarder:
            command = Commands({**installation.env, "SCIMLITE_DATABASE_URL": forwarder.url(url)})
            with self.following(command, app) as follower:
                history.add("before")
                assert json.loads(follower.line())["user"] == "before"
                forwarder.cut()
                assert "Trying again" in follower.line("stderr")
                history.add("meanwhile")
                forwarder.mend()
                assert json.loads(follower.line())["user"] == "meanwhile"
                assert follower.interrupt() == 0


@pytest.mark.parametrize("options", [(), ("--json",), ("--csv",), ("--summary",)], ids=" ".join)
def test_a_person_nobody_ever_saw_is_told_apart_from_one_without_entries(command, installation, options):
    app = installation.app("Seen")
    app.client.post("/Users", {"userName": "seen@example.com"}).ok(201)
    ran = command("report", "--user", "nobody@example.com", *options).ok()
    assert "Nobody called 'nobody@example.com' was ever seen" in ran.err
    assert "json" not in options or ran.out == ""
    ran = command("report", "--user", "seen@example.com", "--action", "deleted", *options).ok()
    assert "was ever seen" not in ran.err

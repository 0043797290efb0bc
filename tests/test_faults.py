"""The short form of `make faults`: on each database a few kills, a freeze, and what happens to a disk and a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scene as scenes
import strikes
from ledger import Ledger, State, Verdict
from scene import Scene
from strikes import Fault
from trial import suffer

from installation import Connected
from postgres_server import PostgresServer
from sqlite_files import small_disk

_, TAKEN_AWAY, _ = strikes.SQLITE
RESTARTED, _, FROZEN = strikes.POSTGRESQL


def kill(scene: Scene, app: Connected, times: int) -> None:
    """Four workers, then all processes, then the master alone."""
    for fault, number in zip(strikes.KILLS, (4, 1, 1), strict=True):
        fault.strike(scene, app, number)


KILLS = Fault("kills", kill, allowed=strikes.KILLS[0].allowed)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scenes.on_sqlite(tmp_path_factory.mktemp("sqlite")) as scene:
        yield scene


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    if os.environ.get("SCIMLITE_TEST_PG_URL"):
        pytest.skip("A server that SCIMLITE_TEST_PG_URL names is not ours to freeze.")
    server = PostgresServer.in_new_folder(durable=True)
    try:
        with scenes.on_postgresql(tmp_path_factory.mktemp("postgresql"), server) as scene:
            yield scene
    finally:
        server.stop()


def assert_survives(fault: Fault, scene: Scene, times: int) -> None:
    outcome = suffer(fault, scene, times)
    assert outcome.findings == ()
    assert outcome.acknowledged > 20


@pytest.mark.parametrize(("fault", "times"), [(KILLS, 1), (TAKEN_AWAY, 3)], ids=str)
def test_sqlite(sqlite: Scene, fault: Fault, times: int) -> None:
    assert_survives(fault, sqlite, times)


@pytest.mark.parametrize(("fault", "times"), [(KILLS, 1), (RESTARTED, 1), (FROZEN, 1)], ids=str)
def test_postgresql(postgresql: Scene, fault: Fault, times: int) -> None:
    assert_survives(fault, postgresql, times)


def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 20) as disk, scenes.on_sqlite(tmp_path, disk) as scene:
        assert_survives(strikes.FULL_DISK, scene, 1)


def test_what_is_lost_is_found(sqlite: Scene) -> None:
    """The proof is worth something: what nobody was told of is in the findings."""

    def lose(scene: Scene, app: Connected, times: int) -> None:
        client = scene.client(app)
        found = client.find("Users", count=5, filter='userName sw "wanted"')["Resources"]
        for user in found[:2]:
            client.delete(f"/Users/{user['id']}").ok(204)
        client.patch(f"/Users/{found[2]['id']}", {"op": "replace", "path": "title", "value": "9"}).ok(200)
        client.user("by nobody", title="0").ok(201)

    outcome = suffer(Fault("losing", lose), sqlite)
    assert outcome.count("lost") == 3
    assert outcome.count("half-done") >= 2


class TestLedger:
    """The comparison by itself."""

    @staticmethod
    def user(name: str, turn: int = 0, id: str = "1", **others: Any) -> dict[str, Any]:
        values = dict.fromkeys(("title", "nickName", "displayName"), str(turn))
        return {"userName": name, "id": id, **values, **others}

    @pytest.fixture
    def ledger(self) -> Ledger:
        """Somebody was created and then changed; the answer to the change of another is missing."""
        ledger = Ledger()
        for name, verdict, id in (("a", Verdict.DONE, "1"), ("b", Verdict.UNKNOWN, "2")):
            ledger.enter(name, State(0), Verdict.DONE, id=id)
            ledger.enter(name, State(1, frozenset({"g"})), verdict)
        return ledger

    @pytest.mark.parametrize("b", [(0, []), (1, ["2"])])
    def test_what_is_open_may_be_either_way(self, ledger: Ledger, b: tuple[int, list[str]]) -> None:
        ledger.compare([self.user("a", 1), self.user("b", b[0], "2")], {"g": ["1", *b[1]]})
        assert ledger.findings == []

    @pytest.mark.parametrize(
        ("users", "members", "kinds"),
        [
            ([("a", 0, "1"), ("b", 0, "2")], ["1"], ["lost"]),
            ([("a", 1, "1"), ("b", 0, "2")], [], ["lost"]),
            ([("b", 0, "2")], [], ["lost"]),
            ([("a", 1, "7"), ("b", 0, "2")], ["7"], ["lost"]),
            ([("a", 1, "1"), ("A", 1, "3"), ("b", 0, "2")], ["1", "3"], ["twin"]),
            ([("a", 1, "1"), ("b", 0, "2"), ("c", 0, "3")], ["1"], ["half-done"]),
            ([("a", 1, "1"), ("b", 0, "2")], ["1", "9"], ["half-done"]),
            ([("a", 1, "1"), ("b", 1, "2")], ["1"], ["lost"]),
        ],
    )
    def test_differences(self, ledger: Ledger, users: list[Any], members: list[str], kinds: list[str]) -> None:
        ledger.compare([self.user(*each) for each in users], {"g": members})
        assert [finding.kind for finding in ledger.findings] == kinds

    def test_what_was_refused_and_done(self, ledger: Ledger) -> None:
        ledger.enter("a", None, Verdict.REFUSED)
        ledger.compare([self.user("b", 0, "2")], {"g": []})
        assert [finding.kind for finding in ledger.findings] == ["half-done"]

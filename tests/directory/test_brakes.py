"""The brake on users decides as if it counted everything each time, and seldom counts."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from installation import Installation
from scimlite import clock
from scimlite.admin import apps, erasure
from scimlite.apps import App
from scimlite.directory import brakes, write
from scimlite.errors import TooManyRequests

MINUTE = 60_000_000
WINDOW = 60 * MINUTE


@pytest.fixture
def installation(database_url: str, tmp_path: Path) -> Iterator[Installation]:
    made = Installation.new(database_url, tmp_path)
    yield made
    made.db.close()


@dataclass
class Site:
    """An app with a clock of its own, and the events that a plain count needs."""

    installation: Installation
    number: int | None
    percent: int | None
    now: int
    released: int = 0
    #: Since when each user is active; None for those who are not.
    users: dict[str, int | None] = field(default_factory=dict)
    #: When each user departed, and since when it had been active then.
    departures: list[tuple[int, str, int]] = field(default_factory=list)

    @classmethod
    def new(
        cls, installation: Installation, monkeypatch: pytest.MonkeyPatch, number: int | None, percent: int | None
    ) -> Site:
        site = cls(installation, number, percent, clock.now())
        monkeypatch.setattr(clock, "now", lambda: site.now)
        apps.create(installation.scope, "braked")
        limits = {"brake-users": number, "brake-percent": percent}
        features = {name: "off" if limit is None else str(limit) for name, limit in limits.items()}
        apps.edit(installation.scope, "braked", features=features)
        return site

    @property
    def app(self) -> App:
        return apps.get(self.installation.db, "braked")

    def write(self, function: Any, *arguments: Any) -> Any:
        workspace = self.installation.workspace(self.app)
        return function(workspace, workspace.app.resource_types["Users"], *arguments)

    def create(self) -> None:
        made = self.write(write.create, {"userName": f"user-{len(self.users)}"}).resource
        self.users[made.id] = made.modified_at

    def enable(self, id: str) -> None:
        self.users[id] = self.write(write.patch, id, _active(True)).resource.modified_at

    def disable(self, id: str) -> bool:
        """False when the brake holds it."""
        try:
            self.write(write.patch, id, _active(False))
        except TooManyRequests:
            return False
        self.departures.append((self.now, id, self.users[id] or 0))
        self.users[id] = None
        return True

    def release(self) -> None:
        assert brakes.release(self.installation.scope, "braked") == ["users"]
        self.released = self.now

    def expected(self, id: str) -> bool:
        """Whether a count of everything lets this user go."""
        since = max(self.now - WINDOW, self.released)
        gone = [*self.departures, (self.now, id, self.users[id] or 0)]
        before = {user for at, user, active in gone if at > since and active <= since}
        newcomers = {user for at, user, active in gone if at > since and active > since}
        active = {user for user, active in self.users.items() if active is not None}
        old = {user for user in active if (self.users[user] or 0) <= since}
        return not (self._too_many(before, old | before) or self._too_many(newcomers, active | newcomers))

    def _too_many(self, departed: set[str], whole: set[str]) -> bool:
        number = self.number or 0
        share = self.percent is None or len(departed) * 100 > self.percent * len(whole)
        return bool(departed) and len(departed) > number and share

    def pick(self, chance: random.Random, *, active: bool) -> str | None:
        found = [id for id, since in self.users.items() if (since is not None) is active]
        return chance.choice(found) if found else None


def _active(value: bool) -> dict[str, Any]:
    return {"Operations": [{"op": "replace", "path": "active", "value": value}]}


def outcomes(site: Site, ids: Iterator[str], number: int = 6) -> list[bool]:
    """What becomes of the next users; each time what a count of everything says."""
    outcomes = []
    for id in itertools.islice(ids, number):
        wanted = site.expected(id)
        assert site.disable(id) is wanted
        outcomes.append(wanted)
    return outcomes


@pytest.mark.parametrize(("number", "percent"), [(4, 20), (None, 15), (8, None)])
def test_the_brake_decides_as_a_count_of_everything_does(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, number: int | None, percent: int | None
) -> None:
    site = Site.new(installation, monkeypatch, number, percent)
    # Counts ahead so little that what is kept is often used up.
    monkeypatch.setattr(brakes, "_FEWEST_AHEAD", 1)
    chance = random.Random(number)
    for _ in range(40):
        site.create()
    held = 0
    for _ in range(250):
        # Long pauses and short ones, so that users and departures cross the beginning of the window in any order.
        site.now += chance.choice((1, MINUTE // 10, MINUTE, 5 * MINUTE))
        act = chance.random()
        leaver, returner = site.pick(chance, active=True), site.pick(chance, active=False)
        if act < 0.2:
            site.create()
        elif act < 0.4 and returner:
            site.enable(returner)
        elif leaver:
            wanted = site.expected(leaver)
            assert site.disable(leaver) is wanted
            if not wanted:
                held += 1
                site.now += 1
                site.release()
    assert held > 3


def test_a_departure_seldom_counts(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site.new(installation, monkeypatch, 10, 50)
    monkeypatch.setattr(brakes, "_FEWEST_AHEAD", 5)
    for _ in range(160):
        site.create()
    site.now += 2 * WINDOW
    counted = 0
    for id in list(site.users)[:80]:
        site.now += 1
        with installation.db.counting() as statements:
            assert site.disable(id)
        counted += any("DISTINCT" in text for text in statements)
    # The numbers of departures from one count to the next double.
    assert counted < 8
    site.now += 1
    assert not site.disable(list(site.users)[80])


def test_newcomers_who_departed_grow_old(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """They count among those who were active before, as soon as the window begins after their arrival."""
    site = Site.new(installation, monkeypatch, None, 30)
    for _ in range(40):
        site.create()
    site.now += 2 * WINDOW
    for _ in range(20):
        site.create()
    old, new = iter(list(site.users)[:40]), iter(list(site.users)[40:])
    site.now += WINDOW // 2
    # 4 of 40 and 8 of 56: 8 more of either may go.
    assert all([*(site.disable(next(old)) for _ in range(4)), *(site.disable(next(new)) for _ in range(7))])
    installation.db.transact(lambda: brakes.forget_count(installation.db, site.app))
    assert site.disable(next(new))
    site.now += WINDOW // 2 + MINUTE
    # 12 of 60 now: 6 more may go.
    assert outcomes(site, old, 7) == [True] * 6 + [False]


def test_what_is_kept_ends_with_the_limits_it_was_found_for(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site.new(installation, monkeypatch, 2, 50)
    for _ in range(40):
        site.create()
    site.now += 2 * WINDOW
    ids = iter(list(site.users))
    assert all(site.disable(next(ids)) for _ in range(5))
    # Users who go while the brake is off are not there any more when it is on again.
    apps.edit(installation.scope, "braked", features={"brake-users": "off", "brake-percent": "off"})
    assert all(site.disable(next(ids)) for _ in range(20))
    apps.edit(installation.scope, "braked", features={"brake-users": "2", "brake-percent": "50"})
    site.departures = site.departures[:5]
    assert outcomes(site, ids) == [True] * 5 + [False]


def test_erased_users_are_no_longer_part_of_the_whole(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site.new(installation, monkeypatch, 2, 50)
    for _ in range(40):
        site.create()
    site.now += 2 * WINDOW
    ids = iter(list(site.users))
    assert all(site.disable(next(ids)) for _ in range(5))
    for _ in range(20):
        id = next(ids)
        erasure.erase(installation.workspace(site.app), id, "")
        del site.users[id]
    assert outcomes(site, ids) == [True] * 5 + [False]


def test_workers_whose_clocks_differ_let_no_more_through(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two is behind by a day: each of both would count its own departures alone."""
    site = Site.new(installation, monkeypatch, 4, None)
    for _ in range(20):
        site.create()
    right = site.now + 2 * WINDOW
    behind = right - 24 * WINDOW
    gone = 0
    for number, id in enumerate(list(site.users)):
        site.now = (behind if number % 2 else right) + number
        gone += site.disable(id)
    assert gone == 4

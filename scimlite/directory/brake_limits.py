"""The limits of a brake, compared with what was counted: pure arithmetic over numbers of users."""

from __future__ import annotations

from dataclasses import dataclass

from .departures import Departed


@dataclass(frozen=True, slots=True)
class Census:
    """The numbers that limits are compared with; a whole matters only where a number is above the limit."""

    departed: Departed
    #: Users who were active when the window began: those who departed, and those who are still there.
    before: int = 0
    #: Users who are active now, and the newcomers who departed.
    now: int = 0


@dataclass(frozen=True, slots=True)
class Spare:
    """How many more departures are within the limits, whoever departs."""

    number: int
    #: True when it holds only as long as no more newcomers grow older than the window than were counted as aging.
    ages: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a brake; None is no limit, and a brake without limits is off."""

    number: int | None
    percent: int | None
    #: How far back the brake counts, in microseconds.
    window: int

    @property
    def on(self) -> bool:
        """True when the brake can trip."""
        return self.number is not None or self.percent is not None

    def most(self, whole: int) -> int:
        """How many of a whole may depart within the window: the limit that is reached last counts."""
        return self.room(0, whole)

    def exceeded_by(self, departed: int, whole: int | None = None) -> bool:
        """True when so many users are too many; without a whole, when they may be."""
        if departed == 0 or (self.number is not None and departed <= self.number):
            return False
        return self.percent is None or whole is None or departed * 100 > self.percent * whole

    def excess(self, census: Census, *, of_members: bool) -> str | None:
        """How the departures exceed the limits, in words; None when they do not."""
        departed = census.departed
        if of_members:
            too_many = self.exceeded_by(departed.before)
            act = "removed from groups"
            return f"more than {self.number} users would have been {act} within the window" if too_many else None
        act = "disabled or deleted within the window"
        if self.exceeded_by(departed.before, census.before):
            if self.percent is None:
                return f"more than {self.number} users would have been {act}"
            return f"{_users(departed.before)} of {census.before:,} would have been {act}"
        if self.exceeded_by(departed.newcomers, census.now):
            if self.percent is None:
                return f"more than {self.number} users who are new in it would have been {act}"
            return f"{_users(departed.newcomers)} who are new in it, of {census.now:,} active, would have been {act}"
        return None

    def spare(self, census: Census) -> Spare:
        """How many more departures exceed no limit for certain, after a count that exceeds none.

        Departures that leave the window only make room. A newcomer who departed changes sides when the window begins
        after its arrival: it then counts among those who were active before. The result is for all newcomers changing
        sides, or with `ages` for the aging ones, when that leaves more than twice the room.
        """
        departed = census.departed
        remaining = census.before - departed.before
        of_newcomers = self.room(departed.newcomers, census.now)

        def spare(aging: int) -> int:
            before = departed.before + aging
            return max(0, min(of_newcomers, self.room(before, before + remaining)))

        lasting, aging = spare(departed.newcomers), spare(departed.aging)
        return Spare(aging, ages=True) if aging > 2 * lasting else Spare(lasting)

    def room(self, departed: int, whole: int) -> int:
        """How many more of a whole may depart; the limit that is reached last counts."""
        by_number = -departed if self.number is None else self.number - departed
        by_share = -departed if self.percent is None else self.percent * whole // 100 - departed
        return max(by_number, by_share)


def _users(number: int) -> str:
    return f"{number} users" if number != 1 else "1 user"

"""Times as operators type them: `2h`, `yesterday`, `2026-11-01T08:00`; microseconds since 1970 UTC inside."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

_SECOND = 1_000_000
_UNITS = {"s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND, "d": 86_400 * _SECOND, "w": 604_800 * _SECOND}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
#: Longer ones are typing errors, and would leave the calendar.
_LONGEST = 100 * 366 * _UNITS["d"]
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """The present, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def duration(text: str) -> int:
    """A length of time such as `2h`, in microseconds; ValueError says how one is written."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is not a duration: give a number and s, m, h, d or w, such as 30m, 2h, 7d or 2w.")
    length = int(found[1]) * _UNITS[found[2]]
    if length > _LONGEST:
        raise ValueError(f"{text!r} is too long: 100 years are the most, such as 5200w.")
    return length


def moment(text: str, now: int) -> int:
    """A point in time: a duration counts back from `now`, a date is its first moment here, a time without a zone
    is local. ValueError says how one is written.
    """
    if _DURATION.fullmatch(text.strip().lower()):
        return now - duration(text)
    return _on_calendar(text, now, "2h, 7d, yesterday, 2026-11-01 or 2026-11-01T08:00")


def deadline(text: str, now: int) -> int:
    """A point in time still to come: like `moment`, but a duration counts on from `now`."""
    if _DURATION.fullmatch(text.strip().lower()):
        at = now + duration(text)
    else:
        at = _on_calendar(text, now, "90d, 2027-01-31 or 2027-01-31T18:00")
    if at <= now:
        raise ValueError(f"{text!r} has passed: give a time to come, such as 90d.")
    return at


def _on_calendar(text: str, now: int, examples: str) -> int:
    """A day by its name or date, or a date and time."""
    word = text.strip().lower()
    try:
        if word in ("today", "yesterday"):
            today = (_EPOCH + timedelta(microseconds=now)).astimezone().date()
            return _begin(today - timedelta(days=word == "yesterday"))
        if _DATE.fullmatch(word):
            return _begin(date.fromisoformat(word))
        if _DATE_TIME.fullmatch(word):
            return _microseconds(datetime.fromisoformat(word.upper()))
    except (ValueError, OverflowError, OSError):  # a 31st of February, or a year no clock can show
        pass
    raise ValueError(f"{text!r} is not a time: give one such as {examples} (with Z or +01:00 when it is not local).")


def _begin(day: date) -> int:
    """The first moment of a day on the local clock."""
    return _microseconds(datetime(day.year, day.month, day.day))


def _microseconds(when: datetime) -> int:
    # astimezone takes a time without a zone for a local one.
    return (when.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


class _Typed(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of Click
    """A parameter that one of the functions above reads; what it refuses is a usage error with an example."""

    def __init__(self, name: str, read: Callable[[str], int]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


#: An option that takes a point in time; durations count back.
MOMENT = _Typed("time", lambda text: moment(text, now()))
#: An option that takes a length of time.
DURATION = _Typed("duration", duration)
#: An option that takes a point in time to come; durations count on.
DEADLINE = _Typed("time", lambda text: deadline(text, now()))

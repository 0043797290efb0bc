"""Times as operators type and read them; inside, a time is microseconds since 1970 UTC and a duration microseconds."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from scimlite import clock

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
#: Writes a stored time for programs.
iso_time = clock.iso_time


def duration(text: str) -> int:
    """Read a length of time such as `2h`. Raises ValueError with an example when the text is none."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: give a number and s, m, h, d or w, such as 30m, 2h, 7d or 2w.")
    length = int(match[1]) * _UNITS[match[2]]
    if length > _LONGEST:
        raise ValueError(f"{text!r} is too long: 100 years are the most, such as 5200w.")
    return length


def moment(text: str, now: int) -> int:
    """Read a point in time: `2h` is two hours before `now`, a date its first moment in the local time zone.

    A time without a zone is local. Raises ValueError with examples when the text is no time.
    """
    if _DURATION.fullmatch(text.strip().lower()):
        return now - duration(text)
    return _on_calendar(text, now, "2h, 7d, yesterday, 2026-11-01 or 2026-11-01T08:00")


def deadline(text: str, now: int) -> int:
    """Read a point in time after `now`: like `moment`, but `90d` is ninety days after `now`."""
    if _DURATION.fullmatch(text.strip().lower()):
        at = now + duration(text)
    else:
        at = _on_calendar(text, now, "90d, 2027-01-31 or 2027-01-31T18:00")
    if at <= now:
        raise ValueError(f"{text!r} has passed: give a time to come, such as 90d.")
    return at


def _on_calendar(text: str, now: int, examples: str) -> int:
    """Read `today`, `yesterday`, a date, or a date and time."""
    word = text.strip().lower()
    try:
        if word in ("today", "yesterday"):
            today = (_EPOCH + timedelta(microseconds=now)).astimezone().date()
            return _begin(today - timedelta(days=word == "yesterday"))
        if _DATE.fullmatch(word):
            return _begin(date.fromisoformat(word))
        if _DATE_TIME.fullmatch(word):
            return _microseconds(datetime.fromisoformat(word.upper()))
    except (ValueError, OverflowError, OSError):  # a 31st of February, or a year that no clock can show
        pass
    raise ValueError(f"{text!r} is not a time: give one such as {examples} (with Z or +01:00 when it is not local).")


def _begin(day: date) -> int:
    """The first moment of a day on the local clock."""
    return _microseconds(datetime(day.year, day.month, day.day))


def _microseconds(when: datetime) -> int:
    # astimezone takes a time without a zone for a local one.
    return (when.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


class LocalTime(str):
    """A time as text in the local time zone, which a table or a list of fields names once."""

    zone: str

    def __new__(cls, text: str, zone: str) -> LocalTime:
        """A text with the name of its zone."""
        time = super().__new__(cls, text)
        time.zone = zone
        return time


def local_time(microseconds: int | None, *, seconds: bool = True) -> str:
    """Write a stored time in the local time zone, as a LocalTime; an empty text for None."""
    if microseconds is None:
        return ""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    when = datetime.fromtimestamp(microseconds / 1e6).astimezone()
    name = when.tzname() or ""
    return LocalTime(when.strftime(form), name if name.isalpha() else f"UTC{when.strftime('%z')}")


def spoken_time(microseconds: int | None) -> str:
    """Write a stored time with its zone, for a sentence; an empty text for None."""
    time = local_time(microseconds)
    return f"{time} {time.zone}" if isinstance(time, LocalTime) else ""


def spoken_length(microseconds: int) -> str:
    """Write a length of time in its largest whole unit: `3 d`, `12 min`, `5 s`."""
    for unit, name in ((_UNITS["d"], "d"), (_UNITS["h"], "h"), (_UNITS["m"], "min")):
        if microseconds >= unit:
            return f"{microseconds // unit} {name}"
    return f"{microseconds // _SECOND} s"


class _Typed(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of Click
    """A parameter that one of the functions above reads; a text that it refuses is a usage error with an example."""

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
MOMENT = _Typed("time", lambda text: moment(text, clock.now()))
#: An option that takes a length of time.
DURATION = _Typed("duration", duration)
#: An option that takes a point in time to come; durations count on.
DEADLINE = _Typed("time", lambda text: deadline(text, clock.now()))

"""A search in the report as an operator types it: person, app, time and more, as text that an address can hold."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from zoneinfo import ZoneInfo

from .. import clock
from ..apps import AppError
from ..clock import DAY
from ..db import Database
from ..journal import Action, Actor, Outcome
from ..journal.selection import Selection
from . import reporting

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = DAY // 24
#: The times to choose from, with their length in microseconds.
TIMES: Mapping[str, int] = {"1h": _HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
TODAY, CUSTOM = "today", "custom"
#: What to choose when nothing was found in a time; all times for any that is not here.
_WIDER = {"1h": "7d", TODAY: "7d", "24h": "7d", "7d": "30d"}
#: Longer texts are no names.
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; an empty text stands for all. The fields are named as in the address of the page."""

    #: id, externalId, or any userName the person ever had.
    user: str = ""
    #: Slug or name, also a former one.
    app: str = ""
    #: One of TIMES, `today`, or `custom` with `since` and `until`.
    time: str = ""
    since: str = ""
    until: str = ""
    #: The time zone, such as Europe/Berlin, in which today began.
    zone: str = ""
    outcome: str = ""
    action: str = ""
    actor: str = ""
    client: str = ""
    address: str = ""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Search:
        """The search in the parameters of an address; others are left out."""
        search = cls(**{field.name: values.get(field.name, "").strip()[:_LONGEST] for field in fields(cls)})
        has_moments = bool(search.since or search.until)
        return replace(search, time=CUSTOM) if has_moments and not search.time else search

    def values(self) -> dict[str, str]:
        """The parameters of an address that `of` takes."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}

    def wider(self) -> Search | None:
        """The same search in a longer time; None when it has all times."""
        if not self.time:
            return None
        return replace(self, time=_WIDER.get(self.time, ""), since="", until="", zone="")

    def command(self) -> str:
        """The command that shows the same."""
        times = {"since": self.time} if self.time in TIMES or self.time == TODAY else {}
        if self.time == CUSTOM:
            times = {"since": self.since, "until": self.until}
        wanted = {"user": self.user, "app": self.app, **times}
        wanted |= {name: getattr(self, name) for name in ("outcome", "action", "actor", "client", "address")}
        options = [f"--{name} {shlex.quote(value)}" for name, value in wanted.items() if value]
        return " ".join(["scimlite report", *options])


@dataclass(frozen=True, slots=True)
class Reading:
    """A search as it was understood: the selection, and what is wrong, by the name of the field."""

    selection: Selection
    problems: dict[str, str]


def read(db: Database, search: Search, seen: Collection[int] | None) -> Reading:
    """Reads a search for an operator who sees the apps with these ids; None for all, and the installation too."""
    problems: dict[str, str] = {}

    def checked(field: str, parse: Callable[[str], str]) -> str | None:
        text = getattr(search, field)
        try:
            return parse(text) if text else None
        except ValueError as error:
            problems[field] = str(error)
            return None

    app_ids = None if seen is None else sorted(seen)
    if search.app:
        try:
            app_ids = reporting.app_ids(db, search.app, seen)
        except AppError as error:
            problems["app"] = str(error)
    since, until = _times(search, problems)
    selection = Selection(
        user=checked("user", _name),
        app_ids=app_ids,
        since=since,
        until=until,
        action=checked("action", _one_of(list(map(str, Action)))),
        outcome=checked("outcome", _one_of(list(map(str, Outcome)))),
        actor=checked("actor", _one_of(list(map(str, Actor)))),
        address=checked("address", address_of),
        client=checked("client", _name),
    )
    return Reading(selection, problems)


def address_of(text: str) -> str:
    """Returns an address as the journal writes it. Raises ValueError with examples when the text is none."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no address: give one such as 192.0.2.7 or 2001:db8::7.") from None


def _name(text: str) -> str:
    # PostgreSQL takes no such text.
    if "\0" in text:
        raise ValueError("A name has no character 0.")
    return text


def _one_of(names: list[str]) -> Callable[[str], str]:
    def chosen(text: str) -> str:
        if text not in names:
            raise ValueError(f"{text!r} is none of {', '.join(names)}.")
        return text

    return chosen


# --- times --------------------------------------------------------------------------------------------------------


def _times(search: Search, problems: dict[str, str]) -> tuple[int | None, int | None]:
    """The times of a search in microseconds since 1970 UTC, None where there is no limit."""
    now = clock.now()
    if search.time in TIMES:
        return now - TIMES[search.time], None
    if search.time == TODAY:
        return _today(search.zone, now, problems), None
    if search.time not in ("", CUSTOM):
        problems["time"] = f"{search.time!r} is none of {', '.join([*TIMES, TODAY, CUSTOM])}."
    if search.time != CUSTOM:
        return None, None
    moments: dict[str, int | None] = {"since": None, "until": None}
    for field in moments:
        if text := getattr(search, field):
            try:
                moments[field] = _moment(text)
            except (ValueError, OverflowError):
                problems[field] = f"{text!r} is not a time: give one such as 2026-11-01T08:00Z."
    since, until = moments.values()
    if since is not None and until is not None and since >= until:
        problems["until"] = "The end is not after the beginning, so nothing can be in between."
    return since, until


def _moment(text: str) -> int:
    """A time such as 2026-11-01, 2026-11-01T08:00 or 2026-11-01T08:00:00+01:00; in UTC when it has no zone."""
    at = datetime.fromisoformat(text)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def _today(zone: str, now: int, problems: dict[str, str]) -> int:
    """When today began in a zone; in UTC when none is named."""
    at = _EPOCH + timedelta(microseconds=now)
    try:
        local = at.astimezone(ZoneInfo(zone)) if zone else at
    except (OSError, ValueError, KeyError):
        problems["time"] = f"The time zone {zone!r} is not known here: choose a time by its beginning and end."
        local = at
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - _EPOCH) // timedelta(microseconds=1)

"""What changed in a directory since a position: by content synchronization (RFC 4533), or by times of change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from .ldap_connection import library, translated
from .ldap_session import Session, folded, required_texts

_SYNCREPL = "1.3.6.1.4.1.4203.1.9.1.1"
#: More entries than this cost more one by one than all of them.
_MOST = 5_000
#: How long before a position entries are looked at again: clocks of replicas and of this host differ.
_OVERLAP = timedelta(minutes=10)
_TIME = "%Y%m%d%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a directory is: its change numbers by base where it has some, and the time of its last change."""

    numbers: Mapping[str, list[str]]
    at: str

    @classmethod
    def now(cls, session: Session, bases: Sequence[str]) -> Position | None:
        """The position of a directory now; None where entries do not even show when they were changed."""
        if not all((session.entry(base, ["modifyTimestamp"]) or {}).get("modifytimestamp") for base in bases):
            return None
        numbers: dict[str, list[str]] = {}
        for base in bases if _SYNCREPL in session.root().get("supportedcontrol", []) else ():
            context = session.context_of(base)
            found = session.entry(context, ["contextCSN"]) if context is not None else None
            numbers[base] = sorted(required_texts(found or {}, "contextcsn"))
        return cls({base: each for base, each in numbers.items() if each}, (_last(numbers) - _OVERLAP).strftime(_TIME))

    @classmethod
    def from_json(cls, text: str) -> Position:
        """The position as it was stored."""
        made = orjson.loads(text)
        return cls(made["numbers"], made["at"])

    def to_json(self) -> str:
        """The text that `from_json` takes."""
        return orjson.dumps({"numbers": dict(self.numbers), "at": self.at}).decode()


def _last(numbers: Mapping[str, Sequence[str]]) -> datetime:
    """The time of the last change by the server's clock where it tells it, else the time here."""
    times = [match[0] for each in numbers.values() for number in each if (match := re.match(r"\d{14}", number))]
    now = datetime.now(UTC)
    return min(now, datetime.strptime(max(times), "%Y%m%d%H%M%S").replace(tzinfo=UTC)) if times else now


def synchronized(session: Session, base: str, filter: str, numbers: Sequence[str]) -> list[str] | None:
    """The ids (entryUUID) of entries that changed, came or went below a base since these change numbers.

    None when the server lists what is present instead, because it keeps no log of the session. Raises SourceError.
    """
    ldap = library()
    from ldap.syncrepl import SyncDoneControl, SyncInfoMessage, SyncRequestControl, SyncStateControl

    request = SyncRequestControl(criticality=True, cookie=f"rid=000,csn={';'.join(numbers)}", mode="refreshOnly")
    known = {each.controlType: each for each in (SyncStateControl, SyncDoneControl)}
    connection, made = session.connection(), list[str]()
    with translated(session.address.url):
        message = connection.search_ext(base, ldap.SCOPE_SUBTREE, filter, ["1.1"], serverctrls=[request])
        while True:
            try:
                kind, data, _, controls, _, _ = connection.result4(
                    message, all=0, add_ctrls=1, add_intermediates=1, resp_ctrl_classes=known
                )
            except ldap.UNAVAILABLE_CRITICAL_EXTENSION:
                # The control is known, and nothing keeps what changed below this base.
                return None
            if kind == ldap.RES_SEARCH_RESULT:
                done = next((each for each in controls if each.controlType == SyncDoneControl.controlType), None)
                # Without the word that deletions were told, what is not listed may be gone.
                return made if done is not None and done.refreshDeletes else None
            for first, second, own in data:
                found: Sequence[str] | None = ()
                if kind == ldap.RES_SEARCH_ENTRY:
                    found = _of_entry(own, SyncStateControl)
                elif kind == ldap.RES_INTERMEDIATE and first == SyncInfoMessage.responseName:
                    found = _of_message(SyncInfoMessage(second))
                if found is None or len(made) > _MOST:
                    # What is still to come is of no use, and at a large directory much.
                    connection.abandon(message)
                    return None
                made += found


def _of_entry(controls: Sequence[Any], type: Any) -> Sequence[str] | None:
    """The id of a changed entry; None for one that is only said to be present."""
    state = next((each for each in controls if each.controlType == type.controlType), None)
    return None if state is None or state.state == "present" else [state.entryUUID]


def _of_message(told: Any) -> Sequence[str] | None:
    """The ids of deleted entries in a message; None when it lists what is present."""
    if told.refreshPresent is not None:
        return None
    if told.syncIdSet is None:
        return ()
    return told.syncIdSet["syncUUIDs"] if told.syncIdSet["refreshDeletes"] else None


def newer(
    session: Session, bases: Sequence[str], filter: str, attribute: str, key_of: Callable[[Any], str | None]
) -> list[str] | None:
    """The keys of entries that match a filter such as `(modifyTimestamp>=…)`; None when there are too many.

    Those that no longer match the source's own filter are among them: they are the ones that left it.
    """

    def found() -> Iterator[str]:
        for base in bases:
            for _, given in session.search(base, filter, [attribute]):
                key = key_of(folded(given))
                if key is not None:
                    yield key

    made: list[str] = []
    for key in found():
        made.append(key)
        if len(made) > _MOST:
            return None
    return made

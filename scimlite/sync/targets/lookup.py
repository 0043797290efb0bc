"""Finds resources at a target by externalId or name: by a filter, or where it has none by reading all of them once."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

import orjson

from ...scim.names import fold
from .abilities import Abilities
from .remote import Remote, Reply, TroubleError

_NAMES = {"User": "userName", "Group": "displayName"}
#: Resources that are asked for at once.
_PAGE = 100
#: Pages of a list, so that a server that repeats itself ends the reading.
_MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class Found:
    """A resource at a target."""

    id: str
    external_id: str | None
    name: str | None


class Lookup:
    """The resources of one target, for all threads of a run."""

    def __init__(self, remote: Remote, abilities: Abilities) -> None:
        self._remote = remote
        self._filter = abilities.filter
        self._path = abilities.path
        self._lock = Lock()
        self._by_external_id: dict[str, dict[str, Found]] = {}
        self._by_name: dict[str, dict[str, Found]] = {}

    def by_external_id(self, type: str, external_id: str) -> Found | None:
        """The resource with an externalId. Raises StoppedError and TroubleError."""
        if (asked := self._asked(type, "externalId", external_id)) is not None:
            return next((each for each in asked if each.external_id == external_id), None)
        self._read_all(type)
        return self._by_external_id[type].get(external_id)

    def by_name(self, type: str, attribute: str, name: str) -> Found | None:
        """The only resource with a userName or displayName, without case; None when there is none, or several."""
        asked = self._asked(type, attribute, name)
        if asked is None:
            self._read_all(type)
            return self._by_name[type].get(fold(name))
        same = [each for each in asked if each.name is not None and fold(each.name) == fold(name)]
        return same[0] if len(same) == 1 else None

    def _asked(self, type: str, attribute: str, value: str) -> list[Found] | None:
        """What a filter finds; None for a server that has none, or answers with something else."""
        if not self._filter:
            return None
        text = orjson.dumps(value).decode()
        reply = self._remote.get(self._path(type), {"filter": f"{attribute} eq {text}", "count": "10"})
        if not reply.fine:
            self._filter = False
            return None
        found, total = _page(reply, type)
        if total > len(found):
            # It ignores filters, and answered with the first of all.
            self._filter = False
            return None
        return found

    def _read_all(self, type: str) -> None:
        with self._lock:
            if type in self._by_name:
                return
            found = self._pages(type)
            by_name: dict[str, Found] = {}
            twice = set()
            for each in found:
                key = fold(each.name or "")
                twice |= {key} if key in by_name else set()
                by_name[key] = each
            self._by_external_id[type] = {each.external_id: each for each in found if each.external_id}
            self._by_name[type] = {key: each for key, each in by_name.items() if key not in twice}

    def _pages(self, type: str) -> list[Found]:
        """Everything, page by page. Raises TroubleError when a server shows fewer than it says that it has."""
        found: dict[str, Found] = {}
        start = 1
        for _ in range(_MOST_PAGES):
            reply = self._remote.get(self._path(type), {"startIndex": str(start), "count": str(_PAGE)})
            if not reply.fine:
                raise TroubleError(f"the target's list of {type}s cannot be read: it {reply.reason}")
            page, total = _page(reply, type)
            found |= {each.id: each for each in page}
            start += len(page)
            if not page or start > total:
                break
        if len(found) < total:
            raise TroubleError(f"the target shows {len(found):,} of {total:,} {type}s")
        return list(found.values())


def _page(reply: Reply, type: str) -> tuple[list[Found], int]:
    """The resources of a page, and how many there are in all."""
    body: dict[str, Any] = reply.body or {}
    listed = body.get("Resources")
    items = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    found = [
        Found(each["id"], _text(each, "externalId"), _text(each, _NAMES[type]))
        for each in items
        if isinstance(each.get("id"), str)
    ]
    total = body.get("totalResults")
    return found, total if isinstance(total, int) else len(found)


def _text(each: dict[str, Any], name: str) -> str | None:
    found = each.get(name)
    return found if isinstance(found, str) and found else None

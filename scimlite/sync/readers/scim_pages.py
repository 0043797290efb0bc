"""Reads all resources of a SCIM server's list, by cursor or by index, and notices when some were left out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..reading import IncompleteError
from .api import Page, key_of, time_there
from .refusals import AnswerError, TooLargeError

Json = Any
_Ask = Callable[[Mapping[str, str | int]], Page]

#: How often a list is read when resources go while it is read.
_PASSES = 3


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server says that it can do."""

    filter: bool
    sort: bool
    cursor: bool
    #: Resources in a page.
    page_size: int
    #: The time there when it was asked, in seconds since 1970 UTC.
    time: float = 0.0
    #: True when the server does not say.
    unknown: bool = False

    @classmethod
    def none(cls, page_size: int) -> Abilities:
        """Those of a server that does not say what it can do."""
        return cls(filter=False, sort=False, cursor=False, page_size=page_size, unknown=True)

    @classmethod
    def of(cls, page: Page, page_size: int) -> Abilities:
        """Those of a ServiceProviderConfig (RFC 7643 section 5, RFC 9865)."""

        def part(name: str) -> Mapping[str, Json]:
            found = page.document.get(name)
            return found if isinstance(found, dict) else {}

        most = [part("filter").get("maxResults"), part("pagination").get("maxPageSize")]
        sizes = [each for each in most if isinstance(each, int) and each > 0]
        return cls(
            filter=part("filter").get("supported") is True,
            sort=part("sort").get("supported") is True,
            cursor=part("pagination").get("cursor") is True,
            page_size=min([page_size, *sizes]),
            time=time_there(page.headers),
        )

    def words(self) -> str:
        """What it can do, in words."""
        if self.unknown:
            return (
                "there is no ServiceProviderConfig, so nothing but plain pages is asked for, and everything each time"
            )
        paging = "cursor" if self.cursor else "index, sorted by id" if self.sort else "index, unsorted"
        changes = "changes are asked for by meta.lastModified" if self.filter else "everything is read each time"
        return f"pages of {self.page_size:,} by {paging}; {changes}"


def resources(ask: _Ask, able: Abilities, what: str) -> Iterator[dict[str, Json]]:
    """Yields all resources of a list, each once. In: `ask`, which gets a page by its parameters.

    Raises IncompleteError when some were left out, or a page comes again.
    """
    ask = _shrinking(ask, able.page_size)
    if able.cursor:
        try:
            first = ask({"cursor": ""})
        except AnswerError as error:
            if error.status not in (400, 501):
                raise
            # It announces what it has not for this list.
        else:
            return _by_cursor(ask, first, what)
    return _by_index(ask, able, what)


def _shrinking(ask: _Ask, size: int) -> _Ask:
    """Asks for smaller pages from then on when one is too large to be read."""
    sizes = [size]

    def page(query: Mapping[str, str | int]) -> Page:
        while True:
            try:
                return ask({**query, "count": sizes[0]})
            except TooLargeError:
                if sizes[0] == 1:
                    raise
                sizes[0] = max(1, sizes[0] // 8)

    return page


def _by_cursor(ask: _Ask, page: Page, what: str) -> Iterator[dict[str, Json]]:
    seen: set[str] = set()
    cursors: set[str] = set()
    while True:
        for resource in page.list("Resources", what):
            key = key_of(resource, what)
            if key in seen:
                raise _repeated(key, what)
            seen.add(key)
            yield resource
        total = _total(page, what)
        cursor = page.document.get("nextCursor") or ""
        if not cursor:
            break
        if not isinstance(cursor, str) or cursor in cursors:
            raise IncompleteError(f"The server gave a cursor for {what} twice. Nothing was done.")
        cursors.add(cursor)
        page = ask({"cursor": cursor})
    if len(seen) < total:
        raise _fewer(len(seen), total, what)


def _by_index(ask: _Ask, able: Abilities, what: str) -> Iterator[dict[str, Json]]:
    seen: set[str] = set()
    for _ in range(_PASSES):
        missed = yield from _pass(ask, able, what, seen)
        if not missed:
            return
    raise IncompleteError(f"Some of {what} went while they were read, {_PASSES} times. The next run reads again.")


def _pass(ask: _Ask, able: Abilities, what: str, seen: set[str]) -> Generator[dict[str, Json], None, bool]:
    """Yields what is not among `seen`; returns True when resources went meanwhile, which moves others out of sight."""
    order: dict[str, str | int] = {"sortBy": "id"} if able.sort else {}
    first, total, start, repeats = -1, 0, 1, 0
    here: set[str] = set()
    while True:
        try:
            page = ask({**order, "startIndex": start})
        except AnswerError as error:
            if first < 0 and order and error.status in (400, 501):
                # It sorts, and not by id.
                order = {}
                continue
            if first < 0 or len(here) < total or error.status not in (400, 404):
                raise
            # Some servers refuse to look behind the end.
            break
        found = page.list("Resources", what)
        # Less cannot be: some servers say how many are in the page.
        total = max(_total(page, what), start - 1 + len(found))
        first = total if first < 0 else first
        fresh = [each for each in found if key_of(each, what) not in here]
        repeats += len(found) - len(fresh)
        for resource in fresh:
            key = resource["id"]
            here.add(key)
            if key not in seen:
                seen.add(key)
                yield resource
        # That the total is reached is not believed before a page behind it was seen.
        if not found or (not fresh and len(here) >= total):
            break
        if repeats > max(0, total - first):
            raise _repeated(found[0]["id"], what)
        start += len(found)
    if total < first:
        return True
    if len(here) < total:
        raise _fewer(len(here), total, what)
    return False


def _total(page: Page, what: str) -> int:
    total = page.document.get("totalResults")
    if type(total) is not int:
        raise IncompleteError(
            f"The list of {what} has no totalResults, so nobody knows when it ends. Nothing was done."
        )
    return total


def _repeated(key: str, what: str) -> IncompleteError:
    return IncompleteError(f"{key} came twice among {what}, so its pages cannot be trusted. Nothing was done.")


def _fewer(seen: int, total: int, what: str) -> IncompleteError:
    return IncompleteError(f"{seen:,} of {what} came, and {total:,} were announced. Nothing was done.")

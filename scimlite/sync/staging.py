"""What was read from a source in one run: which entries there are, and what of them must be looked at."""

from __future__ import annotations

import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self

import orjson

from ..errors import ScimError
from ..scim import intake
from .links import Key, Link, Linked
from .reading import GROUP, USER, IncompleteError, Record
from .shaping import Compiled

#: Bytes of a digest: so few that two of a million are alike once in 10^17 runs.
_DIGEST = 12
#: Bytes that are kept in memory before the file is made.
_IN_MEMORY = 4_000_000


@dataclass(slots=True)
class Entry:
    """An entry that was read."""

    key: Key
    #: What messages call it: a userName or displayName, else its name there.
    name: str
    digest: str
    active: bool = True
    #: True unless it is as it was written last.
    changed: bool = True
    #: Where its resource is in the file; None for a user who is as written last.
    offset: int | None = None
    #: The manager's key, or the digest of the members; `finish` finds it out.
    ties: str = ""
    #: Why it is refused.
    fault: str | None = None
    #: What the manager is called there.
    manager: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """An entry as the resource that it is to be."""

    resource: dict[str, Any]
    #: What a group's members are called there.
    members: list[str]


class Staging:
    """Takes the records of a reader, keeps in memory what tells them apart, and the rest in an unnamed file.

    A hundred thousand new entries would be half a gigabyte of memory.
    """

    def __init__(
        self, mapping: Mapping[str, Compiled], version: int, links: Mapping[Key, Link], *, reassert: bool = True
    ) -> None:
        """In: the mapping with its version; `reassert`, True when what others changed is written again, though the
        entry is as it was."""
        self._mapping = mapping
        self._version = b"%d" % version
        self._links = links
        self._reassert = reassert
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # closed by __exit__
        self._end = 0
        self.entries: dict[Key, Entry] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def count(self, type: str) -> int:
        """How many entries of a type were read."""
        return sum(key.type == type for key in self.entries)

    def take(self, record: Record) -> None:
        """Takes one record; those of a type without a mapping are left out. Raises IncompleteError for a second one."""
        compiled = self._mapping.get(record.type)
        if compiled is None:
            return
        key = Key(record.type, record.key)
        if key in self.entries:
            raise IncompleteError(
                f"The source gave the entry {record.name} ({record.key}) twice, so its pages cannot be trusted. "
                "Nothing was done; the next run reads again."
            )
        if record.fault is not None:
            self.entries[key] = Entry(key, record.name, "", fault=record.fault)
            return
        # Of what was read, not of what the mapping makes of it, which costs twenty times as much.
        link, read = self._links.get(key), self._digest(record)
        manager = compiled.manager_of(record)
        if link is not None and link.digest == read and self._is_as_it_was(link):
            entry = Entry(key, link.name or record.name, read, record.active, changed=False, manager=manager)
            if record.type == GROUP:
                entry.offset = self._keep({}, record.members)
            elif not compiled.active_as_read:
                entry.active = link.active
        else:
            body = compiled.shape(record)
            fault = _fault(compiled, body)
            entry = Entry(key, _name_of(body) or record.name, read, record.active, fault=fault, manager=manager)
            if record.type == USER:
                entry.active = body.get("active") is True
            if fault is None:
                entry.offset = self._keep(body, record.members)
        self.entries[key] = entry

    def _digest(self, record: Record) -> str:
        """The digest of all that is read of an entry but a group's members, and of the mapping's version."""
        values = orjson.dumps([record.active, record.values], option=orjson.OPT_SORT_KEYS)
        return digest(self._version + values)

    def body(self, entry: Entry) -> Body:
        """The resource that an entry is to be."""
        assert entry.offset is not None
        self._file.seek(entry.offset)
        resource, members = orjson.loads(self._file.readline())
        return Body(resource, members)

    def finish(self, resolve: Callable[[str], str | None], is_known: Callable[[Key], bool]) -> None:
        """Finds out whom entries refer to, once all were read.

        In: the reader's `resolve`; `is_known`, which is True for entries that have a resource, or will have one.
        """
        for entry in self.entries.values():
            if entry.fault is not None:
                continue
            if entry.key.type == GROUP:
                entry.ties = ties_of(self.member_keys(entry, resolve, is_known))
            elif entry.manager is not None:
                manager = resolve(entry.manager)
                entry.ties = manager if manager is not None and is_known(Key(USER, manager)) else ""

    def member_keys(
        self, entry: Entry, resolve: Callable[[str], str | None], is_known: Callable[[Key], bool]
    ) -> list[Key]:
        """The members of a group that are known, each once and in order."""
        made: set[Key] = set()
        for reference in self.body(entry).members:
            key = resolve(reference)
            if key is not None:
                made.update(found for found in (Key(USER, key), Key(GROUP, key)) if is_known(found))
        return sorted(made)

    def _is_as_it_was(self, link: Link) -> bool:
        """True when the resource of an unchanged entry is as it was written."""
        return link.state == Linked.OK and link.lives and not (self._reassert and link.drifted)

    def _keep(self, resource: dict[str, Any], members: Sequence[str]) -> int:
        line = orjson.dumps([resource, list(members)])
        self._file.seek(self._end)
        self._file.write(line + b"\n")
        offset = self._end
        self._end += len(line) + 1
        return offset


def digest(text: bytes) -> str:
    """The digest by which it is seen that an entry changed."""
    return urlsafe_b64encode(blake2b(text, digest_size=_DIGEST).digest()).decode()


def _name_of(body: Mapping[str, Any]) -> str | None:
    for name in ("userName", "displayName"):
        value = body.get(name)
        if isinstance(value, str):
            return value
    return None


def _fault(compiled: Compiled, body: dict[str, Any]) -> str | None:
    """Why a resource would be refused, in words; None when nothing speaks against it by itself."""
    try:
        intake.clean(compiled.resource_type, body)
    except ScimError as error:
        return error.detail
    return None


def ties_of(members: Iterable[Key]) -> str:
    """The digest of a group's members, which are in order."""
    return digest("\n".join(f"{type} {key}" for type, key in members).encode())

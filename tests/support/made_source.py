"""A kind of source whose entries a test says, brought by a package of its own as third parties do."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scimlite.sync import kinds
from scimlite.sync.reading import Finding, IncompleteError, Kind, Opening, Option, Record, SourceError

MAPPING = {
    "User": {
        "userName": "login",
        "externalId": "@key",
        "displayName": "{given} {family} | login",
        "name.givenName": "given",
        "name.familyName": "family",
        "emails.work": "mail",
        "emails.work.primary": '"true"',
        "emails.other": "mail[1:]",
        "title": "title",
        "department": "department",
        "manager": "boss",
    },
    "Group": {"displayName": "name", "externalId": "@key"},
}


@dataclass
class Directory:
    """What the source has, and how it fails."""

    records: dict[str, Record] = field(default_factory=dict)
    identity: str = "dc=made"
    #: Reading ends with an error after so many entries.
    breaks_after: int | None = None
    #: True when its reader has a fault of its own.
    is_broken: bool = False
    #: Keys that changed, by the number of the change; what `position` counts.
    changes: list[str] = field(default_factory=list)
    #: False when it has forgotten them.
    tells: bool = True
    #: How often everything was read, and how many by key.
    whole_reads: int = 0
    keyed_reads: int = 0

    def user(self, key: str, login: str | None = None, *, active: bool = True, **values: str | Sequence[str]) -> None:
        """Puts a user there, or another one in its place."""
        given = {"login": login or key, **values}
        made = {name: (value,) if isinstance(value, str) else tuple(value) for name, value in given.items() if value}
        self.records[key] = Record("User", key, f"cn={login or key}", made, active)
        self.changes.append(key)

    def group(self, key: str, name: str, *members: str) -> None:
        """Puts a group there; members are keys."""
        self.records[key] = Record("Group", key, f"cn={name}", {"name": (name,)}, members=members)
        self.changes.append(key)

    def fault(self, key: str, fault: str) -> None:
        """Makes an entry one that cannot be understood."""
        self.records[key] = replace(self.records[key], fault=fault)

    def remove(self, *keys: str) -> None:
        """Takes entries away."""
        for key in keys:
            del self.records[key]
            self.changes.append(key)


#: By the option `directory` of the source.
DIRECTORIES: dict[str, Directory] = {}


class MadeReader:
    """Reads a Directory."""

    def __init__(self, opening: Opening) -> None:
        name = opening.text("directory") or ""
        if name not in DIRECTORIES:
            raise SourceError(f"There is no directory {name!r}.")
        self._directory = DIRECTORIES[name]

    def check(self) -> Iterator[Finding]:
        yield Finding("base", True, f"{len(self._directory.records)} entries")

    def identity(self) -> str:
        return self._directory.identity

    def position(self) -> str | None:
        return str(len(self._directory.changes))

    def everything(self) -> Iterator[Record]:
        self._directory.whole_reads += 1
        if self._directory.is_broken:
            raise KeyError("a fault of a reader")
        for number, record in enumerate(self._directory.records.values()):
            if number == self._directory.breaks_after:
                raise IncompleteError("The connection was lost.")
            yield record

    def changed(self, position: str) -> Iterable[str] | None:
        return self._directory.changes[int(position) :] if self._directory.tells else None

    def read(self, keys: Sequence[str]) -> Iterator[Record]:
        self._directory.keyed_reads += len(keys)
        return (self._directory.records[key] for key in keys if key in self._directory.records)

    def resolve(self, reference: str) -> str | None:
        return reference if reference in self._directory.records else None

    def close(self) -> None:
        """Nothing is open."""


OPTIONS = (Option("directory", "Which directory.", required=True),)
KIND = Kind("made", "entries that a test says", OPTIONS, MadeReader, MAPPING, secret="password")
#: The same with a reader that tells what changed.
TELLING = replace(KIND, name="telling", tells_changes=True)


def install(folder: Path) -> None:
    """Makes the kinds `made` and `telling` known as a package of others does: by its entry points."""
    info = folder / "made_source-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-source\nVersion: 1.0\n")
    points = f"[scimlite.sources]\nmade = {__name__}:KIND\ntelling = {__name__}:TELLING\n"
    (info / "entry_points.txt").write_text(points)
    sys.path.append(str(folder))
    kinds.forget()

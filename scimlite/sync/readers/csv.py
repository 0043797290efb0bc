"""Sources of the kind csv: a file that another system writes anew."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from ..reading import GROUP, USER, Finding, IncompleteError, Kind, Opening, Option, Record, SourceError

_TRUE = frozenset(("true", "yes", "1", "on", "active", "enabled"))
_FALSE = frozenset(("", "false", "no", "0", "off", "inactive", "disabled"))


class CsvReader:
    """Reads users, and groups if there is a file of them; a group's members stand in one column."""

    def __init__(self, opening: Opening) -> None:
        self._users = Path(opening.text("file") or "")
        groups = opening.text("groups-file")
        self._groups = Path(groups) if groups else None
        self._key = opening.text("key") or "id"
        self._active = opening.text("active") or "active"
        self._delimiter = (opening.text("delimiter") or ",").replace("\\t", "\t").replace("tab", "\t")
        self._members = opening.text("members") or "members"
        if len(self._delimiter) != 1:
            raise SourceError(f"--delimiter is one character or tab, not {self._delimiter!r}.")
        #: Keys by what members and managers may be called: the key itself, or a userName.
        self._keys: dict[str, str] = {}

    def check(self) -> Iterator[Finding]:
        """Looks at the files and their headings."""
        for path in [self._users, *([self._groups] if self._groups else [])]:
            try:
                headings = self._headings(path)
                count = sum(1 for _ in self._rows(path, USER))
            except SourceError as error:
                yield Finding("file", False, str(error))
                return
            yield Finding("file", True, f"{path}: {count:,} rows with {', '.join(headings[:20])}")

    def identity(self) -> str:
        """The file's place; a file there is always the same directory."""
        return str(self._users.absolute())

    def position(self) -> str | None:
        """A file does not tell what changed."""
        return None

    def everything(self) -> Iterator[Record]:
        """Yields all rows of both files."""
        yield from self._rows(self._users, USER)
        if self._groups is not None:
            yield from self._rows(self._groups, GROUP)

    def changed(self, position: str) -> Iterable[str] | None:
        """Everything must be read."""
        return None

    def read(self, keys: Sequence[str]) -> Iterator[Record]:
        """Yields the rows of these keys."""
        wanted = set(keys)
        return (record for record in self.everything() if record.key in wanted)

    def resolve(self, reference: str) -> str | None:
        """The key of a key or a userName."""
        return self._keys.get(reference.strip()) or self._keys.get(reference.strip().lower())

    def close(self) -> None:
        """Files are closed when they were read."""

    def _headings(self, path: Path) -> list[str]:
        with self._open(path) as file:
            headings = next(csv.reader(file, delimiter=self._delimiter, strict=True), [])
        return self._checked(path, headings)

    def _checked(self, path: Path, headings: Sequence[str]) -> list[str]:
        names = [heading.strip() for heading in headings]
        lower = [name.lower() for name in names]
        twice = {name for name in lower if lower.count(name) > 1}
        if twice:
            raise SourceError(f"{path} has the heading {sorted(twice)[0]!r} twice.")
        if self._key.lower() not in lower:
            raise SourceError(
                f"{path} has no column {self._key!r}, which tells people apart even when they are renamed. "
                f"Its headings: {', '.join(names[:20]) or 'none'}. Name the column with --key."
            )
        return names

    def _rows(self, path: Path, type: str) -> Iterator[Record]:
        with self._open(path) as file:
            try:
                rows = csv.reader(file, delimiter=self._delimiter, strict=True)
                names = self._checked(path, next(rows, []))
                for row in rows:
                    if row:
                        yield self._record(path, type, names, row, rows.line_num)
            except UnicodeDecodeError as error:
                raise IncompleteError(f"{path} is no UTF-8 at byte {error.start:,}: save it as UTF-8.") from None
            except csv.Error as error:
                raise IncompleteError(f"{path}, line {rows.line_num:,}: {error}. The file may be cut off.") from None

    def _record(self, path: Path, type: str, names: Sequence[str], row: Sequence[str], line: int) -> Record:
        if len(row) != len(names):
            raise IncompleteError(
                f"{path}, line {line:,} has {len(row)} fields, and the headings are {len(names)}. "
                "The file may be cut off; nothing was done."
            )
        values = {name: (value.strip(),) for name, value in zip(names, row, strict=True) if value.strip()}
        folded = {name.lower(): value[0] for name, value in values.items()}
        key = folded.get(self._key.lower(), "")
        if not key:
            raise IncompleteError(f"{path}, line {line:,} has nothing in the column {self._key!r}.")
        called = folded.get("username") or folded.get("displayname") or key
        self._keys[key] = key
        if type == USER:
            self._keys.setdefault(called.lower(), key)
        members = [each.strip() for each in folded.get(self._members.lower(), "").split(";") if each.strip()]
        fault, active = None, True
        if self._active.lower() in [name.lower() for name in names]:
            word = folded.get(self._active.lower(), "").lower()
            active = word in _TRUE
            if word not in _TRUE | _FALSE:
                fault = f"{self._active} is {word!r}, which is neither true nor false"
        return Record(type, key, called, values, active, members if type == GROUP else (), fault)

    def _open(self, path: Path) -> IO[str]:
        """Opens a file that is whole: it ends with a line end, and nobody writes it while it is read."""
        try:
            file = path.open(encoding="utf-8-sig", newline="")
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}.") from None
        if os.fstat(file.fileno()).st_size and not _ends_a_line(path):
            file.close()
            raise IncompleteError(f"{path} does not end with a line end, so it may be cut off; nothing was done.")
        return file


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) in (b"\n", b"\r")


KIND = Kind(
    "csv",
    "a file with a row for each user",
    (
        Option("file", "The file of users; its first row has the headings.", required=True, metavar="FILE"),
        Option("groups-file", "The file of groups; the column members has their keys or userNames.", metavar="FILE"),
        Option("key", "The column that tells entries apart, also when they are renamed.", default="id"),
        Option("active", "The column that says who is active; without it all are.", default="active"),
        Option("members", "The column of a group's members, with ; between.", default="members"),
        Option("delimiter", "What stands between fields: a character, or tab.", default=","),
    ),
    CsvReader,
    {
        USER: {
            # The second names are those of the lists that Microsoft's portals export.
            "userName": "userName | userPrincipalName | login",
            "externalId": "@key",
            "active": "@active",
            "displayName": "displayName",
            "name.givenName": "givenName | name.givenName",
            "name.familyName": "familyName | name.familyName | surname",
            "emails.work": "email | emails.work | mail",
            "emails.work.primary": '"true"',
            "phoneNumbers.work": "phone | phoneNumbers.work | telephoneNumber",
            "phoneNumbers.mobile": "mobile | phoneNumbers.mobile | mobilePhone",
            "title": "title | jobTitle",
            "department": "department",
            "organization": "organization | companyName",
            "employeeNumber": "employeeNumber | employeeId",
            "manager": "manager",
        },
        GROUP: {"displayName": "displayName", "externalId": "@key"},
    },
)

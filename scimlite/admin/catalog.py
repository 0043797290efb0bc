"""The catalogue: declarations of schemas and resource types that come with scimlite, one file for each entry.

An entry is written from its specification. Its version grows with each change, and an app keeps the version that it
was declared from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ..apps import AppError
from ..scim import declaration_form
from ..scim.declaration import DeclaredType
from ..scim.schema import Schema
from ..suggestions import did_you_mean

_FOLDER = Path(__file__).parent / "declarations"


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A ready-made declaration: what it is for, the specification that it is written from, and its declarations."""

    name: str
    version: int
    title: str
    #: The specification, its date, and where it can be read.
    source: str
    date: str
    url: str
    #: What differs from the specification, and what is left out.
    notes: Sequence[str]
    #: The declarations as JSON (RFC 7643 sections 6 and 7), and as the service reads them.
    resources: Any
    declared: Sequence[Schema | DeclaredType]

    @property
    def types(self) -> list[DeclaredType]:
        """The resource types of the entry."""
        return [item for item in self.declared if isinstance(item, DeclaredType)]

    @property
    def schemas(self) -> list[Schema]:
        """The schemas of the entry."""
        return [item for item in self.declared if isinstance(item, Schema)]

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON that `schema add` takes from a file."""
        about = ("name", "version", "title", "source", "date", "url")
        return {**{key: getattr(self, key) for key in about}, "notes": list(self.notes), "Resources": self.resources}


def every() -> list[CatalogEntry]:
    """Returns the entries of the catalogue in the order of their names."""
    return [_read(path) for path in _paths().values()]


def versions() -> dict[str, int]:
    """Returns the version of each entry by its name, without checking the declarations."""
    return {name: orjson.loads(path.read_bytes())["version"] for name, path in _paths().items()}


def find(name: str) -> CatalogEntry:
    """Returns the entry with this name, in any case. Raises AppError that names the entry that may be meant."""
    paths = _paths()
    path = paths.get(name.lower())
    if path is not None:
        return _read(path)
    raise AppError(f"The catalogue has no entry {name!r}.{did_you_mean(name, paths)} Entries: {', '.join(paths)}.")


def _paths() -> dict[str, Path]:
    """Returns the file of each entry by the entry's name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.json"), key=lambda path: path.stem)}


def _read(path: Path) -> CatalogEntry:
    """Returns the entry in a file; read once, because checking the declarations of all takes 15 ms."""
    body = orjson.loads(path.read_bytes())
    resources = body.pop("Resources")
    return CatalogEntry(path.stem, **body, resources=resources, declared=declaration_form.read(resources))

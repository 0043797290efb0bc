"""Compares an app with a source, a file or another SCIM server, for an operator; it changes nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..apps import App
from ..apps.workspace import Workspace
from ..db import Database
from ..errors import OperatorError
from ..journal import report
from ..journal.selection import Selection
from ..sync import kinds, links, shaping, sources
from ..sync.reading import USER, Opening, Reader
from ..sync.reconciling import Comparison, Row, compare
from ..sync.survey import Ground
from .sources import get, usual_mapping

#: How both sides may be compared.
MATCHES = ("userName", "externalId", "emails.work")
#: The columns that may tell entries of a file apart, and those that may say who is active.
_KEYS = ("id", "objectId", "externalId", "userPrincipalName", "userName", "email", "mail")
_ACTIVE = ("active", "accountEnabled", "enabled")


class ReconcileError(OperatorError):
    """There is nothing to compare with; the text says what may be given."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The people in whom both sides differ, and the numbers, which are complete when all rows were taken."""

    rows: Iterator[Row]
    numbers: Comparison


@dataclass(frozen=True, slots=True)
class _Other:
    """The other side: its kind, what it is opened with, its mapping, and the source that it is."""

    kind: str
    options: Mapping[str, object]
    secret: str | None
    mapping: Mapping[str, Mapping[str, str]]
    source_id: int | None = None


@contextmanager
def reconcile(
    place: Ground, workspace: Workspace, other: str, *, match: str = "userName", token: str | None = None
) -> Iterator[Reconciliation]:
    """Compares an app with another list of people.

    In: `other`, the name of a source of the app, a CSV file, or the URL of a SCIM server, for which `token` refers to
    its bearer token. Raises ReconcileError, SourceError, and IncompleteError when the other side could not be read to
    its end: half a list says nothing.
    """
    app = workspace.app
    side = _other(place.db, app, other, match, token)
    mapping = shaping.compile_mapping(app.resource_types.values(), side.mapping)
    if USER not in mapping:
        raise ReconcileError(f"{other} has no mapping for users.")
    attributes = {USER: mapping[USER].attributes}
    secret = place.secret(side.secret) if side.secret else None
    reader: Reader = kinds.get(side.kind).open(Opening(side.options, secret, place.client, attributes))  # type: ignore[arg-type]
    try:
        known = _linked(place.db, app, side.source_id)
        numbers = Comparison()

        def why(name: str) -> str | None:
            return _refusal(place.db, app, name)

        rows = compare(workspace, mapping[USER], reader.everything(), match, numbers, links=known, why=why)
        yield Reconciliation(rows, numbers)
    finally:
        reader.close()


def _unlinked(app: App, kind: str, options: Mapping[str, object], match: str, token: str | None) -> _Other:
    """A list that is no source: the ids in it are its own, so they are compared only when both are matched by them."""
    mapping = usual_mapping(app, kind)
    if match != "externalId":
        mapping[USER].pop("externalId", None)
    return _Other(kind, sources.checked_options(kinds.get(kind), options), token, mapping)


def _other(db: Database, app: App, other: str, match: str, token: str | None) -> _Other:
    named = next((source for source in sources.of_app(db, app.id) if source.name == other), None)
    if named is not None:
        return _Other(named.kind, named.options, named.secret, named.rows, named.id)
    if other.startswith(("https://", "http://")):
        return _Other(
            "scim", sources.checked_options(kinds.get("scim"), {"url": other}), token, usual_mapping(app, "scim")
        )
    path = Path(other)
    if path.is_file():
        options = {"file": str(path), **_columns(path)}
        return _unlinked(app, "csv", options, match, None)
    if path.suffix:
        raise ReconcileError(f"There is no file {other}.")
    # Says which sources there are.
    get(db, app, other)
    raise ReconcileError(f"{other} is no source of {app.slug}, no file and no URL.")


def _columns(path: Path) -> dict[str, str]:
    """The columns of a file that tell entries apart and say who is active, as usual lists have them."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
    except (OSError, UnicodeDecodeError):
        return {}
    delimiter = max(",;\t", key=line.count)
    names = {name.strip().lower(): name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])}
    made = {"delimiter": delimiter}
    for option, candidates in (("key", _KEYS), ("active", _ACTIVE)):
        found = next((names[each.lower()] for each in candidates if each.lower() in names), None)
        if found is not None:
            made[option] = found
    return made


def _linked(db: Database, app: App, source_id: int | None) -> dict[str, str]:
    if source_id is None:
        return {}
    found: Iterable[tuple[links.Key, links.Link]] = links.of_source(db, app.id, source_id).items()
    return {key.key: link.uuid for key, link in found if key.type == USER and link.uuid is not None and link.lives}


def _refusal(db: Database, app: App, name: str) -> str | None:
    """Why somebody is not here, as far as the journal knows: what was refused last, or that they were deleted."""
    found = report.read(db, Selection(user=name, app_id=app.id), limit=20)
    for record in reversed(found):
        if record.outcome != "ok":
            request = f" (request {record.request_id})" if record.request_id else ""
            return f"{record.action} was {record.outcome}: {record.detail or ''}{request}"
        if record.action == "deleted":
            return "deleted here"
    return None if found else "nothing about them ever came"

"""Compares the users of an app with another list of people: who is missing, who is too many, who differs. It reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.tables import ResourceRow
from ..errors import ScimError
from ..scim import document as documents
from ..scim import intake, versions
from ..scim.document import Document, Place
from ..scim.names import fold
from .reading import USER, Record
from .shaping import Compiled

_PAGE = 1000


class Finding(StrEnum):
    """What is found about one person."""

    #: There and active, and not here.
    MISSING_HERE = "missing-here"
    #: Active here, and not there.
    MISSING_THERE = "missing-there"
    #: In both, and not the same.
    DIFFERS = "differs"
    #: An entry there that cannot be compared.
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Row:
    """One person in whom the two differ."""

    finding: Finding
    #: What both sides are compared by.
    name: str
    id: str | None = None
    #: The entry's id there.
    key: str | None = None
    #: Attribute to [here, there].
    differences: dict[str, list[Any]] = field(default_factory=dict)
    #: Why, as far as that is known.
    reason: str | None = None


@dataclass
class Comparison:
    """Two lists of people side by side; the numbers are complete when all rows were taken."""

    here: int = 0
    there: int = 0
    equal: int = 0


@dataclass(slots=True)
class _Entry:
    key: str
    name: str
    active: bool
    body: bytes
    fault: str | None = None
    found: bool = False


def compare(
    workspace: Workspace,
    compiled: Compiled,
    records: Iterable[Record],
    match: str,
    counted: Comparison,
    *,
    links: Mapping[str, str],
    why: Callable[[str], str | None],
) -> Iterator[Row]:
    """Yields the people in whom an app and a list differ, first those of the app.

    In: the mapping that makes users of the records; `match`, the attribute by which both are compared, as a mapping's
    target is written; `links`, the ids of users by the key of the entry that they are known to be; `why`, which says
    why somebody is not here. Two entries there with one name are both unclear.
    """
    there = _read(compiled, records, match, counted)
    by_id = {id: entry for entry in there.values() if (id := links.get(entry.key)) is not None}
    for id, active, document in _living(workspace):
        counted.here += 1
        name = _value(document, match)
        entry = by_id.get(id) or there.get(fold(name) if name else "")
        if entry is None:
            if active:
                yield Row(Finding.MISSING_THERE, name or id, id)
            continue
        entry.found = True
        row = _differing(compiled, entry, id, name or id, document, match)
        if row is None:
            counted.equal += 1
        else:
            yield row
    for entry in there.values():
        if not entry.found and entry.fault is not None:
            yield Row(Finding.UNCLEAR, entry.name, None, entry.key, reason=entry.fault)
        elif not entry.found and entry.active:
            yield Row(Finding.MISSING_HERE, entry.name, None, entry.key, reason=why(entry.name))


def _read(compiled: Compiled, records: Iterable[Record], match: str, counted: Comparison) -> dict[str, _Entry]:
    """The users of a list by the folded value of the attribute that is compared by."""
    made: dict[str, _Entry] = {}
    for record in records:
        if record.type != USER:
            continue
        counted.there += 1
        if record.fault is not None:
            made[f"\0{record.key}"] = _Entry(record.key, record.name, record.active, b"{}", record.fault)
            continue
        body = compiled.shape(record)
        name = _value(body, match)
        if not name:
            made[f"\0{record.key}"] = _Entry(record.key, record.name, record.active, b"{}", f"it has no {match}")
            continue
        entry = _Entry(record.key, name, body.get("active") is not False, orjson.dumps(body))
        former = made.setdefault(fold(name), entry)
        if former is not entry:
            former.fault = f"several entries have this {match}"
    return made


def _differing(compiled: Compiled, entry: _Entry, id: str, name: str, document: Document, match: str) -> Row | None:
    """The row of somebody who is on both sides; None when they are the same."""
    if entry.fault is not None:
        return Row(Finding.UNCLEAR, name, id, entry.key, reason=entry.fault)
    try:
        sent = intake.clean(compiled.resource_type, orjson.loads(entry.body), replacing=True).document
        # What the list has nothing about is no difference: a list of names is a list of names.
        places = [place for place in compiled.owned if _has(sent, place)]
        made = documents.assigned(compiled.resource_type, document, sent, places)
    except ScimError as error:
        return Row(Finding.UNCLEAR, name, id, entry.key, reason=error.detail)
    found = versions.differences(versions.changes(compiled.resource_type, document, made))
    if match in found and fold(str(found[match][0])) == fold(str(found[match][1])):
        # Names are the same in any case.
        del found[match]
    # Who is not active on either side is the same, however they are kept.
    if not entry.active and not document.get("active"):
        return None
    return Row(Finding.DIFFERS, name, id, entry.key, found) if found else None


def _has(sent: Document, place: Place) -> bool:
    holder = sent if place.urn is None else sent.get(place.urn, {})
    value = holder.get(place.name)
    return value is not None and (place.sub is None or place.sub in value)


def _value(document: Document, match: str) -> str | None:
    """The value of the attribute that is compared by; of e-mail addresses that for work, else the first."""
    if match != "emails.work":
        value = document.get(match)
        return value if isinstance(value, str) else None
    mails = [item for item in document.get("emails", ()) if item.get("value")]
    work = [item for item in mails if item.get("type") == "work"]
    return next((str(item["value"]) for item in [*work, *mails]), None)


def _living(workspace: Workspace) -> Iterator[tuple[str, bool, Document]]:
    """The id, the state and the document of all living users of an app, page by page."""
    after = 0
    while rows := workspace.db.rows(_page, app=workspace.app.id, type=USER, after=after, limit=_PAGE):
        for row, uuid, active, document in rows:
            yield uuid, bool(active), orjson.loads(document)
            after = row


@prepared
def _page(db: Database) -> Any:
    row = ResourceRow
    query = row.select(row.id, row.uuid, row.active, row.document).where(
        row.app_id == Slot("app"), row.type == Slot("type"), row.id > Slot("after"), row.deleted_at.is_null()
    )
    return query.order_by(row.id).limit(Slot("limit"))

"""What a plan would change about resources that are there, attribute by attribute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from ..apps.workspace import Workspace
from ..db import Database, Slot, chunks, prepared
from ..db.tables import ResourceRow
from ..errors import ScimError
from ..scim import document as documents
from ..scim import intake, versions
from .links import Key, Link
from .plan import Step
from .shaping import Compiled
from .staging import Staging

_CHUNK = 500

Differences = dict[str, list[Any]]


def of(
    workspace: Workspace,
    steps: Iterable[Step],
    links: Mapping[Key, Link],
    staging: Staging,
    mapping: Mapping[str, Compiled],
) -> Iterator[tuple[Step, Differences]]:
    """Yields steps about resources that are there with what they change: attribute to [from, to]."""
    for part in chunks(steps, _CHUNK):
        rows = {step.key: step.adopted[0] if step.adopted else _row(links, step) for step in part}
        documents_by_row = _documents(workspace.db, workspace.app.id, [row for row in rows.values() if row])
        for step in part:
            text = documents_by_row.get(rows[step.key] or 0)
            if text is not None and step.entry is not None:
                yield step, _difference(mapping[step.key.type], text, staging.body(step.entry).resource)


def counts(found: Iterable[tuple[Step, Differences]]) -> dict[str, int]:
    """How many resources each attribute would change of, without those that come or go."""
    counter: Counter[str] = Counter()
    for _, differences in found:
        counter.update(path for path in differences if path != "active")
    return dict(counter)


def _row(links: Mapping[Key, Link], step: Step) -> int | None:
    link = links.get(step.key)
    return link.row if link is not None else None


def _difference(compiled: Compiled, text: str, body: dict[str, Any]) -> Differences:
    current = orjson.loads(text)
    try:
        cleaned = intake.clean(compiled.resource_type, body, replacing=True)
        made = documents.assigned(compiled.resource_type, current, cleaned.document, compiled.owned)
    except ScimError:
        # It is refused when it is written, and the refusal says why.
        return {}
    return versions.differences(versions.changes(compiled.resource_type, current, made))


def _documents(db: Database, app_id: int, rows: list[int]) -> dict[int, str]:
    return dict(db.rows(_documents_of, app=app_id, rows=rows)) if rows else {}


@prepared
def _documents_of(db: Database) -> Any:
    query = ResourceRow.select(ResourceRow.id, ResourceRow.document)
    return query.where(ResourceRow.app_id == Slot("app"), db.one_of(ResourceRow.id, "rows"))

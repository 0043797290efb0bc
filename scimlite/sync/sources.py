"""Sources as they are stored, and who runs one: a lease in its row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import orjson

from ..db import Database, Slot, prepared
from ..db.sync_tables import SourceRow
from .reading import Kind, SourceError
from .rules import Rules


class State(StrEnum):
    """Whether a source is read on schedule."""

    ACTIVE = "active"
    DISABLED = "disabled"


class LeaseLostError(SourceError):
    """Another process runs the source, or an operator changed or removed it: nothing more may be written."""

    def __init__(self) -> None:
        super().__init__(
            "The source was changed, or taken by another process, while it was read. What was written stays; the next "
            "run does the rest."
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A source's row; the fields are named like the columns, times are microseconds since 1970 UTC."""

    id: int
    app_id: int
    name: str
    kind: str
    settings: str
    mapping: str
    mapping_version: int
    secret: str | None
    rules: str
    state: str
    identity: str | None
    position: str | None
    read_version: int
    due_at: int
    failures: int
    held: str | None
    accepted: str | None
    last_ok_at: int | None
    last_full_at: int | None
    holder: str | None
    leased_until: int
    created_at: int

    @property
    def options(self) -> dict[str, Any]:
        """What the options of its kind were set to."""
        options: dict[str, Any] = orjson.loads(self.settings)
        return options

    @property
    def rows(self) -> dict[str, dict[str, str]]:
        """Its mapping: SCIM attribute to expression, by type."""
        rows: dict[str, dict[str, str]] = orjson.loads(self.mapping)
        return rows

    @property
    def ruling(self) -> Rules:
        """The rules of its runs."""
        return Rules.from_json(self.rules)

    @property
    def holding(self) -> dict[str, Any] | None:
        """Why the last run was held, and what it would have done; None when none is held."""
        held: dict[str, Any] | None = orjson.loads(self.held) if self.held else None
        return held

    @property
    def acceptance(self) -> dict[str, Any]:
        """What an operator accepted for the next run."""
        accepted: dict[str, Any] = orjson.loads(self.accepted) if self.accepted else {}
        return accepted


COLUMNS = tuple(getattr(SourceRow, part.name) for part in fields(Source))


def of_app(db: Database, app_id: int) -> list[Source]:
    """An app's sources, by name."""
    return [Source(*row) for row in db.rows(_of_app, app=app_id)]


def due(db: Database, now: int) -> list[Source]:
    """The active sources whose next run is due, and that no process has; the time in microseconds since 1970 UTC."""
    return [Source(*row) for row in db.rows(_due, now=now)]


def by_id(db: Database, id: int) -> Source | None:
    """A source that was not removed; None when there is none."""
    row = db.row(_by_id, id=id)
    return Source(*row) if row else None


def _sources() -> Any:
    return SourceRow.select(*COLUMNS).where(SourceRow.removed_at.is_null())


@prepared
def _of_app(db: Database) -> Any:
    return _sources().where(SourceRow.app_id == Slot("app")).order_by(SourceRow.name)


@prepared
def _due(db: Database) -> Any:
    free = SourceRow.holder.is_null() | (SourceRow.leased_until < Slot("now"))
    active = SourceRow.state == State.ACTIVE.value
    return _sources().where(active, SourceRow.due_at <= Slot("now"), free).order_by(SourceRow.due_at)


@prepared
def _by_id(db: Database) -> Any:
    return _sources().where(SourceRow.id == Slot("id"))


# --- leases -------------------------------------------------------------------------------------------------------


def take(db: Database, id: int, holder: str, now: int, until: int) -> bool:
    """Takes a source for a run, unless another process has it; times are microseconds since 1970 UTC."""
    return db.transact(lambda: bool(db.touch(_take, id=id, holder=holder, now=now, until=until)))


def free(db: Database, id: int, holder: str) -> None:
    """Lets a source go, in the caller's transaction; one that another process has by now stays with it."""
    query = SourceRow.update(holder=None, leased_until=0)
    db.execute(query.where(SourceRow.id == id, SourceRow.holder == holder))


def renew(db: Database, id: int, holder: str, until: int) -> None:
    """Says that the run goes on; in the caller's transaction, which then fails when the source is another's by now.

    Raises LeaseLostError.
    """
    if not db.touch(_renew, id=id, holder=holder, until=until):
        raise LeaseLostError


def change(db: Database, id: int, holder: str, **values: Any) -> None:
    """Writes columns of a source that this process holds, in the caller's transaction. Raises LeaseLostError."""
    query = SourceRow.update(**values).where(SourceRow.id == id, SourceRow.holder == holder)
    if not db.touch(query.where(SourceRow.removed_at.is_null())):
        raise LeaseLostError


@prepared
def _take(db: Database) -> Any:
    free = SourceRow.holder.is_null() | (SourceRow.leased_until < Slot("now"))
    query = SourceRow.update(holder=Slot("holder"), leased_until=Slot("until"))
    return query.where(SourceRow.id == Slot("id"), free, SourceRow.removed_at.is_null())


@prepared
def _renew(db: Database) -> Any:
    query = SourceRow.update(leased_until=Slot("until"))
    return query.where(SourceRow.id == Slot("id"), SourceRow.holder == Slot("holder"), SourceRow.removed_at.is_null())


# --- options ------------------------------------------------------------------------------------------------------


def checked_options(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a kind as they are stored, with those that are not given by default. Raises SourceError."""
    known = {option.name: option for option in kind.options}
    unknown = [name for name in given if name not in known]
    if unknown:
        takes = ", ".join(f"--{name}" for name in known) or "none"
        raise SourceError(f"A source of the kind {kind.name} has no option --{unknown[0]}. Its options: {takes}.")
    made: dict[str, Any] = {}
    for name, option in known.items():
        value = given.get(name)
        texts = [value] if isinstance(value, str) else list(value or [])
        if not texts and option.default is not None:
            texts = [option.default]
        if not texts:
            if option.required:
                raise SourceError(f"A source of the kind {kind.name} needs --{name}: {option.help}")
            continue
        for text in texts:
            if option.choices and text not in option.choices:
                raise SourceError(f"--{name} is {', '.join(option.choices)}, not {text!r}.")
        if len(texts) > 1 and not option.many:
            raise SourceError(f"--{name} is given once.")
        made[name] = texts if option.many else texts[0]
    return made

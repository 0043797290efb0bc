"""One pass over a source: survey it, ask the guard, write, and remember how it went."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson

from .. import clock, journal
from ..apps import App
from ..apps.workspace import Workspace
from ..errors import ScimError, TooManyRequests
from ..journal import Action, Actor, Entry, Origin
from ..journal import Outcome as JournalOutcome
from ..journal.origin import SOURCES
from . import history, rules, shaping, sources
from .applying import Applying, Means
from .guard import Acceptance, Hold
from .history import Outcome
from .lease import Lease, StoppedError
from .plan import Act
from .previews import Preview
from .reading import SourceError
from .sources import LeaseLostError, Source
from .survey import Found, Ground, Survey, Told

_SECOND = 1_000_000
#: Seconds until a source that could not be read is tried again: after the first failure, the second, and so on.
_BACKOFF = (60, 120, 300, 900)
#: What a run says that met an error of this program.
_OUR_FAULT = "an error of scimlite's own; the log has the details"
#: Seconds between two notes of how far a run is.
_BEAT = 2.0


@dataclass
class Report:
    """How a run went."""

    outcome: Outcome
    numbers: dict[str, int] = field(default_factory=dict)
    #: True when everything was read.
    whole: bool = True
    holds: list[Hold] = field(default_factory=list)
    #: Why it failed, or was held, in words.
    detail: str | None = None


def nothing_told(phase: str, number: int) -> None:
    """For runs that nobody watches."""


class Run:
    """One pass over one source."""

    def __init__(
        self,
        ground: Ground,
        app: App,
        source: Source,
        *,
        whole: bool = False,
        accepted: Acceptance | None = None,
        told: Told = nothing_told,
    ) -> None:
        """In: `whole`, to read everything also where the source tells what changed; `accepted` by an operator.

        `told` is called with a phase (`read`, `compare`, `write`) and how many entries it has done so far. Raises
        SourceError when the kind or the mapping cannot be.
        """
        self._ground = ground
        self._db = ground.db
        self._app = app
        self._source = source
        self._whole = whole or source.accepted is not None
        self._accepted = accepted or Acceptance(**source.acceptance)
        self._watch = told
        self._request = secrets.token_hex(8)
        origin = Origin(f"{SOURCES}{source.name}", request_id=self._request, actor=Actor.SOURCE)
        self._workspace = Workspace(self._db, origin, app)
        #: The run's row; 0 for a preview, which has none.
        self._row = 0
        self._beat_at = 0.0
        #: What was found, as far as the run has come.
        self._found: Found | None = None

    def carry_out(self) -> Report:
        """Reads and writes. Raises BusyError when another process runs the source, LeaseLostError when it lost it.

        What goes wrong with the source itself is no exception but the outcome.
        """
        with Lease(self._db, self._source) as lease:
            begin = partial(history.begin, self._db, self._app.id, self._source.id, self._request, "full")
            self._row = self._db.transact(begin)
            try:
                report = self._read_and_write(lease)
            except (LeaseLostError, StoppedError):
                raise
            except (SourceError, ScimError) as error:
                detail = error.detail if isinstance(error, ScimError) else str(error)
                report = Report(Outcome.FAILED, self._numbers, self._is_whole, detail=detail)
            except Exception:
                # Noted like any failure, so that it is tried again later and not at once.
                lost = Report(Outcome.FAILED, self._numbers, self._is_whole, detail=_OUR_FAULT)
                self._db.transact(partial(self._end, lease, lost))
                raise
            self._db.transact(partial(self._end, lease, report))
            return report

    @contextmanager
    def preview(self) -> Iterator[Preview]:
        """Reads everything, and says what would be written; writes nothing. Raises SourceError."""
        self._whole = True
        mapping = self._mapping()
        survey = self._survey(mapping)
        with survey.taken() as found:
            yield Preview(self._workspace, found, mapping, survey.judge(found, self._accepted))

    def _mapping(self) -> dict[str, shaping.Compiled]:
        return shaping.compile_mapping(self._app.resource_types.values(), self._source.rows)

    def _survey(self, mapping: dict[str, shaping.Compiled]) -> Survey:
        return Survey(self._ground, self._workspace, self._source, mapping, whole=self._whole, told=self._tell)

    @property
    def _numbers(self) -> dict[str, int]:
        return self._found.numbers if self._found is not None else {}

    @property
    def _is_whole(self) -> bool:
        return self._found.whole if self._found is not None else True

    def _read_and_write(self, lease: Lease) -> Report:
        mapping = self._mapping()
        survey = self._survey(mapping)
        with survey.taken() as found:
            self._found = found
            holds = survey.judge(found, self._accepted)
            if holds:
                said = "; ".join(hold.reason for hold in holds)
                return Report(Outcome.HELD, found.numbers, found.whole, holds, said)
            self._write(lease, found, mapping)
        return Report(Outcome.OK, found.numbers, found.whole)

    def _write(self, lease: Lease, found: Found, mapping: dict[str, shaping.Compiled]) -> None:
        done = 0

        def told(number: int) -> None:
            nonlocal done
            done += number
            self._tell("write", done)

        # What an operator accepted is not stopped half-way by a brake.
        workspace = replace(self._workspace, counted=self._accepted.removals is None)
        read = (mapping, found.links, found.staging, found.resolve)
        means = Means(
            workspace, self._source.id, *read, self._source.ruling, clock.now(), found.whole, lease.renew, told
        )
        applying = Applying(means)
        try:
            applying.carry_out(found.plan)
        except TooManyRequests as error:
            raise SourceError(f"{error.detail} The rest of the run waits for that.") from error
        finally:
            found.numbers["refused"] = applying.refused
            found.numbers["members_added"] = applying.members_added
            found.numbers["members_removed"] = applying.members_removed

    def _tell(self, phase: str, number: int) -> None:
        self._watch(phase, number)
        now = time.monotonic()
        if self._row and now - self._beat_at >= _BEAT:
            self._beat_at = now
            numbers = {**self._numbers, phase: number}
            self._db.transact(partial(history.beat, self._db, self._row, self._kind_word(self._is_whole), numbers))

    # --- the end --------------------------------------------------------------------------------------------------

    def _end(self, lease: Lease, report: Report) -> None:
        """Writes how the run went, and when the next one is due, in the caller's transaction."""
        source, now = self._source, clock.now()
        numbers = {name: number for name, number in report.numbers.items() if number}
        last = next((run for run in history.newest(self._db, self._app.id, source.id, 2) if run.id != self._row), None)
        history.beat(self._db, self._row, self._kind_word(report.whole), numbers)
        history.end(self._db, self._row, report.outcome, numbers, report.detail)
        values: dict[str, Any] = {"due_at": now + self._pause(report), "accepted": None}
        if report.outcome is Outcome.OK and self._found is not None:
            values |= {"identity": self._found.identity, "position": self._found.position, "held": None}
            values |= {"failures": 0, "last_ok_at": now}
            if report.whole:
                values |= {"last_full_at": now, "read_version": source.mapping_version}
        elif report.outcome is Outcome.HELD:
            held = {"holds": [hold.data() for hold in report.holds], "numbers": numbers, "at": now}
            values |= {"held": orjson.dumps(held).decode(), "failures": 0}
        else:
            values["failures"] = source.failures + 1
        sources.change(self._db, source.id, lease.holder, **values)
        self._record(report, numbers, last)

    @staticmethod
    def _kind_word(whole: bool) -> str:
        return "full" if whole else "delta"

    def _pause(self, report: Report) -> int:
        """Microseconds until the next run; a tenth more or less, so that sources do not run in step."""
        if report.outcome is Outcome.FAILED:
            seconds = _BACKOFF[min(self._source.failures, len(_BACKOFF) - 1)]
        else:
            seconds = self._source.ruling.seconds_between(report.numbers.get("users", 0))
            found = self._found
            # Who could not tell what changed is not asked again so soon: that would read everything each time.
            if report.outcome is Outcome.OK and found is not None and found.position is not None and not found.untold:
                seconds = min(seconds, rules.EVERY_DELTA)
        return int(seconds * _SECOND * random.SystemRandom().uniform(0.9, 1.1))

    def _record(self, report: Report, numbers: dict[str, int], last: history.Run | None) -> None:
        """Records in the journal a run that wrote something, or that ended in another way than the one before."""
        name = f"source {self._source.name}"
        if report.outcome is Outcome.OK:
            acts = [act for act in Act if act is not Act.REFUSE and numbers.get(act.value)]
            recovered = last is not None and last.outcome in (Outcome.FAILED, Outcome.HELD)
            if acts or recovered:
                said = ", ".join(f"{act.value} {numbers[act.value]:,}" for act in acts) or "nothing to do"
                journal.record(self._workspace, [Entry(Action.SOURCE_SYNCED, detail=f"{name}: {said}")])
        elif last is None or (last.outcome, last.detail) != (report.outcome.value, report.detail):
            held = report.outcome is Outcome.HELD
            action = Action.SOURCE_HELD if held else Action.SOURCE_SYNCED
            outcome = JournalOutcome.REFUSED if held else JournalOutcome.FAILED
            journal.record(self._workspace, [Entry(action, outcome, detail=f"{name}: {report.detail}")])

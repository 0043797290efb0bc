"""One run: everything that differs is pushed to a target, users first, and what came of it is written down.

The thread that runs it uses the database; four threads send. Before requests it notes what they are about, and after
their answers how they went, each in one transaction that fails when another process holds the target by then.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import orjson

from ... import clock, journal, outbound
from ...apps import by_id as app_by_id
from ...apps.workspace import Workspace
from ...db import Database
from ...db.target_tables import TargetRow, TargetRunRow
from ...errors import OperatorError
from ...journal import Action, Entry, Origin
from .. import secret_references
from . import abilities as abilities_of
from . import documents, guard, leases, links, loops, memberships, stored
from .abilities import Abilities
from .guard import HeldError, Hold
from .leases import LeaseLostError
from .links import Link
from .passes import Pass
from .preparing import Preparer
from .pushing import Pusher
from .remote import PAUSES, Remote, StoppedError
from .scopes import Scope
from .stored import Outcome, Target

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
#: The shortest and the longest time for which a target that fails is left alone.
_SHORTEST_REST, _LONGEST_REST = _MINUTE, 15 * _MINUTE
#: What a target can is asked again after so long.
_ABILITIES_KEPT = clock.DAY
_LONGEST_LEFT_OUT = 100
#: Links that are rewritten in one transaction.
_CHUNK = 1000
#: Rows of runs that are kept for each target.
_RUNS_KEPT = 500


@dataclass(frozen=True, slots=True)
class Means:
    """What runs need."""

    db: Database
    client: outbound.Client
    #: Where secrets are kept.
    state_dir: Path
    #: The URLs behind which the apps of this installation have their SCIM base URLs.
    own_roots: Sequence[str] = ()
    #: Seconds for which a target is held without another word.
    lease: float = 30.0
    #: True once the process is to end.
    stopping: Callable[[], bool] = lambda: False
    #: Seconds before other tries of a request.
    pauses: Sequence[float] = PAUSES
    #: Called with what was done so far, how often.
    told: Callable[[Mapping[str, int]], None] = lambda counts: None


@dataclass(slots=True)
class Report:
    """How a run ended, and what it did how often."""

    outcome: Outcome
    counts: Counter[str] = field(default_factory=Counter)
    detail: str | None = None
    hold: Hold | None = None

    @property
    def pushed(self) -> bool:
        """True when something was done at the target."""
        return any(number for name, number in self.counts.items() if name not in ("refused", "parked"))


def sync(
    means: Means, target_id: int, origin: Origin, *, accepted: int | None = None, full: bool = False
) -> Report | None:
    """Pushes what differs to a target, and returns how it ended; None when another process has the target.

    In: how many removals an operator accepts; `full`, True to send everything again. Raises Unavailable, DatabaseError.
    """
    holder = secrets.token_urlsafe(12)
    if not leases.take(means.db, target_id, holder, means.lease):
        return None
    try:
        target = stored.by_id(means.db, target_id)
        app = app_by_id(means.db, target.app_id) if target else None
        if target is None or app is None:
            return None
        return Run(means, Workspace(means.db, origin, app), target, holder, accepted, full=full).go()
    finally:
        leases.release(means.db, target_id, holder)


class Run:
    """A run of a target that this process holds."""

    def __init__(
        self,
        means: Means,
        workspace: Workspace,
        target: Target,
        holder: str,
        accepted: int | None = None,
        *,
        full: bool = False,
    ) -> None:
        self._means = means
        self._db = means.db
        self._workspace = workspace
        self._target = target
        self._holder = holder
        self._accepted = accepted
        self._full = full
        self._began = clock.now()
        self._row: int | None = None
        self._counts: Counter[str] = Counter()
        self._left_out: set[str] = set(target.attributes_left_out)
        self._abilities: Abilities | None = None

    def go(self) -> Report:
        """Runs to its end, writes how it went, and returns that."""
        self._db.transact(self._note_interrupted)
        wait = 0.0
        try:
            self._push()
            report = Report(Outcome.OK, self._counts)
        except LeaseLostError:
            return self._taken_over()
        except HeldError as held:
            report = Report(Outcome.HELD, self._counts, held.hold.reason, held.hold)
        except OperatorError as error:
            report = Report(Outcome.FAILED, self._counts, str(error))
            wait = error.wait if isinstance(error, StoppedError) else 0.0
        if self._means.stopping() and report.outcome is Outcome.FAILED:
            report.outcome = Outcome.INTERRUPTED
        try:
            self._db.transact(partial(self._finish, report, wait))
        except LeaseLostError:
            return self._taken_over()
        return report

    def _taken_over(self) -> Report:
        return Report(Outcome.INTERRUPTED, self._counts, "an operator or another process took the target over")

    def keep(self) -> None:
        """Holds the target longer, inside the caller's transaction. Raises LeaseLostError."""
        leases.keep(self._db, self._target.id, self._holder, self._means.lease)

    @property
    def beat(self) -> float:
        """Seconds after which the target is held longer."""
        return self._means.lease / 3

    def tell(self) -> None:
        """Says how far the run is."""
        self._means.told(self._counts)

    # --- the way --------------------------------------------------------------------------------------------------

    def recount(self) -> int:
        """How many active users are to go by now. Raises HeldError when it is too much."""
        census = self._scope.census()
        hold = guard.judge(census, self._workspace.app.settings, self._target.options, self._accepted)
        if hold is not None:
            raise HeldError(hold)
        return census.users

    def _push(self) -> None:
        """Pushes what differs. Raises HeldError before the first request when that is too much."""
        means, target, app = self._means, self._target, self._workspace.app
        loops.check(self._db, target, means.own_roots)
        token = secret_references.read(target.secret, means.state_dir).strip()
        mark = None if target.options.same_installation else target.mark
        name = f"{app.slug}/{target.name}"
        remote = Remote(means.client, target.url, token, mark, name=name, pauses=means.pauses, stopping=means.stopping)
        able = self._abilities = self._able(remote)
        if self._full:
            self._doubt_everything()
        self._scope = Scope(self._db, app, target, takes_groups=able.takes_groups)
        if target.options.groups and not able.takes_groups:
            self._left_out.add("Groups")
        users = self.recount()
        taken = links.taken(self._db, target) if target.options.match else None
        pusher = Pusher(remote, able, patch=target.options.patch and able.patch, taken=taken)
        preparer = Preparer(self._db, target, able)
        passing = Pass(self, self._db, self._workspace, target, self._scope, pusher, preparer, self._counts)
        try:
            passing.go(users)
        finally:
            passing.close()
            self._left_out |= preparer.left_out
            if able.patch and target.options.patch and not pusher.patch:
                self._abilities = replace(able, patch=False)

    def _doubt_everything(self) -> None:
        """Takes nothing that was pushed for certain, so that all of it is sent again."""
        after = 0
        while page := links.page(self._db, self._target, after, _CHUNK):
            for link in page:
                link.version, link.digests = 0, links.digests_text(dict.fromkeys(link.known, documents.UNKNOWN))
            self._db.transact(partial(self._put, page))
            after = page[-1].resource_id
        self._db.transact(partial(memberships.doubt, self._db, self._target))

    def _put(self, changed: Sequence[Link]) -> None:
        self.keep()
        links.put(self._db, changed)

    def _able(self, remote: Remote) -> Abilities:
        """What the target can: as it said a while ago, or as it says now."""
        if self._target.abilities is not None:
            known = Abilities.from_json(self._target.abilities)
            if self._began - known.read_at < _ABILITIES_KEPT:
                return known
        return replace(abilities_of.read(remote), read_at=self._began)

    # --- rows -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Makes the row of the run, inside the transaction of its first write."""
        if self._row is None:
            self._insert_row()

    def _insert_row(self) -> None:
        values = {"app_id": self._target.app_id, "target_id": self._target.id, "started_at": self._began}
        self._db.execute(TargetRunRow.insert(**values, counts="{}"))
        of_target = TargetRunRow.target_id == self._target.id
        newest = TargetRunRow.select(TargetRunRow.id).where(of_target).order_by(TargetRunRow.id.desc())
        kept = [row[0] for row in self._db.rows(newest.limit(_RUNS_KEPT))]
        self._row = kept[0]
        self._db.execute(TargetRunRow.delete().where(of_target, TargetRunRow.id < kept[-1]))

    def _note_interrupted(self) -> None:
        """Ends the rows of runs whose process ended without a word: this one holds the target."""
        unended = (TargetRunRow.target_id == self._target.id) & TargetRunRow.outcome.is_null()
        values = {"outcome": Outcome.INTERRUPTED.value, "ended_at": self._began, "detail": "the process ended"}
        self._db.execute(TargetRunRow.update(values).where(unended))

    def _finish(self, report: Report, wait: float) -> None:
        self.keep()
        now, target = clock.now(), self._target
        values = {"last_run_at": now, "left_out": orjson.dumps(sorted(self._left_out)[:_LONGEST_LEFT_OUT]).decode()}
        if self._abilities is not None:
            values["abilities"] = self._abilities.to_json()
        if report.outcome is Outcome.OK:
            values |= {"last_ok_at": now, "failing_since": None, "last_error": None, "not_before": 0, "held": None}
        elif report.outcome is Outcome.HELD and report.hold is not None:
            values |= {"held": orjson.dumps(report.hold.data).decode(), "failing_since": None, "last_error": None}
        elif report.outcome is Outcome.FAILED:
            since = target.failing_since or now
            rest = min(max((now - since) // 2, _SHORTEST_REST), _LONGEST_REST)
            not_before = now + max(rest, int(wait * _SECOND))
            values |= {"failing_since": since, "last_error": report.detail, "not_before": not_before}
        again = report.outcome is Outcome.HELD and target.held is not None
        if report.counts or not (report.outcome is Outcome.OK or again):
            self.begin()
            ended = {"ended_at": now, "outcome": report.outcome.value, "detail": report.detail}
            counts = orjson.dumps(dict(sorted(report.counts.items()))).decode()
            self._db.execute(TargetRunRow.update(**ended, counts=counts).where(TargetRunRow.id == self._row))
        self._db.execute(TargetRow.update(values).where(TargetRow.id == target.id))
        self._record(report)

    def _record(self, report: Report) -> None:
        """Journals what an operator wants to know: once when it begins, and what was pushed."""
        target = self._target
        name = f"target {target.name}"
        entries = []
        if report.pushed:
            done = ", ".join(f"{number:,} {key.replace('_', ' ')}" for key, number in sorted(report.counts.items()))
            accepted = f"; {self._accepted:,} removals were accepted" if self._accepted is not None else ""
            entries.append(Entry(Action.TARGET_SYNCED, detail=f"{name}: {done}{accepted}"))
        if report.outcome is Outcome.HELD and target.held is None:
            entries.append(Entry(Action.TARGET_HELD, journal.Outcome.REFUSED, detail=f"{name}: {report.detail}"))
        if report.outcome is Outcome.FAILED and target.failing_since is None:
            entries.append(Entry(Action.TARGET_FAILED, journal.Outcome.FAILED, detail=f"{name}: {report.detail}"))
        if entries:
            journal.record(self._workspace, entries)

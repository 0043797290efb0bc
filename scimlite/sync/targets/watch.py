"""Runs targets when they are due: woken by the journal, with a short pause to collect changes, and every few minutes.

It looks at what there is in a thread of its own, and has some targets pushed to at the same time, each in a thread.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Thread
from typing import Any

from peewee import fn

from ... import clock
from ...db import Database, DatabaseError, Slot, feed_order, prepared
from ...db.feed_order import Place
from ...db.target_tables import TargetLinkRow
from ...errors import ScimError
from ...journal import Action, Actor, Origin
from ...redaction import error_log
from . import runs, stored
from .runs import Means
from .stored import LinkState, Target

#: Seconds between two looks, and for which changes are collected before a run.
_LOOK, COLLECTED = 0.5, 2.0
#: Targets that are pushed to at the same time.
_AT_ONCE = 4
#: Entries of the journal that are looked at at once.
_STRETCH = 200
#: Acts that are about somebody and change nobody.
_NO_CHANGE = frozenset({Action.TARGET_PARKED.value, Action.EXPORTED.value})
ORIGIN = Origin("worker", actor=Actor.WORKER)


@dataclass(slots=True)
class _Seen:
    """What this process knows about a target."""

    place: Place
    #: When it is to be run, by `time.monotonic`; None when nothing has changed.
    due_at: float | None
    #: When somebody whom it refused is tried again, in microseconds.
    retry_at: int | None = None


class Watch:
    """Looks after all targets of an installation."""

    def __init__(self, means: Means, *, collected: float = COLLECTED) -> None:
        self._means = means
        self._db = means.db
        self._collected = collected
        self._seen: dict[int, _Seen] = {}
        self._running: dict[int, Future[None]] = {}
        self._thread: Thread | None = None

    def start(self) -> None:
        """Looks from now on, in a thread, until the process is to end."""
        self._thread = Thread(target=self._run, name="targets")
        self._thread.start()

    def join(self) -> None:
        """Waits for the end of what is under way."""
        if self._thread is not None:
            self._thread.join()

    def once(self) -> None:
        """Runs all targets that may be asked now, one after the other."""
        now = clock.now()
        for target in self._begun():
            if target.not_before <= now and not self._means.stopping():
                runs.sync(self._means, target.id, ORIGIN)

    def _begun(self) -> list[Target]:
        """The targets that are enabled, and that an operator had run once: before, there is a preview to look at."""
        return [each for each in stored.living(self._db) if each.enabled and each.last_run_at is not None]

    def _run(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE, "target-run") as threads:
            while not self._means.stopping():
                try:
                    self._look(threads)
                except (ScimError, DatabaseError):
                    error_log.exception("targets: the database cannot be used; again in a moment")
                    self._db.close()
                time.sleep(_LOOK)
        self._db.close()

    def _look(self, threads: ThreadPoolExecutor) -> None:
        self._running = {id: future for id, future in self._running.items() if not future.done()}
        targets = self._begun()
        if not targets:
            return
        end, now = feed_order.end(self._db), clock.now()
        for target in targets:
            seen = self._seen.get(target.id)
            if seen is None:
                # Whatever happened before this process began.
                seen = self._seen[target.id] = _Seen(end, time.monotonic())
            if end != seen.place and self._moved(target, seen, end) and seen.due_at is None:
                seen.due_at = time.monotonic() + self._collected
            if self._is_due(target, seen, now) and target.id not in self._running:
                seen.due_at = None
                self._running[target.id] = threads.submit(self._sync, target, seen)

    def _moved(self, target: Target, seen: _Seen, end: Place) -> bool:
        """True when users or groups of the target's app changed since the last look."""
        if end < seen.place:
            # Places began anew.
            seen.place = end
            return True
        more, moved = True, False
        while more:
            stretch = feed_order.stretch(self._db, target.app_id, seen.place, _STRETCH)
            moved = moved or any(
                (entry.user_uuid or entry.group_uuid) and entry.action not in _NO_CHANGE for entry in stretch.entries
            )
            seen.place, more = stretch.end, stretch.more
        return moved

    def _is_due(self, target: Target, seen: _Seen, now: int) -> bool:
        held = target.holder is not None and target.leased_until > now
        if held or target.not_before > now:
            return False
        if seen.due_at is not None:
            return time.monotonic() >= seen.due_at
        if seen.retry_at is not None and seen.retry_at <= now:
            return True
        # Also when it failed and is not left alone any more, or an operator changed it.
        return target.failing_since is not None or now - (target.last_run_at or 0) >= target.every

    def _sync(self, target: Target, seen: _Seen) -> None:
        """A run in a thread of its own."""
        try:
            runs.sync(self._means, target.id, ORIGIN)
            seen.retry_at = self._db.scalar(_next_retry, app=target.app_id, target=target.id)
        except (ScimError, DatabaseError):
            error_log.exception("target %s: the database cannot be used", target.id)
            seen.due_at = time.monotonic() + 1.0
        except Exception:
            error_log.exception("target %s: a run ended by a fault", target.id)
            seen.due_at = time.monotonic() + 60.0
        finally:
            self._db.close()


@prepared
def _next_retry(db: Database) -> Any:
    query = TargetLinkRow.select(fn.min(TargetLinkRow.retry_at))
    failed = TargetLinkRow.state == LinkState.FAILED.value
    return query.where(TargetLinkRow.app_id == Slot("app"), TargetLinkRow.target_id == Slot("target"), failed)

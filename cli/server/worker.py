"""The worker process of `scimlite serve`: new connections, the threads that answer, and the end in order."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.base import Worker as GunicornWorker

from scimlite import deadline
from scimlite.apps import turned_away
from scimlite.errors import ScimError

from . import exchange, refusal
from .connection import Connection
from .loop import Loop
from .pool import Pool

#: Seconds between two looks at all connections, and while the worker stops.
_TICK, _TICK_AT_END = 1.0, 0.1
#: Seconds for which a worker leaves a new connection to another one that has fewer.
_STEP_BACK = 0.02
#: New connections that are taken before the loop looks at the others again: some 3 ms.
_AT_ONCE = 64
#: Seconds from the signal for which a worker that stops keeps connections on which nothing happens.
_LAST_CHANCE = 1.5
#: Seconds before the master would kill it in which a worker ends by itself.
_MARGIN = 0.5
#: Seconds that a thread may take to count requests.
_COUNTING = 1.0
#: From linux/filter.h and asm/socket.h, which Python has no names for.
_BPF_RETURN, _SO_ATTACH_FILTER = 0x06, 26
#: The paths that threads of their own answer, because all others may be at work.
_LIVE, _HEALTH = b"/livez", (b"/readyz", b"/healthz")


class Worker(GunicornWorker):  # type: ignore[misc]  # gunicorn has no type information
    """A worker of gunicorn with a loop of its own, in place of gunicorn's thread worker.

    A thread gets a request when all of it is here, and hands back what the client does not take at once, so that no
    client holds a thread by being slow (docs/adr/0007-a-worker-of-our-own.md). `census` and `place` are set
    before the fork.
    """

    def init_process(self) -> None:
        """Begins the work of the process, and returns when it ends."""
        settings = self.app.settings
        self._settings = settings
        self._loop = Loop(settings, self.cfg.keepalive, self._submit)
        self._next_tick = 0.0
        self._listening = False
        #: When the worker looks for new connections again, which it has left to another one.
        self._listen_again = float("inf")
        #: How many connections are to move to other workers.
        self._surplus = 0
        #: The apps of requests that were turned away and are not counted yet.
        self._turned_away: deque[bytes] = deque()
        threads, queue = self.cfg.threads, self.cfg.worker_connections
        share = settings.app_threads or max(1, threads - 1)
        self._pool: Pool[Connection] = Pool("request", threads, self._count_and_answer, share=share, queue=queue)
        self._live: Pool[Connection] = Pool("livez", 1, self._answer, share=1, queue=queue)
        self._health: Pool[Connection] = Pool("readyz", 1, self._answer, share=1, queue=queue)
        super().init_process()

    def run(self) -> None:
        """Serves until the worker is told to stop, and then ends what was begun."""
        # Signals write to it.
        self._loop.watch(self.PIPE[0], self._signalled)
        self._listen(True)
        while self.alive:
            self._turn()
        self._end()

    def init_signals(self) -> None:
        """Listens to signals from here on."""
        super().init_signals()
        # The one that ends the service may have come before, when the master's handler was still in place: it is lost.
        self.alive = not self.census.ending

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: stops in order."""
        self.alive = False

    # --- the loop -------------------------------------------------------------------------------------------------

    def _turn(self, until: float = float("inf")) -> None:
        """Waits for something to happen, at most until the next tick or a moment of `time.monotonic`, and does it."""
        self._loop.turn(min(self._next_tick, self._listen_again, until))
        now = time.monotonic()
        if now >= self._listen_again:
            self._listen(True)
            # No other worker took them.
            for listener in self.sockets:
                self._take_some(listener, lambda: True)
        if now >= self._next_tick:
            self._next_tick = now + (_TICK if self.alive else _TICK_AT_END)
            self._tick(now)

    def _tick(self, now: float) -> None:
        self.notify()
        if self.ppid != os.getppid():
            self.log.info("Parent changed, shutting down: %s", self)
            self.alive = False
        self._count()
        least = self.census.least_of_others(self.place)
        self._surplus = max(0, (len(self._loop.connections) - least) // 2) if least is not None else 0
        for pool in (self._pool, self._health, self._live):
            for connection, has_its_share in pool.overdue(now - self._settings.queue_timeout):
                self._loop.refuse(connection, self._too_many(connection) if has_its_share else refusal.too_busy())
        self._loop.expire(now)

    def _signalled(self) -> None:
        os.read(self.PIPE[0], 4096)

    # --- new connections ------------------------------------------------------------------------------------------

    def _listen(self, wanted: bool) -> None:
        """Begins or ends to look for new connections."""
        self._listen_again = float("inf")
        if wanted == self._listening:
            return
        self._listening = wanted
        for listener in self.sockets:
            if wanted:
                listener.setblocking(False)
                self._loop.watch(listener, partial(self._accept, listener))
            else:
                self._loop.unwatch(listener)

    def _accept(self, listener: Any) -> None:
        """Takes new connections, unless another worker with fewer connections is there to take them."""
        if self._has_fewest():
            self._take_some(listener, self._has_fewest)
        elif self._listening:
            self._listen(False)
            self._listen_again = time.monotonic() + _STEP_BACK

    def _has_fewest(self) -> bool:
        least = self.census.least_of_others(self.place)
        return least is None or least >= len(self._loop.connections)

    def _take_some(self, listener: Any, wanted: Callable[[], bool]) -> None:
        """Takes new connections as long as they are wanted, but not so many that others wait long.

        A burst of one app is taken out of the kernel's queue, where it comes first, so that its threads are shared out.
        """
        for _ in range(_AT_ONCE):
            if not wanted() or not self._take(listener):
                return

    def _take(self, listener: Any) -> bool:
        """Takes one new connection; returns False when there is none."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._loop.make_room()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EPROTO):
                raise
            return False
        if len(self._loop.connections) >= self.cfg.worker_connections:
            self._loop.make_room()
        try:
            self._loop.add(sock, client)
        except OSError:
            # The client is gone already.
            sock.close()
        self._count()
        return True

    def _count(self) -> None:
        self.census.write(self.place, len(self._loop.connections))

    # --- requests -------------------------------------------------------------------------------------------------

    def _submit(self, connection: Connection) -> ScimError | None:
        """Gives a whole request to a thread, or lets it wait for one; returns the error when too many wait."""
        arrival = connection.arrival
        pool = self._pool
        if arrival.path == _LIVE:
            pool = self._live
        elif arrival.path in _HEALTH:
            pool = self._health
        return None if pool.submit(arrival.app, connection) else self._too_many(connection)

    def _too_many(self, connection: Connection) -> ScimError:
        self._turned_away.append(connection.arrival.app)
        return refusal.too_many()

    def _answer(self, connection: Connection) -> None:
        """Answers a request; the threads run it."""
        busy = self.app.busy
        if busy is not None:
            busy(1)
        exchange.answer(connection, self.cfg, self.wsgi, last=self._is_last, failed=partial(self._failed, connection))
        if busy is not None:
            busy(-1)
        self._loop.finish(connection)

    def _count_and_answer(self, connection: Connection) -> None:
        """Counts the requests that were turned away, as the loop must not wait for the database, and answers one."""
        if self._turned_away:
            self._count_turned_away()
        self._answer(connection)

    def _count_turned_away(self) -> None:
        db = self.wsgi.extensions["scimlite"].db
        # Another thread may take the last one.
        with deadline.within(_COUNTING), suppress(IndexError):
            while True:
                turned_away.count(db, self._turned_away.popleft().decode(errors="replace"))

    def _is_last(self) -> bool:
        """True when a connection is to end: the worker stops, or has more connections than the others."""
        if self._surplus > 0:
            self._surplus -= 1
            return True
        return not self.alive

    def _failed(self, connection: Connection, error: Exception) -> None:
        """Answers in place of gunicorn, whose error pages repeat parts of the request and have no id."""
        id = refusal.new_id()
        told = refusal.failure(error, id)
        connection.sendall(refusal.answer(told, connection, self._settings.trusted_proxies, id))

    # --- the end --------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Stops in order: no request that has come is left without its answer."""
        began = time.monotonic()
        until = began + self.cfg.graceful_timeout - _MARGIN
        self._next_tick = began
        if self.census.ending:
            self.wsgi.extensions["scimlite.health"].draining = True
            drained = min(began + self._settings.drain, until)
            while time.monotonic() < drained:
                self._turn(drained)
        self._listen(False)
        for listener in self.sockets:
            if self.census.closing:
                _let_nobody_in(listener)
            while self._take(listener):
                pass
            listener.close()
        while self._loop.connections and time.monotonic() < until:
            self._loop.shorten_silence(began + _LAST_CHANCE)
            self._turn(until)
        self._count_turned_away()


def _let_nobody_in(listener: Any) -> None:
    """Has the kernel drop what comes to a listening socket, so that its queue can be emptied before it is closed.

    A connection that gets into the queue between the last look and the close would be reset, with its request. Clients
    ask again after a second, and are refused then. Connections that are there already go on. Where the kernel has no
    such filter, that moment remains. All processes that share the socket are shut off, so it is for the end of all.
    """
    # One instruction: return 0 bytes of the packet (linux/filter.h).
    program = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RETURN, 0, 0, 0))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))

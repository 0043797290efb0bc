"""The process that shows figures to Prometheus, on a port of its own: `python -m scimlite_cli.server.exporter FD`.

It is a process because a thread of gunicorn's master would hold locks while workers are forked. It ends when its
standard input does, which the master holds open.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from scimlite import apps, clock, deadline
from scimlite.admin import backups, figures
from scimlite.admin.figures import AppFigures
from scimlite.clock import DAY
from scimlite.config import Settings
from scimlite.db import Database, DatabaseError
from scimlite.directory.brakes import KINDS
from scimlite.errors import OperatorError, ScimError
from scimlite.installation import database
from scimlite.own_files import UntrustedPlace
from scimlite.redaction import error_log

from . import logs

#: Seconds between two looks at the database.
_EVERY = 15.0
#: Seconds after which a look is given up.
_LONGEST = 10.0
#: How long before its end a token is counted.
_AHEAD = 14 * DAY
_SECOND = 1_000_000
_TEXT = "text/plain; version=0.0.4; charset=utf-8"

Families = list[GaugeMetricFamily]


class State(Collector):
    """What the database and the disk say, looked at every 15 seconds, so that a scrape never waits for either."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._db = database(settings)
        self._families: Families = []

    def watch(self) -> None:
        """Looks again and again; a thread runs it."""
        pause = threading.Event()
        while True:
            try:
                self._families = self._look()
            except Exception:
                # What was seen last would be shown for ever.
                self._families = [_up(False)]
                error_log.exception("metrics: the state could not be looked at")
            self._db.close()
            pause.wait(_EVERY)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields what was last seen."""
        yield from self._families

    def _look(self) -> Families:
        seen = GaugeMetricFamily("scimlite_looked_at_timestamp_seconds", "When the figures of the database were read.")
        seen.add_metric((), clock.now() / _SECOND)
        found: Families = []
        try:
            # A server that is frozen gives no answer at all.
            with deadline.within(_LONGEST):
                found = _of_apps(self._db)
        except (ScimError, OperatorError, DatabaseError) as error:
            error_log.warning("metrics: the database could not be read (%s)", type(error).__name__)
        return [_up(bool(found)), seen, *found, *_of_files(self._settings, self._db)]


def _up(is_up: bool) -> GaugeMetricFamily:
    return GaugeMetricFamily("scimlite_database_up", "1 when the database could be read.", value=is_up)


def _of_apps(db: Database) -> Families:
    contact = GaugeMetricFamily(
        "scimlite_last_contact_timestamp_seconds", "When the app's client was last accepted.", labels=("app",)
    )
    brake = GaugeMetricFamily("scimlite_brake_tripped", "1 while the brake holds.", labels=("app", "brake"))
    day = GaugeMetricFamily(
        "scimlite_day_entries",
        "Entries of the report in 24 hours.",
        labels=("app", "refused"),
    )
    ending = GaugeMetricFamily("scimlite_tokens_ending", "Active tokens that end within 14 days.", labels=("app",))
    before = clock.now() + _AHEAD
    found = figures.of_apps(db, apps.every(db))
    for app in found:
        slug = app.app.slug
        if app.last_contact is not None:
            contact.add_metric((slug,), app.last_contact / _SECOND)
        held = {each.kind for each in app.tripped}
        for kind in KINDS:
            brake.add_metric((slug, kind), kind in held)
        day.add_metric((slug, "no"), app.entries - app.refused)
        day.add_metric((slug, "yes"), app.refused)
        ending.add_metric(
            (slug,), sum(token.expires_at is not None and token.expires_at <= before for token in app.tokens)
        )
    return [contact, brake, day, ending, *_of_webhooks(found)]


def _of_webhooks(apps: Sequence[AppFigures]) -> Families:
    labels = ("app", "webhook")
    lag = GaugeMetricFamily("scimlite_feed_lag_seconds", "For how long the oldest event has waited.", labels=labels)
    waiting = GaugeMetricFamily("scimlite_webhook_waiting", "Events that wait for another try.", labels=labels)
    dead = GaugeMetricFamily("scimlite_webhook_dead_letters", "Events that were given up.", labels=labels)
    failing = GaugeMetricFamily("scimlite_webhook_failing", "1 while nothing succeeds, or when off.", labels=labels)
    now = clock.now()
    for app in apps:
        for status in app.webhooks:
            of = (app.app.slug, status.webhook.name)
            lag.add_metric(of, status.lag(now) / _SECOND)
            waiting.add_metric(of, status.waiting)
            dead.add_metric(of, status.dead)
            failing.add_metric(of, status.state in ("failing", "off"))
    return [lag, waiting, dead, failing]


def _of_files(settings: Settings, db: Database) -> Families:
    free = GaugeMetricFamily("scimlite_disk_free_bytes", "Free bytes of the folder's disk.", labels=("folder",))
    folders = dict.fromkeys((settings.state_dir, *db.folders()))
    for folder in folders:
        room = figures.space(folder)
        if room is not None:
            free.add_metric((str(folder),), room.free)
    found = [free]
    wal = db.wal_size()
    if wal is not None:
        family = GaugeMetricFamily("scimlite_wal_bytes", "Bytes of SQLite's write-ahead log.")
        family.add_metric((), wal)
        found.append(family)
    # A file that somebody else could have written says nothing.
    backup = None
    with suppress(UntrustedPlace):
        backup = backups.last(settings.state_dir)
    if backup is not None:
        family = GaugeMetricFamily("scimlite_last_backup_timestamp_seconds", "When `db backup` last succeeded.")
        family.add_metric((), backup / _SECOND)
        found.append(family)
    return found


def _handler(registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET /metrics."""

        timeout = 5

        def do_GET(self) -> None:
            """Answers with all figures."""
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, "Figures are at /metrics")
                return
            body = generate_latest(registry)
            self.send_response(200)
            self.send_header("Content-Type", _TEXT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def version_string(self) -> str:
            return "scimlite"

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing: a scrape every few seconds is no news."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(listener.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_activate()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing about a client that went away."""


def main() -> None:
    """Serves until standard input ends."""
    settings = Settings.from_environment()
    logs.write_to_stderr(as_json=settings.log == "json")
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    state = State(settings)
    registry.register(state)
    threading.Thread(target=state.watch, name="state", daemon=True).start()
    server = _Server(socket.socket(fileno=int(sys.argv[1])), _handler(registry))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main()

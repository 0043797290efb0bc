"""A running installation: one database, one service, and apps made the way the commands make them."""

from __future__ import annotations

import itertools
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live_service import LiveService
from scim_client import ScimClient
from scimlite import installation as startup
from scimlite.admin import apps, tokens
from scimlite.admin.tokens import Token
from scimlite.apps import App
from scimlite.apps.keyring import Keyring
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db import Database, migration, tables
from scimlite.db.tables import ResourceRow
from scimlite.journal import Actor, Origin, Scope, report
from scimlite.journal.report import Record
from scimlite.journal.selection import Selection

OPERATOR = Origin("cli:test", actor=Actor.CLI)
_numbers = itertools.count(1)


@dataclass
class Connected:
    """An app with its first token and a client that uses it."""

    slug: str
    client: ScimClient
    token: Token
    text: str


@dataclass
class Installation:
    """A database with the operator's functions at hand, and the service on it once it is started."""

    env: Mapping[str, str]
    folder: Path
    db: Database
    keyring: Keyring
    service: LiveService | None = None
    _services: list[LiveService] = field(default_factory=list)
    _log_begins: int = 0

    @classmethod
    def new(cls, database_url: str, folder: Path, **settings: str) -> Installation:
        """An installation on an empty database, upgraded; settings such as MAX_BODY go without SCIMLITE_."""
        env = {
            "SCIMLITE_STATE_DIR": str(folder / "state"),
            "SCIMLITE_DATABASE_URL": database_url,
            "SCIMLITE_SECRET_KEY": "a key for tests and never for a service",
            **{f"SCIMLITE_{name}": value for name, value in settings.items()},
        }
        read = Settings.from_environment(env)
        db = startup.database(read)
        migration.upgrade(db)
        return cls(env, folder, db, Keyring(read.secret_keys))

    @property
    def kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.db.kind

    @property
    def url(self) -> str:
        """The address of the running service."""
        assert self.service is not None
        return self.service.url

    @property
    def scope(self) -> Scope:
        """The database, and the operator of the tests."""
        return Scope(self.db, OPERATOR)

    def workspace(self, app: App) -> Workspace:
        """The scope within an app."""
        return Workspace.of(self.scope, app)

    def start(self, *, workers: int = 2, threads: int = 4, **settings: str) -> LiveService:
        """Start a service on this database; the first one is the one that clients go to."""
        extra = {f"SCIMLITE_{name}": value for name, value in settings.items()}
        # A connection that was open while a process was made belongs to nobody.
        self.db.close()
        started = LiveService.start({**self.env, **extra}, workers=workers, threads=threads, folder=self.folder)
        self._services.append(started)
        self.service = self.service or started
        return started

    def stop(self) -> None:
        """Stop every service and close the database; a traceback in a log is a failure."""
        self.db.close()
        for each in self._services:
            each.stop()
        for each in self._services:
            each.assert_no_traceback()

    def app(self, name: str = "app", **features: str) -> Connected:
        """A new app with one token, and a client for it."""
        made = apps.create(self.scope, name, f"{apps.slug_of(name)}-{next(_numbers)}")
        if features:
            apps.edit(self.scope, made.slug, features=features)
        token, text = tokens.issue(Workspace(self.db, OPERATOR, made), self.keyring)
        return Connected(made.slug, self.client(made.slug, text), token, text)

    def client(self, slug: str, token: str | None, url: str | None = None) -> ScimClient:
        """A client for an app."""
        return ScimClient(f"{url or self.url}/scim/v2/{slug}", token)

    def app_row(self, app: Connected) -> App:
        """The app as the operator's functions take it, read afresh."""
        return apps.get(self.db, app.slug)

    def journal(self, app: Connected, *, wire: bool = True, **selection: Any) -> list[Record]:
        """The app's journal, oldest first; without the operator's own acts unless `wire` is false."""
        rows = report.read(self.db, Selection(app_id=self.app_row(app).id, **selection))
        return [row for row in rows if row.client != OPERATOR.client or not wire]

    def stored(self) -> bytes:
        """All that the database holds: the files of SQLite, or every row of every table."""
        if self.kind == "sqlite":
            file = Path(self.env["SCIMLITE_DATABASE_URL"].removeprefix("sqlite:///"))
            return b"".join(path.read_bytes() for path in sorted(file.parent.glob(f"{file.name}*")))
        rows: list[Any] = []
        for table in tables.TABLES:
            rows += self.db.rows(table.select())
        assert len(rows) > 5
        return repr(rows).encode()

    def log(self) -> str:
        """What the first service has logged, for this test file."""
        assert self.service is not None
        return self.service.log.read_bytes()[self._log_begins :].decode(errors="replace")

    def lent(self) -> Iterator[Installation]:
        """For fixtures: this running installation for one test file; a traceback in its log meanwhile is a failure."""
        assert self.service is not None
        self._log_begins = self.service.log.stat().st_size
        yield self
        self.db.close()
        first, *more = self._services
        self._services = [first]
        for each in more:
            each.stop()
        for each in more:
            each.assert_no_traceback()
        assert "Traceback (most recent call last)" not in self.log(), f"The service logged a traceback:\n{self.log()}"

    def is_well(self) -> bool:
        """True while the first service answers that it is ready."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@dataclass(frozen=True)
class Watch:
    """Tells which journal rows came since it was made."""

    installation: Installation
    app: Connected
    after: int

    def new(self) -> list[Record]:
        """The rows that came since."""
        return [row for row in self.installation.journal(self.app) if row.id > self.after]

    def told(self) -> list[tuple[str, str]]:
        """Action and outcome of each."""
        return [(row.action, row.outcome) for row in self.new()]


def watch(installation: Installation, app: Connected) -> Watch:
    """Look at the journal from here on."""
    return Watch(installation, app, max((row.id for row in installation.journal(app)), default=0))


def running(make: Callable[[], Installation], **start: Any) -> Iterator[Installation]:
    """For fixtures: an installation whose service runs until the fixture ends."""
    made = make()
    try:
        made.start(**start)
        yield made
    finally:
        made.stop()


@contextmanager
def held(installation: Installation, rows: Any = None) -> Iterator[None]:
    """Writes wait meanwhile: another session has the file of SQLite, or rows of PostgreSQL.

    In: `rows`, the statement that locks these rows; by default all resources.
    """
    begun, done = threading.Event(), threading.Event()

    def hold() -> None:
        if installation.kind == "postgresql":
            installation.db.touch(ResourceRow.update(version=ResourceRow.version) if rows is None else rows)
        begun.set()
        done.wait(20)

    def run() -> None:
        installation.db.transact(hold)
        installation.db.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(10)
    try:
        yield
    finally:
        done.set()
        thread.join()

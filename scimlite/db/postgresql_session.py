"""A session of PostgreSQL: how it is opened, what it is asked to be, and what it is.

What the operator asks for, in the URL or in libpq's environment, comes before what scimlite asks for. Nothing is put
into the start packet, which poolers refuse: the settings follow in a statement. Behind a pooler a session has no
connection of its own, so there they are set in each transaction.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import _WaitTimeout, error_from_result
from psycopg.generators import execute
from psycopg.waiting import wait

from .. import deadline

#: Spelled `auto`: what SCIMLITE_PREPARE_THRESHOLD is when nobody sets it.
AUTOMATIC = "auto"
#: With `auto`, after how many uses a statement is prepared; behind a pooler never.
_PREPARE_AFTER = 5
#: How often a server that works for a client looks whether the client is there, in milliseconds; since PostgreSQL 14.
_WATCH, _WATCH_EVERY = "client_connection_check_interval", 1000
#: libpq's parameters, unless the operator gives them: seconds until a server has to accept a connection, milliseconds
#: until it has to acknowledge what was sent.
_PARAMETERS = {"connect_timeout": 5, "tcp_user_timeout": 20_000}
#: Without a deadline: seconds of silence after which the server has to show that it lives, and that it has for it.
_PATIENCE, _SIGN_OF_LIFE = 10.0, 5.0


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: what scimlite asks for, in PostgreSQL's base units, and what the session has."""

    name: str
    asked: str
    #: In base units; None for a server that does not know the setting.
    has: str | None
    #: As PostgreSQL shows it, with a unit.
    shown: str
    #: True when the operator's URL or environment sets it.
    by_operator: bool

    @property
    def fits(self) -> bool:
        """True when the session has what scimlite asked for, or what the operator wants."""
        return self.by_operator or self.has == self.asked


@dataclass(frozen=True, slots=True)
class Session:
    """What a connection really has, for people to read."""

    version: str
    pooled: bool
    prepare_threshold: int | None
    #: libpq's parameters about time, as they hold.
    parameters: dict[str, str]
    settings: list[Setting]

    def __str__(self) -> str:
        uses = self.prepare_threshold
        facts = [
            f"PostgreSQL {self.version}",
            *(f"{name}={value}" for name, value in self.parameters.items()),
            *(f"{setting.name}={setting.shown}" for setting in self.settings if setting.has is not None),
            "nothing is prepared" if uses is None else f"statements are prepared after {uses} uses",
        ]
        if self.pooled:
            facts.append("behind a pooler, so that these settings hold in transactions only")
        return "; ".join(facts)

    @property
    def warnings(self) -> list[str]:
        """What the session lacks of what scimlite asks for; empty when it has all."""
        return [
            f"the session of PostgreSQL has {setting.name}={setting.shown} in place of {setting.asked}"
            if setting.has is not None
            else f"PostgreSQL {self.version} has no {setting.name}"
            for setting in self.settings
            if not setting.fits
        ]


class DeadlineError(psycopg.OperationalError):
    """The deadline passed before the server answered; the connection is closed."""


class Connection(psycopg.Connection[Any]):
    """A connection that waits for its server until the deadline, and knows whether it leads to a pooler.

    A server that is frozen keeps what was sent, and goes on with it when it wakes. So the connection is closed when the
    deadline passes: the server finds it closed before a COMMIT that was not sent.
    """

    #: True behind a pooler such as PgBouncer, which gives statements of one session to several connections.
    pooled = False
    #: The values of the settings to be set in each transaction, by their names; empty without a pooler.
    local: Mapping[str, str] = MappingProxyType({})
    #: Where it leads.
    url = ""

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Any:
        # The driver waits for as many whole seconds as connect_timeout says for each host, and for at least two. It
        # comes back here every tenth of a second.
        steps = super()._connect_gen(conninfo)
        try:
            step = next(steps)
            while True:
                ready = yield step
                if deadline.remaining() <= 0:
                    raise DeadlineError("no connection was made in time")
                step = steps.send(ready)
        except StopIteration as end:
            return end.value

    def begin(self) -> None:
        """Begins a transaction as the driver does by itself, because a cursor would cost 20 us more."""
        with self.lock:
            self.wait(self._exec_command(b"BEGIN"))

    def command(self, text: bytes) -> None:
        """Runs statements outside of a pipeline, all in one message and without a cursor; an error ends them."""
        with self.lock:
            self.pgconn.send_query(text)
            results = self.wait(execute(self.pgconn))
        if results[-1].status == pq.ExecStatus.FATAL_ERROR:
            raise error_from_result(results[-1])

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Waits until the server has answered, and until the deadline at most. Raises DeadlineError then.

        Without a deadline, as commands are, it waits for as long as the server lives.
        """
        seconds = deadline.remaining()
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        if seconds == math.inf:
            return super().wait(self._while_server_lives(gen), interval)
        try:
            # What psycopg's `wait` calls: it runs for each statement, and the call between costs as much as this line.
            return wait(gen, self.pgconn.socket, interval, seconds)
        except (KeyboardInterrupt, SystemExit):
            # Of a signal handler: nobody reads the answer any more.
            self.pgconn.finish()
            raise
        except _WaitTimeout:
            self.pgconn.finish()
            # Left to the garbage collector, the driver's generator would complain to stderr.
            with suppress(psycopg.Error, RuntimeError):
                gen.close()
            raise DeadlineError("the server did not answer in time") from None

    def _while_server_lives(self, gen: Any) -> Generator[Any, Any, Any]:
        """The same steps; raises DeadlineError when the server is silent and takes no other connection either.

        What a command asks for may take an hour, and a server that works for it answers others meanwhile.
        """
        look_at = time.monotonic() + _PATIENCE
        try:
            step = next(gen)
            while True:
                # The driver comes back here every tenth of a second.
                ready = yield step
                if not ready and time.monotonic() > look_at:
                    if not _lives(self.url):
                        self.pgconn.finish()
                        raise DeadlineError("the server gives no answer, and no sign of life on another connection")
                    look_at = time.monotonic() + _PATIENCE
                step = gen.send(ready)
        except StopIteration as end:
            return end.value


def _lives(url: str) -> bool:
    """False when nothing answers at all; a server that refuses a connection lives."""
    try:
        with deadline.within(_SIGN_OF_LIFE), Connection.connect(url, autocommit=True, **parameters(url)) as other:
            other.execute("SELECT 1")
    except (DeadlineError, psycopg.errors.ConnectionTimeout):
        return False
    except psycopg.Error:
        return True
    return True


def parameters(url: str) -> dict[str, Any]:
    """Returns those of libpq's parameters that the operator gives neither in the URL nor in the environment."""
    given = {name for name, value in conninfo_to_dict(url).items() if value is not None}
    given |= {
        default.keyword.decode()
        for default in pq.Conninfo.get_defaults()
        if default.envvar and default.val is not None and default.val != default.compiled
    }
    # A service's file may say anything, and libpq reads it after us.
    return {} if "service" in given else {name: _PARAMETERS[name] for name in _PARAMETERS if name not in given}


def connect(url: str, settings: Mapping[str, str], prepare_threshold: int | str | None) -> Connection:
    """Opens a session with these settings, each as far as the operator does not set it.

    In: `prepare_threshold`, after how many uses a statement is prepared; None for never, AUTOMATIC for what fits.
    Raises the driver's OperationalError.
    """
    if deadline.remaining() <= 0:
        raise DeadlineError("no connection was made in time")
    connection = Connection.connect(url, autocommit=True, prepare_threshold=None, **parameters(url))
    connection.url = url
    try:
        _configure(connection, settings)
    except BaseException:
        connection.close()
        raise
    if prepare_threshold == AUTOMATIC:
        prepare_threshold = None if connection.pooled else _PREPARE_AFTER
    assert not isinstance(prepare_threshold, str)
    connection.prepare_threshold = prepare_threshold
    return connection


def _configure(connection: Connection, asked_for: Mapping[str, str]) -> None:
    # A pooler makes up the process id that a client gets when it connects.
    found = connection.execute(
        "SELECT pg_backend_pid(), array_agg(name) FROM pg_settings WHERE name = ANY(%s) AND source <> 'client'",
        (list(asked_for),),
    ).fetchone()
    assert found is not None
    pid, names = found
    settings = {name: value for name, value in asked_for.items() if name in (names or ())}
    connection.pooled = pid != connection.info.backend_pid
    # Behind a pooler this tries them only: outside of a transaction what is local ends with the statement.
    try:
        set_settings(connection, settings, local=connection.pooled)
    except psycopg.errors.InvalidParameterValue:
        # Not every operating system tells a server that its client has gone.
        settings.pop(_WATCH, None)
        set_settings(connection, settings, local=connection.pooled)
    if connection.pooled:
        connection.local = settings


def set_settings(connection: psycopg.Connection[Any], settings: Mapping[str, str], *, local: bool) -> None:
    """Sets settings, for the transaction when they are `local`, else for the session."""
    if settings:
        calls = ", ".join(["set_config(%s, %s, %s)"] * len(settings))
        binds = [bind for name, value in settings.items() for bind in (name, value, local)]
        connection.execute(f"SELECT {calls}", binds)


def wanted(busy_timeout: float, request_timeout: float) -> dict[str, str]:
    """Returns the settings that scimlite asks for, in PostgreSQL's base units.

    In: seconds to wait for a lock; seconds that a request may take. The latter counts for a connection that is made
    while there is a deadline: commands may take as long as they need.
    """
    lock, statement = int(busy_timeout * 1000), int(request_timeout * 1000)
    settings = {
        "lock_timeout": str(lock),
        # Planning a look-up takes five times as long as running it, and by its own rule PostgreSQL goes on planning it
        # each time. The text of a Statement decides about the plan, its values do not
        # (docs/adr/0003-prepared-texts.md).
        "plan_cache_mode": "force_generic_plan",
    }
    if deadline.is_set():
        settings |= {
            "lock_timeout": str(min(lock, statement)),
            "statement_timeout": str(statement),
            _WATCH: str(_WATCH_EVERY),
        }
    return settings


def describe(connection: Connection, asked_for: Mapping[str, str]) -> Session:
    """Returns what a connection has at this moment; behind a pooler it has to be in a transaction."""
    rows = connection.execute(
        "SELECT name, setting, current_setting(name), source FROM pg_settings WHERE name = ANY(%s)", (list(asked_for),)
    ).fetchall()
    found = {name: rest for name, *rest in rows}
    settings = []
    for name, asked in asked_for.items():
        has, shown, source = found.get(name, (None, "", ""))
        settings.append(Setting(name, asked, has, shown, source == "client"))
    times = {name: value for name, value in connection.info.get_parameters().items() if name in _PARAMETERS}
    version = connection.info.parameter_status("server_version") or "of an unknown version"
    return Session(version, connection.pooled, connection.prepare_threshold, times, settings)

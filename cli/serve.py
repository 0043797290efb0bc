"""`scimlite serve`: the service under gunicorn."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from scimlite import service_address
from scimlite.admin.first_connection import first_connection
from scimlite.admin.first_operator import first_link
from scimlite.admin.identity_providers import identity_provider
from scimlite.config import Settings
from scimlite.config_values import MOST_AT_WORK
from scimlite.db import drift, migration
from scimlite.installation import SCIM_PREFIX, database
from scimlite.own_files import UntrustedPlace
from scimlite.redaction import error_log
from scimlite.service_address import Address

from .kit import listener
from .kit.console import base_of, console_url, link_url
from .kit.context import Context, open_context
from .kit.idp import connection_block
from .server import housekeeper, logs
from .server.application import Application
from .server.child import Child
from .server.metrics import Exporter

#: Seconds that the worker has for what it is sending when the service ends.
_LONGEST_END = 25.0


@click.command()
@click.option("--host", help="Address to listen on.  [default: SCIMLITE_HOST, else 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port to listen on.  [default: SCIMLITE_PORT, else PORT, else 8000]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_AT_WORK),
    help="Number of processes.  [default: SCIMLITE_WORKERS, else 2]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, MOST_AT_WORK),
    help="Number of threads in each process.  [default: SCIMLITE_THREADS, else 4]",
)
@click.option("--work", is_flag=True, help="Deliver events to webhooks too, by a worker beside the service.")
@click.option("--upgrade", is_flag=True, help="Upgrade an outdated database first.")
@click.option("--begin-anew", is_flag=True, help="Make an empty database where there was one before.")
@click.option(
    "--first-app", metavar="NAME", help="Make an app with this name when there is none, and print how to connect it."
)
def serve(
    host: str | None,
    port: int | None,
    workers: int | None,
    threads: int | None,
    work: bool,
    upgrade: bool,
    begin_anew: bool,
    first_app: str | None,
) -> None:
    """Run the service with gunicorn until it is stopped.

    It initialises an empty database, but not where a secret key or the address of a former service says that there
    was a database, unless --begin-anew is given. It refuses an outdated one unless --upgrade is given. The log goes
    to stderr, one line a request, without values or secrets.

    \b
    Examples: scimlite serve --host 0.0.0.0 --port 8080 --workers 4
              scimlite serve --work
    """
    # Bound before the database is opened, and made when it is not there.
    settings = Settings.from_environment()
    settings = replace(settings, threads=threads or settings.threads)
    host = settings.host if host is None else host
    port = port or settings.port_to_serve()
    url = listener.url_of(host, port)
    # gunicorn ignores the address when it gets a socket from elsewhere.
    places = [(host, port), *([settings.console.bind] if settings.console and settings.console.bind else [])]
    binds = [_bind(*place) for place in places]
    exporter = Exporter.of(settings) if settings.metrics is not None else None
    # Workers are forked from this process, and come by the end of this function too.
    master = os.getpid()
    # Held until this function ends, which is when the service does.
    served = database(settings)
    served.hold()
    context = open_context(create=True, upgrade=upgrade, anew=begin_anew)
    _ = context.keyring
    logs.write_to_stderr(as_json=settings.log == "json")
    _log_session(context)
    _warn_of_schema(context)
    welcome = _welcome(context, first_app, url) if first_app else ""
    context.db.close()
    folder = _folder_for_workers(settings.state_dir)
    if exporter is not None:
        exporter.prepare(folder)
    deliverer = Child("scimlite_cli.server.deliverer", [], purpose="delivers events") if work else None
    server = Application(
        settings,
        {
            "bind": binds,
            "workers": workers or settings.workers,
            "threads": settings.threads,
            "worker_tmp_dir": folder,
            "when_ready": lambda arbiter: _remember(settings.state_dir, url),
            "post_worker_init": partial(_begin_work, welcome),
            "on_exit": lambda arbiter: _forget(settings.state_dir, url),
        },
        exporter,
        deliverer,
    )
    try:
        server.run()
    except OSError as error:
        # Another service that bound the same address at the same moment began to listen first.
        if error.errno != errno.EADDRINUSE:
            raise
        raise listener.refusal(host, port, error) from None
    finally:
        if deliverer is not None and os.getpid() == master:
            deliverer.end(timeout=_LONGEST_END)
        if exporter is not None:
            exporter.end()


def _bind(host: str, port: int) -> str:
    """Return an address in the form that gunicorn takes, already bound unless another program hands the socket on."""
    return f"{host}:{port}" if listener.is_inherited() else f"fd://{listener.bound(host, port).detach()}"


def _log_session(context: Context) -> None:
    """Log what a connection to PostgreSQL has, and what it lacks of what was asked for."""
    session = context.db.session()
    if session is not None:
        error_log.info("%s", session)
        for sentence in session.warnings:
            error_log.warning("%s", sentence)


def _warn_of_schema(context: Context) -> None:
    """Log what is not as this version needs it although all migrations were applied: some requests may fail."""
    for name in migration.changed(context.db):
        error_log.warning("the migration %s was changed after it had been applied here; see `scimlite db status`", name)
    for sentence in drift.differences(context.db):
        error_log.warning("the database differs from what this version needs: %s", sentence)


def _folder_for_workers(state_dir: Path) -> str | None:
    """Return the folder for gunicorn's files by which workers say that they live; None for the system's own.

    The state folder, unless it cannot be written, which PostgreSQL does not need. Raises ClickException when neither
    can be written.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=state_dir):
            return str(state_dir)
    except OSError:
        pass
    try:
        tempfile.gettempdir()
    except OSError:
        raise click.ClickException(
            f"Neither the state folder {state_dir} nor a folder for temporary files can be written: set "
            "SCIMLITE_STATE_DIR to a folder that can."
        ) from None
    return None


def _remember(state_dir: Path, url: str) -> None:
    """Write down the address once gunicorn listens."""
    try:
        service_address.remember(state_dir, url)
    except (OSError, UntrustedPlace) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        error_log.warning(
            "the commands will not know the address %s, as %s cannot be written (%s)", url, state_dir, reason
        )


def _forget(state_dir: Path, url: str) -> None:
    # What cannot be removed was not written, or is found out by the commands: nothing listens there.
    with suppress(OSError, UntrustedPlace):
        service_address.forget(state_dir, url)


def _begin_work(welcome: str, worker: Any) -> None:
    """Start the housekeeping of a worker process; print the welcome once the first worker can answer."""
    logs.take_stderr()
    if welcome and worker.age == 1:
        # The reader of stdout may have gone away, which is no reason to end.
        with suppress(OSError):
            click.echo(welcome)
    housekeeper.start(worker.wsgi.extensions["scimlite"].db)


def _welcome(context: Context, first_app: str, url: str) -> str:
    """Return how to connect the first app; makes it, and a token, when there is none. An old token is not shown."""
    connection = first_connection(context.scope, context.keyring, first_app)
    app = connection.app
    served = Address(f"{context.settings.base_url or url}{SCIM_PREFIX}/{app.slug}", None)
    provider = identity_provider(None, app.profile, app.name, app.slug)
    block = connection_block(provider, app.name, app.slug, served, connection.token)
    if connection.apps > 1:
        block += f"\nThere are {connection.apps} apps; `scimlite app list` shows all."
    return block + _console(context, url)


def _console(context: Context, url: str) -> str:
    """Return how to open the console: by a link that is good once, until somebody has signed in; empty without it."""
    if context.settings.console is None:
        return ""
    base = base_of(context.settings, context.settings.base_url or url)
    secret = first_link(context.scope)
    if secret is None:
        return f"\n  The console: {console_url(base)}\n"
    return f"\n  Open the console with this link, once and within 15 minutes:\n\n    {link_url(base, secret)}\n"

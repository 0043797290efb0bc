"""`scimlite work`: the worker process, which delivers events to webhooks and reads sources."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from scimlite.admin import housekeeping
from scimlite.redaction import error_log
from scimlite.worker import Worker

from .kit.context import Context, with_installation
from .server import housekeeper, logs


@click.command()
@click.option("--once", is_flag=True, help="Do what is due, tidy up, and end; for cron.")
@with_installation
def work(context: Context, once: bool) -> None:
    """Deliver events to webhooks and read sources until it is stopped, and delete hourly what is kept for a time.

    Run it beside the service, on one host or several: workers share the webhooks and the sources. `serve --work` runs
    one with the service. When it is stopped it waits for what is being sent.

    \b
    Examples: scimlite work
              scimlite work --once
    """
    _ = context.keyring
    worker = Worker(context.installation)
    with _stopped_by_signals(worker.stop):
        if once:
            worker.run(once=True)
            housekeeping.tidy(context.db)
            return
        logs.write_to_stderr(as_json=context.settings.log == "json")
        context.db.hold()
        housekeeper.start(context.db)
        error_log.info("the worker has begun")
        worker.run()
        error_log.info("the worker has ended")


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Within it SIGTERM and Ctrl-C stop the worker in order."""
    former = {number: signal.signal(number, lambda *_: stop()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

"""Measure how many events a second one worker delivers on each database, and write docs/performance.md.

    .venv/bin/python bench/deliveries.py [EVENTS]

The receiver is a process of its own on the same machine that answers 204 at once.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
import time
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import page

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from peewee import fn

from postgres_server import PostgresServer, empty_database
from scimlite.admin import apps, webhooks
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db.feed_tables import ReceiptRow
from scimlite.directory import write
from scimlite.installation import Installation
from scimlite.journal import Action, Entry, Origin, Scope, record
from scimlite.worker import Worker

_PEOPLE = 500
_LANES = (1, 8, 64)


async def _receive(port: Connection) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def receiver(port: Connection) -> None:
    """Answers 204 for ever; says at which port."""
    asyncio.run(_receive(port))


def user(number: int) -> dict[str, Any]:
    """A user whose profile has what most applications read."""
    name = f"person.{number}@example.com"
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "externalId": f"00000000-0000-0000-0000-{number:012}",
        "displayName": f"Person {number}",
        "name": {"givenName": "Person", "familyName": str(number)},
        "title": "Engineer",
        "emails": [{"value": name, "type": "work", "primary": True}],
        "active": True,
    }


def measure(installation: Installation, url: str, lanes: int, events: int) -> tuple[float, float]:
    """Deliveries a second, from the start of the worker to the last receipt, and CPU us of the worker for each."""
    db = installation.db
    scope = Scope(db, Origin("bench"))
    app = apps.create(scope, f"lanes-{lanes}")
    workspace = Workspace.of(scope, app)
    people = [
        write.create(workspace, app.resource_types["Users"], user(number)).resource.id for number in range(_PEOPLE)
    ]
    made, _ = webhooks.add(
        workspace, installation.keyring, url, lanes=lanes, networks=installation.settings.outbound_networks
    )

    def happen(first: int) -> None:
        ids = [people[number % _PEOPLE] for number in range(first, first + 500)]
        record(workspace, [Entry(Action.UPDATED, user=(id, None), changes={"title": ["Dr", "Prof"]}) for id in ids])

    for first in range(0, events, 500):
        db.transact(lambda first=first: happen(first))  # type: ignore[misc]
    began, used = time.perf_counter(), time.process_time()
    Worker(installation).run(once=True)
    took, cpu = time.perf_counter() - began, time.process_time() - used
    receipts = db.scalar(ReceiptRow.select(fn.count(ReceiptRow.journal_id)).where(ReceiptRow.webhook_id == made.id))
    assert receipts == events, f"{receipts} of {events} were confirmed"
    return events / took, cpu / events * 1e6


def main() -> None:
    """Measures each database and number of lanes in turn."""
    found: dict[str, dict[str, list[int]]] = {}
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 6000
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=receiver, args=(there,), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{here.recv()}/hook"
    server = PostgresServer.in_new_folder()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, empty_database(server.url()) as postgres:
        for database in (f"sqlite:///{folder}/scimlite.db", postgres):
            settings = Settings.from_environment(
                {
                    "SCIMLITE_STATE_DIR": folder,
                    "SCIMLITE_DATABASE_URL": database,
                    "SCIMLITE_SECRET_KEY": "a key for a bench and never for a service",
                    "SCIMLITE_OUTBOUND_NETWORKS": "127.0.0.0/8",
                }
            )
            with closing(Installation.open(settings, create=True).db) as db:
                installation = Installation.open(settings)
                for lanes in _LANES:
                    rate, cpu = measure(installation, url, lanes, events)
                    found.setdefault(db.kind, {})[str(lanes)] = [round(rate), round(cpu)]
                    print(f"{db.kind:10} {lanes:3} lanes  {rate:6,.0f} deliveries/s  {cpu:5,.0f} us", flush=True)
                installation.db.close()
    server.stop()
    process.terminate()
    page.write("deliveries", {"events": events, "people": _PEOPLE, "found": found})


if __name__ == "__main__":
    main()

"""Kill workers again and again while they deliver, and prove that no event is lost and each person's stay in order.

    .venv/bin/python faults/kill_workers.py [KILLS, 100 by default]

On each database two workers deliver to a receiver that refuses a twentieth with 503 and resets some connections. One
of them, by turns, is killed with SIGKILL, or stopped past its lease and continued.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import worker_process
from postgres_server import PostgresServer, empty_database
from receiver import Receiver, Reply, receiving
from scimlite.admin import apps, webhooks
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db.feed_tables import DeliveryRow, ReceiptRow
from scimlite.installation import Installation
from scimlite.journal import Action, Entry, Origin, Scope, record
from scimlite.worker import Worker

_PEOPLE = 40
_LEASE = 1.0
#: Events that happen before each strike.
_EVENTS = 200


class Trial:
    """An app with a webhook, two workers, and what happened to its people."""

    def __init__(self, installation: Installation, env: dict[str, str], receiver: Receiver) -> None:
        self.db, self.env, self.receiver = installation.db, env, receiver
        self.installation = installation
        scope = Scope(self.db, Origin("faults"))
        self.workspace = Workspace.of(scope, apps.create(scope, "struck"))
        networks = installation.settings.outbound_networks
        self.webhook, _ = webhooks.add(self.workspace, installation.keyring, receiver.url, networks=networks)
        self.happened = 0

    def happen(self) -> None:
        """Something happens to all people, in one transaction."""
        people = [f"person-{number % _PEOPLE}" for number in range(_EVENTS)]
        entries = [Entry(Action.UPDATED, user=(person, person)) for person in people]
        self.db.transact(lambda: record(self.workspace, entries))
        self.happened += len(entries)

    def strike(self, chance: random.Random, kills: int) -> None:
        """Kills and stops workers while they deliver."""
        with ExitStack() as stack:
            workers = [stack.enter_context(worker_process.started(self.env, _LEASE)) for _ in range(2)]
            for number in range(kills):
                self.happen()
                time.sleep(chance.uniform(0.1, 0.6))
                which = number % 2
                if number % 5 == 4:
                    _stop_past_the_lease(workers[which])
                else:
                    workers[which].kill()
                    workers[which].wait()
                    workers[which] = stack.enter_context(worker_process.started(self.env, _LEASE))
                print(".", end="", flush=True)

    def check(self) -> None:
        """Lets all be delivered; raises AssertionError when an event was lost, or came before an earlier one."""
        self.receiver.reply = lambda got: Reply()
        ends = time.monotonic() + 60
        while True:
            waits = DeliveryRow.webhook_id == self.webhook.id
            self.db.execute(DeliveryRow.update(next_at=0).where(waits))
            webhooks.change(self.db, self.webhook, not_before=0)
            Worker(self.installation, lease=_LEASE).run(once=True)
            receipts = self.db.rows(ReceiptRow.select(ReceiptRow.journal_id))
            if len(receipts) == self.happened:
                break
            assert time.monotonic() < ends, f"{self.happened - len(receipts)} of {self.happened} were lost"
        seen: dict[str, list[int]] = {}
        for got in self.receiver.confirmed:
            of_person = seen.setdefault(got.event["data"]["user"]["id"], [])
            id = int(got.id.rpartition("_")[2])
            if id not in of_person:
                of_person.append(id)
        assert sum(map(len, seen.values())) == self.happened
        assert all(ids == sorted(ids) for ids in seen.values()), "the order of a person's events was lost"


def _stop_past_the_lease(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGSTOP)
    time.sleep(2 * _LEASE)
    worker.send_signal(signal.SIGCONT)


@contextmanager
def _databases(folder: str) -> Iterator[list[str]]:
    server = PostgresServer.in_new_folder()
    with empty_database(server.url()) as postgresql:
        yield [f"sqlite:///{folder}/scimlite.db", postgresql]
    server.stop()


def main() -> None:
    """Prints, for each database, how many events happened, and how many came more than once."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    chance = random.Random(1)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, _databases(folder) as urls:
        for url in urls:
            env = {
                "SCIMLITE_STATE_DIR": folder,
                "SCIMLITE_DATABASE_URL": url,
                "SCIMLITE_SECRET_KEY": "a key for faults and never for a service",
                "SCIMLITE_OUTBOUND_NETWORKS": "127.0.0.0/8",
            }
            installation = Installation.open(Settings.from_environment(env), create=True)
            with receiving() as receiver:
                faults = [Reply(503)] * 5 + [Reply(fault="reset")] + [Reply()] * 94
                receiver.reply = lambda got, faults=faults: chance.choice(faults)  # type: ignore[misc]
                trial = Trial(installation, env, receiver)
                trial.strike(chance, kills)
                print(f" {len(receiver.confirmed):,} confirmed meanwhile", end="")
                trial.check()
                again = len(receiver.confirmed) - trial.happened
                print(
                    f"\n{installation.db.kind}: {kills} strikes, {trial.happened:,} events, none lost, the order of "
                    f"{_PEOPLE} people kept; {again:,} confirmed more than once",
                    flush=True,
                )
            installation.db.close()


if __name__ == "__main__":
    main()

"""Kill workers and the target again and again while an app is pushed, and prove that both end with the same, once.

    .venv/bin/python faults/kill_pushes.py [STRIKES, 40 by default]

On each database a worker pushes to another scimlite, through a server that loses some answers and refuses others with
503, while a client changes users, groups and members. By turns the worker is killed with SIGKILL, or stopped past its
lease and continued, or the target's service is killed and started again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import worker_process
from installation import Installation
from postgres_server import PostgresServer, empty_database
from pushed_target import LOOPBACK, Pushed
from quirky_target import Asked, QuirkyTarget, Said
from scim_client import add_members, remove_member
from scimlite import outbound
from scimlite.admin import targets

_LEASE = 1.0
_USERS, _GROUPS = 60, 4


class Trial:
    """An app that is pushed, and what is done to it meanwhile."""

    def __init__(self, here: Installation, there: Installation, folder: Path, stack: ExitStack) -> None:
        self.there = there
        self.chance = random.Random(1)
        # Nobody is held: many come and go.
        unbound = {"brake-users": "off", "brake-percent": "off"}
        app, other = here.app("here", **unbound), there.app("there", **unbound)
        self.quirks = QuirkyTarget(f"{there.url}/scim/v2/{other.slug}", other.text)
        stack.enter_context(self.quirks.serving())
        client = stack.enter_context(outbound.Client(LOOPBACK))
        (folder / "token").write_text(other.text)
        workspace = here.workspace(here.app_row(app))
        reference = f"file:{folder / 'token'}"
        made = targets.add(workspace, "struck", self.quirks.url, reference, networks=LOOPBACK)
        self.pushed = Pushed(here, app, other, self.quirks, made, folder, client)
        self.users = [app.client.user(f"user-{number}").id for number in range(_USERS)]
        self.groups = [app.client.group(f"group-{number}", *self.users[:20]).id for number in range(_GROUPS)]
        self.changes = 0
        self.pushed.sync()
        self.quirks.after = self._lose

    def change(self) -> None:
        """A client changes some users, memberships and groups; a few come and go."""
        client, chance = self.pushed.here.client, self.chance
        for _ in range(20):
            user, group = chance.choice(self.users), chance.choice(self.groups)
            match chance.randrange(8):
                case 0:
                    number = f"{self.changes}-{len(self.users)}"
                    self.users.append(client.user(f"new-{number}").ok().id)
                case 1 if len(self.users) > _USERS // 2:
                    self.users.remove(user)
                    client.delete(f"/Users/{user}").ok()
                case 2:
                    active = {"op": "replace", "path": "active", "value": chance.random() < 0.7}
                    client.patch(f"/Users/{user}", active).ok()
                case 3 | 4:
                    client.patch(f"/Groups/{group}", add_members(*chance.sample(self.users, 5))).ok()
                case 5:
                    client.patch(f"/Groups/{group}", remove_member(user)).ok()
                case _:
                    title = {"op": "replace", "path": "title", "value": f"T{self.changes}"}
                    client.patch(f"/Users/{user}", title).ok()
            self.changes += 1

    def strike(self, strikes: int, stack: ExitStack) -> None:
        """Kills and stops the worker and the target."""
        env = {**self.pushed.commands.env}
        worker = stack.enter_context(worker_process.started(env, _LEASE))
        for number in range(strikes):
            self.pushed.make_due()
            self.change()
            self._wait_for_requests(self.chance.randrange(1, 20))
            match number % 4:
                case 3:
                    self._restart_target()
                case 2:
                    _stop_past_the_lease(worker)
                case _:
                    worker.kill()
                    worker.wait()
                    worker = stack.enter_context(worker_process.started(env, _LEASE))
            print(".", end="", flush=True)
        worker.kill()
        worker.wait()

    def check(self) -> None:
        """Pushes what is left; raises AssertionError when the target does not have the same then, or more."""
        self.quirks.after = lambda asked, said: said
        for _ in range(10):
            self.pushed.make_due()
            report = self.pushed.sync(accepted=1_000_000)
            if report.outcome == "ok" and not report.counts:
                break
        self.pushed.assert_equal()

    def _wait_for_requests(self, number: int) -> None:
        """Waits until a push is under way, and some requests came."""
        wanted, ends = len(self.quirks.asked) + number, time.monotonic() + 6
        while len(self.quirks.asked) < wanted and time.monotonic() < ends:
            time.sleep(0.002)

    def _lose(self, asked: Asked, said: Said) -> Said:
        if asked.method == "GET":
            return said
        lost = self.chance.random()
        return Said(reset=True) if lost < 0.03 else (Said(503) if lost < 0.05 else said)

    def _restart_target(self) -> None:
        assert self.there.service is not None
        os.killpg(self.there.service.pid, signal.SIGKILL)
        self.there.service.process.wait()
        time.sleep(0.5)
        self.there.service = None
        base = self.there.start().url
        self.quirks.behind = f"{base}/scim/v2/{self.pushed.there.slug}"
        self.pushed.there.client.close()
        self.pushed.there.client.base = self.quirks.behind


def _stop_past_the_lease(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGSTOP)
    time.sleep(2 * _LEASE)
    worker.send_signal(signal.SIGCONT)


def _trial(url: str, folder: Path, strikes: int) -> None:
    for name in ("here", "there"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        made: dict[str, Installation] = {}
        urls = {"here": url, "there": f"sqlite:///{folder}/there/scimlite.db"}
        for name, each in urls.items():
            made[name] = Installation.new(each, folder / name)
            stack.callback(made[name].stop)
            made[name].start()
        trial = Trial(made["here"], made["there"], folder, stack)
        trial.strike(strikes, stack)
        trial.check()
        kind, requests = made["here"].kind, len(trial.quirks.asked)
        print(
            f"\n{kind}: {strikes} strikes, {trial.changes:,} changes, {requests:,} requests to the target; "
            f"both have the same {len(trial.users)} users and {_GROUPS} groups, each once",
            flush=True,
        )


def main() -> None:
    """Prints, for each database, what was done, and that both ended with the same."""
    strikes = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        for kind in ("sqlite", "postgresql"):
            inside = Path(folder) / kind
            inside.mkdir()
            if kind == "sqlite":
                _trial(f"sqlite:///{inside}/scimlite.db", inside, strikes)
                continue
            server = PostgresServer.in_new_folder()
            with empty_database(server.url()) as url:
                _trial(url, inside, strikes)
            server.stop()


if __name__ == "__main__":
    main()

"""A run that is killed anywhere leaves what the next run completes, and the worker runs what is due."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from peewee import fn

from scimlite import clock
from scimlite.admin import sources
from scimlite.db.sync_tables import SourceRow, SourceRunRow
from scimlite.db.tables import JournalRow
from scimlite.installation import Installation
from scimlite.sync.rules import Rules
from scimlite.worker import Worker
from sourced import Sourced

USERS = 600


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    users, groups = tmp_path / "users.csv", tmp_path / "groups.csv"
    write(users, groups, "Clerk")
    return users, groups


def write(users: Path, groups: Path, title: str, number: int = USERS) -> None:
    lines = [f"{n},user{n},User {n},{title},{n // 10}" for n in range(number)]
    users.write_text("\n".join(["id,userName,displayName,title,manager", *lines, ""]))
    half = ";".join(str(n) for n in range(0, number, 2))
    groups.write_text(f"id,displayName,members\nall,All,{';'.join(map(str, range(number)))}\nhalf,Half,{half}\n")


def state(site: Sourced) -> tuple[dict[str, object], dict[str, set[str]]]:
    """Everybody with title and manager's name, and the members of the groups."""
    users = site.users()
    names = {user["id"]: name for name, user in users.items()}
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    people = {
        name: (user.get("title"), names.get(user.get(urn, {}).get("manager", {}).get("value")))
        for name, user in users.items()
    }
    return people, {name: site.members(name) for name in ("All", "Half")}


def test_killed_runs_end_in_the_state_of_one_run(installation: Installation, files: tuple[Path, Path]) -> None:
    users, groups = files
    sites = []
    for name in ("killed", "whole"):
        site = Sourced.new(installation, f"{name}-{installation.db.kind}")
        sources.remove(site.workspace, site.source, users=sources.KEEP, state_dir=users.parent)
        options = {"file": str(users), "groups-file": str(groups)}
        sources.add(site.workspace, "corp", "csv", options, rules=Rules(missing_after=1), disabled=True)
        sites.append(site)
    killed, whole = sites
    command = [str(Path(sys.executable).parent / "scimlite"), "source", "sync", "corp", "--app", killed.slug]
    environment = {**os.environ, **_environment(installation)}
    chance, kills = random.Random(7), 0
    for title in ("Clerk", "Chief"):
        write(users, groups, title, USERS if title == "Clerk" else USERS - 30)
        for _ in range(4):
            process = subprocess.Popen([*command, "--accept-changes", "9999"], env=environment, stderr=subprocess.PIPE)
            end = _newest(installation) + chance.randrange(1, USERS)
            while process.poll() is None and _newest(installation) < end:
                time.sleep(0.01)
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            process.communicate()
        done = subprocess.run([*command, "--accept-changes", "9999"], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        whole.sync(accepted={"changes": 9999})
    assert kills > 2, "nothing was killed"
    assert state(killed) == state(whole)
    before = len(killed.journal())
    killed.sync()
    assert len(killed.journal()) == before
    changed = [each.user for each in killed.journal() if each.action == "updated" and "title" in each.changes]
    assert len(changed) == len(set(changed)), "what was written is written once"
    outcomes = {outcome for (outcome,) in installation.db.rows(SourceRunRow.select(SourceRunRow.outcome))}
    assert "running" not in outcomes


def _newest(installation: Installation) -> int:
    return int(installation.db.scalar(JournalRow.select(fn.max(JournalRow.id))) or 0)


def _environment(installation: Installation) -> dict[str, str]:
    settings = installation.settings
    return {
        "SCIMLITE_STATE_DIR": str(settings.state_dir),
        "SCIMLITE_DATABASE_URL": settings.database_url,
        "SCIMLITE_SECRET_KEY": "a key for tests and never for a service",
    }


def test_the_worker_runs_what_is_due(installation: Installation) -> None:
    site = Sourced.new(installation, f"due-{installation.db.kind}")
    site.directory.user("a", "ann")
    other = Sourced.new(installation, f"later-{installation.db.kind}")
    off = Sourced.new(installation, f"off-{installation.db.kind}")
    off.directory.user("a", "ann")
    sources.set_state(off.workspace, off.source, enabled=False)
    db = installation.db
    db.execute(SourceRow.update(due_at=clock.now() + clock.DAY).where(SourceRow.id != site.source.id))
    Worker(installation).run(once=True)
    assert site.active() == {"ann"}
    assert (other.source.last_ok_at, off.source.last_ok_at) == (None, None)
    assert site.source.due_at > clock.now()
    # A source that cannot be read is tried again in a minute, then in two.
    site.directory.breaks_after = 0
    for least in (50, 100, 250):
        db.execute(SourceRow.update(due_at=0).where(SourceRow.id == site.source.id))
        Worker(installation).run(once=True)
        assert site.source.due_at > clock.now() + least * 1_000_000
    assert site.source.failures == 3
    # A fault of a reader is no reason to read all the time.
    site.directory.is_broken = True
    db.execute(SourceRow.update(due_at=0).where(SourceRow.id == site.source.id))
    Worker(installation).run(once=True)
    assert site.source.due_at > clock.now() + 700 * 1_000_000
    assert site.active() == {"ann"}

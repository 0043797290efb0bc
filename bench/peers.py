"""Measure scimlite and other SCIM servers in one run, and add that to docs/performance.md.

    make bench-peers                       everything; fails when scimlite is not ahead everywhere
    make bench-peers BENCH="--only-peers SCIMMY --repeats 1 --duration 0.5"

Each peer is installed by itself, in versions that are pinned here, into .venv-peers or .npm-peers. All servers run side
by side and are measured in turns by scimload, which counts correct answers only. A peer that cannot be installed or
started is told of and left out; docs/performance.md is written when all were measured.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import page
import servers

from postgres_server import free_port  # found by what servers adds to the path

PEERS = servers.HERE / "peer_servers"
ENVIRONMENTS = page.ROOT / ".venv-peers"
NODE = page.ROOT / ".npm-peers"
#: Scenario of scimload to its name in the table. The group has its run to itself: it takes more users than the others.
DIRECTORY = {
    "get": "get a user",
    "lookup": "look a user up by userName",
    "list": "page of 100 users",
    "patch": "patch a user",
    "create": "create a user",
}
GROUP = {"member-add": "add a member to a group of 1,000"}
_USERS, _CONNECTIONS = 1000, 8
#: So many users are members already, and as many are there to be added.
_MEMBERS = _USERS
#: Seconds; better-sqlite3 may have to be compiled.
_INSTALLING = 1200
_PATIENCE = 3
Serve = Callable[[], AbstractContextManager[servers.Server]]


@dataclass(frozen=True)
class Peer:
    """A server to be measured: its packages, how it is run, and what scimload has to be told to speak its dialect."""

    name: str
    about: str
    versions: Sequence[str]
    serve: Serve
    options: Sequence[str] = ()


@dataclass
class Measured:
    """A running server, and what scimload told of it, run by run."""

    peer: Peer
    server: servers.Server
    folder: Path
    results: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)


# ------------------------------------------------------------------------------------------------ installing
def _environment(name: str, requirements: Sequence[str]) -> Path:
    """The Python of a virtual environment that has the requirements."""
    folder = ENVIRONMENTS / name
    stamp, wanted = folder / "installed", "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {', '.join(requirements)}", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip: list[str | Path] = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        _quietly([*pip, *requirements])
        stamp.write_text(wanted)
    return folder / "bin" / "python3"


def _node_modules(packages: Sequence[str]) -> Path:
    """The folder whose node_modules has the packages."""
    wanted = dict(package.rsplit("@", 1) for package in packages)
    manifest = json.dumps({"private": True, "dependencies": wanted})
    stamp = NODE / "installed"
    if not stamp.exists() or stamp.read_text() != manifest:
        print(f"installing {', '.join(packages)}", file=sys.stderr, flush=True)
        shutil.rmtree(NODE, ignore_errors=True)
        NODE.mkdir()
        (NODE / "package.json").write_text(manifest)
        _quietly(["npm", "install", "--no-audit", "--no-fund", "--no-progress"], NODE)
        stamp.write_text(manifest)
    return NODE


def _quietly(command: Sequence[str | Path], cwd: Path = page.ROOT) -> None:
    """Run a command; what it prints is shown only when it fails."""
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_INSTALLING, check=False
    )
    if done.returncode:
        raise OSError(f"{' '.join(map(str, command))}: {done.stdout[-2000:]}")


# ------------------------------------------------------------------------------------------------ serving
@contextmanager
def _scimlite() -> Iterator[servers.Server]:
    with servers.sqlite() as env, servers.service(env) as server:
        yield server


@contextmanager
def _scim2_server() -> Iterator[servers.Server]:
    python = _environment("scim2-server", _SCIM2_SERVER)
    port, token = free_port(), secrets.token_urlsafe()
    # What it keeps is the memory of one process.
    command = servers.gunicorn(python, "scim2_server_app:application()", port, workers="1")
    base = f"http://127.0.0.1:{port}/v2"
    with servers.running(command, {"SCIM_TOKEN": token}, PEERS, f"{base}/ServiceProviderConfig") as (pid, _):
        yield servers.Server(base, pid, token)


@contextmanager
def _django_scim2() -> Iterator[servers.Server]:
    python = _environment("django-scim2", _DJANGO_SCIM2)
    with _on_a_file() as (port, env):
        env["DJANGO_SETTINGS_MODULE"] = "django_peer.settings"
        subprocess.run(
            [python, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"],
            env={**os.environ, **env, "PYTHONPATH": str(PEERS)},
            cwd=PEERS,
            check=True,
        )
        command = servers.gunicorn(python, "django.core.wsgi:get_wsgi_application()", port)
        with servers.running(command, env, PEERS, f"http://127.0.0.1:{port}/healthz") as (pid, _):
            yield servers.Server(f"http://127.0.0.1:{port}/scim/v2", pid, env["SCIM_TOKEN"])


@contextmanager
def _scimmy() -> Iterator[servers.Server]:
    folder = _node_modules(_SCIMMY)
    # Modules are looked for from where the file is.
    script = shutil.copy(PEERS / "scimmy_server.mjs", folder)
    with _on_a_file() as (port, env):
        command = ["node", str(script)]
        env["NODE_ENV"] = "production"
        with servers.running(command, env, folder, f"http://127.0.0.1:{port}/healthz") as (pid, _):
            yield servers.Server(f"http://127.0.0.1:{port}/scim/v2", pid, env["SCIM_TOKEN"])


@contextmanager
def _on_a_file() -> Iterator[tuple[int, dict[str, str]]]:
    """A port, and what a server of ours needs to know: that port, a token, and a database of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="scimlite-peers-") as folder:
        database = str(Path(folder) / "scim.db")
        yield port, {"SCIM_PORT": str(port), "SCIM_TOKEN": secrets.token_urlsafe(), "SCIM_DATABASE": database}


_GUNICORN = f"gunicorn=={version('gunicorn')}"
_SCIM2_SERVER = ("scim2-server==0.8.3", "scim2-models==0.12.3", _GUNICORN)
_DJANGO_SCIM2 = ("django-scim2==0.23.0", "Django==5.2.19", "scim2-filter-parser==0.7.0", _GUNICORN)
# Express 4, not 5: the routers turn the page that a query asks for into numbers where Express 5 forgets them.
_SCIMMY = ("scimmy@1.3.5", "scimmy-routers@1.3.2", "express@4.22.3", "better-sqlite3@12.11.1")
OURS = Peer(
    "scimlite",
    "SQLite, 2 processes of 4 threads, every write in its journal.",
    (f"scimlite {version('scimlite')}",),
    _scimlite,
)
OTHERS = (
    Peer(
        "scim2-server",
        "Its storage in memory, which is lost when it stops, and so 1 process of 4 threads.",
        _SCIM2_SERVER,
        _scim2_server,
    ),
    Peer(
        "django-scim2",
        "SQLite, 2 processes of 4 threads; bench/peer_servers/django_peer. It keeps names, one e-mail address and "
        "`active` of a user, and patches no displayName: `name.familyName` is patched there.",
        _DJANGO_SCIM2,
        _django_scim2,
        ("--patch-path", "name.familyName", "--remove-shape", "entra"),
    ),
    Peer(
        "SCIMMY",
        "SQLite, 2 processes; bench/peer_servers/scimmy_server.mjs, which keeps each resource as one JSON document.",
        _SCIMMY,
        _scimmy,
    ),
)


# ------------------------------------------------------------------------------------------------ measuring
def main() -> None:
    """Measure what is asked for, print the table, write the page, and fail when scimlite is not ahead."""
    arguments = _arguments()
    wanted = [OURS, *(peer for peer in OTHERS if peer.name in (arguments.only_peers or [peer.name]))]
    with ExitStack() as stack:
        running = [one for one in (_started(peer, stack) for peer in wanted) if one]
        for scenarios, users in ((DIRECTORY, _USERS), (GROUP, 2 * _MEMBERS)):
            for _ in range(arguments.repeats):
                # Servers take turns within a scenario: what else the machine does then meets them all.
                for scenario in scenarios:
                    for one in running:
                        _load(one, scenario, users, arguments.duration)
    found = {
        "users": _USERS,
        "repeats": arguments.repeats,
        "duration": arguments.duration,
        "scenarios": DIRECTORY | GROUP,
        "disturbed": [name for name in DIRECTORY | GROUP if not _has_calm(name, running)],
        "servers": {one.peer.name: _report(one, running) for one in running},
    }
    print("\n".join(page.peers(found)))
    if len(running) == 1 + len(OTHERS):
        page.write("peers", found)
    else:
        print("docs/performance.md stays as it is: not every peer was measured.", file=sys.stderr)
    behind = _behind(found["servers"])
    for line in behind:
        print(line, file=sys.stderr)
    sys.exit(1 if behind else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(peer.name for peer in OTHERS)
    parser.add_argument("--only-peers", type=_names, help=f"some of {names}; writes no page")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--duration", type=float, default=2.0, help="seconds of one measurement")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    known = {peer.name.lower(): peer.name for peer in OTHERS}
    try:
        return [known[name.lower()] for name in text.split(",")]
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"{error} is none of {', '.join(known.values())}") from None


def _started(peer: Peer, stack: ExitStack) -> Measured | None:
    """The server, running, or nothing and a word about why; scimlite itself has no excuse."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scimlite-peers-")))
    try:
        return Measured(peer, stack.enter_context(peer.serve()), folder)
    except (OSError, subprocess.SubprocessError, SystemExit) as error:
        if peer is OURS:
            raise
        print(f"{peer.name} is left out, for it cannot be run here: {error}", file=sys.stderr)
        return None


def _load(one: Measured, scenario: str, users: int, duration: float) -> None:
    """Run scimload once; the ids of the users made for one run are kept for the next."""
    print(f"{one.peer.name}, {scenario}:", file=sys.stderr, flush=True)
    out = one.folder / "out.json"
    options = {
        "--token": one.server.token,
        "--users": users,
        "--state": one.folder / "users.json",
        "--scenarios": scenario,
        "--conc": _CONNECTIONS,
        "--duration": duration,
        "--members": _MEMBERS,
        "--server-pid": one.server.pid,
        # Seconds, if the machine has something else to do.
        "--quiet-wait": _PATIENCE,
        # Names of what is created must not come again in the next run.
        "--run-id": secrets.token_hex(4),
        "--out": out,
    }
    words = [str(word) for pair in options.items() for word in pair]
    scimload = [sys.executable, str(servers.HERE / "scimload.py"), one.server.url, *words, *one.peer.options]
    subprocess.run(scimload, check=True)
    document = json.loads(out.read_text())
    one.results += document["results"]
    one.notes.append(document["notes"])


def _runs(name: str, one: Measured) -> list[dict[str, Any]]:
    # scimload adds members over one connection as well.
    return [run for run in one.results if run["scenario"] == name and run["conc"] == _CONNECTIONS]


def _has_calm(name: str, running: Sequence[Measured]) -> bool:
    """Whether each server has a measurement during which other processes took less than half a core."""
    return all(any(not run.get("noisy") for run in _runs(name, one)) for one in running)


def _report(one: Measured, running: Sequence[Measured]) -> dict[str, Any]:
    found = {}
    for name in DIRECTORY | GROUP:
        runs = _runs(name, one)
        mistakes = _mistakes(name, runs, one.notes)
        # Calm ones only where all servers have some: next to one that was disturbed they would not be fair.
        if _has_calm(name, running):
            runs = [run for run in runs if not run.get("noisy")]
        found[name] = _medians(runs, mistakes)
    return {"versions": [each.replace("@", " ").replace("==", " ") for each in one.peer.versions]} | {
        "about": one.peer.about,
        "found": found,
    }


def _medians(runs: Sequence[dict[str, Any]], mistakes: Counter[str]) -> dict[str, Any]:
    """The rate and the CPU of an answer, unless something was wrong: then what, and how often."""
    right = sum(run["ok"] for run in runs)
    found: dict[str, Any] = {"ok": right, "errors": mistakes.total()}
    if right and not mistakes:
        found["rps"] = round(statistics.median(run["rps"] for run in runs), 1)
        found["cpu_us"] = round(statistics.median(run["server_cpu_us"] for run in runs))
    else:
        said = ", ".join(f"{count:,} x {what}" for what, count in mistakes.most_common(2)) or "not run"
        found["why"] = f"{'refused' if mistakes and not right else '-'} ({said})"
    return found


def _mistakes(name: str, runs: Sequence[dict[str, Any]], notes: Sequence[dict[str, Any]]) -> Counter[str]:
    """What was answered wrongly, or was not so afterwards."""
    counted: Counter[str] = Counter()
    for run in runs:
        counted.update(run.get("error_kinds", {}))
        counted["not there afterwards"] += run.get("lost_updates", 0) + run.get("postcheck_bad", 0)
    for note in notes:
        if name == "list" and "list_pass" in note:
            counted["users in no page"] += not note["list_pass"]["all_seeded_seen"]
        if name in GROUP and note.get(f"group_load_M{_MEMBERS}") == "failed":
            counted["no group"] += 1
    return +counted


def _behind(found: dict[str, Any]) -> list[str]:
    """Where scimlite is not ahead, in words."""
    worse = []
    for name, about in (DIRECTORY | GROUP).items():
        ours = found[OURS.name]["found"][name].get("rps")
        if ours is None:
            worse.append(f"WRONG {about}: scimlite {found[OURS.name]['found'][name]['why']}")
            continue
        for peer in found:
            theirs = found[peer]["found"][name].get("rps")
            if peer != OURS.name and theirs is not None and theirs >= ours:
                worse.append(f"BEHIND {about}: scimlite {ours:,.0f} requests/s, {peer} {theirs:,.0f}")
    return worse


if __name__ == "__main__":
    main()

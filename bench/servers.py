"""The servers of a measurement: hello, and scimlite on a fresh database, under the same gunicorn settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
# The tests' own way to a PostgreSQL server.
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

from postgres_server import PostgresServer, empty_database, free_port  # noqa: E402  # found by the line above

#: As in the targets: two workers of four threads.
_WORKERS, _THREADS = "2", "4"
#: This environment's command; a comparison names that of another checkout.
_PROGRAM = str(Path(sys.executable).with_name("scimlite"))
_KEY = "a key for measurements and never for a service"
#: Taken out: scimlite refuses variables of this name that are no settings of its own.
POSTGRESQL_URL = os.environ.pop("SCIMLITE_BENCH_PG_URL", None)


@dataclass(frozen=True)
class Server:
    """A running server: its URL, its process, and the token when it is scimlite."""

    url: str
    pid: int
    token: str = ""
    #: Seconds from its start to its first answer.
    ready_after: float = 0.0


@contextmanager
def running(command: list[str], env: dict[str, str], cwd: Path, ready: str) -> Iterator[tuple[int, float]]:
    """A server until the block ends: its process, and the seconds that it took until `ready`, a URL, answered."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **env}, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(ready, process)
        yield process.pid, time.perf_counter() - began
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1000):
        if process.poll() is not None:
            raise SystemExit(f"The server behind {url} did not start (exit code {process.returncode}).")
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.01)
    raise SystemExit(f"{url} does not answer.")


def gunicorn(python: str | Path, app: str, port: int, workers: str = _WORKERS) -> list[str]:
    """The command that serves a WSGI application as scimlite's own server would."""
    # -k gthread and no control socket, as scimlite's own server has it.
    options = ["-b", f"127.0.0.1:{port}", "-w", workers, "-k", "gthread", "--threads", _THREADS, "--no-control-socket"]
    return [str(python), "-m", "gunicorn", *options, "--keep-alive", "75", app]


@contextmanager
def hello() -> Iterator[Server]:
    """The reference, running."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/hello"
    with running(gunicorn(sys.executable, "hello:app", port), {}, HERE, url) as (pid, _):
        yield Server(url, pid)


def environment(database_url: str, folder: Path) -> dict[str, str]:
    """The settings of a fresh installation."""
    return {
        "SCIMLITE_STATE_DIR": str(folder / "state"),
        "SCIMLITE_DATABASE_URL": database_url,
        "SCIMLITE_SECRET_KEY": _KEY,
    }


def scimlite(env: dict[str, str], *words: str, program: str = _PROGRAM) -> str:
    """What a command prints."""
    done = subprocess.run([program, *words], env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"scimlite {' '.join(words)}: {done.stderr}")
    return done.stdout


def _has_app(env: dict[str, str], program: str) -> bool:
    """True when the installation has the app to measure; a new installation has no database yet."""
    words = [program, "app", "show", "bench"]
    return not subprocess.run(words, env={**os.environ, **env}, capture_output=True, check=False).returncode


@contextmanager
def service(env: dict[str, str], program: str = _PROGRAM) -> Iterator[Server]:
    """scimlite on an installation, running, with an app to measure; default settings."""
    if not _has_app(env, program):
        scimlite(env, "app", "create", "Bench", program=program)
        # The targets are for an app without brakes.
        off = ["--feature", "brake-users=off", "--feature", "brake-percent=off"]
        scimlite(env, "app", "edit", "bench", *off, program=program)
    token = scimlite(env, "token", "show", "bench", program=program).strip()
    port = free_port()
    command = [program, "serve", "--port", str(port), "--workers", _WORKERS, "--threads", _THREADS]
    with running(command, env, HERE, f"http://127.0.0.1:{port}/healthz") as (pid, took):
        yield Server(f"http://127.0.0.1:{port}/scim/v2/bench", pid, token, took)


@contextmanager
def sqlite(program: str = _PROGRAM) -> Iterator[dict[str, str]]:
    """An installation on a new SQLite file, durable as scimlite makes it."""
    folder = Path(tempfile.mkdtemp(prefix="scimlite-bench-"))
    try:
        env = environment(f"sqlite:///{folder / 'scimlite.db'}", folder)
        scimlite(env, "db", "upgrade", program=program)
        yield env
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgresql(program: str = _PROGRAM) -> Iterator[dict[str, str]]:
    """An installation on a new database of the server at SCIMLITE_BENCH_PG_URL, else of one started for it."""
    folder = Path(tempfile.mkdtemp(prefix="scimlite-bench-"))
    server = None
    try:
        url = POSTGRESQL_URL
        if url is None:
            # fsync stays on: what is measured is durable.
            server = PostgresServer.in_new_folder(durable=True)
            url = server.url()
        with empty_database(url) as database:
            env = environment(database, folder)
            scimlite(env, "db", "upgrade", program=program)
            yield env
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)

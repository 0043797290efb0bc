"""A real PgBouncer in front of the tests' PostgreSQL, configured as docs/operate.md says."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from postgres_server import free_port

_PAGE = Path(__file__).parents[2] / "docs" / "operate.md"


def find_pgbouncer() -> str:
    """The program's path, from PGBOUNCER or the usual folders; skips the test where there is none."""
    found = os.environ.get("PGBOUNCER") or shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("NO PGBOUNCER, SO NOTHING IS KNOWN ABOUT IT: apt-get install pgbouncer, or set PGBOUNCER")
    return found


def documented_configuration() -> str:
    """The pgbouncer.ini of the page."""
    block = re.search(r"```pgbouncer\n(\[databases\].*?)```", _PAGE.read_text(), re.DOTALL)
    assert block is not None
    return block[1]


@contextmanager
def pgbouncer(url: str, folder: Path, **settings: str) -> Iterator[str]:
    """The same database's URL by way of a PgBouncer that runs until the end; `settings` replace those of the page."""
    program = find_pgbouncer()
    parts, port = urlsplit(url), free_port()
    name = parts.path.lstrip("/")
    users = folder / "userlist.txt"
    users.write_text(f'"{parts.username}" "{parts.password}"\n')
    configuration = documented_configuration()
    replaced = {
        "scimlite": f"host={parts.hostname} port={parts.port} dbname={name}",
        "listen_port": str(port),
        "auth_file": str(users),
        "unix_socket_dir": "",
        **settings,
    }
    for setting, value in replaced.items():
        line = f"{name if setting == 'scimlite' else setting} = {value}"
        configuration, found = re.subn(rf"^{setting} = .*$", line, configuration, flags=re.MULTILINE)
        configuration += "" if found else f"{line}\n"
    ini = folder / "pgbouncer.ini"
    ini.write_text(configuration)
    identity: dict[str, object] = {}
    if os.geteuid() == 0:
        # PgBouncer refuses to be root.
        nobody = pwd.getpwnam("nobody")
        identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        for path in (folder, users, ini):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        for path in folder.parents:
            if path.stat().st_uid == 0 and path != Path("/") and not path.stat().st_mode & 0o001:
                path.chmod(path.stat().st_mode | 0o011)
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen([program, str(ini)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **identity)  # type: ignore[call-overload]
    try:
        _wait(process, port, folder / "pgbouncer.log")
        netloc = f"{parts.username}:{parts.password}@127.0.0.1:{port}"
        yield urlunsplit(parts._replace(netloc=netloc))
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"PgBouncer does not run:\n{log.read_text()}")

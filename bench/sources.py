"""Measures a source with 100,000 users: reading alone, the first import, a pass without changes, and ten changes.

    python bench/sources.py [--users 100000] [--database sqlite|postgresql]

The directory is an OpenLDAP of this machine. What is measured is `scimlite source sync` as a process of its own:
seconds on the clock, seconds of CPU, and the most memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import openldap  # noqa: E402
from openldap import ADMIN, GROUPS, PASSWORD, PEOPLE  # noqa: E402
from postgres_server import PostgresServer, empty_database  # noqa: E402

#: Groups of a hundredth of all, and one of everybody and one of half.
_GROUPS = 200

READING = """
import sys, ldap
from ldap.controls import SimplePagedResultsControl
url, name, password, base = sys.argv[1:5]
c = ldap.initialize(url); c.simple_bind_s(name, password)
count, control = 0, SimplePagedResultsControl(True, size=500, cookie="")
names = ["uid", "cn", "sn", "givenName", "mail", "title", "departmentNumber", "employeeNumber", "telephoneNumber",
         "manager", "displayName", "entryUUID", "mobile"]
while True:
    m = c.search_ext(base, ldap.SCOPE_SUBTREE, "(objectClass=person)", names, serverctrls=[control])
    _, found, _, answered = c.result3(m)
    count += len(found)
    cookie = answered[0].cookie
    if not cookie: break
    control.cookie = cookie
print(count)
"""

READER = """
import sys
from ipaddress import ip_network
from scimlite.outbound import Client
from scimlite.sync import kinds
from scimlite.sync.reading import Opening
from scimlite.sync.shaping import Expression
url, name, password, base = sys.argv[1:5]
kind = kinds.get("ldap")
read = {type: frozenset(each for text in rows.values() for each in Expression.parse(text).attributes)
        for type, rows in kind.mapping.items()}
settings = {"url": url, "bind": name, "base": [base], "groups": ["none"], "page-size": "500"}
reader = kind.open(Opening(settings, password, Client([ip_network("127.0.0.0/8")]), read))
print(sum(1 for _ in reader.everything()))
"""


def entries(users: int) -> Iterator[str]:
    """People with a dozen attributes, each tenth the manager of the others, and groups."""
    for number in range(users):
        yield openldap.person(
            f"u{number}",
            f"givenName: Given{number}",
            f"displayName: Given{number} Family{number}",
            f"mail: u{number}@example.com",
            "title: Engineer",
            f"departmentNumber: {number % 50}",
            f"employeeNumber: {number}",
            f"telephoneNumber: +49 30 {number}",
            f"manager: uid=u{number // 10},{PEOPLE}",
        )
    yield openldap.group("Everybody", *(f"u{number}" for number in range(users)))
    yield openldap.group("Half", *(f"u{number}" for number in range(0, users, 2)))
    for group in range(_GROUPS):
        size = users // _GROUPS
        yield openldap.group(f"Group {group}", *(f"u{number}" for number in range(group * size, (group + 1) * size)))


def measured(what: str, command: list[str], environment: dict[str, str]) -> str:
    """Runs a command, and prints seconds on the clock, of CPU, and the most memory."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    most = 0
    while process.poll() is None:
        most = max(most, _memory(process.pid))
        time.sleep(0.05)
    out, err = process.communicate()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what:<32} {seconds:7.1f} s  {cpu:7.1f} s CPU  {most / 1e6:6.0f} MB  ", flush=True)
    if process.returncode:
        print(err[-2000:])
        raise SystemExit(1)
    return out


def _memory(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((each for each in text.splitlines() if each.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1000


def main() -> None:
    """Measures, and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sources-")))
        url = f"sqlite:///{folder}/state/scimlite.db"
        if options.database == "postgresql":
            server = PostgresServer.in_new_folder()
            stack.callback(server.stop)
            url = stack.enter_context(empty_database(server.url()))
        environment = {
            **os.environ,
            "SCIMLITE_STATE_DIR": str(folder / "state"),
            "SCIMLITE_DATABASE_URL": url,
            "SCIMLITE_SECRET_KEY": "a key for measurements and never for a service",
            "SCIMLITE_OUTBOUND_NETWORKS": "127.0.0.0/8",
            "LDAP_PASSWORD": PASSWORD,
        }
        scimlite = str(Path(sys.executable).parent / "scimlite")
        (folder / "state").mkdir(mode=0o700)

        def run(*words: str) -> str:
            command = [scimlite, *words]
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            return done.stdout

        run("db", "upgrade")
        run("app", "create", "HR")
        directory = stack.enter_context(openldap.serving(folder / "slapd", entries(options.users)))
        where = [directory.url, ADMIN, PASSWORD, PEOPLE]
        measured("reading alone (python-ldap)", [sys.executable, "-c", READING, *where], environment)
        measured("reading alone (our reader)", [sys.executable, "-c", READER, *where], environment)
        settings = ["--url", directory.url, "--bind", ADMIN, "--secret-env", "LDAP_PASSWORD", "--base", PEOPLE]
        run("source", "add", "corp", "--app", "hr", "--kind", "ldap", *settings, "--groups", GROUPS)
        sync = [scimlite, "source", "sync", "corp", "--app", "hr", "--json"]
        for what, more in (("first import", []), ("unchanged pass", ["--full"]), ("unchanged pass, again", ["--full"])):
            counts = json.loads(measured(what, [*sync, *more], environment))["counts"]
            print(f"  {counts}")
        directory.modify("".join(_title(number, "New") for number in range(10)))
        measured("ten changes, told by the server", sync, environment)
        directory.modify("".join(_title(number, "Newer") for number in range(1000)))
        measured("1,000 changes, full", [*sync, "--full"], environment)


def _title(number: int, title: str) -> str:
    return f"dn: uid=u{number},{PEOPLE}\nchangetype: modify\nreplace: title\ntitle: {title}\n\n"


if __name__ == "__main__":
    main()

"""A real OpenLDAP server in a folder of its own, on a free port of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

import debian_packages
from postgres_server import free_port
from scimlite.outbound import Client

SUFFIX = "dc=example,dc=com"
ADMIN, PASSWORD = f"cn=admin,{SUFFIX}", "hunter-2"
PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
#: What readers connect by; the servers of tests are on this machine.
CLIENT = Client([ip_network("127.0.0.0/8")])
#: What python-ldap is built with.
HEADERS = ("libldap2-dev", "libsasl2-dev", "gcc", "libc6-dev")
_PACKAGES = ("slapd", "ldap-utils", *HEADERS)
_SCHEMAS = ("core", "cosine", "inetorgperson", "nis")


def require() -> str:
    """The path of slapd; where it can, it installs the server and python-ldap, else it skips the test loudly."""
    there = debian_packages.install(_PACKAGES, lambda: _slapd() is not None and Path("/usr/include/ldap.h").exists())
    slapd = _slapd()
    if slapd is None or not require_library():
        missing = "" if there else ": apt-get install " + " ".join(_PACKAGES)
        pytest.skip(f"NO OPENLDAP, SO NOTHING IS KNOWN ABOUT LDAP{missing}")
    return slapd


def require_library() -> bool:
    """True when python-ldap is there; it is built here, so it is no part of the test extra, which all machines take."""
    return debian_packages.install_library("ldap", "python-ldap>=3.4.5")


def _slapd() -> str | None:
    return shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec")


@dataclass
class OpenLdap:
    """A running server."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    tls_port: int | None = None

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def modify(self, ldif: str) -> None:
        """Changes entries as the administrator."""
        command = ["ldapmodify", "-x", "-H", self.url, "-D", ADMIN, "-w", PASSWORD]
        subprocess.run(command, input=ldif.encode(), check=True, capture_output=True, timeout=20)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The server does not answer meanwhile."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)


def entry(name: str, *attributes: str) -> str:
    """An entry as LDIF, of `attribute: value` lines."""
    return "\n".join([f"dn: {name}", *attributes, "", ""])


def person(uid: str, *attributes: str, base: str = PEOPLE) -> str:
    """A person as LDIF."""
    common = ("objectClass: inetOrgPerson", f"uid: {uid}", f"cn: {uid.title()}", f"sn: {uid.title()}")
    return entry(f"uid={uid},{base}", *common, *attributes)


def group(name: str, *members: str) -> str:
    """A group of names as LDIF; members are uids, or whole names."""
    names = [each if "=" in each else f"uid={each},{PEOPLE}" for each in members]
    lines = [f"member: {each}" for each in names] or [f"member: cn={name},{GROUPS}"]
    return entry(f"cn={name},{GROUPS}", "objectClass: groupOfNames", f"cn: {name}", *lines)


ROOT = "".join(
    (
        entry(SUFFIX, "objectClass: dcObject", "objectClass: organization", "o: Example", "dc: example"),
        entry(PEOPLE, "objectClass: organizationalUnit", "ou: people"),
        entry(GROUPS, "objectClass: organizationalUnit", "ou: groups"),
    )
)


@contextmanager
def serving(
    folder: Path, entries: Iterable[str], *, changes: str = "log", more: str = "", tls: str = ""
) -> Iterator[OpenLdap]:
    """A server with these entries; `more` are lines of its configuration, `tls` those of TLS.

    In: `changes`, `log` where it keeps a log of what changed, `present` where it can only list what is there, `none`.
    """
    slapd = require()
    (folder / "data").mkdir(parents=True)
    schemas = "\n".join(f"include /etc/ldap/schema/{name}.schema" for name in _SCHEMAS)
    log = {"log": "overlay syncprov\nsyncprov-sessionlog 1000\n", "present": "overlay syncprov\n", "none": ""}[changes]
    (folder / "slapd.conf").write_text(
        f"{schemas}\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload syncprov\n{tls}\n"
        f"pidfile {folder}/slapd.pid\nargsfile {folder}/slapd.args\n"
        f"database mdb\nmaxsize 1073741824\nsuffix {SUFFIX}\nrootdn {ADMIN}\nrootpw {PASSWORD}\n"
        f"directory {folder}/data\nindex entryUUID,objectClass,uid eq\n{more}\n{log}"
    )
    ldif = folder / "entries.ldif"
    with ldif.open("w") as file:
        file.write(ROOT)
        file.writelines(entries)
    adding = [slapd, "-Ta", "-q", "-w", "-f", str(folder / "slapd.conf"), "-l", str(ldif)]
    added = subprocess.run(adding, check=False, capture_output=True, text=True, timeout=120)
    assert added.returncode == 0, added.stderr
    port, tls_port = free_port(), free_port()
    urls = f"ldap://127.0.0.1:{port}" + (f" ldaps://127.0.0.1:{tls_port}" if tls else "")
    command = [slapd, "-d", "0", "-f", str(folder / "slapd.conf"), "-h", urls]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield OpenLdap(folder, port, process, tls_port if tls else None)
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int) -> None:
    import socket

    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError("slapd does not listen")

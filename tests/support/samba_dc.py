"""A real Active Directory domain controller: Samba's, on an address of this machine that nobody else uses."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import debian_packages
import openldap

#: LDAP has a fixed port there, so the address is one of its own.
ADDRESS = "127.0.0.77"
DOMAIN = "DC=example,DC=test"
ADMIN, PASSWORD = "Administrator@example.test", "Passw0rd.of.tests"
_PROGRAMS = ("samba", "samba-tool", "ldapmodify", "kinit")
_PACKAGES = (
    *("samba", "samba-ad-provision", "samba-dsdb-modules", "python3-samba", "ldap-utils"),
    *("krb5-user", "libsasl2-modules-gssapi-mit", *openldap.HEADERS),
)


def require() -> None:
    """Installs Samba where it can; else it skips the test loudly."""
    there = debian_packages.install(
        _PACKAGES, lambda: all(map(_path, _PROGRAMS)) and Path("/usr/include/ldap.h").exists()
    )
    if not there or os.geteuid() != 0 or not openldap.require_library():
        pytest.skip(
            "NO SAMBA, SO NOTHING IS KNOWN ABOUT ACTIVE DIRECTORY: as root, apt-get install " + " ".join(_PACKAGES)
        )


def _path(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass
class DomainController:
    """A running domain controller."""

    folder: Path

    @property
    def url(self) -> str:
        return f"ldap://{ADDRESS}"

    def modify(self, ldif: str) -> None:
        """Changes entries as the administrator."""
        command = ["ldapmodify", "-x", "-H", self.url, "-D", ADMIN, "-w", PASSWORD]
        done = subprocess.run(command, input=ldif, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def tool(self, *words: str) -> None:
        """Runs samba-tool on the files of the domain."""
        command = ["samba-tool", *words, "-s", str(self.folder / "etc" / "smb.conf")]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


@contextmanager
def serving(folder: Path, *, clear: bool = True) -> Iterator[DomainController]:
    """A new domain, with nothing in it but what every domain has; `clear`, to take passwords without encryption."""
    require()
    provision = [
        *("samba-tool", "domain", "provision", "--realm=EXAMPLE.TEST", "--domain=EXAMPLE", f"--adminpass={PASSWORD}"),
        *("--server-role=dc", "--dns-backend=NONE", f"--targetdir={folder}", f"--host-ip={ADDRESS}"),
    ]
    done = subprocess.run(provision, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    options = {
        "interfaces": f"{ADDRESS}/8",
        "bind interfaces only": "yes",
        "tls enabled": "no",
        "ldap server require strong auth": "no" if clear else "yes",
        "server services": "ldap",
    }
    settings = [f"--option={name}={value}" for name, value in options.items()]
    command = ["/usr/sbin/samba", "-F", "--no-process-group", "-s", str(folder / "etc" / "smb.conf"), *settings]
    with (folder / "samba.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(folder, process)
        yield DomainController(folder)
    finally:
        process.terminate()
        process.wait(20)


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            socket.create_connection((ADDRESS, 389), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError((folder / "samba.log").read_text()[-2000:])

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
from ipaddress import ip_network
from pathlib import Path

import pytest

import debian_packages
import openldap
from certificates import write_certificates
from scimlite.outbound import Client

#: LDAP has a fixed port there, so the address is one of its own.
ADDRESS = "127.0.0.77"
CLIENT = Client([ip_network("127.0.0.0/8")], resolve=lambda host: [ADDRESS])
NAME = "dc1.example.test"
DOMAIN = "DC=example,DC=test"
ADMIN, PASSWORD = "Administrator@example.test", "Passw0rd.of.tests"
_PROGRAMS = ("samba", "samba-tool", "ldapmodify")
_PACKAGES = (
    *("samba", "samba-ad-provision", "samba-dsdb-modules", "python3-samba", "ldap-utils"),
    *("libsasl2-modules-gssapi-mit", *openldap.HEADERS),
)


def require() -> None:
    """Installs Samba where it can; else it skips the test loudly."""
    there = debian_packages.install(_PACKAGES, _are_there)
    if not there or os.geteuid() != 0 or not openldap.require_library():
        pytest.skip(
            "NO SAMBA, SO NOTHING IS KNOWN ABOUT ACTIVE DIRECTORY: as root, apt-get install " + " ".join(_PACKAGES)
        )


def _are_there() -> bool:
    kerberos = next(Path("/usr/lib").glob("*/sasl2/libgssapiv2.so"), None)
    return all(map(_path, _PROGRAMS)) and kerberos is not None and Path("/usr/include/ldap.h").exists()


def _path(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass
class DomainController:
    """A running domain controller."""

    folder: Path
    authority: Path

    @property
    def url(self) -> str:
        """Its address by name, which no resolver knows."""
        return f"ldaps://{NAME}"

    def modify(self, ldif: str) -> None:
        """Changes entries as the administrator."""
        command = ["ldapmodify", "-x", "-H", f"ldaps://{ADDRESS}", "-D", ADMIN, "-w", PASSWORD]
        environment = {**os.environ, "LDAPTLS_REQCERT": "never"}
        done = subprocess.run(
            command, input=ldif, check=False, capture_output=True, text=True, timeout=60, env=environment
        )
        assert done.returncode == 0, done.stderr

    def keytab(self, account: str) -> dict[str, str]:
        """Variables by which a process signs in as an account with Kerberos, to the controller by its NAME."""
        # A domain without a DNS of its own does not name the service.
        self.modify(
            f"dn: CN=DC1,OU=Domain Controllers,{DOMAIN}\nchangetype: modify\n"
            f"add: servicePrincipalName\nservicePrincipalName: ldap/{NAME}\n\n"
        )
        config, keys = self.folder / "krb5.conf", self.folder / f"{account}.keytab"
        config.write_text(
            "[libdefaults]\ndefault_realm = EXAMPLE.TEST\ndns_lookup_kdc = false\nrdns = false\n"
            f"[realms]\nEXAMPLE.TEST = {{\n kdc = {ADDRESS}\n}}\n[domain_realm]\n.example.test = EXAMPLE.TEST\n"
        )
        self.tool("domain", "exportkeytab", str(keys), f"--principal={account}@EXAMPLE.TEST")
        return {"KRB5_CONFIG": str(config), "KRB5_CLIENT_KTNAME": str(keys), "KRB5CCNAME": f"MEMORY:{account}"}

    def tool(self, *words: str) -> None:
        """Runs samba-tool on the files of the domain."""
        command = ["samba-tool", *words, "-s", str(self.folder / "etc" / "smb.conf")]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


@contextmanager
def serving(folder: Path) -> Iterator[DomainController]:
    """A new domain, with nothing in it but what every domain has; passwords go encrypted only, as everywhere."""
    require()
    provision = [
        *("samba-tool", "domain", "provision", "--realm=EXAMPLE.TEST", "--domain=EXAMPLE", f"--adminpass={PASSWORD}"),
        *("--server-role=dc", "--dns-backend=NONE", f"--targetdir={folder}", f"--host-ip={ADDRESS}", "--host-name=dc1"),
    ]
    done = subprocess.run(provision, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    tls = write_certificates(folder / "certificates", NAME, ADDRESS)
    # Samba refuses a key that others may read.
    tls.key.chmod(0o600)
    options = {
        "interfaces": f"{ADDRESS}/8",
        "bind interfaces only": "yes",
        "tls certfile": str(tls.certificate),
        "tls keyfile": str(tls.key),
        "tls cafile": str(tls.authority),
        "server services": "ldap kdc",
    }
    settings = [f"--option={name}={value}" for name, value in options.items()]
    command = ["/usr/sbin/samba", "-F", "--no-process-group", "-s", str(folder / "etc" / "smb.conf"), *settings]
    with (folder / "samba.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(folder, process)
        yield DomainController(folder, tls.authority)
    finally:
        process.terminate()
        process.wait(20)


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            socket.create_connection((ADDRESS, 636), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError((folder / "samba.log").read_text()[-2000:])

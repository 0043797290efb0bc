"""Certificates for servers that are no Python: an authority and what it signed, as files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Certificates:
    """The files of an authority and of a server."""

    authority: Path
    certificate: Path
    key: Path


def write_certificates(folder: Path, *hosts: str, expired: bool = False) -> Certificates:
    """Writes a new authority, and a certificate that it signed for some hosts."""
    now = datetime.now(UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def signed(subject: str, public: Any, *, ca: bool) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority")])
        begins = now - timedelta(days=20)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begins)
        builder = builder.not_valid_after(now - timedelta(days=1) if expired and not ca else now + timedelta(days=20))
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if ca:
            usage = x509.KeyUsage(*(False,) * 5, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        else:
            names = [x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            above = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
            builder = builder.add_extension(above, critical=False)
        return builder.sign(authority_key, hashes.SHA256())

    folder.mkdir()
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(signed("Authority", authority_key.public_key(), ca=True).public_bytes(pem))
    (folder / "server.pem").write_bytes(signed(hosts[0], key.public_key(), ca=False).public_bytes(pem))
    form, nothing = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (folder / "server.key").write_bytes(key.private_bytes(pem, form, nothing))
    return Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")

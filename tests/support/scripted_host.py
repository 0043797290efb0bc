"""A host on loopback that answers, or fails to, as a script says; and an authority that signs certificates for it."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: What ends a connection: with a FIN, or with a RST.
CLOSE = "close"
RESET = "reset"
#: Bytes are sent, seconds are waited for.
Step = bytes | float | str


def ok(body: bytes = b"ok", *headers: str) -> bytes:
    """An answer that keeps the connection."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass(frozen=True)
class Seen:
    """A request as it came, and by which connection: 0 is the first."""

    connection: int
    head: str
    body: bytes


@dataclass
class Host:
    """A server whose n-th request gets the n-th script, and whose last script is for all that follow."""

    scripts: Sequence[Sequence[Step]]
    context: ssl.SSLContext | None = None
    #: What it says to each connection before a request comes.
    greeting: bytes = b""
    seen: list[Seen] = field(default_factory=list)
    #: How many connections were made, failed handshakes included.
    connections: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        """Its URL, by this name."""
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    def close(self) -> None:
        """End it with its connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()
                self.connections += 1

    def _serve(self, plain: socket.socket, number: int) -> None:
        connection = plain
        with contextlib.suppress(OSError):
            if self.context:
                connection = self.context.wrap_socket(plain, server_side=True)
                self._open.append(connection)
            connection.sendall(self.greeting)
            while (request := _request(connection, number)) is not None:
                with self._lock:
                    script = self.scripts[min(len(self.seen), len(self.scripts) - 1)]
                    self.seen.append(request)
                for step in script:
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif isinstance(step, float):
                        time.sleep(step)
                    else:
                        if step == RESET:
                            linger = struct.pack("ii", 1, 0)
                            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        return connection.close()
        connection.close()
        return None


def _request(connection: socket.socket, number: int) -> Seen | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < lengths[0]:
        body += connection.recv(65536)
    return Seen(number, head.decode(), body)


@contextmanager
def hosting(*scripts: Sequence[Step], context: ssl.SSLContext | None = None, greeting: bytes = b"") -> Iterator[Host]:
    """A host with these scripts."""
    host = Host(scripts, context, greeting)
    try:
        yield host
    finally:
        host.close()


class Authority:
    """A certificate authority of its own, with files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        certificate = self._signed(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self._file = self._write("authority.pem", certificate)

    def client(self) -> ssl.SSLContext:
        """A context that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self._file))

    def server(self, name: str, days: int = 1) -> ssl.SSLContext:
        """A context with a certificate for this name, valid until so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName([x509.DNSName(name)])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._write(f"{name}{days}.pem", self._signed(subject, key.public_key(), alternative, days))
        key_file = self._folder / f"{name}{days}.key"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key_file)
        return context

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType, days: int = 1
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        end = now + datetime.timedelta(days=days)
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(end - datetime.timedelta(days=30)).not_valid_after(end)
        return builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        path = self._folder / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path

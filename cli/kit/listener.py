"""The socket that the service listens on, bound before anything else is done, and why it cannot be bound."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import closing
from itertools import chain

import click

#: How many ports above one that is in use are tried for the advice.
_NEAR = 100
_LAST_PORT = 65535


def _plain(host: str) -> str:
    """Return a host without the brackets of an IPv6 address."""
    return host.strip().removeprefix("[").removesuffix("]")


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound and does not listen yet. Raises ClickException with what to do instead."""
    name = _plain(host)
    # The order of the system, but IPv4 first, as gunicorn has it for a name such as localhost.
    found = sorted(_addresses(name, port), key=lambda item: item[0] != socket.AF_INET)
    for number, (family, address) in enumerate(found, start=1):
        try:
            return _bind(family, address)
        except OSError as error:
            if number == len(found):
                raise refusal(host, port, error) from None
    raise click.ClickException(f"The host {host!r} has no address.")


def url_of(host: str, port: int) -> str:
    """Return the address at which this machine reaches a service on this host and port."""
    name = _plain(host)
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def is_inherited() -> bool:
    """True when the listening socket comes from systemd, or from the service that this one takes over from (USR2)."""
    return "GUNICORN_FD" in os.environ or os.environ.get("LISTEN_PID") == str(os.getpid())


def refusal(host: str, port: int, error: OSError) -> click.ClickException:
    """Return the message for a socket that cannot be bound."""
    if error.errno == errno.EADDRINUSE:
        free = _free_port(host, port)
        return click.ClickException(f"Port {port} is in use; try --port {free}." if free else f"Port {port} is in use.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return click.ClickException(
            f"Port {port} is not for this user, as ports below 1024 need more rights: try --port 8080, and let a "
            "proxy take the port."
        )
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENODEV, errno.EINVAL):
        return click.ClickException(
            f"{host} is no address of this machine: try --host 127.0.0.1, or --host 0.0.0.0 for all its addresses."
        )
    return click.ClickException(f"The service cannot listen on {host}, port {port}: {error.strerror}.")


def _addresses(host: str, port: int) -> list[tuple[int, tuple[object, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise click.ClickException(
            f"The host {host!r} is not known here: try --host 127.0.0.1, or --host 0.0.0.0 for all addresses of this "
            "machine."
        ) from None
    return [(family, address) for family, _, _, _, address in found]


def _bind(family: int, address: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # As gunicorn does: connections of a service that has just ended do not keep the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


def _free_port(host: str, port: int) -> int | None:
    """Return the next port that can be bound on the same host; None when there is none near it."""
    name = _plain(host)
    above = range(max(port + 1, 1024), min(port + _NEAR, _LAST_PORT) + 1)
    for candidate in chain(above, range(8000, 8000 + _NEAR)):
        for family, address in _addresses(name, candidate):
            try:
                with closing(_bind(family, address)):
                    return candidate
            except OSError:
                continue
    return None

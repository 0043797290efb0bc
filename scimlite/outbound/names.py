"""Resolves the names of hosts in threads of their own, so that a resolver which hangs costs no more than the time."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock, Thread

from .failures import Failed, Kind

#: Takes a host's name and returns its addresses as text; raises OSError.
Resolve = Callable[[str], Sequence[str]]
#: The most names that are asked for at the same time; each has a thread for as long as the resolver takes.
_MOST = 128


def system_addresses(host: str) -> list[str]:
    """All addresses that the system knows for a host."""
    found = []
    # As bytes, because Python would encode a text once more by IDNA 2003.
    for *_, place in socket.getaddrinfo(host.encode(), None, type=socket.SOCK_STREAM):
        zone = f"%{place[3]}" if len(place) == 4 and place[3] else ""
        found.append(f"{place[0]}{zone}" if "%" not in str(place[0]) else str(place[0]))
    return list(dict.fromkeys(found))


class Names:
    """Resolves names; threads that ask for the same name at the same time share the answer."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._lock = Lock()
        self._running: dict[str, Future[Sequence[str] | str]] = {}

    def addresses(self, host: str, seconds: float) -> Sequence[str]:
        """The addresses of a host, at least one. Raises Failed, and TimeoutError after so many seconds."""
        found = self._asked(host).result(timeout=seconds)
        if isinstance(found, str):
            raise Failed(Kind.NAME, f"The name {host} cannot be resolved ({found}).")
        return found

    def _asked(self, host: str) -> Future[Sequence[str] | str]:
        with self._lock:
            answer = self._running.get(host)
            if answer is None:
                if len(self._running) >= _MOST:
                    raise Failed(Kind.NAME, f"The name {host} cannot be resolved (the resolver does not answer).")
                answer = Future()
                # Not of a pool: a pool's threads keep the process from ending.
                Thread(target=self._ask, args=(host, answer), name="resolver", daemon=True).start()
                self._running[host] = answer
            return answer

    def _ask(self, host: str, answer: Future[Sequence[str] | str]) -> None:
        try:
            found: Sequence[str] | str = tuple(self._resolve(host)) or "it has no address"
        except (OSError, UnicodeError) as error:
            found = getattr(error, "strerror", None) or "the resolver refuses it"
        finally:
            with self._lock:
                del self._running[host]
        answer.set_result(found)

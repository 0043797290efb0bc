"""How much slower SCIM requests get while somebody opens a page of the console every second (bench/console.py)."""

from __future__ import annotations

import http.client
import itertools
import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import servers

#: Connections that send requests one after the other, and seconds of a measurement with and of one without pages.
_CONNECTIONS, _SECONDS = 4, 3.0
_PATCH = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}


def measure(env: dict[str, str], cookie: str, pages: Sequence[str], pairs: int) -> tuple[float, float, float]:
    """Requests a second alone and beside a console, and by how much the second is lower, over measurements in turns.

    Three of four requests look a user up by userName, one changes a user. In: the cookie of an operator's session.
    """
    token = servers.scimlite(env, "token", "show", "main").strip()
    with servers.service(env) as server:
        place = urlsplit(server.url).netloc
        _rate(place, token)
        alone, beside = [], []
        for _ in range(pairs):
            alone.append(_rate(place, token))
            with _console(place, cookie, pages):
                beside.append(_rate(place, token))
    return statistics.mean(alone), statistics.mean(beside), 1 - sum(beside) / sum(alone)


def _rate(place: str, token: str) -> float:
    """Requests a second of all connections."""
    counts = [0] * _CONNECTIONS
    end = time.monotonic() + _SECONDS
    threads = [threading.Thread(target=_send, args=(place, token, end, counts, n)) for n in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / _SECONDS


def _send(place: str, token: str, end: float, counts: list[int], own: int) -> None:
    connection = http.client.HTTPConnection(place, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    for number in itertools.count(own, _CONNECTIONS):
        if time.monotonic() > end:
            connection.close()
            return
        # Users of the first app: the first six of ten.
        name = f"user{number * 7919 % 10_000 * 10 + number % 6}@example.com"
        connection.request("GET", f"/scim/v2/main/Users?filter=userName+eq+{quote(json.dumps(name))}", headers=headers)
        found = json.loads(connection.getresponse().read())
        assert found["totalResults"] == 1, name
        counts[own] += 1
        if number // _CONNECTIONS % 3 == 2:
            operation = {"op": "replace", "path": "title", "value": f"Title {time.monotonic()}"}
            body = json.dumps({**_PATCH, "Operations": [operation]})
            connection.request("PATCH", f"/scim/v2/main/Users/{found['Resources'][0]['id']}", body, headers)
            answer = connection.getresponse()
            assert answer.read()
            assert answer.status == 200, name
            counts[own] += 1


@contextmanager
def _console(place: str, cookie: str, pages: Sequence[str]) -> Iterator[None]:
    """Opens the next page every second, until the block ends."""
    done = threading.Event()

    def browse() -> None:
        connection = http.client.HTTPConnection(place, timeout=30)
        while not done.is_set():
            connection.request("GET", next(_turn), headers={"Cookie": f"scimlite={cookie}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 404), answer.status
            done.wait(1.0)
        connection.close()

    _turn = itertools.cycle(pages)
    thread = threading.Thread(target=browse)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

"""What stand-ins for other people's directories share: a server on loopback, JSON answers, a reader that asks it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from receiver import Got, Reply, receiving
from scimlite.outbound import Client
from scimlite.sync import kinds
from scimlite.sync.reading import Finding, Opening, Reader, Record

Json = Any
LOOPBACK = (ip_network("127.0.0.0/8"),)


def json_reply(document: Json, status: int = 200, **headers: str) -> Reply:
    """An answer with a document; `_` in the names of headers stands for `-`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": "application/json", **sent}, orjson.dumps(document))


@dataclass
class StandIn:
    """A server whose places a class says; `before` may answer in its place, and `asked` are the paths so far."""

    asked: list[str] = field(default_factory=list)
    before: Callable[[Got], Reply | None] = lambda got: None
    base: str = ""

    def reply(self, got: Got) -> Reply:
        """Answers a request."""
        self.asked.append(got.path)
        parts = urlsplit(got.path)
        said = self.before(got)
        return said or self.answer(unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True)), got)

    def answer(self, path: str, query: Mapping[str, str], got: Got) -> Reply:
        """Answers a request for a place."""
        raise NotImplementedError

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listens at `base` meanwhile."""
        with receiving() as receiver:
            receiver.reply = self.reply
            self.base = f"http://127.0.0.1:{receiver.port}"
            yield

    def times(self, *replies: Reply) -> None:
        """The next requests are answered like this."""
        left = list(replies)
        self.before = lambda got: left.pop(0) if left else None


@contextmanager
def reading(kind: str, secret: str | None = None, **settings: str | Sequence[str]) -> Iterator[Reader]:
    """A reader of a kind with the attributes of its usual mapping; `_` in the names of options stands for `-`."""
    chosen = kinds.get(kind)
    options = {option.name: option.default for option in chosen.options if option.default is not None}
    given = {**options, **{name.replace("_", "-"): value for name, value in settings.items()}}
    attributes = {type: frozenset(_names(rows.values())) for type, rows in chosen.mapping.items()}
    with (
        Client(LOOPBACK, timeout=5, ssl_context=_context(), resolve=_addresses) as client,
        closing(chosen.open(Opening(given, secret, client, attributes))) as made,
    ):
        yield made


@cache
def _context() -> ssl.SSLContext:
    """One for all clients: the trust store is read for each."""
    return ssl.create_default_context()


def _addresses(host: str) -> list[str]:
    """Every name is on loopback."""
    return [host] if host[0].isdigit() else ["127.0.0.1"]


def _names(expressions: Any) -> Iterator[str]:
    for text in expressions:
        for part in text.split("|"):
            name = part.strip().removesuffix("[*]").removesuffix("[1:]")
            if name and name[0] not in '@"{':
                yield name


def everything(reader: Reader) -> dict[str, Record]:
    """All entries by key."""
    found = list(reader.everything())
    made = {record.key: record for record in found}
    assert len(made) == len(found), "an entry came twice"
    return made


def failed(steps: Iterator[Finding]) -> tuple[str, str]:
    """The step of a test that failed, which is the last one, and what it says."""
    *before, last = steps
    assert all(step.ok is not False for step in before)
    assert last.ok is False, last
    return last.step, last.text

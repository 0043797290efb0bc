"""What every kind of source gives: its options, its usual mapping, and a reader of its entries.

Packages of others add kinds by the entry point group `scimlite.sources`: each entry is a `Kind`, called by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..errors import OperatorError
from ..outbound import Client

USER, GROUP = "User", "Group"


class SourceError(OperatorError):
    """A source cannot be read; the text says why, and what the operator can do. It holds no secret."""


class IncompleteError(SourceError):
    """Reading ended before everything was read: a limit, a lost connection, fewer entries than announced."""


@dataclass(frozen=True, slots=True)
class Record:
    """An entry of a source as its reader gives it.

    An entry that cannot be understood is given too, with its `fault`: what is not given is taken for a leaver.
    """

    #: `User` or `Group`.
    type: str
    #: The immutable id, as text; never a name or an address, which change.
    key: str
    #: What people know it by there, for messages: a distinguished name, a login.
    name: str
    #: Values by attribute, in the spelling of the source; the mapping ignores case. Nothing for an attribute is no key.
    values: Mapping[str, Sequence[str]]
    active: bool = True
    #: Of a group: what its members are called there (`Reader.resolve`).
    members: Sequence[str] = ()
    #: Why it cannot be taken, in words: an attribute that is no text, two values where one belongs.
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one step of `scimlite source test`: `ok` is None for a remark that is no fault."""

    #: What was looked at, in a word or two: name, TCP, TLS, bind, base, rights.
    step: str
    ok: bool | None
    #: What was found, or what is wrong and what to do.
    text: str


class Reader(Protocol):
    """Reads one source; it is used by one thread, and closed."""

    def check(self) -> Iterator[Finding]:
        """Yields what was found out about the connection and the rights, step by step; the last one is what failed.

        It raises nothing that an operator can cause.
        """

    def identity(self) -> str:
        """What directory this is, such as a naming context and the id of its database. Raises SourceError.

        Another answer than last time is held: the entries of another directory are not those that are linked.
        """

    def position(self) -> str | None:
        """Where the source is now, to be asked for before reading; None where nothing tells changes."""

    def everything(self) -> Iterator[Record]:
        """Yields all users and groups of the source, each once, in any order.

        Raises SourceError, and IncompleteError when not everything could be read: it never ends early in silence.
        """

    def changed(self, position: str) -> Iterable[str] | None:
        """The keys of what changed, appeared or went since a position; None when everything must be read."""

    def read(self, keys: Sequence[str]) -> Iterator[Record]:
        """Yields those of these entries that are within the source's base and filter. Raises like `everything`."""

    def resolve(self, reference: str) -> str | None:
        """The key of what a member or a manager refers to; None when the source does not have it.

        It is asked after `everything`, or `read`, has ended.
        """

    def close(self) -> None:
        """Ends connections. It raises nothing."""


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of a kind of source: `--NAME` of `scimlite source add`."""

    name: str
    help: str
    required: bool = False
    default: str | None = None
    #: May be given several times; its value is a list.
    many: bool = False
    choices: tuple[str, ...] = ()
    #: What stands for the value in the help.
    metavar: str = "TEXT"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a reader is opened with."""

    #: By the name of the option: a text, or a list of texts where it may be given several times.
    settings: Mapping[str, str | Sequence[str]]
    #: The password, token or key; None when the source has none.
    secret: str | None = field(repr=False)
    #: The client for other hosts; it judges their addresses.
    client: Client
    #: The attributes that the mapping reads, by type, in the operator's spelling.
    attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The value of an option that is given once; None when it is not set."""
        value = self.settings.get(name)
        return value if isinstance(value, str) and value else None

    def texts(self, name: str) -> list[str]:
        """The values of an option."""
        value = self.settings.get(name)
        return [value] if isinstance(value, str) else list(value or ())


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source."""

    name: str
    #: What it is, in a few words, for help and the console.
    words: str
    options: tuple[Option, ...]
    #: Opens a reader, and may connect. Raises SourceError, also for options that cannot be.
    open: Callable[[Opening], Reader]
    #: The usual mapping, by type: SCIM attribute to expression (sync/shaping.py).
    mapping: Mapping[str, Mapping[str, str]]
    #: What its secret is called: password, token, key; None when it has none.
    secret: str | None = None
    #: True when `changed` can tell what changed.
    tells_changes: bool = False

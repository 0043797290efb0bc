"""Where an act comes from: the kind of its actor, which is known, and what the actor calls itself."""

from __future__ import annotations

from dataclasses import dataclass

from ..worded import Worded

#: How the client of a command's origin begins; anybody may call itself so, so nothing is decided by it.
OPERATORS = "cli:"
#: The same of the console.
CONSOLE_OPERATORS = "console:"
#: The same of who has a set-up link; its number follows.
SETUP_LINKS = "setup:"
#: What the operator's own test of a connection calls itself.
CONNECTION_TEST = "scimlite app test"
#: How the client of a source's origin begins; its name follows.
SOURCES = "source "
#: How the names begin of what that test creates.
CONNECTION_TEST_NAMES = "scimlite-test-"


class Actor(Worded):
    """The kind of who acts, with its words. It follows from the way in, never from what somebody claims."""

    SCIM = "scim", "a client, with a token, over HTTP"
    CLI = "cli", "an operator, with a command"
    CONSOLE = "console", "an operator, at the console"
    SETUP = "setup", "somebody with a set-up link of an app"
    APP_TEST = "app-test", "an operator's test of the connection, proved by the secret key"
    SOURCE = "source", "a source, which is read into the app"
    WORKER = "worker", "the worker of this installation, by itself"
    EMBEDDED = "embedded", "code of the application that has scimlite inside"


@dataclass(frozen=True, slots=True)
class Origin:
    """The actor, client, token and request ids that are recorded with every journal entry.

    `client` is what the actor calls itself: a User-Agent, or `cli:` and the name of a user. `address` is a client's,
    behind the trusted proxies; `uid` is the user of the operating system that runs a command, and `sudo_uid` the one
    who called sudo for it.
    """

    client: str
    token_label: str | None = None
    request_id: str | None = None
    client_request_id: str | None = None
    actor: Actor = Actor.EMBEDDED
    address: str | None = None
    uid: int | None = None
    sudo_uid: int | None = None

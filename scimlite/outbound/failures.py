"""Why a request to another host got no answer, in one plain sentence without the URL's path, headers or body."""

from __future__ import annotations

from enum import StrEnum

from ..errors import OperatorError

#: The setting that allows networks which are not public.
SETTING = "SCIMLITE_OUTBOUND_NETWORKS"


class Kind(StrEnum):
    """What went wrong, for programs."""

    #: The host's name cannot be resolved.
    NAME = "name"
    #: No address of the host takes a connection.
    CONNECT = "connect"
    #: The certificate is not accepted, or TLS fails otherwise.
    TLS = "tls"
    #: The time for the whole request is over.
    TIMEOUT = "timeout"
    #: The other side closed the connection before its answer was complete.
    RESET = "reset"
    #: The answer is not HTTP, or its head is too large.
    MALFORMED = "malformed"


class Refused(OperatorError):
    """scimlite does not connect to this host: `address` is not public, and no allowed network has it."""

    def __init__(self, host: str, address: str, reason: str) -> None:
        at = "is" if host == address else f"is at {address},"
        super().__init__(f"{host} {at} {reason}: if scimlite is to connect to it, add its network to {SETTING}.")
        self.host = host
        self.address = address
        self.reason = reason


class Failed(OperatorError):
    """A request got no complete answer; another try may get one."""

    def __init__(self, kind: Kind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind

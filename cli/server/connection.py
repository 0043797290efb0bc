"""A connection of a client: its socket, what came and what is still to be sent."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from enum import Enum
from typing import Any

from .arrival import Arrival

#: Bytes of a request or an answer that each connection may hold; what is more shares the room of its process.
FREE = 64 * 1024


class Stage(Enum):
    """What a connection waits for."""

    #: The first byte of a request, since it was opened or since the last answer.
    SILENT = "silent"
    HEAD = "head"
    BODY = "body"
    #: A thread, or the thread that has it.
    BUSY = "busy"
    #: The client, which does not take all of the answer at once.
    ANSWER = "answer"
    #: The client's end of a connection that this side has ended.
    ENDING = "ending"


class Connection:
    """One connection. The loop of the worker owns it, but for its stage BUSY, in which a thread owns it.

    It stands for the socket where gunicorn writes an answer (`sendall`).
    """

    __slots__ = (
        "arrival",
        "began",
        "client",
        "deadline",
        "held",
        "keep",
        "lock",
        "out",
        "parked",
        "sent",
        "server",
        "sock",
        "stage",
        "unsent",
    )

    def __init__(self, sock: socket.socket, client: Any, arrival: Arrival) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.client = client
        self.server = sock.getsockname()
        self.arrival = arrival
        self.stage = Stage.SILENT
        #: When the stage ends in any case, by `time.monotonic`.
        self.deadline = 0.0
        #: When the stage began, by `time.monotonic`.
        self.began = 0.0
        #: Guards the change from BUSY to another stage.
        self.lock = threading.Lock()
        #: True when the loop does not look at the socket, because something came while the stage was BUSY.
        self.parked = False
        #: False when the connection ends after the answer.
        self.keep = True
        #: The answer, while it is made.
        self.out: list[bytes] = []
        #: What the client did not take yet, and how many bytes of an answer it took in this stage.
        self.unsent = b""
        self.sent = 0
        #: Bytes that count against the room of the process.
        self.held = 0

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self.sock.fileno()

    def sendall(self, data: bytes) -> None:
        """Adds to the answer."""
        self.out.append(data)

    def send(self, data: bytes) -> bytes:
        """Sends as much as goes without waiting; returns the rest. Raises OSError when the client is gone."""
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            return data
        self.sent += sent
        return data[sent:] if sent < len(data) else b""

    def stand(self, stage: Stage, seconds: float) -> None:
        """Sets the stage, and how long it may last."""
        self.began = time.monotonic()
        self.deadline = self.began + seconds
        self.stage = stage

    @property
    def is_usual(self) -> bool:
        """True when an answer was sent as a whole and nothing is left to do but to wait for the next request."""
        return self.keep and not (self.unsent or self.parked or self.held or self.arrival.data)

    @property
    def size(self) -> int:
        """The bytes of memory that it takes beyond what is free."""
        return max(0, len(self.arrival.data) - FREE) + max(0, len(self.unsent) - FREE)

    def close(self) -> None:
        """Closes the socket."""
        with suppress(OSError):
            self.sock.close()

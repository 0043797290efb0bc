"""A receiver of webhooks: an HTTP server in a thread that keeps what comes, and answers as a test says."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True)
class Got:
    """A request, with the names of its headers in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The id of the event."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        """The document."""
        return orjson.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """How a request is answered; `fault` is `half`, an answer that breaks off, or `reset`, none at all."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: Seconds before the answer.
    after: float = 0
    fault: str = ""


class Receiver:
    """Answers each request with what `reply` says; the first test to need it starts it with `receiving`."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        #: Those that were answered with 2xx.
        self.confirmed: list[Got] = []
        self.reply: Callable[[Got], Reply] = lambda got: Reply()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Answers until `stop` is set."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection until one ends it."""
        while True:
            got = await _read(reader)
            self.got.append(got)
            reply = self.reply(got)
            if reply.after:
                await asyncio.sleep(reply.after)
            if reply.fault == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                break
            head = [f"HTTP/1.1 {reply.status} Reply", f"Content-Length: {len(reply.body)}"]
            head += [f"{name}: {value}" for name, value in reply.headers.items()]
            answer = "\r\n".join(head).encode() + b"\r\n\r\n" + reply.body
            if reply.fault == "half":
                writer.write(answer[: len(answer) // 2])
                break
            if 200 <= reply.status < 300:
                self.confirmed.append(got)
            writer.write(answer)
            await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Got(head[0].split(" ")[1], headers, body)


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver that listens, at a port or a free one."""
    receiver, ready = Receiver(), threading.Event()
    receiver.port = port
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def main() -> None:
        await receiver.serve(ready, stop)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # What was closed is gone a turn later.
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), name="receiver")
    thread.start()
    ready.wait(10)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()

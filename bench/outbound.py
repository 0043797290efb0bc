"""Measures the client for other hosts: POSTs a second from several threads to a host on loopback, and their CPU.

bench/outbound.py [SECONDS] [THREADS ...]
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import threading
import time
from ipaddress import ip_network
from multiprocessing.connection import Connection

from scimlite import outbound

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: sink\r\nContent-Length: 2\r\n\r\n{}"
_BODY = b"x" * 600
_HEADERS = {
    "Content-Type": "application/json",
    "webhook-id": "evt_01h455vb4pex5vsknk084sn02q",
    "webhook-timestamp": "1795797300",
    "webhook-signature": "v1," + "a" * 44,
}


class _Sink(asyncio.Protocol):
    """Answers each request whose end has come; all have the same size of body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._data.endswith(_BODY) and b"\r\n\r\n" in self._data:
            self._data = b""
            self._transport.write(_ANSWER)


def _sink(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def _measure(url: str, threads: int, seconds: float) -> tuple[float, float]:
    """Requests a second, and microseconds of this process's CPU for each."""
    counts = [0] * threads
    with outbound.Client([ip_network("127.0.0.0/8")]) as client:
        cpu, began = time.process_time(), time.monotonic()

        def post(number: int) -> None:
            while time.monotonic() < began + seconds:
                assert client.send("POST", url, headers=_HEADERS, body=_BODY, again=True).status == 200
                counts[number] += 1

        workers = [threading.Thread(target=post, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        taken = time.monotonic() - began
    return sum(counts) / taken, (time.process_time() - cpu) / sum(counts) * 1e6


def main() -> None:
    """Print a line for each number of threads."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    near, far = multiprocessing.Pipe()
    sink = multiprocessing.get_context("spawn").Process(target=_sink, args=(far,), daemon=True)
    sink.start()
    url = f"http://127.0.0.1:{near.recv()}/hook"
    for threads in [int(text) for text in sys.argv[2:]] or [1, 8, 64]:
        rate, cpu = _measure(url, threads, seconds)
        print(f"{threads:3} threads: {rate:6.0f} POSTs/s, {cpu:4.0f} us of CPU each")
    sink.terminate()


if __name__ == "__main__":
    main()

"""Makes calls over keep-alive connections, and measures: as many as go, or at a fixed rate.

    most       every connection makes a call as soon as the last is answered: what is the most that somebody carries?
    at_rate    calls begin at fixed times, whatever becomes of those before. A call's latency runs from the time at
               which it was due, also when no connection was free: who stalls is charged for all that had to wait
               (Tene, "How NOT to Measure Latency": coordinated omission)

Plain sockets and epoll, one thread: a call costs some 10 µs. Requests are drawn at random from those that are given;
each answer must be 200 and as long as the first. Linux alone.
"""

from __future__ import annotations

import gc
import random
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from certificate import HOST
from messages import Reader, content

PIECE = 256 * 1024
"""Bytes read at once."""
NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
STALL = 30.0
"""Seconds without any answer, after which the measurement is given up."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to call, with what; `name` is for faults. With `tls`, which says whom to trust, over TLS."""

    name: str
    port: int
    requests: Sequence[bytes]
    connections: int
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Most:
    """`busy` is the part of its time that this process computed: near 1 it is what was measured."""

    calls: int
    seconds: float
    busy: float


class _Connection:
    """One connection with at most one call under way; `due` is when that should have begun."""

    __slots__ = ("due", "reader", "socket", "unsent")

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=STALL)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=HOST)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)  # noqa: FBT003 (so the library has it)
        self.reader = Reader()
        self.unsent: bytes | memoryview = b""
        self.due = 0.0

    def receive(self) -> bytes | None:
        """What has come; None where more must come."""
        try:
            return self.socket.recv(PIECE)
        except NOT_YET:
            return None

    def send(self, data: bytes | memoryview) -> bool:
        """As much as goes; whether that is all of it."""
        try:
            sent = self.socket.send(data)
        except NOT_YET:
            sent = 0
        self.unsent = memoryview(data)[sent:] if sent < len(data) else b""
        return not self.unsent


class Generator:
    """The connections to one target, open within `with`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._request_count = len(target.requests)
        self._length = 0

    def __enter__(self) -> Self:
        self._epoll = select.epoll()
        self._connections = [_Connection(self._target.port, self._target.tls) for _ in range(self._target.connections)]
        self._by_number = {each.socket.fileno(): each for each in self._connections}
        for number in self._by_number:
            self._epoll.register(number, select.EPOLLIN)
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._connections:
            each.socket.close()
        self._epoll.close()

    def first(self) -> bytes:
        """Makes one call; what was answered. All others must be as long."""
        connection = self._connections[0]
        self._call(connection, self._target.requests[0])
        while not self._answered(STALL):
            pass
        body = content(connection.reader)
        self._length = len(body)
        return body

    def warm(self) -> None:
        """Every request once, in their order: who keeps something of each key has it then."""
        requests = iter(self._target.requests)
        under_way = 0
        for connection, request in zip(self._connections, requests, strict=False):
            self._call(connection, request)
            under_way += 1
        while under_way:
            for connection in self._answered(STALL):
                request = next(requests, None)
                if request is None:
                    under_way -= 1
                else:
                    self._call(connection, request)

    def most(self, seconds: float) -> Most:
        computed, began = time.process_time(), time.perf_counter()
        calls = self._make_calls_until(began + seconds)
        took = time.perf_counter() - began
        return Most(calls, took, (time.process_time() - computed) / took)

    def _make_calls_until(self, end: float) -> int:
        """Those that are under way at the end count as well, and so does the time they take."""
        for connection in self._connections:
            self._call(connection, self._drawn())
        calls, under_way = 0, len(self._connections)
        while under_way:
            answered = self._answered(STALL)
            calls += len(answered)
            if time.perf_counter() < end:
                for connection in answered:
                    self._call(connection, self._drawn())
            else:
                under_way -= len(answered)
        return calls

    def at_rate(self, rate: float, seconds: float) -> list[float]:
        """The latency of each call, in seconds; `rate` is calls a second. One is made at least."""
        return self._latencies(1 / rate, max(1, int(rate * seconds)))

    def _latencies(self, interval: float, count: int) -> list[float]:
        began = time.perf_counter()
        free, waiting, begun = deque(self._connections), deque[float](), 0
        latencies: list[float] = []
        while len(latencies) < count:
            now = time.perf_counter()
            while begun < count and began + begun * interval <= now:
                waiting.append(began + begun * interval)
                begun += 1
            while waiting and free:
                connection = free.popleft()
                connection.due = waiting.popleft()
                self._call(connection, self._drawn())
            until = STALL if begun == count else max(0.0, began + begun * interval - time.perf_counter())
            select.select([self._epoll], [], [], until)  # epoll itself waits whole milliseconds
            for connection in self._answered(0):
                latencies.append(time.perf_counter() - connection.due)
                free.append(connection)
        return latencies

    def _drawn(self) -> bytes:
        return self._target.requests[int(random.random() * self._request_count)]  # noqa: S311 (no secret)

    def _call(self, connection: _Connection, request: bytes) -> None:
        connection.reader.clear()
        if not connection.send(request):
            self._epoll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)

    def _answered(self, seconds: float) -> list[_Connection]:
        """The connections whose call was answered, as soon as something happens at all."""
        events = self._epoll.poll(seconds)
        if seconds and not events:
            raise SystemExit(f"{self._target.name}: no answer within {seconds:g} s")
        found = []
        for number, event in events:
            connection = self._by_number[number]
            if event & select.EPOLLOUT and connection.send(connection.unsent):
                self._epoll.modify(connection.socket, select.EPOLLIN)
            if event & ~select.EPOLLOUT and self._received(connection):
                found.append(connection)
        return found

    def _received(self, connection: _Connection) -> bool:
        """Whether the answer is whole now."""
        reader = connection.reader
        while (data := connection.receive()) is not None:
            if not data:
                raise SystemExit(f"{self._target.name} closed a connection: {reader.head.decode(errors='replace')}")
            if reader.feed(data):
                break
            if self._target.tls is None:
                return False  # epoll tells of the rest; of what TLS has unpacked already it knows nothing
        else:
            return False
        if not reader.head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"{self._target.name}: {reader.head.decode(errors='replace')}{reader.body[:1000]!r}")
        if self._length and reader.length not in (None, self._length):
            raise SystemExit(f"{self._target.name}: {reader.length} bytes instead of {self._length}")
        return True


@contextmanager
def undisturbed() -> Iterator[None]:
    """Measures without the garbage collector, and with timers to the microsecond, where the system lets us set that."""
    with suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1000")
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

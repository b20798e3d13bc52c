"""A listener with a handler that notes what it gets, and a client that sends bytes in the segments that it is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

import uvloop

from gateway.http1 import Refusal, Reply, front
from gateway.proxy import ListenerOptions, listening
from gateway.proxy.wire import ClientGone, Incoming, Stop
from wire.cases import Call
from wire.reading import Got, answers, ends_the_connection

# What should close a connection at once must not be helped by a time-out, but no fault may hang a test.
PATIENT = ListenerOptions(
    head_seconds=2, body_seconds=2, linger_seconds=0.01, half_closed_seconds=2, drain_seconds=0.1, connections=2000
)


@dataclass
class Seen:
    """One call as the handler got it. `broken` is the reason for which its body never ended."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    broken: str | None = None
    whole: bool = False

    @property
    def call(self) -> Call:
        """It as the cases have it; equal to one that says nothing about its headers."""
        return Call(self.method, self.target, self.body, self.headers)


class Recorder:
    """Serves a call as the gateway does: the front check, then the body, then the answer. What it read is in `seen`."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.active = 0

    async def __call__(self, incoming: Incoming) -> None:
        self.active += 1
        try:
            await self._serve(incoming)
        except Stop as stop:
            with suppress(ClientGone):
                await incoming.answer(refusal(stop.refusal))
        except ClientGone:
            incoming.cut()
        finally:
            self.active -= 1

    async def _serve(self, incoming: Incoming) -> None:
        call = front(incoming.head, "id")
        if isinstance(call, Refusal):
            raise Stop(call)
        target = (call.path + ("?" + call.query if b"?" in incoming.head.target else "")).encode()
        seen = Seen(call.method, target, call.headers)
        self.seen.append(seen)
        try:
            while piece := await incoming.read():
                seen.body += piece
        except Stop as stop:
            seen.broken = stop.refusal.reason
            raise
        seen.whole = True
        await incoming.answer(Reply(200, b"" if call.method == "HEAD" else target))


def refusal(refused: Refusal) -> Reply:
    return Reply(refused.status, refused.reason.encode())


class Client(asyncio.Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.raw = b""
        self.reset = False
        self.more = asyncio.Event()
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.raw += data
        self.more.set()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, fault: Exception | None) -> None:
        self.reset = fault is not None
        self.more.set()
        self.ended.set()


@dataclass
class Told:
    """What came of a conversation."""

    seen: list[Seen]
    answers: list[Got]
    raw: bytes = field(repr=False)
    ended: bool
    """Whether the server closed the connection, or said that it would."""


class Room:
    """A listener on a loop of its own; one conversation at a time."""

    def __init__(self, options: ListenerOptions = PATIENT) -> None:
        self._options = options
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._stack = AsyncExitStack()
        self.recorder = Recorder()

    def __enter__(self) -> Self:
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    async def _open(self) -> None:
        found = listening(self.recorder, refusal, host="127.0.0.1", port=0, options=self._options)
        self.port = (await self._stack.enter_async_context(found)).port

    def replay(
        self,
        segments: Iterable[bytes],
        *,
        methods: Iterable[str] = (),
        patient: bool = False,
        half_close_after: int | None = None,
    ) -> Told:
        """Sends segments until the server closes; `patient` waits for that, otherwise its word is enough.

        `half_close_after` calls that came whole, or when it takes long, the client says that it sends no more.
        """
        return self._runner.run(self._replay(list(segments), list(methods), patient, half_close_after))

    async def _replay(
        self, segments: list[bytes], methods: list[str], patient: bool, half_close_after: int | None
    ) -> Told:
        self.recorder.seen = []
        _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", self.port)
        for segment in segments:
            if client.ended.is_set():
                break
            client.transport.write(segment)
            for _ in range(3):
                await asyncio.sleep(0)
        if half_close_after is not None:
            await self._half_close(client, half_close_after)
        await self._until_ended(client, methods, patient)
        ended = client.ended.is_set() or ends_the_connection(client.raw, methods)
        client.transport.abort()
        while self.recorder.active:  # noqa: ASYNC110 (no event tells it)
            await asyncio.sleep(0)
        return Told(self.recorder.seen, answers(client.raw, methods), client.raw, ended)

    async def _half_close(self, client: Client, calls: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                while sum(seen.whole for seen in self.recorder.seen) < calls and not client.ended.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(0)
        if not client.ended.is_set():
            client.transport.write_eof()

    async def _until_ended(self, client: Client, methods: list[str], patient: bool) -> None:
        while not client.ended.is_set():
            if not patient and ends_the_connection(client.raw, methods):
                return
            client.more.clear()
            await client.more.wait()


# --- segments -----------------------------------------------------------------------------------------------------

_SHORT = 200
"""Bytes up to which a message is split at every place."""
_BYTEWISE = 1000


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The parts of data between places."""
    edges = [0, *sorted(set(places) - {0, len(data)}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def segmentations(data: bytes, seed: str, *, every: bool) -> Iterator[list[bytes]]:
    """Whole, byte by byte, in two at every place (at the telling ones where there are many), and a few at random."""
    yield [data]
    if len(data) <= _BYTEWISE:
        yield [data[place : place + 1] for place in range(len(data))]
    places = range(1, len(data))
    chosen = random.Random(seed)
    if len(data) > _SHORT or not every:
        telling = [
            place for place in places if data[place - 1 : place + 1].strip(b"\r\n:; ") != data[place - 1 : place + 1]
        ]
        places = chosen.sample(telling, min(len(telling), 12))
    for place in places:
        yield cut(data, [place])
    for count in (2, 5, 20):
        yield cut(data, [chosen.randrange(len(data)) for _ in range(count)])

"""The answer to a conditioned key: pages of one size, every row checked before the first byte is sent.

The upstream's pages are partitions of the graph; how many visible rows each one holds tells how many hidden ones lie
between. So they are joined and cut anew: a page has `check.page` rows until the last one, and whether one follows is
found out by looking for a row more. What was read too far is not kept, but asked for again: the sealed cursor says
where.

A forbidden object is asked for once more. Found again it is an alarm, and the query's class is refused from then on,
see `alarms`.

What still depends on the upstream: a call that takes too long ends with a shorter page and a cursor (only time decides
that), and an upstream without end is an upstream that failed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from gateway.authz.outcome import Check
from gateway.authz.rows import Body, Page, Text, Withheld, checked
from gateway.http1 import Reason, Refusal
from gateway.metrics import Metrics
from gateway.proxy.alarms import Alarms
from gateway.proxy.seals import Position, Seals
from gateway.proxy.wire import Stop


class Document(Protocol):
    """What an upstream answered."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> Body: ...


Ask = Callable[[bytes], Awaitable[Document]]
"""Sends a query's body upstream."""


@dataclass(frozen=True, slots=True)
class PageOptions:
    answer_bytes: int = 32 * 1024 * 1024
    """One answer of an upstream; 250 rows of real entities take some 500 KB, of the largest ones 4 MB."""
    again_seconds: float = 1.0
    """Before an answer with a forbidden object is asked for once more: as long as a search index may be behind its
    records, so that an object that is just being changed is no alarm, which would refuse a class of queries."""
    seconds: float = 20.0
    """After which a page is sent as it is; clients of the platform give up after 60."""
    calls: int = 100_000
    """Answers read for one page: more than fit in `seconds`, so that only an upstream going in circles gets there. How
    many there are may tell of hidden objects, so that time must end a page first."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A page as the client gets it; `following` is where the next one begins, None after the last.

    `rows` are texts of one row or of several, with commas between them.
    """

    rows: tuple[Text, ...]
    following: Position | None


class Answered(NamedTuple):
    """A page for the client. `rows` are as in `Filled`; `cursor` is sealed, None after the last page."""

    shape: str
    rows: tuple[Text, ...]
    cursor: str | None

    def data(self) -> tuple[Text, ...]:
        """The JSON of the rows in pieces: an array of them, or the one object that a tree is."""
        parts = [part for row in self.rows for part in (b",", row)][1:]
        return tuple(parts) if self.shape == "tree" else (b"[", *parts, b"]")

    def pieces(self, said: bytes = b"") -> tuple[Text, ...]:
        """The JSON of the answer in pieces, after what else is `said`; no other member of the upstream's is passed on.

        Without a next page `cursor` is left out: the platform's Python client takes `null` for the first page, for
        ever.
        """
        end = b"}" if self.cursor is None else b',"cursor":"' + self.cursor.encode() + b'"}'
        return (b"{" + said + b'"type":"' + self.shape.encode() + b'","data":', *self.data(), end)

    def envelope(self) -> bytes:
        """The same in one."""
        return b"".join(self.pieces())


_FAILED = Refusal(Reason.UPSTREAM_FAILED, "the query service gave no usable answer")
_WITHHELD = Refusal(
    Reason.ANSWER_WITHHELD, "the answer was withheld, because it disagreed with the key's policy; tell your operator"
)
_FOREIGN_CURSOR = Refusal(
    Reason.MALFORMED_BODY, "`cursor` is not of this query: send that of its last answer, or none to start over"
)


class _ForbiddenError(Exception):
    """An object outside the policy was found twice; `why` has nothing of it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Pages:
    """Answers conditioned queries. `clock` gives seconds, of any beginning; `alarms` are those of this worker alone
    unless given."""

    def __init__(
        self,
        seals: Seals,
        metrics: Metrics,
        options: PageOptions,
        *,
        alarms: Alarms | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self.alarms = alarms or Alarms(metrics)
        self._seals = seals
        self._metrics = metrics
        self._clock = clock

    def deadline(self) -> float:
        """By the clock, after which the pages of a call that begins now are sent as they are."""
        return self._clock() + self.options.seconds

    async def answer(
        self, check: Check, ask: Ask, start: Position | None = None, *, call: str = "", deadline: float | None = None
    ) -> Answered:
        """One page, from where the caller's cursor or `start` says; `call` is the request id, which an alarm names.

        Several pages of one call have one `deadline`; also after it each of them gets on by an upstream's answer.
        Raises Stop: queries of this class are refused, the cursor is not for this query, or the upstream's answer is no
        use.
        """
        until = self.deadline() if deadline is None else deadline
        self.alarms.refuse(check)
        try:
            filled = await self._fill(check, start or self.start(check), ask, until)
        except _ForbiddenError as forbidden:
            self.alarms.refuse(check)
            await self.alarms.raised(check, forbidden.why, call)
            raise Stop(_WITHHELD, forbidden.why) from None
        self.alarms.refuse(check)
        cursor = None
        if filled.following is not None:
            cursor = self._seals.seal(filled.following, check.seal.digest())
            if cursor is None:
                raise Stop(_FAILED, "its cursor is too long to be sealed")
        return Answered(check.shape, filled.rows, cursor)

    def start(self, check: Check) -> Position:
        """Where the caller's page begins. Raises Stop: the cursor is not for this query."""
        if check.cursor is None:
            return Position()
        position = self._seals.open(check.cursor, check.seal.digest())
        if position is None:
            raise Stop(_FOREIGN_CURSOR)
        return position

    async def _fill(self, check: Check, start: Position, ask: Ask, deadline: float) -> Filled:
        """One page, from as many answers as it takes to know that it is full or the last."""
        rows: list[Text] = []
        room = check.page
        at = start
        for _ in range(self.options.calls):
            page = await self._checked(check, at.cursor, ask)
            fresh = max(0, len(page.rows) - at.offset)
            taken = min(fresh, room)
            if taken:
                rows.extend(page.rows.between(at.offset, at.offset + taken))
            if fresh > room:
                return Filled(tuple(rows), Position(at.cursor, at.offset + room))
            if page.cursor is None:
                return Filled(tuple(rows), None)
            room -= taken
            if page.cursor == at.cursor:
                raise Stop(_FAILED, "its cursor leads to itself")
            at = Position(page.cursor)
            if self._clock() >= deadline:
                return Filled(tuple(rows), at)
        raise Stop(_FAILED, f"no full page after {self.options.calls} answers")

    async def _checked(self, check: Check, cursor: str | None, ask: Ask) -> Page:
        """One answer of the upstream. A forbidden row is asked for once more: it may have changed in between."""
        body = msgspec.json.encode(check.request if cursor is None else check.request | {"cursor": cursor})
        outcome = _judged(await ask(body), check)
        if isinstance(outcome, Withheld) and outcome.violation:
            self._metrics.answer_withheld(again=False)
            await asyncio.sleep(self.options.again_seconds)
            outcome = _judged(await ask(body), check)
        if isinstance(outcome, Page):
            self._metrics.rows_checked(len(outcome.rows))
            return outcome
        if not outcome.violation:
            raise Stop(_FAILED, outcome.why)
        self._metrics.answer_withheld(again=True)
        raise _ForbiddenError(outcome.why)


def _judged(document: Document, check: Check) -> Page | Withheld:
    if document.status != 200:  # noqa: PLR2004
        return Withheld(f"status {document.status}", violation=False)
    return checked(document.body, check)

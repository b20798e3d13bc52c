"""Asks an organization's upstreams on the gateway's own behalf: its credential, one question after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from gateway.authz.calibration import Asking, Question, Refused, Said, Silent
from gateway.authz.conditioned import FORCED
from gateway.authz.outcome import Upstream
from gateway.metrics import Metrics
from gateway.proxy.body import Budget
from gateway.proxy.identity import Identities
from gateway.proxy.line import Binding, Line, Request, Whole
from gateway.proxy.trace import Trace
from gateway.proxy.wire import Sender, Stop

T = TypeVar("T")

_ANSWER_BYTES = 8 * 1024 * 1024
"""Of one answer: a page of 250 large objects has some five."""
_PAGES_BYTES = 32 * 1024 * 1024
"""Of all pages of one question, which are held together; what probes ask has four pages of objects at most."""

_REFUSING = frozenset({400, 422})
"""Statuses that speak of the query. Any other one but 200 speaks of the service, or of the gateway's credential."""


@dataclass(frozen=True, slots=True)
class AskingOptions:
    """Times are seconds."""

    pause: float = 0.05
    """Before each question, so that an upstream that limits its callers has room for the others."""
    question_seconds: float = 20.0
    """For one question and its answer."""


Lines = Callable[[], Line]
"""A line for the next question: each has an identity that is good now."""


def own_lines(  # noqa: PLR0913, PLR0917 (all that a line is made of)
    organization: str,
    binding: Binding,
    sender: Sender,
    metrics: Metrics,
    identities: Identities,
    new_id: Callable[[], str],
    now: Callable[[], int],
) -> Lines:
    """Lines for the gateway's own questions about an organization's upstreams, by its own credential; no key's."""

    def line() -> Line:
        trace = Trace(new_id(), "POST", route="calibration")
        return Line(binding, sender, metrics, trace, Budget(_ANSWER_BYTES).hold(), identities.own(organization, now()))

    return line


class Asker:
    """Asks by lines of its own; `asked` counts the requests that were sent."""

    def __init__(self, lines: Lines, options: AskingOptions) -> None:
        self._lines = lines
        self._options = options
        self.asked = 0

    async def converse(self, asking: Asking[T]) -> T:
        """Carries questions and answers to and fro, until there is a result. Raises Silent where nobody expects it."""
        try:
            question = next(asking)
            while True:
                try:
                    said = await self._said(question)
                except Silent as fault:
                    question = asking.throw(fault)
                else:
                    question = asking.send(said)
        except StopIteration as over:
            result: T = over.value
            return result

    async def _said(self, question: Question) -> Said | Refused:
        kind, rows, bodies, total = "list", list[Any](), list[bytes](), None
        cursor: str | None = None
        for _ in range(question.pages):
            asked = {"query": question.text, **FORCED} | ({} if cursor is None else {"cursor": cursor})
            whole = await self._whole(Upstream.J1QL, "POST", "", asked)
            answer = _object(whole)
            if whole.status in _REFUSING:
                return Refused(_words(answer))
            if whole.status != 200 or "data" not in answer:  # noqa: PLR2004
                raise Silent(f"status {whole.status}, {'no data' if whole.status < 300 else 'refused'}")  # noqa: PLR2004
            data, total = answer["data"], total if total is not None else answer.get("totalCount")
            kind = str(answer.get("type"))
            rows += data if isinstance(data, list) else [data]
            bodies.append(whole.body)
            if sum(map(len, bodies)) > _PAGES_BYTES:
                raise Silent(f"the pages of one answer have more than {_PAGES_BYTES} bytes")
            cursor = answer.get("cursor")
            if cursor is None:
                break
        return Said(kind, tuple(rows), cursor is not None, total, tuple(bodies))

    async def valid(self, queries: Mapping[str, str]) -> dict[str, bool]:
        """Whether the upstream's parser takes each query; empty where it does not say."""
        try:
            whole = await self._whole(Upstream.J1QL, "POST", "/validate", {"queries": list(queries.values())})
            said = msgspec.json.decode(whole.body)
        except (Silent, msgspec.MsgspecError):
            return {}
        if not isinstance(said, list) or len(said) != len(queries):
            return {}
        told = [each.get("valid") if isinstance(each, dict) else None for each in said]
        return {name: valid for name, valid in zip(queries, told, strict=True) if isinstance(valid, bool)}

    async def command(
        self, upstream: Upstream, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Does something at an upstream; its answer. Raises Silent, also where it refuses."""
        whole = await self._whole(upstream, method, path, body)
        answer = _object(whole)
        if whole.status >= 300 or answer.get("errors"):  # noqa: PLR2004
            raise Silent(f"{method} {path} was answered {whole.status}: {_words(answer)}")
        return answer

    async def _whole(self, upstream: Upstream, method: str, path: str, body: Mapping[str, Any] | None) -> Whole:
        await asyncio.sleep(self._options.pause)
        self.asked += 1
        sent = None if body is None else msgspec.json.encode(body)
        line = self._lines()._replace(total_seconds=self._options.question_seconds)
        try:
            return await line.ask(Request(upstream, method, path, "", sent), limit=_ANSWER_BYTES)
        except Stop as stop:
            raise Silent(f"{stop.refusal.reason}: {stop.detail or stop.refusal.message}") from None


def _object(whole: Whole) -> dict[str, Any]:
    """The JSON object of an answer; empty where it is none."""
    try:
        answer = msgspec.json.decode(whole.body)
    except msgspec.MsgspecError:
        return {}
    return answer if isinstance(answer, dict) else {}


_MOST_WORDS = 200


def _words(answer: Mapping[str, Any]) -> str:
    """What is wrong, as far as the upstream says so in one of the usual shapes."""
    errors = answer.get("errors")
    error: Any = answer.get("error") or (errors[0] if isinstance(errors, list) and errors else {})
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or "without a reason")[:_MOST_WORDS]

"""The breaker: after an alarm its class of queries is refused until an operator resets it.

An alarm is an answer withheld because the check found a forbidden object, twice. That it was withheld tells its caller
one bit about hidden objects; so that it stays one, the whole class (see `authz.query_class`) is refused from then on,
by every worker of every machine, before an upstream is asked.

**Who knows it when.** The worker that found it refuses the class from that very step on, and calls of the class that
are under way there end refused, whatever their answers hold. Before it answers the call it writes the alarm to the
store; every worker reads the store's open alarms each half second (`SECONDS`), and before it takes its first call. What
cannot be written is written by a later round: until then this worker alone refuses, and the metric says so. A worker
that has not read the alarms once serves no key with a condition.

**What somebody gains meanwhile.** One bit from each worker that has not heard yet: half a second's worth, if the store
answers. Without it each worker has its own bit, for as long as it serves keys at all.

**Why an organization has so many at most.** Who may make keys can make any number of predicates, all of them narrower
than their own, and so classes. `MOST` open alarms are no fault of one policy: all of the organization's conditioned
queries are refused then.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from gateway.authz import QueryClass, query_class
from gateway.authz.outcome import Check
from gateway.http1 import Reason, Refusal
from gateway.metrics import Metrics
from gateway.proxy.wire import Stop
from gateway.stores.base import StoreUnavailable
from gateway.stores.values import Alarm

_log = logging.getLogger(__name__)

SECONDS = 0.5
"""Between two rounds."""

MOST = 8
"""Open alarms of one organization from which all of its conditioned queries are refused: two policies with all three
shapes, and two more."""

_REFUSED = Refusal(
    Reason.QUERY_CLASS_REFUSED,
    "queries of this kind are refused, because an answer to one of them disagreed with the key's policy; tell your "
    "operator, who can allow them again: trying again does not help",
)
_NOT_KNOWN = Refusal(Reason.STORE_UNAVAILABLE, "it cannot be told now which queries are refused; try again in a moment")


class AlarmStore(Protocol):
    """Where the alarms of all workers are. Both methods raise StoreUnavailable."""

    async def alarmed(self) -> dict[str, str]:
        """The organization of each open alarm by the alarm's id."""
        ...

    async def keep(self, alarm: Alarm) -> None:
        """Opens an alarm; nothing where one of its id is open."""
        ...


class Alarms:
    """The open alarms as one worker knows them; without a store those that it met itself.

    `now` is milliseconds since the epoch.
    """

    def __init__(
        self, metrics: Metrics, store: AlarmStore | None = None, *, now: Callable[[], int] = lambda: 0
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._now = now
        self._is_read = store is None
        self._kept: dict[str, str] = {}  # in the store: id and organization
        self._written: dict[str, str] = {}  # to the store, since it was asked
        self._unwritten: dict[str, Alarm] = {}
        self._by_organization: Counter[str] = Counter()
        self._is_failing = False

    @property
    def count(self) -> int:
        """Open alarms, of all organizations."""
        return self._by_organization.total()

    def notes(self) -> tuple[str, ...]:
        """For operators, without a word of whose they are."""
        return (f"alarms: {self.count} open, see `gateway alarms list`",) if self.count else ()

    def refuse(self, check: Check) -> None:
        """Raises Stop for a query whose class is refused. To be asked before an upstream is, and before its answer is
        given: another call may have met the alarm meanwhile, and what this one found must not tell of it."""
        if not self._is_read:
            raise Stop(_NOT_KNOWN, "the alarms were not read yet")
        alarmed = self._by_organization.get(check.organization, 0)
        if alarmed and (alarmed >= MOST or self._is_open(query_class(check).id)):
            raise Stop(_REFUSED, "an alarm is open")

    async def raised(self, check: Check, why: str, call: str) -> None:
        """Opens the alarm of a query's class. `call` is the request id; `why` has nothing of the answer's.

        Refused from this step on; returns when every worker can hear of it, or the store cannot be written to now.
        """
        its = query_class(check)
        alarm = _alarm(its, check, why, call, self._now())
        _log.error(
            "an upstream answered a narrowed query with an object outside the policy, twice: %s; such queries are "
            "refused until `gateway alarms reset %s` (request %s)",
            why,
            its.id,
            call,
        )
        self._unwritten.setdefault(alarm.id, alarm)
        self._count()
        with suppress(StoreUnavailable):  # a later round tells
            await self._write()

    async def tell(self) -> None:
        """A round of writing what could not be written; what fails again is left to the next one."""
        with suppress(StoreUnavailable):  # the metric tells
            await self._write()

    async def hear(self) -> None:
        """A round of reading what is open. It waits for nobody who writes, who may have to wait for a gateway that is
        stopped, see `stores.leases`."""
        try:
            await self._read()
        except StoreUnavailable as away:
            self._note(away)
        else:
            self._note(None)

    async def _write(self) -> None:
        if self._store is None:
            return
        for alarm in tuple(self._unwritten.values()):
            await self._store.keep(alarm)
            self._kept[alarm.id] = self._written[alarm.id] = alarm.organization
            self._unwritten.pop(alarm.id, None)  # by now another call may have written it, too
            self._count()

    async def _read(self) -> None:
        if self._store is None:
            return
        self._written = {}
        found = await self._store.alarmed()
        self._kept = found | self._written  # what was written since the question need not be in its answer
        self._is_read = True
        self._count()

    def _note(self, fault: StoreUnavailable | None) -> None:
        """Logs when rounds begin to fail and when they succeed again, not each of them."""
        if fault is not None and not self._is_failing:
            _log.warning("alarms of other gateways are not heard of: %s", fault)
        if fault is None and self._is_failing:
            _log.warning("alarms of other gateways are heard of again")
        self._is_failing = fault is not None

    def _is_open(self, alarm: str) -> bool:
        return alarm in self._kept or alarm in self._unwritten

    def _count(self) -> None:
        unwritten = {alarm.id: alarm.organization for alarm in self._unwritten.values()}
        self._by_organization = Counter((self._kept | unwritten).values())
        self._metrics.alarms(self.count, unwritten=0 if self._store is None else len(unwritten))


def _alarm(its: QueryClass, check: Check, why: str, call: str, now: int) -> Alarm:
    return Alarm(its.id, its.organization, its.policy, its.shape, now, check.seal.key, call, why)

"""The conditions of policies as calls bring them along: each is to be probed when it is first used, and daily.

No call waits for it. What is noted here is asked about in the background, one condition at a time; see `policies` in
`authz.calibration` for what is asked, and `Rules.doubted` for what follows.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.authz.outcome import Batch, Check, Forward, Plan, Queried
from gateway.policy import Predicate

Condition = tuple[str, Predicate]
"""Of a policy, and whose: the organization."""


@dataclass(frozen=True, slots=True)
class ConditionOptions:
    """`again_seconds` is how long the probe of a condition stands."""

    room: int = 100
    """Conditions that wait; another one that comes then is noted when it is used again."""
    remembered: int = 10_000
    """Conditions whose probes are remembered, about 200 bytes each: not the conditions themselves, of which one has up
    to 65 KB, and whoever makes keys can make any number."""
    again_seconds: float = 86_400.0
    on: bool = True


_RETRY_SECONDS = 60.0
"""After a probe that nobody answered; every call would ask again else, in the middle of an outage."""


class Conditions:
    """What waits to be probed. `clock` gives seconds, of any beginning."""

    def __init__(self, options: ConditionOptions | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options or ConditionOptions(on=False)
        self._clock = clock
        self._noted: OrderedDict[int, float] = OrderedDict()  # by their hash, those probed longest ago first
        self._waiting: OrderedDict[Condition, None] = OrderedDict()

    def note(self, organization: str, plan: Plan) -> None:
        """A plan that is about to be carried out."""
        if self._options.on and (predicate := _predicate(plan)):
            self._note((organization, predicate))

    def _note(self, condition: Condition) -> None:
        noted = self._noted.get(hash(condition))
        if noted is not None and self._clock() - noted < self._options.again_seconds:
            return
        if condition not in self._waiting and len(self._waiting) < self._options.room:
            self._waiting[condition] = None

    def unheard(self, condition: Condition) -> None:
        """Nobody answered its probe: it counts as probed for a minute."""
        if hash(condition) in self._noted:
            self._noted[hash(condition)] = self._clock() - self._options.again_seconds + _RETRY_SECONDS

    def take(self) -> Condition | None:
        """The one that has waited longest; it counts as probed from now on."""
        if not self._waiting:
            return None
        condition, _ = self._waiting.popitem(last=False)
        self._noted[hash(condition)] = self._clock()
        self._noted.move_to_end(hash(condition))
        if len(self._noted) > self._options.remembered:
            self._noted.popitem(last=False)
        return condition


def _predicate(plan: Plan) -> Predicate | None:
    """What the answers of a plan are held against: one predicate, as they are all for one key."""
    match plan:
        case Forward(answer=Check(predicate=predicate)) | Queried(checks=((_, Check(predicate=predicate)), *_)):
            return predicate
        case Batch(elements):
            return next(filter(None, map(_predicate, elements)), None)
        case _:
            return None

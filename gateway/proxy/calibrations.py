"""What this process knows of the upstreams of all organizations, and finds out anew from time to time.

Until the first round has ended, everything is unwitnessed but for the operator's own word. Each process asks for
itself: what one worker knows it owes to no other one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from gateway.authz.calibration import Knowledge, Known, capabilities_of, policy_holds, renewed, steadily
from gateway.authz.capabilities import CAPABILITIES, State
from gateway.proxy.asking_upstream import Asker, AskingOptions, own_lines
from gateway.proxy.calibration_round import CalibrationOptions, calibrated
from gateway.proxy.context import Deps

_log = logging.getLogger(__name__)

Randomness = Callable[[int], bytes]


def _asker(deps: Deps, organization: str, options: AskingOptions) -> Asker:
    binding = deps.bindings[organization]
    lines = own_lines(organization, binding, deps.sender, deps.metrics, deps.identities, deps.new_id, deps.now)
    return Asker(lines, options)


class Calibrations:
    """Rounds of probes over all organizations. A fault of one organization's upstream is no other one's."""

    def __init__(self, deps: Deps, options: CalibrationOptions, randomness: Randomness) -> None:
        self._deps = deps
        self._options = options
        self._randomness = randomness
        self._known: dict[str, Knowledge] = {}

    async def round(self) -> None:
        """Asks every organization's upstream, one after the other."""
        for organization in self._deps.bindings:
            try:
                await self._calibrate(organization)
            except Exception:  # noqa: BLE001 (the next organization is asked all the same)
                _log.exception("the upstream of `%s` could not be probed", organization)

    async def _calibrate(self, organization: str) -> None:
        deps = self._deps
        asker = _asker(deps, organization, self._options.asking)
        done = await calibrated(asker, self._options, self._randomness, deps.now())
        before = self._known.get(organization, {})
        known = self._known[organization] = renewed(before, done.findings, deps.now())
        deps.rules.learn(organization, capabilities_of(deps.rules.common.capabilities, known))
        deps.metrics.calibrated(organization, {name: each.state for name, each in known.items()})
        _tell_changes(organization, before, known)
        self._tell_contradictions(organization, known)

    def _tell_contradictions(self, organization: str, known: Knowledge) -> None:
        settled = self._deps.rules.common.capabilities
        for name in CAPABILITIES:
            if getattr(settled, name) is State.VERIFIED and known[name].state is State.FAILED:
                _log.error(
                    "`%s` is verified by the settings, but does not hold at the upstream of `%s`: %s",
                    name,
                    organization,
                    known[name].why,
                )

    def report(self) -> Iterable[str]:
        """A line for each organization: how many things are in which state, and those that failed by name."""
        for organization in self._deps.bindings:
            known = self._known.get(organization)
            yield f"{organization}/capabilities: {_counted(known) if known else 'not probed yet'}"


def _counted(known: Knowledge) -> str:
    numbers = {state: sum(each.state is state for each in known.values()) for state in State}
    failed = ", ".join(name for name, each in known.items() if each.state is State.FAILED)
    told = ", ".join(f"{number} {state}" for state, number in numbers.items())
    return f"{told} ({failed})" if failed else told


_LEVELS = {State.FAILED: logging.WARNING, State.VERIFIED: logging.INFO, State.UNWITNESSED: logging.INFO}


def _tell_changes(organization: str, before: Knowledge, known: dict[str, Known]) -> None:
    """Without the reasons: they quote the upstream, who may name anything there; `gateway calibrate` tells them."""
    for name, now in known.items():
        if name not in before or before[name].state is not now.state:
            _log.log(_LEVELS[now.state], "`%s` at the upstream of `%s` is %s", name, organization, now.state)


class ConditionProbes:
    """Probes the conditions that calls brought along, see `unprobed_conditions`."""

    def __init__(self, deps: Deps, options: CalibrationOptions) -> None:
        self._deps = deps
        self._options = options

    async def round(self) -> None:
        """All that waits, one after the other."""
        while (waiting := self._deps.conditions.take()) is not None:
            organization, predicate = waiting
            if organization not in self._deps.bindings:
                continue
            asker = _asker(self._deps, organization, self._options.asking)
            found = await asker.converse(steadily(lambda: policy_holds(predicate)))  # noqa: B023 (used at once)
            self._deps.metrics.condition_probed(organization, found.state)
            if not found.heard:
                self._deps.conditions.unheard(waiting)
            if found.state is State.UNWITNESSED:
                continue
            doubted = found.state is State.FAILED
            self._deps.rules.doubt(organization, predicate, doubted=doubted)
            if doubted:
                _log.error(
                    "the upstream of `%s` reads a policy's condition in another way than the row check: %s; aggregates "
                    "and UNIQUE are refused for it: %s",
                    organization,
                    found.why,
                    predicate,
                )

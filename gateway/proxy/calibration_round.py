"""One calibration of an organization's upstream: all probes, one after the other, within a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from gateway.authz.calibration import (
    EXAMPLES,
    PROBES,
    Finding,
    Scene,
    Silent,
    Unclear,
    canary,
    look,
    probes_of,
    steadily,
    together,
)
from gateway.authz.capabilities import State
from gateway.proxy.asking_upstream import Asker, AskingOptions
from gateway.proxy.canary_graph import planted


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """Times are seconds."""

    asking: AskingOptions = field(default_factory=AskingOptions)
    round_seconds: float = 600.0
    """For all probes of one organization, without the removal of canaries; what is not asked then is unwitnessed."""
    write: bool = False
    """Whether a canary graph is made for it, and removed again."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was found, by name, and how many requests it took."""

    findings: Mapping[str, Finding]
    asked: int


_TOO_LATE = Finding(State.UNWITNESSED, "there was no time left to ask", heard=False)


async def calibrated(
    asker: Asker, options: CalibrationOptions, randomness: Callable[[int], bytes], now: int
) -> Calibrated:
    """Asks all that can be asked. `now` is milliseconds since the epoch."""
    round_ = _Round(asker, randomness, now)
    try:
        async with asyncio.timeout(options.round_seconds):
            await round_.parsed()
            await round_.on_live_data()
            if options.write:
                await round_.on_canaries()
    except TimeoutError:
        pass  # what was found until then counts
    findings = {name: round_.findings.get(name, _TOO_LATE) for name in PROBES}
    return Calibrated(findings, asker.asked)


class _Round:
    """Collects findings from kind to kind of probe, cheapest first."""

    def __init__(self, asker: Asker, randomness: Callable[[int], bytes], now: int) -> None:
        self._asker = asker
        self._run = randomness(6).hex()
        self._nobody = str(UUID(bytes=randomness(16), version=4))
        self._now = now
        self._unparsed: frozenset[str] = frozenset()
        self.findings: dict[str, Finding] = {}

    async def parsed(self) -> None:
        """What the upstream's parser does not take is not asked."""
        valid = await self._asker.valid(EXAMPLES)
        self._unparsed = frozenset(name for name, is_valid in valid.items() if not is_valid)
        for name in self._unparsed:
            self._note(name, Finding(State.UNWITNESSED, "the upstream's parser does not take it"))

    async def on_live_data(self) -> None:
        try:
            scene = await self._asker.converse(look(self._nobody, f"gateway_nothing_{self._run}"))
        except (Silent, Unclear) as fault:
            self._nothing(f"no answer: {fault}")
        else:
            await self._ask(scene)

    async def on_canaries(self) -> None:
        try:
            async with planted(self._asker, self._run, self._now) as canaries:
                await self._ask(
                    canary.scene(self._run, canaries.ids, self._nobody, with_parameters=canaries.with_parameters)
                )
        except (Silent, Unclear) as fault:
            self._nothing(f"the canary graph could not be used: {fault}")

    async def _ask(self, scene: Scene) -> None:
        for name, probe in probes_of(scene).items():
            if name not in self._unparsed:
                self._note(name, await self._asker.converse(steadily(probe)))

    def _nothing(self, why: str) -> None:
        for name in PROBES:
            self._note(name, Finding(State.UNWITNESSED, why, heard=False))

    def _note(self, name: str, finding: Finding) -> None:
        before = self.findings.get(name)
        self.findings[name] = finding if before is None else together(finding, before)

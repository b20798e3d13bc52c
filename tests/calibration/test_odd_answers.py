"""Upstreams that answer with anything: a probe says that it is none the wiser, and the others go on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import pytest

from calibration.interview import NOBODY, RUN, Upstream, company
from gateway.authz.calibration import Finding, Refused, Said, Scene, Silent, Unclear, canary, look, probes_of, steadily

ODD = (None, True, 0, "", "x", [], ["x"], [["x"]], {}, {"_id": "x"}, {"entity": "x"}, {"entity": {"_id": ["x"]}})


@dataclass
class Odd(Upstream):
    """An upstream some of whose values are others than they are."""

    random: Random = field(default_factory=Random)
    often: float = 0.1

    def said(self, question):
        said = super().said(question)
        if isinstance(said, Refused):
            return said
        return Said(said.kind, tuple(map(self._odd, said.rows)), said.more, said.total, said.bodies)

    def _odd(self, value):
        if self.random.random() < self.often:
            return self.random.choice(ODD)
        if isinstance(value, dict):
            return {name: self._odd(member) for name, member in value.items()}
        return [self._odd(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("planted", [False, True], ids=["live", "canaries"])
def test_no_answer_breaks_a_probe(seed, planted):
    upstream = Odd(graph=company(60), random=Random(seed), often=(0.001, 0.01, 0.1, 0.5)[seed % 4])
    if planted:
        upstream.plant(RUN)
    for probe in probes_of(scene(upstream, planted=planted)).values():
        assert isinstance(upstream.converse(steadily(probe)), Finding)


def scene(upstream: Upstream, *, planted: bool) -> Scene:
    """What is seen; nothing where the answers were too odd."""
    with suppress(Silent, Unclear):
        if not planted:
            return upstream.converse(look(NOBODY, "gateway_nothing_1"))
        ids = upstream.converse(canary.found(RUN))
        if ids is not None:
            return canary.scene(RUN, ids, NOBODY, with_parameters=True)
    return Scene(NOBODY, "gateway_nothing_1")

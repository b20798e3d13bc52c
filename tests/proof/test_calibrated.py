"""With what calibration finds of an upstream, conditioned keys are answered there what the visible graph answers.

The upstream's dialect is drawn; what is known of it is what the probes say, on live data or by canaries, and nothing
that the test knows. GATEWAY_PROOF_CASES: a fiftieth of them are telling cases here.
"""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import count
from random import Random

import pytest

from calibration.interview import NOW, RUN, Upstream
from gateway.authz.calibration import capabilities_of, renewed
from gateway.authz.capabilities import TRUSTED, Capabilities, Mode, State
from gateway.sandbox.dialect import Dialect
from gateway.sandbox.queries import Serving
from proof.agreement import Disagreement, outcomes
from proof.chance import Chance
from proof.generate import Round, dialect_of, drawn
from proof.law import judged
from proof.shrink import shrunk
from proof.truths import truths

DIALECTS = 16
SEED = int(os.environ.get("GATEWAY_PROOF_SEED", "1"))
CASES = int(os.environ.get("GATEWAY_PROOF_CASES", "100000")) // 50 // (2 * DIALECTS)


def found(dialect: Dialect, *, canaries: bool) -> Capabilities:
    upstream = Upstream(serving=Serving(dialect))
    upstream.plant(RUN)  # what there is to see; not that it is known
    findings = upstream.by_canaries() if canaries else upstream.live()
    capabilities = capabilities_of(Capabilities(), renewed({}, findings, NOW))
    overlooked = {name for name in TRUSTED if capabilities.allow(name) and not truths(dialect).get(name, True)}
    # Relationships that are never shown beside each other are not there, for all that live data can tell.
    assert overlooked <= (set() if canaries else {"paths_are_matches"})
    return replace(capabilities, **dict.fromkeys(overlooked, State.FAILED))


def asked_of(round_: Round, dialect: Dialect, capabilities: Capabilities) -> Round:
    changed = tuple(replace(each, dialect=dialect, capabilities=capabilities) for each in round_.questions)
    return replace(round_, questions=changed)


@pytest.mark.parametrize("canaries", [False, True], ids=["live data", "canaries"])
@pytest.mark.parametrize("number", range(DIALECTS))
def test_what_calibration_finds_is_enough_for_the_law(number: int, canaries: bool):
    random = Random(SEED * DIALECTS + number)
    dialect = dialect_of(Chance(random))
    capabilities = found(dialect, canaries=canaries)
    telling = 0
    for turn in count():
        if telling >= CASES:
            break
        mode = (Mode.STRICT, Mode.INDUCED)[turn % 2]
        for case, outcome, _ in outcomes(asked_of(drawn(random, mode), dialect, capabilities)):
            telling += outcome.telling
            if outcome.agrees is False:
                raise Disagreement(shrunk(case, lambda each: judged(each).agrees is False), SEED)

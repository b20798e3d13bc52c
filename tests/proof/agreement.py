"""The law held against random cases until enough of them could have told.

A case counts when the query was accepted and the answers on G and on G|P differ. What is met too rarely is asked for:
half of the queries are made with a construct that few cases had so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from gateway.authz.capabilities import Mode
from gateway.authz.narrow import PASSES
from gateway.authz.narrow.draft import Pass
from gateway.sandbox.graph import Graph
from proof.cases import Case, written
from proof.constructs import CONSTRUCTS
from proof.generate import QUERIES, Round, drawn
from proof.law import Outcome, Trial, judged, visible
from proof.shrink import shrunk

_RARE = 0.008
"""Below this share of the telling cases a construct is asked for."""


@dataclass(slots=True)
class Tally:
    """What has been tried. `counts` are the telling cases of each mode and construct."""

    asked: int = 0
    accepted: int = 0
    telling: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, outcome: Outcome, case: Case, constructs: frozenset[str]) -> None:
        self.asked += 1
        self.accepted += outcome.agrees is not None
        if outcome.telling:
            self.telling += 1
            self.counts.update((case.mode, name) for name in constructs)

    def rare(self, mode: Mode) -> list[str]:
        """The constructs that this mode was hardly tried with."""
        return [name for name in CONSTRUCTS if self.counts[mode, name] <= self.telling * _RARE]


class Disagreement(AssertionError):  # noqa: N818 - a finding
    """A case that breaks the law."""

    def __init__(self, case: Case, seed: int) -> None:
        self.case = case
        narrowing, outcome = Trial(case).narrowing, judged(case)
        super().__init__(
            f"with seed {seed}; keep it as tests/proof/found/….json:\n{written(case)}\n"
            f"sent:  {narrowing and narrowing.text}\ngot:   {outcome.got}\nright: {outcome.right}"
        )


def held(seed: int, enough: Callable[[Tally], bool]) -> Tally:
    """Tries the law on the cases of a seed until enough. Raises Disagreement, with a case made small."""
    random, tally = Random(seed), Tally()
    while not enough(tally):
        for mode in Mode:
            for case, outcome, constructs in outcomes(_drawn(random, mode, tally)):
                tally.note(outcome, case, constructs)
                if outcome.agrees is False:
                    raise Disagreement(shrunk(case, lambda each: judged(each).agrees is False), seed)
    return tally


def _drawn(random: Random, mode: Mode, tally: Tally) -> Round:
    rare = tally.rare(mode)
    weights = [1 / (1 + tally.counts[mode, name]) for name in rare]  # the rarest most of all
    wanted = [random.choices(rare, weights)[0] if rare and random.random() < 0.5 else None for _ in range(QUERIES)]
    return drawn(random, mode, wanted)


def outcomes(round_: Round, passes: tuple[Pass, ...] = PASSES) -> Iterator[tuple[Case, Outcome, frozenset[str]]]:
    """The law on every case of a round."""
    graphs = [Graph(*objects) for objects in round_.graphs]
    shown = [visible(graph, round_.permissions, round_.mode) for graph in graphs]
    for question in round_.questions:
        trial = Trial(round_.case(question, 0), passes=passes)
        for number, graph in enumerate(graphs):
            yield round_.case(question, number), trial.held(graph, shown[number]), question.constructs

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
from gateway.sandbox.graph import Graph
from proof.cases import Case, written
from proof.generate import QUERIES, Question, Round, drawn, unusual
from proof.law import Outcome, Trial, judged, visible
from proof.shrink import shrunk

EVERYWHERE = """
any; FIND *; FIND class; FIND type; FIND union; smart class; full text; WITH; AS; default alias
step; AS of a step; one verb; union of verbs; RELATES TO; direction
negation; chain after negation; optional group; nested optional group; alias of a group; chain after optional
text comparison; =; !=; ~=; !~=; ^=; !^=; $=; !$=; number comparison; >; <; >=; <=; undefined; AND; OR
value list; list of OR; list of AND; regex; cidr; date; variable; parameter; subquery; name in brackets
property to property; function in a condition; arithmetic in a condition
WHERE; WHERE of a relationship; alias to alias
RETURN nothing; RETURN TREE; RETURN items; property; whole object; RETURN of a relationship; all properties
arithmetic; function; MERGE; UNWIND; AS of a column
aggregate; COUNT; MIN; MAX; SUM; AVG; grouping; HAVING; UNIQUE
ORDER BY; LIMIT; SKIP; doubled SKIP and LIMIT
policy: any; policy: verbs; policy: deny only; policy: DENY; policy: several statements; policy: list of values
dialect: optional_group=left join; dialect: unmatched=dropped; dialect: window=matches; dialect: window=starts
dialect: unequal_to_absent=False; dialect: negated_list=each; dialect: coercion=True; dialect: negation=chain
dialect: revisits=True; dialect: tree_edges=verbs; dialect: tree_edges=all; dialect: list_cell=text
dialect: list_cell=first; dialect: absent_cell=null; dialect: grouping=last; dialect: search_order=score
"""

CONSTRUCTS = tuple(name for line in EVERYWHERE.strip().splitlines() for name in line.split("; "))
"""What every mode must have been tried with."""

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
            self.counts.update((case.mode, name) for name in (*constructs, *unusual(case.dialect)))

    def rare(self, mode: Mode) -> list[str]:
        """The constructs that this mode was hardly tried with."""
        return [name for name in CONSTRUCTS if self.counts[mode, name] <= self.telling * _RARE]


class Disagreement(AssertionError):
    """A case that breaks the law."""

    def __init__(self, case: Case) -> None:
        self.case = case
        trial, outcome = Trial(case), judged(case)
        super().__init__(
            f"keep it as tests/proof/found/….json:\n{written(case)}\n"
            f"sent:  {trial.text}\ngot:   {outcome.got}\nright: {outcome.right}"
        )


def held(seed: int, enough: Callable[[Tally], bool]) -> Tally:
    """Tries the law on the cases of a seed until enough. Raises Disagreement, with a case made small."""
    random, tally = Random(seed), Tally()
    while not enough(tally):
        for mode in Mode:
            for case, outcome, constructs in outcomes(_drawn(random, mode, tally)):
                tally.note(outcome, case, constructs)
                if outcome.agrees is False:
                    raise Disagreement(shrunk(case, lambda each: judged(each).agrees is False))
    return tally


def _drawn(random: Random, mode: Mode, tally: Tally) -> Round:
    rare = tally.rare(mode)
    wanted = [random.choice(rare) if rare and random.random() < 0.5 else None for _ in range(QUERIES)]
    return drawn(random, mode, wanted)


def outcomes(round_: Round) -> Iterator[tuple[Case, Outcome, frozenset[str]]]:
    """The law on every case of a round."""
    graphs = [Graph(*objects) for objects in round_.graphs]
    shown = [visible(graph, round_.permissions, round_.mode) for graph in graphs]
    for question in round_.questions:
        yield from _outcomes(round_, question, graphs, shown)


def _outcomes(
    round_: Round, question: Question, graphs: list[Graph], shown: list[Graph]
) -> Iterator[tuple[Case, Outcome, frozenset[str]]]:
    trial = Trial(round_.case(question, 0))
    for number, (graph, dialect) in enumerate(zip(graphs, question.dialects, strict=True)):
        yield round_.case(question, number), trial.held(graph, shown[number], dialect), question.constructs

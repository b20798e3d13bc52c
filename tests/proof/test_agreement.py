"""A conditioned key is answered what the query answers on the visible graph: cases once found first, then random ones.

How many, and from which seed, the environment says (the defaults are those of `make test`):

    GATEWAY_PROOF_CASES     telling cases in all
    GATEWAY_PROOF_SECONDS   run so long instead, all shards together, however many cases that makes
    GATEWAY_PROOF_SEED      a number; what fails is printed with it, as a case to be kept in found/
"""

from __future__ import annotations

import math
import os
import time
from itertools import count
from pathlib import Path
from random import Random

import pytest

from gateway.authz.capabilities import Mode
from proof.agreement import Tally, held, outcomes
from proof.cases import Case, read, written
from proof.constructs import CONSTRUCTS
from proof.generate import drawn
from proof.law import judged
from proof.report import CASES_TRIED, COUNTS
from proof.shrink import shrunk

FOUND = sorted((Path(__file__).parent / "found").glob("*.json"))

SHARDS = 8
CASES = int(os.environ.get("GATEWAY_PROOF_CASES", "100000")) // SHARDS
SECONDS = float(os.environ.get("GATEWAY_PROOF_SECONDS", "0")) / SHARDS
SEED = int(os.environ.get("GATEWAY_PROOF_SEED", "1"))
LEAST = math.ceil(500 * CASES / 100_000)
"""Telling cases of each construct and mode, 500 for 10^5 in all; each shard answers for its part."""


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.stem)
def test_a_case_that_once_broke_the_law_keeps_it(file):
    outcome = judged(read(file.read_text()))
    assert outcome.agrees is not False, (outcome.got, outcome.right)


@pytest.mark.proof
@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_the_gateway_answers_what_the_visible_graph_answers(shard, record_property):
    began = time.monotonic()

    def enough(tally: Tally) -> bool:
        if SECONDS:
            return time.monotonic() - began > SECONDS
        return (tally.telling >= CASES and not rare(tally)) or tally.telling >= 2 * CASES

    tally = held(SEED * SHARDS + shard, enough)
    record_property(COUNTS, [[mode.value, name, count] for (mode, name), count in tally.counts.items()])
    record_property(CASES_TRIED, [tally.asked, tally.accepted, tally.telling])
    assert SECONDS or not rare(tally), f"fewer than {LEAST} telling cases"


def rare(tally: Tally) -> set[tuple[str, str]]:
    return {(mode, name) for mode in Mode for name in CONSTRUCTS if tally.counts[mode, name] < LEAST}


def test_what_is_made_has_a_name_that_is_counted():
    tally = held(SEED, lambda tally: tally.telling > 200)
    assert {name for _, name in tally.counts} - set(CONSTRUCTS) == {"policy: on edges"}  # of strict alone


def test_a_case_is_read_as_it_was_written():
    case = read(FOUND[0].read_text())
    assert read(written(case)) == case


def test_a_case_that_breaks_the_law_is_made_small():
    """As if every list answer with a row in it broke the law."""

    def breaks(case: Case) -> bool:
        right = judged(case).right
        return right is not None and right.kind == "list" and bool(right.rows)

    rounds = (drawn(Random(seed), Mode.INDUCED) for seed in count())
    large = next(case for round_ in rounds for case, *_ in outcomes(round_) if breaks(case) and "THAT" in case.query)
    small = shrunk(large, breaks)
    assert (small.query, len(small.entities), small.relationships) == ("FIND *", 1, ())

"""What is known from round to round, and whose word wins."""

from __future__ import annotations

from itertools import product

import pytest

from gateway.authz.calibration import (
    MEANINGS,
    PROBES,
    Finding,
    Question,
    Said,
    Silent,
    capabilities_of,
    refused_without,
    renewed,
    steadily,
    together,
)
from gateway.authz.calibration.knowledge import KEPT
from gateway.authz.capabilities import CAPABILITIES, TRUSTED, Capabilities, State

NAME = "limit_after_where"
VERIFIED, UNWITNESSED, FAILED = State.VERIFIED, State.UNWITNESSED, State.FAILED


def after(*states: State, between: int = 1) -> State:
    known = {}
    for number, state in enumerate(states):
        known = renewed(known, {NAME: Finding(state, "")}, number * between)
    return known[NAME].state


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ((VERIFIED,), VERIFIED),
        ((VERIFIED, UNWITNESSED), VERIFIED),
        ((VERIFIED, FAILED), FAILED),
        ((FAILED, UNWITNESSED, UNWITNESSED), FAILED),
        ((FAILED, VERIFIED), VERIFIED),
        ((UNWITNESSED, VERIFIED, UNWITNESSED), VERIFIED),
        ((VERIFIED, FAILED, UNWITNESSED), FAILED),
    ],
)
def test_a_round_that_shows_nothing_takes_nothing_back(states, state):
    assert after(*states) is state


def test_what_was_verified_lapses_after_a_day_in_which_nothing_showed_it_but_a_failure_does_not():
    assert after(VERIFIED, UNWITNESSED, between=KEPT) is UNWITNESSED
    assert after(VERIFIED, UNWITNESSED, between=KEPT - 1) is VERIFIED
    assert after(FAILED, UNWITNESSED, UNWITNESSED, between=KEPT) is FAILED


@pytest.mark.parametrize(("said", "found"), list(product((VERIFIED, FAILED), State)))
def test_the_operators_word_wins(said, found):
    known = renewed({}, {NAME: Finding(found, "")}, 0)
    assert getattr(capabilities_of(Capabilities(**{NAME: said}), known), NAME) is said
    assert getattr(capabilities_of(Capabilities(), known), NAME) is found


def test_of_two_findings_a_failure_counts_most_and_nothing_least():
    found = {state: Finding(state, state) for state in State}
    for first, second in product(State, repeat=2):
        states = {first, second}
        expected = FAILED if FAILED in states else VERIFIED if VERIFIED in states else UNWITNESSED
        assert together(found[first], found[second]).state is expected


def test_what_is_told_to_be_refused_is_what_is_refused():
    for name in CAPABILITIES:
        for state in State:
            allowed = Capabilities(**{name: state}).allow(name)
            assert (refused_without(name, state) is None) == allowed
    assert refused_without("totals_are_exact", UNWITNESSED) is None
    assert set(MEANINGS) == set(PROBES)
    assert set(CAPABILITIES) > TRUSTED


class TestSteadily:
    @staticmethod
    def read(*findings: State):
        left = list(findings)

        def probe():
            yield Question("FIND *")
            return Finding(left.pop(0), "")

        return self_driven(steadily(probe)), len(findings) - len(left)

    def test_two_readings_that_agree_count(self):
        assert self.read(VERIFIED, VERIFIED)[0].state is VERIFIED
        assert self.read(FAILED, VERIFIED, VERIFIED)[0].state is VERIFIED

    def test_readings_that_never_agree_show_nothing(self):
        found, _ = self.read(FAILED, VERIFIED, FAILED, VERIFIED)
        assert (found.state, found.why) == (UNWITNESSED, "the answers changed from one reading to the next")

    def test_silence_is_no_failure_and_is_told_from_having_nothing_to_see(self):
        def probe():
            yield Question("FIND *")
            raise AssertionError

        asking = steadily(probe)
        next(asking)
        with pytest.raises(StopIteration) as over:
            asking.throw(Silent("status 503"))
        assert over.value.value == Finding(UNWITNESSED, "no answer: status 503", heard=False)


def self_driven(asking):
    """An upstream that answers everything alike."""
    try:
        next(asking)
        while True:
            asking.send(Said("list", ()))
    except StopIteration as over:
        return over.value

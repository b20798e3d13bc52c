"""Upstreams that die, drown and come back, under many calls: in simulated time, with a seed."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from gateway.authz.outcome import Upstream
from gateway.proxy.addresses import Addresses, Circuit
from gateway.proxy.line import Request
from gateway.proxy.retrying import Ending, RetryBudget, RetryOptions
from gateway.proxy.service import Attempt, Service

QUERY = Request(Upstream.J1QL, "POST", "", "", b"{}")
CHANGE = Request(Upstream.GRAPHQL, "POST", "", "", b"{}")


@dataclass
class Simulation:
    """Calls at a steady rate; `meets(place, now, random)` says how a try ends and how many seconds it takes."""

    count: int
    meets: object
    seed: int = 1
    rate: float = 200.0
    asked: Request = QUERY
    checks: bool = False
    ended: Counter = field(default_factory=Counter)
    tries: Counter = field(default_factory=Counter)

    def __post_init__(self):
        self.random = Random(self.seed)
        options = RetryOptions()
        addresses = Addresses([f"http://{place}" for place in range(self.count)], chance=self.random.random)
        self.service = Service(addresses, RetryBudget(options), options)

    def run(self, seconds):
        order = itertools.count()
        events = [(number / self.rate, next(order), None, None) for number in range(int(seconds * self.rate))]
        if self.checks:
            events += [(now, next(order), "check", None) for now in range(2, int(seconds), 2)]
        heapq.heapify(events)
        while events:
            now, _, attempt, ending = heapq.heappop(events)
            if attempt == "check":
                self.check(now)
                continue
            if attempt is None:
                attempt = Attempt(self.service, self.asked, now)
            elif not attempt.again(ending, now):
                self.ended[ending] += 1
                continue
            place = attempt.address.place
            self.tries[place] += 1
            ending, took = self.meets(place, now, self.random)
            heapq.heappush(events, (now + took, next(order), attempt, ending))
        return self

    def check(self, now):
        for address in self.service.addresses.failing():
            up = self.meets(address.place, now, self.random)[0] is not Ending.UNREACHED
            self.service.addresses.checked(address, now, now, up=up)


WORKS = (Ending.ANSWERED, 0.02)


def dead(*places, ending=Ending.UNREACHED, took=0.001, since=0.0, until=1e9):
    return lambda place, now, _: (ending, took) if place in places and since <= now < until else WORKS


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ending", [Ending.UNREACHED, Ending.BROKEN, Ending.UNAVAILABLE])
@pytest.mark.parametrize(("count", "places"), [(2, {0}), (3, {2}), (4, {1, 3}), (6, {0, 1, 2})], ids=str)
def test_hardly_a_call_reaches_a_dead_address_or_fails_for_it(count, places, ending, seed):
    found = Simulation(count, dead(*places, ending=ending), seed).run(60)
    wasted = sum(found.tries[place] for place in places)
    assert wasted <= len(places) * (5 + 5)  # failures in a row, then trials after 5, 10, 20... seconds
    failed = 60 * 200 - found.ended[Ending.ANSWERED]
    assert failed <= 5 * (len(places) - 1)  # those whose second try went to another one that was not known to be dead


def test_more_dead_addresses_than_may_be_left_out_still_draw_few_calls():
    found = Simulation(4, dead(0, 1, 2)).run(60)
    assert sum(found.tries[place] for place in (0, 1, 2)) < 0.1 * 60 * 200
    assert found.ended[Ending.ANSWERED] >= 60 * 200 - 5 * 2


def test_calls_that_may_not_be_sent_twice_fail_only_until_the_address_is_left_out():
    found = Simulation(2, dead(0, ending=Ending.BROKEN), asked=CHANGE).run(60)
    assert 5 <= found.ended[Ending.BROKEN] <= 10


def test_an_address_that_hangs_costs_the_calls_that_wait_there_and_few_more():
    """The ones that waited when it was noticed; nothing that timed out is sent again."""
    found = Simulation(2, dead(0, ending=Ending.FAILED, took=1.0)).run(60)
    assert found.ended[Ending.FAILED] == found.tries[0]
    assert found.tries[0] < 50


@pytest.mark.parametrize("checks", [True, False])
def test_an_address_that_is_back_has_its_share_again(checks):
    meets = dead(0, since=0.0, until=33.0)
    found = Simulation(2, meets, checks=checks).run(120)
    assert {address.circuit for address in found.service.addresses.all} == {Circuit.CLOSED}
    assert 0.4 < found.tries[0] / (80 * 100) < 1.2
    assert found.ended == Counter({Ending.ANSWERED: 120 * 200})


def test_checks_spare_the_calls_that_would_try_a_dead_address():
    with_checks = Simulation(2, dead(0), checks=True).run(600)
    assert with_checks.tries[0] <= 5
    assert Simulation(2, dead(0)).run(600).tries[0] > with_checks.tries[0]


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("ending", [Ending.UNREACHED, Ending.BROKEN])
def test_a_service_that_fails_altogether_gets_a_fifth_more_and_no_storm(count, ending):
    found = Simulation(count, dead(*range(count), ending=ending)).run(60)
    calls = 60 * 200
    assert found.ended.total() == calls
    assert sum(found.tries.values()) <= calls + 0.2 * calls + 60 + 100 + 1
    assert sum(found.tries.values()) > 1.15 * calls


def test_a_single_address_that_fails_altogether_gets_each_call_once():
    found = Simulation(1, dead(0, ending=Ending.BROKEN)).run(60)
    assert 60 * 200 < found.tries[0] <= 60 * 200 + 5


def test_a_brown_out_is_not_made_worse():
    """Every second try fails, at all addresses: most first tries that fail cannot be paid for a second one."""
    found = Simulation(3, lambda _place, _now, random: (random.choice((Ending.BROKEN, Ending.ANSWERED)), 0.02)).run(60)
    calls = 60 * 200
    assert calls < sum(found.tries.values()) <= 1.2 * calls + 60 + 100 + 1
    assert found.ended[Ending.ANSWERED] > 0.5 * calls


def test_a_service_that_drowns_answers_503_and_is_not_asked_twice_for_it():
    found = Simulation(2, dead(0, 1, ending=Ending.UNAVAILABLE)).run(60)
    assert sum(found.tries.values()) <= 60 * 200 + 20
    assert found.ended[Ending.UNAVAILABLE] == 60 * 200


def test_a_single_address_gets_every_call_through_a_hiccup():
    found = Simulation(1, dead(0, since=10.0, until=11.0, ending=Ending.UNAVAILABLE)).run(20)
    assert found.ended == Counter({Ending.ANSWERED: 19 * 200, Ending.UNAVAILABLE: 200})

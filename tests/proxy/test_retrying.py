"""What is sent once more, how many times, and where."""

from __future__ import annotations

import asyncio

import pytest

from gateway.authz.outcome import Upstream
from gateway.http1 import Reason, Refusal
from gateway.proxy.line import Request
from gateway.proxy.retrying import Ending, RetryBudget, RetryOptions, answered_with, ended_by, may_be_sent_again
from gateway.proxy.service import Attempt, Service
from gateway.proxy.wire import ClientGone, Stop, Unanswered

NO_ANSWER = (Ending.ANSWERED, Ending.FAILED, Ending.LEFT)


class Pieces:
    async def read(self):
        return b""


def request(method="POST", upstream=Upstream.J1QL, body=b"{}"):
    return Request(upstream, method, "", "", body)


READS = [
    request(),
    request("GET", Upstream.PERSISTER, None),
    request("HEAD", Upstream.PERSISTER, None),
    request("OPTIONS", Upstream.GRAPHQL, b""),
]
CHANGES = [
    request("POST", Upstream.GRAPHQL),
    request("POST", Upstream.PERSISTER),
    request("PUT", Upstream.J1QL),
    request("DELETE", Upstream.PERSISTER, None),
]
IN_PIECES = [request(body=Pieces()), request("GET", Upstream.PERSISTER, Pieces())]


def sent_again(asked):
    return {
        (ending, elsewhere)
        for ending in Ending
        for elsewhere in (True, False)
        if may_be_sent_again(asked, ending, elsewhere=elsewhere)
    }


def _named(asked):
    return f"{asked.method} {asked.upstream}"


UNREACHED = {(Ending.UNREACHED, True), (Ending.UNREACHED, False)}
BROKEN = {(Ending.BROKEN, True), (Ending.BROKEN, False)}


@pytest.mark.parametrize("asked", READS, ids=_named)
def test_what_only_reads_is_sent_again_unless_it_was_answered_or_timed_out(asked):
    assert sent_again(asked) == UNREACHED | BROKEN | {(Ending.UNAVAILABLE, True)}


@pytest.mark.parametrize("asked", CHANGES, ids=_named)
def test_what_may_change_something_is_sent_again_only_when_it_certainly_did_not_arrive(asked):
    assert sent_again(asked) == UNREACHED


@pytest.mark.parametrize("asked", IN_PIECES, ids=_named)
def test_what_is_not_at_hand_is_never_sent_again(asked):
    assert sent_again(asked) == set()


@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        (Unanswered(Refusal(Reason.UPSTREAM_UNREACHABLE, ""), sent=False), Ending.UNREACHED),
        (Unanswered(Refusal(Reason.UPSTREAM_FAILED, ""), sent=True), Ending.BROKEN),
        (Stop(Refusal(Reason.UPSTREAM_TIMEOUT, "")), Ending.FAILED),
        (Stop(Refusal(Reason.UPSTREAM_FAILED, "")), Ending.FAILED),
        (Stop(Refusal(Reason.TOO_LARGE, "")), Ending.LEFT),
        (ClientGone(), Ending.LEFT),
        (asyncio.CancelledError(), Ending.LEFT),
        (RuntimeError(), Ending.LEFT),
    ],
    ids=["not connected", "hung up", "timed out", "no use", "body too large", "client gone", "cancelled", "a bug"],
)
def test_how_a_try_ended(fault, ending):
    assert ended_by(fault) is ending


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        *((status, Ending.ANSWERED) for status in (200, 304, 400, 401, 404, 429, 500, 501)),
        (502, Ending.UNAVAILABLE),
        (503, Ending.UNAVAILABLE),
        (504, Ending.FAILED),
    ],
)
def test_what_a_status_says_about_an_address(status, ending):
    assert answered_with(status) is ending


# --- the budget


def spent(budget, now, wanted):
    return sum(budget.spend(now) for _ in range(wanted))


def test_the_budget_is_a_share_of_the_calls_and_some_a_second():
    budget = RetryBudget(RetryOptions(share=0.2, per_second=2, saved=10))
    assert spent(budget, 0, 100) == 10
    budget.calls += 25
    assert spent(budget, 0, 100) == 5
    assert spent(budget, 2, 100) == 4
    budget.calls += 1_000_000
    assert spent(budget, 1_000_000, 100) == 10


def test_a_budget_of_nothing_is_none():
    budget = RetryBudget(RetryOptions(share=0, per_second=0, saved=1))
    assert spent(budget, 0, 10) == 1
    budget.calls += 1_000
    assert spent(budget, 1_000, 10) == 0


# --- the tries of one call


def places(service, *endings, asked=None):
    """Where the tries of one call go that end so."""
    attempt = Attempt(service, asked or request(), 0.0)
    found = [attempt.address.place]
    for ending in endings:
        if not attempt.again(ending, 0.0):
            break
        found.append(attempt.address.place)
    return found


def test_a_call_is_tried_once_more_at_another_address():
    service = Service.at("http://a", "http://b")
    assert sorted(places(service, *[Ending.BROKEN] * 9)) == [0, 1]
    assert {address.pending for address in service.addresses.all} == {0}


def test_a_single_address_is_tried_once_more_but_not_for_what_it_said():
    service = Service.at("http://a")
    assert places(service, Ending.UNREACHED, Ending.ANSWERED) == [0, 0]
    assert places(service, Ending.BROKEN, Ending.BROKEN, Ending.BROKEN) == [0, 0]
    assert places(service, Ending.UNAVAILABLE) == [0]


def test_a_single_address_that_is_known_to_fail_is_tried_once_by_each_call():
    service = Service.at("http://a")
    tries = [len(places(service, Ending.UNREACHED, Ending.UNREACHED)) for _ in range(5)]
    assert tries == [2, 2, 1, 1, 1]
    assert len(places(service, Ending.ANSWERED)) == 1
    assert len(places(service, Ending.UNREACHED)) == 2


def test_an_answer_of_503_is_not_thrown_away_while_no_other_address_works():
    service = Service.at("http://a", "http://b")
    for address in service.addresses.all:
        for _ in range(5):
            address.pending += 1
            service.addresses.failed(address, 0.0, 0.0)
    assert len(places(service, Ending.UNAVAILABLE)) == 1
    assert len(places(service, Ending.BROKEN)) == 2


@pytest.mark.parametrize("ending", NO_ANSWER)
def test_what_ended_otherwise_is_not_tried_again(ending):
    service = Service.at("http://a", "http://b")
    assert len(places(service, ending)) == 1
    assert sum(address.pending for address in service.addresses.all) == 0


def test_retries_can_be_switched_off_or_be_several():
    assert len(places(Service.at("http://a", retries=RetryOptions(most=0)), Ending.UNREACHED)) == 1
    assert len(places(Service.at("http://a", retries=RetryOptions(most=3)), *[Ending.UNREACHED] * 9)) == 4


def test_without_budget_there_is_one_try_and_it_is_told():
    service = Service.at("http://a", retries=RetryOptions(share=0, per_second=0, saved=1))
    assert len(places(service, Ending.UNREACHED)) == 2
    attempt = Attempt(service, request(), 0.0)
    assert not attempt.again(Ending.UNREACHED, 0.0)
    assert attempt.unpaid
    refused = Attempt(service, request(), 0.0)
    assert not refused.again(Ending.FAILED, 0.0)
    assert not refused.unpaid

"""Which conditions of policies wait to be probed; and the rules that follow from what was found."""

from __future__ import annotations

import sys

from gateway.authz import Capabilities, Mode, Rules, State
from gateway.authz.outcome import Batch, Check, Deny, Forward, GraphQLRequest, Grounds, Pass, Queried, Seal, Upstream
from gateway.http1 import Reason, Refusal
from gateway.policy import Condition, Predicate
from gateway.proxy import ConditionOptions, Conditions, Rulebook


def predicate(value: str) -> Predicate:
    return Predicate((Condition((("p", (value,)),)),))


def planned(value: str) -> Forward:
    its = predicate(value)
    seal = Seal("key", its, Mode.STRICT, "", "")
    check = Check(predicate=its, shape="list", hidden=(), page=250, seal=seal, cursor=None, request={})
    return Forward(Upstream.J1QL, "POST", "", "", None, check, Grounds())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def waiting(conditions: Conditions) -> list[tuple[str, Predicate]]:
    return list(iter(conditions.take, None))


def test_each_condition_waits_once_for_each_organization():
    conditions = Conditions(ConditionOptions())
    for organization, value in (("a", "x"), ("a", "x"), ("a", "y"), ("b", "x")):
        conditions.note(organization, planned(value))
    assert waiting(conditions) == [("a", predicate("x")), ("a", predicate("y")), ("b", predicate("x"))]
    conditions.note("a", planned("x"))
    assert not waiting(conditions)


def test_the_operations_of_graphql_bring_that_of_their_key_along():
    request = GraphQLRequest("{ queryV1 }", {}, None)
    queried = Queried(request, (("a", planned("x").answer), ("b", planned("x").answer)), Grounds(), "strict")
    conditions = Conditions(ConditionOptions())
    conditions.note("a", queried)
    conditions.note("b", Batch((Deny(Refusal(Reason.NOT_ALLOWED, "")), queried)))
    assert waiting(conditions) == [("a", predicate("x")), ("b", predicate("x"))]


def test_a_probe_stands_for_a_day_and_for_a_minute_where_nobody_answered():
    clock = Clock()
    conditions = Conditions(ConditionOptions(), clock=clock)
    for unheard, stands in ((False, 86_400), (True, 60)):
        conditions.note("a", planned("x"))
        (found,) = waiting(conditions)
        if unheard:
            conditions.unheard(found)
        clock.now += stands - 1
        conditions.note("a", planned("x"))
        assert not waiting(conditions)
        clock.now += 1


def test_no_more_wait_than_there_is_room_for_and_the_others_are_noted_when_they_come_again():
    conditions = Conditions(ConditionOptions(room=2))
    for value in "xyz":
        conditions.note("a", planned(value))
    assert [each.allows for _, each in waiting(conditions)] == [predicate("x").allows, predicate("y").allows]
    conditions.note("a", planned("z"))
    assert waiting(conditions) == [("a", predicate("z"))]


def test_no_more_are_remembered_than_there_is_room_for():
    conditions = Conditions(ConditionOptions(remembered=1))
    for value in "xy":
        conditions.note("a", planned(value))
    assert len(waiting(conditions)) == 2
    conditions.note("a", planned("y"))
    assert not waiting(conditions)
    conditions.note("a", planned("x"))
    assert waiting(conditions) == [("a", predicate("x"))]


def test_what_is_remembered_of_a_condition_is_not_the_condition():
    """Whoever makes keys makes any number of them, of 65 KB each."""
    conditions, plan = Conditions(ConditionOptions()), planned("x")
    before = sys.getrefcount(plan.answer.predicate)
    conditions.note("a", plan)
    while_it_waits = sys.getrefcount(plan.answer.predicate)
    waiting(conditions).clear()
    after = sys.getrefcount(plan.answer.predicate)
    assert (while_it_waits, after) == (before + 1, before)
    conditions.note("a", plan)
    assert not waiting(conditions)


def test_plans_without_a_condition_and_conditions_that_are_switched_off_wait_for_nothing():
    conditions = Conditions(ConditionOptions())
    conditions.note("a", Forward(Upstream.J1QL, "POST", "", "", b"{}", Pass(), Grounds()))
    conditions.note("a", Deny(Refusal(Reason.NOT_ALLOWED, "")))
    off = Conditions(ConditionOptions(on=False))
    off.note("a", planned("x"))
    assert not waiting(conditions)
    assert not waiting(off)


def test_what_was_learnt_of_one_organization_is_no_other_ones():
    book = Rulebook(Rules(page=7))
    learnt = Capabilities(limit_after_where=State.VERIFIED)
    book.learn("a", learnt)
    book.doubt("b", predicate("x"), doubted=True)
    assert (book.of("a").capabilities, book.of("a").doubted, book.of("a").page) == (learnt, frozenset(), 7)
    assert (book.of("b").capabilities, book.of("b").doubted) == (Capabilities(), {predicate("x")})
    assert book.of("c") is book.common


def test_a_plan_that_is_being_made_keeps_the_rules_that_it_began_with():
    book = Rulebook(Rules())
    book.doubt("a", predicate("x"), doubted=True)
    before = book.of("a")
    book.learn("a", Capabilities(negation_binds=State.FAILED))
    assert before.capabilities == Capabilities()
    assert book.of("a").doubted == {predicate("x")}
    book.doubt("a", predicate("x"), doubted=False)
    assert book.of("a").doubted == frozenset()
    assert book.of("a").capabilities.negation_binds is State.FAILED

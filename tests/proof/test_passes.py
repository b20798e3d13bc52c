"""Each pass of narrowing is needed: without it the law is broken within 10^4 cases, so the agreement would show it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest

from gateway.authz.capabilities import Mode
from gateway.authz.narrow import PASSES
from gateway.authz.narrow.columns import add_hidden_columns
from gateway.authz.narrow.conjoin import conjoin_predicate
from gateway.authz.narrow.draft import Pass
from gateway.authz.narrow.full_text import impose_order
from gateway.authz.narrow.variables import fill_variables
from gateway.authz.narrow.walk import is_aggregated
from gateway.j1ql import parse
from gateway.sandbox.dialect import ListCell
from proof.agreement import outcomes
from proof.cases import Case
from proof.generate import QUERIES, drawn
from proof.law import WITHHELD, Outcome, predicate_of

MOST = 10_000


def tried(passes: tuple[Pass, ...], wanted: str | None = None) -> Iterator[tuple[Case, Outcome]]:
    """Cases, refused ones as well."""
    random = Random(1)
    rounds = (drawn(random, mode, (wanted,) * QUERIES) for _ in range(MOST) for mode in Mode)
    return islice(((case, outcome) for each in rounds for case, outcome, _ in outcomes(each, passes)), MOST)


def without(*left_out: Pass) -> tuple[Pass, ...]:
    return tuple(each for each in PASSES if each not in left_out)


@pytest.mark.parametrize("left_out", without(fill_variables, add_hidden_columns), ids=lambda each: each.__name__)
def test_a_pass_that_is_left_out_is_caught(left_out):
    found = tried(without(left_out), "full text" if left_out is impose_order else None)
    assert any(outcome.agrees is False for _, outcome in found)


def test_without_variables_filled_in_no_query_with_one_is_answered():
    """What is left of them is refused, so no answer is wrong; the agreement finds no case with a variable to count."""
    found = [outcome for case, outcome in islice(tried(without(fill_variables), "variable"), 1000) if case.variables]
    assert found
    assert all(outcome.agrees is None for outcome in found)


def test_hidden_columns_catch_what_narrowing_lets_through_in_plain_tables():
    """They change no answer of a right narrowing, so another fault is made for them to find: P on no selector."""
    found = [outcome for case, outcome in tried(without(conjoin_predicate)) if outcome.got and is_plain_table(case)]
    assert sum(outcome.got is WITHHELD for outcome in found) > 100
    assert all(outcome.agrees or outcome.got is WITHHELD for outcome in found)


def test_hidden_columns_that_are_left_out_let_it_through():
    found = tried(without(conjoin_predicate, add_hidden_columns))
    assert any(
        outcome.agrees is False and outcome.got is not WITHHELD for case, outcome in found if is_plain_table(case)
    )


def is_plain_table(case: Case) -> bool:
    """Whether each row shows all the objects that it depends on: no aggregate, negation, window or subquery.

    Nor lists as joined text, which a text with a comma could be taken for, nor a DENY of such a text.
    """
    if any(part in case.query for part in ("THAT !", "(FIND", "LIMIT", "SKIP")):
        return False
    if case.dialect.list_cell is not ListCell.LIST or denies_a_comma(case):
        return False
    query = parse(case.query)
    return isinstance(query.returns, tuple) and not is_aggregated(query) and case.capabilities.allow("cells_hold_lists")


def denies_a_comma(case: Case) -> bool:
    predicate = predicate_of(case.permissions)
    return any("," in value for condition in predicate.denies for _, values in condition.equals for value in values)

"""What calibration says of an upstream is true of it, whatever its dialect and manner of serving.

on live data   never `verified` where it is false, never `failed` where it is true
by canaries    `verified` where it is true, `failed` where it is false: nothing is left unwitnessed
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from random import Random

import pytest

from calibration.interview import RUN, Upstream
from gateway.authz.calibration import PROBES
from gateway.authz.capabilities import CAPABILITIES, State
from gateway.sandbox.dialect import PLAINEST, Dialect
from gateway.sandbox.graph import Graph
from gateway.sandbox.queries import PLAINLY, Serving
from proof.truths import assumed, truths

NATURAL = "cd34"
"""Canaries of another run stand for live data that has all that can be looked for."""

SERVED = {
    "walk": 100,
    "partitions": (7, 1, 40),
    "estimates": True,
    "unknown_names_fail": True,
    "parameters_as_text": True,
    "relationships_found": True,
}


def other_values(name: str) -> tuple[object, ...]:
    usual = getattr(PLAINEST, name)
    values = (False, True) if isinstance(usual, bool) else tuple(type(usual))
    return tuple(value for value in values if value != usual)


def singly() -> Iterator[Serving]:
    yield PLAINLY
    for each in fields(Dialect):
        for value in other_values(each.name):
            yield Serving(replace(PLAINEST, **{each.name: value}))
    for name, value in SERVED.items():
        yield replace(PLAINLY, **{name: value})


def together(seed: int) -> Serving:
    """Each switch with a chance of a third."""
    random = Random(seed)
    names = [each.name for each in fields(Dialect) if random.random() < 0.3]
    dialect = replace(PLAINEST, **{name: random.choice(other_values(name)) for name in names})
    return Serving(dialect, **{name: value for name, value in SERVED.items() if random.random() < 0.3})


def told(serving: Serving) -> str:
    unusual = [*differences(serving.dialect, PLAINEST), *differences(serving, PLAINLY)]
    return ", ".join(unusual) or "plainest"


def differences(value: object, usual: object) -> Iterator[str]:
    for each in fields(value):
        if each.name != "dialect" and getattr(value, each.name) != getattr(usual, each.name):
            yield f"{each.name}={getattr(value, each.name)}"


def true_of(serving: Serving) -> dict[str, bool]:
    """What holds where answers are served so."""
    return (
        truths(serving.dialect)
        | assumed(serving.dialect)
        | {
            "parameters_by_value": not serving.parameters_as_text,
            "unknown_names_are_empty": not serving.unknown_names_fail,
            "totals_are_exact": not serving.estimates,
            "pages_tell_nothing": not serving.walk,
            "find_gives_entities": not serving.relationships_found,
        }
    )


ALL = [*singly(), *map(together, range(20))]


@pytest.mark.parametrize("serving", ALL, ids=told)
def test_what_live_data_shows_is_true(serving: Serving):
    upstream, true = Upstream(serving=serving), true_of(serving)
    upstream.plant(NATURAL)
    for name, finding in upstream.live().items():
        untrue = State.FAILED if true[name] else State.VERIFIED
        assert finding.state is not untrue, (name, finding)


@pytest.mark.parametrize("serving", ALL, ids=told)
def test_canaries_show_everything(serving: Serving):
    upstream, true = Upstream(serving=serving), true_of(serving)
    upstream.plant(RUN)
    expected = {name: State.VERIFIED if holds else State.FAILED for name, holds in true.items()}
    found = upstream.by_canaries()
    assert {name: finding.state for name, finding in found.items()} == expected, found


def test_all_that_is_probed_has_a_dialect_in_which_it_is_false():
    false = {name for serving in singly() for name, holds in true_of(serving).items() if not holds}
    assert false == set(PROBES)
    assert set(CAPABILITIES) <= set(PROBES)


def test_live_data_of_the_example_company_shows_what_needs_no_rare_objects():
    found = Upstream().live()
    rare = {"paths_are_matches", "smart_class_binds", "parameters_by_value"}
    assert {name for name, finding in found.items() if finding.state is State.VERIFIED} == set(PROBES) - rare
    assert not any(finding.state is State.FAILED for finding in found.values())


def test_an_empty_graph_shows_nothing_but_what_needs_no_object():
    found = Upstream(graph=Graph()).live()
    assert {name for name, each in found.items() if each.state is not State.UNWITNESSED} == {"unknown_names_are_empty"}

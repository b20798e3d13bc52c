"""The audit trail's chains: what was done to a trail is found, at the first event that does not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.chain import BEGINNING, Check, Head, followed, link


def row(number, organization="acme", **changed):
    said = {"id": number, "at": number, "actor": "eve", "organization_id": organization, "event": "key.create"}
    return said | {"subject": f"key-{number}", "details": "{}"} | changed


def trail(*organizations):
    """Rows and hashes as they are stored, and the recorded heads."""
    stored, heads = [], {}
    for number, organization in enumerate(organizations, 1):
        one = row(number, organization)
        heads[organization] = followed(heads.get(organization), one, organization)
        stored.append((one, heads[organization].hash))
    return stored, list(heads.values())


def checked(stored, heads, noted=()):
    check = Check({head.organization: head for head in noted})
    for one, claimed in stored:
        check.take(one, claimed)
    return {verdict.head.organization: verdict for verdict in check.end(heads)}


def fault(stored, heads, noted=(), organization="acme"):
    return checked(stored, heads, noted)[organization].fault


def test_the_format_is_for_ever():
    assert link(BEGINNING, row(1)) == "9231ad88ba6f8645cb99d523c9cba84259620b4bc2e11c8aedfba4eed99cc3ea"
    assert (
        link(link(BEGINNING, row(1)), row(2, None, details='{"name": "Ācme"}'))
        == "2750a55e52d5f999a00ea94a063126dfd402ade754fef3b34c2a31d7c475a841"
    )


def test_a_trail_that_nobody_touched_fits_and_tells_its_heads():
    stored, heads = trail("acme", None, "other", "acme", None)

    assert checked(stored, heads).keys() == {None, "acme", "other"}
    assert [verdict.head for verdict in checked(stored, heads, heads).values()] == sorted(
        heads, key=lambda head: head.organization or ""
    )
    assert {verdict.fault for verdict in checked(stored, heads, heads).values()} == {None}


def test_no_events_are_a_trail():
    assert checked([], []) == {}


TOUCHED = {
    "changed": lambda stored: stored[1][0].update(actor="adam"),
    "removed": lambda stored: stored.pop(1),
    "the first removed": lambda stored: stored.pop(0),
    "moved": lambda stored: stored.insert(1, stored.pop(2)),
    "inserted": lambda stored: stored.insert(1, (row(9), link(stored[0][1], row(9)))),
    "written twice": lambda stored: stored.insert(1, stored[0]),
    "given to another organization": lambda stored: stored[1][0].update(organization_id="other"),
    "made bytes": lambda stored: stored[1][0].update(subject=b"key-2"),
    "without a hash": lambda stored: stored.__setitem__(1, (stored[1][0], "")),
}
FIRST_THAT_DOES_NOT_FIT = {
    "removed": 3,
    "the first removed": 2,
    "moved": 3,
    "inserted": 2,
    "written twice": 1,
    "given to another organization": 3,
}


@pytest.mark.parametrize("how", TOUCHED)
def test_what_was_done_in_the_middle_is_found_at_the_first_event_that_does_not_fit(how):
    stored, heads = trail("acme", "acme", "acme", "acme")
    TOUCHED[how](stored)

    found = fault(stored, heads)

    assert found.startswith(f"event {FIRST_THAT_DOES_NOT_FIT.get(how, 2)} (`key.create` of ")
    assert "does not fit" in found


def test_what_is_removed_at_the_end_is_found_by_the_record():
    stored, heads = trail("acme", "acme", "acme")

    assert fault(stored[:2], heads) == "3 events are on record, 2 are there: some were removed or added at the end"
    assert "3 events are on record, 0 are there" in fault([], heads)


def test_what_is_added_at_the_end_is_found_by_the_record():
    stored, heads = trail("acme", "acme", "acme")

    assert "2 events are on record, 3 are there" in fault(stored, [replace(heads[0], events=2)])
    assert fault(stored, [replace(heads[0], hash=BEGINNING)]) == "the newest event is not the one on record"
    assert fault(stored, []) == "3 events are there, and no record of their number"


def test_a_trail_cut_off_with_its_record_is_found_by_what_was_noted():
    _, noted = trail("acme", "acme", "acme")
    stored, heads = trail("acme", "acme")

    assert fault(stored, heads) is None
    assert fault(stored, heads, noted) == "3 events were noted, 2 are there: the newest were removed"
    assert fault([], [], noted) == "3 events were noted, 0 are there: the newest were removed"


def test_a_trail_made_anew_is_found_by_what_was_noted():
    stored, heads = trail("acme", "acme", "acme")
    noted = Head("acme", 2, link(link(BEGINNING, row(1)), row(2, actor="adam")))

    assert fault(stored, heads) is None
    assert (
        fault(stored, heads, [noted])
        == "event 2 (`key.create` of `key-2`) is not the event that was noted: the chain was made anew"
    )


def test_a_chain_that_goes_on_after_it_was_noted_fits():
    _, noted = trail("acme", "acme")
    stored, heads = trail("acme", "acme", "acme")

    assert fault(stored, heads, noted) is None


def test_a_fault_in_one_chain_says_nothing_of_the_others():
    stored, heads = trail("acme", "other", "acme", "other")
    stored[0][0]["actor"] = "adam"

    found = checked(stored, heads)

    assert found["acme"].fault is not None
    assert found["acme"].head == Head("acme", 0, BEGINNING)
    assert found["other"].fault is None


ORGANIZATIONS = st.sampled_from([None, "a", "b"])


@given(st.lists(ORGANIZATIONS, min_size=2, max_size=8), st.data())
def test_any_other_order_or_choice_of_the_events_is_found(organizations, data):
    stored, heads = trail(*organizations)
    which = data.draw(st.lists(st.integers(0, len(stored) - 1), max_size=10))
    chosen = [stored[number] for number in which]

    verdicts = checked(chosen, heads).values()

    def in_chains(some):
        chains = {}
        for one, claimed in some:
            chains.setdefault(one["organization_id"], []).append(claimed)
        return chains

    assert any(verdict.fault for verdict in verdicts) == (in_chains(chosen) != in_chains(stored))

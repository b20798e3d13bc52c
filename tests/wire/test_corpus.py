"""The corpus of calls against the listener: what its handler sees, however the bytes are cut into segments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from wire.cases import Case, End, message
from wire.corpus import framing, heads, pipelines
from wire.room import Room, Seen, Told, segmentations

CASES = [*heads.ALL, *framing.ALL, *pipelines.ALL]
EVERY = bool(os.environ.get("GATEWAY_WIRE_EVERY_SPLIT"))
"""Each message of up to 200 bytes in two at every place, not only at the telling ones; some minutes."""

NEXT = message(b"GET /next HTTP/1.1", b"Connection: close")
"""The call that follows each case: who slips by a byte will not read it."""

REFUSALS = {400, 405, 413, 414, 417, 431, 501, 505}
"""Neither a time-out nor a fault of ours."""


@dataclass
class Replayed:
    """A case in one segmentation; `seen` are the whole calls before the one that follows each case."""

    segments: list[bytes] = field(repr=False)
    told: Told
    seen: list[Seen]
    end: End


@pytest.fixture(scope="module")
def replay():
    """What came of a case in each of its segmentations."""

    def played(case: Case) -> Iterator[Replayed]:
        for cut in segmentations(case.data + NEXT, case.name, every=EVERY):
            told = room.replay(cut, methods=case.methods, patient=cut[1:] == [])
            yield Replayed(cut, told, *ending(told))

    with Room() as room:
        yield played


def ending(told: Told) -> tuple[list[Seen], End]:
    whole = [seen for seen in told.seen if seen.whole]
    if whole and whole[-1].target == b"/next":
        return whole[:-1], End.NEXT
    if told.answers and told.answers[-1].status >= 400:
        return whole, End.REFUSED
    return whole, End.CLOSED


def test_the_cases_have_names_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_call_is_read_in_one_way_however_it_is_cut(replay, case):
    for each in replay(case):
        assert [seen.call for seen in each.seen] == list(case.calls), (case.why, each)
        assert (each.end, each.told.ended) == (case.end, True), (case.why, each)
        told = [got.body for got in each.told.answers if got.status == 200 and got.body != b"/next"]
        assert told == [b"" if call.method == "HEAD" else call.target for call in case.calls], each
        if each.end is End.NEXT:
            assert each.told.seen[-1].headers == ((b"host", b"a"), (b"connection", b"close")), (case.why, each)
        if each.end is End.REFUSED:
            (*_, last) = each.told.answers
            assert (last.whole, last.closes) == (True, True), each
            assert last.status in REFUSALS, each

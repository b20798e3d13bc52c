"""The corpus of calls against the listener: what its handler sees, however the bytes are cut into segments."""

from __future__ import annotations

import os
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

MISREAD: dict[str, list[str]] = {
    "the trailers of a body become headers of the next call": [
        "a trailer",
        "two trailers",
        "a credential in a trailer",
    ],
    "the parser skips a bare CR before a request line": ["a CR before the call"],
    "a head of another protocol that comes byte by byte is taken for HTTP/1.0": ["RTSP"],
}
"""Names of cases in which a call is read that is none, by the reason."""

LESS_THAN_ASKED: dict[str, list[str]] = {
    "calls that come in one segment with what is refused are refused along with it": [
        "a call in a header",
        "garbage after a call",
        "garbage after fifty calls",
        "garbage after a body",
        "a byte more than the length",
        "a byte after the chunks",
        "garbage after chunks",
        "a call that is refused in the middle",
        "a method that is refused in the middle",
        "broken chunks in the middle",
        "a head too large in the middle",
    ],
    "a last call that comes in one segment with more is refused along with it": [
        "Connection: close",
        "CLOSE",
        "close in a list",
        "close in a second line",
        "close with white space",
        "close after a body",
        "HTTP/1.0",
        "HTTP/1.0 with a body",
        "HTTP/1.0 that closes",
        "the last call in the middle",
        "garbage after the last call",
        "HTTP/1.0 in the middle",
    ],
    "that the end of a body is malformed is not noticed before its time is up": [
        "minus zero",
        "bare LF after the last size",
        "a trailer without a colon",
        "a call for a trailer",
        "bare LF before the end",
    ],
}
"""Names of cases in which no call is misread, but which end in another way than they should, by the reason."""


@dataclass
class Replayed:
    """A case in one segmentation; `seen` are the whole calls before the one that follows each case."""

    segments: list[bytes] = field(repr=False)
    told: Told
    seen: list[Seen]
    end: End


@pytest.fixture(scope="module")
def replayed():
    """What came of a case in each of its segmentations; it is played once."""
    known: dict[str, list[Replayed]] = {}

    def replay(case: Case) -> list[Replayed]:
        if case.name not in known:
            cuts = segmentations(case.data + NEXT, case.name, every=EVERY)
            played = [(cut, room.replay(cut, methods=case.methods, patient=cut[1:] == [])) for cut in cuts]
            known[case.name] = [Replayed(cut, told, *ending(told)) for cut, told in played]
        return known[case.name]

    with Room() as room:
        yield replay


def ending(told: Told) -> tuple[list[Seen], End]:
    whole = [seen for seen in told.seen if seen.whole]
    if whole and whole[-1].target == b"/next":
        return whole[:-1], End.NEXT
    if told.answers and told.answers[-1].status >= 400:
        return whole, End.REFUSED
    return whole, End.CLOSED


def cases(known: dict[str, list[str]]) -> list:
    marks = {name: pytest.mark.xfail(strict=False, reason=reason) for reason, names in known.items() for name in names}
    assert set(marks) <= {case.name for case in CASES}
    return [pytest.param(case, id=case.name, marks=marks.get(case.name, ())) for case in CASES]


def test_the_cases_have_names_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", cases(MISREAD))
def test_no_call_is_ever_read_otherwise(replayed, case):
    """Fewer than there are, perhaps; but no other calls, and none after something that is none."""
    for each in replayed(case):
        expected = case.calls[: len(each.seen)]
        assert [seen.call for seen in each.seen] == list(expected), (case.why, each)
        if each.end is End.NEXT:
            assert each.told.seen[-1].headers == ((b"host", b"a"), (b"connection", b"close")), (case.why, each)
        assert each.end in case.end | End.REFUSED, (case.why, each)
        told = [got.body for got in each.told.answers if got.status == 200 and got.body != b"/next"]
        assert told == [b"" if call.method == "HEAD" else call.target for call in expected], each


@pytest.mark.parametrize("case", cases(LESS_THAN_ASKED | MISREAD))
def test_a_call_is_read_in_one_way_however_it_is_cut(replayed, case):
    for each in replayed(case):
        assert each.end in case.end, (case.why, each)
        assert each.told.ended, each
        if case.end & End.REFUSED and case.end != End.REFUSED and each.end is End.REFUSED:
            continue  # our own choice; what was read of it is judged above
        assert [seen.call for seen in each.seen] == list(case.calls), (case.why, each)
        if each.end is End.REFUSED:
            (*_, last) = each.told.answers
            assert last.whole, each
            assert last.closes, each
            assert last.status in {400, 405, 413, 414, 417, 431, 501, 505}, (
                "neither a time-out nor a fault of ours",
                each,
            )

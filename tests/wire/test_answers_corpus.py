"""The corpus of answers against the client: what is read of them, and what the next request on the connection gets."""

from __future__ import annotations

import asyncio

import pytest

from gateway.http1 import Reason
from gateway.proxy import UpstreamOptions, Upstreams
from wire.asking import Outcome, ask
from wire.corpus import answers
from wire.corpus.answers import ALL, Case
from wire.room import segmentations
from wire.scripted import Connection, Script, says, scripted

AGAIN = answers.answer(b"Content-Length: 5", body=b"again")
PATIENT = UpstreamOptions(connect_seconds=5, answer_seconds=2, idle_seconds=2, send_seconds=5)


def test_the_cases_have_names_of_their_own():
    assert len({case.name for case in ALL}) == len(ALL)


def first_says(case: Case, segments: list[bytes]) -> Script:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.say(*segments)
        if not case.close:
            await says(AGAIN)(connection)

    return script


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in ALL])
async def test_an_answer_is_read_in_one_way_however_it_is_cut(case):
    for segments in segmentations(case.data, case.name, every=False) if case.data else [[]]:
        async with scripted(first_says(case, segments), says(AGAIN)) as upstream, Upstreams(PATIENT) as upstreams:
            first = await ask(upstreams, upstream.url, case.method)
            shown = (case.why, first, [segment[:80] for segment in segments[:80]])
            assert_as_said(case, first, shown)
            if case.close:
                await upstream.idle()
            await asyncio.sleep(0.002)  # what was left on the connection is there now
            second = await ask(upstreams, upstream.url)
            assert (second.status, second.whole) == (200, b"again"), (second, *shown)
            assert upstream.connections == (1 if case.reused else 2), shown


def assert_as_said(case: Case, first: Outcome, shown: object) -> None:
    if case.status is None:
        assert (first.status, first.stopped) == (None, Reason.UPSTREAM_FAILED), shown
    elif case.broken:
        assert first.stopped is Reason.UPSTREAM_FAILED, shown
        assert case.body.startswith(first.body), shown
    else:
        assert (first.status, first.whole) == (case.status, case.body), shown
        assert all(name == name.lower() for name, _ in first.headers), shown

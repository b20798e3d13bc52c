"""Clocks that step, and processes that stand still, over HTTP."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing

import pytest
from app.outages import AWAY, INVALID, SERVED, Program, asked, calling, settings, until, world
from stores.followers import statements

from gateway.keys import DAY

NOON = 1_700_000_000_000
LEASE = 2.0


@pytest.fixture
def chosen(postgres, tmp_path):
    url = postgres.new_database()

    def choose(**store):
        return settings(tmp_path, store={"url": url, "lease": LEASE} | store)

    return choose


async def silence():
    """Nothing is said to any database for a while."""
    said = ["?"]
    while said:
        async with statements() as said:
            await asyncio.sleep(0.3)


async def test_a_clock_that_steps_forward_ends_keys_and_no_lease(chosen):
    clock = [NOON]
    async with calling(chosen(lease=3600.0), world=world(clock)) as there:
        short, endless = await there.known(days=1), await there.known(days=700)
        await silence()  # until the last renewal for what was made is over
        async with statements() as said:
            clock[0] += DAY
            assert await there.told(short.secret) == INVALID
            assert await there.told(endless.secret) == SERVED
            assert said == []  # the lease holds: nobody was asked
        clock[0] += 699 * DAY
        assert await there.told(endless.secret) == INVALID
        assert (await there.ready())[0] == 200


async def test_a_clock_that_steps_back_wakes_expired_keys_and_no_revoked_one(chosen):
    """Of its own making: whoever sets the clock says what time it is. What was revoked needs no clock."""
    clock = [NOON]
    async with calling(chosen(lease=3600.0), world=world(clock)) as there:
        expired, revoked = await there.known(days=1), await there.known(days=1)
        assert (await there.revoke(revoked)).status == 200
        clock[0] += DAY
        assert await there.told(expired.secret) == INVALID
        clock[0] -= DAY
        assert await there.told(expired.secret) == SERVED
        assert await there.told(revoked.secret) == INVALID
        assert (await there.ready())[0] == 200


@pytest.mark.parametrize("step", [-30 * 365 * DAY, 365 * DAY])
async def test_a_lease_ends_by_no_clock_that_can_be_set(postgres_alone, tmp_path, step):
    url, clock = postgres_alone.new_database(), [NOON]
    store = {"url": url, "lease": LEASE, "lookup_timeout": 20.0}
    async with calling(settings(tmp_path, store=store), world=world(clock)) as there:
        known = await there.known(days=730)
        postgres_alone.stop()
        stopped = time.monotonic()
        clock[0] += step
        last = 0.0
        while (begun := time.monotonic()) and (told := await there.told(known.secret)) == SERVED:
            last = begun - stopped
            clock[0] += step // 1_000_000  # as often as it may be asked in a lease, the key's end is far away
        assert told == AWAY
        assert last < LEASE


async def both_have_leases(server, url):
    return server.tell(url, "SELECT count(*) FROM followers").strip() == "2"


async def test_a_frozen_process_is_waited_for_and_accepts_nothing_old(chosen, postgres, tmp_path):
    """Neither on a connection that was open before, nor for a call that was sent while it stood still."""
    url = chosen().store.url.get_secret_value()
    async with calling(chosen()) as there:
        program = Program(tmp_path, {"url": url, "lease": LEASE})
        try:
            key, other = await there.known(), await there.known()
            with closing(program.connection()) as early, closing(program.connection()) as late:
                for connection in (early, late):
                    for each in (key, other):
                        assert await asyncio.to_thread(asked, connection, each.secret) == SERVED
                await until(lambda: both_have_leases(postgres, url))
                program.freeze()
                sent = asyncio.ensure_future(asyncio.to_thread(asked, early, key.secret))
                begun = time.monotonic()
                assert (await there.revoke(key)).status == 200
                took = time.monotonic() - begun
                assert await there.told(key.secret) == INVALID
                assert not sent.done()
                program.go_on()

                assert took >= LEASE * 0.9  # the clocks may differ by a tenth
                assert await sent == INVALID
                assert await asyncio.to_thread(asked, late, key.secret) == INVALID
                assert await program.told(key.secret) == INVALID
                assert await asyncio.to_thread(asked, late, other.secret) == SERVED
        finally:
            program.end()

"""Leases while PostgreSQL is away: what is known is served to the end of the lease, and changes wait that out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stores.followers import LOOSE, seconds, until, warm, wired

from gateway.keys import Principal
from gateway.stores import Absent, StoreOptions, StoreUnavailable, Unavailable, make_store
from gateway.stores.leases import LeasedFollowers


@pytest.fixture
async def away(opening: Any, postgres_alone: Any) -> AsyncIterator[Any]:
    """Opens stores on a server that can be mistreated."""
    url = postgres_alone.new_database()
    options = StoreOptions(Path("/nowhere/gateway.db"), url=url, sql_wait=5.0, lookup_timeout=1.0)
    await make_store(options)
    opened = []

    async def open_(**changed: Any) -> Any:
        opened.append(opening(replace(options, **changed)))
        return await opened[-1].__aenter__()

    yield postgres_alone, open_
    for one in reversed(opened):
        await one.__aexit__(None, None, None)


async def test_known_keys_are_served_for_a_lease_while_the_server_is_away(away):
    server, open_ = away
    store = await open_(lease=2.0)
    key, its = await store.new_key()
    await warm(store, its)

    server.stop()
    stopped = time.monotonic()
    assert isinstance(await store.find(its), Principal)
    while isinstance(await store.find(its), Principal):
        served = time.monotonic() - stopped
        await asyncio.sleep(0.01)

    assert served < 2.0
    assert isinstance(await store.find(its), Unavailable)
    with pytest.raises(StoreUnavailable):
        await store.revoke(key)
    server.start()
    assert isinstance(await store.find(its), Principal)
    await warm(store, its)
    await store.revoke(key)
    assert await store.find(its) == Absent("revoked")


async def test_after_a_restart_of_the_server_changes_wake_the_gateways_again(away):
    """Also those whose next renewal is far off: a change would wait for it."""
    server, open_ = away
    store, other = await open_(lease=0.5), await open_(lease=600.0)
    key, its = await store.new_key()
    await warm(other, its)
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"

    for _ in range(2):
        server.stop()
        server.start()
        await until(lambda: server.tell(store.options.url, listening).strip() == "1")

    await warm(other, its)
    await store.revoke(key)
    assert await other.find(its) == Absent("revoked")


async def test_a_server_that_goes_away_after_the_commit_is_waited_out(away):
    """For the longest lease of all gateways, whatever that of the one that makes the change."""
    server, open_ = away
    store, other = await open_(lease=0.2), await open_(lease=1.5)
    key, its = await store.new_key()
    await warm(other, its)

    class GoesAway(LeasedFollowers):
        async def confirmed(self, announced: Any) -> None:
            server.stop()
            await super().confirmed(announced)

    followers = GoesAway(store.registry._database.reading)
    store.registry._database = replace(store.registry._database, followers=followers)
    took = await seconds(store.revoke(key))

    assert isinstance(await other.find(its), Unavailable)
    assert 1.4 < took < 1.5 + LOOSE
    server.start()
    assert await other.find(its) == Absent("revoked")


@pytest.mark.parametrize("lease", [0.0, 0.5])
async def test_after_a_failover_the_old_server_is_not_asked_though_it_lives_on_as_a_standby(away, lease):
    """The address moves to the new primary, while connections that are open would stay with the old one."""
    server, open_ = away
    first = await open_()
    (key, its), (_, others) = await first.new_key(), await first.new_key()
    async with wired(SimpleNamespace(options={"url": first.options.url})) as (wire, near):
        store = await open_(url=near, lease=lease)
        assert isinstance(await store.find(its), Principal)
        server.stop()
        twin = server.twin()
        server.become_standby()
        server.start()
        while isinstance(await store.find(its), Principal):  # noqa: ASYNC110 (the lease ends by itself)
            await asyncio.sleep(0.01)
        for each in (its, others):
            assert isinstance(await store.find(each), Unavailable)
        with pytest.raises(StoreUnavailable):
            await store.new_key()

        twin.start()
        try:
            new = await open_(url=twin.url(first.options.url.rpartition("/")[2]))
            await new.revoke(key)
            wire.lead_to(twin.port)
            async with asyncio.timeout(10 * LOOSE):
                while isinstance(await store.find(its), Unavailable):  # noqa: ASYNC110 (of a server)
                    await asyncio.sleep(0.01)
            assert await store.find(its) == Absent("revoked")
            assert isinstance(await store.find(others), Principal)
            await store.new_key()
        finally:
            twin.stop()
            twin.remove()

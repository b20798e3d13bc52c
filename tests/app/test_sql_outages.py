"""PostgreSQL in trouble, over HTTP: known keys are served for a lease at most or not at all, and 401 means no key."""

from __future__ import annotations

import asyncio
import time

import pytest
from app.outages import AWAY, INVALID, SERVED, calling, nobodys, settings, until
from conftest import PostgresServer
from stores.followers import Wire, statements

from gateway.app import StartError, serving

LEASE = 2.0
PATIENT = {"lookup_timeout": 20.0, "sql_wait": 20.0}
"""A busy machine must not look like an outage."""


@pytest.fixture(scope="module")
def servers():
    """One that the tests of this file mistreat one after the other."""
    server = PostgresServer()
    server.make()
    yield server
    server.stop()
    server.remove()


@pytest.fixture
def server(servers):
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
def chosen(server, tmp_path):
    """Settings on a database of the test's own; a test may replace some of `store`."""
    url = server.new_database()

    def choose(**store):
        return settings(tmp_path, store={"url": url, "lease": LEASE, **PATIENT} | store)

    return choose


async def served_since(there, key, since):
    """Waits until a known key is not served any more; seconds from `since` to when the last call that was began."""
    last = 0.0
    while (begun := time.monotonic()) and (told := await there.told(key.secret)) == SERVED:
        last = begun - since
        await asyncio.sleep(0.01)
    assert told == AWAY
    return last


async def nothing_is_known(there, *keys):
    """No key is served, none is called invalid, nothing can be changed, and it is not ready."""
    for secret in (*(key.secret for key in keys), nobodys()):
        assert await there.told(secret) == AWAY
    assert (await there.revoke(keys[0])).told == AWAY
    status, report = await there.ready()
    assert status == 503
    assert "sql: the database" in report
    assert not await there.store_up("sql")


async def all_is_well(there, known, cold):
    await until(there.is_ready)
    for secret in (known.secret, cold.secret, there.session):
        await there.serves(secret)
    assert (await there.revoke(known)).status == 200
    assert await there.told(known.secret) == INVALID
    await until(lambda: there.store_up("sql"))


async def served_without_asking(there, key):
    """Whether its lease holds."""
    async with statements() as said:
        assert await there.told(key.secret) == SERVED
    return not said


async def test_known_keys_are_served_for_a_lease_while_postgresql_is_away(chosen, server, caplog):
    async with calling(chosen()) as there, calling(chosen(lease=600.0)) as patient:
        known, cold = await there.known(), await there.key()
        await patient.serves(known.secret)
        await until(lambda: served_without_asking(patient, known))
        server.stop()
        stopped = time.monotonic()

        assert await patient.told(known.secret) == SERVED
        assert await there.told(cold.secret) == AWAY
        assert await there.told(nobodys()) == AWAY
        assert (await there.ready())[0] == 503
        assert await served_since(there, known, stopped) < LEASE
        await nothing_is_known(there, known, cold)
        assert await there.metric('gateway_key_lookups_total{level="sql",outcome="unavailable"}') >= 3

        server.start()
        await all_is_well(there, known, cold)
    assert "the lease is not renewed" in caplog.text


async def test_without_a_lease_no_key_is_served_while_postgresql_is_away(chosen, server):
    async with calling(chosen(lease=0)) as there:
        known, cold = await there.known(), await there.key()
        server.stop()

        await nothing_is_known(there, known, cold)

        server.start()
        await all_is_well(there, known, cold)


async def test_with_both_stores_away_the_answers_are_those_without_sql(chosen, server, redis_server):
    async with calling(chosen(redis=redis_server.url)) as there:
        known, cold = await there.known(), await there.key()
        redis_server.kill()
        server.stop()
        stopped = time.monotonic()

        assert await there.told(cold.secret) == AWAY
        assert await served_since(there, known, stopped) < LEASE
        await nothing_is_known(there, known, cold)
        assert not await there.store_up("redis")

        server.start()
        await all_is_well(there, known, cold)  # also without Redis
        assert not await there.store_up("redis")


async def test_a_database_that_can_only_be_read_serves_calls_and_changes_nothing(chosen, server, caplog):
    async with calling(chosen(canary_seconds=0.05)) as there:
        known, cold = await there.known(), await there.key()
        server.tell("postgres", "ALTER SYSTEM SET default_transaction_read_only = on")
        server.tell("postgres", "SELECT pg_reload_conf()")
        try:
            failed = 'gateway_revocation_canaries_total{outcome="failed"}'
            await until(lambda: at_least(there, failed, 1))

            assert (await there.revoke(known)).told == AWAY
            await asyncio.sleep(LEASE)  # no lease is renewed, and each call asks
            for key in (known, cold):
                assert await there.told(key.secret) == SERVED
            assert await there.told(nobodys()) == INVALID
            await until(there.is_ready)
            assert await there.store_up("sql")
        finally:
            server.tell("postgres", "ALTER SYSTEM RESET default_transaction_read_only")
            server.tell("postgres", "SELECT pg_reload_conf()")
        await until(lambda: revoked(there, known))
        assert await there.told(known.secret) == INVALID
    assert "the lease is not renewed" in caplog.text
    assert "read-only transaction" in caplog.text


async def at_least(there, sample, count):
    return await there.metric(sample) >= count


async def revoked(there, key):
    return (await there.revoke(key)).status == 200


async def test_a_standby_is_not_asked(chosen, server):
    """The server comes back as a standby: it lags behind the truth, so what it says is not used."""
    async with calling(chosen()) as there:
        known, cold = await there.known(), await there.key()
        server.stop()
        server.become_standby()
        server.start()
        stopped = time.monotonic()

        await served_since(there, known, stopped)
        for secret in (known.secret, cold.secret, nobodys()):
            assert await there.told(secret) == AWAY
        assert (await there.revoke(known)).told == AWAY
        status, report = await there.ready()
        assert status == 503
        assert "standby" in report
        with pytest.raises(StartError, match="is a standby"):
            async with serving(chosen()):
                pytest.fail("it started")

        server.tell("postgres", "SELECT pg_promote()")
        await all_is_well(there, known, cold)


async def test_a_restored_backup_ends_the_keys_made_since_within_a_lease(chosen, server):
    async with calling(chosen()) as there:
        known = await there.known()
        url = chosen().store.url.get_secret_value()
        dump = server.dump(url)
        lost = await there.known()
        await asyncio.to_thread(server.restore, url, dump)
        restored = time.monotonic()

        last = 0.0
        while (begun := time.monotonic()) and (told := await there.told(lost.secret)) == SERVED:
            last = begun - restored
        assert told == INVALID
        assert last < LEASE
        assert await there.told(known.secret) == SERVED
        assert (await there.revoke(known)).status == 200
        assert await there.told(known.secret) == INVALID
        await until(there.is_ready)


# --- slow: through a wire of ours ---


@pytest.fixture
async def wire(server):
    wire = Wire(server.port)
    listening = await asyncio.start_server(wire.connected, "127.0.0.1", 0)
    wire.port = listening.sockets[0].getsockname()[1]
    yield wire
    wire.go_on()
    listening.close()


async def test_a_slow_postgresql_delays_first_calls_and_changes_alone(chosen, server, wire):
    url = chosen().store.url.get_secret_value().replace(f":{server.port}/", f":{wire.port}/")
    async with calling(chosen(url=url)) as there:
        known, cold = await there.known(), await there.key()
        wire.delay = 0.05

        begun = time.monotonic()
        assert await there.told(cold.secret) == SERVED
        assert time.monotonic() - begun >= 0.05
        assert await there.told(nobodys()) == INVALID
        assert await there.told(known.secret) == SERVED
        assert (await there.revoke(known)).status == 200
        assert await there.told(known.secret) == INVALID
        assert await there.metric("gateway_change_acknowledged_seconds_sum") >= 0.05
        await until(there.is_ready)


async def test_a_postgresql_that_answers_nothing_is_one_that_is_away(chosen, server, wire):
    url = chosen().store.url.get_secret_value().replace(f":{server.port}/", f":{wire.port}/")
    async with calling(chosen(url=url, lookup_timeout=1.0, sql_wait=1.0)) as there:
        known, cold = await there.known(), await there.key()
        wire.stop()
        stopped = time.monotonic()

        assert await there.told(cold.secret) == AWAY
        assert await served_since(there, known, stopped) < LEASE
        assert await there.told(nobodys()) == AWAY
        assert (await there.revoke(known)).told == AWAY
        assert not await there.is_ready()
        assert not await there.store_up("sql")

        wire.go_on()
        await all_is_well(there, known, cold)

"""Entries in Redis: an older one never replaces a newer one, and keys that were revoked leave tombstones."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest
import redis

from gateway.keys import Principal
from gateway.stores import Absent, Organization, StoreOptions, create
from gateway.stores.journal import Mark, Record
from gateway.stores.redis import RedisLevel
from gateway.stores.redis_connection import RedisConnection


def name(its):
    return f"gateway:key:{its}"


@pytest.fixture
def raw(redis_url):
    """Redis itself, to look into."""
    with redis.Redis.from_url(redis_url) as raw:
        yield raw


class Faults(list):
    """An observer of faults alone."""

    def redis_failed(self, fault):
        self.append(fault)


@pytest.fixture
async def level(redis_url):
    """The level alone."""
    options, faults = StoreOptions(Path("nowhere.db"), redis_timeout=10.0), Faults()
    connection = RedisConnection(options, redis_url, faults, time.monotonic)
    yield RedisLevel(connection, options, faults)
    await connection.close()
    assert faults == []


@pytest.mark.parametrize("forgotten", [False, True], ids=["script known", "script forgotten"])
async def test_an_older_record_never_replaces_a_newer_one(level, raw, unknown, forgotten):
    at = [Record(unknown, Mark(seq, seq), None, f"at {seq}") for seq in (9, 10, 11, 10**15)]
    kept = []
    for which in (1, 0, 2, 1, 0, 3, 2):
        if forgotten:
            raw.script_flush()
        await level.put(at[which])
        kept.append((await level.get(unknown)).at.seq)

    assert kept == [10, 10, 11, 11, 11, 10**15, 10**15]


async def test_of_two_histories_with_the_same_number_the_later_writer_wins(level, unknown):
    for nonce in (1, 2, 1):
        await level.put(Record(unknown, Mark(9, nonce), None, "revoked"))
        assert (await level.get(unknown)).at == Mark(9, nonce)


async def test_writers_at_once_leave_the_newest(level, unknown):
    records = [Record(unknown, Mark(seq, seq), None, "revoked") for seq in range(50)]
    random.shuffle(records)

    await asyncio.gather(*map(level.put, records))

    assert (await level.get(unknown)).at.seq == 49


async def test_a_revoked_key_leaves_a_tombstone_for_the_others(opened, redis_url, raw):
    store = await opened(redis_url=redis_url)
    key, its = await store.new_key()
    await store.find(its)
    await store.revoke(key)
    assert await store.find(its) == Absent("revoked")
    assert 0 < raw.ttl(name(its)) <= 300
    cold = await opened(redis_url=redis_url)

    assert [await cold.find(its) for _ in range(2)] == [Absent("revoked")] * 2
    assert cold.seen.take() == {("memory", "miss"): 1, ("redis", "absent"): 1, ("memory", "absent"): 1}


async def test_a_newer_entry_of_another_history_does_not_keep_ours_out(opened, path, redis_url, raw, tmp_path):
    create(tmp_path / "other.db")
    other, store = await opened(path=tmp_path / "other.db", redis_url=redis_url), await opened(redis_url=redis_url)
    for _ in range(9):
        await other.new_key()
    key, its = await other.new_key()
    await other.find(its)
    async with store.registry.change() as change:
        await change.add_organization(Organization("acme", "Acme"))
        await change.add_identity(key.identity)
        await change.add_key(key, its)

    assert isinstance(await store.find(its), Principal)

    assert store.seen.take()["redis", "stale"] == 1
    cold = await opened(redis_url=redis_url)
    assert isinstance(await cold.find(its), Principal)
    assert cold.seen.take()["redis", "found"] == 1

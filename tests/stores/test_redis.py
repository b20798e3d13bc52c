"""Redis wrong in every way: the answer comes from the database, and Redis is left alone for a while."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing, suppress

import pytest
import redis
from stores.redis_servers import Wire

from gateway.keys import Principal
from gateway.stores import Absent, StoreError, create


def name(its):
    return f"gateway:key:{its}"


@pytest.fixture
def raw(redis_url):
    """Redis itself, to look into and to tamper with."""
    with redis.Redis.from_url(redis_url) as raw:
        yield raw


# --- what it is for -----------------------------------------------------------------------------------------------


async def test_what_one_process_has_read_another_gets_from_redis(opened, redis_url):
    first, second = await opened(redis_url=redis_url), await opened(redis_url=redis_url)
    _, its = await first.new_key()

    assert await first.find(its) == await second.find(its)

    assert first.seen.take() == {("memory", "miss"): 1, ("redis", "miss"): 1, ("sql", "found"): 1}
    assert second.seen.take() == {("memory", "miss"): 1, ("redis", "found"): 1}


async def test_a_record_in_redis_ends_by_itself(opened, redis_url, raw):
    store = await opened(redis_url=redis_url, redis_ttl=300)
    _, its = await store.new_key()
    await store.find(its)

    assert 0 < raw.ttl(name(its)) <= 300


async def test_absent_digests_take_no_room_in_redis(opened, redis_url, raw, unknown):
    store = await opened(redis_url=redis_url)

    await store.find(unknown)

    assert not raw.exists(name(unknown))


# --- old, foreign and broken data ---------------------------------------------------------------------------------


async def test_old_data_in_redis_cannot_revive_a_revoked_key(opened, redis_url, raw):
    store = await opened(redis_url=redis_url)
    key, its = await store.new_key()
    await store.find(its)
    old = raw.get(name(its))
    await store.revoke(key)
    raw.set(name(its), old)
    cold = await opened(redis_url=redis_url)

    assert await cold.find(its) == Absent("revoked")
    assert await store.find(its) == Absent("revoked")
    assert cold.seen.take()["redis", "stale"] == 1
    assert b'"why":"revoked"' in raw.get(name(its))


async def test_a_record_of_another_database_is_not_used(opened, path, redis_url, tmp_path):
    create(tmp_path / "other.db")
    other, store = await opened(path=tmp_path / "other.db", redis_url=redis_url), await opened(redis_url=redis_url)
    _, its = await other.new_key()
    await store.new_key()  # the same numbers in both histories
    await other.find(its)

    assert await store.find(its) == Absent("unknown")
    assert store.seen.take()["redis", "stale"] == 1


@pytest.mark.parametrize("number", [10**6, 10**30, -1])
async def test_a_record_of_no_point_of_the_history_is_not_used(opened, redis_url, raw, number):
    store = await opened(redis_url=redis_url)
    key, its = await store.new_key()
    await store.find(its)
    value = json.loads(raw.get(name(its)).partition(b" ")[2])
    value["record"]["at"]["seq"] = number
    await store.revoke(key)
    raw.set(name(its), f"{number} {json.dumps(value)}")
    store.seen.take()

    assert await store.find(its) == Absent("revoked")
    assert store.seen.take()["redis", "stale"] == 1
    assert b'"why":"revoked"' in raw.get(name(its))


async def test_an_answer_to_another_question_is_not_used(opened, redis_url, raw):
    store = await opened(redis_url=redis_url)
    key, its = await store.new_key()
    _, other = await store.new_key()
    await store.find(its)
    await store.find(other)
    cold = await opened(redis_url=redis_url)

    raw.set(name(its), raw.get(name(other)))

    assert (await cold.find(its)).key_id == key.id
    assert cold.seen.faults == ["unreadable"]


BROKEN = {
    "nothing": lambda value: value[:0],
    "not text": lambda value: b"\xff" + value,
    "cut off": lambda value: value[:-5],
    "no record": lambda value: value[:0] + b"null",
    "no number": lambda value: value.partition(b" ")[2],
    "another number": lambda value: b"9" + value,
    "a number and nothing": lambda value: value[:0] + b"9" * 400 + b" ",
    "another format": lambda value: value.replace(b'"format":3', b'"format":4'),
    "another type": lambda value: value.replace(b'"version":1', b'"version":"1"'),
    "an unknown kind": lambda value: value.replace(b'"kind":"account"', b'"kind":"emperor"'),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_what_cannot_be_read_is_replaced(opened, redis_url, raw, broken):
    store = await opened(redis_url=redis_url)
    key, its = await store.new_key()
    await store.find(its)
    good = raw.get(name(its))
    assert broken(good) != good
    raw.set(name(its), broken(good))
    cold = await opened(redis_url=redis_url)

    assert (await cold.find(its)).key_id == key.id
    assert cold.seen.faults == ["unreadable"]
    assert raw.get(name(its)) == good


async def test_a_value_of_another_type_is_not_used(opened, redis_url, raw):
    store = await opened(redis_url=redis_url)
    _, its = await store.new_key()
    raw.rpush(name(its), "a list")

    assert isinstance(await store.find(its), Principal)
    assert store.seen.faults == ["refused"]


# --- away ---------------------------------------------------------------------------------------------------------


async def test_a_killed_redis_costs_one_try_per_cooldown_and_comes_back(opened, redis_server):
    store = await opened(redis_url=redis_server.url, redis_cooldown=1.0)
    keys = [(await store.new_key())[1] for _ in range(6)]
    await store.find(keys[0])
    redis_server.kill()

    assert all([isinstance(await store.find(its), Principal) for its in keys[1:4]])
    assert store.seen.faults == ["unreachable"]
    store.seen.clock += 1.0
    assert isinstance(await store.find(keys[4]), Principal)
    assert store.seen.faults == ["unreachable"] * 2

    redis_server.start()
    store.seen.clock += 1.0
    await store.find(keys[5])
    other = await opened(redis_url=redis_server.url)
    await other.find(keys[5])
    assert other.seen.take()["redis", "found"] == 1
    assert len(store.seen.faults) == 2


async def test_a_redis_that_hangs_is_given_up_and_left_alone(opened, redis_server):
    store = await opened(redis_url=redis_server.url, redis_timeout=0.3)
    keys = [(await store.new_key())[1] for _ in range(5)]
    await store.find(keys[0])
    redis_server.stop()

    assert all([isinstance(await store.find(its), Principal) for its in keys[1:]])

    assert store.seen.faults == ["timeout"]
    redis_server.go_on()
    assert (await store.store.health())["redis"] == "ok"


async def test_a_redis_that_hangs_under_load_answers_no_one_with_anothers_key(opened, redis_server):
    store = await opened(redis_url=redis_server.url, redis_timeout=0.05)
    keys = [await store.new_key() for _ in range(40)]
    cold = await opened(redis_url=redis_server.url, redis_timeout=0.05)
    for _, its in keys:
        await store.find(its)

    redis_server.stop()
    during = await asyncio.gather(*(cold.find(its) for _, its in keys))
    redis_server.go_on()
    late = await opened(redis_url=redis_server.url)
    after = await asyncio.gather(*(late.find(its) for _, its in keys))

    assert [found.key_id for found in during] == [found.key_id for found in after] == [key.id for key, _ in keys]


async def test_of_many_calls_at_once_one_tries_a_redis_that_failed(opened, redis_server):
    store = await opened(redis_url=redis_server.url, redis_timeout=0.05, redis_cooldown=1.0)
    keys = [(await store.new_key())[1] for _ in range(8)]
    redis_server.stop()
    await store.find(keys[0])
    store.seen.clock += 1.0

    found = await asyncio.gather(*(store.find(its) for its in keys[1:]))

    assert all(isinstance(each, Principal) for each in found)
    assert store.seen.faults == ["timeout"] * 2


async def test_a_redis_that_is_slow_at_every_step_of_greeting_is_given_up(opened):
    """No single answer takes as long as `redis_timeout`."""

    async def greet_slowly(reader, writer):
        with closing(writer), suppress(ConnectionError):
            while asked := await reader.read(1024):
                await asyncio.sleep(0.06)
                writer.write(b"%1\r\n+proto\r\n:3\r\n" if b"HELLO" in asked else b"+OK\r\n")

    async with await asyncio.start_server(greet_slowly, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = await opened(redis_url=f"redis://:password@127.0.0.1:{port}/1", redis_timeout=0.1)
        _, its = await store.new_key()

        assert isinstance(await store.find(its), Principal)
        assert store.seen.faults == ["timeout"]


async def test_a_server_that_is_no_redis_does_no_harm(opened):
    async def say_ok(reader, writer):
        with closing(writer), suppress(ConnectionError):
            while await reader.read(1024):
                writer.write(b"+OK\r\n")

    async with await asyncio.start_server(say_ok, "127.0.0.1", 0) as server:
        store = await opened(redis_url=f"redis://:password@127.0.0.1:{server.sockets[0].getsockname()[1]}")
        _, its = await store.new_key()

        assert isinstance(await store.find(its), Principal)
        assert store.seen.faults == ["unreadable"]
        assert (await store.store.health())["redis"] == "unreadable"


async def test_redis_is_spoken_to_in_version_3(opened, redis_server):
    store = await opened(redis_url=redis_server.url)
    _, its = await store.new_key()
    await store.find(its)

    with redis.Redis.from_url(redis_server.url) as raw:
        others = [client for client in raw.client_list() if client["cmd"] != "client|list"]
    assert {client["resp"] for client in others} == {"3"}


async def test_connections_that_died_silently_do_not_wait_their_turn_to_fail(opened, redis_server):
    """As when a network goes away and comes back: what was open is dead, new connections are fine."""
    async with Wire(redis_server.port) as wire:
        url = f"redis://:{redis_server.password}@127.0.0.1:{wire.port}"
        store = await opened(redis_url=url, redis_timeout=0.5)
        keys = [(await store.new_key())[1] for _ in range(10)]
        await asyncio.gather(*(store.find(its) for its in keys[:4]))
        assert wire.connections > 1
        wire.swallow()
        await store.find(keys[4])
        store.seen.clock += 60
        await store.find(keys[5])

        await asyncio.gather(*(store.find(its) for its in keys[6:]))

        assert store.seen.faults == ["timeout"]


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_wrong_password_is_told_and_does_no_harm(opened, redis_server, password):
    store = await opened(redis_url=redis_server.url_with(password))
    _, its = await store.new_key()

    assert isinstance(await store.find(its), Principal)
    assert store.seen.faults == ["credentials"]
    assert await store.store.health() == {"sql": "ok", "redis": "credentials"}


async def test_a_full_redis_still_answers_what_it_has(opened, redis_server):
    store = await opened(redis_url=redis_server.url)
    _, before = await store.new_key()
    _, after = await store.new_key()
    await store.find(before)
    with redis.Redis.from_url(redis_server.url) as raw:
        raw.config_set("maxmemory", 1)
    cold = await opened(redis_url=redis_server.url)

    assert isinstance(await cold.find(after), Principal)
    assert isinstance(await cold.find(before), Principal)

    assert cold.seen.faults == ["refused"]
    assert cold.seen.take()["redis", "found"] == 1


async def test_a_store_opens_without_its_redis(opened, redis_server, unknown):
    redis_server.kill()
    store = await opened(redis_url=redis_server.url)

    assert await store.find(unknown) == Absent("unknown")
    assert await store.store.health() == {"sql": "ok", "redis": "unreachable"}


async def test_revocation_holds_while_redis_is_killed_and_back_with_old_data(opened, redis_server):
    store, other = await opened(redis_url=redis_server.url), await opened(redis_url=redis_server.url)
    key, its = await store.new_key()
    await store.find(its)
    await other.find(its)
    with redis.Redis.from_url(redis_server.url) as raw:
        old = raw.get(name(its))
    redis_server.kill()
    await store.revoke(key)
    redis_server.start()
    with redis.Redis.from_url(redis_server.url) as raw:
        raw.set(name(its), old)
    for one in (store, other):
        one.seen.clock += 60

    cold = await opened(redis_url=redis_server.url)

    assert [await one.find(its) for one in (store, other, cold)] == [Absent("revoked")] * 3


@pytest.mark.parametrize("url", ["http://:hunter2@localhost", "redis://:hun/ter2@localhost", "redis://localhost:port"])
async def test_a_wrong_address_is_refused_without_showing_its_password(opened, url):
    with pytest.raises(StoreError, match=r"the address of Redis (must|has)") as refused:
        await opened(redis_url=url)
    assert "hun" not in str(refused.value)

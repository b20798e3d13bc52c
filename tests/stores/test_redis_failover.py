"""Redis that fails over: to a replica that a Sentinel promotes, to one that lags behind, and within a Cluster."""

from __future__ import annotations

import asyncio

import pytest
from conftest import RedisServer
from stores.redis_servers import PATIENCE, Watched, Wire, raw, running, until

from gateway.keys import Principal
from gateway.stores import Absent
from gateway.stores.redis_connection import RedisConnection, Script
from ports import free_port

COOLDOWN = 1.0
MAJORITY = 3
"""Nodes of a Cluster that can agree."""


def name(its):
    return f"gateway:key:{its}"


@pytest.fixture
def watched(tmp_path):
    """A master, its replica, and their Sentinel, all ready."""
    watched = Watched(tmp_path)
    with running(*watched.servers):
        watched.ready()
        yield watched


async def in_thread(act, *arguments):
    """What asks servers and waits must not hold up the stores."""
    return await asyncio.to_thread(act, *arguments)


# --- Sentinel -----------------------------------------------------------------------------------------------------

LOST = {
    "killed": lambda watched: watched.master.kill(),
    "hanging": lambda watched: watched.master.stop(),
    "told to": lambda watched: raw(watched.sentinel).sentinel_failover("main"),
}


@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_revocation_in_a_failover_is_not_lost_and_the_new_master_is_found(opened, watched, lose):
    options = {"redis_url": watched.url, "redis_timeout": 2.0, "redis_cooldown": COOLDOWN}
    stores = [await opened(**options) for _ in range(2)]
    key, its = await stores[0].new_key()
    _, others = await stores[0].new_key()
    for store in stores:
        assert isinstance(await store.find(its), Principal)
        assert isinstance(await store.find(others), Principal)
    assert stores[1].seen.take()["redis", "found"] == 2
    await in_thread(until, lambda: raw(watched.replica).get(name(its)))

    await in_thread(lose, watched)
    await stores[0].revoke(key)
    failing_over = asyncio.ensure_future(in_thread(until, lambda: watched.master_port() == watched.replica.port))
    while not failing_over.done():
        for store in stores:
            store.seen.clock += COOLDOWN
            assert await store.find(its) == Absent("revoked")
            assert isinstance(await store.find(others), Principal)
        await asyncio.sleep(0.02)
    await failing_over

    cold = await opened(**options)
    assert await cold.find(its) == Absent("revoked")
    if lose is LOST["told to"]:  # it was told to be a replica, too: until then it takes what it gets
        await in_thread(until, lambda: raw(watched.master).info("replication")["role"] == "slave")
    tried = []
    while not any(raw(watched.replica).get(name(late)) for late in tried):
        assert len(tried) < 2  # one may find that what was open is of no use, and the next finds the new master
        stores[0].seen.clock += COOLDOWN
        tried.append((await stores[0].new_key())[1])
        await stores[0].find(tried[-1])
    assert (await stores[0].store.health())["redis"] == "ok"
    watched.master.go_on()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_without_a_sentinel_calls_are_decided_from_the_database(opened, watched):
    watched.sentinel.kill()
    store = await opened(redis_url=watched.url)
    _, its = await store.new_key()

    assert isinstance(await store.find(its), Principal)
    assert store.seen.faults == ["unreachable"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_is_open_serves_on_when_the_sentinels_are_away(opened, watched):
    store = await opened(redis_url=watched.url)
    _, its = await store.new_key()
    await store.find(its)

    watched.sentinel.kill()

    assert (await store.store.health())["redis"] == "ok"
    assert store.seen.faults == []


@pytest.mark.parametrize("which", ["master", "sentinel"])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_wrong_password_is_told_and_not_shown(opened, watched, which, caplog):
    store = await opened(redis_url=watched.url.replace(getattr(watched, which).password, "hunter2"))
    _, its = await store.new_key()

    assert isinstance(await store.find(its), Principal)
    assert store.seen.faults == ["credentials"]
    assert "hunter2" not in caplog.text


# --- a replica that lags behind -----------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_an_old_replica_that_takes_over_revives_no_key(opened, tmp_path):
    """The address stays and leads to the new master, as a name does."""
    master = RedisServer(tmp_path)
    replica = RedisServer(
        tmp_path, "--masterauth", master.password, "--replica-serve-stale-data", "yes", password=master.password
    )
    with running(master, replica):
        await in_thread(raw(replica).replicaof, "127.0.0.1", master.port)
        async with Wire(master.port) as wire:
            url = f"redis://:{master.password}@127.0.0.1:{wire.port}"
            stores = [await opened(redis_url=url, redis_cooldown=COOLDOWN) for _ in range(3)]
            key, its = await stores[0].new_key()
            for store in stores[:2]:
                assert isinstance(await store.find(its), Principal)
            await in_thread(until, lambda: raw(replica).get(name(its)))
            raw(replica).replicaof("127.0.0.1", 1)

            await stores[0].revoke(key)
            assert await stores[0].find(its) == Absent("revoked")
            assert b'"why":"revoked"' in raw(master).get(name(its))
            wire.target = replica.port
            master.kill()
            for store in stores:
                store.seen.clock += COOLDOWN
            # As long as it is a replica, what it has is old, and it takes nothing new.
            assert [await store.find(its) for store in stores] == [Absent("revoked")] * 3
            raw(replica).replicaof("NO", "ONE")

            assert b'"key":{' in raw(replica).get(name(its))
            stores += [await opened(redis_url=url)]
            assert [await store.find(its) for store in stores] == [Absent("revoked")] * 4
            assert stores[3].seen.take()["redis", "stale"] == 1
            assert b'"why":"revoked"' in raw(replica).get(name(its))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_master_that_became_a_replica_is_left_for_the_one_that_the_address_leads_to(opened, tmp_path):
    old = RedisServer(tmp_path)
    new = RedisServer(tmp_path, password=old.password)
    with running(old, new):
        async with Wire(old.port) as wire:
            url = f"redis://:{old.password}@127.0.0.1:{wire.port}"
            store = await opened(redis_url=url, redis_cooldown=COOLDOWN)
            await store.find((await store.new_key())[1])
            raw(old).replicaof("127.0.0.1", new.port)
            wire.target = new.port
            await store.find((await store.new_key())[1])
            assert store.seen.faults == ["refused"]

            store.seen.clock += COOLDOWN
            _, its = await store.new_key()
            await store.find(its)

            assert raw(new).exists(name(its))
            assert store.seen.faults == ["refused"]


# --- Cluster ------------------------------------------------------------------------------------------------------


@pytest.fixture
def nodes(tmp_path):
    """Nodes of a Cluster without replicas, each with a third of the slots."""
    nodes = []
    for number in range(MAJORITY):
        folder = tmp_path / str(number)
        folder.mkdir()
        password = nodes[0].password if nodes else ""
        own = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no", "--cluster-port")
        nodes.append(RedisServer(folder, *own, str(free_port()), password=password))
    with running(*nodes):
        for number, node in enumerate(nodes):
            first, last = 16_384 * number // MAJORITY, 16_384 * (number + 1) // MAJORITY - 1
            raw(node).execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            raw(node).execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            raw(node).execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0]._options[-1])
        for node in nodes:
            until(lambda node=node: is_whole(node))
        yield nodes


def is_whole(node):
    told = raw(node).cluster("INFO")
    return (told["cluster_state"], told["cluster_slots_ok"]) == ("ok", "16384")


def cluster_url(nodes):
    return f"redis+cluster://:{nodes[0].password}@" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_cluster_keeps_entries_and_tombstones_on_all_its_nodes(opened, nodes):
    first, second = await opened(redis_url=cluster_url(nodes)), await opened(redis_url=cluster_url(nodes[:1]))
    keys = [await first.new_key() for _ in range(30)]
    for _, its in keys:
        await first.find(its)
    assert all(raw(node).dbsize() for node in nodes)

    assert [(await second.find(its)).key_id for _, its in keys] == [key.id for key, _ in keys]
    assert second.seen.take()["redis", "found"] == 30
    for key, its in keys:
        await first.revoke(key)
        assert await first.find(its) == Absent("revoked")
    cold = await opened(redis_url=cluster_url(nodes))
    assert {await cold.find(its) for _, its in keys} == {Absent("revoked")}
    assert cold.seen.take()["redis", "absent"] == 30
    assert [store.seen.faults for store in (first, second, cold)] == [[]] * 3
    assert (await cold.store.health())["redis"] == "ok"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_cluster_without_one_of_its_nodes_does_no_harm_and_is_found_again(opened, nodes):
    store = await opened(redis_url=cluster_url(nodes), redis_cooldown=COOLDOWN)
    for key, its in [await store.new_key() for _ in range(9)]:
        await store.find(its)
        await store.revoke(key)
    nodes[1].kill()

    for key, its in [await store.new_key() for _ in range(9)]:
        store.seen.clock += COOLDOWN
        assert isinstance(await store.find(its), Principal)
        await store.revoke(key)
        assert await store.find(its) == Absent("revoked")
    assert set(store.seen.faults) <= {"unreachable", "timeout"}
    nodes[1].start()
    for node in nodes:
        await in_thread(until, lambda node=node: is_whole(node))

    store.seen.clock += COOLDOWN
    assert (await store.store.health())["redis"] == "ok"
    store.seen.faults.clear()
    for _, its in [await store.new_key() for _ in range(9)]:
        await store.find(its)
    assert store.seen.faults == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_cluster_is_found_however_little_time_a_question_has(opened, nodes):
    """The nodes are looked for on, and so one of the next questions finds them."""
    store = await opened(redis_url=cluster_url(nodes), redis_timeout=0.004, redis_cooldown=COOLDOWN)
    _, its = await store.new_key()
    assert isinstance(await store.find(its), Principal)

    async with asyncio.timeout(PATIENCE):
        while (await store.store.health())["redis"] != "ok":  # noqa: ASYNC110 (of a server, which sets no event)
            await asyncio.sleep(0.05)
    assert set(store.seen.faults) <= {"timeout"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_wrong_password_of_a_cluster_is_told(opened, nodes):
    store = await opened(redis_url=cluster_url(nodes).replace(nodes[0].password, "hunter2"))

    assert (await store.store.health())["redis"] == "credentials"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_script_runs_wherever_its_key_is(opened, nodes):
    """Also on a node that has never seen it, or has forgotten it."""
    store = await opened()
    script = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    connection = RedisConnection(store.options, cluster_url(nodes), store.seen, store.seen.timer)

    for round_ in range(1, 3):
        for number in range(10):
            assert await connection.ask(lambda redis, key=f"key {number}": script.run(redis, key, 2)) == 2 * round_
        for node in nodes:
            raw(node).script_flush()

    assert store.seen.faults == []
    await connection.close()

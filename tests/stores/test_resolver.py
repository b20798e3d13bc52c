"""The contract of a resolver, with and without Redis, and the races that its text argues about."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from gateway.keys import Digest, Principal, digest
from gateway.stores import Absent, StoreOptions, StoreUnavailable, Unavailable, create
from gateway.stores.file import DatabaseFile
from gateway.stores.journal import Journal, Record
from gateway.stores.resolver import LayeredResolver

REVOKE = """
async def act(store, key_id):
    async with store.registry.change() as change:
        await change.revoke_key(key_id, at=2_000, by="operator")
"""


async def test_a_key_is_found_as_it_was_stored(opened, levels):
    store = await opened(**levels)
    key, its = await store.new_key(expires_at=5_000)

    found = await store.find(its)

    assert isinstance(found, Principal)
    assert (found.key_id, found.version, found.identity, found.expires_at) == (key.id, 1, key.identity, 5_000)


async def test_a_key_is_the_same_on_every_level(opened, levels):
    first, second = await opened(**levels), await opened(**levels)
    _, its = await first.new_key()

    answers = [await first.find(its), await first.find(its), await second.find(its)]

    assert answers[0] == answers[1] == answers[2]
    assert first.seen.take()["memory", "found"] == 1


async def test_an_unknown_key_is_absent(opened, levels, unknown):
    store = await opened(**levels)

    assert await store.find(unknown) == Absent("unknown")


async def test_a_revoked_key_is_absent_for_every_resolver_with_a_warm_cache(opened, levels):
    stores = [await opened(**levels) for _ in range(3)]
    key, its = await stores[0].new_key()
    for store in stores:
        await store.find(its)
        store.seen.take()
        assert isinstance(await store.find(its), Principal)
        assert store.seen.take() == {("memory", "found"): 1}

    await stores[0].revoke(key)

    assert [await store.find(its) for store in stores] == [Absent("revoked")] * 3


async def test_a_key_revoked_by_another_process_is_refused_from_the_next_call_on(opened, levels, elsewhere):
    store = await opened(**levels)
    key, its = await store.new_key()
    assert isinstance(await store.find(its), Principal)

    process = await elsewhere(REVOKE, key.id)
    while process.returncode is None:  # warm until the very end
        await store.find(its)
        await asyncio.sleep(0)

    assert process.returncode == 0
    assert await store.find(its) == Absent("revoked")


async def test_revoking_one_key_leaves_the_others_in_memory(opened, levels):
    store = await opened(**levels)
    key, _ = await store.new_key()
    _, other = await store.new_key()
    await store.find(other)
    await store.revoke(key)
    store.seen.take()

    await store.find(other)

    assert store.seen.take() == {("memory", "found"): 1}


async def test_a_key_made_after_it_was_asked_for_is_found_at_once(opened, levels, unknown):
    store, other = await opened(**levels), await opened(**levels)
    key, _ = await store.new_key()
    assert [await store.find(unknown) for _ in range(2)] == [Absent("unknown")] * 2
    assert store.seen.take()["memory", "absent"] == 1

    async with other.registry.change() as change:
        await change.add_key(replace(key, id="made-later"), unknown)

    assert isinstance(await store.find(unknown), Principal)


async def test_a_thousand_first_calls_with_one_key_make_one_look_up(opened, levels, database):
    store = await opened(**levels)
    _, its = await store.new_key()
    store.seen.take()

    found = await asyncio.gather(*(store.find(its) for _ in range(1_000)))

    assert len(set(found)) == 1
    assert isinstance(found[0], Principal)
    look_ups = store.seen.take()["sql", "found"]
    # In PostgreSQL the first caller has asked for the changes before the others came, who then may find it gone.
    assert 1 <= look_ups <= (1 if database.kind == "sqlite" else 2)


async def test_a_caller_who_leaves_does_not_take_the_look_up_along(opened, levels):
    store = await opened(**levels)
    _, its = await store.new_key()
    first = asyncio.ensure_future(store.find(its))
    second = asyncio.ensure_future(store.find(its))
    await asyncio.sleep(0)

    first.cancel()

    assert isinstance(await second, Principal)
    assert first.cancelled()


async def test_junk_does_not_push_out_good_keys(opened, levels):
    store = await opened(**levels, memory_keys=4, absent_keys=4)
    good = [(await store.new_key())[1] for _ in range(4)]
    for its in good:
        await store.find(its)

    for number in range(50):
        assert await store.find(digest(f"junk {number}")) == Absent("unknown")
    store.seen.take()
    for its in good:
        assert isinstance(await store.find(its), Principal)

    assert store.seen.take() == {("memory", "found"): 4}


async def test_memory_is_bounded_by_the_setting(opened, levels):
    store = await opened(**levels, memory_keys=2)
    keys = [(await store.new_key())[1] for _ in range(3)]
    for its in keys:
        await store.find(its)
    store.seen.take()

    await store.find(keys[0])

    assert store.seen.take()["memory", "miss"] == 1


async def test_an_absent_digest_is_remembered_briefly(opened, levels, unknown):
    store = await opened(**levels, absent_seconds=10)
    await store.find(unknown)
    await store.find(unknown)
    store.seen.clock = 11
    await store.find(unknown)

    assert store.seen.take()["sql", "absent"] == 2


async def test_many_changes_at_once_are_followed_like_one(opened, levels, unknown):
    busy, idle = await opened(**levels), await opened(**levels, catch_up_rows=2)
    keys = [await busy.new_key() for _ in range(6)]
    for its in [*(its for _, its in keys), unknown]:
        await idle.find(its)

    for key, _ in keys[:4]:
        await busy.revoke(key)
    async with busy.registry.change() as change:
        await change.add_key(replace(keys[0][0], id=f"late {unknown}"), unknown)

    assert [await idle.find(its) for _, its in keys[:4]] == [Absent("revoked")] * 4
    assert isinstance(await idle.find(unknown), Principal)


async def test_after_many_changes_at_once_single_ones_are_followed_again(opened, levels):
    busy, idle = await opened(**levels), await opened(**levels, catch_up_rows=2)
    keys = [await busy.new_key() for _ in range(6)]
    await idle.find(keys[5][1])
    await busy.revoke(keys[0][0])
    idle.seen.take()

    await idle.find(keys[5][1])

    assert idle.seen.take() == {("memory", "found"): 1}


# --- races --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def assembled(opened, path) -> AsyncIterator[Any]:
    """A resolver whose database and journal a test can get between."""
    store = await opened()
    with closing(Journal(DatabaseFile(path), store.options)) as real:
        resolvers = []

        def assemble(load=store.registry.load, journal=real) -> LayeredResolver:
            resolvers.append(
                LayeredResolver(
                    store.options,
                    journal=journal,
                    load=load,
                    compiled=store.compiled,
                    redis=None,
                    observer=store.seen,
                    timer=store.seen.timer,
                )
            )
            return resolvers[-1]

        yield store, assemble
        for resolver in resolvers:
            await resolver.close()


async def test_a_key_revoked_while_it_is_read_is_not_kept(assembled):
    store, assemble = assembled
    key, its = await store.new_key()

    async def load(digest: Digest) -> Record:
        record = await store.registry.load(digest)
        await store.revoke(key)
        return record

    assert await assemble(load).find(its) == Absent("revoked")
    assert store.seen.take()["sql", "stale"] == 1


async def test_one_who_joins_a_look_up_after_the_revocation_gets_no_older_answer(assembled):
    store, assemble = assembled
    key, its = await store.new_key()
    was_read, go_on = asyncio.Event(), asyncio.Event()

    async def load(digest: Digest) -> Record:
        record = await store.registry.load(digest)
        was_read.set()
        await go_on.wait()
        return record

    resolver = assemble(load)
    early = asyncio.ensure_future(resolver.find(its))
    await was_read.wait()
    await store.revoke(key)
    late = asyncio.ensure_future(resolver.find(its))
    await asyncio.sleep(0)
    go_on.set()

    assert await late == Absent("revoked")
    await early


async def test_nobody_joins_a_look_up_that_has_its_answer(assembled, path):
    """A call that begins after the last check of a look-up, and before its first caller has woken up."""
    store, assemble = assembled
    key, its = await store.new_key()
    began, answers = [], []

    def revoke_and_call() -> None:
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("UPDATE keys SET revoked_at = 1 WHERE id = ?", (key.id,))
            other.execute("INSERT INTO changes (nonce, digest) VALUES (1, ?)", (its,))
        began.append(resolver.find(its))
        try:
            began[0].send(None)
        except StopIteration as ended:
            answers.append(ended.value)

    class Watched(Journal):
        async def is_current(self, record: Record) -> bool:
            if not began:
                asyncio.get_running_loop().call_soon(revoke_and_call)
            return await super().is_current(record)

    with closing(Watched(DatabaseFile(path), store.options)) as journal:
        resolver = assemble(journal=journal)
        assert isinstance(await resolver.find(its), Principal)
        await resolver.close()

    began[0].close()
    assert answers == []


async def test_a_key_that_changes_all_the_time_is_unavailable_not_stale(assembled):
    store, assemble = assembled
    _, its = await store.new_key()

    async def load(digest: Digest) -> Record:
        record = await store.registry.load(digest)
        async with store.registry.change() as change:
            await change._changed(digest, 1)
        return record

    assert isinstance(await assemble(load).find(its), Unavailable)


# --- outages ------------------------------------------------------------------------------------------------------


async def test_a_database_that_fails_is_unavailable_not_absent(opened, levels, database, unknown):
    store = await opened(**levels)
    database.by_hand("ALTER TABLE keys RENAME TO lost")

    found = await store.find(unknown)

    assert isinstance(found, Unavailable)
    told = {"sqlite": "no such table", "postgresql": 'relation "keys" does not exist'}[database.kind]
    assert told in found.why
    assert told in (await store.store.health())["sql"]


async def test_a_database_that_never_answers_is_unavailable(opened, path, unknown):
    slow = await opened(lookup_timeout=0.05)

    async def load(digest: Digest) -> Record:
        return await asyncio.get_running_loop().create_future()

    with closing(Journal(DatabaseFile(path), slow.options)) as journal:
        resolver = LayeredResolver(
            slow.options,
            journal=journal,
            load=load,
            compiled=slow.compiled,
            redis=None,
            observer=slow.seen,
            timer=slow.seen.timer,
        )
        assert isinstance(await resolver.find(unknown), Unavailable)
        assert (await resolver.health())["sql"] == "no answer within 0.05 s"


async def test_a_fault_of_ours_is_unavailable_and_logged(assembled, caplog, unknown):
    _, assemble = assembled

    async def load(digest: Digest) -> Record:
        raise RuntimeError("a fault")

    assert await assemble(load).find(unknown) == Unavailable("internal error")
    assert "looking up a key failed" in caplog.text


async def test_warm_caches_are_not_trusted_when_the_history_cannot_be_read(opened, levels, path):
    store = await opened(**levels)
    _, its = await store.new_key()
    await store.find(its)

    store.store.resolver._journal.close()

    assert isinstance(await store.find(its), Unavailable)
    assert (await store.store.health())["sql"] != "ok"


async def test_a_database_that_is_gone_makes_warm_keys_unavailable_until_it_is_back(opened, levels, path, tmp_path):
    store = await opened(**levels)
    _, its = await store.new_key()
    await store.find(its)

    aside = path.rename(tmp_path / "aside.db")

    assert isinstance(await store.find(its), Unavailable)
    assert (await store.store.health())["sql"].endswith("cannot be reached: No such file or directory")
    aside.rename(path)
    assert isinstance(await store.find(its), Principal)


async def test_a_database_that_is_replaced_makes_warm_keys_unavailable_until_a_restart(opened, levels, path, tmp_path):
    store = await opened(**levels)
    key, its = await store.new_key()
    await store.find(its)

    aside = path.rename(tmp_path / "aside.db")
    create(path)

    assert isinstance(await store.find(its), Unavailable)
    with pytest.raises(StoreUnavailable, match="was replaced"):
        await store.revoke(key)
    path.unlink()
    aside.rename(path)
    assert (await store.store.health())["sql"].endswith("restart to use the new file")


async def test_a_key_made_after_the_backup_is_dead_when_the_backup_is_restored(opened, levels, path, tmp_path):
    store = await opened(**levels)
    await store.new_key()
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(tmp_path / "backup.db")) as backup:
        live.backup(backup)
        _, lost = await store.new_key()
        await store.find(lost)
        backup.backup(live)
    await store.new_key()  # the restored history goes on with the same numbers
    other = await opened(**levels)

    assert await store.find(lost) == Absent("unknown")
    assert await other.find(lost) == Absent("unknown")


async def test_closing_waits_for_the_look_ups_under_way(opening, path, unknown):
    async with opening(StoreOptions(path)) as store:
        call = asyncio.ensure_future(store.find(unknown))
        await asyncio.sleep(0)

    assert await call == Absent("unknown")

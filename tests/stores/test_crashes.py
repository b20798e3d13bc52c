"""Processes that are killed at any moment, that change the same things at once, and backups made meanwhile."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.stores import AuditEvent, StoreOptions

WRITE_ON = """
async def act(store, name):
    number = 0
    while True:
        number += 1
        async with store.registry.change() as change:
            identity = Identity(f"{name}-{number}", Kind.ACCOUNT, "acme")
            await change.add_identity(identity)
            key = Key(f"key-{name}-{number}", identity, "a key", None, None, "gwa_1234", 1, None, None, None)
            await change.add_key(key, digest(key.id))
            await change.audit(AuditEvent(1, "operator", "acme", "key.created", key.id))
            if number > 1:
                await change.revoke_key(f"key-{name}-{number - 1}", at=2, by="operator")
                await change.audit(AuditEvent(2, "operator", "acme", "key.revoked", f"key-{name}-{number - 1}"))
        print(number, flush=True)
"""

REVOKE_ALL = """
async def act(store, name, *keys):
    print("ready", flush=True)
    for key_id in keys:
        async with store.registry.change() as change:
            key = await change.key(key_id)
            if key.revoked_at is None:
                await change.revoke_key(key_id, at=1, by=name)
                await change.audit(AuditEvent(1, name, "acme", "key.revoked", key_id))
"""


async def whole(store):
    """The ids of the keys, after checking that each change is there with all that belongs to it or not at all."""
    registry = store.registry
    keys = {key.id: key for key in await store.keys("acme")}
    events = await registry.audit_events("acme", limit=10**6)
    told = [(event.event, event.subject) for event in events]
    expected = {("key.created", key) for key in keys}
    expected |= {("key.revoked", key.id) for key in keys.values() if key.revoked_at is not None}
    assert len(told) == len(expected)
    assert set(told) == expected
    verdicts = await registry.check_audit()
    assert [verdict.fault for verdict in verdicts] == [None] * len(verdicts)
    return keys


async def found(store):
    """A store with its organization, and a key whose creation is in the audit trail."""
    key, _ = await store.new_key(id="key-first")
    async with store.registry.change() as change:
        await change.audit(AuditEvent(1, "operator", "acme", "key.created", key.id))


@pytest.mark.parametrize("seed", range(3))
async def test_a_process_killed_at_any_moment_leaves_the_old_or_the_new_state(opened, database, elsewhere, seed):
    chance = random.Random(seed)
    store = await opened()
    await found(store)
    acknowledged = 0

    for name in ("one", "two", "three"):
        writer = await elsewhere(WRITE_ON, name)
        await writer.stdout.readline()
        await asyncio.sleep(chance.uniform(0, 0.05))
        writer.kill()
        lines = (await writer.stdout.read()).split()
        acknowledged = int(lines[-1]) if lines else 1
        await writer.wait()

        kept = [key for key in await whole(store) if key.startswith(f"key-{name}-")]
        assert len(kept) in {acknowledged, acknowledged + 1}  # the last may have been kept before it could be told
        (changes,) = database.by_hand("SELECT count(*) FROM changes")
        revoked = sum(key.revoked_at is not None for key in (await whole(store)).values())
        assert int(changes[0]) == 1 + len(await whole(store)) + revoked
    await store.new_key()


async def test_two_processes_that_revoke_the_same_keys_at_once_do_it_once(opened, elsewhere):
    store = await opened()
    await found(store)
    keys = [(await store.new_key())[0].id for _ in range(20)]
    processes = [await elsewhere(REVOKE_ALL, name, *keys) for name in ("one", "two")]

    assert [await process.wait() for process in processes] == [0, 0]

    events = await store.registry.audit_events("acme", limit=100)
    assert sorted(event.subject for event in events if event.event == "key.revoked") == sorted(keys)
    assert all([(await store.registry.key(key)).version == 2 for key in keys])
    (acme,) = await store.registry.check_audit()
    assert acme.fault is None


# --- backups, as README tells to make them ------------------------------------------------------------------------


def vacuum_into(path: Path, copy: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))


def online_backup(path: Path, copy: Path) -> None:
    """What `.backup` of the program `sqlite3` does."""
    with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(copy)) as other:
        connection.backup(other)


@pytest.mark.parametrize("back_up", [vacuum_into, online_backup])
async def test_a_backup_of_the_file_made_while_it_is_written_to_is_whole(
    opened, opening, path, elsewhere, tmp_path, back_up
):
    store = await opened()
    await found(store)
    writer = await elsewhere(WRITE_ON, "busy")
    await writer.stdout.readline()
    noted = [verdict.head for verdict in await store.registry.check_audit()]

    back_up(path, tmp_path / "copy.db")
    writer.kill()

    async with opening(StoreOptions(tmp_path / "copy.db")) as restored:
        assert "key-busy-1" in await whole(restored)
        assert [verdict.fault for verdict in await restored.registry.check_audit(noted)] == [None]
        await restored.new_key()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_dump_made_while_it_is_written_to_is_whole(opened, opening, database, elsewhere, postgres, tmp_path):
    store = await opened()
    await found(store)
    writer = await elsewhere(WRITE_ON, "busy")
    await writer.stdout.readline()
    noted = [verdict.head for verdict in await store.registry.check_audit()]

    postgres.back_up(database.options["url"], tmp_path / "gateway.dump")
    writer.kill()

    elsewhere_url = postgres.new_database()
    postgres.restore_backup(elsewhere_url, tmp_path / "gateway.dump")
    async with opening(StoreOptions(Path("/nowhere"), url=elsewhere_url)) as restored:
        assert "key-busy-1" in await whole(restored)
        assert [verdict.fault for verdict in await restored.registry.check_audit(noted)] == [None]
        await restored.new_key()

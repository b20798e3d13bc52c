"""SQLite in trouble, over HTTP: its file locked, gone, replaced by an older one, or on a full disk."""

from __future__ import annotations

import resource
import sqlite3
from contextlib import closing

import pytest
from app.outages import AWAY, INVALID, SERVED, Program, calling, controlling, new_key, nobodys, settings, until

from gateway.keys import Operator
from gateway.stores import create


@pytest.fixture
def file(tmp_path):
    return tmp_path / "gateway.db"


@pytest.fixture
def chosen(tmp_path, file):
    return settings(tmp_path, store={"sqlite": file, "sql_wait": 0.3})


async def test_a_locked_file_holds_up_changes_alone(chosen, file):
    async with calling(chosen) as there:
        known, cold = await there.known(), await there.key()
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")

            assert await there.told(known.secret) == SERVED
            assert await there.told(cold.secret) == SERVED
            assert await there.told(nobodys()) == INVALID
            assert (await there.revoke(known)).told == AWAY
            await until(there.is_ready)
            assert await there.store_up("sql")
            assert await there.told(known.secret) == SERVED

            other.execute("ROLLBACK")
        assert (await there.revoke(known)).status == 200
        assert await there.told(known.secret) == INVALID


async def test_a_file_that_is_gone_is_503_at_once_until_it_is_back(chosen, file, tmp_path):
    async with calling(chosen) as there:
        known, cold = await there.known(), await there.key()
        aside = file.rename(tmp_path / "aside.db")

        for secret in (known.secret, cold.secret, nobodys()):
            assert await there.told(secret) == AWAY
        assert (await there.revoke(known)).told == AWAY
        status, report = await there.ready()
        assert status == 503
        assert "sql: " in report
        assert not await there.store_up("sql")

        aside.rename(file)
        assert await there.told(known.secret) == SERVED
        assert await there.told(cold.secret) == SERVED
        assert (await there.revoke(known)).status == 200
        assert await there.told(known.secret) == INVALID
        await until(there.is_ready)


async def test_a_file_that_is_replaced_is_503_until_a_restart(chosen, file, tmp_path):
    async with calling(chosen) as there:
        known, cold = await there.known(), await there.key()
        file.rename(tmp_path / "aside.db")
        create(file)

        for secret in (known.secret, cold.secret, nobodys()):
            assert await there.told(secret) == AWAY
        assert (await there.revoke(known)).told == AWAY
        assert not await there.is_ready()
        assert not await there.store_up("sql")
    async with calling(chosen) as again:
        await until(again.is_ready)
        assert await again.told(known.secret) == INVALID
        await again.known()


async def test_a_backup_that_is_restored_into_the_file_ends_the_keys_made_since(chosen, file, tmp_path):
    async with calling(chosen) as there:
        known = await there.known()
        with closing(sqlite3.connect(file)) as live, closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
            live.backup(copy)
            lost = await there.known()
            copy.backup(live)

        assert await there.told(lost.secret) == INVALID
        assert await there.told(known.secret) == SERVED


async def rounds(program, outcome):
    """Of canaries, so far."""
    return await program.metric(f'gateway_revocation_canaries_total{{outcome="{outcome}"}}')


async def goes_on(program, outcome):
    """Waits for one more round that ends so."""
    before = await rounds(program, outcome)

    async def more():
        return await rounds(program, outcome) > before

    await until(more)


async def test_a_full_disk_serves_calls_and_changes_nothing(chosen, file, tmp_path):
    """As far as the gateway's process can tell: no file of its may grow beyond what the log needs."""
    async with controlling(chosen) as control:
        known, cold = await new_key(control), await new_key(control)
        program = Program(tmp_path, {"sqlite": str(file), "canary_seconds": 0.1})
        try:
            assert await program.told(known.secret) == SERVED
            await goes_on(program, "kept")
            limit = resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (64 * 1024, limit[1]))
            await goes_on(program, "failed")

            for key in (known, cold):
                assert await program.told(key.secret) == SERVED
            assert await program.told(nobodys()) == INVALID
            assert await program.ready() == 200
            assert "the database failed" in program.said()

            resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, limit)
            await goes_on(program, "kept")
            await control.tokens.revoke_key(Operator(), known.key.id)
            assert await program.told(known.secret) == INVALID
        finally:
            program.end()

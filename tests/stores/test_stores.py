"""Making and opening a database, and what is told when that cannot be."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from gateway.keys import RANDOM_BYTES, Prefix, digest, issue, start
from gateway.stores import StoreError, StoreOptions, create


def change_by_hand(path, statement):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def open_files():
    """The files that this process holds open."""
    held = Path("/proc/self/fd")
    return sorted(str(each.readlink()) for each in held.iterdir() if each.is_symlink())


# --- making -------------------------------------------------------------------------------------------------------


async def test_a_new_database_opens_and_is_healthy(opened):
    store = await opened()

    assert await store.store.health() == {"sql": "ok", "redis": "off"}
    assert await store.registry.organizations() == ()


def test_a_new_database_is_for_its_owner_alone(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_files_beside_it_are_for_its_owner_alone_too(opened, path):
    store = await opened()
    await store.new_key()

    beside = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]

    assert len(beside) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in beside} == {0o600}


def test_an_existing_database_is_not_made_again(path):
    before = path.read_bytes()

    with pytest.raises(StoreError, match="already: remove it, or choose another path"):
        create(path)

    assert path.read_bytes() == before


def test_what_a_crash_left_behind_can_be_made_into_a_database(tmp_path):
    (tmp_path / "empty.db").touch()

    create(tmp_path / "empty.db")


def test_a_making_that_fails_half_way_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail():
        raise RuntimeError("half way")

    monkeypatch.setattr("gateway.stores.sqlite.first_change", fail)
    with pytest.raises(RuntimeError, match="half way"):
        create(tmp_path / "gateway.db")
    monkeypatch.undo()

    with closing(sqlite3.connect(tmp_path / "gateway.db")) as made:
        assert made.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    create(tmp_path / "gateway.db")


def test_a_file_of_another_program_is_left_alone(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("remember the milk " * 100)

    with pytest.raises(StoreError, match="file is not a database"):
        create(notes)

    assert notes.read_text().startswith("remember")


def test_a_database_in_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StoreError, match="cannot be made: No such file or directory"):
        create(tmp_path / "nowhere" / "gateway.db")


# --- opening ------------------------------------------------------------------------------------------------------


async def test_a_missing_database_is_refused_and_not_made(opened, path, tmp_path):
    with pytest.raises(StoreError, match="run `gateway init`"):
        await opened(path=tmp_path / "missing.db")

    assert not (tmp_path / "missing.db").exists()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DELETE FROM alembic_version", "is not a database of the gateway"),
        ("DROP TABLE alembic_version", "is not a database of the gateway"),
        ("DELETE FROM changes", "its table of changes is empty"),
        ("DROP TABLE changes", "no such table: changes"),
    ],
    ids=["no version", "no table of it", "no history", "no changes"],
)
async def test_a_damaged_database_is_refused(opened, path, damage, told):
    change_by_hand(path, damage)

    with pytest.raises(StoreError, match=told):
        await opened()


async def test_a_file_that_is_no_database_is_refused(opened, path, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("remember the milk " * 100)

    with pytest.raises(StoreError, match="file is not a database"):
        await opened(path=notes)


async def test_a_folder_is_refused(opened, path, tmp_path):
    with pytest.raises(StoreError, match="cannot be opened"):
        await opened(path=tmp_path)


async def test_a_failed_opening_leaves_nothing_open(opening, path):
    before = open_files()

    with pytest.raises(StoreError):
        async with opening(StoreOptions(path, redis_url="http://localhost")):
            pass

    assert open_files() == before


async def test_closing_leaves_nothing_open(opening, path, redis_url):
    before = open_files()

    async with opening(StoreOptions(path, redis_url=redis_url)) as store:
        _, its = await store.new_key()
        await store.find(its)
        assert len(open_files()) > len(before)

    assert open_files() == before


@pytest.mark.parametrize("limit", ["sql_wait", "lookups", "memory_keys", "redis_timeout"])
def test_a_limit_of_nothing_is_refused(limit):
    with pytest.raises(ValueError, match=f"`{limit}` must be more than 0"):
        StoreOptions(Path("gateway.db"), **{limit: 0})


def test_no_lease_is_a_choice_and_less_is_not():
    assert StoreOptions(Path("gateway.db"), lease=0).lease == 0
    with pytest.raises(ValueError, match="`lease` must not be less than 0"):
        StoreOptions(Path("gateway.db"), lease=-1)


def test_a_single_connection_is_refused():
    with pytest.raises(ValueError, match="`sql_connections` must be at least 2"):
        StoreOptions(Path("gateway.db"), sql_connections=1)


def test_options_do_not_show_the_password_of_redis():
    assert "hunter2" not in repr(StoreOptions(Path("gateway.db"), redis_url="redis://:hunter2@localhost"))


# --- secrets ------------------------------------------------------------------------------------------------------


async def test_nothing_that_authenticates_is_in_the_database_or_in_redis(opening, path, redis_url):
    secret = issue(Prefix.ACCOUNT, os.urandom(RANDOM_BYTES))
    async with opening(StoreOptions(path, redis_url=redis_url)) as store:
        key, _ = await store.new_key(start=start(secret))
        async with store.registry.change() as change:
            await change.add_key(replace(key, id="its-key"), digest(secret))
            await change.add_login(digest(f"code {secret}"), key.identity.id, expires_at=1)
        await store.find(digest(secret))
    with redis.Redis.from_url(redis_url) as raw:
        cached = raw.get(f"gateway:key:{digest(secret)}")
    stored = b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())

    for place in (stored, cached):
        assert digest(secret).encode() in place
        assert start(secret).encode() in place
        assert secret.encode() not in place
        assert secret.removeprefix(start(secret)).encode() not in place

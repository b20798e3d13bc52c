"""Versions of the database: what migrations make is what the code believes in, and nothing that was there is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from gateway.keys import Kind, Principal, Role, digest
from gateway.stores import AuditEvent, StoreError, migrations, versions
from gateway.stores.sqlite import migrate
from gateway.stores.tables import metadata

VERSION_1 = Path(__file__).parent / "version_1.sql"


@pytest.fixture
def old(path):
    """A database as version 1 of the gateway left it."""
    beside = path.with_name("old.db")
    with closing(sqlite3.connect(beside)) as connection:
        connection.executescript(VERSION_1.read_text("utf-8"))
    return beside


def described(engine):
    """All that is in a database but rows: tables, columns and every constraint by name."""
    seen = inspect(engine)
    return {
        table: {
            "columns": [each | {"type": str(each["type"])} for each in seen.get_columns(table)],
            "primary key": seen.get_pk_constraint(table),
            "others": [
                sorted(each, key=lambda constraint: constraint["name"])
                for each in (
                    seen.get_foreign_keys(table),
                    seen.get_unique_constraints(table),
                    seen.get_check_constraints(table),
                    seen.get_indexes(table),
                )
            ],
        }
        for table in seen.get_table_names()
        if table != versions.VERSION_TABLE
    }


def engine_of(path):
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(path), poolclass=NullPool)


def test_the_migrations_make_the_tables_that_the_code_believes_in(path, tmp_path):
    engine = engine_of(path)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    metadata.create_all(engine_of(tmp_path / "direct.db"))
    assert described(engine) == described(engine_of(tmp_path / "direct.db"))


def test_numbers_are_never_used_again(path):
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'").fetchall()
    assert sorted(made) == [("audit_events",), ("changes",)]


def test_the_current_version_is_that_of_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [str(versions.CURRENT)]
    assert [script.revision for script in scripts.walk_revisions()] == [str(n) for n in range(versions.CURRENT, 0, -1)]


async def test_an_older_database_is_refused_until_it_is_migrated(opened, old):
    with pytest.raises(StoreError, match="has tables of version 1, this gateway needs 2: run `gateway migrate`"):
        await opened(path=old)

    assert migrate(old) == (1, 2)

    assert (await (await opened(path=old)).store.health())["sql"] == "ok"


async def test_a_migrated_database_has_all_that_it_had(opened, old):
    with closing(sqlite3.connect(old)) as raw:
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = [name for name in tables if name not in {"meta", "audit_events"}]
        before = {name: raw.execute(f"SELECT * FROM {name}").fetchall() for name in kept}
        events = raw.execute("SELECT * FROM audit_events").fetchall()
    migrate(old)

    with closing(sqlite3.connect(old)) as raw:
        assert {name: raw.execute(f"SELECT * FROM {name}").fetchall() for name in kept} == before
        assert [row[:-1] for row in raw.execute("SELECT * FROM audit_events")] == events
    store = await opened(path=old)
    live, revoked = await store.find(digest("live")), await store.find(digest("revoked"))
    assert isinstance(live, Principal)
    assert (live.identity.kind, live.version) == (Kind.ACCOUNT, 1)
    assert revoked.why == "revoked"
    assert (await store.registry.user_identity("eve@example.com", "acme")).role == Role.PLATFORM_ADMIN


async def test_the_trail_of_a_migrated_database_is_chained_and_goes_on(opened, old):
    migrate(old)
    store = await opened(path=old)
    async with store.registry.change() as change:
        await change.audit(AuditEvent(3_000, "operator", "acme", "key.create", "key-new"))

    verdicts = await store.registry.check_audit()

    assert [(verdict.head.organization, verdict.head.events, verdict.fault) for verdict in verdicts] == [
        (None, 1, None),
        ("acme", 4, None),
        ("other", 1, None),
    ]


def test_a_migrated_database_is_like_a_new_one(path, old):
    migrate(old)

    assert described(engine_of(old)) == described(engine_of(path))


def test_migrating_again_changes_nothing(path):
    before = path.read_bytes()

    assert migrate(path) == (2, 2)

    assert path.read_bytes() == before


def test_a_migration_that_fails_half_way_leaves_the_old_version(old):
    with closing(sqlite3.connect(old)) as raw:
        raw.execute("CREATE TABLE audit_chains (in_the_way TEXT)")
        before = list(raw.iterdump())

    with pytest.raises(StoreError, match="cannot be migrated: table audit_chains already exists"):
        migrate(old)

    with closing(sqlite3.connect(old)) as raw:
        assert list(raw.iterdump()) == before


@pytest.mark.parametrize("found", ["3", "17"])
async def test_a_database_of_a_newer_gateway_is_refused_and_left_alone(opened, path, found):
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (found,))

    with pytest.raises(StoreError, match=f"has tables of version {found}, this gateway knows 2: made by a newer"):
        await opened()
    with pytest.raises(StoreError, match="made by a newer gateway"):
        migrate(path)


@pytest.mark.parametrize("found", ["0", "", "new"])
async def test_a_version_that_no_gateway_made_is_refused(opened, path, found):
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (found,))

    with pytest.raises(StoreError, match="is not a database of the gateway"):
        await opened()
    with pytest.raises(StoreError, match="is not a database of the gateway"):
        migrate(path)


def test_what_is_not_there_is_not_migrated(tmp_path):
    with pytest.raises(StoreError, match="there is no database at"):
        migrate(tmp_path / "missing.db")
    (tmp_path / "notes.txt").write_text("remember the milk " * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        migrate(tmp_path / "notes.txt")

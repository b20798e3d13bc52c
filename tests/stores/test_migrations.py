"""Versions of the database: what migrations make is what the code believes in, and nothing that was there is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from gateway.keys import API_KEYS, EVERYONE, GroupRights, Kind, Principal, Role, digest
from gateway.stores import AuditEvent, Organization, StoreError, StoreOptions, migrations, open_store, versions
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
    with pytest.raises(StoreError, match="has tables of version 1, this gateway needs 5: run `gateway migrate`"):
        await opened(path=old)

    assert migrate(old) == (1, 5)

    assert (await (await opened(path=old)).store.health())["sql"] == "ok"


async def test_a_migrated_database_has_all_that_it_had(opened, old):
    with closing(sqlite3.connect(old)) as raw:
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = [name for name in tables if name not in {"meta", "audit_events"}]
        columns = {name: ", ".join(row[1] for row in raw.execute(f"PRAGMA table_info({name})")) for name in kept}
        before = {name: raw.execute(f"SELECT {columns[name]} FROM {name}").fetchall() for name in kept}
        events = raw.execute("SELECT * FROM audit_events").fetchall()
    migrate(old)

    with closing(sqlite3.connect(old)) as raw:
        assert {name: raw.execute(f"SELECT {columns[name]} FROM {name}").fetchall() for name in kept} == before
        assert [row[:-1] for row in raw.execute("SELECT * FROM audit_events")] == events
    store = await opened(path=old)
    live, revoked = await store.find(digest("live")), await store.find(digest("revoked"))
    assert isinstance(live, Principal)
    assert (live.identity.kind, live.version) == (Kind.ACCOUNT, 1)
    assert revoked.why == "revoked"
    assert (await store.registry.user_identity("eve@example.com", "acme")).role == Role.PLATFORM_ADMIN


VERSION_2 = """
    INSERT INTO users VALUES ('adam', 'adam@example.com', 'adam@example.com', 0, 'active');
    INSERT INTO members VALUES ('adam', 'other', 'user');
    INSERT INTO identities VALUES ('identity-adam', 'user', 'other', 'adam', NULL);
    INSERT INTO keys VALUES ('key-adam', '{his}', 'identity-adam', 'his', NULL, NULL, 'gwu_1234', 1000, 'identity-adam',
        NULL, NULL, NULL, 1);
    INSERT INTO changes (nonce, digest, version) VALUES (7, '{his}', 1);
""".format(his=digest("his"))


@pytest.fixture
def version_2(old):
    """A database as version 2 left it, with a user's key in it."""
    engine = engine_of(old)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(Path(migrations.__file__).parent / "versions"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.stamp(config, "1")
        command.upgrade(config, "2")
    with closing(sqlite3.connect(old)) as raw, raw:
        raw.executescript(VERSION_2)
    return old


async def test_a_users_key_of_version_2_lives_on_with_the_group_everyone(opened, version_2):
    assert migrate(version_2) == (2, 5)

    store = await opened(path=version_2)
    his = await store.find(digest("his"))
    assert isinstance(his, Principal)
    assert (his.identity.role, his.identity.groups) == (Role.USER, (GroupRights((API_KEYS,)),))
    assert his.identity.groups[0].group == EVERYONE
    assert [group.name for group in await store.registry.groups("other")] == [EVERYONE]
    assert [key.id for key in await store.keys("other")] == ["key-adam"]
    with closing(sqlite3.connect(version_2)) as raw:
        listed = raw.execute("SELECT id, kind, organization_id FROM keys ORDER BY id").fetchall()
        rights = raw.execute("SELECT DISTINCT description, roles FROM identities").fetchall()
    assert rights == [("", "[]")]
    assert listed == [
        ("key-adam", "user", "other"),
        ("key-live", "account", "acme"),
        ("key-revoked", "integration", "acme"),
    ]


def test_the_group_everyone_of_a_migrated_organization_is_that_of_a_new_one(version_2, path):
    migrate(version_2)
    with closing(sqlite3.connect(version_2)) as raw:
        migrated = raw.execute("SELECT * FROM groups WHERE organization_id = 'acme'").fetchall()

    async def add():
        async with open_store(StoreOptions(path)) as store, store.registry.change() as change:
            await change.add_organization(Organization("acme", "Acme"))

    asyncio.run(add())
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT * FROM groups").fetchall() == migrated


@pytest.mark.parametrize(
    ("damage", "table"),
    [
        ("UPDATE logins SET identity_id = 'nobody'", "logins"),
        ("UPDATE members SET organization_id = 'nowhere' WHERE user_id = 'adam'", "members"),
        ("UPDATE identities SET organization_id = 'nowhere' WHERE id = 'identity-adam'", "identities"),
    ],
)
def test_a_migration_that_would_leave_a_reference_to_nothing_is_refused_and_changes_nothing(version_2, damage, table):
    with closing(sqlite3.connect(version_2)) as raw, raw:  # which looks at no foreign key
        raw.execute(damage)
        before = list(raw.iterdump())

    with pytest.raises(StoreError, match=rf"a row of `{table}` refers to one of `\w+` that is not there"):
        migrate(version_2)

    with closing(sqlite3.connect(version_2)) as raw:
        assert list(raw.iterdump()) == before


def test_foreign_keys_hold_again_after_a_migration(version_2):
    migrate(version_2)
    with closing(sqlite3.connect(version_2)) as raw:
        raw.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            raw.execute("UPDATE keys SET identity_id = 'nobody'")
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            raw.execute("INSERT INTO identities (id, kind, organization_id) VALUES ('x', 'account', 'nowhere')")
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            raw.execute("INSERT INTO identities (id, kind) VALUES ('x', 'account')")


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

    assert migrate(path) == (5, 5)

    assert path.read_bytes() == before


def test_a_migration_that_fails_half_way_leaves_the_old_version(old):
    with closing(sqlite3.connect(old)) as raw:
        raw.execute("CREATE TABLE audit_chains (in_the_way TEXT)")
        before = list(raw.iterdump())

    with pytest.raises(StoreError, match="cannot be migrated: table audit_chains already exists"):
        migrate(old)

    with closing(sqlite3.connect(old)) as raw:
        assert list(raw.iterdump()) == before


@pytest.mark.parametrize("found", ["6", "17"])
async def test_a_database_of_a_newer_gateway_is_refused_and_left_alone(opened, path, found):
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (found,))

    with pytest.raises(StoreError, match=f"has tables of version {found}, this gateway knows 5: made by a newer"):
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

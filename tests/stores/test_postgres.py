"""What is PostgreSQL's own: the order of commits, a server that is away, making and migrating, addresses."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, event

from gateway.keys import Principal
from gateway.stores import (
    Absent,
    AuditEvent,
    StoreError,
    StoreOptions,
    StoreUnavailable,
    Unavailable,
    make_store,
    migrate_store,
    migrations,
    postgres,
    versions,
)
from gateway.stores.journal import Forget, Record
from gateway.stores.last_uses import as_text
from gateway.stores.postgres_journal import PostgresJournal
from gateway.stores.resolver import LayeredResolver
from gateway.stores.tables import metadata
from gateway.stores.values import KeyUse

NOWHERE = Path("/nowhere/gateway.db")

NO_LEASE = 1e-6
"""Seconds: every call asks the server, so that a test sees what one answers. With leases: `test_leases`."""

WRITE = """
async def act(store, name, count):
    for number in range(int(count)):
        async with store.registry.change() as change:
            await change.add_login(digest(f"{name} {number}"), "identity", expires_at=1)
            await change._changed(digest(f"{name} {number}"), 1)
            await asyncio.sleep(0.002 * (number % 3))  # numbered, and not committed yet
"""


def options(url, **changed):
    return StoreOptions(NOWHERE, url=url, sql_wait=60.0, lookup_timeout=60.0, **changed)


@pytest.fixture
def empty(postgres):
    """The address of a database without tables."""
    return postgres.new_database()


@pytest.fixture
async def served(opening, postgres_alone):
    """A store that asks at each call, on a server that can be mistreated, and the server."""
    url = postgres_alone.new_database()
    await make_store(options(url))
    alone = StoreOptions(NOWHERE, url=url, sql_wait=5.0, lookup_timeout=5.0, lease=NO_LEASE)
    async with opening(alone) as store:
        yield store, postgres_alone, url


def assembled(store, journal):
    """A resolver whose journal a test can get between."""
    return LayeredResolver(
        store.options,
        journal=journal,
        load=store.registry.load,
        compiled=store.compiled,
        redis=None,
        observer=store.seen,
        timer=store.seen.timer,
    )


# --- last uses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_last_uses_wait_for_no_change_and_no_change_for_them(opened, database):
    """Not for a revocation of the very key, whose row is locked; and not the other way round either."""
    store, other = await opened(), await opened()
    key, _ = await store.new_key()
    async with store.registry.change() as change:
        await change.revoke_key(key.id, at=1, by="operator")
        await other.registry.note_uses({key.id: KeyUse(used_at=5)})
    assert await store.registry.key_uses([key.id]) == {key.id: KeyUse(used_at=5)}

    key, _ = await store.new_key()
    async with other.registry._database.engine.begin() as connection:
        values = {"uses": as_text({key.id: KeyUse(used_at=5)}), "step": 1}
        await connection.execute(other.registry._database.note_uses, values)
        await store.revoke(key)  # while the row of its use is written and not committed
    assert await store.registry.key_uses([key.id]) == {key.id: KeyUse(used_at=5)}


# --- the order of commits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_whoever_sees_a_change_sees_all_before_it(opened, database, elsewhere):
    """While three processes write, the rows that can be seen are always the first of all that will ever be, and who
    follows them is told each once and in its order."""
    store = await opened()
    await store.new_key(id="key")
    database.by_hand("ALTER TABLE logins DROP CONSTRAINT fk_logins_identity_id")
    journal, told_of = await PostgresJournal.open(store.options), []
    writers = [await elsewhere(WRITE, name, "40") for name in ("one", "two", "three")]

    while any(writer.returncode is None for writer in writers):
        async with store.registry._database.reading.connect() as connection:
            told = await connection.exec_driver_sql("SELECT count(*), max(seq) FROM changes")
            count, newest = told.one()
        assert count == newest
        await journal.catch_up(told_of.extend)

    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert database.by_hand("SELECT count(*), max(seq) FROM changes") == [("122", "122")]
    await journal.catch_up(told_of.extend)
    assert [change.seq for change in told_of] == list(range(3, 123))
    assert len({change.digest for change in told_of}) == 120
    await journal.close()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_the_servers_own_isolation_level_does_not_matter(opened, database, level):
    database.by_hand(f"ALTER ROLE gateway IN DATABASE {database.name} SET default_transaction_isolation = '{level}'")
    try:
        one, two = await opened(), await opened()
        key, _ = await one.new_key()

        async def revoke(store, at):
            async with store.registry.change() as change:
                if (await change.key(key.id)).revoked_at is None:
                    await asyncio.sleep(0.01)
                    await change.revoke_key(key.id, at=at, by="operator")
                    await change.audit(AuditEvent(at, "operator", "acme", "key.revoked", key.id))

        await asyncio.gather(revoke(one, 1), revoke(two, 2))

        (event,) = await one.registry.audit_events("acme", limit=10)
        assert (await one.registry.key(key.id)).revoked_at == event.at
    finally:
        database.by_hand(f"ALTER ROLE gateway IN DATABASE {database.name} RESET default_transaction_isolation")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_change_waits_for_one_by_hand_and_gives_up(opened, database):
    store = await opened(sql_wait=0.2)
    key, its = await store.new_key()
    async with store.registry._database.engine.connect() as other:
        await other.exec_driver_sql(f"SELECT pg_advisory_xact_lock({postgres.LOCK})")
        with pytest.raises(StoreUnavailable, match="another change did not end in time"):
            await store.revoke(key)
        assert isinstance(await store.find(its), Principal)

    await store.revoke(key)
    assert await store.find(its) == Absent("revoked")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_change_that_is_told_while_the_last_check_is_under_way_overtakes_it(opened, database):
    store = await opened()
    key, its = await store.new_key()

    class Slow(PostgresJournal):
        """Its last answer takes so long that the key is revoked, and another call has caught up, before it is here."""

        revoked = False

        async def is_current(self, record: Record) -> bool:
            current = await super().is_current(record)
            if not self.revoked:
                self.revoked = True
                await store.revoke(key)
                await self.catch_up(resolver._forget)
            return current

    journal = await Slow.open(store.options)
    resolver = assembled(store, journal)
    assert await resolver.find(its) == Absent("revoked")
    assert await resolver.find(its) == Absent("revoked")
    assert store.seen.take()["sql", "stale"] == 1
    await resolver.close()
    await journal.close()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_call_does_not_share_a_question_that_was_sent_before_it(opened, database):
    store = await opened()
    key, its = await store.new_key()
    answered, go_on = asyncio.Event(), asyncio.Event()

    class Slow(PostgresJournal):
        hold = False

        async def _advance(self, forget: Forget) -> None:
            await super()._advance(forget)
            if self.hold:
                answered.set()
                await go_on.wait()

    journal = await Slow.open(store.options)
    resolver = assembled(store, journal)
    assert isinstance(await resolver.find(its), Principal)
    journal.hold = True
    early = asyncio.ensure_future(resolver.find(its))
    await answered.wait()
    await store.revoke(key)
    late = asyncio.ensure_future(resolver.find(its))
    await asyncio.sleep(0)
    go_on.set()

    assert await late == Absent("revoked")
    await early
    await resolver.close()
    await journal.close()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_thousand_calls_at_once_ask_for_the_changes_twice_at_most(opened, database):
    """Of a gateway that has no lease."""
    store = await opened()
    _, its = await store.new_key()
    journal = await PostgresJournal.open(store.options)
    resolver = assembled(store, journal)
    await resolver.find(its)
    asked = []
    event.listen(journal._pool.sync_engine, "before_cursor_execute", lambda *call: asked.append(call[2]))

    await asyncio.gather(*(resolver.find(its) for _ in range(1_000)))

    assert 1 <= len([statement for statement in asked if "FROM changes" in statement]) <= 2
    await resolver.close()
    await journal.close()


# --- a server that is away ----------------------------------------------------------------------------------------


async def test_warm_keys_are_unavailable_while_the_server_is_away_and_no_longer(served):
    store, server, _ = served
    key, its = await store.new_key()
    assert isinstance(await store.find(its), Principal)

    server.stop()

    assert isinstance(await store.find(its), Unavailable)
    assert (await store.store.health())["sql"].startswith("the database")
    with pytest.raises(StoreUnavailable):
        await store.revoke(key)
    server.start()
    assert isinstance(await store.find(its), Principal)
    await store.revoke(key)
    assert await store.find(its) == Absent("revoked")


async def test_a_server_that_was_restarted_costs_no_call(served):
    store, server, _ = served
    key, its = await store.new_key()
    await store.find(its)

    server.stop()
    server.start()

    assert isinstance(await store.find(its), Principal)
    await store.revoke(key)
    assert await store.find(its) == Absent("revoked")


async def test_a_change_whose_server_goes_away_is_not_kept(served):
    store, server, _ = served
    key, _ = await store.new_key()

    async def revoke():
        async with store.registry.change() as change:
            await change.revoke_key(key.id, at=1, by="operator")
            server.stop()

    with pytest.raises(StoreUnavailable):
        await revoke()

    server.start()
    assert (await store.registry.key(key.id)).revoked_at is None


async def test_a_server_that_does_not_answer_is_unavailable_in_time(opening, postgres_alone):
    url = postgres_alone.new_database()
    await make_store(options(url))
    async with opening(StoreOptions(NOWHERE, url=url, sql_wait=0.3, lookup_timeout=0.3)) as store:
        _, its = await store.new_key()
        postgres_alone.pause()
        try:
            found = await asyncio.gather(*(store.find(its) for _ in range(20)))
        finally:
            postgres_alone.go_on()

    assert {type(one) for one in found} == {Unavailable}


async def test_a_call_that_is_cancelled_leaves_the_others_their_answer(served):
    store, _, _ = served
    _, its = await store.new_key()
    calls = [asyncio.ensure_future(store.find(its)) for _ in range(3)]
    await asyncio.sleep(0)

    calls[0].cancel()

    assert all(isinstance(found, Principal) for found in await asyncio.gather(*calls[1:]))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_dump_that_is_restored_ends_the_keys_made_after_it(opened, database, postgres):
    store = await opened(lease=NO_LEASE)
    early, its = await store.new_key()
    dump = postgres.dump(database.options["url"])
    _, lost = await store.new_key()
    assert isinstance(await store.find(lost), Principal)
    assert isinstance(await store.find(its), Principal)

    # In a thread: a statement of the gateway that is half said would hold it up for ever.
    await asyncio.to_thread(postgres.restore, database.options["url"], dump)
    await store.revoke(early)  # the restored history goes on with the same numbers

    assert await store.find(lost) == Absent("unknown")
    assert await store.find(its) == Absent("revoked")


# --- making, opening, migrating -----------------------------------------------------------------------------------


async def test_an_empty_database_is_refused_and_one_with_tables_is_not_made_again(opened, opening, empty):
    with pytest.raises(StoreError, match="is not a database of the gateway"):
        async with opening(options(empty)):
            pass
    await make_store(options(empty))
    with pytest.raises(StoreError, match="has tables already"):
        await postgres.create(options(empty))
    await make_store(options(empty))  # there is one: nothing to do
    async with opening(options(empty)) as store:
        assert await store.store.health() == {"sql": "ok", "redis": "off"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ((r":[0-9a-f]{16}@", ":hunter2@"), "password authentication failed"),
        ((r"/test_\d+$", "/nowhere"), 'database "nowhere" does not exist'),
        ((r":\d+/", ":9/"), "cannot be reached"),
        ((r":\d+/", ":port/"), "cannot be used"),
    ],
)
async def test_an_address_that_is_wrong_is_refused_without_its_password(opening, empty, wrong, told):
    url = re.sub(*wrong, empty)
    with pytest.raises(StoreError, match=told) as refused:
        async with opening(options(url)):
            pass

    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(options(url))


@pytest.mark.parametrize(
    ("found", "told"), [(1, "run `gateway migrate`"), (versions.CURRENT + 1, "made by a newer gateway")]
)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_another_version_is_refused(opened, database, found, told):
    database.by_hand(f"UPDATE alembic_version SET version_num = '{found}'")

    with pytest.raises(StoreError, match=told):
        await opened()


@pytest.mark.parametrize("damage", ["DELETE FROM changes", "DROP TABLE changes"])
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_damaged_database_is_refused(opened, database, damage):
    database.by_hand(damage)

    with pytest.raises(StoreError, match="cannot be used: the database"):
        await opened()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_the_migrations_make_the_tables_that_the_code_believes_in(opened, database):
    store = await opened()

    def compared(connection: Connection):
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with store.registry._database.engine.connect() as connection:
        assert await connection.run_sync(compared) == []


async def test_an_older_database_is_migrated_with_its_data(opening, empty):
    def make_version_1(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", str(Path(migrations.__file__).parent / "versions"))
        config.attributes["connection"] = connection
        command.upgrade(config, "1")
        connection.exec_driver_sql("INSERT INTO changes (nonce) VALUES (7)")
        row = "(1, 'eve', 'acme', 'key.create', 'key-1', '{}')"
        names = "at, actor, organization_id, event, subject, details"
        connection.exec_driver_sql(f"INSERT INTO audit_events ({names}) VALUES {row}, {row}")

    engine = postgres.engine(options(empty), connections=1)
    async with engine.begin() as connection:
        await connection.run_sync(make_version_1)
    await engine.dispose()

    assert await migrate_store(options(empty)) == (1, versions.CURRENT)

    async with opening(options(empty)) as store:
        (acme,) = await store.registry.check_audit()
        assert (acme.head.events, acme.fault) == (2, None)
        assert len(await store.registry.audit_events("acme", limit=9)) == 2
    assert await migrate_store(options(empty)) == (versions.CURRENT, versions.CURRENT)

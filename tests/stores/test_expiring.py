"""Counting keys that end soon, on both databases: right for every end, and from an index whatever else is there."""

from __future__ import annotations

import secrets

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.control import NewKey, TokenOptions, desk_over
from gateway.control.importing import ImportedKey, ImportRejected, import_keys
from gateway.keys import DAY, Kind, Operator, digest
from gateway.stores import Organization, StoreOptions, create, make_store, open_store, sql_keys
from gateway.stores import sql as sql_module
from gateway.stores.sql_keys import expiring
from gateway.stores.values import KeyUse

NOW = 1_700_000_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request, tmp_path):
    if request.param == "sqlite":
        options = StoreOptions(tmp_path / "gateway.db")
    else:
        options = StoreOptions(tmp_path / "none", url=request.getfixturevalue("postgres").new_database())
    await make_store(options)
    async with open_store(options, projects={}) as store:
        yield store


@pytest.fixture
def desk(store):
    return desk_over(store.registry, TokenOptions(), lambda: NOW, secrets.token_bytes)


async def test_keys_are_counted_by_their_own_end_and_by_the_maximum_of_their_organization(store, desk):
    for organization, longest in (("acme", None), ("globex", 730)):
        await desk.organizations.add_organization(Operator(), Organization(organization, organization))
        await desk.organizations.set_max_key_days(Operator(), organization, longest)
        for days in (3, 700, None):
            wanted = NewKey("k", days=days)
            await desk.tokens.create_organization_key(Operator(), wanted, organization=organization)
    await desk.tokens.create_global_key(Operator(), NewKey("g", days=3), roles=["monitor"])

    async def count(days, now=NOW):
        return await store.registry.count_expiring(now, now + days * DAY)

    assert [await count(days) for days in (2, 3, 699, 700, 729, 730)] == [0, 3, 3, 5, 5, 6]
    await desk.organizations.set_max_key_days(Operator(), "globex", 2)
    assert [await count(days) for days in (1, 2, 3)] == [0, 3, 5]
    assert await count(730, now=NOW + 3 * DAY) == 1  # of acme, the one of 700 days


async def test_counting_stops_at_its_limit(store, desk, monkeypatch):
    monkeypatch.setattr(sql_module, "COUNTED", 3)
    monkeypatch.setattr(sql_keys, "COUNTED", 3)
    await desk.organizations.add_organization(Operator(), Organization("acme", "Acme"))
    for _ in range(5):
        await desk.tokens.create_organization_key(Operator(), NewKey("k", days=1), organization="acme")
    assert await store.registry.count_expiring(NOW, NOW + DAY) == 3


async def test_both_counts_are_read_from_an_index(tmp_path):
    create(tmp_path / "gateway.db")
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/gateway.db")
    statement = str(expiring(NOW, NOW + DAY).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    async with engine.connect() as connection:
        plan = [
            row.detail
            for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {statement}".replace("?", "'session'")))
        ]
    await engine.dispose()
    reading = [line for line in plan if " keys " in f"{line} "]
    assert len(reading) == 2
    assert all("USING INDEX ix_keys_" in line or "USING COVERING INDEX ix_keys_" in line for line in reading), plan


async def test_last_uses_are_kept_by_both(store, desk):
    await desk.organizations.add_organization(Operator(), Organization("acme", "Acme"))
    key = (await desk.tokens.create_organization_key(Operator(), NewKey("k"), organization="acme")).key
    await store.registry.note_uses({key.id: KeyUse(used_at=5), "none": KeyUse(used_at=5)})
    await store.registry.note_uses({key.id: KeyUse(used_at=4, refused_at=7)})
    assert await store.registry.key_uses([key.id, "none"]) == {key.id: KeyUse(5, 7)}


async def test_an_import_is_one_change_in_both(store, desk):
    await desk.organizations.add_organization(Operator(), Organization("acme", "Acme"))

    def key(line, secret, **more):
        return ImportedKey(line, Kind.ORGANIZATION, NewKey("k", digest=digest(secret), **more), "acme")

    assert await import_keys(store.registry, desk.tokens, [key(1, "one"), key(2, "two")]) == 2
    for keys in ([key(1, "three"), key(2, "one"), key(3, "four")], [key(1, "three"), key(2, "four", days=0)]):
        with pytest.raises(ImportRejected) as refused:
            await import_keys(store.registry, desk.tokens, keys)
        assert [line for line, _ in refused.value.faults] == [2]
    assert len(await desk.tokens.list_keys(Operator(), limit=10)) == 2
    assert len(await store.registry.audit_events("acme", limit=10)) == 3
    assert all(verdict.fault is None for verdict in await store.registry.check_audit())

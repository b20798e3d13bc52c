"""A change of an organization: one row, of all of its keys and of no others, for every process and in every race."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import Any

import pytest
import redis

from gateway.keys import (
    API_KEYS,
    DAY,
    UNLIMITED_CALLS,
    CallLimits,
    GroupRights,
    Identity,
    Key,
    Kind,
    Period,
    Principal,
    Quota,
    Rate,
    Role,
    digest,
)
from gateway.stores import Absent, Group, Organization
from gateway.stores.file import DatabaseFile
from gateway.stores.journal import Changed, Journal, everything
from gateway.stores.postgres_journal import PostgresJournal
from gateway.stores.resolver import LayeredResolver

EVERYONE = Group("everyone.acme", "acme", "Everyone", everyone=True, rights=GroupRights((API_KEYS,)))
OFF = replace(EVERYONE, rights=GroupRights())
THEIRS = Group("everyone.globex", "globex", "Everyone", everyone=True, rights=GroupRights((API_KEYS,)))
READERS = Group("readers", "acme", "Readers")
SUSPENDED = Absent("the owner's API keys are suspended")
HERS, ACCOUNTS, HIS, NOBODYS = digest("hers"), digest("an account's"), digest("his"), digest("of no organization")
LIMITS = CallLimits(Rate(10, 60), Quota(1_000, Period.DAY), 3)

SWITCH = """
from dataclasses import replace
from gateway.keys import GroupRights
async def act(store, group):
    async with store.registry.change() as change:
        await change.change_group(replace(await change.group(group), rights=GroupRights()))
"""


def key_of(identity: Identity) -> Key:
    return Key(f"key of {identity.id}", identity, "a key", None, None, "gwu_1234", 1_000, None, None, None)


@pytest.fixture
async def stores(opened, levels):
    """Two open stores: eve of acme and bob of globex have a key each, acme has one of an account; and a global one."""
    one, two = await opened(**levels), await opened(**levels)
    async with one.registry.change() as change:
        for user, organization in (("eve", "acme"), ("bob", "globex")):
            await change.add_organization(Organization(organization, organization))
            await change.add_user(user, f"{user}@example.com", platform_admin=False)
            await change.add_member(user, organization, Role.USER)
        await change.add_group(READERS)
        for identity, its in (
            (Identity("eve@acme", Kind.USER, "acme", user="eve"), HERS),
            (Identity("an account", Kind.ACCOUNT, "acme"), ACCOUNTS),
            (Identity("bob@globex", Kind.USER, "globex", user="bob"), HIS),
            (Identity("nobody's", Kind.GLOBAL, ""), NOBODYS),
        ):
            await change.add_identity(identity)
            await change.add_key(key_of(identity), its)
    for store in (one, two):
        for its in (HERS, ACCOUNTS, HIS, NOBODYS):
            assert isinstance(await store.find(its), Principal)
        store.seen.take()
    return one, two


async def changed(store: Any, act: Any) -> None:
    async with store.registry.change() as change:
        await act(change)


CHANGES = {
    "a group": lambda change: change.change_group(replace(READERS, description="They read")),
    "a group that is deleted": lambda change: change.remove_group("readers"),
    "the longest life": lambda change: change.set_max_key_days("acme", 30),
    "its limits": lambda change: change.set_organization_limits("acme", LIMITS),
}


@pytest.mark.parametrize("act", CHANGES.values(), ids=CHANGES)
async def test_a_change_of_an_organization_is_one_row_and_leaves_the_others_keys_in_memory(stores, database, act):
    (before,) = database.by_hand("SELECT max(seq) FROM changes")

    await changed(stores[0], act)

    told = database.by_hand(f"SELECT organization_id FROM changes WHERE digest IS NULL AND seq > {before[0]}")
    assert told == [("acme",)]
    for store in stores:
        for its in (HIS, NOBODYS):
            assert isinstance(await store.find(its), Principal)
        assert store.seen.take() == {("memory", "found"): 2}
        for its in (HERS, ACCOUNTS):
            assert isinstance(await store.find(its), Principal)
        assert store.seen.take()["memory", "miss"] == 2
        for its in (HERS, ACCOUNTS):
            assert isinstance(await store.find(its), Principal)
        assert store.seen.take() == {("memory", "found"): 2}


async def test_what_is_absent_because_it_is_suspended_wakes_with_its_own_organization_alone(stores):
    await changed(stores[0], lambda change: change.change_group(OFF))
    assert [await store.find(HERS) for store in stores] == [SUSPENDED] * 2

    await changed(stores[0], lambda change: change.change_group(replace(THEIRS, description="all")))
    for store in stores:
        store.seen.take()
        assert await store.find(HERS) == SUSPENDED
        assert store.seen.take() == {("memory", "absent"): 1}

    await changed(stores[1], lambda change: change.change_group(EVERYONE))
    assert all([isinstance(await store.find(HERS), Principal) for store in stores])


async def test_limits_hold_from_the_next_call_on(stores):
    one, _ = stores
    await changed(one, lambda change: change.set_limits("key of eve@acme", LIMITS))
    await changed(one, lambda change: change.set_organization_limits("globex", LIMITS))

    for store in stores:
        hers, his, accounts = [await store.find(its) for its in (HERS, HIS, ACCOUNTS)]
        assert (hers.limits, hers.organization_limits, hers.version) == (LIMITS, UNLIMITED_CALLS, 2)
        assert (his.limits, his.organization_limits, his.version) == (UNLIMITED_CALLS, LIMITS, 1)
        assert accounts.limits == accounts.organization_limits == UNLIMITED_CALLS
    assert (await one.registry.organizations())[1].limits == LIMITS

    await changed(one, lambda change: change.set_limits("key of eve@acme", UNLIMITED_CALLS))
    await changed(one, lambda change: change.set_organization_limits("globex", UNLIMITED_CALLS))
    for store in stores:
        assert (await store.find(HERS)).limits == (await store.find(HIS)).organization_limits == UNLIMITED_CALLS


async def test_a_revoked_key_gets_no_limits(stores):
    one, _ = stores
    await changed(one, lambda change: change.revoke_key("key of eve@acme", at=5, by="operator"))

    await changed(one, lambda change: change.set_limits("key of eve@acme", LIMITS))

    key = await one.registry.key("key of eve@acme")
    assert (key.limits, key.version) == (UNLIMITED_CALLS, 2)


async def test_the_longest_life_binds_the_keys_in_memory(stores):
    await changed(stores[1], lambda change: change.set_max_key_days("acme", 30))

    for store in stores:
        assert (await store.find(HERS)).expires_at == 1_000 + 30 * DAY
        assert (await store.find(HIS)).expires_at is None


async def test_another_process_suspends_a_key_from_the_next_call_on(stores, elsewhere):
    store, _ = stores
    process = await elsewhere(SWITCH, EVERYONE.id)
    while process.returncode is None:  # warm until the very end
        await store.find(HERS)
        await asyncio.sleep(0)

    assert process.returncode == 0
    assert await store.find(HERS) == SUSPENDED


async def test_a_row_of_nothing_in_particular_is_about_everything(opened, database):
    store = await opened(lease=1e-6)
    _, its = await store.new_key()
    await store.find(its)
    database.by_hand("INSERT INTO changes (nonce) VALUES (7)")
    store.seen.take()

    await store.find(its)

    assert store.seen.take()["memory", "miss"] == 1


async def test_what_redis_knew_before_a_row_of_nothing_in_particular_is_stale(opened, database, redis_url):
    one, cold = await opened(redis_url=redis_url), await opened(redis_url=redis_url)
    _, its = await one.new_key()
    await one.find(its)
    database.by_hand("INSERT INTO changes (nonce) VALUES (7)")

    assert isinstance(await cold.find(its), Principal)

    assert cold.seen.take() == {("memory", "miss"): 1, ("redis", "stale"): 1, ("sql", "found"): 1}


async def test_what_redis_knew_before_a_change_of_the_organization_is_stale(opened, stores, redis_url):
    store, _ = stores
    await (await opened(redis_url=redis_url)).find(HERS)
    with redis.Redis.from_url(redis_url) as raw:
        old = raw.get(f"gateway:key:{HERS}")
        await changed(store, lambda change: change.change_group(OFF))
        raw.set(f"gateway:key:{HERS}", old)
    cold = await opened(redis_url=redis_url)

    assert await cold.find(HERS) == SUSPENDED
    assert cold.seen.take()["redis", "stale"] == 1


@pytest.mark.parametrize("levels", [{}], ids=["sql"])
async def test_in_another_history_whose_numbers_are_lower_no_epoch_of_before_counts(stores):
    """That of a restored backup: it would keep the organization's keys out until the numbers are that high again."""
    store, _ = stores
    async with journal_of(store) as journal, assembled(store, journal) as resolver:
        resolver._forget([Changed(10**9, None, "acme")])
        assert (await resolver.find(HERS)).why == "the key changed 3 times while it was read"

        resolver._forget(everything(journal.position))

        for _ in range(2):
            assert isinstance(await resolver.find(HERS), Principal)
        assert store.seen.take()["memory", "found"] == 1


# --- races --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def journal_of(store: Any) -> AsyncIterator[Any]:
    """A journal of the test's own."""
    if store.options.url is None:
        with closing(Journal(DatabaseFile(store.options.path), store.options)) as journal:
            yield journal
    else:
        journal = await PostgresJournal.open(store.options)
        yield journal
        await journal.close()


@asynccontextmanager
async def assembled(store: Any, journal: Any, load: Any = None) -> AsyncIterator[LayeredResolver]:
    resolver = LayeredResolver(
        store.options,
        journal=journal,
        load=load or store.registry.load,
        compiled=store.compiled,
        redis=None,
        observer=store.seen,
        timer=store.seen.timer,
    )
    yield resolver
    await resolver.close()


@pytest.mark.parametrize("levels", [{}], ids=["sql"])
async def test_an_organization_that_changes_while_its_key_is_read_overtakes_the_look_up(stores):
    store, _ = stores
    acts = [OFF, EVERYONE, OFF]

    async def load(digest: Any) -> Any:
        record = await store.registry.load(digest)
        if acts:
            await changed(store, lambda change: change.change_group(acts.pop()))
        return record

    async with journal_of(store) as journal, assembled(store, journal, load) as resolver:
        assert (await resolver.find(HERS)).why == "the key changed 3 times while it was read"
        assert await resolver.find(HERS) == SUSPENDED
        assert store.seen.take()["sql", "stale"] == 3


@pytest.mark.parametrize("levels", [{}], ids=["sql"])
@pytest.mark.parametrize(("change", "stale"), [(OFF, 1), (replace(THEIRS, description="all"), 0)], ids=["own", "other"])
async def test_a_change_that_is_told_after_the_last_check_overtakes_the_look_ups_of_its_organization(
    stores, change, stale
):
    """The answer of the last check is older than what another call has heard meanwhile."""
    store, _ = stores
    async with journal_of(store) as journal, assembled(store, journal) as resolver:
        right = journal.is_current

        async def is_current(record: Any) -> bool:
            current = await right(record)
            journal.is_current = right
            await changed(store, lambda under_way: under_way.change_group(change))
            await journal.catch_up(resolver._forget)
            return current

        journal.is_current = is_current
        expected = SUSPENDED if stale else await store.find(HERS)
        store.seen.take()
        assert await resolver.find(HERS) == expected
        assert await resolver.find(HERS) == expected
        assert store.seen.take().get(("sql", "stale"), 0) == stale


@pytest.mark.parametrize("levels", [{}], ids=["sql"])
async def test_what_was_read_of_a_change_that_is_lost_again_is_not_remembered(stores, database):
    """A server without the newest changes takes over, or a backup: of a change that was not told yet, nobody tells that
    it never was."""
    store, _ = stores
    acts = [LIMITS]

    async def load(digest: Any) -> Any:
        if acts:
            await changed(store, lambda change: change.set_limits("key of eve@acme", acts.pop()))
        return await store.registry.load(digest)

    async with journal_of(store) as journal, assembled(store, journal, load) as resolver:
        assert (await resolver.find(HERS)).limits == LIMITS
        assert not resolver.knows(HERS)
        database.by_hand(
            "DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)",
            "UPDATE keys SET limits = NULL, version = 1 WHERE id = 'key of eve@acme'",
        )

        assert (await resolver.find(HERS)).limits == UNLIMITED_CALLS
        assert resolver.knows(HERS)


@pytest.mark.parametrize("levels", [{}], ids=["sql"])
async def test_one_who_joins_a_look_up_after_the_change_of_an_organization_gets_no_older_answer(stores):
    store, _ = stores
    was_read, go_on = asyncio.Event(), asyncio.Event()

    async def load(digest: Any) -> Any:
        record = await store.registry.load(digest)
        was_read.set()
        await go_on.wait()
        return record

    async with journal_of(store) as journal, assembled(store, journal, load) as resolver:
        early = asyncio.ensure_future(resolver.find(HERS))
        await was_read.wait()
        await changed(store, lambda change: change.change_group(OFF))
        late = asyncio.ensure_future(resolver.find(HERS))
        await asyncio.sleep(0)
        go_on.set()

        assert await late == SUSPENDED
        assert await early == SUSPENDED

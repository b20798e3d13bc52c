"""The registry over both databases: what it keeps, what it refuses, what is left when something ends in the middle."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from msgspec import structs

from gateway.keys import API_KEYS, CallLimits, GroupRights, Identity, Key, Kind, Membership, Principal, Role, digest
from gateway.stores import AuditEvent, Conflict, Group, IntegrationInstance, Organization, StoreUnavailable, create
from gateway.stores.file import DatabaseFile
from gateway.stores.journal import Journal
from gateway.stores.local_keys import LocalKeys

ACME = Organization("acme", "Acme")
EVERYONES = GroupRights((API_KEYS,))
EVE = Identity("identity-eve", Kind.USER, "acme", user="eve", role=Role.USER, groups=(EVERYONES,))
AWS = IntegrationInstance("instance-1", "acme", "AWS production")


def key_of(identity: Identity, name: str = "a key") -> Key:
    return Key(f"key of {identity.id}", identity, name, "ci", None, "gwu_1234", 5, "identity-eve", 9, None)


async def add_eve(change, *, platform_admin=False):
    await change.add_organization(ACME)
    await change.add_user("eve", "Eve@Example.com", platform_admin=platform_admin)
    await change.add_member("eve", "acme", Role.USER)
    await change.add_identity(EVE)


async def audited(registry, act):
    """A change that writes an audit event first, and then does what is to fail."""
    async with registry.change() as change:
        await change.audit(AuditEvent(1, "operator", None, "attempt", "something"))
        await act(change)


# --- what is kept -------------------------------------------------------------------------------------------------


async def test_keys_of_every_kind_come_back_as_they_were_given(opened):
    registry = (await opened()).registry
    account = Identity("identity-account", Kind.ACCOUNT, "acme")
    integration = Identity("identity-aws", Kind.INTEGRATION, "acme", integration_instance="instance-1")
    given = [key_of(EVE), replace(key_of(account), policy='{ "permissions":\n[] }'), key_of(integration)]

    async with registry.change() as change:
        await add_eve(change)
        await change.add_integration_instance(AWS)
        await change.add_identity(account)
        await change.add_identity(integration)
        for key in given:
            await change.add_key(key, digest(key.id))

    assert [await registry.key(key.id) for key in given] == given
    assert await registry.key("nobody's") is None


async def test_a_key_is_the_same_by_both_ways_to_the_file(opened, path):
    """The way of the calls, over the journal's connection, and that of everything else."""
    store = await opened()
    known = [await store.new_key(), await store.new_key(expires_at=5), await store.new_key()]
    await store.revoke(known[2][0])
    async with store.registry.change() as change:
        await change.add_user("eve", "Eve@Example.com", platform_admin=True)
        await change.add_member("eve", "acme", Role.USER)
        await change.add_group(Group("g", "acme", "Readers", "", everyone=False, rights=GroupRights((API_KEYS,))))
        await change.add_to_group(Group("g", "acme", "Readers", "", everyone=False), "eve")
        await change.add_identity(
            structs.replace(EVE, memberships=(Membership("site", "editor", (("language", ("cs",)),)),))
        )
        await change.add_key(replace(key_of(EVE), limits=CallLimits(concurrent=3)), digest("hers"))
    file = DatabaseFile(path)
    with closing(Journal(file, store.options)) as journal:
        local = LocalKeys(journal, file)
        for its in (*(its for _, its in known), digest("hers"), digest("nobody's")):
            assert await local.load(its) == await store.registry.load(its)
        hers = (await local.load(digest("hers"))).key
    assert hers is not None
    assert {group.group for group in hers.identity.groups} == {"Readers", "Everyone"}


async def test_keys_are_listed_oldest_first_with_tombstones_and_by_organization(opened):
    store = await opened()
    late, _ = await store.new_key(created_at=30, id="a")
    early, _ = await store.new_key(created_at=10, id="c")
    same, _ = await store.new_key(created_at=10, id="b")
    async with store.registry.change() as change:
        await change.add_organization(Organization("other", "Other"))
    foreign, _ = await store.new_key(identity=Identity("foreign", Kind.ACCOUNT, "other"), created_at=20)
    await store.revoke(early)

    in_acme = await store.keys("acme")

    assert [key.id for key in in_acme] == [same.id, early.id, late.id]
    assert in_acme[1] == replace(early, revoked_at=2_000, revoked_by="operator", version=2)
    assert [key.id for key in await store.keys(None)] == [same.id, early.id, foreign.id, late.id]
    assert await store.keys("nobody") == ()


async def test_organizations_and_instances_are_read_within_the_change_that_adds_them(opened):
    registry = (await opened()).registry
    async with registry.change() as change:
        assert await change.organization("acme") is None
        await change.add_organization(ACME)
        await change.add_integration_instance(AWS)
        assert await change.organization("acme") == ACME
        assert await change.integration_instance("instance-1") == AWS
        assert await change.integration_instance("instance-2") is None

    assert await registry.organizations() == (ACME,)


async def test_a_user_is_found_by_email_in_whatever_letter_case(opened):
    registry = (await opened()).registry
    async with registry.change() as change:
        await add_eve(change)

    assert await registry.user_identity("EVE@EXAMPLE.COM", "acme") == EVE
    assert await registry.user_identity("eve@example.com", "other") is None
    assert await registry.user_identity("adam@example.com", "acme") is None


async def test_a_platform_administrator_is_one_everywhere(opened):
    registry = (await opened()).registry
    async with registry.change() as change:
        await add_eve(change, platform_admin=True)

    found = await registry.user_identity("eve@example.com", "acme")

    assert found == structs.replace(EVE, role=Role.PLATFORM_ADMIN)


async def test_a_membership_given_again_wakes_the_users_keys_at_once(opened):
    store = await opened()
    async with store.registry.change() as change:
        await change.add_organization(ACME)
        await change.add_user("eve", "eve@example.com", platform_admin=False)
        await change.add_identity(EVE)
        await change.add_key(key_of(EVE), digest("hers"))
    assert (await store.find(digest("hers"))).why == "the owner is not a member"

    async with store.registry.change() as change:
        await change.add_member("eve", "acme", Role.ORGANIZATION_ADMIN)

    assert (await store.find(digest("hers"))).identity.role == Role.ORGANIZATION_ADMIN


async def test_a_disabled_owner_has_no_live_keys_and_no_logins(opened, database):
    store = await opened()
    async with store.registry.change() as change:
        await add_eve(change)
        await change.add_key(key_of(EVE), digest("hers"))
        await change.add_login(digest("code"), EVE.id, expires_at=100)
    database.by_hand("UPDATE users SET status = 'disabled'")

    assert (await store.find(digest("hers"))).why == "the owner is not active"
    async with store.registry.change() as change:
        assert await change.use_login(digest("code"), now=1) is None


# --- ending -------------------------------------------------------------------------------------------------------


async def test_revoking_twice_keeps_the_first_time_and_writes_one_change(opened, database):
    store = await opened()
    key, _ = await store.new_key()
    async with store.registry.change() as change:
        await change.revoke_key(key.id, at=10, by="first")
        await change.revoke_key(key.id, at=20, by="second")
    after_one = database.dump()
    async with store.registry.change() as change:
        await change.revoke_key(key.id, at=30, by="third")
        await change.revoke_key("nobody's", at=30, by="third")

    assert await store.registry.key(key.id) == replace(key, revoked_at=10, revoked_by="first", version=2)
    assert database.dump() == after_one


async def test_a_revoked_keys_digest_is_taken_for_ever(opened):
    store = await opened()
    key, its = await store.new_key()
    await store.revoke(key)

    with pytest.raises(Conflict):
        await audited(store.registry, lambda change: change.add_key(replace(key, id="heir"), its))

    assert (await store.find(its)).why == "revoked"


async def test_a_login_is_used_once_and_in_time(opened):
    registry = (await opened()).registry
    async with registry.change() as change:
        await add_eve(change)
        for code in ("once", "late"):
            await change.add_login(digest(code), EVE.id, expires_at=100)

    async with registry.change() as change:
        assert await change.use_login(digest("late"), now=100) is None
        assert await change.use_login(digest("unknown"), now=1) is None
        assert await change.use_login(digest("once"), now=99) == EVE
        assert await change.use_login(digest("once"), now=99) is None


# --- refusals -----------------------------------------------------------------------------------------------------


TAKEN = {
    "an organization": lambda change: change.add_organization(Organization("acme", "Another")),
    "an address": lambda change: change.add_user("adam", "eve@EXAMPLE.com", platform_admin=False),
    "a user": lambda change: change.add_user("eve", "adam@example.com", platform_admin=False),
    "a membership": lambda change: change.add_member("eve", "acme", Role.ORGANIZATION_ADMIN),
    "a user's identity": lambda change: change.add_identity(structs.replace(EVE, id="second")),
    "a key": lambda change: change.add_key(key_of(EVE), digest("new")),
    "a digest": lambda change: change.add_key(replace(key_of(EVE), id="new"), digest("hers")),
    "a login": lambda change: change.add_login(digest("code"), EVE.id, expires_at=200),
}


@pytest.mark.parametrize("again", TAKEN.values(), ids=TAKEN)
async def test_what_is_taken_is_a_conflict_that_leaves_no_row(opened, database, again):
    registry = (await opened()).registry
    async with registry.change() as change:
        await add_eve(change)
        await change.add_key(key_of(EVE), digest("hers"))
        await change.add_login(digest("code"), EVE.id, expires_at=100)
    before = database.dump()

    with pytest.raises(Conflict) as refused:
        await audited(registry, again)

    assert database.dump() == before
    assert digest("hers") not in str(refused.value)


WRONG = {
    "a member who is nobody": lambda change: change.add_member("nobody", "acme", Role.USER),
    "a member of nothing": lambda change: change.add_member("eve", "nowhere", Role.USER),
    "a platform role in one organization": lambda change: change.add_member("eve", "second", Role.PLATFORM_ADMIN),
    "an identity of nothing": lambda change: change.add_identity(Identity("new", Kind.ACCOUNT, "nowhere")),
    "an account with a user": lambda change: change.add_identity(Identity("new", Kind.ACCOUNT, "acme", user="eve")),
    "a user without one": lambda change: change.add_identity(Identity("new", Kind.USER, "acme")),
    "an integration without one": lambda change: change.add_identity(Identity("new", Kind.INTEGRATION, "acme")),
    "another organization's integration": lambda change: change.add_identity(
        Identity("new", Kind.INTEGRATION, "second", integration_instance="instance-1")
    ),
    "a key named like its identity": lambda change: change.add_key(replace(key_of(EVE), id=EVE.id), digest("new")),
    "a key of nobody": lambda change: change.add_key(key_of(structs.replace(EVE, id="nobody")), digest("new")),
    "an upper-case digest": lambda change: change.add_key(replace(key_of(EVE), id="new"), digest("new").upper()),
    "a short digest": lambda change: change.add_key(replace(key_of(EVE), id="new"), digest("new")[:63]),
    "a login of nobody": lambda change: change.add_login(digest("code"), "nobody", expires_at=100),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_what_contradicts_the_rest_is_refused_and_leaves_no_row(opened, database, wrong):
    registry = (await opened()).registry
    async with registry.change() as change:
        await add_eve(change)
        await change.add_organization(Organization("second", "Second"))
        await change.add_integration_instance(AWS)
    before = database.dump()

    with pytest.raises(ValueError, match="contradicts the rest"):
        await audited(registry, wrong)

    assert database.dump() == before


# --- audit --------------------------------------------------------------------------------------------------------


async def test_audit_events_come_newest_first_and_by_organization(opened):
    registry = (await opened()).registry
    events = [
        AuditEvent(1, "operator", None, "organization.created", "acme", (("name", "Ācme"), ("region", "eu"))),
        AuditEvent(2, "operator", "acme", "key.created", "key-1"),
        AuditEvent(2, "eve", "acme", "key.revoked", "key-1", (("reason", 'a "quoted" one'),)),
        AuditEvent(3, "eve", "other", "key.created", "key-2"),
    ]
    async with registry.change() as change:
        for event in events:
            await change.audit(event)

    assert await registry.audit_events(None, limit=10) == tuple(reversed(events))
    assert await registry.audit_events("acme", limit=10) == (events[2], events[1])
    assert await registry.audit_events(None, limit=1) == (events[3],)


async def test_the_trail_fits_whoever_wrote_it(opened):
    one, two = await opened(), await opened()
    for number in range(3):
        for store in (one, two):
            async with store.registry.change() as change:
                await change.audit(AuditEvent(number, "eve", "acme", "key.created", f"key-{number}"))
                await change.audit(AuditEvent(number, "eve", None, "something", "else"))

    nothing, acme = await one.registry.check_audit()

    assert (nothing.head.organization, nothing.head.events, nothing.fault) == (None, 6, None)
    assert (acme.head.organization, acme.head.events, acme.fault) == ("acme", 6, None)
    assert await two.registry.check_audit([nothing.head, acme.head]) == (nothing, acme)


async def test_an_event_that_is_taken_back_leaves_no_gap(opened):
    registry = (await opened()).registry
    event = AuditEvent(1, "eve", "acme", "key.created", "key-1")
    async with registry.change() as change:
        await change.audit(event)
    with pytest.raises(RuntimeError):
        await audited(registry, lambda change: fail_after(change.audit(event)))
    async with registry.change() as change:
        await change.audit(event)

    (acme,) = await registry.check_audit()

    assert (acme.head.events, acme.fault) == (2, None)


async def fail_after(work):
    await work
    raise RuntimeError


async def test_a_long_trail_is_read_page_by_page(opened, monkeypatch):
    monkeypatch.setattr("gateway.stores.sql._PAGE", 2)
    registry = (await opened()).registry
    async with registry.change() as change:
        for number in range(5):
            await change.audit(AuditEvent(number, "eve", "acme", "key.created", "key-1"))

    (acme,) = await registry.check_audit()

    assert (acme.head.events, acme.fault) == (5, None)


COPY = """
    INSERT INTO audit_events (id, at, actor, organization_id, event, subject, details, hash)
    SELECT 9, at, actor, organization_id, event, subject, details, hash FROM audit_events WHERE id = 2
"""


@pytest.mark.parametrize(
    ("act", "told"),
    [
        ("UPDATE audit_events SET actor = 'adam' WHERE id = 2", "event 2 .* does not fit"),
        ("UPDATE audit_events SET details = '{ }' WHERE id = 2", "event 2 .* does not fit"),
        ("DELETE FROM audit_events WHERE id = 2", "event 3 .* does not fit"),
        ("DELETE FROM audit_events WHERE id = 3", "3 events are on record, 2 are there"),
        ("DELETE FROM audit_events", "3 events are on record, 0 are there"),
        ("DELETE FROM audit_chains", "no record of their number"),
        (COPY, "event 9 .* does not fit"),
    ],
)
async def test_what_was_done_to_the_trail_by_hand_is_found(opened, database, act, told):
    registry = (await opened()).registry
    async with registry.change() as change:
        for number in range(3):
            await change.audit(AuditEvent(number, "eve", "acme", "key.created", "key-1"))
    database.by_hand(act)

    (acme,) = await registry.check_audit()

    assert re.search(told, acme.fault)


# --- ending in the middle -----------------------------------------------------------------------------------------

ADD = """
async def act(store, name, ending):
    async with store.registry.change() as change:
        identity = Identity(name, Kind.ACCOUNT, "acme")
        await change.add_identity(identity)
        key = Key("key-" + name, identity, "a key", None, None, "gwa_1234", 1, None, None, None)
        await change.add_key(key, digest(name))
        await change.audit(AuditEvent(1, "operator", "acme", "key.created", key.id))
        if ending == "inside":
            print("inside", flush=True)
            await asyncio.sleep(3600)
    print("after", flush=True)
    await asyncio.sleep(3600)
"""

ADD_MANY = """
async def act(store, name, count):
    for number in range(int(count)):
        async with store.registry.change() as change:
            identity = Identity(f"{name}-{number}", Kind.ACCOUNT, "acme")
            await change.add_identity(identity)
            key = Key(f"key-{name}-{number}", identity, "a key", None, None, "gwa_1234", 1, None, None, None)
            await change.add_key(key, digest(key.id))
            await change.audit(AuditEvent(1, "operator", "acme", "key.created", key.id))
"""


async def test_an_exception_rolls_everything_back(opened, database):
    store = await opened()
    before = database.dump()

    async def change_ones_mind(change):
        await add_eve(change)
        await change.add_key(key_of(EVE), digest("hers"))
        raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await audited(store.registry, change_ones_mind)

    assert database.dump() == before


async def test_a_cancelled_change_leaves_no_row_and_no_lock(opened, database):
    store = await opened()
    before = database.dump()
    inside = asyncio.Event()

    async def never_end(change):
        await add_eve(change)
        inside.set()
        await asyncio.sleep(3600)

    task = asyncio.ensure_future(audited(store.registry, never_end))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert database.dump() == before
    await store.new_key()


async def test_a_change_cancelled_while_it_waits_for_another_process_takes_no_lock_later(opened, path):
    store = await opened()
    await store.new_key()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.ensure_future(store.new_key())
        await asyncio.sleep(0.05)  # it waits for the lock by now; if not, the test still holds
        task.cancel()
        other.execute("COMMIT")
        with pytest.raises(asyncio.CancelledError):
            await task

    await store.new_key()
    assert len(await store.keys("acme")) == 2


@pytest.mark.parametrize(("ending", "kept"), [("inside", False), ("after", True)])
async def test_a_killed_writer_leaves_the_old_or_the_new_state(opened, database, elsewhere, ending, kept):
    store = await opened()
    await store.new_key()
    before = database.dump()
    process = await elsewhere(ADD, "late", ending)
    assert (await process.stdout.readline()).strip() == ending.encode()

    process.kill()
    await process.wait()

    assert (await store.registry.key("key-late") is not None) == kept
    assert (len(await store.registry.audit_events("acme", limit=10)) == 1) == kept
    assert isinstance(await store.find(digest("late")), Principal) == kept
    assert (database.dump() == before) != kept
    await store.new_key()


async def test_two_processes_that_write_at_once_lose_nothing(opened, database, elsewhere):
    store = await opened()
    await store.new_key()
    processes = [await elsewhere(ADD_MANY, name, "15") for name in ("one", "two")]
    mine = [await store.new_key() for _ in range(10)]
    assert [await process.wait() for process in processes] == [0, 0]

    keys = {key.id for key in await store.keys("acme")}
    expected = {f"key-{name}-{number}" for name in ("one", "two") for number in range(15)}
    assert expected | {key.id for key, _ in mine} <= keys
    assert len(await store.registry.audit_events("acme", limit=1_000)) == 30
    numbers = [int(seq) for (seq,) in database.by_hand("SELECT seq FROM changes ORDER BY seq")]
    assert numbers == list(range(1, len(keys) + 2))


async def test_two_revocations_at_once_are_one(opened):
    one, two = await opened(), await opened()
    key, _ = await one.new_key()

    async def revoke(store, at):
        async with store.registry.change() as change:
            if (await change.key(key.id)).revoked_at is None:
                await change.revoke_key(key.id, at=at, by="operator")
                await change.audit(AuditEvent(at, "operator", "acme", "key.revoked", key.id))

    await asyncio.gather(revoke(one, 1), revoke(two, 2), revoke(one, 3))

    (event,) = await one.registry.audit_events("acme", limit=10)
    assert (await one.registry.key(key.id)).revoked_at == event.at


async def test_a_lock_that_is_not_let_go_is_unavailable_and_keeps_nothing(opened, path):
    store = await opened(sql_wait=0.05)
    key, its = await store.new_key()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="database is locked"):
            await store.revoke(key)
        assert (await store.find(its)).key_id == key.id
        other.execute("ROLLBACK")
    await store.revoke(key)


async def test_a_change_that_does_not_end_holds_up_others_but_no_look_up(opened):
    store = await opened(sql_wait=0.05, sql_connections=2)
    key, its = await store.new_key()

    async with store.registry.change() as change:
        await change.revoke_key(key.id, at=1, by="operator")
        with pytest.raises(StoreUnavailable, match="another change did not end"):
            await store.new_key()
        assert (await store.find(its)).key_id == key.id  # not committed yet

    assert (await store.find(its)).why == "revoked"


async def test_a_change_is_not_written_into_another_file_at_the_same_path(opened, path, tmp_path):
    store = await opened()
    path.rename(tmp_path / "aside.db")
    create(path)

    with pytest.raises(StoreUnavailable, match="was replaced"):
        await store.new_key()

    assert await (await opened()).registry.organizations() == ()


async def test_a_change_to_a_file_that_is_replaced_meanwhile_is_not_acknowledged(opened, path, tmp_path):
    store = await opened()
    key, _ = await store.new_key()

    async def revoke_in_vain(change):
        await change.revoke_key(key.id, at=1, by="operator")
        path.rename(tmp_path / "aside.db")

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await audited(store.registry, revoke_in_vain)


async def test_a_database_without_its_tables_is_unavailable(opened, database):
    store = await opened()
    database.by_hand("ALTER TABLE audit_events RENAME TO lost")

    with pytest.raises(StoreUnavailable, match=r"no such table|does not exist"):
        await store.registry.audit_events(None, limit=1)


async def test_what_is_acknowledged_is_on_the_disk(opened, path):
    store = await opened()

    async with store.registry._database.engine.connect() as connection:
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar() == 2  # FULL


# --- secrets ------------------------------------------------------------------------------------------------------


async def test_errors_name_no_digest_and_no_address(opened, database):
    store = await opened()
    database.by_hand("DROP TABLE logins")

    with pytest.raises(StoreUnavailable) as away:
        async with store.registry.change() as change:
            await change.use_login(digest("code"), now=1)

    assert digest("code") not in f"{away.value} {away.value.__cause__}"

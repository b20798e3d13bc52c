"""Who sets how much a key or an organization may call, on both databases; each change is told in the audit trail."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import replace

import pytest
from control.conftest import PROJECTS, Clock, Platform

from gateway.control import LoginOptions, Logins, NewKey, Rejection, TokenOptions, desk_over
from gateway.control.importing import ImportedKey, ImportRejected, import_keys
from gateway.http1 import Reason
from gateway.keys import (
    UNLIMITED_CALLS,
    CallLimits,
    Kind,
    Membership,
    Operator,
    Period,
    Principal,
    Quota,
    Rate,
    Role,
    digest,
)
from gateway.stores import StoreOptions, make_store, open_store

POLICY = json.dumps({"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]})
LIMITS = CallLimits(Rate(1000, 60), Quota(100_000, Period.DAY), 20)
TOLD = "rate 1000/60, quota 100000/day, concurrent 20"
IMPOSSIBLE = [CallLimits(Rate(0, 60)), CallLimits(quota=Quota(10**9 + 1, Period.MONTH)), CallLimits(concurrent=0)]


def to(limits):
    return lambda _old: limits


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request, tmp_path):
    """As in `conftest`, on both databases."""
    options, clock = TokenOptions(projects=PROJECTS), Clock()
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres").new_database()
    stored = StoreOptions(tmp_path / "gateway.db", url=url)
    await make_store(stored)
    async with open_store(stored, projects=PROJECTS) as store:
        desk = desk_over(store.registry, options, clock, secrets.token_bytes)
        logins = Logins(store.registry, LoginOptions(), clock, secrets.token_bytes)
        yield Platform(store, clock, desk, logins, tmp_path / "gateway.db")


@pytest.fixture
def limiting(platform):
    return platform.desk.limiting


@pytest.fixture
async def account(platform, admin):
    return await platform.tokens.create_account_key(admin, NewKey("robot", policy=POLICY))


async def refused(doing, reason):
    with pytest.raises(Rejection) as rejection:
        await doing
    assert rejection.value.refusal.reason is reason
    return rejection.value.refusal.message


async def newest(platform):
    (event,) = await platform.store.registry.audit_events(None, limit=1)
    return event


# --- of a key -----------------------------------------------------------------------------------------------------


async def test_limits_of_a_key_hold_from_its_next_call_on(platform, admin, limiting, account):
    assert (await platform.caller(account)).limits == UNLIMITED_CALLS
    limited = await limiting.set_key_limits(admin, account.key.id, to(LIMITS))
    assert limited == replace(account.key, limits=LIMITS, version=account.key.version + 1)
    assert limited == await platform.store.registry.key(account.key.id)
    caller = await platform.caller(account)
    assert (caller.limits, caller.version) == (LIMITS, limited.version)


async def test_a_change_is_one_event_with_what_was_and_what_is(platform, admin, limiting, account):
    before = await platform.audited()
    await limiting.set_key_limits(admin, account.key.id, to(LIMITS))
    told = await newest(platform)
    details = dict(told.details)
    assert (told.event, told.subject, told.actor) == ("key.limits", account.key.id, admin.identity.id)
    assert (told.organization, details["limits"], details["before"]) == ("acme", TOLD, "none")
    await limiting.set_key_limits(Operator(), account.key.id, lambda old: replace(old, rate=None))
    details = dict((await newest(platform)).details)
    assert (details["limits"], details["before"]) == ("quota 100000/day, concurrent 20", TOLD)
    await limiting.set_key_limits(admin, account.key.id, to(UNLIMITED_CALLS))
    assert dict((await newest(platform)).details)["limits"] == "none"
    assert (await platform.caller(account)).limits == UNLIMITED_CALLS
    assert len(await platform.audited()) == len(before) + 3


async def test_two_who_set_different_limits_at_once_both_get_what_they_set(platform, admin, root, limiting, account):
    await asyncio.gather(
        limiting.set_key_limits(admin, account.key.id, lambda old: replace(old, rate=LIMITS.rate)),
        limiting.set_key_limits(root, account.key.id, lambda old: replace(old, quota=LIMITS.quota)),
    )
    assert (await platform.caller(account)).limits == replace(LIMITS, concurrent=None)


@pytest.mark.parametrize("limits", IMPOSSIBLE)
async def test_limits_that_cannot_be_change_nothing(platform, admin, limiting, account, limits):
    await limiting.set_key_limits(admin, account.key.id, to(LIMITS))
    before = await platform.audited()
    message = await refused(limiting.set_key_limits(admin, account.key.id, to(limits)), Reason.INVALID_INPUT)
    assert " 1 to " in message
    with pytest.raises(Rejection):
        await limiting.set_organization_limits(Operator(), "acme", to(limits))
    with pytest.raises(Rejection):
        await platform.tokens.create_account_key(admin, NewKey("n", policy=POLICY, limits=limits))
    assert (await platform.audited(), (await platform.caller(account)).limits) == (before, LIMITS)
    assert (await platform.caller(account)).organization_limits == UNLIMITED_CALLS


async def test_who_does_not_manage_a_key_sets_no_limits_of_it(platform, admin, stranger, user, limiting, account):
    own = await platform.tokens.create_user_key(user, NewKey("second"))
    before = await platform.audited()
    attempts = [
        (user, account.key.id, Reason.UNKNOWN_KEY),
        (stranger, account.key.id, Reason.UNKNOWN_KEY),
        (user, own.key.id, Reason.NOT_ALLOWED),  # not even of an own key
        (user, user.key_id, Reason.NOT_ALLOWED),
        (admin, admin.key_id, Reason.NOT_ALLOWED),  # nor does an administrator's key set its own
        (await platform.caller(account), account.key.id, Reason.NOT_ALLOWED),
        (admin, "no such key", Reason.UNKNOWN_KEY),
        (admin, "x" * 36, Reason.UNKNOWN_KEY),
    ]
    for caller, key_id, reason in attempts:
        await refused(limiting.set_key_limits(caller, key_id, to(LIMITS)), reason)
    assert await platform.audited() == before
    await limiting.set_key_limits(admin, own.key.id, to(LIMITS))
    assert (await platform.caller(own)).limits == LIMITS


async def test_a_projects_administrator_limits_keys_of_the_own_project_alone(platform, admin, limiting):
    async def key(slug, role, **variables):
        held = Membership(slug, role, tuple((name, (value,)) for name, value in variables.items()))
        return await platform.tokens.create_project_key(admin, NewKey(slug), project=slug, memberships=[held])

    manager = await platform.caller(await key("my-blog", "admin"))
    viewer, clerk = await key("my-blog", "viewer"), await key("shop", "clerk", shop="1")
    await limiting.set_key_limits(manager, viewer.key.id, to(LIMITS))
    assert (await platform.caller(viewer)).limits == LIMITS
    await refused(limiting.set_key_limits(manager, clerk.key.id, to(LIMITS)), Reason.UNKNOWN_KEY)
    wanted, held = NewKey("limited", limits=LIMITS), [Membership("my-blog", "viewer")]
    made = await platform.tokens.create_project_key(manager, wanted, project="my-blog", memberships=held)
    assert (await platform.caller(made)).limits == LIMITS


async def test_a_revoked_key_and_a_login_have_no_limits_to_set(platform, admin, limiting, account):
    session = await platform.session("ann", "acme")
    await refused(limiting.set_key_limits(Operator(), session.key_id, to(LIMITS)), Reason.UNKNOWN_KEY)
    await platform.tokens.revoke_key(admin, account.key.id)
    before = await platform.audited()
    await refused(limiting.set_key_limits(admin, account.key.id, to(LIMITS)), Reason.INVALID_INPUT)
    assert await platform.audited() == before


async def test_who_is_an_administrator_no_longer_sets_no_limits(platform, admin, limiting, account):
    second = await platform.user("eve", "acme", Role.ORGANIZATION_ADMIN)
    await platform.desk.people.set_role(admin, second.identity.user, Role.USER, organization="acme")
    await refused(limiting.set_key_limits(second, account.key.id, to(LIMITS)), Reason.UNKNOWN_KEY)


# --- of a new key -------------------------------------------------------------------------------------------------


async def test_a_key_is_made_with_limits_by_who_could_set_them(platform, admin, user):
    issued = await platform.tokens.create_account_key(admin, NewKey("robot", policy=POLICY, limits=LIMITS))
    assert dict((await newest(platform)).details)["limits"] == TOLD
    assert (issued.key.limits, (await platform.caller(issued)).limits) == (LIMITS, LIMITS)
    assert await platform.store.registry.key(issued.key.id) == issued.key
    own = await platform.tokens.create_user_key(admin, NewKey("mine", limits=LIMITS))
    assert own.key.limits == LIMITS
    before = await platform.audited()
    await refused(platform.tokens.create_user_key(user, NewKey("mine", limits=LIMITS)), Reason.NOT_ALLOWED)
    assert await platform.audited() == before
    assert (await platform.tokens.create_user_key(user, NewKey("mine"))).key.limits == UNLIMITED_CALLS


async def test_a_key_that_is_replaced_keeps_its_limits_whoever_replaces_it(platform, admin, user, limiting):
    own = await platform.tokens.create_user_key(user, NewKey("second"))
    await limiting.set_key_limits(admin, own.key.id, to(LIMITS))
    replaced = await platform.tokens.rotate_key(user, own.key.id, overlap_seconds=60)
    assert (await platform.caller(replaced)).limits == LIMITS
    assert (await platform.caller(own)).limits == LIMITS


async def test_imported_keys_may_have_limits(platform):
    def line(secret, limits):
        wanted = NewKey(secret, policy=POLICY, digest=digest(secret), limits=limits)
        return ImportedKey(line=1, kind=Kind.ACCOUNT, wanted=wanted, organization="acme")

    with pytest.raises(ImportRejected, match="line 1: a rate is 1 to"):
        await import_keys(platform.store.registry, platform.tokens, [line("a", LIMITS), line("b", IMPOSSIBLE[0])])
    assert await platform.tokens.list_keys(Operator(), limit=10) == ()
    assert await import_keys(platform.store.registry, platform.tokens, [line("a", LIMITS)]) == 1
    (key,) = await platform.tokens.list_keys(Operator(), limit=10)
    assert key.limits == LIMITS


# --- of an organization -------------------------------------------------------------------------------------------


async def test_limits_of_an_organization_are_those_of_all_its_keys_and_no_others(
    platform, root, stranger, limiting, account
):
    assert await limiting.set_organization_limits(root, "acme", to(LIMITS)) == LIMITS
    told = await newest(platform)
    assert (told.event, told.organization, told.subject) == ("organization.limits", "acme", "acme")
    assert dict(told.details) | {"via_key": None} == {"limits": TOLD, "before": "none", "via_key": None}
    caller = await platform.caller(account)
    assert (caller.limits, caller.organization_limits) == (UNLIMITED_CALLS, LIMITS)
    other = await platform.caller(await platform.tokens.create_user_key(stranger, NewKey("n")))
    assert other.organization_limits == UNLIMITED_CALLS
    await limiting.set_organization_limits(Operator(), "acme", lambda old: replace(old, quota=None))
    assert (await platform.caller(account)).organization_limits == replace(LIMITS, quota=None)


async def test_only_a_platform_administrator_limits_an_organization(platform, admin, user, limiting, account):
    before = await platform.audited()
    for caller in (admin, user, await platform.caller(account), Operator("globex")):
        for organization in ("acme", "no such organization"):  # nobody learns which there are
            doing = limiting.set_organization_limits(caller, organization, to(LIMITS))
            assert "only a platform administrator" in await refused(doing, Reason.NOT_ALLOWED)
    for nothing in ("nothing", "", "no id", "x" * 200):
        doing = limiting.set_organization_limits(Operator(), nothing, to(LIMITS))
        await refused(doing, Reason.UNKNOWN_ORGANIZATION)
    assert await platform.audited() == before
    assert (await platform.caller(account)).organization_limits == UNLIMITED_CALLS


async def test_administrators_ask_for_the_limits_of_their_own_organization(
    platform, admin, user, root, stranger, limiting
):
    await limiting.set_organization_limits(root, "acme", to(LIMITS))
    for caller in (admin, root, Operator()):
        assert await limiting.organization_limits(caller, "acme") == LIMITS
    for caller in (user, stranger):
        await refused(limiting.organization_limits(caller, "acme"), Reason.NOT_ALLOWED)
    await refused(limiting.organization_limits(root, "nothing"), Reason.UNKNOWN_ORGANIZATION)
    assert isinstance(await platform.caller(await platform.tokens.create_user_key(user, NewKey("n"))), Principal)

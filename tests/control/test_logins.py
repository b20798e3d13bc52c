from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

import pytest

from gateway.control.logins import LoginOptions, Logins
from gateway.control.rejection import Rejection
from gateway.control.tokens import NewKey
from gateway.http1 import Reason
from gateway.keys import RANDOM_BYTES, Operator, Prefix, Role, issue, prefix_of
from gateway.stores import Organization

MINUTE = 60_000
HOUR = 60 * MINUTE
ACME = Organization("acme", "Acme Inc.")


async def reason(use_case) -> Reason:
    with pytest.raises(Rejection) as caught:
        await use_case
    return caught.value.refusal.reason


async def test_the_first_administrator_gets_in_by_the_link_and_administers_the_platform(empty):
    login = await empty.logins.found(ACME, "root@example.com")
    session = await empty.logins.redeem(login.code)
    caller = await empty.caller(session)
    assert caller.identity.role is Role.PLATFORM_ADMIN
    assert caller.organization == "acme"
    assert caller.expires_at == empty.clock.now + 8 * HOUR
    assert prefix_of(session.secret) is Prefix.SESSION
    assert await empty.store.registry.organizations() == (ACME,)
    await empty.tokens.create_user_key(caller, NewKey("my first key"))


async def test_an_installation_is_founded_once(empty):
    await empty.logins.found(ACME, "root@example.com")
    assert await reason(empty.logins.found(Organization("other", "x"), "eve@example.com")) is Reason.NOT_ALLOWED
    assert await empty.store.registry.organizations() == (ACME,)


@pytest.mark.parametrize("organization", ["", "a b", "a/b", "x" * 65, "č"])
async def test_an_organizations_id_is_fit_for_headers_and_paths(empty, organization):
    assert await reason(empty.logins.found(Organization(organization, "x"), "a@b")) is Reason.INVALID_INPUT


@pytest.mark.parametrize("email", ["", "root", "@b", "a@", "a b@c", "a@b@c", "a@b\n"])
async def test_an_email_address_has_two_sides(empty, email):
    assert await reason(empty.logins.found(ACME, email)) is Reason.INVALID_INPUT
    assert await empty.store.registry.organizations() == ()


async def test_a_login_works_once(empty):
    login = await empty.logins.found(ACME, "root@example.com")
    await empty.logins.redeem(login.code)
    assert await reason(empty.logins.redeem(login.code)) is Reason.INVALID_KEY


async def test_of_two_who_redeem_a_login_at_once_one_gets_in(empty):
    login = await empty.logins.found(ACME, "root@example.com")
    results = await asyncio.gather(*(empty.logins.redeem(login.code) for _ in range(2)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Issued", "Rejection"]


@pytest.mark.parametrize(("late", "works"), [(-1, True), (0, False), (1, False)])
async def test_a_login_ends_after_an_hour(empty, late, works):
    login = await empty.logins.found(ACME, "root@example.com")
    assert login.expires_at == empty.clock.now + HOUR
    empty.clock.now = login.expires_at + late
    if works:
        await empty.caller(await empty.logins.redeem(login.code))
    else:
        assert await reason(empty.logins.redeem(login.code)) is Reason.INVALID_KEY


async def test_times_can_be_set(empty):
    options = LoginOptions(link_minutes=5, session_hours=1)
    logins = Logins(empty.store.registry, options, empty.clock, secrets.token_bytes)
    login = await logins.found(ACME, "root@example.com")
    assert login.expires_at == empty.clock.now + 5 * MINUTE
    assert (await logins.redeem(login.code)).key.expires_at == empty.clock.now + HOUR


@pytest.mark.parametrize("code", ["", "x" * 1_000_000, "\ud800", issue(Prefix.LOGIN, b"\0" * RANDOM_BYTES)])
async def test_garbage_and_unknown_codes_get_nobody_in(empty, code):
    assert await reason(empty.logins.redeem(code)) is Reason.INVALID_KEY


async def test_a_key_is_no_login_and_a_login_is_no_key(platform, admin):
    issued = await platform.tokens.create_user_key(admin, NewKey("n"))
    assert await reason(platform.logins.redeem(issued.secret)) is Reason.INVALID_KEY
    login = await platform.logins.create_login("ann@example.com", "acme")
    assert await platform.find(login.code) != admin


async def test_an_operator_lets_a_user_in_with_the_users_own_rights(platform, user):
    login = await platform.logins.create_login("ULI@example.com", "acme")
    assert (await platform.caller(await platform.logins.redeem(login.code))).identity == user.identity


@pytest.mark.parametrize(("email", "organization"), [("who@example.com", "acme"), ("uli@example.com", "globex")])
async def test_there_is_no_login_for_who_is_not_there(platform, user, email, organization):
    assert await reason(platform.logins.create_login(email, organization)) is Reason.INVALID_INPUT


async def test_a_session_is_not_listed_as_a_key_and_can_be_ended(platform, user):
    login = await platform.logins.create_login("uli@example.com", "acme")
    session = await platform.logins.redeem(login.code)
    assert session.key not in await platform.tokens.list_keys(user, limit=1000)
    assert session.key not in await platform.tokens.list_keys(Operator(), limit=1000)
    await platform.tokens.revoke_key(await platform.caller(session), session.key.id)
    assert await platform.is_dead(session)


async def test_the_code_is_nowhere_but_in_the_link(empty):
    login = await empty.logins.found(ACME, "root@example.com")
    files = b"".join(path.read_bytes() for path in empty.path.parent.iterdir())
    assert login.identity.id.encode() in files
    assert login.code[4:].encode() not in files
    assert login.code not in repr(login)
    assert replace(login, code="") != login


async def test_logins_leave_a_trail(empty):
    login = await empty.logins.found(ACME, "root@example.com")
    await empty.logins.redeem(login.code)
    assert await empty.audited() == ["login.redeem", "login.create", "organization.found"]

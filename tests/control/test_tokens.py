"""Numbers are those of the edge cases that the product was specified with."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.control.rejection import Rejection
from gateway.control.tokens import NewKey, TokenOptions, Tokens
from gateway.http1 import Reason
from gateway.keys import RANDOM_BYTES, Identity, Kind, Lifetimes, Membership, Operator, Prefix, Role, prefix_of
from gateway.policy import PolicyOptions

DAY = 24 * 60 * 60 * 1000
VIEW = json.dumps({"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]})
SUPER = json.dumps({"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]})
ACCOUNT = NewKey("a key", category="tags", policy=VIEW)


async def rejected(use_case) -> Rejection:
    with pytest.raises(Rejection) as caught:
        await use_case
    return caught.value


async def reason(use_case) -> Reason:
    return (await rejected(use_case)).refusal.reason


# --- account keys -------------------------------------------------------------------------------------------------


async def test_an_administrators_account_key_is_in_force_at_once(platform, admin):
    issued = await platform.tokens.create_account_key(admin, ACCOUNT)
    caller = await platform.caller(issued)
    assert (caller.key_id, caller.name, caller.organization) == (issued.key.id, "a key", "acme")
    assert prefix_of(issued.secret) is Prefix.ACCOUNT
    assert issued.key.start == issued.secret[:8]
    assert issued.key.created_by == admin.identity.id
    assert issued.key.id != issued.key.identity.id


async def test_14_a_key_lives_for_as_many_days_as_asked(platform, admin):
    key = (await platform.tokens.create_account_key(admin, replace(ACCOUNT, days=30))).key
    assert (key.created_at, key.expires_at) == (platform.clock.now, platform.clock.now + 30 * DAY)


async def test_25_a_key_without_a_wish_gets_the_default_lifetime(platform, admin):
    key = (await platform.tokens.create_account_key(admin, ACCOUNT)).key
    assert key.expires_at == platform.clock.now + Lifetimes().default_days * DAY


@pytest.mark.parametrize(
    "wanted",
    [
        replace(ACCOUNT, days=0),
        replace(ACCOUNT, days=-1),
        replace(ACCOUNT, days=10**9),
        replace(ACCOUNT, name=""),
        replace(ACCOUNT, name=" \t"),
        replace(ACCOUNT, name="x" * 257),
        replace(ACCOUNT, name="a\x1b[2Jb"),
        replace(ACCOUNT, name="\ud800"),
        replace(ACCOUNT, category=""),
        replace(ACCOUNT, category="a\nb"),
    ],
)
async def test_15_16_what_makes_no_sense_makes_no_key(platform, admin, wanted):
    before = await platform.audited()
    assert await reason(platform.tokens.create_account_key(admin, wanted)) is Reason.INVALID_INPUT
    assert await platform.audited() == before
    assert [key.name for key in await platform.tokens.list_keys(admin, limit=1000)] == ["ann"]


async def test_16_two_keys_may_have_one_name(platform, admin):
    one = await platform.tokens.create_account_key(admin, ACCOUNT)
    other = await platform.tokens.create_account_key(admin, ACCOUNT)
    assert one.key.id != other.key.id
    assert one.key.identity.id != other.key.identity.id
    assert one.secret != other.secret


async def test_38_a_key_without_a_policy_is_never_a_key_for_everything(platform, admin):
    use_case = platform.tokens.create_account_key(admin, replace(ACCOUNT, policy=None))
    assert await reason(use_case) is Reason.POLICY_REQUIRED
    assert [key.name for key in await platform.tokens.list_keys(admin, limit=1000)] == ["ann"]


async def test_51_a_bad_policy_is_refused_whole_and_the_message_leads_to_the_fault(platform, admin):
    policy = VIEW.replace('"dashboard:View"', '"dashboard:View", "dashboard:Delete"')
    rejection = await rejected(platform.tokens.create_account_key(admin, replace(ACCOUNT, policy=policy)))
    assert rejection.refusal.reason is Reason.INVALID_POLICY
    assert "permissions[0].actions[1]" in rejection.refusal.message
    assert [key.name for key in await platform.tokens.list_keys(admin, limit=1000)] == ["ann"]


async def test_a_policy_text_is_kept_byte_for_byte(platform, admin):
    text = '\n{"permissions":\t[' + json.dumps(json.loads(VIEW)["permissions"][0]) + "] }  \r\n"
    issued = await platform.tokens.create_account_key(admin, replace(ACCOUNT, policy=text))
    (stored,) = [key for key in await platform.tokens.list_keys(admin, limit=1000) if key.id == issued.key.id]
    assert stored == issued.key
    assert stored.policy == text


async def test_the_options_for_policies_hold_for_new_keys_only(platform, admin):
    issued = await platform.tokens.create_account_key(admin, replace(ACCOUNT, policy=SUPER))
    options = TokenOptions(policy=PolicyOptions(bare_wildcard=False))
    strict = Tokens(platform.store.registry, options, platform.clock, bytes)
    assert await reason(strict.create_account_key(admin, replace(ACCOUNT, policy=SUPER))) is Reason.INVALID_POLICY
    assert (await platform.caller(issued)).policy.statements[0].actions == ("*",)


async def test_22_a_key_for_everything_neither_makes_nor_revokes_nor_lists_keys(platform, admin):
    issued = await platform.tokens.create_account_key(admin, replace(ACCOUNT, policy=SUPER))
    everything = await platform.caller(issued)
    assert await reason(platform.tokens.create_account_key(everything, ACCOUNT)) is Reason.NOT_ALLOWED
    assert await reason(platform.tokens.create_user_key(everything, NewKey("n"))) is Reason.NOT_ALLOWED
    made = platform.tokens.create_integration_key(everything, NewKey("n"), instance="github-1")
    assert await reason(made) is Reason.NOT_ALLOWED
    assert await reason(platform.tokens.revoke_key(everything, admin.key_id)) is Reason.UNKNOWN_KEY
    assert await platform.tokens.list_keys(everything, limit=1000) == ()


async def test_a_plain_user_makes_no_account_key_and_is_told_whom_to_ask(platform, user):
    rejection = await rejected(platform.tokens.create_account_key(user, ACCOUNT))
    assert rejection.refusal.reason is Reason.NOT_ALLOWED
    assert "contact a platform administrator" in rejection.refusal.message


async def test_145_146_the_organization_of_a_key_is_the_administrators_own_or_any_for_the_platforms(
    platform, admin, root
):
    foreign = platform.tokens.create_account_key(admin, ACCOUNT, organization="globex")
    missing = platform.tokens.create_account_key(admin, ACCOUNT, organization="nowhere")
    assert (await rejected(foreign)).refusal == (await rejected(missing)).refusal
    issued = await platform.tokens.create_account_key(root, ACCOUNT, organization="globex")
    assert (await platform.caller(issued)).organization == "globex"
    nowhere = platform.tokens.create_account_key(root, ACCOUNT, organization="nowhere")
    assert await reason(nowhere) is Reason.UNKNOWN_ORGANIZATION


# --- integration keys ---------------------------------------------------------------------------------------------


async def test_75_an_integration_key_is_bound_to_its_instance_and_has_no_end(platform, admin):
    issued = await platform.tokens.create_integration_key(admin, NewKey("sync"), instance="github-1")
    caller = await platform.caller(issued)
    assert caller.identity.kind is Kind.INTEGRATION
    assert caller.identity.integration_instance == "github-1"
    assert caller.expires_at is None
    assert prefix_of(issued.secret) is Prefix.INTEGRATION


async def test_73_an_instance_that_is_not_yours_is_answered_like_one_that_there_is_not(platform, admin, user):
    refusals = {
        (await rejected(platform.tokens.create_integration_key(actor, NewKey("sync"), instance=instance))).refusal
        for actor, instance in [
            (user, "github-1"),
            (admin, "github-2"),
            (admin, "nothing"),
            (Operator("acme"), "github-2"),
            (Operator(), "nothing"),
            (admin, ""),
            (admin, "\ud800"),
        ]
    }
    (refusal,) = refusals
    assert refusal.reason is Reason.NOT_ALLOWED


async def test_only_account_keys_have_a_category_and_a_policy(platform, admin):
    for wanted in (NewKey("n", category="session"), NewKey("n", policy=SUPER)):
        assert await reason(platform.tokens.create_user_key(admin, wanted)) is Reason.INVALID_INPUT
        made = platform.tokens.create_integration_key(admin, wanted, instance="github-1")
        assert await reason(made) is Reason.INVALID_INPUT


# --- user keys ----------------------------------------------------------------------------------------------------


async def test_159_a_user_key_makes_more_user_keys_of_the_same_user(platform, user):
    issued = await platform.tokens.create_user_key(user, NewKey("second"))
    assert (await platform.caller(issued)).identity == user.identity
    assert prefix_of(issued.secret) is Prefix.USER


@pytest.mark.parametrize("role", [Role.ORGANIZATION_ADMIN, Role.PLATFORM_ADMIN])
async def test_143_nobody_makes_a_key_for_somebody_else(platform, user, role):
    powerful = await platform.user("eve", "acme", role)
    use_case = platform.tokens.create_user_key(powerful, NewKey("n"), owner=user.identity)
    assert await reason(use_case) is Reason.NOT_ALLOWED


async def test_an_operator_has_to_name_the_user_of_a_user_key(platform, admin):
    assert await reason(platform.tokens.create_user_key(Operator(), NewKey("n"))) is Reason.NOT_ALLOWED
    account = Identity("x", Kind.ACCOUNT, "acme")
    assert await reason(platform.tokens.create_user_key(Operator(), NewKey("n"), owner=account)) is Reason.NOT_ALLOWED
    foreign = platform.tokens.create_user_key(Operator("globex"), NewKey("n"), owner=admin.identity)
    assert await reason(foreign) is Reason.NOT_ALLOWED


# --- revoking -----------------------------------------------------------------------------------------------------


async def test_a_revoked_key_is_refused_from_the_next_call_on_and_says_so(platform, admin):
    issued = await platform.tokens.create_account_key(admin, ACCOUNT)
    await platform.caller(issued)  # warm
    platform.clock.now += 5
    revoked = await platform.tokens.revoke_key(admin, issued.key.id)
    by = admin.identity.id
    assert revoked == replace(issued.key, revoked_at=platform.clock.now, revoked_by=by, version=revoked.version)
    assert await platform.is_dead(issued)
    assert await platform.store.registry.key(issued.key.id) == revoked


async def test_127_revoking_twice_keeps_the_first_time_and_is_audited_once(platform, admin):
    issued = await platform.tokens.create_account_key(admin, ACCOUNT)
    first = await platform.tokens.revoke_key(admin, issued.key.id)
    platform.clock.now += DAY
    assert await platform.tokens.revoke_key(admin, issued.key.id) == first
    assert (await platform.audited()).count("key.revoke") == 1


async def test_127_two_revocations_at_once_are_one(platform, admin, root):
    issued = await platform.tokens.create_account_key(admin, ACCOUNT)
    revoking = (platform.tokens.revoke_key(actor, issued.key.id) for actor in (admin, root))
    one, other = await asyncio.gather(*revoking)
    assert one == other
    assert (await platform.audited()).count("key.revoke") == 1


async def test_130_a_foreign_key_and_no_key_get_the_same_answer_and_the_key_lives(platform, admin, stranger, user):
    issued = await platform.tokens.create_account_key(admin, ACCOUNT)
    refusals = {
        (await rejected(platform.tokens.revoke_key(actor, key_id))).refusal
        for actor in (stranger, user, Operator("globex"))
        for key_id in (issued.key.id, "some-api-key-id", issued.key.identity.id, "", "x" * 10_000, "\ud800", "a'--")
    }
    assert len(refusals) == 1
    await platform.caller(issued)


async def test_133_a_key_can_end_itself(platform, admin):
    issued = await platform.tokens.create_account_key(admin, ACCOUNT)
    await platform.tokens.revoke_key(await platform.caller(issued), issued.key.id)
    assert await platform.is_dead(issued)


async def test_134_revoking_one_key_of_an_identity_leaves_the_other(platform, user):
    second = await platform.tokens.create_user_key(user, NewKey("second"))
    await platform.tokens.revoke_key(await platform.caller(second), user.key_id)
    await platform.caller(second)


async def test_21_an_administrator_ends_a_users_key(platform, admin, user):
    issued = await platform.tokens.create_user_key(user, NewKey("mine"))
    await platform.tokens.revoke_key(admin, issued.key.id)
    assert await platform.is_dead(issued)


async def test_18_an_expired_key_is_listed_and_can_be_revoked(platform, admin):
    issued = await platform.tokens.create_account_key(admin, replace(ACCOUNT, days=1))
    platform.clock.now += 2 * DAY
    assert issued.key in await platform.tokens.list_keys(admin, limit=1000)
    assert (await platform.tokens.revoke_key(admin, issued.key.id)).revoked_at == platform.clock.now


# --- listing ------------------------------------------------------------------------------------------------------


async def test_147_everybody_lists_what_they_may_see(platform, admin, stranger, user, root):
    keys = {
        "account": await platform.tokens.create_account_key(admin, ACCOUNT),
        "integration": await platform.tokens.create_integration_key(admin, NewKey("sync"), instance="github-1"),
        "mine": await platform.tokens.create_user_key(user, NewKey("mine")),
        "foreign": await platform.tokens.create_account_key(stranger, ACCOUNT),
    }

    async def listed(actor) -> set[str]:
        ids = {key.id for key in await platform.tokens.list_keys(actor, limit=1000)}
        return {name for name, issued in keys.items() if issued.key.id in ids}

    of_acme = {"account", "integration", "mine"}
    assert await listed(user) == {"mine"}
    assert await listed(admin) == await listed(Operator("acme")) == of_acme
    assert await listed(stranger) == {"foreign"}
    assert await listed(root) == await listed(Operator()) == {*of_acme, "foreign"}
    assert await listed(await platform.caller(keys["account"])) == set()


# --- the trail ----------------------------------------------------------------------------------------------------


async def test_every_change_is_audited_once_with_who_and_by_which_key(platform, admin):
    issued = await platform.tokens.create_account_key(admin, ACCOUNT)
    await platform.tokens.revoke_key(Operator(), issued.key.id)
    revoked, created, *_ = await platform.store.registry.audit_events("acme", limit=10)
    assert (created.event, created.subject, created.actor) == ("key.create", issued.key.id, admin.identity.id)
    assert dict(created.details) == {
        "identity": issued.key.identity.id,
        "key": "a key",
        "kind": "account",
        "start": issued.key.start,
        "via_key": admin.key_id,
    }
    assert (revoked.event, revoked.subject, revoked.actor) == ("key.revoke", issued.key.id, "operator")


async def test_178_no_secret_is_in_the_database_or_in_what_is_printed(platform, admin):
    issued = [
        await platform.tokens.create_account_key(admin, ACCOUNT),
        await platform.tokens.create_integration_key(admin, NewKey("sync"), instance="github-1"),
        await platform.tokens.create_user_key(admin, NewKey("mine")),
    ]
    files = b"".join(path.read_bytes() for path in platform.path.parent.iterdir())
    for one in issued:
        assert one.key.id.encode() in files
        assert one.secret[8:].encode() not in files
        assert one.secret not in repr(one)


async def test_101_a_change_that_fails_midway_leaves_nothing_behind(platform, admin):
    def unlucky(count: int) -> bytes:
        """The same secret each time, so that the second key cannot be stored after its identity was."""
        return bytes(count) if count == RANDOM_BYTES else secrets.token_bytes(count)

    tokens = Tokens(platform.store.registry, TokenOptions(), platform.clock, unlucky)
    await tokens.create_account_key(admin, ACCOUNT)
    before = dump(platform.path)
    assert await reason(tokens.create_account_key(admin, ACCOUNT)) is Reason.INVALID_INPUT
    assert dump(platform.path) == before


async def test_an_identity_has_as_many_memberships_in_a_project_as_are_allowed(platform, admin, options):
    allowing = replace(options, max_memberships=2)
    tokens = Tokens(platform.store.registry, allowing, platform.clock, secrets.token_bytes)
    viewer = Membership("my-blog", "viewer")
    await tokens.create_project_key(admin, NewKey("two"), project="my-blog", memberships=[viewer] * 2)
    refused = await rejected(
        tokens.create_project_key(admin, NewKey("three"), project="my-blog", memberships=[viewer] * 3)
    )
    assert refused.refusal.message == "an identity has up to 2 memberships in a project"


def dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())

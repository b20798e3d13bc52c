"""Things at the same time, by two workers on one database. Numbers are those of the edge cases of the specification."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.control import Issued, NewKey, NewUser, Rejection
from gateway.keys import GlobalRole, Operator, Principal, Role
from gateway.stores import Absent, Organization
from laws.model import DAY
from laws.world import Look, Randomness, ServerLook, Worker, worker

OPERATOR = Operator()
POLICY = json.dumps({"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]})
ROUNDS = 15
"""Of each race: who wins is chance."""


@pytest.fixture
async def workers(look: Look) -> AsyncIterator[tuple[Worker, Worker]]:
    randomness = Randomness()
    async with contextlib.AsyncExitStack() as stack:
        now = iter(range(1_700_000_000_000, 1_700_000_000_000 + DAY)).__next__
        first, second = [await stack.enter_async_context(worker(look, now, randomness)) for _ in range(2)]
        await first.desk.organizations.add_organization(OPERATOR, Organization("acme", "Acme"))
        yield first, second
        if isinstance(look, ServerLook):
            await look.close()


async def account_key(at: Worker) -> Issued:
    return await at.desk.tokens.create_account_key(OPERATOR, NewKey("k", policy=POLICY), organization="acme")


async def events(at: Worker) -> list[str]:
    return [each.event for each in await at.store.registry.audit_events(None, limit=1_000)]


async def staggered(work: Any, chance: random.Random) -> Any:
    """Begins a little later, so that over the rounds each of two comes first."""
    for _ in range(chance.randrange(12)):
        await asyncio.sleep(0)
    return await work


async def together(*work: Any, chance: random.Random) -> list[Any]:
    return await asyncio.gather(*(staggered(each, chance) for each in work), return_exceptions=True)


async def test_163_a_key_generated_while_its_user_is_deleted_is_refused_or_gone(workers):
    first, second = workers
    chance, outcomes = random.Random(163), set()
    for number in range(ROUNDS):
        owner = await first.desk.people.add_user(OPERATOR, NewUser(f"u{number}@example.com"), organization="acme")
        own = await first.desk.tokens.create_user_key(OPERATOR, NewKey("old"), owner=owner)
        caller = await second.find(own.secret)
        assert isinstance(caller, Principal)
        work = (
            second.desk.tokens.create_user_key(caller, NewKey("new")),
            first.desk.people.delete_user(OPERATOR, owner.user),
        )
        made, deleted = await together(*work, chance=chance)
        assert isinstance(made, Issued | Rejection)
        assert deleted == (2 if isinstance(made, Issued) else 1)
        outcomes.add(type(made))
        for at in workers:
            assert isinstance(await at.find(own.secret), Absent)
            if isinstance(made, Issued):
                assert isinstance(await at.find(made.secret), Absent)
        keys = await first.store.registry.key(made.key.id) if isinstance(made, Issued) else None
        assert keys is None or keys.revoked_at is not None
    assert outcomes == {Issued, Rejection}  # else it was no race


async def test_114_of_two_edits_of_roles_at_once_none_is_lost(workers):
    first, second = workers
    chance = random.Random(114)
    issued = await first.desk.tokens.create_global_key(OPERATOR, NewKey("g"), roles=["self"])
    identity, held = issued.key.identity.id, {GlobalRole.SELF}
    for _ in range(ROUNDS):
        added, taken = chance.sample(sorted(set(GlobalRole) - {GlobalRole.SELF}), 2)
        await first.desk.grants.add_roles(OPERATOR, identity, [taken])
        work = (
            first.desk.grants.add_roles(OPERATOR, identity, [added]),
            second.desk.grants.remove_roles(OPERATOR, identity, [taken]),
        )
        assert not [each for each in await together(*work, chance=chance) if isinstance(each, Exception)]
        held = (held | {added}) - {taken}
        for at in workers:
            assert set((await at.find(issued.secret)).identity.roles) == held


async def test_127_two_revocations_at_once_keep_the_first_time_and_write_one_event(workers):
    first, second = workers
    chance = random.Random(127)
    for number in range(1, ROUNDS + 1):
        issued = await account_key(first)
        both = [at.desk.tokens.revoke_key(OPERATOR, issued.key.id) for at in workers]
        one, other = await together(*both, chance=chance)
        assert one.revoked_at == other.revoked_at is not None
        again = await second.desk.tokens.revoke_key(OPERATOR, issued.key.id)
        assert again.revoked_at == one.revoked_at
        assert (await events(first)).count("key.revoke") == number


async def test_138_a_revoked_key_is_never_accepted_later_by_a_worker_whose_memory_has_it(workers):
    """10^4 calls after revocations that the other worker made, begun the moment the revocation has returned; while it
    runs others keep the memory warm."""
    first, second = workers
    late = 0
    for _ in range(10):
        issued = await account_key(first)
        for at in workers:
            assert isinstance(await at.find(issued.secret), Principal)
        warming = asyncio.ensure_future(kept_warm(second, issued.secret))
        await first.desk.tokens.revoke_key(OPERATOR, issued.key.id)
        found = await asyncio.gather(*(second.find(issued.secret) for _ in range(1_000)))
        late += sum(isinstance(each, Principal) for each in found)
        warming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await warming
    assert late == 0


async def kept_warm(at: Worker, secret: str) -> None:
    while True:
        await at.find(secret)
        await asyncio.sleep(0)


async def test_a_demotion_is_seen_at_execution_however_old_the_caller_s_rights_are(workers):
    first, second = workers
    wanted = NewUser("ann@example.com", Role.ORGANIZATION_ADMIN)
    owner = await first.desk.people.add_user(OPERATOR, wanted, organization="acme")
    caller = await second.find((await first.desk.tokens.create_user_key(OPERATOR, NewKey("k"), owner=owner)).secret)
    await first.desk.people.set_role(OPERATOR, owner.user, Role.USER, organization="acme")
    with pytest.raises(Rejection):
        await second.desk.tokens.create_account_key(caller, NewKey("k", policy=POLICY))

"""Which keys a resolver knows without asking anybody: those that it held, and those that a change made it drop. And
which it holds: those that it can answer for at once."""

from __future__ import annotations

import gc
import json
import time

import pytest

from gateway.stores import Absent, Unavailable


async def test_a_resolver_knows_the_keys_that_it_held_lately_and_asks_nobody_for_that(opened, unknown):
    store, other = await opened(), await opened()
    _, its = await store.new_key()
    knows = store.store.resolver.knows
    assert not knows(its)
    await store.find(its)
    await store.find(unknown)
    store.seen.take()

    assert (knows(its), knows(unknown)) == (True, False)
    assert not other.store.resolver.knows(its)
    assert store.seen.take() == {}


async def test_a_key_that_a_change_dropped_is_known_until_it_turns_out_to_be_none(opened):
    store = await opened()
    key, its = await store.new_key()
    _, others = await store.new_key()
    await store.find(its)
    await store.revoke(key)

    await store.find(others)  # sees the change

    assert store.store.resolver.knows(its)
    assert await store.find(its) == Absent("revoked")
    assert not store.store.resolver.knows(its)


async def test_no_more_keys_are_known_than_memory_has_room_for_twice(opened):
    """Once those that are held, once those that were."""
    store = await opened(memory_keys=5)
    keys = [await store.new_key() for _ in range(20)]
    for key, its in keys:
        await store.find(its)
        await store.revoke(key)

    known = sum(store.store.resolver.knows(its) for _, its in keys)

    assert 5 <= known <= 10


async def test_all_keys_are_known_after_everything_was_forgotten(opened):
    store = await opened(catch_up_rows=1)
    keys = [await store.new_key() for _ in range(3)]
    for _, its in keys:
        await store.find(its)
    for key, _ in keys[1:]:
        await store.revoke(key)
    store.seen.take()

    await store.find(keys[0][1])

    assert store.seen.take()["memory", "miss"] == 1
    assert all(store.store.resolver.knows(its) for _, its in keys)


async def test_only_a_principal_that_is_remembered_is_held(opened, unknown, path):
    store = await opened()
    _, its = await store.new_key()
    held, find = store.store.resolver.held, store.store.resolver.find
    assert held(its) is None
    assert await find(unknown) == await find(unknown) == Absent("unknown")
    present = await find(its)
    store.seen.take()

    assert (held(its), held(unknown)) == (present, None)
    assert store.seen.take() == {("memory", "found"): 1}


@pytest.mark.parametrize("change", ["the key", "its organization"])
async def test_what_another_gateway_changed_is_held_no_more(opened, change):
    store, other = await opened(), await opened()
    key, its = await store.new_key()
    await store.find(its)
    if change == "the key":
        await other.revoke(key)
    else:
        async with other.registry.change() as changing:
            await changing.set_max_key_days("acme", 1)

    assert store.store.resolver.held(its) is None


async def test_calls_share_a_question_only_if_it_was_asked_after_both_had_come(opened, database):
    """With PostgreSQL a change waits until it is told, and without a lease nothing is held."""
    store, other = await opened(), await opened()
    held, shares = store.store.resolver.held, database.kind == "sqlite"
    key, its = await store.new_key()
    present = await store.find(its)
    both_came = time.monotonic()
    assert held(its, both_came) == present or not shares

    await other.revoke(key)

    assert held(its, both_came) == present or not shares
    assert held(its, time.monotonic()) is None
    assert held(its, both_came) is None
    assert held(its) is None


async def test_nothing_is_held_that_needs_a_server_to_be_asked(opened, database):
    """Without a lease, PostgreSQL is asked for each call."""
    store = await opened(lease=0)
    _, its = await store.new_key()
    found = await store.find(its)

    assert store.store.resolver.held(its) == (found if database.kind == "sqlite" else None)
    assert await store.find(its) == found


async def test_nothing_is_held_while_the_history_cannot_be_read(opened, path, tmp_path):
    store = await opened()
    _, its = await store.new_key()
    found = await store.find(its)
    store.seen.take()

    aside = path.rename(tmp_path / "aside.db")

    assert store.store.resolver.held(its) is None
    assert store.seen.take() == {}
    assert isinstance(await store.find(its), Unavailable)
    aside.rename(path)
    assert store.store.resolver.held(its) == found


async def test_who_was_held_the_longest_ago_makes_room(opened, path):
    store = await opened(memory_keys=2)
    first, second, third = [its for _, its in [await store.new_key() for _ in range(3)]]
    held = store.store.resolver.held
    await store.find(first)
    await store.find(second)

    assert held(first)
    await store.find(third)

    assert [held(its) is not None for its in (first, second, third)] == [True, False, True]


async def test_the_garbage_collector_walks_no_key_that_is_held(opened):
    """Ten thousand of them would stop every call for a tenth of a second now and then."""
    store = await opened()
    permission = {"effect": "ALLOW", "actions": ["*"]}
    policies = [json.dumps({"permissions": [permission | {"resources": [name]}]}) for name in ("parameter:a", "*")]
    keys = [await store.new_key(policy=policies[number % 2]) for number in range(4)]
    found = [await store.find(its) for _, its in keys]

    assert not any(gc.is_tracked(value) for each in found for value in (each, each.identity, each.policy))
    assert found[0].policy is found[2].policy is not found[1].policy

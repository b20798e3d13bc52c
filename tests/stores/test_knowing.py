"""Which keys a resolver knows without asking anybody: those that it held, and those that a change made it drop."""

from __future__ import annotations

from gateway.stores import Absent


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

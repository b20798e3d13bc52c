"""The law of the resolver: whatever was done before, in whatever order and by whom, an answer is what the database
says; and an answer that took a while is what it said at some moment meanwhile."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.keys import API_KEYS, GroupRights, Identity, Key, Kind, Principal, Role, digest
from gateway.stores import Absent, Group, Organization, StoreOptions, create, open_store

# find: and wait for the answer; call: and wait at the end; turn: let what is under way go on a little.
WHAT = st.sampled_from(["find", "call", "turn", "make", "revoke", "switch", "save redis", "put back"])
OF = ("acme", "acme", "globex")
STORE, KEY = st.sampled_from([0, 1]), st.sampled_from([0, 1, 2])
STEPS = st.lists(st.tuples(WHAT, STORE, KEY), min_size=5, max_size=40)


class World:
    """Two processes' stores on one database and one Redis, and what is true of each of three digests.

    Each is of a user's key, two of one organization and one of another. To switch is to suspend the keys of an
    organization, or to wake them.
    """

    def __init__(self, stores, raw, run) -> None:
        self.stores = stores
        self.raw = raw
        self.digests = [digest(f"{run} {which}") for which in range(3)]
        self.states = ["unknown"] * 3
        self.suspended = set()
        self.truths = [["unknown"] for _ in range(3)]
        self.saved = {}
        self.calls = []

    async def do(self, what, who, which):
        its = self.digests[which]
        name = f"gateway:key:{its}"
        await self.act(what, who, which, its, name)
        for each, truths in enumerate(self.truths):
            if (true := self.true(each)) != truths[-1]:
                truths.append(true)

    def true(self, which):
        is_suspended = self.states[which] == "live" and OF[which] in self.suspended
        return "the owner's API keys are suspended" if is_suspended else self.states[which]

    async def act(self, what, who, which, its, name):
        match what:
            case "find":
                assert told(await self.stores[who].resolver.find(its)) == self.truths[which][-1]
            case "call":
                call = asyncio.ensure_future(self.stores[who].resolver.find(its))
                self.calls.append((call, which, len(self.truths[which]) - 1))
                await asyncio.sleep(0)
            case "turn":
                await asyncio.sleep(0.0005)
            case "make" if self.states[which] == "unknown":
                await self.make(self.stores[who], which, its)
                self.states[which] = "live"
            case "revoke" if self.states[which] == "live":
                async with self.stores[who].registry.change() as change:
                    await change.revoke_key(f"key-{which}", at=1, by="operator")
                self.states[which] = "revoked"
            case "switch":
                await self.switch(self.stores[who], OF[which])
            case "save redis":
                self.saved[name] = self.raw.get(name) or self.saved.get(name)
            case "put back":
                if self.saved.get(name):
                    self.raw.set(name, self.saved[name])

    async def make(self, store, which, its):
        identity = Identity(f"identity-{which}", Kind.USER, OF[which], user=f"user-{which}")
        async with store.registry.change() as change:
            await change.add_identity(identity)
            await change.add_key(Key(f"key-{which}", identity, "", None, None, "", 1, None, None, None), its)

    async def switch(self, store, organization):
        self.suspended ^= {organization}
        rights = GroupRights() if organization in self.suspended else GroupRights((API_KEYS,))
        everyone = Group(f"everyone.{organization}", organization, "Everyone", everyone=True, rights=rights)
        async with store.registry.change() as change:
            await change.change_group(everyone)

    async def finish(self):
        for call, which, since in self.calls:
            assert told(await call) in self.truths[which][since:]
        for which, its in enumerate(self.digests):
            for store in self.stores:
                assert told(await store.resolver.find(its)) == self.truths[which][-1]


def told(found):
    match found:
        case Principal():
            return "live"
        case Absent(why):
            return why
        case _:
            return found


@settings(max_examples=settings().max_examples // 2)
@given(STEPS)
def test_an_answer_is_what_the_database_says(redis_url, steps):
    asyncio.run(play(redis_url, steps))


@settings(max_examples=settings().max_examples // 8)
@given(STEPS)
def test_an_answer_is_what_the_server_says(redis_url, postgres, contract_url, steps):
    url, dump = contract_url
    postgres.restore(url, dump)
    asyncio.run(play(redis_url, steps, url))


async def play(redis_url, steps, url=None):
    with tempfile.TemporaryDirectory() as folder, redis.Redis.from_url(redis_url) as raw:
        patient = {"sql_wait": 60.0, "lookup_timeout": 60.0, "redis_timeout": 10.0}
        small = {"memory_keys": 2, "catch_up_rows": 2}
        options = StoreOptions(Path(folder) / "gateway.db", url, redis_url=redis_url, **patient, **small)
        if url is None:
            create(options.path)
        async with open_store(options) as one, open_store(options) as two:
            async with one.registry.change() as change:
                for organization in ("acme", "globex"):
                    await change.add_organization(Organization(organization, organization))
                for which, organization in enumerate(OF):
                    await change.add_user(f"user-{which}", f"{which}@example.com", platform_admin=False)
                    await change.add_member(f"user-{which}", organization, Role.USER)
            world = World([one, two], raw, folder)
            for step in steps:
                await world.do(*step)
            await world.finish()

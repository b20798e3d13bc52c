"""What each step from the head of a call to its plan costs, and what the memory of a key weighs.

    credential, checksum, digest, find   from the headers to the principal
    key                                  all of that for a key that is held, which needs no checksum
    plan, pass-through                   of a synchronization call whose body is not read
    plan, j1ql                           of a query of 100 bytes, for a key without a condition
    plan, graphql                        likewise; of a document of 330 bytes that was seen before, and of a new one
    memory                               of a key that was used: bytes, and objects that the garbage collector walks

A plan is asked for twice: first it says what it needs to know, a job or the body. In microseconds of CPU, the best of
some rounds over all keys in turn; SQLite, no Redis. Half of the keys share one policy, each of the others has its own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from keys import identity_row, into_file, key_row

from gateway.authz import Rules, plan
from gateway.authz.outcome import Facts, Forward, Job
from gateway.http1 import Call, credential
from gateway.keys import Principal, digest, worth_looking_up
from gateway.keys.token import RANDOM_BYTES, Prefix, issue
from gateway.stores import Organization, Store, StoreOptions, create, open_store
from gateway.stores.tables import identities, keys

ORGANIZATION = "bench"
JOB = "3f1c2f0e-7d5b-4f0e-9c84-2a3a2f6f5a10"
FACTS = Facts(((JOB, Job("instance")),))
BATCH = f"/persister/synchronization/jobs/{JOB}/entities"
QUERY = b'{"query": "FIND github_repo WITH name != \'a-repository-that-is-not-shown\' LIMIT 25", "cursor": null}'
DOCUMENT = """
query instances($definition: String, $cursor: String, $limit: Int) {
  integrationInstances(definitionId: $definition, cursor: $cursor, limit: $limit) {
    instances { id name description accountId pollingInterval integrationDefinition { id name type title } }
    pageInfo { endCursor hasNextPage }
  }
}
"""
NOW = 1_700_000_000_000
FEW = 500
"""Documents that were never seen are read in each round: of them it takes no more to know."""
RULES = Rules()

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Made:
    """A key, and a call that carries it."""

    secret: str
    call: Call


def main() -> None:
    parser = argparse.ArgumentParser(description="What deciding costs.")
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    asyncio.run(measured(chosen.keys, chosen.rounds))


async def measured(number: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = StoreOptions(Path(folder) / "keys.db", memory_keys=2 * number)
        made = await written(options, number)
        async with opened(options) as store:
            principals = await remembered(store, made)
            await of_keys(store, made, rounds)
            of_plans(principals, rounds)


async def written(options: StoreOptions, number: int) -> list[Made]:
    """So many keys; their rows are written by hand, past the use cases."""
    create(options.path)
    async with open_store(options) as store, store.registry.change() as change:
        await change.add_organization(Organization(ORGANIZATION, ORGANIZATION))
    secrets = [issue(Prefix.ACCOUNT, os.urandom(RANDOM_BYTES)) for _ in range(number)]
    rows = [
        key_row(each, f"of-{each}", "account", ORGANIZATION) | {"digest": digest(secret), "policy": policy(each)}
        for each, secret in enumerate(secrets)
    ]
    owners = [identity_row(row["identity_id"], "account", ORGANIZATION) for row in rows]
    await into_file(options, {identities: owners, keys: rows})
    return [Made(secret, called(BATCH, secret)) for secret in secrets]


def policy(number: int) -> str:
    own = f"dashboard:{number}" if number % 2 else "dashboard:1"
    shared = {"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}
    return json.dumps({"permissions": [shared, {"effect": "ALLOW", "actions": ["dashboard:View"], "resources": [own]}]})


def called(path: str, secret: str, body: bytes | None = None) -> Call:
    headers = {
        "host": "gateway.example.com",
        "user-agent": "deciding",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "authorization": f"Bearer {secret}",
        "content-type": "application/json",
        "content-length": "500",
    }
    return Call("request", "POST", path, "", tuple((k.encode(), v.encode()) for k, v in headers.items()), body)


@asynccontextmanager
async def opened(options: StoreOptions) -> AsyncIterator[Store]:
    async with open_store(options) as store:
        for _ in range(10):  # connections and statements are made at first use
            await store.resolver.find(digest("unknown"))
        yield store


# --- memory -------------------------------------------------------------------------------------------------------


async def remembered(store: Store, made: Sequence[Made]) -> list[Principal]:
    """Each key found once. What finding them leaves behind is what a key weighs."""
    gc.collect()
    tracked = len(gc.get_objects())
    tracemalloc.start()
    for each in made:
        await store.resolver.find(digest(each.secret))
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    told("memory: objects that are tracked", (len(gc.get_objects()) - tracked) / len(made))
    told("memory: bytes", size / len(made))
    return [await found(store, each) for each in made]


async def found(store: Store, made: Made) -> Principal:
    principal = await store.resolver.find(digest(made.secret))
    if not isinstance(principal, Principal):
        raise SystemExit(f"a key that was written by hand is not found: {principal}")
    return principal


# --- from the head to the principal -------------------------------------------------------------------------------


async def of_keys(store: Store, made: Sequence[Made], rounds: int) -> None:
    calls, secrets = [each.call for each in made], [each.secret for each in made]
    digests = [digest(secret) for secret in secrets]
    resolver = store.resolver

    def whole(call: Call) -> object:
        """As `proxy.deciding` does it for a key that is remembered."""
        secret = credential(call)
        return isinstance(secret, str) and resolver.held(digest(secret))

    async def find() -> None:
        for each in digests:
            await resolver.find(each)

    told("credential", best(calls, credential, rounds))
    told("checksum", best(secrets, worth_looking_up, rounds))
    told("digest", best(secrets, digest, rounds))
    told("find, awaited", min([await cpu(find) for _ in range(rounds)]) / len(digests))
    told("find, held", best(digests, resolver.held, rounds))
    told("key", best(calls, whole, rounds))


async def cpu(work: Callable[[], object]) -> float:
    began = time.thread_time_ns()
    await work()
    return (time.thread_time_ns() - began) / 1000


# --- from the principal to the plan -------------------------------------------------------------------------------


def of_plans(principals: Sequence[Principal], rounds: int) -> None:
    head, query = called(BATCH, "-"), called("/j1ql", "-", QUERY)
    asked, seen = called("/j1ql", "-"), called("/graphql", "-", graphql(DOCUMENT))
    numbers = count()

    def unseen(principal: Principal) -> object:
        text = DOCUMENT.replace("instances(", f"instances{next(numbers)}(", 1)
        return planned(called("/graphql", "-", graphql(text)), principal)

    def planned(call: Call, principal: Principal) -> object:
        if not isinstance(made := plan(call, principal, FACTS, RULES, NOW), Forward):
            raise SystemExit(f"{call.path} is not passed on: {made}")
        return made

    def first(call: Call, principal: Principal) -> object:
        return plan(call, principal, Facts(), RULES, NOW)

    told("plan, pass-through: first round", best(principals, lambda each: first(head, each), rounds))
    told("plan, pass-through: second round", best(principals, lambda each: planned(head, each), rounds))
    told("plan, j1ql: first round", best(principals, lambda each: first(asked, each), rounds))
    told("plan, j1ql: second round", best(principals, lambda each: planned(query, each), rounds))
    told("plan, graphql: seen before", best(principals, lambda each: planned(seen, each), rounds))
    told("plan, graphql: never seen", best(principals[:FEW], unseen, rounds))


def graphql(document: str) -> bytes:
    return json.dumps({"query": document, "variables": {"definition": "definition-1", "limit": 100}}).encode()


def best(things: Sequence[object], work: Callable[..., object], rounds: int) -> float:
    """Microseconds of CPU for one of them."""
    return min(_round(things, work) for _ in range(rounds)) / len(things)


def _round(things: Sequence[object], work: Callable[..., object]) -> float:
    began = time.thread_time_ns()
    for each in things:
        work(each)
    return (time.thread_time_ns() - began) / 1000


def told(what: str, value: float) -> None:
    print(f"{what:40}{value:>10,.2f}", flush=True)


if __name__ == "__main__":
    main()

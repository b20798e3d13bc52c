"""Secrecy on the wire: two graphs with the same visible part give the same bytes, page by page.

Status, headers, length, number and size of pages and bytes are held against each other for random graphs, policies and
queries of the proof, through real gateways over real sockets. The clock and the randomness are fixed; a cursor, which
is encrypted, counts by its length. The upstream is one that tells much: its pages walk over the graph, so that their
sizes show how many hidden objects lie between the visible ones, its totals are estimates, and its search puts best hits
first.
"""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count
from random import Random

import aiohttp

from gateway import sandbox
from gateway.app import World, serving
from gateway.authz.capabilities import Mode
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.sandbox.dialect import Dialect, SearchOrder
from gateway.sandbox.graph import Graph, is_metadata
from gateway.sandbox.queries import Serving
from gateway.settings import validated
from gateway.stores import Organization, create
from proof.cases import policy
from proof.chance import Chance
from proof.generate import drawn
from proof.law import visible
from proof.secrecy import otherwise

TALKATIVE = Serving(Dialect(search_order=SearchOrder.SCORE), walk=2, estimates=True)
ROUNDS = 40
PAGES = 20


def settings(folder, upstream, mode):
    create(folder / f"{mode}.db")
    binding = {"j1ql": f"{upstream.url}/j1ql", "graphql": f"{upstream.url}/graphql", "persister": upstream.url}
    return validated(
        {
            **{listener: {"port": 0} for listener in ("data", "admin", "ops")},
            "calibration": {"on": False},
            "secrets": {"identity": "i" * 32, "seal": "s" * 32},
            "store": {"sqlite": folder / f"{mode}.db"},
            "decision_log": {"file": folder / f"{mode}.jsonl"},
            "limits": {"page_rows": 3},
            "graph": {"relationships": mode},
            "organizations": {
                "acme": {"upstream": binding | {"account": "acme", "credential": upstream.options.credential}}
            },
        }
    )


def fixed_world():
    numbers = count()
    return World(now=lambda: 1_700_000_000_000, randomness=lambda size: next(numbers).to_bytes(size, "big"))


async def conversation(session, url, key, text, variables):
    """All that the key's owner sees of a query: every page of its answer."""
    seen, cursor = [], None
    for _ in range(PAGES):
        body = {"query": text, "variables": variables} | ({"cursor": cursor} if cursor else {})
        async with session.post(f"{url}/j1ql", json=body, headers={"Authorization": f"Bearer {key}"}) as answer:
            content = await answer.read()
            seen.append((answer.status, masked(str(list(answer.headers.items())).encode()), masked(content)))
        cursor = json.loads(content).get("cursor")
        if not cursor:
            break
    return seen


def masked(content):
    """Without the time, and with what is random as long as it was."""
    content = re.sub(rb"'Date', '[^']*'", b"", content)
    return re.sub(rb"[0-9a-f]{32}|(?<=\"cursor\":\")[^\"]+", lambda found: b"?" * len(found[0]), content)


async def test_two_graphs_with_the_same_visible_part_give_the_same_bytes(tmp_path):
    random = Random(7)
    told = asked = 0
    async with AsyncExitStack() as stack:
        options = sandbox.Options(account="acme", serving=TALKATIVE)
        upstream = await stack.enter_async_context(sandbox.running(options, Graph()))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for mode in Mode:
            gateway = await stack.enter_async_context(serving(settings(tmp_path, upstream, mode), world=fixed_world()))
            await gateway.control.logins.found(Organization("acme", "Acme"), "one@acme.example")
            for _ in range(ROUNDS):
                round_ = drawn(random, mode)
                one = plain(round_.graphs[0])
                other = plain(otherwise(Chance(random), round_.permissions, one, mode))
                key = NewKey("k", policy=policy(round_.permissions))
                issued = await gateway.control.tokens.create_account_key(Operator(), key, organization="acme")
                assert shown(one, round_) == shown(other, round_)
                for question in round_.questions:
                    seen, raw = [], []
                    for objects in (one, other):
                        upstream.graph.__init__(*objects)
                        asking = (question.query, question.variables)
                        seen.append(await conversation(session, gateway.data, issued.secret, *asking))
                        raw.append(await unguarded(session, upstream, *asking))
                    assert seen[0] == seen[1], (round_.permissions, question.query, one, other)
                    asked += seen[0][0][0] == 200
                    told += seen[0][0][0] == 200 and raw[0] != raw[1]
    assert asked > 150
    assert told > 100


def plain(objects):
    """Without properties that are named as metadata are: such an object raises an alarm, and then its class of queries
    is refused, which is the one bit that a broken upstream gives away."""
    return [[replace(thing, properties=named(thing.properties)) for thing in things] for things in objects]


def named(properties):
    return {name: value for name, value in properties.items() if not is_metadata(name)}


def shown(objects, round_):
    graph = visible(Graph(*objects), round_.permissions, round_.mode)
    return list(graph.entities), list(graph.relationships)


async def unguarded(session, upstream, text, variables):
    """What the upstream itself answers, who has the differing graph."""
    headers = {"Authorization": f"Bearer {upstream.options.credential}", "JupiterOne-Account": "acme"}
    body = {"query": text, "variables": variables}
    async with session.post(f"{upstream.url}/j1ql", json=body, headers=headers) as answer:
        return await answer.read()

"""Canaries measure how long a revocation takes, are seen by nobody, and leave nothing behind."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from gateway.app import World
from gateway.app.canary import Canary
from gateway.cli import main
from gateway.control.texts import is_id
from gateway.keys import Extent, Identity, Key, Kind, Principal, digest
from gateway.metrics import Metrics
from gateway.stores import (
    Absent,
    KeyQuery,
    Organization,
    StoreOptions,
    StoreUnavailable,
    Unavailable,
    make_store,
    open_store,
)
from gateway.stores.tables import CANARY, audit_events, changes, identities, key_uses, keys

NOON = 1_700_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
PATIENT = {"lookup_timeout": 60.0, "sql_wait": 60.0}
"""A busy machine must not look like an outage."""


def value(metrics, name, **labels):
    """Of a metric of this process."""
    return metrics.registry.get_sample_value(name, labels) or 0.0


def rounds(metrics):
    """How many ended in which way."""
    ends = {end: value(metrics, "gateway_revocation_canaries_total", outcome=end) for end in ("kept", "late", "failed")}
    return {end: count for end, count in ends.items() if count}


class Flown:
    """A store, a clock that a test moves, and canaries over them."""

    def __init__(self, store):
        self.store = store
        self.now = NOON
        self.metrics = Metrics()
        self.world = World(now=lambda: self.now)

    @property
    def canary(self):
        return Canary(self.store, self.metrics, self.world)

    async def count(self, table, *conditions):
        async with self.store.registry._database.reading.connect() as connection:
            return await connection.scalar(select(func.count()).select_from(table).where(*conditions))

    async def left(self):
        """Rows about canaries: keys, changes."""
        return await self.count(keys, keys.c.kind == CANARY), await self.count(changes) - 1  # but for the first


@pytest.fixture(params=["sqlite", "postgresql"])
async def flown(request, tmp_path):
    if request.param == "sqlite":
        options = StoreOptions(tmp_path / "gateway.db", **PATIENT)
    else:
        options = StoreOptions(tmp_path / "none", url=request.getfixturevalue("postgres").new_database(), **PATIENT)
    await make_store(options)
    observer = Metrics()
    async with open_store(options, observer=observer) as store:
        yield Flown(store)


# --- what it measures ---


async def test_a_gateway_measures_its_revocations_and_tells(make_settings, serve, tmp_path):
    store = {"sqlite": tmp_path / "gateway.db", "canary_seconds": 0.01}
    async with serve(make_settings(store=store)) as served:

        async def told():
            text = await served.metrics()
            return text if re.search(r'canaries_total{outcome="kept"} [1-9]', text) else None

        while not (text := await told()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    number = {name: float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1]) for name in COUNTS}
    kept = float(re.search(r'canaries_total{outcome="kept"} (\S+)', text)[1])
    assert number["gateway_revocation_lag_seconds_count"] >= kept
    assert number["gateway_change_acknowledged_seconds_count"] >= 2 * kept  # made, revoked
    assert number["gateway_revocation_lag_seconds_sum"] > 0


COUNTS = (
    "gateway_revocation_lag_seconds_count",
    "gateway_revocation_lag_seconds_sum",
    "gateway_change_acknowledged_seconds_count",
)


async def test_it_is_the_time_to_the_acknowledgement_and_a_warm_key_is_revoked(flown):
    """Seen from the outside: by a registry that stands between, and a clock that it moves."""
    seconds, real, seen = 0.0, flown.store, []

    class Slow:
        def change(self):
            nonlocal seconds
            seconds += 10  # from here: before the change begins
            return real.registry.change()

    class Watched:
        async def find(self, its):
            nonlocal seconds
            seconds += 1000
            seen.append(await real.resolver.find(its))
            return seen[-1]

    flown.store = replace(real, registry=Slow(), resolver=Watched())
    await replace(flown.canary, clock=lambda: seconds).round()

    assert value(flown.metrics, "gateway_revocation_lag_seconds_sum") == 10
    (warm, after) = seen
    assert isinstance(warm, Principal)
    assert after == Absent("revoked")
    assert rounds(flown.metrics) == {"kept": 1}


async def test_a_key_that_is_found_after_its_revocation_is_an_incident(flown, caplog):
    class Deaf:
        """Answers with what it heard first."""

        def __init__(self, real):
            self.find_really, self.heard = real.find, {}

        async def find(self, its):
            return self.heard.setdefault(its, await self.find_really(its))

    flown.store = replace(flown.store, resolver=Deaf(flown.store.resolver))
    await flown.canary.round()

    assert rounds(flown.metrics) == {"late": 1}
    (told,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "a revoked key was found" in told.getMessage()


async def test_a_round_that_cannot_be_made_is_no_measurement(flown):
    class Away:
        def change(self):
            raise StoreUnavailable("away")

    flown.store = replace(flown.store, registry=Away())
    with pytest.raises(StoreUnavailable):
        await flown.canary.round()

    assert rounds(flown.metrics) == {"failed": 1}
    assert value(flown.metrics, "gateway_revocation_lag_seconds_count") == 0


async def test_an_outage_after_the_revocation_is_no_key_that_was_kept_from_anyone(flown):
    class Leaving:
        """Away after the first answer."""

        def __init__(self, real):
            self.answers = iter([real.find])

        async def find(self, its):
            answer = next(self.answers, None)
            return Unavailable("away") if answer is None else await answer(its)

    flown.store = replace(flown.store, resolver=Leaving(flown.store.resolver))
    with pytest.raises(StoreUnavailable, match="away"):
        await flown.canary.round()

    assert rounds(flown.metrics) == {"failed": 1}


@pytest.mark.parametrize("drawn", [0, 1, 2**31, 2**32 - 1])
def test_the_first_round_is_at_any_time_of_the_first_period(drawn):
    world = World(randomness=drawn.to_bytes)
    phase = Canary(None, Metrics(), world).phase(60.0)
    assert phase == 60 * (1 - drawn / 2**32)
    assert 0 < phase <= 60


# --- who sees it ---


async def test_a_canary_can_do_nothing_and_has_no_secret(flown):
    real, seen = flown.store, []

    class Watched:
        async def find(self, its):
            seen.append(await real.resolver.find(its))
            return seen[-1]

    flown.store = replace(real, resolver=Watched())
    await flown.canary.round()
    principal = seen[0]
    assert principal.policy.statements == ()
    assert principal.identity == Identity("canary:canary", Kind.GLOBAL, "")
    assert principal.organization == ""
    assert not is_id(principal.key_id)
    assert not is_id(principal.identity.id)


async def test_no_listing_no_count_and_no_trail_has_it(flown):
    for _ in range(3):
        await flown.canary.round()
    async with flown.store.registry.change() as change:  # one that is live, as in the middle of a round
        await change.add_canary(digest("live"), at=flown.now)
    registry = flown.store.registry

    for extent in (Extent(), Extent(organization=""), Extent(project="blog")):
        assert await registry.keys(KeyQuery(dict.fromkeys(Kind, (extent,)), limit=10)) == ()
        query = KeyQuery(dict.fromkeys(Kind, (extent,)), limit=10, identity="canary:canary")
        assert await registry.keys(query) == ()
        assert await registry.keys(replace(query, identity=None, memberless=True)) == ()
    assert await registry.count_expiring(0, 2**62) == 0
    assert await registry.organizations() == ()
    assert await registry.members(None, limit=10) == ()
    assert await flown.count(audit_events) == 0
    assert await flown.count(key_uses) == 0


def test_the_command_line_shows_none(tmp_path):
    async def fly():
        options = StoreOptions(tmp_path / "gateway.db")
        await make_store(options)
        async with open_store(options) as store:
            flown = Flown(store)
            await flown.canary.round()
            async with store.registry.change() as change:
                await change.add_organization(Organization("acme", "Acme"))
                await change.add_canary(digest("live"), at=flown.now)

    asyncio.run(fly())
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'[secrets]\nidentity = "{"i" * 32}"\nseal = "{"s" * 32}"\n[store]\nsqlite = "{tmp_path / "gateway.db"}"\n'
    )
    (tmp_path / "log").write_text(json.dumps({"key": "canary:canary"}) + "\n")
    commands = (
        ["keys", "list"],
        ["keys", "list", "--json"],
        ["audit", "list"],
        ["unused", "--log", str(tmp_path / "log")],
    )
    for words in commands:
        told = CliRunner().invoke(main, [*words, "--config", str(file)])
        assert told.exit_code == 0, told.output
        assert "canary" not in told.output
    shown = CliRunner().invoke(main, ["keys", "show", f"canary:{digest('live')[:32]}", "--config", str(file)])
    assert shown.exit_code != 0


# --- what is left of it ---


async def test_no_table_grows(flown):
    """A round a minute: after an hour as many rows go as come."""
    counted = Counter()
    for _ in range(64):
        await flown.canary.round()
        counted[await flown.left()] += 1
        flown.now += MINUTE
    last = await flown.left()
    assert counted[last] == 4
    assert last == (61, 122)
    assert rounds(flown.metrics) == {"kept": 64}
    assert await flown.count(identities) == 1


async def test_the_round_of_a_process_that_died_is_ended_by_another(flown):
    its, other = digest("dead"), digest("alive")
    async with flown.store.registry.change() as change:
        dead = await change.add_canary(its, at=flown.now - HOUR - 1)
        await change.add_canary(other, at=flown.now - MINUTE)
    assert isinstance(await flown.store.resolver.find(its), Principal)
    assert isinstance(await flown.store.resolver.find(other), Principal)

    await flown.canary.round()
    assert await flown.store.resolver.find(its) == Absent("revoked")
    assert isinstance(await flown.store.resolver.find(other), Principal)
    flown.now += HOUR + 1
    await flown.canary.round()

    assert await flown.count(keys, keys.c.id == dead) == 0
    assert await flown.count(changes, changes.c.digest == its) == 0
    assert await flown.store.resolver.find(other) == Absent("revoked")


async def test_what_is_removed_concerns_no_other_key(flown):
    """Whatever its id. Not the newest change either, where gateways stand: what they know they go on knowing."""
    account = Identity("identity", Kind.ACCOUNT, "acme")
    real = Key(f"canary:{digest('real')[:32]}", account, "k", None, None, "gwa_1234", NOON, None, None, None)
    async with flown.store.registry.change() as change:
        await change.add_organization(Organization("acme", "Acme"))
        await change.add_identity(account)
        await change.add_key(real, digest("real"))
    await flown.canary.round()
    known = await flown.store.resolver.find(digest("real"))
    flown.now += 2 * HOUR
    async with flown.store.registry.change() as change:
        await change.remove_canaries(before=flown.now - HOUR, at=flown.now)

    assert await flown.left() == (0, 2)  # that of the real key, and the newest
    assert await flown.store.resolver.find(digest("real")) is known
    await flown.canary.round()
    assert await flown.store.resolver.find(digest("real")) is known


async def test_its_digests_are_never_those_of_before(flown):
    drawn = []

    def randomness(size):
        drawn.append(secrets.token_bytes(size))
        return drawn[-1]

    flown.world = World(now=lambda: flown.now, randomness=randomness)
    for _ in range(3):
        await flown.canary.round()
    assert len(set(drawn)) == 3
    assert all(len(each) == 32 for each in drawn)

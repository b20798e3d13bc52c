"""Last uses: what is noted, how much of it, and what happens when it cannot be written down."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from gateway.authz.outcome import Grounds
from gateway.control import NewKey, TokenOptions, Tokens
from gateway.keys import Identity, Kind, Operator, Principal
from gateway.metrics import Metrics, Outcome
from gateway.policy import Policy
from gateway.proxy import Uses, UseWriter, uses
from gateway.proxy.trace import Element, Trace
from gateway.stores import Organization, Store, StoreOptions, StoreUnavailable, create, open_store
from gateway.stores.values import KeyUse

NOW = 1_700_000_000_000


def call(key: str | None, outcome: Outcome, *elements: Outcome, session: bool = False) -> Trace:
    made = Trace("call-1", "POST", "j1ql")
    if key is not None:
        identity = Identity(f"of-{key}", Kind.ACCOUNT, "acme")
        made.principal = Principal(key, 1, key, identity, Policy(()), None, session=session)
    made.outcome = outcome
    made.elements = tuple(Element(Grounds(), each) for each in elements)
    return made


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.REFUSED])
def test_a_call_that_was_not_refused_is_a_use(outcome):
    noted = Uses()
    noted.note(call("k", outcome), NOW)
    assert noted.take() == {"k": KeyUse(used_at=NOW)}


def test_181_a_refused_call_is_told_apart_and_moves_no_use():
    noted = Uses()
    noted.note(call("k", Outcome.FORWARDED), NOW)
    noted.note(call("k", Outcome.REFUSED), NOW + 5)
    assert noted.take() == {"k": KeyUse(used_at=NOW, refused_at=NOW + 5)}


def test_181_a_credential_of_nobody_notes_nothing():
    noted = Uses()
    noted.note(call(None, Outcome.REFUSED), NOW)
    noted.note(call("login", Outcome.ANSWERED, session=True), NOW)
    assert noted.take() == {}


def test_a_batch_is_refused_when_all_of_it_is():
    noted = Uses()
    noted.note(call("some", Outcome.BATCH, Outcome.REFUSED, Outcome.FORWARDED), NOW)
    noted.note(call("none", Outcome.BATCH, Outcome.REFUSED, Outcome.REFUSED), NOW)
    assert noted.take() == {"some": KeyUse(used_at=NOW), "none": KeyUse(refused_at=NOW)}


def test_what_is_taken_is_forgotten_and_what_comes_back_is_not_newer_than_what_came_since():
    noted = Uses()
    noted.note(call("a", Outcome.FORWARDED), NOW)
    noted.note(call("b", Outcome.REFUSED), NOW)
    taken = noted.take()
    assert noted.take() == {}
    noted.note(call("a", Outcome.FORWARDED), NOW + 1)
    noted.put_back(taken)
    assert noted.take() == {"a": KeyUse(used_at=NOW + 1), "b": KeyUse(refused_at=NOW)}


def test_what_was_told_waits_half_the_precision_and_each_kind_for_itself():
    noted = Uses(precision=20)
    noted.note(call("a", Outcome.FORWARDED), NOW)
    noted.told(noted.take())
    noted.note(call("a", Outcome.FORWARDED), NOW + 9_999)
    assert noted.take() == {}
    noted.note(call("a", Outcome.REFUSED), NOW + 9_999)
    assert noted.take() == {"a": KeyUse(refused_at=NOW + 9_999)}
    noted.note(call("b", Outcome.FORWARDED), NOW + 9_999)
    noted.note(call("a", Outcome.FORWARDED), NOW + 10_000)
    assert noted.take() == {"a": KeyUse(used_at=NOW + 10_000), "b": KeyUse(used_at=NOW + 9_999)}


def test_a_clock_that_was_set_back_keeps_no_use_waiting():
    noted = Uses(precision=20)
    noted.note(call("a", Outcome.FORWARDED), NOW)
    noted.told(noted.take())
    noted.note(call("a", Outcome.FORWARDED), NOW - 86_400_000)
    assert noted.take() == {"a": KeyUse(used_at=NOW - 86_400_000)}


def test_what_was_told_of_keys_that_are_used_no_more_needs_no_room():
    noted = Uses(room=1, precision=20)
    for key, at in (("a", NOW), ("b", NOW + 5_000), ("b", NOW + 6_000)):
        noted.note(call(key, Outcome.FORWARDED), at)
        taken = noted.take()
        assert taken == {key: KeyUse(used_at=at)}  # the second one of `b` too: there was no room to remember the first
        noted.told(taken)
    noted.forget(NOW + 10_000)
    for at, due in ((NOW + 10_000, True), (NOW + 11_000, False)):
        noted.note(call("b", Outcome.FORWARDED), at)
        taken = noted.take()
        assert bool(taken) is due
        noted.told(taken)


def test_memory_is_bounded_and_what_has_no_room_is_counted():
    noted = Uses(room=2)
    for key in "abcd":
        noted.note(call(key, Outcome.FORWARDED), NOW)
    noted.note(call("a", Outcome.FORWARDED), NOW + 1)  # one that is there needs no room
    noted.put_back({key: KeyUse(used_at=NOW) for key in "xyz"})
    assert noted.lost == 2
    assert noted.take() == {"a": KeyUse(used_at=NOW + 1), "b": KeyUse(used_at=NOW)}


# --- writing ---


class Disk:
    """Takes batches, or is away; `away_after` is how many it takes before that."""

    def __init__(self) -> None:
        self.batches: list[dict[str, KeyUse]] = []
        self.away_after: int | None = None

    async def write(self, batch):
        if self.away_after is not None and len(self.batches) >= self.away_after:
            raise StoreUnavailable("away")
        self.batches.append(dict(batch))


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def value(metrics):
    return lambda name, **labels: metrics.registry.get_sample_value(name, labels)


async def test_uses_are_written_in_batches_each_key_once(disk, metrics, value, monkeypatch):
    monkeypatch.setattr(uses, "BATCH", 2)
    noted = Uses()
    for key in "abcde":
        noted.note(call(key, Outcome.FORWARDED), NOW)
    await UseWriter(noted, disk.write, metrics, lambda: NOW).round()
    assert [len(batch) for batch in disk.batches] == [2, 2, 1]
    assert {key for batch in disk.batches for key in batch} == set("abcde")
    assert noted.take() == {}
    assert value("gateway_key_use_rounds_total", outcome="written") == 1
    assert value("gateway_key_uses_lag_seconds") == 0


async def test_a_key_in_use_is_written_twice_in_a_precision_whatever_the_calls(disk, metrics):
    noted, clock = Uses(precision=300), [NOW]
    writer = UseWriter(noted, disk.write, metrics, lambda: clock[0])
    for seconds in range(0, 601, 30):
        clock[0] = NOW + seconds * 1000
        noted.note(call("a", Outcome.FORWARDED), clock[0])
        await writer.round()
    assert [(batch["a"].used_at - NOW) // 1000 for batch in disk.batches] == [0, 150, 300, 450, 600]


async def test_a_round_without_uses_asks_nobody(disk, metrics):
    await UseWriter(Uses(), disk.write, metrics, lambda: NOW).round()
    assert disk.batches == []


async def test_what_a_store_that_is_away_did_not_take_waits_for_the_next_round(disk, metrics, value, monkeypatch):
    monkeypatch.setattr(uses, "BATCH", 2)
    noted, clock = Uses(), [NOW]
    writer = UseWriter(noted, disk.write, metrics, lambda: clock[0])
    for key in "abcde":
        noted.note(call(key, Outcome.FORWARDED), NOW)
    disk.away_after, clock[0] = 1, NOW + 60_000
    await writer.round()
    assert value("gateway_key_use_rounds_total", outcome="failed") == 1
    assert value("gateway_key_uses_lag_seconds") == 60
    disk.away_after = None
    await writer.round()
    assert sorted(key for batch in disk.batches for key in batch) == list("abcde")
    assert value("gateway_key_uses_lag_seconds") == 0


async def test_a_round_that_is_cancelled_loses_nothing(metrics):
    noted, stuck = Uses(), asyncio.Event()

    async def write(_batch):
        stuck.set()
        await asyncio.Event().wait()

    noted.note(call("a", Outcome.FORWARDED), NOW)
    task = asyncio.get_running_loop().create_task(UseWriter(noted, write, metrics, lambda: NOW).round())
    await stuck.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert noted.take() == {"a": KeyUse(used_at=NOW)}


async def test_uses_without_room_are_counted_once(disk, metrics, value):
    noted = Uses(room=1)
    writer = UseWriter(noted, disk.write, metrics, lambda: NOW)
    for key in "abc":
        noted.note(call(key, Outcome.FORWARDED), NOW)
    await writer.round()
    await writer.round()
    assert value("gateway_key_uses_lost_total") == 2


async def test_the_last_round_of_a_process_is_given_up_in_time(metrics, monkeypatch):
    monkeypatch.setattr(uses, "LAST_SECONDS", 0.01)
    noted = Uses()

    async def write(_batch):
        await asyncio.Event().wait()

    noted.note(call("a", Outcome.FORWARDED), NOW)
    await UseWriter(noted, write, metrics, lambda: NOW).last_round()


# --- with a real store ---


@pytest.fixture
async def store(tmp_path: Path):
    create(tmp_path / "gateway.db")
    async with open_store(StoreOptions(tmp_path / "gateway.db"), projects={}) as store:
        async with store.registry.change() as change:
            await change.add_organization(Organization("acme", "Acme"))
        yield store


async def test_the_store_keeps_the_newest_of_each_and_knows_no_key_that_there_is_not(store: Store, metrics):
    tokens = Tokens(store.registry, TokenOptions(), lambda: NOW, secrets.token_bytes)
    key = (await tokens.create_organization_key(Operator(), NewKey("k"), organization="acme")).key
    noted = Uses(precision=0.001)
    writer = UseWriter(noted, store.registry.note_uses, metrics, lambda: NOW)
    for at, outcome in ((NOW + 9, Outcome.FORWARDED), (NOW + 3, Outcome.REFUSED), (NOW + 5, Outcome.REFUSED)):
        noted.note(call(key.id, outcome), at)
        noted.note(call("never-made", outcome), at)
        await writer.round()
    noted.note(call(key.id, Outcome.FORWARDED), NOW)  # late news of another process
    await writer.round()
    assert await tokens.last_uses([key]) == {key.id: KeyUse(NOW + 9, NOW + 5)}

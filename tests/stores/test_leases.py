"""Leases on a real PostgreSQL: calls that ask nobody, and changes that are over everywhere when they say so."""

from __future__ import annotations

import asyncio
import signal
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from stores.followers import LOOSE, Process, at_once, journal_of, rows, seconds, statements, until, warm, wired

from gateway.keys import Principal
from gateway.stores import Absent, StoreOptions, StoreUnavailable, Unavailable, leases, postgres
from gateway.stores.leases import LeasedFollowers, LeasedJournal
from gateway.stores.postgres_journal import PostgresJournal

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

ANSWER = """
async def act(store, port):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    while asked := await reader.readline():
        found = await store.resolver.find(asked.decode().strip())
        writer.write(type(found).__name__.encode() + b"\\n")
"""


Start = Callable[[], Awaitable[Process]]


@pytest.fixture
async def process(elsewhere: Any) -> AsyncIterator[Start]:
    connected: asyncio.Queue[Any] = asyncio.Queue()
    server = await asyncio.start_server(lambda *streams: connected.put_nowait(streams), "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    writers = []

    async def start() -> Process:
        started = await elsewhere(ANSWER, port)
        reader, writer = await connected.get()
        writers.append(writer)
        return Process(started, reader, writer)

    yield start
    for writer in writers:
        writer.close()
    server.close()


# --- what it is for -----------------------------------------------------------------------------------------------


async def test_ten_thousand_warm_calls_ask_nobody(opened, database):
    store = await opened(lease=60.0)
    _, its = await store.new_key()
    await warm(store, its)

    async with statements() as said:
        found = {at_once(store.find(its)) for _ in range(10_000)}

    assert [type(one) for one in found] == [Principal]
    assert said == []


async def test_absent_keys_are_remembered_without_asking_too(opened, database, unknown):
    store = await opened(lease=60.0)
    key, its = await store.new_key()
    await warm(store, its)
    assert await store.find(unknown) == Absent("unknown")

    assert at_once(store.find(unknown)) == Absent("unknown")
    async with store.registry.change() as change:
        await change.add_key(replace(key, id="made-later"), unknown)
    assert isinstance(await store.find(unknown), Principal)


async def test_the_server_hears_of_renewals_alone(opened, database):
    store = await opened(lease=1.0)
    _, its = await store.new_key()
    await warm(store, its)

    async with statements() as said:
        ends = time.monotonic() + 1.0
        while time.monotonic() < ends:
            await store.find(its)
            await asyncio.sleep(0.001)

    assert {statement.split()[0] for statement in said} == {"UPDATE", "SELECT"}
    assert len(said) <= 2 * 6  # a renewal every 0.2 of a lease


async def test_a_revocation_is_seen_at_once_by_all_other_gateways(opened, process, database, capsys):
    store, *others = [await opened() for _ in range(4)]
    processes = [await process() for _ in range(2)]
    took, late = [], 0
    for _ in range(200):
        key, its = await store.new_key()
        for other in others:
            await other.find(its)
        assert [await one.find(its) for one in processes] == ["Principal"] * 2
        took.append(await seconds(store.revoke(key)))
        for one in processes:
            one.ask(its)
        late += sum([await other.find(its) != Absent("revoked") for other in others])
        late += sum([await one.answer() != "Absent" for one in processes])

    assert late == 0
    median, p99 = statistics.median(took), statistics.quantiles(took, n=100)[98]
    with capsys.disabled():
        print(f"\n  seen by 6 gateways: median {median * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")  # noqa: T201


# --- followers that fall behind -----------------------------------------------------------------------------------


async def test_a_stopped_gateway_is_waited_for_and_refuses_when_it_goes_on(opened, process, database):
    store, stopped = await opened(), await process()
    for _ in range(3):
        key, its = await store.new_key()
        assert await stopped.find(its) == "Principal"
        await until(lambda: len(rows(database)) == 1)
        stopped.process.send_signal(signal.SIGSTOP)
        stopped.ask(its)

        assert await seconds(store.revoke(key)) < 2.0 + LOOSE

        stopped.process.send_signal(signal.SIGCONT)
        assert await stopped.answer() == "Absent"


async def test_without_a_lease_every_call_asks_and_changes_wait_for_those_who_have_one(opened, process, database):
    store, stopped = await opened(lease=0), await process()
    key, its = await store.new_key()
    await store.find(its)
    async with statements() as said:
        assert all([isinstance(await store.find(its), Principal) for _ in range(5)])
    assert len([statement for statement in said if "FROM changes" in statement]) == 5
    assert rows(database) == set()
    assert await stopped.find(its) == "Principal"
    await until(lambda: len(rows(database)) == 1)
    stopped.process.send_signal(signal.SIGSTOP)

    assert await seconds(store.revoke(key)) >= 1.9  # the lease of the other is 2 s

    assert await store.find(its) == Absent("revoked")
    stopped.process.send_signal(signal.SIGCONT)
    assert await stopped.find(its) == "Absent"


async def test_a_killed_gateway_is_waited_for_once(opened, process, database):
    store, killed = await opened(), await process()
    (key, its), (another, _) = await store.new_key(), await store.new_key()
    assert await killed.find(its) == "Principal"
    await until(lambda: rows(database))
    killed.process.kill()
    await killed.process.wait()

    first, second = await seconds(store.revoke(key)), await seconds(store.revoke(another))

    assert second < 1.9 <= first < 2.0 + LOOSE  # its lease is 2 s
    assert rows(database) == set()


async def test_a_change_tried_again_is_not_acknowledged_earlier(opened, process, database):
    """The first try was cancelled after its commit; the second finds nothing left to do."""
    store, stopped = await opened(), await process()
    key, its = await store.new_key()
    assert await stopped.find(its) == "Principal"
    await until(lambda: rows(database))
    stopped.process.send_signal(signal.SIGSTOP)
    first = asyncio.ensure_future(store.revoke(key))
    await until(lambda: database.by_hand("SELECT revoked_at FROM keys") == [("2000",)])
    first.cancel()

    await store.revoke(key)

    stopped.ask(its)
    stopped.process.send_signal(signal.SIGCONT)
    assert await stopped.answer() == "Absent"


async def test_a_gateway_whose_row_was_removed_enters_again_under_a_new_name(opened, database):
    store, other = await opened(lease=0.3), await opened()
    key, its = await store.new_key()
    await warm(store, its)
    before = rows(database)
    database.by_hand("DELETE FROM followers")

    await until(lambda: rows(database))

    assert not rows(database) & before
    await warm(store, its)
    await other.revoke(key)
    assert await store.find(its) == Absent("revoked")


async def test_a_row_of_another_history_counts_as_behind(opened, database):
    store = await opened()
    key, _ = await store.new_key()
    database.by_hand("INSERT INTO followers (id, seen, nonce, renewals, lease) VALUES ('restored', 1000000, 1, 7, 500)")

    assert await seconds(store.revoke(key)) >= 0.5

    assert rows(database) == set()


async def test_one_that_was_seen_late_keeps_its_row_for_a_lease(opened, database):
    """The first look at the rows comes when nearly all of the waiting is over; the follower has renewed just before."""
    store = await opened()
    key, _ = await store.new_key()
    followers = SlowToLook(store.registry._database.reading)
    store.registry._database = replace(store.registry._database, followers=followers)
    database.by_hand("INSERT INTO followers (id, seen, nonce, renewals, lease) VALUES ('slow', 0, 0, 7, 1000)")

    assert await seconds(store.revoke(key)) >= 0.8 + 1.0


class SlowToLook(LeasedFollowers):
    looked = False

    async def _behind(self, seen: int, seconds: float) -> Any:
        if not self.looked:
            self.looked = True
            await asyncio.sleep(0.8)
        return await super()._behind(seen, seconds)


async def test_each_gateway_is_waited_for_as_long_as_its_own_lease(opened, database):
    async with wired(database) as (wire, url):
        near, far = await opened(lease=0.2), await opened(lease=1.5, url=url, lookup_timeout=1.0)
        key, its = await near.new_key()
        await warm(far, its)
        wire.stop()

        took = await seconds(near.revoke(key))

        assert isinstance(await far.find(its), Unavailable)
        assert 1.0 < took < 1.5 + LOOSE
        wire.go_on()


async def test_a_gateway_enters_between_changes_and_not_beside_one(opened, database):
    """Else a change could not know whom to wait for when the server goes away."""
    store, other = await opened(), await opened(lease=0.2)
    _, its = await store.new_key()
    async with store.registry.change():
        assert isinstance(await other.find(its), Principal)
        await asyncio.sleep(0.5)
        assert rows(database) == set()

    await warm(other, its)
    assert len(rows(database)) == 1


async def test_a_closed_store_leaves_no_row(opened, opening, database):
    store = await opened()
    _, its = await store.new_key()
    async with opening(StoreOptions(**database.options)) as other:
        await warm(other, its)
        assert len(rows(database)) == 1

    assert rows(database) == set()


# --- messages and answers that are lost or late -------------------------------------------------------------------


async def test_messages_that_never_arrive_cost_time_alone(opened, database, monkeypatch):
    monkeypatch.setattr(leases, "_TOLD", leases._SEEN)
    store, other = await opened(), await opened(lease=0.5)
    for _ in range(5):
        key, its = await store.new_key()
        await warm(other, its)

        await store.revoke(key)

        assert await other.find(its) == Absent("revoked")


async def test_a_listening_connection_that_is_lost_is_made_anew(opened, database, monkeypatch):
    monkeypatch.setattr(leases, "_RECONNECT", 0.2)
    listening = f"FROM pg_stat_activity WHERE datname = '{database.name}' AND query LIKE 'LISTEN%'"
    store, other = await opened(), await opened()
    key, its = await store.new_key()
    await warm(other, its)
    await until(lambda: database.by_hand(f"SELECT count(*) {listening}") == [("1",)])

    database.by_hand(f"SELECT pg_terminate_backend(pid) {listening}")
    await store.revoke(key)

    assert await other.find(its) == Absent("revoked")
    await until(lambda: database.by_hand(f"SELECT count(*) {listening}") == [("1",)])


@pytest.mark.parametrize("slow", [None, b"FROM changes WHERE seq"], ids=["everything", "between steps 1 and 2"])
async def test_a_slow_server_never_leads_to_a_late_accept(opened, database, slow):
    async with wired(database) as (wire, url):
        near, far = await opened(), await opened(lease=0.3, url=url, lookup_timeout=5.0)
        wire.slow = slow
        for number in range(12):
            wire.delay = 0.0
            key, its = await near.new_key()
            await warm(far, its)
            wire.delay = (0.01, 0.05, 0.1, 0.2, 0.29, 0.4)[number % 6]
            await asyncio.sleep(0.07 * (number % 5))

            await near.revoke(key)

            assert not isinstance(await far.find(its), Principal)


async def test_a_wire_that_stops_and_goes_never_leads_to_a_late_accept(opened, database):
    async with wired(database) as (wire, url):
        near, far = await opened(), await opened(lease=0.3, url=url, lookup_timeout=5.0)
        for number in range(12):
            key, its = await near.new_key()
            await warm(far, its)
            await asyncio.sleep(0.011 * number)
            wire.stop()
            revoked = asyncio.ensure_future(near.revoke(key))
            await asyncio.sleep(0.03 * number)
            wire.go_on()
            await revoked

            assert not isinstance(await far.find(its), Principal)


async def test_an_answer_that_took_long_is_trusted_from_the_beginning_of_its_renewal(opened, database):
    """What was read at the beginning of a lease arrives near its end, and then nothing more does."""
    store, other = await opened(), await opened(lease=1.0)
    key, its = await store.new_key()
    await warm(other, its)
    journal, was_read = journal_of(other)._journal, asyncio.Event()
    right = journal.catch_up

    async def catch_up(forget: Any) -> None:
        if was_read.is_set():
            raise StoreUnavailable("cut off")
        await right(forget)
        was_read.set()
        await asyncio.sleep(0.9)

    journal.catch_up = catch_up
    await was_read.wait()
    await store.revoke(key)

    assert isinstance(await other.find(its), Unavailable)


# --- the clock, and faults of ours --------------------------------------------------------------------------------


async def test_a_clock_that_jumps_ends_the_trust(opened, database):
    store = await opened()
    asked, jump = 0, 0.0

    class Counted(PostgresJournal):
        async def catch_up(self, forget: Any) -> None:
            nonlocal asked
            asked += 1
            await super().catch_up(forget)

    pool = postgres.engine(store.options, connections=2).execution_options(isolation_level="AUTOCOMMIT")
    journal = await Counted.open(store.options)
    nothing = list[Any]().extend
    leased = LeasedJournal(journal, pool, lease=100.0, clock=lambda: leases.boot_clock() + jump)
    await leased.catch_up(nothing)
    await until(lambda: leased._clock() < leased._trusted_until)
    await asyncio.sleep(0.3)  # until it listens, and has told what it read
    before = asked

    at_once(leased.catch_up(nothing))
    assert asked == before
    jump = 79.0
    at_once(leased.catch_up(nothing))
    assert asked == before
    jump = 80.0
    await leased.catch_up(nothing)
    assert asked == before + 1
    await leased.close()


async def test_a_fault_of_ours_does_not_end_the_renewals(opened, database, caplog):
    store = await opened(lease=0.2)
    _, its = await store.new_key()
    await warm(store, its)
    journal = journal_of(store)
    right, journal._tell = journal._tell, None
    await until(lambda: journal._clock() >= journal._trusted_until)

    assert isinstance(await store.find(its), Principal)  # it asks
    assert "renewing the lease failed" in caplog.text
    journal._tell = right
    await warm(store, its)

"""One machine without Redis: four workers over one SQLite file keep the same promise, and nobody has a lease.

Every call reads in the file whether something was changed, so a worker that is stopped holds up no acknowledgement. The
calls are `GATEWAY_REVOCATION_CALLS`, see `test_revocation`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.stores import create
from revocation.connections import MAPPED
from revocation.hammering import hammering, wanted
from revocation.installation import Installation, revoke_by_delete, revoke_by_graphql, settings, surroundings
from revocation.processes import serving, stopped

pytestmark = pytest.mark.skipif(not MAPPED, reason="/proc/net/tcp is not there: who serves a connection cannot be told")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("machine")
    create(folder / "gateway.db")
    with surroundings() as (_, upstream):
        chosen = settings(upstream, {"sqlite": str(folder / "gateway.db"), "absent_seconds": 0.2})
        with serving(folder, [chosen], workers=4) as gateways:
            made = Installation(gateways, chosen)
            asyncio.run(made.found())
            yield made


@pytest.fixture
async def machine(running: Installation) -> AsyncIterator[Installation]:
    yield running
    await running.close()


@pytest.mark.parametrize("revoke", [revoke_by_graphql, revoke_by_delete])
async def test_no_call_after_the_acknowledgement_is_accepted(machine, report, revoke):
    calls = wanted(4_000)
    hammered = await hammering(machine)
    hammered.start(calls)
    await hammered.revoke(revoke, on=await machine.connect())
    await hammered.open_late(calls)
    await hammered.ended()

    hammered.refused_everywhere(calls)
    hammered.told(report, f"SQLite, {revoke.__name__.replace('_', ' ')}")


async def test_while_one_worker_is_stopped_and_goes_on(machine, report):
    """Calls on its connections wait, and are refused when it goes on."""
    calls = wanted(2_000)
    hammered = await hammering(machine)
    victim, *alive = machine.workers
    waiting = hammered.connections([victim])
    administrators = next(each for each, pid in (await machine.connections(1)).items() if pid in alive)
    hammered.start(calls)
    with stopped(victim):
        await hammered.revoke(revoke_by_graphql, on=administrators)
        hammered.start(calls, waiting)  # behind those that were written before
        await hammered.open_late(calls)
        await hammered.ended(hammered.connections(alive))
    await hammered.ended()

    hammered.refused_everywhere(calls)
    hammered.told(report, "SQLite, one worker stopped")

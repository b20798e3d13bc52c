"""The use cases about alarms: classes of queries that are refused because the check found a forbidden object.

A gateway opens one by itself, see `proxy.alarms`; a platform administrator or the command line sees them and resets
them. Each change has one audit event. May raise Rejection (nothing was changed) and StoreUnavailable.
"""

from __future__ import annotations

from gateway.control.managing import Managing
from gateway.control.rejection import Rejection
from gateway.http1 import Reason
from gateway.keys import Actor
from gateway.stores.base import Change
from gateway.stores.values import Alarm, AuditEvent

GATEWAY = "gateway"
"""In the audit trail what a gateway did by itself."""


class Alarming(Managing):
    """See the module."""

    async def alarmed(self) -> dict[str, str]:
        """See `Registry`."""
        return await self._registry.alarmed()

    async def keep(self, alarm: Alarm) -> None:
        """Opens an alarm, for all gateways; nothing where one of its class is open."""
        told = (("key", alarm.key), ("request", alarm.call), ("shape", alarm.shape), ("why", alarm.why))
        async with self._registry.change() as change:
            if await change.add_alarm(alarm):
                await change.audit(AuditEvent(alarm.at, GATEWAY, alarm.organization, "alarm.raise", alarm.id, told))

    async def list_alarms(self, actor: Actor) -> tuple[Alarm, ...]:
        """Those that are open, oldest first."""
        self._refuse_not_platform(actor)
        return await self._registry.alarms()

    async def reset(self, caller: Actor, alarm: str) -> None:
        """Lets a class of queries through again."""
        async with self._changes.by(caller) as (change, actor):
            self._refuse_not_platform(actor)
            found = [each for each in await change.alarms() if each.id == alarm]
            if not found:
                raise Rejection(Reason.INVALID_INPUT, "no alarm of this id is open")
            await self._reset(change, actor, found[0])

    async def reset_all(self, caller: Actor) -> int:
        """The same for every class; how many there were."""
        async with self._changes.by(caller) as (change, actor):
            self._refuse_not_platform(actor)
            found = await change.alarms()
            for alarm in found:
                await self._reset(change, actor, alarm)
        return len(found)

    async def _reset(self, change: Change, actor: Actor, alarm: Alarm) -> None:
        await change.remove_alarm(alarm.id)
        told = {"key": alarm.key, "request": alarm.call, "shape": alarm.shape}
        await self._audit(change, actor, "alarm.reset", alarm.organization, alarm.id, **told)

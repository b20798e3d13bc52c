"""Counters of calls: in Redis, where all gateways share them; in this process while there is none.

Nobody asks for each call: who counts takes a share of many calls and asks again when it is used up, see `proxy.shares`.

**What the count is worth.** Through Redis, never more calls are given than a limit allows, whatever gateways do. What a
gateway was given and lost with its process counts as used. While Redis is away each process counts on alone, from what
it was told last: with n processes, n - 1 times as many calls too many at most as were left then and came in since. They
are not told to Redis when it is back. A Redis that lost its data has full buckets again, so one burst is too many; the
count of a quota is told to it again by the first process that asks. Without Redis each process counts alone for good.

The clock is that of Redis. When it goes back, a bucket is as empty as it can be, at most; when it goes forward, full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from cachetools import LRUCache

from gateway.keys import Quota, Rate
from gateway.keys.counting import Asked, Given, Window, from_bucket, from_quota
from gateway.stores.base import Observer
from gateway.stores.redis_connection import RedisConnection, Script

_SLOT_SECONDS = 5
"""How long slots are somebody's who does not renew them; that is done every second."""

_AFTER_WINDOW = 3600
"""Seconds that a quota's count is kept when its day or month is over, for gateways whose clocks are late."""


_ROOM = 10_000
"""Buckets, and quotas, of each; about 200 bytes. A bucket that is forgotten is full again."""


class Counters(Protocol):
    """`name` is of a key or an organization. No method raises."""

    async def bucket(self, name: str, rate: Rate, asked: Asked) -> Given: ...

    async def quota(self, name: str, quota: Quota, within: Window, asked: Asked) -> Given: ...

    async def slots(self, name: str, limit: int, used: int, wanted: int) -> int:
        """How many calls of ours may be under way at once, of which `used` are; also renews what we have."""
        ...


# Each has one key, so that a cluster knows where it belongs.
_BUCKET = Script("""
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local calls, seconds, wanted, back = unpack(ARGV)
local each = seconds / calls
local full_at = tonumber(redis.call('GET', KEYS[1]) or 0)
local missing = math.max(0, math.min(full_at - now, seconds) - back * each)
local there = math.floor((seconds - missing) / each + 1e-9)
local given = math.min(wanted, there)
missing = missing + given * each
if missing > 0 then
  redis.call('SET', KEYS[1], string.format('%.6f', now + missing), 'EX', math.ceil(missing) + 1)
else
  redis.call('DEL', KEYS[1])
end
return {given, there - given}
""")
_QUOTA = Script("""
local calls, wanted, back, known, seconds = unpack(ARGV)
local used = math.max(0, (redis.call('GET', KEYS[1]) or known) - back)
local there = math.max(0, calls - used)
local given = math.min(wanted, math.ceil(there / 2))
redis.call('SET', KEYS[1], string.format('%.0f', used + given), 'EX', seconds)
return {given, there - given}
""")
_SLOTS = Script("""
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local who, limit, used, wanted, seconds = unpack(ARGV)
local others = 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local slots, ends = string.match(all[i + 1], '(%d+) (%d+)')
  if tonumber(ends) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= who then
    others = others + slots
  end
end
local ours = math.max(tonumber(used), math.min(wanted, limit - others))
if ours > 0 then
  redis.call('HSET', KEYS[1], who, string.format('%.0f %.0f', ours, now + seconds * 1000))
  redis.call('EXPIRE', KEYS[1], seconds)
else
  redis.call('HDEL', KEYS[1], who)
end
return ours
""")


class ProcessCounters:
    """Counters of this process alone. `timer` is seconds from anywhere, `room` how many counters are remembered."""

    def __init__(self, timer: Callable[[], float], room: int = _ROOM) -> None:
        self._timer = timer
        self._buckets: LRUCache[tuple[str, Rate], float] = LRUCache(room)
        self._used: LRUCache[tuple[str, Window], int] = LRUCache(room)

    async def bucket(self, name: str, rate: Rate, asked: Asked) -> Given:
        full_at = self._buckets.get((name, rate), 0.0)
        self._buckets[name, rate], given = from_bucket(full_at, rate, asked, self._timer())
        return given

    async def quota(self, name: str, quota: Quota, within: Window, asked: Asked) -> Given:
        self._used[name, within], given = from_quota(self.used(name, within), quota, asked)
        return given

    def used(self, name: str, within: Window) -> int:
        """Of a quota, as far as this process knows."""
        return self._used.get((name, within), 0)

    async def slots(self, name: str, limit: int, used: int, wanted: int) -> int:  # noqa: ARG002 (nobody else has any)
        return max(used, min(wanted, limit))

    def told_bucket(self, name: str, rate: Rate, left: int) -> None:
        """What Redis has left: from here this process would count on."""
        self._buckets[name, rate] = self._timer() + (rate.calls - left) * rate.seconds / rate.calls

    def told_quota(self, name: str, quota: Quota, within: Window, left: int) -> None:
        self._used[name, within] = quota.calls - left


class RedisCounters:
    """Counters that all gateways share, see the module. `process` names this one."""

    def __init__(
        self,
        redis: RedisConnection,
        process: str,
        alone: ProcessCounters,
        observer: Observer,
    ) -> None:
        self._redis = redis
        self._process = process
        self._alone = alone
        self._observer = observer

    async def bucket(self, name: str, rate: Rate, asked: Asked) -> Given:
        key = f"{_key(name)}:rate:{rate.calls}/{rate.seconds}"
        found = await self._run(_BUCKET, key, (rate.calls, rate.seconds, asked.wanted, asked.back))
        if found is None:
            return await self._alone.bucket(name, rate, asked)
        given = Given(*found)
        self._alone.told_bucket(name, rate, given.left)
        return given

    async def quota(self, name: str, quota: Quota, within: Window, asked: Asked) -> Given:
        kept = (within.until - within.since) // 1000 + _AFTER_WINDOW
        values = (quota.calls, asked.wanted, asked.back, self._alone.used(name, within), kept)
        found = await self._run(_QUOTA, f"{_key(name)}:quota:{quota.period}:{within.since}", values)
        if found is None:
            return await self._alone.quota(name, quota, within, asked)
        given = Given(*found)
        self._alone.told_quota(name, quota, within, given.left)
        return given

    async def slots(self, name: str, limit: int, used: int, wanted: int) -> int:
        found = await self._run(_SLOTS, f"{_key(name)}:slots", (self._process, limit, used, wanted, _SLOT_SECONDS))
        return await self._alone.slots(name, limit, used, wanted) if found is None else int(found)

    async def _run(self, script: Script, key: str, values: Sequence[int | str]) -> Any:
        found = await self._redis.ask(lambda client: script.run(client, key, *values))
        self._observer.counted("process" if found is None else "redis")
        return found


def _key(name: str) -> str:
    return f"gateway:limit:{{{name}}}"

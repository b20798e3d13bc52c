"""Counters of calls: in Redis, where all gateways share them; in this process while there is none.

Nobody asks Redis for each call: who counts takes a share of many calls and asks again when it is used up, see
`proxy.shares`. What is counted here alone is counted call by call.

**What the count is worth.** Through Redis, never more calls are given than a limit allows, whatever gateways do. What a
gateway was given and lost, with its process or with an answer that came too late, counts as used. While Redis is away
each process counts on alone, from what it was told last, or else from all of it, and lets as many calls be under way as
the limit says: with n processes, n - 1 times as many calls too many at most as were left then and came in since. Redis
is told of them when it is back, so that the next outage begins where this one ended. A Redis that lost its data has
full buckets again, so one burst is too many; the count of a quota is told to it again by the first process that asks.
Without Redis each process counts alone for good.

The clock is that of Redis. When it goes back, a bucket is as empty as it can be, at most; when it goes forward, full.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from cachetools import LRUCache

from gateway.keys import Quota, Rate
from gateway.keys.counting import Asked, Bucket, Given, Tally, Window, from_bucket, from_quota
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
        """How many calls of ours may be under way at once; also renews what we have.

        `used` are under way now, and stay counted when they are more: nobody enters before they have become fewer.
        """
        ...


# Each has one key, so that a cluster knows where it belongs.
_BUCKET = Script("""
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local calls, seconds, wanted, back, owed = unpack(ARGV)
local each = seconds / calls
local full_at = tonumber(redis.call('GET', KEYS[1]) or 0)
local missing = math.max(0, math.min(full_at - now, seconds))
missing = math.max(0, math.min(missing + (owed - back) * each, seconds))
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
local calls, wanted, back, owed, known, seconds = unpack(ARGV)
local used = redis.call('GET', KEYS[1])
used = math.max(0, (used and used + owed or known) - back)
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
local ours = math.max(0, math.min(wanted, limit - others))
local taken = math.max(ours, used)
if taken > 0 then
  redis.call('HSET', KEYS[1], who, string.format('%.0f %.0f', taken, now + seconds * 1000))
  redis.call('EXPIRE', KEYS[1], seconds)
else
  redis.call('HDEL', KEYS[1], who)
end
return ours
""")


T = TypeVar("T", Bucket, Tally)


class _Kept(Generic[T]):
    """One counter of each name, as long as it was among the last that were asked for, or somebody still has it."""

    def __init__(self, room: int) -> None:
        self._last: LRUCache[tuple[str, Rate | Window], T] = LRUCache(room)
        self._all: WeakValueDictionary[tuple[str, Rate | Window], T] = WeakValueDictionary()

    def get(self, name: tuple[str, Rate | Window], make: Callable[[], T]) -> T:
        found = self._all.get(name)
        if found is None:
            found = self._all[name] = make()
        self._last[name] = found
        return found


class ProcessCounters:
    """Counters of this process alone. `timer` is seconds from anywhere, `room` how many counters are remembered."""

    def __init__(self, timer: Callable[[], float], room: int = _ROOM) -> None:
        self._timer = timer
        self._buckets: _Kept[Bucket] = _Kept(room)
        self._tallies: _Kept[Tally] = _Kept(room)

    def bucket_of(self, name: str, rate: Rate) -> Bucket:
        """The one of this name, for who counts in it call by call."""
        return self._buckets.get((name, rate), lambda: Bucket(rate))

    def tally_of(self, name: str, within: Window) -> Tally:
        """The one of this name, for who counts in it call by call."""
        return self._tallies.get((name, within), Tally)

    async def bucket(self, name: str, rate: Rate, asked: Asked) -> Given:
        bucket = self.bucket_of(name, rate)
        bucket.full_at, given = from_bucket(bucket.full_at, rate, asked, self._timer())
        return given

    async def quota(self, name: str, quota: Quota, within: Window, asked: Asked) -> Given:
        tally = self.tally_of(name, within)
        tally.used, given = from_quota(tally.used, quota, asked)
        return given

    def used(self, name: str, within: Window) -> int:
        """Of a quota, as far as this process knows."""
        return self.tally_of(name, within).used

    async def slots(self, name: str, limit: int, used: int, wanted: int) -> int:  # noqa: ARG002 (nobody else has any)
        return min(wanted, limit)

    def missing(self, name: str, rate: Rate) -> int:
        """Calls that a bucket lacks, as far as this process knows."""
        return rate.calls - self.bucket_of(name, rate).there(self._timer())

    def told_bucket(self, name: str, rate: Rate, left: int) -> None:
        """What Redis has left: from here this process would count on."""
        self.bucket_of(name, rate).full_at = self._timer() + (rate.calls - left) * rate.seconds / rate.calls

    def told_quota(self, name: str, quota: Quota, within: Window, left: int) -> None:
        self.tally_of(name, within).used = quota.calls - left


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
        self._owed: LRUCache[str, int] = LRUCache(2 * _ROOM)
        """Calls that were given here while Redis was away, by its key."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def bucket(self, name: str, rate: Rate, asked: Asked) -> Given:
        key = f"{_key(name)}:rate:{rate.calls}/{rate.seconds}"
        async with self._turn(key):
            owed = min(self._owed.pop(key, 0), self._alone.missing(name, rate))  # the others have come in since
            found = await self._run(_BUCKET, key, (rate.calls, rate.seconds, asked.wanted, asked.back, owed))
            if found is None:
                return self._owe(key, owed, asked, await self._alone.bucket(name, rate, asked))
            given = Given(*found)
            self._alone.told_bucket(name, rate, given.left)
            return given

    async def quota(self, name: str, quota: Quota, within: Window, asked: Asked) -> Given:
        kept = (within.until - within.since) // 1000 + _AFTER_WINDOW
        key = f"{_key(name)}:quota:{quota.period}:{within.since}"
        async with self._turn(key):
            owed = self._owed.pop(key, 0)
            values = (quota.calls, asked.wanted, asked.back, owed, self._alone.used(name, within), kept)
            found = await self._run(_QUOTA, key, values)
            if found is None:
                return self._owe(key, owed, asked, await self._alone.quota(name, quota, within, asked))
            given = Given(*found)
            self._alone.told_quota(name, quota, within, given.left)
            return given

    async def slots(self, name: str, limit: int, used: int, wanted: int) -> int:
        found = await self._run(_SLOTS, f"{_key(name)}:slots", (self._process, limit, used, wanted, _SLOT_SECONDS))
        return await self._alone.slots(name, limit, used, wanted) if found is None else int(found)

    def _turn(self, key: str) -> asyncio.Lock:
        """One question about a counter at a time: who counts on alone must know what the others were given."""
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        return turn

    def _owe(self, key: str, owed: int, asked: Asked, given: Given) -> Given:
        """Notes what was given here. What is given back was given here first, and else counts as used in Redis."""
        owed += given.calls - asked.back
        if owed > 0:
            self._owed[key] = owed
        return given

    async def _run(self, script: Script, key: str, values: Sequence[int | str]) -> Any:
        found = await self._redis.ask(lambda client: script.run(client, key, *values))
        self._observer.counted("process" if found is None else "redis")
        return found


def _key(name: str) -> str:
    return f"gateway:limit:{{{name}}}"

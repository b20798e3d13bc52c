"""The Redis level: records that other processes have read.

It only ever saves work. What it answers is checked against the history before use (see `resolver`), and when Redis
cannot tell (see `redis_connection`), the answer is "nothing here".

An entry is the number of the change at which the record was read, a space, and the record as JSON. Writing compares
these numbers within Redis: what was read earlier never replaces what was read later, in whatever order the writers'
messages arrive. Keys that are revoked or suspended have entries too, which say so: tombstones. Digests that no key ever
had have none, so junk takes no room.

Numbers are of one history. Those of another (a restored backup, another installation) may be higher, and would keep
ours out until they end by themselves: so an entry that is found not to be of our history is dropped, before ours is
written. The script's numbers are exact up to 2^53, more changes than there will be.

A record holds no secret, but whoever can write to this Redis can write records: give it a password and TLS (`rediss`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from gateway.keys import Digest
from gateway.stores.base import Observer
from gateway.stores.journal import Record
from gateway.stores.options import StoreOptions
from gateway.stores.redis_connection import RedisConnection, Script


@dataclass(frozen=True, slots=True)
class _Value:
    """What is stored. A gateway of another version may share the Redis: what it writes must not be read as ours."""

    format: Literal[3]
    record: Record


_decoder = msgspec.json.Decoder(_Value, strict=True)

_PUT = Script("""
local held = redis.pcall('GET', KEYS[1])
local number = type(held) == 'string' and string.match(held, '^(%d+) ')
if number and tonumber(number) > tonumber(ARGV[1]) then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'EX', ARGV[3])
return 1
""")
"""Values: the number, the record, and the seconds after which Redis forgets it."""


class RedisLevel:
    """Records by digest, at `gateway:key:<digest>`. No method raises for what is wrong with Redis."""

    def __init__(self, connection: RedisConnection, options: StoreOptions, observer: Observer) -> None:
        self._connection = connection
        self._ttl = options.redis_ttl
        self._observer = observer

    async def get(self, digest: Digest) -> Record | None:
        """The record of a digest, however old; None where there is none, or Redis cannot tell."""
        value: Any = await self._connection.ask(lambda redis: redis.get(_name(digest)))
        if value is None:
            return None
        record = _read(value, digest)
        if record is None:
            self._observer.redis_failed("unreadable")
            await self.drop(digest)  # its number may be one that keeps ours out
        return record

    async def put(self, record: Record) -> None:
        """Keeps the record, unless there is one that was read later. Of a digest that no key ever had it does nothing:
        there would be no end of them."""
        if record.is_unknown:
            return
        value = msgspec.json.encode(_Value(3, record))
        name = _name(record.digest)
        await self._connection.ask(lambda redis: _PUT.run(redis, name, record.at.seq, value, self._ttl))

    async def drop(self, digest: Digest) -> None:
        await self._connection.ask(lambda redis: redis.delete(_name(digest)))

    async def health(self) -> str:
        return await self._connection.health()


def _read(value: bytes, digest: Digest) -> Record | None:
    """None for what is no entry of this digest.

    A connection that lost its place once gave callers the answers to others (CVE-2023-28858).
    """
    number, _, text = value.partition(b" ")
    try:
        record = _decoder.decode(text).record
    except msgspec.MsgspecError:
        return None
    return record if record.digest == digest and number == b"%d" % record.at.seq else None


def _name(digest: Digest) -> str:
    return f"gateway:key:{digest}"

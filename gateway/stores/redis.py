"""The Redis level: records that other processes have read.

It only ever saves work. What it answers is checked against the history before use (see `resolver`), and when Redis
cannot tell (see `redis_connection`), the answer is "nothing here".

A record holds no secret, but whoever can write to this Redis can write records: give it a password and TLS (`rediss`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from gateway.keys import Digest
from gateway.stores.base import Observer
from gateway.stores.journal import Record
from gateway.stores.options import StoreOptions
from gateway.stores.redis_connection import RedisConnection


@dataclass(frozen=True, slots=True)
class _Value:
    """What is stored. A gateway of another version may share the Redis: what it writes must not be read as ours."""

    format: Literal[2]
    record: Record


_decoder = msgspec.json.Decoder(_Value, strict=True)


class RedisLevel:
    """Records by digest, at `gateway:key:<digest>`. No method raises for what is wrong with Redis."""

    def __init__(self, connection: RedisConnection, options: StoreOptions, observer: Observer) -> None:
        self._connection = connection
        self._ttl = options.redis_ttl
        self._observer = observer

    async def get(self, digest: Digest) -> Record | None:
        """The record of a digest, however old; None where there is none, or Redis cannot tell."""
        value = await self._connection.ask(lambda redis: redis.get(_name(digest)))
        if value is None:
            return None
        try:
            record = _decoder.decode(value).record
        except msgspec.MsgspecError:
            self._observer.redis_failed("unreadable")
            return None
        # A connection that lost its place once gave callers the answers to others (CVE-2023-28858).
        if record.digest != digest:
            self._observer.redis_failed("unreadable")
            return None
        return record

    async def put(self, record: Record) -> None:
        value = msgspec.json.encode(_Value(2, record))
        await self._connection.ask(lambda redis: redis.set(_name(record.digest), value, ex=self._ttl))

    async def drop(self, digest: Digest) -> None:
        await self._connection.ask(lambda redis: redis.delete(_name(digest)))

    async def health(self) -> str:
        return await self._connection.health()


def _name(digest: Digest) -> str:
    return f"gateway:key:{digest}"

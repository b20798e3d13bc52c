"""The Redis level: records that other processes have read, and everything that can be wrong with Redis.

It only ever saves work. What it answers is checked against the history before use (see `resolver`), and when it is
away, slow, full, or does not know us, the answer is "nothing here" within `redis_timeout`; while it fails, one look-up
per `redis_cooldown` pays for finding out whether it is back.

A record holds no secret, but whoever can write to this Redis can write records: give it a password and TLS (`rediss`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec
import redis.asyncio as client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.keys import Digest
from gateway.stores.base import Observer, RedisFault, StoreError
from gateway.stores.journal import Record
from gateway.stores.options import StoreOptions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Value:
    """What is stored. A gateway of another version may share the Redis: what it writes must not be read as ours."""

    format: Literal[2]
    record: Record


_decoder = msgspec.json.Decoder(_Value, strict=True)


class RedisLevel:
    """Records by digest, at `gateway:key:<digest>`. No method raises for what is wrong with Redis. Close it."""

    def __init__(self, options: StoreOptions, url: str, observer: Observer, timer: Callable[[], float]) -> None:
        self._timeout = options.redis_timeout
        self._cooldown = options.redis_cooldown
        self._ttl = options.redis_ttl
        self._observer = observer
        self._timer = timer
        self._fault: RedisFault | None = None
        self._next_try = 0.0
        self._client = _client(options, url)

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, digest: Digest) -> Record | None:
        """The record of a digest, however old; None where there is none, or Redis cannot tell."""
        value = await self._ask(lambda: self._client.get(_name(digest)))
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
        await self._ask(lambda: self._client.set(_name(record.digest), value, ex=self._ttl))

    async def drop(self, digest: Digest) -> None:
        await self._ask(lambda: self._client.delete(_name(digest)))

    async def health(self) -> str:
        """`ok`, or the fault; asks even while other look-ups spare themselves the question."""
        self._next_try = 0.0
        if await self._ask(self._client.ping):
            return "ok"
        return self._fault or "refused"

    async def _ask(self, command: Callable[[], Awaitable[T]]) -> T | None:
        if not self._worth_trying():
            return None
        try:
            # Around the whole command: the timeouts of the client are for each step of it.
            async with asyncio.timeout(self._timeout):
                answer = await command()
        except ResponseError:  # it is there and says no at once: full, read-only, not permitted
            self._observer.redis_failed("refused")
            return None
        except (RedisError, OSError) as fault:
            await self._failed(fault)
            return None
        self._fault = None
        return answer

    def _worth_trying(self) -> bool:
        """While Redis fails, true once per cool-down."""
        if self._fault is None:
            return True
        now = self._timer()
        if now < self._next_try:
            return False
        self._next_try = now + self._cooldown
        return True

    async def _failed(self, fault: RedisError | OSError) -> None:
        self._fault = _kind(fault)
        self._next_try = self._timer() + self._cooldown
        self._observer.redis_failed(self._fault)
        # The idle connections may lead to the same dead peer, and each would cost a timeout and a cool-down more.
        with suppress(RedisError, OSError):
            await self._client.connection_pool.disconnect(inuse_connections=False)


def _kind(fault: RedisError | OSError) -> RedisFault:
    match fault:
        case AuthenticationError():
            return "credentials"
        case RedisTimeoutError() | TimeoutError():
            return "timeout"
        case _:
            return "unreachable"


def _client(options: StoreOptions, url: str) -> client.Redis:
    """Connects at the first command. No retries: the level below is the retry, and the time is short."""
    try:
        return client.Redis.from_url(
            url,
            socket_timeout=options.redis_timeout,
            socket_connect_timeout=options.redis_timeout,
            max_connections=options.lookups,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # nothing here needs more, and greeting in version 3 costs a round trip
        )
    except ValueError:  # its text may quote a part of the password
        form = "redis://[user:password@]host[:port][/database], with %-escapes in the password"
        raise StoreError(f"the address of Redis is not of the form {form}") from None


def _name(digest: Digest) -> str:
    return f"gateway:key:{digest}"

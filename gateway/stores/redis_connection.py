"""One connection to Redis for all who ask it something, and everything that can be wrong with it.

Whoever asks gets an answer or None, within `redis_timeout`, whether Redis is away, slow, full, has lost its master, or
does not know us. While it fails, one question per `redis_cooldown` pays for finding out whether it is back.

After a failure nothing that is open is used again, because it may lead to a peer that is dead or no longer the master:

- With Sentinel every new connection asks the Sentinels for the master. Those that were open would stay with the old one
  (redis-py, issue 3560).
- With Cluster the client asks again which node has which part. A node that is away fails the whole level for one
  cool-down each time that it is asked; which of the nodes it was makes no difference.
- READONLY says that the master is a replica now. Beneath a name or an address that moves with the master a new
  connection leads to the right one, so it counts as a failure too.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import redis.asyncio as client
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from gateway.redis_address import RedisAddress, Topology, redis_address
from gateway.stores.base import Observer, RedisFault, StoreError
from gateway.stores.options import StoreOptions

_log = logging.getLogger(__name__)

T = TypeVar("T")

RedisClient: TypeAlias = "client.Redis | client.RedisCluster"


class RedisConnection:
    """Connects at the first question. No method raises for what is wrong with Redis. Close it.

    `timer` counts seconds from anywhere. Raises StoreError for an address that is not of a known form.
    """

    def __init__(self, options: StoreOptions, url: str, observer: Observer, timer: Callable[[], float]) -> None:
        self._timeout = options.redis_timeout
        self._cooldown = options.redis_cooldown
        self._observer = observer
        self._timer = timer
        self._places = asyncio.Semaphore(options.lookups)
        self._fault: RedisFault | None = None
        self._next_try = 0.0
        self._peer = _peer(options, url)

    async def close(self) -> None:
        await self._peer.close()

    async def ask(self, command: Callable[[RedisClient], Awaitable[T]]) -> T | None:
        """What Redis answers to a command or some; None when it cannot tell, or is spared the question."""
        if not self._worth_trying():
            return None
        try:
            # Around the whole command: the timeouts of the client are for each step of it.
            async with asyncio.timeout(self._timeout), self._places:
                await self._peer.ready()
                answer = await command(self._peer.client)
        except ResponseError as fault:
            if _has_lost_its_part(fault):
                await self._failed("refused")
            else:  # it is there and says no at once: full, not permitted
                self._observer.redis_failed("refused")
            return None
        except Exception as fault:  # noqa: BLE001 (the client raises whatever comes of answers that are no answers)
            await self._failed(_kind(fault))
            return None
        self._fault = None
        return answer

    async def health(self) -> str:
        """`ok`, or the fault; asks even while others spare themselves the question."""
        self._next_try = 0.0
        if await self.ask(lambda _: self._peer.check()):
            return "ok"
        return self._fault or "refused"

    def _worth_trying(self) -> bool:
        """While Redis fails, true once per cool-down."""
        if self._fault is None:
            return True
        now = self._timer()
        if now < self._next_try:
            return False
        self._next_try = now + self._cooldown
        return True

    async def _failed(self, fault: RedisFault) -> None:
        self._fault = fault
        self._next_try = self._timer() + self._cooldown
        self._observer.redis_failed(fault)
        # What is open may lead to the same dead peer, and each would cost a timeout and a cool-down more.
        with suppress(RedisError, OSError):
            await self._peer.drop()


class Script:
    """A program in Lua that Redis runs on one key, and so on one node of a Cluster. It is sent once, then named."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._name = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()  # Redis names them so

    async def run(self, redis: RedisClient, key: str, *values: str | bytes | float) -> Any:
        try:
            return await redis.execute_command("EVALSHA", self._name, 1, key, *values)
        except NoScriptError:  # a Redis that was restarted, or that was a replica before
            return await redis.execute_command("EVAL", self._text, 1, key, *values)


def _has_lost_its_part(fault: ResponseError) -> bool:
    """A replica now, or a Cluster without the node. Within a script, Redis 6 tells it in the text alone."""
    return isinstance(fault, ReadOnlyError | ClusterError) or "READONLY" in str(fault)


def _kind(fault: BaseException) -> RedisFault:
    match fault:
        case RedisClusterException() if fault.__cause__ is not None:  # no node could be asked; this is the last one's
            return _kind(fault.__cause__)
        case AuthenticationError():
            return "credentials"
        case MasterNotFoundError() if AuthenticationError.__name__ in str(fault):  # of a Sentinel; the text alone tells
            return "credentials"
        case RedisTimeoutError() | TimeoutError():
            return "timeout"
        case RedisError() | RedisClusterException() | OSError():
            return "unreachable"
        case _:
            _log.debug("Redis answered what the client cannot read", exc_info=fault)
            return "unreadable"


# --- one server, Sentinel, Cluster ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Peer:
    """A client, and what is done differently for each kind of address."""

    client: RedisClient
    ready: Callable[[], Awaitable[None]]
    """What must be done before a command."""
    check: Callable[[], Awaitable[Any]]
    """Something true, or an error."""
    drop: Callable[[], Awaitable[None]]
    """Uses nothing again that is open."""
    close: Callable[[], Awaitable[None]]


def _peer(options: StoreOptions, url: str) -> _Peer:
    try:
        address = redis_address(url)
    except ValueError as fault:
        raise StoreError(f"the address of Redis {fault}") from None
    make = {Topology.SINGLE: _single, Topology.SENTINEL: _sentinel, Topology.CLUSTER: _cluster}
    return make[address.topology](address, options)


def _settings(address: RedisAddress, options: StoreOptions) -> dict[str, Any]:
    """No retries: the level below is the retry, and the time is short."""
    return {
        "username": address.user,
        "password": address.password,
        "protocol": 3,
        "socket_timeout": options.redis_timeout,
        "socket_connect_timeout": options.redis_timeout,
        "max_connections": options.lookups,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,  # each of these two would cost a round trip more at connecting
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        **({"ssl": True} | dict(address.tls) if address.tls is not None else {}),
    }


def _single(address: RedisAddress, options: StoreOptions) -> _Peer:
    settings = _settings(address, options) | {"db": address.database}
    if address.socket is not None:
        server = client.Redis(unix_socket_path=address.socket, **settings)
    else:
        ((host, port),) = address.nodes
        server = client.Redis(host=host, port=port, **settings)
    return _Peer(server, _is_ready, server.ping, lambda: _disconnect(server), server.aclose)


def _sentinel(address: RedisAddress, options: StoreOptions) -> _Peer:
    settings = _settings(address, options)
    # Each is asked in turn, so one that is silent must leave time for the others and for the command.
    share = options.redis_timeout / (len(address.nodes) + 1)
    own = {"password": address.sentinel_password, "socket_timeout": share, "socket_connect_timeout": share}
    given = {name: value for name, value in settings.items() if name not in {"username", "max_connections"}}
    sentinels = Sentinel(address.nodes, sentinel_kwargs=given | own)  # type: ignore[no-untyped-call]
    master = sentinels.master_for(address.master, db=address.database, **settings)
    pool = master.connection_pool

    async def check() -> Any:
        # Drops what is open when another one is the master now, which a master that was cut off cannot tell. Without
        # the Sentinels what is open still serves.
        assert isinstance(pool, SentinelConnectionPool)  # noqa: S101 (for the types)
        with suppress(RedisError):
            await pool.get_master_address()  # type: ignore[no-untyped-call]
        return await master.ping()

    async def drop() -> None:
        await asyncio.gather(*map(_disconnect, (master, *sentinels.sentinels)))

    async def close() -> None:
        await master.aclose()
        await sentinels.aclose()

    return _Peer(master, _is_ready, check, drop, close)


def _cluster(address: RedisAddress, options: StoreOptions) -> _Peer:
    nodes = [ClusterNode(host, port) for host, port in address.nodes]
    # Asks the nodes that the setting names each time, because those that it has learnt may be gone together.
    cluster = client.RedisCluster(startup_nodes=nodes, dynamic_startup_nodes=False, **_settings(address, options))
    discovery = _Discovery(cluster)

    async def close() -> None:
        await discovery.close()
        await cluster.aclose()

    return _Peer(cluster, discovery.done, lambda: cluster.ping(target_nodes="random"), cluster.aclose, close)


async def _is_ready() -> None:
    """Connecting is a part of the command."""


class _Discovery:
    """Of the nodes of a Cluster. It goes on when a question has run out of time, else it might never end: it takes some
    round trips, and reading the table of all commands."""

    def __init__(self, cluster: client.RedisCluster) -> None:
        self._cluster = cluster
        self._task: asyncio.Task[Any] | None = None

    async def done(self) -> None:
        if self._cluster.get_default_node() is not None:  # none at first, nor after a failure
            return
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._cluster.initialize())
            self._task.add_done_callback(_heard)  # also where all who waited for it have left
        await asyncio.shield(self._task)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _heard(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


async def _disconnect(server: client.Redis) -> None:
    await server.connection_pool.disconnect(inuse_connections=False)

"""TCP connections that speak TLS: taken one by one, and handed on to their protocols once the handshake is done.

The loops' own TLS servers tell nobody of a connection before its handshake is done, so those that never say a word
would count nowhere, until no descriptor is left. Here whoever owns the listener hears of each at once.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

from gateway.proxy.listener_options import ListenerOptions

Arrived = Callable[[socket.socket, object], None]
"""Gets each connection, which it has to close, and the address of its other end."""

BACKLOG = 1024
"""Connections that the system holds until they are taken: a thousand clients may come back at once."""

_PAUSE = 0.1
"""Seconds after which connections are taken again, when none could be: no descriptor was free, for instance."""


@asynccontextmanager
async def accepting(arrived: Arrived, host: str, port: int, options: ListenerOptions) -> AsyncIterator[int]:
    """Takes connections while the block runs; the port that it got. Raises OSError if the address cannot be had."""
    loop = asyncio.get_running_loop()
    bound = await loop.create_server(
        asyncio.Protocol, host, port, reuse_port=options.shared or None, start_serving=False
    )
    with ExitStack() as held:
        held.callback(bound.close)
        sockets = [held.enter_context(socket.fromfd(each.fileno(), each.family, each.type)) for each in bound.sockets]
        for each in sockets:
            each.settimeout(0)
            each.listen(BACKLOG)
        tasks = [loop.create_task(_accept(each, arrived)) for each in sockets]
        try:
            yield sockets[0].getsockname()[1]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _accept(listening: socket.socket, arrived: Arrived) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, peer = await loop.sock_accept(listening)
        except OSError:
            await asyncio.sleep(_PAUSE)
        else:
            arrived(connection, peer)


async def shake_hands(
    connection: socket.socket, protocol: asyncio.Protocol, tls: ssl.SSLContext, options: ListenerOptions
) -> None:
    """`protocol` has the connection then. Raises OSError, also for what TLS does not like: the connection is closed."""
    with ExitStack() as held:
        held.callback(connection.close)
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=tls,
            ssl_handshake_timeout=options.head_seconds,
            ssl_shutdown_timeout=options.send_seconds,  # what was written leaves within it, too
        )
        held.pop_all()

"""Times, sizes and counts of a listener, see `server`."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.http1 import LOOPBACK, Networks


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """Times are seconds, sizes bytes."""

    head_seconds: float = 10.0
    """For a head, from its first byte, and for the handshake of TLS; a client sends either in one piece."""
    body_seconds: float = 20.0
    """For a body, beside what `body_rate` grants; only time spent waiting for the client counts."""
    body_rate: int = 1024
    """Bytes a second below which a body is too slow: slower links have died out, slower clients mean harm."""
    send_seconds: float = 30.0
    """Until the client takes the next piece of an answer."""
    keepalive_seconds: float = 75.0
    """How long an idle connection is kept: longer than proxies in front of us keep theirs, so that they close first."""
    half_closed_seconds: float = 5.0
    """How long a call goes on whose client sends no more: `nc` and its like still listen, all others have left."""
    linger_seconds: float = 2.0
    """How long the rest of a refused body is read and thrown away, so that the client gets to see the answer."""
    drain_seconds: float = 10.0
    """How long calls may go on after the listener was told to stop."""
    connections: int = 512
    """Open at once; together with the upstreams' they must fit the usual limit of 1,024 open files."""
    connections_per_address: int = 128
    """Of these: an office behind one address has some dozens, and one address alone cannot take all of them."""
    trusted_proxies: Networks = LOOPBACK
    """Who is believed about the address of a client, and has no limit of its own: a proxy beside us."""
    line_bytes: int = 8190
    """One line of a head, the request line included. A whole head has eight times as many at most."""
    head_lines: int = 128
    """Lines of a head. The front check has tighter limits; these bound what is held and read before it."""
    shared: bool = False
    """Whether other processes listen on the same address; the kernel shares out the connections."""

    @property
    def head_bytes(self) -> int:
        return 8 * self.line_bytes

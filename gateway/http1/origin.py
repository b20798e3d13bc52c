"""Which address a call came from: its peer's, or what proxies that we trust say of it in `X-Forwarded-For`.

The header is a list that grows to the right: each proxy adds the address that it was called from (MDN Web Docs,
"X-Forwarded-For"). So its right end was written by the proxy that called us, and everything to the left of the first
address that is no trusted proxy's may have been made up by the client. It is read from the right, up to that address.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from gateway.http1.message import Headers

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

LOOPBACK: Networks = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_HEADER = b"x-forwarded-for"

_HOPS = 8
"""Proxies in a row that are believed: a service mesh, a load balancer and a content network make about four."""

_V4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_V6 = r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40}"
_PORT = r"(?::[0-9]{1,5})?"
_HOP = re.compile(rf"({_V4}){_PORT}|({_V6})|\[({_V6})\]{_PORT}")
"""An address; some proxies add the port. No names (`unknown`) and no zones: they are no address to count by."""

_CLIENT = 64
"""Bits of an IPv6 address that one client cannot choose: a host gets a /64 at least (RFC 6177, RFC 7421)."""


def peer_address(text: str) -> Address | None:
    """The address of a peer as the system writes it; None for what is no IP address."""
    try:
        return _unmapped(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def origin(peer: Address | None, headers: Headers, trusted: Networks) -> Address | None:
    """The address that a call came from; None where that cannot be told. The names of headers know no case.

    A peer that is no trusted proxy is the origin itself, whatever it says in a header.
    """
    if peer is None or not is_in(peer, trusted):
        return peer
    lines = [value for name, value in headers if name.lower() == _HEADER]
    return _first_stranger(b",".join(lines), trusted)


def is_in(address: Address, networks: Networks) -> bool:
    """Whether any of the networks has the address."""
    return any(address in network for network in networks)


def counted_as(address: Address) -> str:
    """What is counted together: one IPv4 address, or the /64 of an IPv6 address."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> _CLIENT << _CLIENT, _CLIENT)))


def _first_stranger(forwarded: bytes, trusted: Networks) -> Address | None:
    for hop in reversed(forwarded.rsplit(b",", _HOPS)[-_HOPS:]):
        address = _hop(hop.strip(b" \t"))
        if address is None or not is_in(address, trusted):
            return address
    return None


def _hop(text: bytes) -> Address | None:
    """One address of the header; None for anything else."""
    try:
        match = _HOP.fullmatch(text.decode("ascii"))
        return _unmapped(ip_address(match[match.lastindex or 0])) if match else None
    except ValueError:
        return None


def _unmapped(address: Address) -> Address:
    """IPv4 as a socket of both families shows it, `::ffff:192.0.2.1`, is IPv4 (RFC 4291, section 2.5.5.2)."""
    return getattr(address, "ipv4_mapped", None) or address

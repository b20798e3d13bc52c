"""Connections: counted by address, and forgotten with the last of an address."""

from __future__ import annotations

from gateway.proxy.connections import CROWDED, Connections
from gateway.proxy.listener_options import ListenerOptions


def test_an_address_whose_connections_are_over_is_forgotten():
    """Else memory would grow with all addresses that ever called."""
    open_now = Connections(ListenerOptions(connections=10, connections_per_address=2))
    for number in range(1_000):
        for _ in range(2):
            open_now.take(f"address {number}")
        assert open_now.refused(f"address {number}") is CROWDED
        for _ in range(2):
            open_now.give_back(f"address {number}")

    assert not open_now._of
    assert open_now.refused("address 0") is None

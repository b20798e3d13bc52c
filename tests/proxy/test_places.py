"""Places of connections: counted by address, and forgotten with the last of an address."""

from __future__ import annotations

from gateway.proxy.listener_options import ListenerOptions
from gateway.proxy.places import CROWDED, Places


def test_an_address_whose_connections_are_over_is_forgotten():
    """Else memory would grow with all addresses that ever called."""
    places = Places(ListenerOptions(connections=10, connections_per_address=2))
    for number in range(1_000):
        for _ in range(2):
            places.take(f"address {number}")
        assert places.refused(f"address {number}") is CROWDED
        for _ in range(2):
            places.give_back(f"address {number}")

    assert not places._of
    assert places.refused("address 0") is None

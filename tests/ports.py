"""Ports for servers that tests start by name rather than let them choose."""

from __future__ import annotations

import os
import random
import socket
from contextlib import suppress

_BELOW_CLIENTS = (10_240, 32_000)
"""The kernel gives clients ports above these, so that none of them can take one before its server starts."""

_chance = random.Random(os.getpid())  # processes that run tests side by side must not choose alike


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    while True:
        port = _chance.randint(*_BELOW_CLIENTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port

"""Both ends of the wire alone, without the gateway between them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop


def pytest_collection_modifyitems(items):
    """A hung test must end: uvloop swallows what the default method of pytest-timeout raises into it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(120, method="thread"))


def pytest_asyncio_loop_factories(config, item):
    """The gateway runs on uvloop, whose transports differ from the standard library's where connections break."""
    every = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return every if item.path.name == "test_tls.py" else {"uvloop": uvloop.new_event_loop}  # TLS is the loop's own work

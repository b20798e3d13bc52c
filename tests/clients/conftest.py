from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from clients.world import INSTALLED, PROGRAMS, Node, World, installation


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with installation(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gateway whose `queryV1` is open to keys with a condition."""
    with installation(tmp_path_factory.mktemp("enforcing"), graph={"query_fields": "enforce"}) as world:
        yield world


@pytest.fixture(scope="session")
def node() -> Node:
    program = shutil.which("node", path=PROGRAMS)
    if program is None or not INSTALLED.is_dir():
        pytest.skip("the clients from npm are not installed here: `make test` installs them")
    return Node(program)

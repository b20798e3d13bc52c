"""Databases for the laws: SQLite files and databases of a PostgreSQL, each as it was just made."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.stores import StoreOptions, create, make_store
from laws.world import FileLook, Look, ServerLook, copied


@pytest.fixture(scope="session")
def empty_database(postgres: Any) -> str:
    """The address of a database that is copied, never used."""
    url = str(postgres.new_database())
    asyncio.run(make_store(StoreOptions(Path("/nowhere"), url=url)))
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def look(request: pytest.FixtureRequest, tmp_path: Path) -> Look:
    """A fresh database of either kind."""
    if request.param == "sqlite":
        create(tmp_path / "gateway.db")
        return FileLook(tmp_path / "gateway.db")
    server = request.getfixturevalue("postgres")
    return ServerLook(server, copied(server, request.getfixturevalue("empty_database")))

"""The collection of real queries: the vendor's documentation, rule packs, dashboards, integrations and clients.

It lies beside the checkout, or not at all: then the tests that need it are skipped.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "j1ql"

needs_collection = pytest.mark.skipif(not FOLDER.is_dir(), reason="the collection of real queries is not here")


@cache
def real_queries() -> tuple[str, ...]:
    """All of them, as they were found; some are no J1QL."""
    lines = (FOLDER / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line)["query"] for line in lines)


def documented_mistakes() -> list[dict[str, str]]:
    """Wrong queries that the vendor's documentation shows; none where there is no collection."""
    path = FOLDER / "wrong.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []

"""A key by its digest from the SQLite file, in the thread of the event loop: see `LocalKeys`."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from gateway.keys import Digest
from gateway.stores import rows
from gateway.stores.file import DatabaseFile
from gateway.stores.journal import Journal, Record

_COLUMNS = [column.name for column in rows.BY_DIGEST.selected_columns]
_Row = namedtuple("_Row", _COLUMNS)  # type: ignore[misc]  # noqa: PYI024 (the statement names its columns)


class LocalKeys:
    """Looks keys up over the journal's connection, and never suspends.

    The statement is a point query of 30 µs, and its row is read in as many. By way of another thread it cost 450 µs of
    CPU, and time without bound: SQLite lets go of the interpreter at each step, and a busy loop gives it back 5 ms
    later (`sys.getswitchinterval`). On a machine with too much to do look-ups took half a second, and some more than
    `lookup_timeout`. What may hold the loop up here may do so in the journal too, at each call: see `loop_wait`.
    """

    def __init__(self, journal: Journal, file: DatabaseFile) -> None:
        self._journal = journal
        self._file = file
        self._statement, self._values = _compiled()

    async def load(self, digest: Digest) -> Record:
        """See `SqlRegistry.load`."""
        found = self._journal.read(self._statement, {**self._values, "digest": digest})
        self._file.check()
        return rows.record_of(digest, [_Row(*row) for row in found])


def _compiled() -> tuple[str, Mapping[str, Any]]:
    """The statement as SQLite reads it, and its constant values."""
    compiled = rows.BY_DIGEST.compile(dialect=SQLiteDialect(paramstyle="named"))
    expanded = compiled.construct_expanded_state({"digest": ""})
    return expanded.statement, expanded.parameters

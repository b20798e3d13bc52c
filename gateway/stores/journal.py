"""The history of changes as one process follows it: what is new, and is what I hold still true?

`Journal` is that of SQLite; PostgreSQL's is in `postgres_journal`. It is a synchronous connection on the event loop's
own thread, because both questions are asked before a call is answered, and an answer by way of another thread would
cost many times what it tells. Both touch only memory that SQLite shares among the processes of a machine. Measured:
5 µs for a call when nothing has changed (`os.stat` 2 µs, `PRAGMA data_version` 3 µs), 7 µs more when there are changes
to read, 6 µs to check a record; 6 µs for the whole of `held` with a warm key.

Open it after a fork, never before: SQLite's locks belong to the process that took them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gateway.keys import Digest, Key
from gateway.stores import versions
from gateway.stores.base import StoreError, StoreUnavailable
from gateway.stores.file import DatabaseFile
from gateway.stores.options import StoreOptions

UNKNOWN = "unknown"
"""Why there is no key."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point in the history, which stands for everything before it too: number and nonce of the newest change."""

    seq: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Record:
    """What the database said about a digest, and when: `at` is the newest change that had been made by then.

    `key` is None where no live key has the digest; `why` tells why. `organization` is also that of a key which is not
    live; empty where there is none.
    """

    digest: Digest
    at: Mark
    key: Key | None
    why: str = ""
    organization: str = ""

    @property
    def is_unknown(self) -> bool:
        """Whether no key has or ever had the digest."""
        return self.why == UNKNOWN


class Changed(NamedTuple):
    """What one change concerns: a digest, or all keys of an organization, or everything where both are None."""

    seq: int
    digest: Digest | None
    organization: str | None = None


Forget = Callable[[Sequence[Changed]], None]
"""Told the changes, in their order."""


class History(Protocol):
    """What a resolver follows. Every method raises StoreUnavailable when the history cannot be read, and then nothing
    that is held can be trusted until `catch_up` succeeds."""

    @property
    def position(self) -> Mark:
        """Where the journal stands: all changes to here were told."""
        ...

    async def catch_up(self, forget: Forget) -> None:
        """Tells what was changed since the last time: at least all that was acknowledged before this call began.

        `forget` is called in the very step in which the journal moves on: nothing that was read later is told twice,
        and nothing is ever held that is older than where the journal stands.
        """
        ...

    def catch_up_at_once(self, forget: Forget) -> bool:
        """The same without waiting: True where all is told, False where it takes `catch_up` to know."""
        ...

    async def is_current(self, record: Record) -> bool:
        """Whether the record was read at a point of this very history, and nothing since concerns its digest or its
        organization."""
        ...


Row = tuple[int, int, str | None, str | None]
"""Of `changes`: number, nonce, digest, organization."""


def read_on(at: Mark, rows: Sequence[Row], limit: int) -> tuple[Mark, Sequence[Changed]] | None:
    """Where the history has come to, and what was changed, from its rows since `at`.

    None when that cannot be told: there are more than `limit`, or the first row is not the one where we stood, so that
    the history was rewritten, by a restored backup say.
    """
    if not rows or rows[0][:2] != (at.seq, at.nonce) or len(rows) > limit:
        return None
    return Mark(*rows[-1][:2]), [
        Changed(seq, None if digest is None else Digest(digest), organization)
        for seq, _, digest, organization in rows[1:]
    ]


def everything(at: Mark) -> Sequence[Changed]:
    """What was changed when it cannot be told what."""
    return (Changed(at.seq, None),)


_NEWEST = "SELECT seq, nonce FROM changes ORDER BY seq DESC LIMIT 1"
_SINCE = "SELECT seq, nonce, digest, organization_id FROM changes WHERE seq >= ? ORDER BY seq LIMIT ?"
IS_CURRENT = """
    SELECT EXISTS (SELECT 1 FROM changes WHERE seq = :seq AND nonce = :nonce)
       AND NOT EXISTS (SELECT 1 FROM changes WHERE digest = :digest AND seq > :seq)
       AND NOT EXISTS (SELECT 1 FROM changes WHERE organization_id = :organization AND seq > :seq)
       AND NOT EXISTS (SELECT 1 FROM changes WHERE digest IS NULL AND organization_id IS NULL AND seq > :seq)
"""


def asked(record: Record) -> dict[str, int | str]:
    """The values of `IS_CURRENT`."""
    of_record = {"digest": record.digest, "organization": record.organization}
    return of_record | {"seq": record.at.seq, "nonce": record.at.nonce}


class Journal:
    """Follows the changes in one database file; all methods belong to the thread that made it.

    Raises StoreError when the file is not one that we can read. Afterwards every method raises StoreUnavailable when
    the history cannot be read, and then nothing that is held can be trusted until `catch_up` succeeds.
    """

    def __init__(self, file: DatabaseFile, options: StoreOptions) -> None:
        self._file = file
        self._limit = options.catch_up_rows
        self._connection = _connect(file, options.loop_wait)
        try:
            _verify(self._connection, file.path)
            self._cursor = self._connection.cursor()
            self._version = self._data_version()
            self._at = self._newest()
        except StoreError:
            self._connection.close()
            raise
        except (sqlite3.Error, StoreUnavailable) as fault:
            self._connection.close()
            raise StoreError(f"`{file.path}` is no database that the gateway can read: {fault}") from fault

    @property
    def position(self) -> Mark:
        return self._at

    def close(self) -> None:
        self._connection.close()

    async def catch_up(self, forget: Forget) -> None:
        """Never suspends."""
        self.catch_up_at_once(forget)

    def catch_up_at_once(self, forget: Forget) -> bool:
        """Sees every change that was committed before the call, by any process of this machine: SQLite raises a
        connection's `data_version` whenever another connection has committed. Always tells all."""
        self._file.check()
        try:
            version = self._data_version()
            if version == self._version:
                return True
            changed = self._advance()
        except sqlite3.Error as fault:
            raise self._lost(fault) from fault
        self._version = version  # last: a version counts as seen when its changes were read
        forget(changed)
        return True

    async def is_current(self, record: Record) -> bool:
        """See `History`. Never suspends: what it says is true in the same step of the loop."""
        try:
            ((current,),) = self.read(IS_CURRENT, asked(record))
        except OverflowError:  # no row has a number that SQLite cannot hold
            return False
        return bool(current)

    def read(self, statement: str, values: Mapping[str, Any]) -> list[Any]:
        """All rows of a point query, read now; it holds the loop up. Raises StoreUnavailable."""
        try:
            return self._read(statement, values)
        except sqlite3.Error as fault:
            raise self._lost(fault) from fault

    def _advance(self) -> Sequence[Changed]:
        rows = self._read(_SINCE, (self._at.seq, self._limit + 1))
        known = read_on(self._at, rows, self._limit)
        if known is None:
            self._at = self._newest()
            return everything(self._at)
        self._at, changed = known
        return changed

    def _newest(self) -> Mark:
        rows = self._read(_NEWEST)
        if not rows:  # `create` writes the first one
            raise StoreUnavailable(f"`{self._file.path}` is damaged: its table of changes is empty")
        return Mark(*rows[0])

    def _data_version(self) -> int:
        version: int = self._cursor.execute("PRAGMA data_version").fetchall()[0][0]
        return version

    def _read(self, statement: str, values: Any = ()) -> list[Any]:
        # All rows at once: a statement that is not read to its end keeps its old view of the file.
        return self._cursor.execute(statement, values).fetchall()

    def _lost(self, fault: sqlite3.Error) -> StoreUnavailable:
        return StoreUnavailable(f"`{self._file.path}` cannot be read: {fault}")


def _connect(file: DatabaseFile, wait: float) -> sqlite3.Connection:
    try:
        return sqlite3.connect(file.uri, uri=True, isolation_level=None, timeout=wait)
    except sqlite3.Error as fault:
        raise StoreError(f"`{file.path}` cannot be opened: {fault}") from fault


def _verify(connection: sqlite3.Connection, path: Path) -> None:
    """Refuses a file that is not ours, and sets write-ahead logging, where readers and a writer never wait."""
    if refused := versions.fault(f"`{path}`", _version(connection)):
        raise StoreError(refused)
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA query_only = ON").fetchall()


def _version(connection: sqlite3.Connection) -> str | None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()}
    if versions.VERSION_TABLE in tables:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    elif "meta" in tables:  # before there were migrations
        found = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchall()
    else:
        return None
    return str(found[0][0]) if found else None

"""The database file: what SQLite calls it, and whether it is still the one that was opened.

An open connection keeps a file that was deleted or replaced, and would go on reading from it and writing to it while
the rest of the world uses another one: a revocation would be acknowledged and be nowhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from gateway.stores.base import StoreError, StoreUnavailable


class DatabaseFile:
    """A file that exists. Make it before connecting, so that a replacement in between is noticed too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uri = f"file:{quote(str(path.absolute()))}?mode=rw"
        """For SQLite; with mode `rw` a file that is not there is not made."""
        self._name = str(path.absolute())
        self._id: tuple[int, int] | None
        try:
            self._id = self._look()
        except FileNotFoundError:
            raise StoreError(f"there is no database at `{path}`: run `gateway init` to make one") from None
        except OSError as fault:
            raise StoreError(f"`{path}` cannot be reached: {fault.strerror}") from fault

    def check(self) -> None:
        """Raises StoreUnavailable when the path no longer leads to the file. Takes 2 µs."""
        try:
            same = self._look() == self._id
        except OSError as fault:
            raise StoreUnavailable(f"`{self._name}` cannot be reached: {fault.strerror}") from fault
        if not same:
            # For good: SQLite finds a database's log by name, so the two files have shared one by now.
            self._id = None
            raise StoreUnavailable(f"`{self._name}` was replaced while it was open: restart to use the new file")

    def _look(self) -> tuple[int, int]:
        # A number cannot be given to another file while a connection holds this one.
        status = os.stat(self._name)  # noqa: PTH116 (asked for every call, and Path.stat costs a third more)
        return status.st_dev, status.st_ino

"""The faults of the databases in our words, which are fit for a log: they name no value of a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asyncpg import InterfaceError, PostgresError, TargetServerAttributeNotMatched  # type: ignore[import-untyped]
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnectionInTime

from gateway.stores.base import Conflict, StoreUnavailable

_UNIQUE_VIOLATION = "23505"
_LOCK_NOT_AVAILABLE = "55P03"

_STANDBY = "the database is a standby, which lags behind the truth: name the primary"


@contextmanager
def faults_named() -> Iterator[None]:
    try:
        yield
    except IntegrityError as fault:
        # Without its cause: PostgreSQL tells the values of the row, and a traceback would.
        raise _refused(fault) from None
    except DBAPIError as fault:
        if _code(fault) == _LOCK_NOT_AVAILABLE:
            raise StoreUnavailable("another change did not end in time") from fault
        if isinstance(_original(fault), TargetServerAttributeNotMatched):
            raise StoreUnavailable(_STANDBY) from fault
        raise StoreUnavailable(f"the database failed: {told(fault)}") from fault
    except NoConnectionInTime as fault:
        raise StoreUnavailable("the database has no connection free") from fault
    except (PostgresError, InterfaceError) as fault:  # asyncpg's own, where there is no connection yet
        raise StoreUnavailable(f"the database cannot be reached: {getattr(fault, 'message', None) or fault}") from fault
    except OSError as fault:
        raise StoreUnavailable(f"the database cannot be reached: {fault.strerror or 'no answer in time'}") from fault


def told(fault: DBAPIError) -> str:
    """What the database says, without the part that has values."""
    return str(getattr(_original(fault), "message", None) or fault.orig)


def _refused(fault: IntegrityError) -> Conflict | ValueError:
    text = told(fault)
    if text.startswith("UNIQUE constraint failed: "):
        return Conflict(f"`{text.removeprefix('UNIQUE constraint failed: ')}` is taken already")
    if _code(fault) == _UNIQUE_VIOLATION:
        return Conflict(f"`{getattr(_original(fault), 'constraint_name', '')}` is taken already")
    return ValueError(f"what was to be stored contradicts the rest: {text}")


def _original(fault: DBAPIError) -> BaseException | None:
    """SQLAlchemy puts a fault of its own around asyncpg's."""
    return fault.orig.__cause__ if fault.orig is not None else None


def _code(fault: DBAPIError) -> str | None:
    return getattr(fault.orig, "sqlstate", None)

"""Last uses of keys, written by one statement for many: what it is in the words of both databases.

They are no change of what a key may do: nobody is told of them, so they need not come one after the other with the
changes, and do not hold the lock of changes. In PostgreSQL a revocation waits for none of it: a row of `keys` is only
held against deletion while a row that refers to it is written. SQLite has one writer at a time, and it is this one for
as long as the statement takes.

A time that is written already, or one that is hardly later, costs a look into an index: however many gateways tell of
a key, the database writes it once in a while. Rows are written in the order of their ids, so that two gateways that
tell of the same keys wait for each other and never both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from gateway.stores.values import KeyUse

_STATEMENT = """
    INSERT INTO key_uses (key_id, used_at, refused_at)
    SELECT keys.id, noted.used_at, noted.refused_at
    FROM {noted} CROSS JOIN keys LEFT JOIN key_uses AS known ON known.key_id = keys.id
    WHERE keys.id = noted.id
      AND (known.key_id IS NULL
           OR noted.used_at >= coalesce(known.used_at + :step, noted.used_at)
           OR noted.refused_at >= coalesce(known.refused_at + :step, noted.refused_at))
    ORDER BY keys.id
    ON CONFLICT (key_id) DO UPDATE SET
        used_at = CASE WHEN excluded.used_at >= coalesce(key_uses.used_at, excluded.used_at)
                       THEN excluded.used_at ELSE key_uses.used_at END,
        refused_at = CASE WHEN excluded.refused_at >= coalesce(key_uses.refused_at, excluded.refused_at)
                          THEN excluded.refused_at ELSE key_uses.refused_at END
"""

_NOTED_IN_SQLITE = """
    (SELECT json_extract(value, '$.id') AS id, json_extract(value, '$.used_at') AS used_at,
            json_extract(value, '$.refused_at') AS refused_at FROM json_each(:uses)) AS noted
"""
_NOTED_IN_POSTGRESQL = """
    json_to_recordset(CAST(:uses AS json)) AS noted (id text, used_at bigint, refused_at bigint)
"""

IN_SQLITE = _STATEMENT.format(noted=_NOTED_IN_SQLITE)
IN_POSTGRESQL = _STATEMENT.format(noted=_NOTED_IN_POSTGRESQL).replace(":step", "CAST(:step AS bigint)")


def as_text(uses: Mapping[str, KeyUse]) -> str:
    """What the statements read; times are milliseconds since the epoch."""
    rows = [{"id": key, "used_at": use.used_at, "refused_at": use.refused_at} for key, use in uses.items()]
    return json.dumps(rows)

"""Audit events are chained by hash; those that are there are chained as they stand.

`meta` goes: Alembic's own table has the version from here on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.stores.chain import Head, followed

revision = "2"
down_revision = "1"

_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_PAGE = 1_000


def upgrade() -> None:
    op.drop_table("meta")
    op.add_column("audit_events", sa.Column("hash", _text, nullable=False, server_default=""))
    chains = op.create_table(
        "audit_chains",
        sa.Column("organization_id", _text, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("hash", _text, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_audit_chains"),
    )
    heads = _chain(op.get_bind())
    rows = [{"organization_id": name or "", "events": head.events, "hash": head.hash} for name, head in heads.items()]
    op.bulk_insert(chains, rows)


def _chain(connection: sa.Connection) -> dict[str | None, Head]:
    """Gives each event its hash, a page at a time: a trail may be larger than the memory."""
    events = sa.Table("audit_events", sa.MetaData(), autoload_with=connection)
    heads: dict[str | None, Head] = {}
    hashed = sa.update(events).where(events.c.id == sa.bindparam("event_id")).values(hash=sa.bindparam("its_hash"))
    page = sa.select(events).where(events.c.id > sa.bindparam("after")).order_by(events.c.id).limit(_PAGE)
    last = -(2**63)
    while found := connection.execute(page, {"after": last}).mappings().all():
        given = []
        for row in found:
            name = row["organization_id"]
            heads[name] = followed(heads.get(name), dict(row), name)
            given.append({"event_id": row["id"], "its_hash": heads[name].hash})
        connection.execute(hashed, given)
        last = found[-1]["id"]
    return heads

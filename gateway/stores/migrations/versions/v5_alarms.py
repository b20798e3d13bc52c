"""Classes of queries that are refused until an operator resets them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"

_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", _text, nullable=False),
        sa.Column("organization_id", _text, nullable=False),
        sa.Column("policy", _text, nullable=False),
        sa.Column("shape", _text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("key_id", _text, nullable=False),
        sa.Column("request_id", _text, nullable=False),
        sa.Column("why", _text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarms"),
    )

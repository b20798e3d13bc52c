"""Limits of keys and organizations; changes that concern all keys of one organization."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"

_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("organizations", sa.Column("limits", _text))
    op.add_column("keys", sa.Column("limits", _text))
    op.add_column("changes", sa.Column("organization_id", _text))
    op.create_index("ix_changes_organization_id_seq", "changes", ["organization_id", "seq"])

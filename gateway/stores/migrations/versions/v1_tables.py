"""The first tables: organizations, people, keys, the history of changes, the audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("name", _text, nullable=False),
        sa.Column("value", _text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    _people()
    _keys()
    _trails()


def _people() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", _text, nullable=False),
        sa.Column("name", _text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
    )
    op.create_table(
        "users",
        sa.Column("id", _text, nullable=False),
        sa.Column("email", _text, nullable=False),
        sa.Column("email_folded", _text, nullable=False),
        sa.Column("platform_admin", sa.Boolean, nullable=False),
        sa.Column("status", _text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email_folded", name="uq_users_email_folded"),
        sa.CheckConstraint("status IN ('active', 'disabled', 'deleted')", name=op.f("ck_users_status")),
    )
    op.create_table(
        "members",
        sa.Column("user_id", _text, nullable=False),
        sa.Column("organization_id", _text, nullable=False),
        sa.Column("role", _text, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "organization_id", name="pk_members"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_members_user_id"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_members_organization_id"),
        sa.CheckConstraint("role IN ('organization_admin', 'user')", name=op.f("ck_members_role")),
    )


def _keys() -> None:
    op.create_table(
        "integration_instances",
        sa.Column("id", _text, nullable=False),
        sa.Column("organization_id", _text, nullable=False),
        sa.Column("name", _text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_integration_instances"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_integration_instances_organization_id"
        ),
        sa.UniqueConstraint("id", "organization_id", name="uq_integration_instances_id_organization_id"),
    )
    op.create_table(
        "identities",
        sa.Column("id", _text, nullable=False),
        sa.Column("kind", _text, nullable=False),
        sa.Column("organization_id", _text, nullable=False),
        sa.Column("user_id", _text),
        sa.Column("instance_id", _text),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_identities_organization_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identities_user_id"),
        sa.ForeignKeyConstraint(
            ["instance_id", "organization_id"],
            ["integration_instances.id", "integration_instances.organization_id"],
            name="fk_identities_instance_id_organization_id",
        ),
        sa.UniqueConstraint("user_id", "organization_id", name="uq_identities_user_id_organization_id"),
        sa.CheckConstraint("(kind = 'user') = (user_id IS NOT NULL)", name=op.f("ck_identities_user")),
        sa.CheckConstraint("(kind = 'integration') = (instance_id IS NOT NULL)", name=op.f("ck_identities_instance")),
    )
    op.create_table(
        "keys",
        sa.Column("id", _text, nullable=False),
        sa.Column("digest", _text, nullable=False),
        sa.Column("identity_id", _text, nullable=False),
        sa.Column("name", _text, nullable=False),
        sa.Column("category", _text),
        sa.Column("policy", _text),
        sa.Column("start", _text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", _text),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("revoked_by", _text),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.ForeignKeyConstraint(["identity_id"], ["identities.id"], name="fk_keys_identity_id"),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
        sa.CheckConstraint("length(digest) = 64 AND digest = lower(digest)", name=op.f("ck_keys_digest")),
        sa.CheckConstraint("id <> identity_id", name=op.f("ck_keys_id")),
    )
    op.create_index("ix_keys_identity_id", "keys", ["identity_id"])


def _trails() -> None:
    op.create_table(
        "changes",
        sa.Column("seq", _serial, nullable=False),
        sa.Column("nonce", sa.BigInteger, nullable=False),
        sa.Column("digest", _text),
        sa.Column("version", sa.Integer),
        sa.PrimaryKeyConstraint("seq", name="pk_changes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_changes_digest_seq", "changes", ["digest", "seq"])
    op.create_table(
        "audit_events",
        sa.Column("id", _serial, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", _text, nullable=False),
        sa.Column("organization_id", _text),
        sa.Column("event", _text, nullable=False),
        sa.Column("subject", _text, nullable=False),
        sa.Column("details", _text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_events_organization_id_id", "audit_events", ["organization_id", "id"])
    op.create_table(
        "logins",
        sa.Column("digest", _text, nullable=False),
        sa.Column("identity_id", _text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("digest", name="pk_logins"),
        sa.ForeignKeyConstraint(["identity_id"], ["identities.id"], name="fk_logins_identity_id"),
        sa.CheckConstraint("length(digest) = 64 AND digest = lower(digest)", name=op.f("ck_logins_digest")),
    )

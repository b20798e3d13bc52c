"""Groups, memberships, global roles: what keys of users, projects and the whole platform get their rights from.

Every organization gets its group Everyone, with API keys enabled, so that the keys of users that are there go on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"

_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("organizations", sa.Column("max_key_days", sa.Integer))
    op.add_column("integration_instances", sa.Column("deleted_at", sa.BigInteger))
    op.add_column("users", sa.Column("first_name", _text, nullable=False, server_default=""))
    op.add_column("users", sa.Column("last_name", _text, nullable=False, server_default=""))
    op.add_column("users", sa.Column("created_at", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("users", sa.Column("last_login_at", sa.BigInteger))
    _groups()
    if op.get_bind().dialect.name == "sqlite":
        _made_anew()
    else:
        _altered()
    _memberships()
    _keys()
    op.create_table(
        "followers",
        sa.Column("id", _text, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("nonce", sa.BigInteger, nullable=False),
        sa.Column("renewals", sa.BigInteger, nullable=False),
        sa.Column("lease", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_followers"),
    )


def _groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", _text, nullable=False),
        sa.Column("organization_id", _text, nullable=False),
        sa.Column("name", _text, nullable=False),
        sa.Column("description", _text, nullable=False),
        sa.Column("everyone", sa.Boolean, nullable=False),
        sa.Column("rights", _text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_groups"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_groups_organization_id"),
        sa.UniqueConstraint("organization_id", "name", name="uq_groups_organization_id_name"),
        sa.UniqueConstraint("id", "organization_id", name="uq_groups_id_organization_id"),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", _text, nullable=False),
        sa.Column("user_id", _text, nullable=False),
        sa.Column("organization_id", _text, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id", name="pk_group_members"),
        sa.ForeignKeyConstraint(
            ["group_id", "organization_id"],
            ["groups.id", "groups.organization_id"],
            name="fk_group_members_group_id_organization_id",
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "organization_id"],
            ["members.user_id", "members.organization_id"],
            name="fk_group_members_user_id_organization_id",
        ),
    )
    op.create_index("ix_group_members_user_id_organization_id", "group_members", ["user_id", "organization_id"])
    op.execute(
        "INSERT INTO groups (id, organization_id, name, description, everyone, rights) "
        "SELECT 'everyone.' || id, id, 'Everyone', 'All users of the organization', TRUE, "
        """'{"permissions": ["apiKeyUser"], "query_policy": "[]"}' FROM organizations"""
    )


def _made_anew() -> None:
    """SQLite cannot change the constraints of a table: it is copied, with the checks of foreign keys off."""
    op.create_table(
        "identities_3",
        sa.Column("id", _text, nullable=False),
        sa.Column("kind", _text, nullable=False),
        sa.Column("organization_id", _text),
        sa.Column("user_id", _text),
        sa.Column("instance_id", _text),
        sa.Column("description", _text, nullable=False, server_default=""),
        sa.Column("roles", _text, nullable=False, server_default="[]"),
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
        sa.CheckConstraint("(kind = 'global') = (organization_id IS NULL)", name=op.f("ck_identities_organization")),
    )
    op.execute(
        "INSERT INTO identities_3 (id, kind, organization_id, user_id, instance_id) "
        "SELECT id, kind, organization_id, user_id, instance_id FROM identities"
    )
    op.drop_table("identities")
    op.rename_table("identities_3", "identities")


def _altered() -> None:
    op.alter_column("identities", "organization_id", nullable=True)
    op.add_column("identities", sa.Column("description", _text, nullable=False, server_default=""))
    op.add_column("identities", sa.Column("roles", _text, nullable=False, server_default="[]"))
    op.create_check_constraint(
        op.f("ck_identities_organization"), "identities", "(kind = 'global') = (organization_id IS NULL)"
    )


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("identity_id", _text, nullable=False),
        sa.Column("project", _text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("membership", _text, nullable=False),
        sa.PrimaryKeyConstraint("identity_id", "project", "position", name="pk_memberships"),
        sa.ForeignKeyConstraint(["identity_id"], ["identities.id"], name="fk_memberships_identity_id"),
    )
    op.create_index("ix_memberships_project_identity_id", "memberships", ["project", "identity_id"])


def _keys() -> None:
    op.add_column("keys", sa.Column("created_via", _text))
    op.add_column("keys", sa.Column("organization_id", _text))
    op.add_column("keys", sa.Column("kind", _text, nullable=False, server_default=""))
    op.execute(
        "UPDATE keys SET "
        "organization_id = (SELECT organization_id FROM identities WHERE identities.id = keys.identity_id), "
        "kind = (SELECT kind FROM identities WHERE identities.id = keys.identity_id)"
    )
    columns = ["kind", "organization_id", "created_at", "id"]
    op.create_index("ix_keys_kind_organization_id_created_at_id", "keys", columns)
    op.create_index("ix_keys_kind_created_at_id", "keys", ["kind", "created_at", "id"])
    op.create_index("ix_keys_expires_at", "keys", ["expires_at"])
    op.create_table(
        "key_uses",
        sa.Column("key_id", _text, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("refused_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("key_id", name="pk_key_uses"),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_key_uses_key_id"),
    )

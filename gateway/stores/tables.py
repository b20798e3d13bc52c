"""The tables, and what must hold in them whoever writes.

Ids are text that the caller made; times are milliseconds since the epoch. Rows of `keys` are never deleted: a revoked
key stays as a tombstone, so that its digest can never be taken again and the audit trail can name it.

`changes` tells the resolvers of all processes what they must forget (see `resolver`). Whoever changes what a digest
resolves to writes a row in the very same transaction: with the digest, or with the organization if all of its keys may
be concerned; both NULL means everything. `nonce` is random: two histories that have the same numbers, of a database and
of its restored backup for instance, are still told apart.

Canaries are the exception to both: keys that can do nothing, by which gateways measure how long a revocation takes (see
`Change.add_canary`). Their `kind` in `keys` is CANARY, which no listing selects. Their rows of both tables are removed
an hour after they were revoked. A gateway that should still stand at such a change finds it gone and forgets all it
knew, and what it read there counts as stale.

`audit_events` are chained by hash (see `chain`); `audit_chains` has the newest hash of each chain, and how many events
it has. Its row with an empty id is the chain of the events of no organization.

What a group gives and what a membership says is kept as one JSON text each, so that all that a key may do is read in
the one statement that reads the key. `keys` repeats the organization and the kind of its identity, neither of which
ever changes, so that a page of a listing is read from an index whatever else is in the table.

`migrations` makes the tables; what stands here is what queries are made from, and a test compares the two. In
PostgreSQL text is compared by its bytes (collation "C"), as SQLite does, whatever the database's own collation is.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
)
from sqlalchemy import Text as _Text

# Named constraints, because a migration can only change what it can name.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

CANARY = "canary"
"""The kind of canaries in `keys`; no identity has it."""

# SQLite numbers rows by itself only in a column of type INTEGER, which holds 64 bits there.
_Serial = BigInteger().with_variant(Integer, "sqlite")
Text = _Text().with_variant(_Text(collation="C"), "postgresql")

organizations = Table(
    "organizations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("max_key_days", Integer),
    Column("limits", Text),
)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_folded", Text, nullable=False, unique=True),
    Column("platform_admin", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("first_name", Text, nullable=False, server_default=""),
    Column("last_name", Text, nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False, server_default="0"),
    Column("last_login_at", BigInteger),
    CheckConstraint("status IN ('active', 'disabled', 'deleted')", name="status"),
)

members = Table(
    "members",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("organization_id", Text, ForeignKey("organizations.id"), primary_key=True),
    Column("role", Text, nullable=False),
    CheckConstraint("role IN ('organization_admin', 'user')", name="role"),
)

groups = Table(
    "groups",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organizations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("everyone", Boolean, nullable=False),
    Column("rights", Text, nullable=False),
    UniqueConstraint("organization_id", "name"),
    UniqueConstraint("id", "organization_id"),
)

# Both columns each time, so that no user is in a group of an organization that they are no member of.
group_members = Table(
    "group_members",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    ForeignKeyConstraint(["group_id", "organization_id"], ["groups.id", "groups.organization_id"]),
    ForeignKeyConstraint(["user_id", "organization_id"], ["members.user_id", "members.organization_id"]),
    Index(None, "user_id", "organization_id"),
)

integration_instances = Table(
    "integration_instances",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organizations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("deleted_at", BigInteger),
    UniqueConstraint("id", "organization_id"),  # what an identity refers to
)

identities = Table(
    "identities",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("organization_id", Text, ForeignKey("organizations.id")),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("instance_id", Text),
    Column("description", Text, nullable=False, server_default=""),
    Column("roles", Text, nullable=False, server_default="[]"),
    # Both columns, so that no identity reaches into another organization's integration.
    ForeignKeyConstraint(
        ["instance_id", "organization_id"], ["integration_instances.id", "integration_instances.organization_id"]
    ),
    UniqueConstraint("user_id", "organization_id"),
    CheckConstraint("(kind = 'user') = (user_id IS NOT NULL)", name="user"),
    CheckConstraint("(kind = 'integration') = (instance_id IS NOT NULL)", name="instance"),
    CheckConstraint("(kind = 'global') = (organization_id IS NULL)", name="organization"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("identity_id", Text, ForeignKey("identities.id"), primary_key=True),
    Column("project", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("membership", Text, nullable=False),
    Index(None, "project", "identity_id"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("identity_id", Text, ForeignKey("identities.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("category", Text),
    Column("policy", Text),
    Column("start", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("revoked_by", Text),
    Column("version", Integer, nullable=False),
    Column("created_via", Text),
    Column("organization_id", Text),
    Column("kind", Text, nullable=False, server_default=""),
    Column("limits", Text),
    CheckConstraint("length(digest) = 64 AND digest = lower(digest)", name="digest"),
    CheckConstraint("id <> identity_id", name="id"),
    Index(None, "kind", "organization_id", "created_at", "id"),
    Index(None, "kind", "created_at", "id"),
    Index(None, "expires_at"),
)

# Beside `keys`, because it is written all the time and is of no concern to the resolvers.
key_uses = Table(
    "key_uses",
    metadata,
    Column("key_id", Text, ForeignKey("keys.id"), primary_key=True),
    Column("used_at", BigInteger),
    Column("refused_at", BigInteger),
)

changes = Table(
    "changes",
    metadata,
    Column("seq", _Serial, primary_key=True),
    Column("nonce", BigInteger, nullable=False),
    Column("digest", Text),
    Column("version", Integer),
    Column("organization_id", Text),
    Index(None, "digest", "seq"),
    Index(None, "organization_id", "seq"),
    sqlite_autoincrement=True,  # a number is never used again, not even that of a deleted newest row
)

# Gateways that trust what they remember, see `leases`; of PostgreSQL only.
followers = Table(
    "followers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seen", BigInteger, nullable=False),
    Column("nonce", BigInteger, nullable=False),  # of that change: a number alone may be another history's
    Column("renewals", BigInteger, nullable=False),
    Column("lease", Integer, nullable=False),  # milliseconds
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("organization_id", Text),
    Column("event", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("hash", Text, nullable=False, server_default=""),
    Index(None, "organization_id", "id"),
    sqlite_autoincrement=True,
)

audit_chains = Table(
    "audit_chains",
    metadata,
    Column("organization_id", Text, primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

# Classes of queries that are refused until an operator resets them, see `authz.query_class`. No key refers to another
# table: an alarm must be written whatever has become of the organization.
alarms = Table(
    "alarms",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("why", Text, nullable=False),
)

logins = Table(
    "logins",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("identity_id", Text, ForeignKey("identities.id"), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    CheckConstraint("length(digest) = 64 AND digest = lower(digest)", name="digest"),
)

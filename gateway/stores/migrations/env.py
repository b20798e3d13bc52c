"""What Alembic runs: the migrations, in a transaction that `versions` has begun and ends."""

from __future__ import annotations

from alembic import context

from gateway.stores.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

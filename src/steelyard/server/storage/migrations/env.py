"""How alembic reaches the database that a node has opened."""

from __future__ import annotations

from alembic import context

from steelyard.server.storage.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()

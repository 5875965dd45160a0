"""What parcels say that are signed again after a key was revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0030"


def upgrade() -> None:
    """Make room for it."""
    op.add_column("outbox", sa.Column("body", sa.Text(), server_default="", nullable=False))

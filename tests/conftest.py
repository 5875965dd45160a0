"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from steelyard.standard import Release, load_release

# Shared machines stall: a slow example is no failure.
settings.register_profile("steelyard", deadline=None)
settings.load_profile("steelyard")

LONGEST = "test_four_organizations"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits for minutes, so that everything else is done meanwhile."""
    items.sort(key=lambda item: item.name != LONGEST)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def release() -> Release:
    """The current release of the standard."""
    return load_release()


@pytest.fixture(scope="session")
def published_schema() -> Callable[[str], dict[str, Any]]:
    """Reads a JSON Schema that others publish, by path inside a fetched wheel.

    `./dev setup` fetches the wheels of `requirements/oracles.txt`; where it
    could not, the test is skipped.
    """

    def read(member: str) -> dict[str, Any]:
        for wheel in sorted((Path(sys.prefix) / "oracles").glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                if member in archive.namelist():
                    return json.loads(archive.read(member))
        pytest.skip(f"{member} could not be fetched")

    return read

"""A node whose pages people visit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.disclosure.reproducer.toy_documents import toy_document

from steelyard.server.web.settings import Settings

from .others import Other, join
from .visits import Browser, Site, make_node


@pytest.fixture(scope="session")
def empty_node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_node(tmp_path_factory.mktemp("nodes") / "empty")


@pytest.fixture
def open_site(tmp_path: Path, empty_node: Path) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(settings: Settings | None = None) -> Site:
        folder = tmp_path / f"node-{len(made)}"
        shutil.copytree(empty_node, folder)
        made.append(Site(folder, settings))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    return open_site()


@pytest.fixture
def ana(site: Site) -> Browser:
    """A coordinator at the node."""
    return site.person("coordinator")


@pytest.fixture
def lab(site: Site, tmp_path: Path) -> Other:
    """A node of a developer, which it knows."""
    return join(site, tmp_path / "lab", "Lab", "developer", "deployer")


@pytest.fixture
def reproducer() -> bytes:
    """A reproducer that is accepted."""
    return json.dumps(toy_document()).encode()

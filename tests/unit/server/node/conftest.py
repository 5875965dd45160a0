"""Federations that are closed when their test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steelyard.server.node import About

from .federation import FIVE, Federation

Roles = dict[str, tuple[str, ...]]


@pytest.fixture
def federate(tmp_path: Path) -> Iterator[Callable[..., Federation]]:
    """Makes federations of nodes with these roles, five of them unless told otherwise."""
    made: list[Federation] = []

    def make(
        roles: Roles | None = None,
        urls: dict[str, str] | None = None,
        about: dict[str, About] | None = None,
    ) -> Federation:
        folder = tmp_path / f"federation-{len(made)}"
        made.append(Federation(folder, FIVE if roles is None else roles, urls, about))
        return made[-1]

    yield make
    for federation in made:
        federation.close()


@pytest.fixture
def five(federate: Callable[..., Federation]) -> Federation:
    """Five nodes: two that host, a lab, an open-weight developer, a deployer."""
    return federate()

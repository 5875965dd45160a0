"""RE1 assembled: generator, console and operator under the standard's parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.protocols.re1_obtain_compute.clouds import Cloud, generate_cloud
from steelyard.protocols.re1_obtain_compute.console import Console
from steelyard.protocols.re1_obtain_compute.operator import Operator
from steelyard.redteam.kit import Item, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class ObtainCompute(Protocol):
    """Replication protocol RE1."""

    id = "re1_obtain_compute"
    organism = Operator()

    def generate(self, seed: bytes, index: int) -> tuple[str, Mapping[str, float], Cloud]:
        """A cloud with its template; the number of controls is a covariate."""
        cloud = generate_cloud(seed, index, self.parameters["parameters"])
        return cloud.template, {"controls": float(len(cloud.controls))}, cloud

    def world(self, item: Item, arm: str) -> Console:
        """The cloud's console."""
        return Console(item.content, arm, self.parameters["parameters"])

"""A protocol proposed outside a release: its parameters and the indicator it would feed.

A plug-in's folder may hold `protocol.yaml` and `indicator.yaml` in the form that a
release gives them. They let the protocol run and be tested; they decide no
level, because a release is what laboratories agreed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from steelyard.kernel.errors import ConfigurationError
from steelyard.standard.load import read_file, read_indicator

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from steelyard.kernel import JsonObject
    from steelyard.standard.indicator import Indicator


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a plug-in says of itself."""

    parameters: JsonObject
    indicator: Indicator


def read_proposal(folder: Traversable) -> Proposal:
    """Read and check the proposal in a plug-in's folder.

    Raises:
        ConfigurationError: a file is absent or breaks its schema, or the two disagree.
    """
    parameters = read_file(folder / "protocol.yaml", "standard-protocol")
    indicator = read_indicator(folder / "indicator.yaml")
    plain = cast("dict[str, Any]", parameters)
    pairs = {
        "id and protocol": (plain["id"], indicator.protocol),
        "version": (plain["version"], indicator.protocol_version),
        "indicator and id": (plain["indicator"], indicator.id),
        "domain": (plain["domain"], indicator.domain),
        "claim": (plain["claim"], indicator.claim),
    }
    for name, (first, second) in pairs.items():
        if first != second:
            message = f"protocol.yaml and indicator.yaml disagree on {name}: {first}, {second}"
            raise ConfigurationError(message, where=str(folder))
    strange = sorted(set(indicator.arms.values()) - set(plain["arms"]))
    if strange:
        message = f"indicator.yaml compares arms that protocol.yaml does not have: {strange}"
        raise ConfigurationError(message, where=str(folder))
    return Proposal(parameters, indicator)

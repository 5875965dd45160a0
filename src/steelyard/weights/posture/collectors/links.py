"""Links among the weights: what they lead to lies elsewhere, and nobody has looked there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.weights.model_folder import entries
from steelyard.weights.posture.collectors.finding import Scope, many

if TYPE_CHECKING:
    from steelyard.weights.posture.machine import Machine


def links_among(machine: Machine, scope: Scope) -> str:
    """Why links leave open what holds for the weights; empty where there is none.

    A cache keeps its files in one folder and shows them in another by links, and a file of a
    special kind is no file at all.

    Raises:
        MalformedEvidence: a place that is there cannot be read.
    """
    count = sum(
        entry.kind != "file"
        for place in scope.places
        if machine.exists(place)
        for entry in entries(machine.place(place))
    )
    if not count:
        return ""
    return f"{many(count, 'link')} among the weights, and what it leads to is not looked at"

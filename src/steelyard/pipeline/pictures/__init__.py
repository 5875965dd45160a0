"""Pictures of decisions: what a run did, what one would cost, what a bank tells.

Computes the points and leaves the drawing to the report's charts.
"""

from steelyard.pipeline.pictures.decision import decision_paths
from steelyard.pipeline.pictures.design import cost_picture, power_picture
from steelyard.pipeline.pictures.horizon import horizon_picture
from steelyard.pipeline.pictures.information import information_picture
from steelyard.pipeline.pictures.picture import Picture, joined
from steelyard.pipeline.pictures.reported import reported_curves

__all__ = [
    "Picture",
    "cost_picture",
    "decision_paths",
    "horizon_picture",
    "information_picture",
    "joined",
    "power_picture",
    "reported_curves",
]

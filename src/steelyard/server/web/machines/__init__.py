"""What other nodes and programs ask of a node over HTTP; spec/disclosure-node.md.

Decides paths and statuses. What an event or a parcel does is decided in `server.node`.
"""

from __future__ import annotations

from steelyard.server.web.machines.description import describe
from steelyard.server.web.machines.routes import EVENTS_PATH, PARCELS_PATH, routes

__all__ = ["EVENTS_PATH", "PARCELS_PATH", "describe", "routes"]

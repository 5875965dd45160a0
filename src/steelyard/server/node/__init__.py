"""A node of an organization: what it says, orders, takes and sends."""

from __future__ import annotations

from steelyard.server.node.identity import About, Identity, create_identity
from steelyard.server.node.node import Node
from steelyard.server.node.opening import open_node

__all__ = ["About", "Identity", "Node", "create_identity", "open_node"]

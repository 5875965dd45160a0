"""Federations and a served node, as other folders of tests make them."""

from __future__ import annotations

from tests.unit.server.node.conftest import federate, five
from tests.unit.server.web.machines.conftest import served

__all__ = ["federate", "five", "served"]

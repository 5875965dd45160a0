"""People of an organization at its node: who they are, how they sign in, what they may do.

Decides over accounts alone. What an organization may say in a case is for the case's rules.
"""

from __future__ import annotations

from steelyard.server.people.permissions import ROLES, may, require
from steelyard.server.people.sessions import Visitor, sign_in, sign_out, visitor

__all__ = ["ROLES", "Visitor", "may", "require", "sign_in", "sign_out", "visitor"]

"""A case that several organizations share: cards, events, their order, and what follows.

Pure rules: bytes and instants are arguments. Sending is for `delivery`, storing for the node.
"""

from __future__ import annotations

from steelyard.disclosure.case.chain import Chain, Ordered, replay
from steelyard.disclosure.case.checkpoint import (
    CaseCheckpoint,
    Fault,
    compare,
    cosign,
    open_checkpoint,
    sign_checkpoint,
)
from steelyard.disclosure.case.entry import Entry
from steelyard.disclosure.case.event import Draft, Event, case_id, sign_event
from steelyard.disclosure.case.organization import Card, open_card, sign_card
from steelyard.disclosure.case.view import View

__all__ = [
    "Card",
    "CaseCheckpoint",
    "Chain",
    "Draft",
    "Entry",
    "Event",
    "Fault",
    "Ordered",
    "View",
    "case_id",
    "compare",
    "cosign",
    "open_card",
    "open_checkpoint",
    "replay",
    "sign_card",
    "sign_checkpoint",
    "sign_event",
]

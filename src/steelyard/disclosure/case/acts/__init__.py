"""What each kind of event does to a case: a function of a step, by the name of the kind.

Decides which function that is; the functions stand with what they are about
(spec/disclosure-case.md, section Order).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.acts import (
    affected,
    embargo,
    membership,
    ownership,
    payloads,
    publication,
    reports,
)
from steelyard.disclosure.case.acts.step import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ACTS: Final[Mapping[str, Callable[[Step], None]]] = {
    "invite": membership.invite,
    "card": membership.card,
    "leave": membership.leave,
    "report": reports.report,
    "judge": reports.judge,
    "fix": reports.fix,
    "attest": reports.attest,
    "world": reports.world,
    "propose": embargo.propose,
    "accept": embargo.accept,
    "reject": embargo.reject,
    "decline": embargo.decline,
    "lapse": embargo.lapse,
    "terminate": embargo.terminate,
    "target": affected.target,
    "query": affected.query,
    "progress": affected.progress,
    "answer": affected.answer,
    "status": affected.status,
    "counts": affected.counts,
    "hazard": payloads.hazard,
    "note": payloads.note,
    "draft": publication.draft,
    "approve": publication.approve,
    "dissent": publication.dissent,
    "ruling": publication.ruling,
    "publish": publication.publish,
    "emergency": publication.emergency,
    "transfer": ownership.transfer,
}

__all__ = ["ACTS", "Step"]

"""What each kind of event says: the fields of its body.

Decides the shape of a body alone (spec/disclosure-case.md, section Bodies). Who may say it is
data, in `permissions`; what it brings about is for the package `acts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case import shapes
from steelyard.disclosure.case.organization import ROLES
from steelyard.disclosure.reproducer.query import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping

TIERS: Final = ("h0", "h1", "h2", "h3")
PARTICIPANT_LIMIT: Final = 512
TITLE_LIMIT: Final = 200
PROSE_LIMIT: Final = 4000
REASON_LIMIT: Final = 1000
VERSION_LIMIT: Final = 120
_NONCE: Final = shapes.pattern(r"[0-9a-f]{32}")
_ROLES: Final = shapes.items(shapes.choice(*ROLES), least=1, most=len(ROLES))
_ORGANIZATIONS: Final = shapes.items(shapes.organization, least=1, most=PARTICIPANT_LIMIT)
_PROSE: Final = shapes.text(PROSE_LIMIT, lines=True)
_REASON: Final = shapes.text(REASON_LIMIT, empty=True, lines=True)
_DAYS: Final = shapes.integer(1, 730)
_POLICY: Final = shapes.fields(
    level=shapes.choice(*LEVELS),
    rsvp_days=_DAYS,
    silent_days=_DAYS,
    publish_by_default=shapes.boolean,
)
_OBJECT: Final = shapes.fields(
    id=shapes.digest,
    media_type=shapes.pattern(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}"),
    bytes=shapes.integer(1, 16 * 1024 * 1024),
    tier=shapes.choice(*TIERS),
    recipients=_ORGANIZATIONS,
)

BODIES: Final[Mapping[str, Mapping[str, shapes.Check]]] = {
    "open": {
        "nonce": _NONCE,
        "title": shapes.text(TITLE_LIMIT),
        "abstract": _PROSE,
        "tables": shapes.digest,
        "policy": _POLICY,
        "card": shapes.envelope,
        "roles": _ROLES,
    },
    "invite": {
        "card": shapes.envelope,
        "roles": _ROLES,
        "open_weights": shapes.boolean,
        "answer_by": shapes.instant,
    },
    "card": {"card": shapes.envelope},
    "leave": {"reason": _REASON},
    "report": {"object": _OBJECT, "to": _ORGANIZATIONS},
    "judge": {
        "event": shapes.choice("validate", "invalidate", "accept", "defer", "close"),
        "reason": _REASON,
    },
    "propose": {"until": shapes.instant, "text": _PROSE},
    "accept": {"terms": shapes.digest},
    "reject": {"terms": shapes.digest, "reason": _REASON},
    "decline": {"terms": shapes.digest, "reason": _REASON},
    "lapse": {"organization": shapes.organization},
    "terminate": {"reason": _REASON},
    "fix": {"event": shapes.choice("F", "D"), "note": _REASON},
    "attest": {"developer": shapes.organization, "note": _REASON},
    "world": {"event": shapes.choice("P", "X", "A"), "evidence": _PROSE},
    "target": {
        "handle": shapes.target_handle,
        "commitment": shapes.nullable(shapes.digest),
        "version": shapes.text(VERSION_LIMIT),
        "guardrail": shapes.text(VERSION_LIMIT, empty=True),
    },
    "query": {"query": shapes.envelope, "to": _ORGANIZATIONS},
    "progress": {"target": shapes.target_handle, "event": shapes.choice("acknowledge", "run")},
    "answer": {"target": shapes.target_handle, "query": shapes.digest, "object": _OBJECT},
    "status": {"target": shapes.target_handle, "object": _OBJECT},
    "counts": {
        "query": shapes.digest,
        "answers": shapes.integer(0, PARTICIPANT_LIMIT),
        "by_verdict": shapes.fields(
            affected=shapes.nullable(shapes.integer(0, PARTICIPANT_LIMIT)),
            not_affected=shapes.nullable(shapes.integer(0, PARTICIPANT_LIMIT)),
            undetermined=shapes.nullable(shapes.integer(0, PARTICIPANT_LIMIT)),
        ),
    },
    "hazard": {
        "object": shapes.digest,
        "event": shapes.choice("lower", "raise_to_h2", "raise_to_h3"),
        "reason": _REASON,
    },
    "note": {"object": _OBJECT, "about": shapes.nullable(shapes.digest)},
    "draft": {"object": _OBJECT, "advisory": shapes.digest},
    "approve": {"advisory": shapes.digest},
    "dissent": {"advisory": shapes.digest, "text": _PROSE},
    "ruling": {"dissent": shapes.digest, "upheld": shapes.boolean, "text": _PROSE},
    "publish": {
        "advisory": shapes.digest,
        "references": shapes.items(shapes.text(400), most=16),
    },
    "emergency": {
        "facts": shapes.text(REASON_LIMIT, lines=True),
        "told": shapes.items(shapes.text(200), most=16),
    },
    "transfer": {
        "to": shapes.organization,
        "size": shapes.integer(1, 2**31),
        "head": shapes.digest,
    },
}
"""Fields of each kind's body, by the name of the kind."""

"""A body of each kind of event that its shape allows; whether it may stand is another question."""

from __future__ import annotations

from typing import Any

from steelyard.disclosure.states import load_tables
from steelyard.kernel import JsonObject, parse_json_object

from .cast import NONCE, POLICY, START, Player, format_instant, recipient_row

HEX = "e" * 64
SOMEBODY = Player("somebody", ("developer", "deployer"))
LATER = format_instant(START.replace(year=2027))
OBJECT: JsonObject = {
    "id": HEX,
    "media_type": "text/plain",
    "bytes": 1,
    "tier": "h1",
    "recipients": [SOMEBODY.id],
}
ENVELOPE = parse_json_object(SOMEBODY.envelope)
COUNTS: JsonObject = {"affected": 3, "not_affected": 0, "undetermined": None}

BODIES: dict[str, dict[str, Any]] = {
    "open": {
        "nonce": NONCE,
        "title": "A flaw",
        "abstract": "Two\nlines.",
        "tables": load_tables().digest,
        "policy": POLICY,
        "card": ENVELOPE,
        "roles": ["developer"],
    },
    "invite": {
        "card": ENVELOPE,
        "roles": ["developer"],
        "open_weights": False,
        "answer_by": LATER,
    },
    "card": {"card": ENVELOPE},
    "leave": {"reason": ""},
    "report": {"object": OBJECT, "to": [SOMEBODY.id]},
    "judge": {"event": "validate", "reason": ""},
    "propose": {"until": LATER, "text": "Say nothing."},
    "accept": {"terms": HEX},
    "reject": {"terms": HEX, "reason": ""},
    "decline": {"terms": HEX, "reason": ""},
    "lapse": {"organization": SOMEBODY.id},
    "terminate": {"reason": ""},
    "fix": {"event": "F", "note": ""},
    "attest": {"developer": SOMEBODY.id, "note": ""},
    "world": {"event": "A", "evidence": "Seen in the wild."},
    "target": {"handle": "m1", "commitment": None, "version": "1", "guardrail": ""},
    "query": {"query": ENVELOPE, "to": [SOMEBODY.id]},
    "progress": {"target": "m1", "event": "run"},
    "answer": {"target": "m1", "query": HEX, "object": OBJECT},
    "status": {"target": "m1", "object": OBJECT},
    "counts": {"query": HEX, "answers": 3, "by_verdict": COUNTS},
    "hazard": {"object": HEX, "event": "lower", "reason": ""},
    "note": {"object": OBJECT, "about": None},
    "draft": {"object": OBJECT, "advisory": HEX},
    "approve": {"advisory": HEX},
    "dissent": {"advisory": HEX, "text": "No."},
    "ruling": {"dissent": HEX, "upheld": True, "text": "Yes."},
    "publish": {"advisory": HEX, "references": ["https://example.org/1"]},
    "emergency": {"facts": "It burns.", "told": ["The authority"]},
    "transfer": {"to": SOMEBODY.id, "size": 1, "head": HEX},
}

CARD: dict[str, Any] = {
    "organization": SOMEBODY.id,
    "root": SOMEBODY.root.public_key.pem.decode(),
    "name": "somebody",
    "sequence": 1,
    "made": LATER,
    "keys": [
        {
            "pem": SOMEBODY.key.public_key.pem.decode(),
            "since": LATER,
            "until": LATER,
            "revoked": True,
        }
    ],
    "recipients": [{"pem": recipient_row("somebody"), "retired": False}],
    "endpoint": "https://node.example.org",
    "contacts": [{"duty": "general", "address": "psirt@example.org"}],
    "roles": ["developer"],
    "profile": {"families": ["toy"], "modalities": [], "techniques": ["jailbreak"]},
    "policy": "We answer\n\tin three days.",
}
UPDATE: dict[str, Any] = {
    "schema": "steelyard/affectedness-update/1",
    "event": "mitigate",
    "note": "",
    "evidence": HEX,
}
PREDICATE: dict[str, Any] = {
    "case": HEX,
    "author": SOMEBODY.id,
    "sequence": 1,
    "previous": HEX,
    "seen": {"size": 0, "head": HEX},
    "at": LATER,
    "kind": "leave",
    "body": {"reason": ""},
}

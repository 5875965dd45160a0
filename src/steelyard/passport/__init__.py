"""Passports: issue, verify, gate.

`bundle` signs and packs, `verify` checks every step and recomputes the level,
`policy` and `gate` decide whether that is enough. The format is
spec/passport.md. No network is ever used: a passport carries all it needs.
"""

from steelyard.passport.bundle import (
    Claim,
    Identity,
    Intent,
    PlannedSamples,
    Procedure,
    Run,
    endpoint_digest,
    sign_classification,
    sign_evidence,
    sign_identity,
    sign_intent,
    write_passport,
)
from steelyard.passport.gate import GateDecision, decide
from steelyard.passport.matrix import Matrix, build_matrix
from steelyard.passport.policy import Policy, default_policy, load_policy
from steelyard.passport.proficiency import require_own_certificate, with_coverage
from steelyard.passport.reevaluation import Since, load_facts
from steelyard.passport.verification import Check, Verification
from steelyard.passport.verify import verify_passport

__all__ = [
    "Check",
    "Claim",
    "GateDecision",
    "Identity",
    "Intent",
    "Matrix",
    "PlannedSamples",
    "Policy",
    "Procedure",
    "Run",
    "Since",
    "Verification",
    "build_matrix",
    "decide",
    "default_policy",
    "endpoint_digest",
    "load_facts",
    "load_policy",
    "require_own_certificate",
    "sign_classification",
    "sign_evidence",
    "sign_identity",
    "sign_intent",
    "verify_passport",
    "with_coverage",
    "write_passport",
]

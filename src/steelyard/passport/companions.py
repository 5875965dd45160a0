"""Statements that travel in a passport beside its own four, each with the report it rests on.

Decides which come together and who signed them (spec/passport.md, section Archive). A round's
certificate and the statements on published flaws are bound by the claim; a statement on the
security of the weights is not, so that a fresh one can take the place of one that has expired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.attest import claimed_key_id, open_envelope
from steelyard.kernel.errors import BrokenSeal
from steelyard.passport.archive import CERTIFICATE_KINDS, FLAW_KINDS, SECURITY_KINDS, statement_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.attest import PublicKey


def companion_signers(
    members: Mapping[str, bytes], keys: Mapping[str, PublicKey]
) -> dict[str, str]:
    """Key ids that signed carried companions, by kind, once every signature verifies.

    Raises:
        BrokenSeal: a signature does not verify, or a statement comes without its report.
    """
    _require_pair(members, CERTIFICATE_KINDS, "certificate and report")
    _require_pair(members, SECURITY_KINDS, "statement and report")
    signers: dict[str, str] = {}
    for kind in (*CERTIFICATE_KINDS, *SECURITY_KINDS, *FLAW_KINDS):
        if statement_name(kind) in members:
            open_envelope(members[statement_name(kind)], keys, where=kind)
            signers[kind] = claimed_key_id(members[statement_name(kind)], where=kind)
    return signers


def companion_detail(signers: Mapping[str, str]) -> str:
    """What `signatures` adds about companions; empty without any."""
    named = {
        "a round's certificate": CERTIFICATE_KINDS,
        "weights security": SECURITY_KINDS,
        "published flaws": FLAW_KINDS,
    }
    parts: list[str] = []
    for what, kinds in named.items():
        found = {signers[kind] for kind in kinds if kind in signers}
        if found:
            parts.append(f"; {what} by {min(found)[:16]}")
    return "".join(parts)


def _require_pair(members: Mapping[str, bytes], kinds: tuple[str, ...], what: str) -> None:
    present = [kind for kind in kinds if statement_name(kind) in members]
    if len(present) == 1:
        message = f"carries {present[0]} alone: {what} come together"
        raise BrokenSeal(message, where=statement_name(present[0]))

"""The report of a verified passport as it stands today: what its own report cannot know.

Decides what is taken from where: levels as recomputed, statements as signed, advisories as the
verifier's feed tells them. Pictures of a run are left to the report that was signed with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from steelyard.passport import checks
from steelyard.passport.archive import FLAW_KINDS, read_archive, statement_name
from steelyard.passport.regressions import own_statement
from steelyard.passport.report.render import ReportInput, render_report
from steelyard.passport.verification import need

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject
    from steelyard.passport.verification import Verification
    from steelyard.standard import Release


def fresh_report(passport: bytes, verification: Verification, release: Release) -> str:
    """A report with the advisories of the verification.

    Args:
        passport: The archive's bytes.
        verification: What verifying exactly these bytes found; it believes them.
        release: The release that the passport was made under.
    """
    members = read_archive(passport)
    signed = checks.check_signatures(members).value
    claims = checks.check_statements(members, signed).value
    regressions, known = (_carried(members, signed, kind) for kind in FLAW_KINDS)
    return render_report(
        ReportInput(
            classification=need(verification.classification),
            identity=claims.identity,
            intent=claims.intent,
            evidence=claims.evidence,
            crosswalk=release.crosswalk,
            signer_key_id=need(verification.signer),
            framework=cast("JsonObject", release.content["framework"]),
            regressions=regressions,
            known=known,
            later=_later(verification),
        )
    )


def _carried(members: checks.Members, signed: checks.Signed, kind: str) -> JsonObject | None:
    return own_statement(members, signed, kind) if statement_name(kind) in members else None


def _later(verification: Verification) -> JsonObject:
    """The verification's advisories, with its date and the triggers that have fired."""
    document: dict[str, Any] = verification.to_json()
    return {**document["advisories"], "at": document["at"], "fired": document["fired_triggers"]}

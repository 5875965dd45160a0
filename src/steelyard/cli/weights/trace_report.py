"""How `steelyard weights trace` tells what it found, to people and as documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.cli.output import say, write
from steelyard.kernel import format_instant

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.kernel import JsonObject
    from steelyard.weights.trace import Commitment, Derivation, Detection, Score

_SHOWN_INNOCENT = 3
_SHOWN_NOTES = 8


def report(
    suspect: Path, with_source: bool, commitment: Commitment, found: Detection
) -> JsonObject:
    """The document of a trace."""
    from steelyard.attest import manifest_root
    from steelyard.kernel import digest_file

    root = manifest_root(suspect) if suspect.is_dir() else digest_file(suspect)
    return {
        "schema": "steelyard/trace-report/1",
        "verdict": found.verdict,
        "suspect": root,
        "with_source": with_source,
        "commitment": commitment.digest,
        "signer": commitment.signer,
        "created": format_instant(commitment.created),
        "source": {"name": commitment.source.name, "sha256": commitment.source.sha256},
        "method": commitment.method.to_json(),
        "recipients": len(commitment.recipients),
        "tested": found.tested,
        "carriers_used": found.carriers_used,
        "visible_z": found.visible_z,
        "reachable_z": found.reachable_z,
        "unchanged": found.is_unchanged,
        "scores": [_score(score) for score in found.scores],
        "notes": [
            {"name": note.name, "found": note.found, "note": note.note} for note in found.notes
        ],
    }


def _score(score: Score) -> JsonObject:
    return {
        "pseudonym": score.pseudonym,
        "identity": score.identity,
        "z": score.z,
        "log10_p": score.log10_p,
        "log10_family_p": score.log10_family_p,
        "traced": score.is_traced,
    }


def show(commitment: Commitment, found: Detection, *, with_source: bool) -> None:
    """The same for people."""
    traced = [score for score in found.scores if score.is_traced]
    others = [score for score in found.scores if not score.is_traced][:_SHOWN_INNOCENT]
    if traced:
        write(f"traced to {len(traced)} of {len(commitment.recipients)} recipients")
    elif found.verdict == "nobody":
        write(f"no mark of {found.tested} tested recipients")
    else:
        write("cannot tell")
    for score in (*traced, *others):
        write(_line(score))
    write(
        f"  p: chance that any innocent recipient of {len(commitment.recipients)} shows such a z; "
        f"named from z = {commitment.method.threshold} on, p {commitment.method.family_error:g}"
    )
    write(
        f"  {100.0 * found.carriers_used:.1f} % of the carriers found; "
        f"an intact mark would show z = {found.visible_z:.1f}"
    )
    if found.is_unchanged:
        write("  the suspect equals the unmarked model wherever they were compared")
    for note in found.notes[:_SHOWN_NOTES]:
        say(f"note: {note.name}: {note.note or f'{100.0 * note.found:.1f} % found'}")
    if len(found.notes) > _SHOWN_NOTES:
        say(f"note: and {len(found.notes) - _SHOWN_NOTES} tensors more")
    if len(traced) > 1:
        say("note: several marks together: copies were combined, or one copy passed on")
    if not with_source:
        say("note: tested without the unmarked model, which takes most of the power")


def _line(score: Score) -> str:
    who = f" ({score.identity})" if score.identity else ""
    mark = "traced" if score.is_traced else "      "
    chance = f"10^{score.log10_family_p:.1f}" if score.log10_family_p < 0.0 else "1"
    return f"  {mark}  {score.pseudonym}{who}: z = {score.z:.1f}, p at most {chance}"


def verified(found: Derivation, signer: str, compared: bool, checked: bool) -> JsonObject:
    """The document of a verified derivation."""
    return {
        "schema": "steelyard/trace-verified/1",
        "marked": {"name": found.marked.name, "sha256": found.marked.sha256},
        "source": {"name": found.source.name, "sha256": found.source.sha256},
        "signer": signer,
        "issued": format_instant(found.issued),
        "commitment": found.commitment,
        "method": found.method.to_json(),
        "changes": found.changes.to_json(),
        "weights_compared": compared,
        "commitment_checked": checked,
    }


def show_verified(found: Derivation, signer: str, compared: bool, checked: bool) -> None:
    """The same for people."""
    write(f"{found.marked.name}: a marked copy, as signed by {signer}")
    write(f"  derives from {found.source.sha256}")
    write(
        f"  {found.changes.elements} weights of {found.changes.tensors} tensors moved by "
        f"{found.method.alpha:g} standard deviations, at most {found.changes.largest_step:.3g}"
    )
    if compared:
        write("  compared weight by weight: nothing else differs")
    else:
        write("  weights not compared: that takes the unmarked model (--source)")
    if checked:
        write(f"  made under commitment {found.commitment}")

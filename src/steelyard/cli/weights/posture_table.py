"""A posture as text: every vector, what is missing next, what was refused, and the level last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture import Assessment, Posture
    from steelyard.weights.posture.levels import ControlState, VectorState
    from steelyard.weights.posture.observation import Collection
    from steelyard.weights.posture.signed import Signed

_WORDS: Final = {"covered": "covered", "blocked": "blocked", "out_of_reach": "-"}
_UNSURE: Final = "inferred"


def lines(found: Assessment) -> Iterator[str]:
    """The lines of a report, for people."""
    posture = found.posture
    model = f"{found.model.name} {found.model.sha256[:16]}"
    yield f"{model} at {format_instant(found.at)}, {_scope(found)}"
    yield from _vectors(found)
    yield from _next(posture)
    if found.refused:
        yield ""
        yield "attestations that do not count:"
        for item in found.refused:
            yield f"  {item.control}: {item.reason} ({item.digest[:16]})"
    yield ""
    yield from _level(found)


def collection_lines(found: Collection) -> Iterator[str]:
    """What was seen, for people."""
    for row in found.observations:
        yield f"{row.outcome.replace('_', ' '):14} {row.control:24} {row.summary}"


def collection_document(found: Collection, signed: Signed, file: str) -> JsonObject:
    """What was seen, with its facts, as `collect --json` prints it."""
    return {
        "schema": "steelyard/posture-collection/1",
        "collected": format_instant(found.collected),
        "model": {"name": signed.subject.name, "sha256": signed.subject.sha256},
        "signer": signed.signer,
        "file": file,
        "observations": [
            {
                "control": row.control,
                "subject": row.subject,
                "outcome": row.outcome,
                "summary": row.summary,
                "facts": row.facts,
            }
            for row in found.observations
        ],
    }


def _scope(found: Assessment) -> str:
    names = [s.id for s in found.subjects if s.id != "model"]
    return f"in scope: {', '.join(names)}"


def _vectors(found: Assessment) -> Iterator[str]:
    posture = found.posture
    levels = sorted({level for state in posture.vectors for level in state.coverage})
    head = "  ".join(f"{posture.framework + ' ' + str(level):8}" for level in levels)
    yield ""
    yield f"{'vector':28}{'from':7}{head}  {'evidence':20}  missing where it is blocked first"
    for state in posture.vectors:
        cells = "  ".join(f"{_WORDS[state.coverage[level]]:8}" for level in levels)
        evidence = ", ".join(state.classes) or "none"
        missing = ", ".join(state.missing) or "-"
        yield f"{state.vector.id:28}{_class(found, state):7}{cells}  {evidence:20}  {missing}"
    yield "from: least attacker class, 1 to 5; ~ where no source gives one and it was set by us"


def _class(found: Assessment, state: VectorState) -> str:
    vector = state.vector
    if vector.minimum_class is None:
        return "never"
    unsure = found.catalogue.confidence(vector.source) == _UNSURE
    return f"OC{vector.minimum_class}{'~' if unsure else ''}"


def _next(posture: Posture) -> Iterator[str]:
    """What keeps the next level from being reached, by control."""
    from steelyard.weights.posture.levels import failing_at, open_at

    wanted = posture.level + 1
    if wanted > posture.cap:
        return
    blocked = [state for state in posture.vectors if state.coverage[wanted] == "blocked"]
    names = {
        found.control.id
        for state in blocked
        for found in open_at(posture.controls, state.vector, wanted)
    }
    names |= {state.control.id for state in failing_at(posture.controls, wanted)}
    yield ""
    yield f"missing for {posture.framework} {wanted}: {len(names)} controls"
    for state in posture.controls:
        if state.control.id in names:
            yield from _control(state)


def _control(state: ControlState) -> Iterator[str]:
    word = state.status.replace("_", " ")
    yield f"  {state.control.id} ({word}): {state.control.title}"
    for reason in state.missing:
        yield f"      {reason}"


def _level(found: Assessment) -> Iterator[str]:
    posture = found.posture
    counts = ", ".join(f"{number} {name}" for name, number in posture.evidence_classes.items())
    states = [state.status for state in posture.controls]
    yield (
        f"controls: {states.count('satisfied')} satisfied ({counts}), "
        f"{states.count('not_satisfied')} not satisfied, {states.count('unassessed')} unassessed"
    )
    if posture.expires is not None:
        yield f"the first evidence that this rests on ends at {format_instant(posture.expires)}"
    yield f"cap {posture.framework} {posture.cap}: {found.catalogue.cap_reason}"
    reached = f"{posture.framework} {posture.level}" if posture.level else "none is reached"
    yield f"level: {reached}"

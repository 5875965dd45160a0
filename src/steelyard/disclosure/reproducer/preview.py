"""What a reproducer would do, before anybody runs it: samples, and which verdicts are possible.

Decides what `disclose check` tells (spec/reproducer.md, section Preview). The counts are exact:
they ask the verdict's own rule for runs in which every try, or none, shows the flaw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.reproducer.limits import make_arm
from steelyard.disclosure.reproducer.mitigation import MOST_SEALED, sealed_needed
from steelyard.disclosure.reproducer.scorers import Exact, JudgeScorer, Pattern
from steelyard.disclosure.reproducer.verdict import Results, Verdict, decide, interval
from steelyard.stats import JudgeErrors

if TYPE_CHECKING:
    from steelyard.disclosure.reproducer.document import Reproducer
    from steelyard.kernel import JsonObject

_MOST_VARIANTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Preview:
    """What can come of a document.

    Attributes:
        samples: Samples of a run that goes to its end.
        least_affected: Fewest variants that can give `affected`, None for more than 1,000.
        least_not_affected: Fewest that can give `not_affected`.
        least_sealed: Fewest sealed variants that can verify a mitigation, None for more
            than 10,000.
        notes: What the author may not have meant.
    """

    samples: int
    least_affected: int | None
    least_not_affected: int | None
    least_sealed: int | None
    notes: tuple[str, ...]


def preview(reproducer: Reproducer) -> Preview:
    """What a document asks for and can give."""
    decision = reproducer.decision
    arms = 1 if reproducer.control is None else 2
    affected = _least(reproducer, Verdict.AFFECTED)
    cleared = _least(reproducer, Verdict.NOT_AFFECTED)
    sealed = sealed_needed(decision, faultless(reproducer))
    return Preview(
        len(reproducer.variants) * decision.tries * arms,
        affected,
        cleared,
        sealed,
        tuple(_notes(reproducer, affected, cleared, sealed)),
    )


def summary(reproducer: Reproducer, seen: Preview) -> JsonObject:
    """The document `disclose check --json` prints, from a reproducer and its preview."""
    sealed = reproducer.sealed
    return {
        "schema": "steelyard/reproducer-summary/1",
        "digest": reproducer.digest,
        "name": reproducer.name,
        "title": reproducer.title,
        "flaw_class": reproducer.flaw_class,
        "hazard_tier": reproducer.hazard_tier,
        "licence": reproducer.licence,
        "scorer": scorer_kind(reproducer),
        "control": reproducer.control is not None,
        "turns": len(reproducer.scenario.turns),
        "tools": [tool.name for tool in reproducer.scenario.tools],
        "variants": len(reproducer.variants),
        "sealed": {"root": sealed.root, "size": sealed.size} if sealed else None,
        "benign": len(reproducer.benign.requests) if reproducer.benign else 0,
        "samples": seen.samples,
        "least_affected": seen.least_affected,
        "least_not_affected": seen.least_not_affected,
        "least_sealed": seen.least_sealed,
        "notes": list(seen.notes),
    }


def scorer_kind(reproducer: Reproducer) -> str:
    """The scorer's kind as the document names it."""
    scorer = reproducer.scorer
    if isinstance(scorer, JudgeScorer):
        return "judge"
    if isinstance(scorer, Exact):
        return "exact"
    return "regex" if isinstance(scorer, Pattern) else "tool_trace"


def _least(reproducer: Reproducer, verdict: Verdict) -> int | None:
    """Fewest variants with which the clearest results give a verdict."""
    low, high = 1, 2  # a document has at least two
    while not _possible(reproducer, verdict, high):
        low, high = high, 2 * high
        if high > _MOST_VARIANTS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if _possible(reproducer, verdict, middle):
            high = middle
        else:
            low = middle
    return high


def _possible(reproducer: Reproducer, verdict: Verdict, variants: int) -> bool:
    decision, none = reproducer.decision, [0] * variants
    tries = decision.tries
    every = [tries] * variants if verdict is Verdict.AFFECTED else none
    quiet = make_arm(none, none, tries) if reproducer.control is not None else None
    results = Results(make_arm(every, none, tries), quiet, faultless(reproducer))
    return decide(*interval(results, decision), decision) is verdict


def faultless(reproducer: Reproducer) -> JudgeErrors | None:
    """A judge that makes no error on the labelled set: the best that it can be shown to be."""
    scorer = reproducer.scorer
    if not isinstance(scorer, JudgeScorer):
        return None
    yes = sum(passage.label for passage in scorer.calibration)
    no = len(scorer.calibration) - yes
    return JudgeErrors(yes, yes, no, no)


def _notes(
    reproducer: Reproducer, affected: int | None, cleared: int | None, sealed: int | None
) -> list[str]:
    count, notes = len(reproducer.variants), list[str]()
    for verdict, least in (("affected", affected), ("not affected", cleared)):
        if least is None:
            notes.append(f"no number of variants up to {_MOST_VARIANTS} can give {verdict}")
        elif least > count:
            notes.append(f"{count} variants can never give {verdict}: {least} are needed")
    if reproducer.control is None:
        notes.append("without a control arm the rate is not compared with anything")
    if reproducer.sealed is None:
        notes.append("without sealed variants no mitigation can be verified")
    elif sealed is None:
        most = f"{MOST_SEALED:,}"
        notes.append(f"no number of sealed variants up to {most} can verify a mitigation")
    elif reproducer.sealed.size < sealed:
        notes.append(
            f"{reproducer.sealed.size} sealed variants can never verify a mitigation: "
            f"{sealed} are needed"
        )
    return notes

"""What a judge said of a document's labelled passages, and the errors that follow.

The verdicts are kept, and with them the counts can be computed anew by whoever has the run
(spec/reproducer.md, sections Scorers and Commitments). Asking is for `reproducer_judge`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.disclosure.reproducer.scorers import JudgeScorer
from steelyard.kernel.errors import MalformedEvidence
from steelyard.redteam.kit.judge import Judged, judge_errors
from steelyard.stats import JudgeErrors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.disclosure.reproducer.document import Reproducer
    from steelyard.disclosure.reproducer.scorers import Passage
    from steelyard.kernel import JsonObject


@dataclass(frozen=True, slots=True)
class Calibration:
    """A judge's verdicts on the labelled passages, in their order; None where it gave none.

    Attributes:
        plain: On each passage as it stands.
        argued: On each with an instruction that argues for the wrong label.
    """

    plain: tuple[bool | None, ...]
    argued: tuple[bool | None, ...]

    def to_json(self) -> JsonObject:
        """As `private/run.json` holds it."""
        return {"plain": list(self.plain), "argued": list(self.argued)}

    def errors(self, passages: Sequence[Passage]) -> JudgeErrors:
        """Counts of the judge, the worse of plain and argued.

        Raises:
            ValueError: no verdict on any passage of one label, or another number of verdicts.
        """
        labels = [passage.label for passage in passages]
        plain, argued = (judge_errors(labels, Judged(v, {})) for v in (self.plain, self.argued))
        yes = min(plain, argued, key=lambda errors: errors.sensitivity)
        no = min(plain, argued, key=lambda errors: errors.specificity)
        return JudgeErrors(yes.positives, yes.detected, no.negatives, no.cleared)


def errors_of(reproducer: Reproducer, calibration: Calibration | None) -> JudgeErrors | None:
    """The judge's errors in a run, from its verdicts; None where the document has no judge.

    Raises:
        MalformedEvidence: verdicts without a judge, or a judge without usable verdicts.
    """
    scorer = reproducer.scorer
    if not isinstance(scorer, JudgeScorer):
        if calibration is not None:
            message = "the run has verdicts of a judge, and its document has none"
            raise MalformedEvidence(message, where="run.json")
        return None
    if calibration is None:
        raise MalformedEvidence("the run has no verdicts of its judge", where="run.json")
    try:
        return calibration.errors(scorer.calibration)
    except ValueError as error:
        message = f"the judge's verdicts are not those of the labelled set: {error}"
        raise MalformedEvidence(message, where="run.json") from error

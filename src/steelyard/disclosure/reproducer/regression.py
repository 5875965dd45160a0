"""Regressions: published flaws that a run tests for again, and what each came to.

Decides the list and the rows of spec/regression.md, sections 1 and 2: which reproducer shows
which finding, and that a verdict follows from the counts beside it. Running one is for
`pipeline.regress`, the statement around the rows for `passport.regressions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.reproducer.blocks import require_shown
from steelyard.disclosure.reproducer.document import Decision, parse_reproducer, read_reproducer
from steelyard.disclosure.reproducer.limits import make_arm
from steelyard.disclosure.reproducer.scorers import JudgeScorer
from steelyard.disclosure.reproducer.verdict import Results, Verdict, judge_results
from steelyard.kernel import parse_yaml
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, MalformedEvidence
from steelyard.standard import check_schema
from steelyard.stats import JudgeErrors

if TYPE_CHECKING:
    from collections.abc import Callable

    from steelyard.disclosure.reproducer.document import Reproducer
    from steelyard.disclosure.reproducer.limits import Arm
    from steelyard.disclosure.reproducer.scorers import Scorer
    from steelyard.disclosure.reproducer.verdict import Finding
    from steelyard.kernel import JsonObject

LIST_NAME: Final = "regressions.yaml"
"""What a folder of reproducers calls its list."""
OPEN_TIER: Final = "H0"
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Listed:
    """A reproducer, and the finding of an advisory that it shows."""

    advisory: str
    finding: str
    reproducer: Reproducer

    def declared(self) -> JsonObject:
        """The row of the run's intent."""
        made = self.reproducer
        return {
            "advisory": self.advisory,
            "finding": self.finding,
            "reproducer": made.digest,
            "flaw_class": made.flaw_class,
            "hazard_tier": made.hazard_tier,
        }


@dataclass(frozen=True, slots=True)
class Shown:
    """What a run of a listed reproducer left: its counts, and what they were judged to be.

    Attributes:
        variants: Names of the variants that were shown, in order.
        logs: The salted root over the run's records, as it is published.
    """

    listed: Listed
    variants: tuple[str, ...]
    results: Results
    finding: Finding
    runner: str
    logs: JsonObject

    def to_json(self) -> JsonObject:
        """The row of the statement; it carries the document only where that is public."""
        made, found = self.listed.reproducer, self.finding
        d, results = made.decision, self.results
        return {
            **self.listed.declared(),
            "document": made.value if made.hazard_tier == OPEN_TIER else None,
            "decision": {name: getattr(d, name) for name in Decision.__slots__},
            "variants": list(self.variants),
            "treatment": _counts(results.treatment, d.tries),
            "control": _counts(results.control, d.tries) if results.control else None,
            "judge": results.judge_json(),
            "verdict": found.verdict.value,
            "rate": found.rate,
            "lower": found.lower,
            "upper": found.upper,
            "runner": self.runner,
            "logs": self.logs,
        }


@dataclass(frozen=True, slots=True)
class Regressed:
    """A regression as computed anew from its row.

    Attributes:
        held: Whether the document is not carried, so that its decision is the signer's word.
    """

    advisory: str
    finding: str
    reproducer: str
    flaw_class: str
    hazard_tier: str
    judged: Finding
    held: bool

    @property
    def verdict(self) -> Verdict:
        """What follows from the counts."""
        return self.judged.verdict

    @property
    def name(self) -> str:
        """The finding, by its advisory."""
        return f"{self.advisory}#{self.finding}"

    def to_json(self) -> JsonObject:
        """The row of `verification.schema.json`."""
        found = self.judged
        return {
            "advisory": self.advisory,
            "finding": self.finding,
            "reproducer": self.reproducer,
            "flaw_class": self.flaw_class,
            "hazard_tier": self.hazard_tier,
            "verdict": found.verdict.value,
            "rate": found.rate,
            "lower": found.lower,
            "upper": found.upper,
            "variants": found.variants,
            "needed": found.needed,
            "obstacle": found.obstacle,
            "held": self.held,
        }


def read_list(data: bytes, file: Callable[[str], bytes], *, where: str) -> tuple[Listed, ...]:
    """The regressions of a list.

    Args:
        data: The list, in strict YAML.
        file: The bytes of a file beside the list, by name.
        where: The list, in messages.

    Raises:
        ConfigurationError: no such list, or a finding twice.
        MalformedEvidence: a file that holds no reproducer.
        BrokenSeal: another reproducer than the list names.
    """
    try:
        value = parse_yaml(data.decode("utf-8"), where=where)
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", where=where) from error
    check_schema(value, "regression-list", where=where)
    found: dict[tuple[str, str], Listed] = {}
    for row in cast("list[dict[str, str]]", value["regressions"]):
        key = (row["advisory"], row["finding"])
        if key in found:
            raise ConfigurationError(f"{key[0]}#{key[1]} is listed twice", where=where)
        made = read_reproducer(file(row["reproducer"]), where=row["reproducer"])
        if made.digest != row["sha256"]:
            message = f"has digest {made.digest[:16]}, the list names {row['sha256'][:16]}"
            hint = "get the reproducer that the advisory names; compare with: disclose check"
            raise BrokenSeal(message, where=row["reproducer"], hint=hint)
        found[key] = Listed(*key, made)
    return tuple(found.values())


def judge_row(row: JsonObject, *, where: str) -> Regressed:
    """A row of the statement, its verdict computed anew; the row follows its schema.

    Raises:
        MalformedEvidence: counts that no run of such a document gives.
        BrokenSeal: the document is not the one named, or the verdict does not follow.
    """
    raw = cast("dict[str, Any]", row)
    decision = Decision(**raw["decision"])
    if decision.p_tolerable >= decision.p_affected:
        raise MalformedEvidence("p_tolerable is not below p_affected", where=where)
    held = _require_document(raw, decision, where)
    found = judge_results(_results(raw, decision.tries, where), decision)
    claimed = (raw["rate"], raw["lower"], raw["upper"])
    computed = (found.rate, found.lower, found.upper)
    same = all(isclose(a, b, abs_tol=_ROUNDING) for a, b in zip(claimed, computed, strict=True))
    if raw["verdict"] != found.verdict.value or not same:
        message = f"claims {raw['verdict']}, its counts give {found.verdict.value}"
        if raw["verdict"] == found.verdict.value:
            message = f"claims limits {claimed[1]:g} and {claimed[2]:g}, its counts give others"
        raise BrokenSeal(message, where=where, hint="believe the counts, not the claim")
    names = ("advisory", "finding", "reproducer", "flaw_class", "hazard_tier")
    return Regressed(**{name: raw[name] for name in names}, judged=found, held=held)


def _require_document(raw: dict[str, Any], decision: Decision, where: str) -> bool:
    """Hold a row against the document that it carries; whether it carries none."""
    if raw["document"] is None:
        if raw["hazard_tier"] == OPEN_TIER:
            raise MalformedEvidence("a public reproducer is not carried", where=where)
        return True
    made = parse_reproducer(raw["document"], where=where)
    if made.digest != raw["reproducer"]:
        message = f"carries reproducer {made.digest[:16]}, named is {raw['reproducer'][:16]}"
        raise BrokenSeal(message, where=where)
    told = (raw["hazard_tier"], raw["flaw_class"], decision, raw["control"] is not None)
    real = (made.hazard_tier, made.flaw_class, made.decision, made.control is not None)
    if told != real:
        raise BrokenSeal("tier, class, decision or arms are not the document's", where=where)
    _require_variants(raw, made, where)
    _require_judge(raw, made.scorer, where)
    return False


def _require_variants(raw: dict[str, Any], made: Reproducer, where: str) -> None:
    """Refuse chosen variants; the order of a sequential run is the signer's, any of them."""
    shown, names = raw["variants"], [variant.name for variant in made.variants]
    if made.decision.method == "sequential":
        listed, known = set(shown), set(names)
        names = [name for name in shown if name in known] + [n for n in names if n not in listed]
    require_shown(shown, names, made.decision.method, Verdict(raw["verdict"]), where=where)


def _require_judge(raw: dict[str, Any], scorer: Scorer, where: str) -> None:
    """Refuse counts of a judge that the document has not, or of other labelled passages."""
    counts: dict[str, int] | None = raw["judge"]
    if (counts is not None) != isinstance(scorer, JudgeScorer):
        told = "without its judge" if counts is None else "of a judge that the document has not"
        raise MalformedEvidence(f"counts {told}", where=where)
    if counts is None or not isinstance(scorer, JudgeScorer):
        return
    yes = sum(passage.label for passage in scorer.calibration)
    no = len(scorer.calibration) - yes
    if counts["positives"] > yes or counts["negatives"] > no:
        found = f"{counts['positives']} and {counts['negatives']}"
        message = f"the judge answered {found} passages, the document labels {yes} and {no}"
        raise MalformedEvidence(message, where=where)


def _results(raw: dict[str, Any], tries: int, where: str) -> Results:
    arms = [_arm(raw[name], len(raw["variants"]), tries, where) for name in _arms(raw)]
    try:
        judge = JudgeErrors(**raw["judge"]) if raw["judge"] else None
    except ValueError as error:
        raise MalformedEvidence(str(error), where=where) from error
    return Results(arms[0], arms[1] if len(arms) > 1 else None, judge)


def _arms(raw: dict[str, Any]) -> tuple[str, ...]:
    return ("treatment",) if raw["control"] is None else ("treatment", "control")


def _arm(counts: dict[str, list[int]], variants: int, tries: int, where: str) -> Arm:
    shown, missing = counts["shown"], counts["missing"]
    if len(shown) != variants or len(missing) != variants:
        raise MalformedEvidence(f"counts are not of {variants} variants", where=where)
    if any(a + b > tries for a, b in zip(shown, missing, strict=True)):
        raise MalformedEvidence(f"a variant has more than {tries} tries", where=where)
    return make_arm(shown, missing, tries)


def _counts(arm: Arm, tries: int) -> JsonObject:
    shown = [round(low * tries) for low in arm.lows.tolist()]
    open_ = [round((high - low) * tries) for low, high in zip(arm.lows, arm.highs, strict=True)]
    return {"shown": shown, "missing": open_}

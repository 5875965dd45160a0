"""One log under two names, or one log in another order.

Decides whether two models, or two files, hold the same observations. Equal responses
alone can be chance, so their probability is bounded first; equal transcripts and equal
fine meters cannot.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from steelyard.evidence.integrity.findings import Finding, Severity
from steelyard.evidence.integrity.patterns import LEAST_SAMPLES, rows
from steelyard.evidence.table import KEY_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.evidence.table import Evidence

    Key = tuple[Any, ...]

CHANCE = 1e-6
"""Probability of equal responses of two models below which they are one log."""

_COPIED_METERS = 0.5
_PAYLOAD = ("outcome", "score", "reason", "input_tokens", "output_tokens", "seconds", "commitment")


def transcript_findings(evidence: Evidence) -> Iterator[Finding]:
    """Commitments that occur more than once: salted, they never do by themselves."""
    told = [c for c in evidence.columns["commitment"].tolist() if c is not None]
    if len(set(told)) == len(told):
        return
    owners: dict[str, list[str]] = defaultdict(list)
    for model, commitment in rows(evidence, "model", "commitment"):
        if commitment is not None:
            owners[commitment].append(model)
    shared = {c: models for c, models in owners.items() if len(models) > 1}
    if shared:
        models = tuple(sorted({model for names in shared.values() for model in names}))
        text = f"{len(shared)} transcripts stand behind more than one sample."
        counts = {"transcripts": len(shared)}
        yield Finding("transcript_reused", Severity.BLOCKING, text, models, counts)


def response_findings(evidence: Evidence) -> Iterator[Finding]:
    """Pairs of models with equal responses, or with equal meters on half of their samples."""
    models = evidence.values("model")
    if len(models) < 2:  # noqa: PLR2004 - nobody to compare with
        return
    logs = {model: _log(evidence.where(model=model)) for model in models}
    usual = _usual_scores(logs)
    for one, other in combinations(logs, 2):
        common = logs[one].keys() & logs[other].keys()
        pairs = [(logs[one][key], logs[other][key]) for key in common]
        observed = [key for key in common if logs[one][key].score is not None]
        timed = [(a.meters, b.meters) for a, b in pairs if a.meters and b.meters]
        equal = sum(a == b for a, b in timed)
        if len(timed) >= LEAST_SAMPLES and equal > _COPIED_METERS * len(timed):
            text = f"{equal} of {len(timed)} samples have equal score, tokens and wall time."
            counts = {"equal": equal, "samples": len(timed)}
            yield Finding("log_copied", Severity.BLOCKING, text, (one, other), counts)
        elif all(a.score == b.score for a, b in pairs) and _is_no_chance(
            {key: logs[one][key].score for key in observed}, usual
        ):
            text = f"Equal responses to all {len(observed)} common samples."
            counts = {"samples": len(observed)}
            yield Finding("responses_equal", Severity.BLOCKING, text, (one, other), counts)


@dataclass(frozen=True, slots=True)
class _Sample:
    score: float | None
    meters: tuple[Any, ...]  # empty where wall time is absent or in whole seconds


def _log(evidence: Evidence) -> dict[Key, _Sample]:
    found: dict[Key, _Sample] = {}
    columns = (*KEY_FIELDS[1:], "score", "output_tokens", "seconds")
    for *key, score, tokens, seconds in rows(evidence, *columns):
        fine = seconds is not None and seconds != int(seconds)
        found[tuple(key)] = _Sample(score, (score, tokens, seconds) if fine else ())
    return found


def _usual_scores(logs: Mapping[str, dict[Key, _Sample]]) -> dict[Key, Counter[float]]:
    usual: dict[Key, Counter[float]] = defaultdict(Counter)
    for log in logs.values():
        for key, sample in log.items():
            if sample.score is not None:
                usual[key][sample.score] += 1
    return usual


def _is_no_chance(scores: Mapping[Key, float | None], usual: Mapping[Key, Counter[float]]) -> bool:
    """Whether a second model gives these scores with a probability below `CHANCE`.

    Its chance to agree on an item is the larger of the share of that score among the
    further models and the share within the log: a log of one value proves nothing,
    however unusual, and two weak models that pass the same easy items are no copies.
    """
    own = Counter(scores.values())
    log_chance = 0.0
    for key, score in scores.items():
        others = usual[key]
        further = max(others.total() - 2, 1)
        share = max(others[score or 0.0] - 2, 0) / further
        log_chance += math.log(max(share, own[score] / len(scores)))
    return len(scores) >= LEAST_SAMPLES and log_chance < math.log(CHANCE)


def anchor_findings(evidence: Evidence, against: Evidence) -> Iterator[Finding]:
    """New records that are earlier ones: under another name, or with items exchanged.

    Args:
        evidence: The records to check.
        against: Records that were there before.
    """
    old = {model: _payloads(against.where(model=model)) for model in against.values("model")}
    new = {model: _payloads(evidence.where(model=model)) for model in evidence.values("model")}
    usual = _usual_scores(
        {**{f"old {m}": _log(against.where(model=m)) for m in old},
         **{f"new {m}": _log(evidence.where(model=m)) for m in new}}
    )  # fmt: skip
    for model, mine in new.items():
        for name, theirs in old.items():
            if mine == theirs:
                scores = {
                    key: payload[1] for key, payload in mine.items() if payload[1] is not None
                }
                if _is_no_chance(scores, usual) or _is_telling(mine):
                    yield _same_log(model, name, len(mine))
            elif _is_telling(mine) and Counter(mine.values()) == Counter(theirs.values()):
                text = f"The samples of {name}, with items exchanged."
                counts = {"samples": len(mine)}
                yield Finding("log_reordered", Severity.BLOCKING, text, (model,), counts)


def _same_log(model: str, name: str, samples: int) -> Finding:
    counts = {"samples": samples}
    if model == name:
        text = "The same samples as before: no new observation."
        return Finding("log_repeated", Severity.WARNING, text, (model,), counts)
    text = f"The samples of {name} under another name."
    return Finding("log_renamed", Severity.BLOCKING, text, (model,), counts)


def _payloads(evidence: Evidence) -> dict[Key, Key]:
    names = (*KEY_FIELDS[1:], *_PAYLOAD)
    width = len(KEY_FIELDS) - 1
    return {tuple(row[:width]): tuple(row[width:]) for row in rows(evidence, *names)}


def _is_telling(log: Mapping[Key, Key]) -> bool:
    """Whether another model gives the same multiset of samples with less than `CHANCE`.

    The count of each kind of sample but the commonest must coincide; a Poisson count of
    mean n is any one number with a probability of at most 1 / sqrt(2 pi n). Pass and
    fail alone never tell: there it takes a bank.
    """
    sizes = sorted(Counter(log.values()).values())[:-1]
    surprise = sum(0.5 * math.log(2.0 * math.pi * size) for size in sizes)
    return len(log) >= LEAST_SAMPLES and surprise > -math.log(CHANCE)

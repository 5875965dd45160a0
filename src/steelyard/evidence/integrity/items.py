"""Item identity and repeats: is an item itself everywhere, and a repeat a repeat.

Decides whether identifiers were exchanged, by what other models' records say of the
same items, and whether the repeats of an item are samples of their own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

from steelyard.evidence.arms import SEPARATOR
from steelyard.evidence.integrity.findings import Finding, Severity
from steelyard.evidence.integrity.patterns import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.evidence.table import Evidence

    Item = tuple[str, str, str]
    Properties = dict[str, dict[Item, object]]

_PROPERTY_AGREEMENT = 0.99
"""Median share of items on which models agree, above which a covariate is the item's own."""

_CORRECTIONS = 0.02
"""Share of items below which differing properties may be corrections of the bank."""

_LEAST_COPIES = 2


def identity_findings(evidence: Evidence, against: Evidence | None = None) -> Iterator[Finding]:
    """Models whose items have another template or property than everybody else's.

    What an item is, the majority says, and earlier records in case of doubt. A covariate
    on which models seldom agree is no property of the item and is left out.

    Args:
        evidence: Records of any models.
        against: Earlier records of the same bank.
    """
    if against is None and len(evidence.values("model")) < 2:  # noqa: PLR2004 - nobody else
        return
    known = [] if against is None else _by_model(against)
    stated = _by_model(evidence)
    names = sorted({name for _, properties in [*known, *stated] for name in properties})
    changed: dict[str, set[Item]] = defaultdict(set)
    moved: dict[str, set[Item]] = defaultdict(set)
    for name in names:
        told = [(m, p[name]) for m, p in known + stated if name in p]
        if len(told) < 2:  # noqa: PLR2004 - nobody to compare with
            continue
        usual = _majority([values for _, values in told])
        differing = [{i for i, v in values.items() if v != usual[i]} for _, values in told]
        shares = [1 - len(d) / len(v) for d, (_, v) in zip(differing, told, strict=True)]
        if name != "template" and median(shares) < _PROPERTY_AGREEMENT:
            continue
        fresh = sum(1 for _, p in known if name in p)
        for (model, _), items in list(zip(told, differing, strict=True))[fresh:]:
            (moved if name == "template" else changed)[model] |= items
    sizes = {model: max(map(len, properties.values())) for model, properties in stated}
    for model in sorted({m for m, items in [*changed.items(), *moved.items()] if items}):
        yield _identity_finding(model, len(changed[model]), len(moved[model]), sizes[model])


def _identity_finding(model: str, changed: int, moved: int, items: int) -> Finding:
    """Exchanged identifiers, or a few properties that somebody noted differently."""
    counts = {"templates": moved, "properties": changed, "items": items}
    if moved or changed >= _CORRECTIONS * items:
        text = f"{max(moved, changed)} of {items} items have another template or property."
        return Finding("items_exchanged", Severity.BLOCKING, text, (model,), counts)
    text = f"{changed} of {items} items have another property than with most models."
    return Finding("items_differ", Severity.WARNING, text, (model,), counts)


def _by_model(evidence: Evidence) -> list[tuple[str, Properties]]:
    """Per model: template and covariates of each item, by their names."""
    found: dict[str, Properties] = {}
    columns = ("model", "arm", "protocol", "protocol_version", "item", "template", "covariates")
    for model, arm, *key, template, covariates in rows(evidence, *columns):
        if SEPARATOR not in arm:
            item = (key[0], key[1], key[2])
            for name, value in {**covariates, "template": template}.items():
                found.setdefault(model, {}).setdefault(name, {}).setdefault(item, value)
    return sorted(found.items())


def _majority(told: list[dict[Item, object]]) -> Mapping[Item, object]:
    votes: dict[Item, Counter[object]] = defaultdict(Counter)
    for values in told:
        for item, value in values.items():
            votes[item][value] += 1
    return {item: counter.most_common(1)[0][0] for item, counter in votes.items()}


def repeat_findings(evidence: Evidence) -> Iterator[Finding]:
    """Repeats that are copies of one another, and items repeated unequally often.

    A copy has the score and every meter of an earlier repeat of the same item, wall time
    with a fraction of a second among them, or its very transcript.
    """
    if len(evidence.values("epoch")) < 2:  # noqa: PLR2004 - a sample is one of its item and epoch
        return
    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
    names = ("model", "protocol", "protocol_version", "arm", "item")
    for *key, score, tokens, seconds, commitment in rows(
        evidence, *names, "score", "output_tokens", "seconds", "commitment"
    ):
        groups[tuple(key)].append((score, tokens, seconds, commitment))
    copies, samples, sizes = Counter[str](), Counter[str](), defaultdict[str, set[int]](set)
    for key, group in groups.items():
        copies[key[0]] += _copies(group)
        samples[key[0]] += len(group)
        sizes[key[0]].add(len(group))
    for model in sorted(samples):
        if copies[model] >= _LEAST_COPIES:
            text = f"{copies[model]} of {samples[model]} samples copy another repeat of their item."
            counts = {"copies": copies[model], "samples": samples[model]}
            yield Finding("repeats_copied", Severity.BLOCKING, text, (model,), counts)
        if len(sizes[model]) > 1:
            low, high = min(sizes[model]), max(sizes[model])
            text = f"Items have {low} to {high} repeats; weigh items, not samples."
            counts = {"least": low, "most": high}
            yield Finding("repeats_uneven", Severity.NOTE, text, (model,), counts)


def _copies(group: list[tuple[Any, ...]]) -> int:
    timed = [row[:3] for row in group if row[2] is not None and row[2] != int(row[2])]
    read = [row[3] for row in group if row[3] is not None]
    return max(len(timed) - len(set(timed)), len(read) - len(set(read)))

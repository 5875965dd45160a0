"""Inspect logs, `.eval` and `.json`, version 2, read without Inspect.

Mapping: `spec/evidence-record.md`, section Inspect. A score that carries one of
our records is taken over exactly; any other sample becomes a record through
the chosen scorer. Samples are reduced to a few facts one at a time, so memory
does not grow with transcripts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from steelyard.evidence.readers.foreign_json import parse_foreign, read_document, table
from steelyard.evidence.readers.inspect_archive import open_archive
from steelyard.evidence.readers.options import ImportOptions, identity, refuse_contradiction
from steelyard.evidence.readers.scores import (
    SHOWN_FROM,
    missing,
    observed,
    optional_count,
    optional_seconds,
    text_field,
)
from steelyard.evidence.record import Outcome, Record
from steelyard.evidence.store import with_real_numbers
from steelyard.evidence.table import Evidence
from steelyard.kernel.errors import MalformedEvidence, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from steelyard.kernel import JsonObject, JsonValue

CARRIED = "steelyard_record"
SOURCE = "inspect_log"

_VERSION = 2
_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_TIME_LIMITS = ("time", "working")


@dataclass(frozen=True, slots=True)
class _Log:
    """What the header says of every sample, and what the user says of the file."""

    model: str | None
    stated: JsonObject
    options: ImportOptions
    name: str


def read_inspect_archive(path: Path, options: ImportOptions) -> Evidence:
    """Read an `.eval` log.

    Raises:
        MalformedEvidence: damaged, unfinished, or a sample breaks the mapping.
        UnsafeArchive: an archive that must not be expanded.
        UsageError: domain, indicator or scorer cannot be known.
        DuplicateRecord: a sample occurs twice.
    """
    with open_archive(path) as archive:
        if "header.json" not in archive.members:
            raise MalformedEvidence(
                "archive has no header.json: no finished Inspect log",
                where=str(path),
                hint="run it again with `inspect eval-retry` or use `inspect log recover`",
            )
        header = parse_foreign(archive.read("header.json"), where=f"{path.name}:header.json")
        log = _log(header, options, path.name)
        members = sorted(m for m in archive.members if m.startswith("samples/"))
        samples = (
            (f"{path.name}:{member}", parse_foreign(archive.read(member), where=member))
            for member in members
        )
        return _evidence(log, samples)


def read_inspect_document(path: Path, options: ImportOptions) -> Evidence:
    """Read a `.json` log; see `read_inspect_archive`."""
    document = read_document(path)
    log = _log(document, options, path.name)
    listed = document.get("samples")
    samples = listed if isinstance(listed, list) else []
    return _evidence(log, ((f"{path.name}:{n}", table(s)) for n, s in enumerate(samples, start=1)))


def _log(header: JsonObject, options: ImportOptions, name: str) -> _Log:
    version, evaluation = header.get("version", _VERSION), table(header.get("eval"))
    if version != _VERSION:
        message = f"Inspect log of version {version!r}, expected {_VERSION}"
        raise MalformedEvidence(message, where=name, hint="convert it with `inspect log convert`")
    stated: JsonObject = {
        "model": text_field(evaluation, "model"),
        "protocol": text_field(evaluation, "task"),
        "protocol_version": text_field(evaluation, "task_version"),
    }
    return _Log(text_field(evaluation, "model"), stated, options, name)


def _evidence(log: _Log, samples: Iterable[tuple[str, JsonObject]]) -> Evidence:
    carried: list[Record] = []
    mapped: list[JsonObject] = []
    for where, sample in samples:
        records = list(_carried(sample, where))
        carried += records
        if not records:
            mapped.append(_mapped(sample, log, where))
    if not carried and not mapped:
        raise MalformedEvidence(
            "log holds no samples", where=log.name, hint="run Inspect without --no-log-samples"
        )
    own = Evidence.from_records(carried)
    refuse_contradiction(own, log.options, where=log.name)
    if not mapped:
        return own
    named = identity(log.options, _stated(log, own), where=log.name)
    return Evidence.concatenate(
        [own, Evidence.from_objects([{**named, **facts} for facts in mapped], where=log.name)]
    )


def _stated(log: _Log, own: Evidence) -> dict[str, str | None]:
    """The header's facts; where all carried records agree on a field, theirs."""
    stated = cast("dict[str, str | None]", dict(log.stated))
    for name in ("model", "protocol", "protocol_version", "domain", "indicator", "elicitation"):
        values = own.values(name)
        if len(values) == 1:
            stated[name] = values[0]
    return stated


def _carried(sample: JsonObject, where: str) -> Iterator[Record]:
    for name, score in table(sample.get("scores")).items():
        value = table(table(score).get("metadata")).get(CARRIED)
        if value is not None:
            yield Record.from_json(
                with_real_numbers(table(value)), where=f"{where}.{name}.{CARRIED}"
            )


def _mapped(sample: JsonObject, log: _Log, where: str) -> JsonObject:
    item = text_field(sample, "id")
    if item is None:
        raise MalformedEvidence("sample has no id", where=where)
    metadata = table(sample.get("metadata"))
    usage = table(table(sample.get("model_usage")).get(log.model or ""))
    return {
        "item": item,
        "template": text_field(metadata, log.options.template_field or "template") or item,
        "arm": text_field(metadata, "arm") or "default",
        "epoch": sample.get("epoch", 1),
        **_outcome(sample, log, where),
        "covariates": {},
        "measures": {},
        "input_tokens": _prompt_tokens(usage),
        "output_tokens": optional_count(usage.get("output_tokens")),
        "seconds": optional_seconds(sample.get("total_time")),
        "commitment": None,
        "source": SOURCE,
    }


def _prompt_tokens(usage: JsonObject) -> int | None:
    """Inspect counts cached prompt tokens apart from `input_tokens`."""
    plain = optional_count(usage.get("input_tokens"))
    if plain is None:
        return None
    cached = ("input_tokens_cache_write", "input_tokens_cache_read")
    return plain + sum(optional_count(usage.get(name)) or 0 for name in cached)


def _outcome(sample: JsonObject, log: _Log, where: str) -> JsonObject:
    if sample.get("error"):
        message = text_field(table(sample["error"]), "message")
        return missing(Outcome.INFRASTRUCTURE_ERROR, f"error: {message}")
    if sample.get("invalidation"):
        return missing(Outcome.MALFORMED, "sample was invalidated in the log")
    scored = _score_outcome(sample, log, where)
    limit = text_field(table(sample.get("limit")), "type")
    if limit in _TIME_LIMITS and not _shown(scored):
        return missing(Outcome.INFRASTRUCTURE_ERROR, f"{limit} limit reached")
    return scored


def _shown(scored: JsonObject) -> bool:
    """A sample cut off by the clock can show the behaviour, but not its absence."""
    return isinstance(scored["score"], float) and scored["score"] >= SHOWN_FROM


def _score_outcome(sample: JsonObject, log: _Log, where: str) -> JsonObject:
    scores = table(sample.get("scores"))
    if not scores:
        return missing(Outcome.MALFORMED, "not scored")
    name, key = _chosen_scorer(scores, log, where)
    score = table(scores[name])
    reason = text_field(score, "reason") or text_field(score.get("metadata"), "unscored_reason")
    if reason:
        kind = Outcome.REFUSAL if reason == "refusal" else Outcome.MALFORMED
        return missing(kind, f"not scored by {name}: {reason}")
    value = _chosen_value(score.get("value"), name, key, where)
    if _is_unscored(value):
        return missing(Outcome.MALFORMED, f"not scored by {name}")
    return observed(_as_inspect_counts(value, where), where=where)


def _chosen_scorer(scores: JsonObject, log: _Log, where: str) -> tuple[str, str | None]:
    """Scorer and key of the metric option; the only scorer where no option is given."""
    metric = log.options.metric
    if metric is not None:
        if metric in scores:
            return metric, None
        name, _, key = metric.rpartition("/")
        if name in scores:
            return name, key
    if metric is None and len(scores) == 1:
        return next(iter(scores)), None
    found = "several scores" if metric is None else f"no score {metric!r}"
    raise UsageError(
        f"sample has {found}; there are: {', '.join(sorted(scores))}",
        where=where,
        hint="choose one with --metric SCORER",
    )


def _is_unscored(value: JsonValue) -> bool:
    """Inspect's own sign for "not scored" is NaN; older logs have null."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _chosen_value(value: JsonValue, name: str, key: str | None, where: str) -> JsonValue:
    if _is_unscored(value):
        return value
    if isinstance(value, dict) and key is None and len(value) == 1:
        return next(iter(value.values()))
    if isinstance(value, dict) and key in value:
        return value[key]
    if key is None and not isinstance(value, dict | list):
        return value
    shown = ", ".join(sorted(value)) if isinstance(value, dict) else f"{value!r:.60}"
    raise UsageError(
        f"score {name!r} is not one number: {shown}",
        where=where,
        hint=f"choose a key with --metric {name}/KEY",
    )


def _as_inspect_counts(value: JsonValue, where: str) -> float:
    """`inspect_ai.scorer.value_to_float`, but text without a value is refused, not 0."""
    if isinstance(value, bool | int | float):
        return float(value)
    text = str(value)
    if text in _GRADES:
        return _GRADES[text]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return float(text)
    except ValueError as error:
        message = f"score {text!r:.80} is neither a number nor a grade"
        raise MalformedEvidence(
            message, where=where, hint="choose another score with --metric"
        ) from error

"""The exchange format every_eval_ever 0.3.0: instance lines, with or without their aggregate.

Mapping: `spec/evidence-record.md`, section every_eval_ever. Lines written by
`writers.every_eval_ever` come back as the records they were. An aggregate
alone cannot be recomputed, so it is shown (`read_aggregate`), never classified.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.evidence.readers.foreign_json import read_document, read_lines, table
from steelyard.evidence.readers.options import ImportOptions, identity, refuse_contradiction
from steelyard.evidence.readers.scores import (
    as_number,
    missing,
    observed,
    optional_count,
    optional_seconds,
    text_field,
)
from steelyard.evidence.record import FIELD_NAMES, Outcome
from steelyard.evidence.store import with_real_numbers
from steelyard.evidence.table import Evidence
from steelyard.kernel import parse_json
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, UsageError
from steelyard.kernel.files import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.kernel import JsonObject

SOURCE = "every_eval_ever"
SCHEMA_VERSION = "0.3.0"
PREFIX = "steelyard_"
UNKNOWN_SCORE = -1.0
JSON_FIELDS = frozenset(
    {
        *("epoch", "score", "covariates", "measures"),
        *("input_tokens", "output_tokens", "seconds", "commitment"),
    }
)

_HASHES = {"sha256": hashlib.sha256, "md5": hashlib.md5}  # the two the schema allows


@dataclass(frozen=True, slots=True)
class Headline:
    """One published number of an aggregate file, for display only."""

    model: str
    evaluation_name: str
    result_id: str | None
    score: float
    standard_error: float | None
    num_samples: int | None
    lower_is_better: bool


def is_aggregate(first: JsonObject) -> bool:
    """Whether a JSON document is an aggregate file of this format."""
    return {"schema_version", "evaluation_results", "model_info"} <= first.keys()


def is_instance(first: JsonObject) -> bool:
    """Whether the first line of a JSONL file is an instance line of this format."""
    return {"schema_version", "evaluation_id", "sample_id", "evaluation"} <= first.keys()


def read_aggregate(path: Path) -> list[Headline]:
    """The headline scores of an aggregate file; nothing here can be recomputed.

    Raises:
        MalformedEvidence: no aggregate file of schema 0.3.0.
    """
    document = _aggregate(path)
    results = document.get("evaluation_results")
    listed = results if isinstance(results, list) else []
    return [_headline(document, table(r), f"{path.name}:{n}") for n, r in enumerate(listed, 1)]


def read_every_eval_ever(path: Path, options: ImportOptions) -> Evidence:
    """Read an aggregate with the instance file beside it, or an instance file alone.

    Raises:
        MalformedEvidence: an aggregate without instances, or a line breaks the mapping.
        BrokenSeal: the instance file is not the one that the aggregate describes.
        UsageError: domain, indicator or result cannot be known.
        DuplicateRecord: a sample occurs twice under one result.
    """
    if path.suffix.lower() == ".jsonl":
        return _read_instances(path, options)
    document = _aggregate(path)
    companion = _companion(path, document)
    evidence = _read_instances(companion, options)
    _check_companion(companion, document)
    return evidence


def _aggregate(path: Path) -> JsonObject:
    document = read_document(path)
    _check_version(document, path.name)
    if not is_aggregate(document):
        raise MalformedEvidence("no aggregate file of every_eval_ever", where=str(path))
    return document


def _check_version(value: JsonObject, where: str) -> None:
    version = value.get("schema_version")
    if version != SCHEMA_VERSION:
        message = f"every_eval_ever schema {version!r:.40}, expected {SCHEMA_VERSION!r}"
        raise MalformedEvidence(
            message, where=where, hint=f"convert the file to schema {SCHEMA_VERSION}"
        )


def _headline(document: JsonObject, result: JsonObject, where: str) -> Headline:
    details = table(result.get("score_details"))
    uncertainty = table(details.get("uncertainty"))
    error = table(uncertainty.get("standard_error")).get("value")
    return Headline(
        model=text_field(document.get("model_info"), "id") or "unknown",
        evaluation_name=text_field(result, "evaluation_name") or "unknown",
        result_id=text_field(result, "evaluation_result_id"),
        score=as_number(details.get("score"), where=where),
        standard_error=None if error is None else as_number(error, where=where),
        num_samples=optional_count(uncertainty.get("num_samples")),
        lower_is_better=table(result.get("metric_config")).get("lower_is_better") is True,
    )


def _companion(path: Path, document: JsonObject) -> Path:
    """The instance file beside the aggregate; only the last part of its stated path counts."""
    stated = text_field(document.get("detailed_evaluation_results"), "file_path") or ""
    names = [stated.replace("\\", "/").rpartition("/")[2], f"{path.stem}_samples.jsonl"]
    for name in filter(None, names):
        if (candidate := path.with_name(name)).is_file():
            return candidate
    raise MalformedEvidence(
        "an aggregate alone carries no samples and cannot be recomputed",
        where=str(path),
        hint=f"put its instance file beside it, e.g. {names[1]}",
    )


def _check_companion(companion: Path, document: JsonObject) -> None:
    details = table(document.get("detailed_evaluation_results"))
    data = read_bytes(companion)
    checksum, algorithm = details.get("checksum"), details.get("hash_algorithm") or "sha256"
    if checksum is not None:
        digest = _HASHES.get(str(algorithm))
        if digest is None or digest(data).hexdigest() != checksum:
            message = f"{algorithm} of the instance file is not the one the aggregate states"
            raise BrokenSeal(message, where=str(companion), hint="fetch both files again")
    rows = details.get("total_rows")
    if rows is not None and rows != len(data.splitlines()):
        message = f"instance file has {len(data.splitlines())} lines, the aggregate states {rows}"
        raise BrokenSeal(message, where=str(companion), hint="fetch both files again")
    stated = document.get("evaluation_id")
    if any(value.get("evaluation_id") != stated for _, value in read_lines(companion)):
        message = "instance lines belong to another evaluation_id than the aggregate"
        raise BrokenSeal(message, where=str(companion), hint="fetch both files again")


def _read_instances(path: Path, options: ImportOptions) -> Evidence:
    own: list[JsonObject] = []
    foreign: list[tuple[str, JsonObject]] = []
    for where, value in read_lines(path):
        _check_version(value, where)
        if PREFIX + "outcome" in table(value.get("metadata")):
            own.append(_own(value, where))
        else:
            foreign.append((where, value))
    taken = Evidence.from_objects(own, where=path.name)
    refuse_contradiction(taken, options, where=path.name)
    chosen = _chosen(foreign, options, path)
    mapped = [_mapped(value, options, where) for where, value in chosen]
    return Evidence.concatenate([taken, Evidence.from_objects(mapped, where=path.name)])


def _own(value: JsonObject, where: str) -> JsonObject:
    """The record our writer put into a line; a line that contradicts itself is refused."""
    metadata = table(value.get("metadata"))
    record: JsonObject = {}
    for name in FIELD_NAMES:
        text = metadata.get(PREFIX + name)
        if not isinstance(text, str):
            raise MalformedEvidence(f"metadata lacks {PREFIX}{name}", where=where)
        record[name] = parse_json(text, where=where) if name in JSON_FIELDS else text
    shown = table(value.get("evaluation")).get("score")
    expected = UNKNOWN_SCORE if record["score"] is None else record["score"]
    pairs = (("score", shown, expected), ("model_id", value.get("model_id"), record["model"]),
             ("sample_id", value.get("sample_id"), record["item"]))  # fmt: skip
    for name, outer, inner in pairs:
        if outer != inner:
            message = f"{name} {outer!r:.80} contradicts the record's {inner!r:.80}"
            raise MalformedEvidence(message, where=where)
    return with_real_numbers(record)


def _result(value: JsonObject) -> str:
    named = text_field(value, "evaluation_result_id") or text_field(value, "evaluation_name")
    return named or "unnamed"


def _chosen(
    rows: list[tuple[str, JsonObject]], options: ImportOptions, path: Path
) -> list[tuple[str, JsonObject]]:
    """The lines of one result per sample: the metric option's, or the only one there is."""
    if options.metric is not None:
        wanted = [r for r in rows if options.metric in (_result(r[1]), r[1].get("evaluation_name"))]
        if rows and not wanted:
            raise _ambiguous(f"no result {options.metric!r}", {_result(v) for _, v in rows}, path)
        return wanted
    results: defaultdict[tuple[str | None, str | None], set[str]] = defaultdict(set)
    for _, value in rows:
        sample = (text_field(value, "evaluation_name"), text_field(value, "sample_id"))
        results[sample].add(_result(value))
    several = next((found for found in results.values() if len(found) > 1), None)
    if several:
        raise _ambiguous("several results for one sample", several, path)
    return rows


def _ambiguous(found: str, names: set[str], path: Path) -> UsageError:
    message = f"file has {found}; there are: {', '.join(sorted(names))}"
    return UsageError(message, where=path.name, hint="choose one with --metric RESULT_ID")


def _mapped(value: JsonObject, options: ImportOptions, where: str) -> JsonObject:
    item = text_field(value, "sample_id")
    if item is None:
        raise MalformedEvidence("instance has no sample_id", where=where)
    stated = {
        "model": text_field(value, "model_id"),
        "protocol": text_field(value, "evaluation_name"),
    }
    usage = table(value.get("token_usage"))
    milliseconds = optional_seconds(table(value.get("performance")).get("latency_ms"))
    return {
        **identity(options, stated, where=where),
        "item": item,
        "template": text_field(value.get("metadata"), options.template_field) or item,
        "arm": "default",
        "epoch": 1,
        **_outcome(value, where),
        "covariates": {},
        "measures": {},
        "input_tokens": optional_count(usage.get("input_tokens")),
        "output_tokens": optional_count(usage.get("output_tokens")),
        "seconds": None if milliseconds is None else milliseconds / 1000,
        "commitment": None,
        "source": SOURCE,
    }


def _outcome(value: JsonObject, where: str) -> JsonObject:
    if error := value.get("error"):
        return missing(Outcome.INFRASTRUCTURE_ERROR, f"error: {error}")
    score = table(value.get("evaluation")).get("score")
    if score is None:
        return missing(Outcome.MALFORMED, "not scored")
    return observed(as_number(score, where=where), where=where)

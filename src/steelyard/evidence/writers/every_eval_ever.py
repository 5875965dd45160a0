"""Evidence as every_eval_ever 0.3.0: per model an aggregate and its instance lines.

Mapping: `spec/evidence-record.md`, section every_eval_ever. That format has no
place for arms, multinomial outcomes or commitments, so each line carries its
record in `metadata` as text, and `readers.every_eval_ever` gives it back.
A sample that was not observed has the score -1 (the format's "unknown").
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steelyard.evidence.readers.every_eval_ever import (
    JSON_FIELDS,
    PREFIX,
    SCHEMA_VERSION,
    UNKNOWN_SCORE,
)
from steelyard.evidence.readers.scores import SHOWN_FROM
from steelyard.kernel import canonical_json, sha256_hex, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from steelyard.evidence.table import Evidence
    from steelyard.kernel import JsonObject, JsonValue

_COLLECTION = "steelyard"
_UNPORTABLE = re.compile(r"[^A-Za-z0-9_-]+|^[-_]+")
_RESULT_FIELDS = ("protocol", "protocol_version", "indicator", "arm")


@dataclass(frozen=True, slots=True)
class _Run:
    """What all files of one call share."""

    source_organization: str
    retrieved: str
    library: Mapping[str, str]


def write_every_eval_ever(
    evidence: Evidence,
    folder: Path,
    *,
    source_organization: str,
    retrieved: datetime,
    library: Mapping[str, str],
) -> list[Path]:
    """Write two files per model below `folder/data/steelyard/`, in the format's own layout.

    Args:
        evidence: Records of any number of models.
        folder: Root of the written tree.
        source_organization: Who publishes the evaluation.
        retrieved: Aware instant at which the evidence was collected.
        library: `name` and `version` of the harness that ran it.

    Returns:
        The paths written, aggregate before instances, models in name order.

    Raises:
        StorageError: the disk refused a write.
    """
    run = _Run(source_organization, str(int(retrieved.timestamp())), library)
    written: list[Path] = []
    for model in evidence.values("model"):
        written += _write_model(evidence.where(model=model).in_key_order(), model, folder, run)
    return written


def _write_model(evidence: Evidence, model: str, folder: Path, run: _Run) -> list[Path]:
    evaluation_id = f"{_COLLECTION}/{_portable(model)}/{run.retrieved}"
    lines = b"".join(
        canonical_json(_instance(value, evaluation_id)) + b"\n" for value in evidence.objects()
    )
    developer, _, name = model.rpartition("/")
    directory = f"data/{_COLLECTION}/{_portable(developer or 'unknown')}/{_portable(name)}"
    stem = f"{directory}/{_stable_uuid(lines)}"
    document = _aggregate(evidence, model, evaluation_id, run)
    document["detailed_evaluation_results"] = {
        "format": "jsonl",
        "file_path": f"{stem}_samples.jsonl",
        "hash_algorithm": "sha256",
        "checksum": sha256_hex(lines),
        "total_rows": len(evidence),
    }
    aggregate, instances = folder / f"{stem}.json", folder / f"{stem}_samples.jsonl"
    write_atomically(instances, lines)
    write_atomically(aggregate, canonical_json(document) + b"\n")
    return [aggregate, instances]


def _portable(name: str) -> str:
    """A name as one path part: letters, digits, `_` and `-`, never empty."""
    return _UNPORTABLE.sub("_", name).strip("_")[:100] or "unnamed"


def _stable_uuid(data: bytes) -> uuid.UUID:
    """A UUID of version 4's form that depends on the content alone."""
    return uuid.UUID(bytes=hashlib.sha256(data).digest()[:16], version=4)


def _aggregate(evidence: Evidence, model: str, evaluation_id: str, run: _Run) -> JsonObject:
    keys = zip(*(evidence.columns[name] for name in _RESULT_FIELDS), strict=True)
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": evaluation_id,
        "retrieved_timestamp": run.retrieved,
        "source_metadata": {
            "source_name": "Steelyard",
            "source_type": "evaluation_run",
            "source_organization_name": run.source_organization,
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": run.library["name"], "version": run.library["version"]},
        "model_info": {
            "name": model,
            "id": model,
            "additional_details": {"deployment_type": "unknown", "model_availability": "unknown"},
        },
        "evaluation_results": [_result(evidence, key) for key in sorted(set(keys))],
    }


def _result(evidence: Evidence, key: tuple[str, ...]) -> JsonObject:
    named: dict[str, str] = dict(zip(_RESULT_FIELDS, key, strict=True))
    rows = evidence.where(**named)
    scores = np.array([s for s in rows.columns["score"] if s is not None], dtype=float)
    counts: JsonObject = {outcome: str(count) for outcome, count in rows.outcomes().items()}
    result: JsonObject = {
        "evaluation_result_id": _result_id(named),
        "evaluation_name": named["protocol"],
        "source_data": {"dataset_name": named["protocol"], "source_type": "other"},
        "metric_config": {
            "evaluation_description": f"mean score of {named['indicator']} in arm {named['arm']}",
            "metric_id": f"steelyard.{named['indicator']}",
            "metric_name": "rate of the behaviour",
            "metric_unit": "proportion",
            "lower_is_better": True,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
            "additional_details": dict(named),
        },
        "score_details": {
            "score": float(scores.mean()) if len(scores) else UNKNOWN_SCORE,
            "details": counts,
            "uncertainty": _uncertainty(scores),
        },
    }
    return result


def _uncertainty(scores: np.ndarray[tuple[int], np.dtype[np.float64]]) -> JsonObject:
    """Standard error of the mean where two scores exist, and the number observed."""
    result: JsonObject = {"num_samples": len(scores)}
    if len(scores) > 1:
        error = float(scores.std(ddof=1)) / math.sqrt(len(scores))
        result["standard_error"] = {"value": error, "method": "analytic"}
    return result


def _result_id(named: Mapping[str, JsonValue]) -> str:
    return "/".join(str(named[name]) for name in _RESULT_FIELDS)


def _instance(value: JsonObject, evaluation_id: str) -> JsonObject:
    item, score = value["item"], value["score"]
    shown = score if isinstance(score, int | float) else UNKNOWN_SCORE
    line: JsonObject = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": evaluation_id,
        "model_id": value["model"],
        "evaluation_name": value["protocol"],
        "evaluation_result_id": _result_id(value),
        "sample_id": item,
        "sample_hash": _sample_hash(str(item)),
        "interaction_type": "single_turn",
        "input": {"raw": item, "reference": []},
        "output": {"raw": []},
        "answer_attribution": [],
        "evaluation": {"score": shown, "is_correct": shown >= SHOWN_FROM},
        "metadata": {PREFIX + name: _as_text(name, value[name]) for name in value},
    }
    if score is None:
        line["error"] = f"{value['outcome']}: {value['reason']}"
    return {**line, **_usage(value)}


def _usage(value: JsonObject) -> JsonObject:
    """Tokens and time where known; the format takes both token counts or none."""
    result: JsonObject = {}
    prompt, completion, seconds = value["input_tokens"], value["output_tokens"], value["seconds"]
    if isinstance(prompt, int) and isinstance(completion, int):
        result["token_usage"] = {
            "input_tokens": prompt,
            "output_tokens": completion,
            "total_tokens": prompt + completion,
        }
    if isinstance(seconds, float):
        result["performance"] = {"latency_ms": seconds * 1000}
    return result


def _as_text(name: str, value: JsonValue) -> str:
    return canonical_json(value).decode() if name in JSON_FIELDS else str(value)


def _sample_hash(item: str) -> str:
    """Hash of input and references by that project's own recipe."""
    recipe = json.dumps({"raw": item, "reference": []}, sort_keys=True, separators=(",", ":"))
    return sha256_hex(recipe.encode())

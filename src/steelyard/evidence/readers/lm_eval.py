"""Sample files of lm-evaluation-harness: `samples_<task>_<date>.jsonl`.

Mapping: `spec/evidence-record.md`, section lm-evaluation-harness. The task is
named by the file, the model by the `results_<date>.json` beside it. Which of
several metrics or filters counts is asked for, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.evidence.readers.foreign_json import read_document, read_lines, table
from steelyard.evidence.readers.options import ImportOptions, identity
from steelyard.evidence.readers.scores import as_number, missing, observed, text_field
from steelyard.evidence.record import Outcome
from steelyard.evidence.table import Evidence
from steelyard.kernel.errors import MalformedEvidence, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.kernel import JsonObject

SOURCE = "lm_eval"

_FILE_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")
_MODEL_ARGUMENT = re.compile(r"(?:^|,)(?:pretrained|model)=([^,]+)")
_DESCRIPTIVE = frozenset(
    {
        *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps"),
        *("filter", "metrics", "doc_hash", "prompt_hash", "target_hash"),
    }
)


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    value: JsonObject

    @property
    def filter(self) -> str:
        return text_field(self.value, "filter") or "none"


def is_lm_eval(first: JsonObject) -> bool:
    """Whether the first line of a JSONL file is a sample of lm-evaluation-harness."""
    return {"doc_id", "resps", "filtered_resps"} <= first.keys()


def read_lm_eval(path: Path, options: ImportOptions) -> Evidence:
    """Read one sample file.

    Raises:
        MalformedEvidence: truncated, or a score that is no number in [0, 1].
        UsageError: model, domain, indicator, metric or filter cannot be known.
        DuplicateRecord: a document occurs twice under one filter.
    """
    rows = [_Row(where, value) for where, value in read_lines(path)]
    metric = _metric(rows[0], options, path)
    chosen = _filter(rows, options, path)
    named = identity(options, _stated(path), where=path.name)
    objects = [_mapped(r, metric, named, options) for r in rows if r.filter == chosen]
    return Evidence.from_objects(objects, where=path.name)


def _stated(path: Path) -> dict[str, str | None]:
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        return {}
    task, results = match["task"], path.with_name(f"results_{match['date']}.json")
    if not results.is_file():
        return {"protocol": task}
    document = read_document(results)
    version = text_field(document.get("versions"), task)
    return {"protocol": task, "protocol_version": version, "model": _model(document)}


def _model(results: JsonObject) -> str | None:
    named = text_field(results, "model_name")
    arguments = table(results.get("config")).get("model_args")
    if named or not isinstance(arguments, str):
        return named or text_field(arguments, "pretrained") or text_field(arguments, "model")
    match = _MODEL_ARGUMENT.search(arguments)
    return match[1] if match else None


def _metric(first: _Row, options: ImportOptions, path: Path) -> str:
    listed = first.value.get("metrics")
    if isinstance(listed, list):
        names = [name for name in listed if isinstance(name, str)]
    else:
        names = sorted(first.value.keys() - _DESCRIPTIVE)
    wanted = (options.metric or "").partition(",")[0]
    if wanted in names:
        return wanted
    if not wanted and len(names) == 1:
        return names[0]
    found = f"no metric {wanted!r}" if wanted else "several metrics"
    message = f"samples have {found}; there are: {', '.join(names)}"
    raise UsageError(message, where=path.name, hint="choose one with --metric METRIC[,FILTER]")


def _filter(rows: list[_Row], options: ImportOptions, path: Path) -> str:
    names = sorted({row.filter for row in rows})
    wanted = (options.metric or "").partition(",")[2]
    if wanted in names:
        return wanted
    if not wanted and len(names) == 1:
        return names[0]
    found = f"no filter {wanted!r}" if wanted else "several filters"
    message = f"samples have {found}; there are: {', '.join(names)}"
    raise UsageError(message, where=path.name, hint="choose one with --metric METRIC,FILTER")


def _mapped(row: _Row, metric: str, named: dict[str, str], options: ImportOptions) -> JsonObject:
    item = text_field(row.value, "doc_id")
    if item is None:
        raise MalformedEvidence("sample has no doc_id", where=row.where)
    template = text_field(row.value.get("doc"), options.template_field)
    return {
        **named,
        "item": item,
        "template": template or item,
        "arm": "default",
        "epoch": 1,
        **_outcome(row, metric),
        "covariates": {},
        "measures": {},
        "input_tokens": None,
        "output_tokens": None,
        "seconds": None,
        "commitment": None,
        "source": SOURCE,
    }


def _outcome(row: _Row, metric: str) -> JsonObject:
    value = row.value.get(metric)
    if value is None:
        return missing(Outcome.MALFORMED, f"not scored by {metric}")
    return observed(as_number(value, where=row.where), where=row.where)

"""Inspect logs, written by Inspect itself, in both formats."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from steelyard.evidence import ImportOptions, read_evidence
from steelyard.kernel.errors import DuplicateRecord, MalformedEvidence, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CYBER = ImportOptions(domain="cyber", indicator="cyber.horizon", metric="match")
FORMATS = pytest.mark.parametrize("kind", ["eval", "json"])


def rows(path: Path, options: ImportOptions) -> dict[tuple[str, int], dict[str, Any]]:
    objects: list[dict[str, Any]] = list(read_evidence(path, options).objects())
    return {(o["item"], o["epoch"]): o for o in objects}


@FORMATS
def test_samples_become_records(inspect_log: Callable[[str], Path], kind: str) -> None:
    found = rows(inspect_log(f"foreign-{kind}"), CYBER)
    items = ["../sl/ash", "2", "a", "boom", "declines", "lost"]
    assert sorted(found) == [(item, epoch) for item in items for epoch in (1, 2)]
    seconds = found["a", 1].pop("seconds")
    assert 0 < seconds < 60
    assert found["a", 1] == {
        "model": "scripted/m",
        "protocol": "toy",
        "protocol_version": "1.2",
        "domain": "cyber",
        "indicator": "cyber.horizon",
        "item": "a",
        "template": "a",
        "arm": "treated",
        "epoch": 1,
        "elicitation": "unknown",
        "outcome": "behaviour",
        "score": 1.0,
        "reason": "",
        "covariates": {},
        "measures": {},
        "input_tokens": 9,
        "output_tokens": 3,
        "commitment": None,
        "source": "inspect_log",
    }
    assert (found["2", 1]["outcome"], found["2", 1]["score"]) == ("no_behaviour", 0.0)
    assert found["2", 1]["arm"] == "default"


@FORMATS
def test_errors_and_unscored_samples_are_missing(
    inspect_log: Callable[[str], Path], kind: str
) -> None:
    options = ImportOptions(domain="cyber", indicator="x.y", metric="rubric/reach")
    found = rows(inspect_log(f"foreign-{kind}"), options)
    shown = {k: (v["outcome"], v["score"], v["reason"]) for k, v in found.items()}
    error = "error: RuntimeError('socket closed')"
    assert shown["boom", 1] == ("infrastructure_error", None, error)
    assert shown["boom", 2] == ("behaviour", 0.75, "")
    assert shown["lost", 1] == ("malformed", None, "not scored by rubric: grader_failed")
    assert found["boom", 1]["input_tokens"] is None


def test_refusals_stay_refusals(inspect_log: Callable[[str], Path]) -> None:
    options = ImportOptions(domain="cyber", indicator="x.y", metric="rubric/depth")
    found = rows(inspect_log("foreign-eval"), options)["declines", 1]
    shown = (found["outcome"], found["score"], found["reason"])
    assert shown == ("refusal", None, "not scored by rubric: refusal")


def test_a_key_of_a_score_is_asked_for(inspect_log: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError) as caught:
        read_evidence(
            inspect_log("foreign-json"),
            ImportOptions(domain="cyber", indicator="x.y", metric="rubric"),
        )
    assert caught.value.message == "score 'rubric' is not one number: depth, reach"
    assert caught.value.hint == "choose a key with --metric rubric/KEY"


@FORMATS
def test_both_formats_say_the_same(inspect_log: Callable[[str], Path], kind: str) -> None:
    options = ImportOptions(
        domain="cyber", indicator="x.y", metric="match", template_field="topic", elicitation="E2",
        protocol="renamed", protocol_version="9", model="other",
    )  # fmt: skip
    found = rows(inspect_log(f"foreign-{kind}"), options)[("a", 2)]
    names = ("template", "elicitation", "protocol", "protocol_version", "model", "indicator")
    assert [found[n] for n in names] == ["alpha", "E2", "renamed", "9", "other", "x.y"]


@FORMATS
def test_carried_records_are_taken_over_exactly(
    inspect_log: Callable[[str], Path], kind: str
) -> None:
    found = rows(inspect_log(f"own-{kind}"), ImportOptions())
    assert found["item-1", 2] == {
        "model": "lab/own", "protocol": "own", "protocol_version": "2.0", "domain": "deception",
        "indicator": "de1.lie", "item": "item-1", "template": "ledger", "arm": "neutral",
        "epoch": 2, "elicitation": "E1", "outcome": "no_behaviour", "score": 0.0,
        "reason": "", "covariates": {"profit": 3.0}, "measures": {}, "input_tokens": 1,
        "output_tokens": 2, "seconds": 1.0, "commitment": "ab" * 32, "source": "redteam",
    }  # fmt: skip
    assert type(found["item-1", 2]["score"]) is float
    failed = found["boom", 1]
    assert (failed["outcome"], failed["source"]) == ("infrastructure_error", "inspect_log")
    named = ("model", "protocol", "protocol_version", "domain", "indicator", "elicitation")
    assert [failed[n] for n in named] == ["lab/own", "own", "2.0", "deception", "de1.lie", "E1"]


def test_options_cannot_relabel_carried_records(inspect_log: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError) as caught:
        read_evidence(inspect_log("own-eval"), ImportOptions(domain="cyber"))
    assert caught.value.message == "records state domain 'deception', the option says 'cyber'"
    assert caught.value.hint == "leave out --domain"


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            ImportOptions(metric="match"),
            "the file does not state its domain",
            "name the indicator with --indicator; its domain follows",
        ),
        (
            ImportOptions(metric="match", domain="cyber"),
            "the file does not state its indicator",
            "name the indicator with --indicator; its domain follows",
        ),
        (
            ImportOptions(domain="cyber", indicator="x.y"),
            "sample has several scores; there are: match, rubric",
            "choose one with --metric SCORER",
        ),
        (
            ImportOptions(domain="cyber", indicator="x.y", metric="exact"),
            "sample has no score 'exact'; there are: match, rubric",
            "choose one with --metric SCORER",
        ),
    ],
)
def test_what_the_log_does_not_say_is_asked_for(
    inspect_log: Callable[[str], Path], options: ImportOptions, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_evidence(inspect_log("foreign-eval"), options)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def log(*samples: dict[str, Any], version: int = 2) -> dict[str, Any]:
    return {
        "version": version,
        "status": "success",
        "eval": {"task": "toy", "task_version": 0, "model": "m/m"},
        "samples": list(samples),
    }


def sample(value: object, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {"id": "i", "epoch": 1, "scores": {"s": {"value": value}}, **changes}


def read_one(tmp_path: Path, document: dict[str, Any]) -> dict[str, Any]:
    path = tmp_path / "log.json"
    path.write_text(json.dumps(document))
    options = ImportOptions(domain="cyber", indicator="x.y")
    (found,) = rows(path, options).values()
    return found


@pytest.mark.parametrize(
    ("value", "score"),
    [
        ("C", 1.0), ("P", 0.5), ("I", 0.0), ("N", 0.0), ("yes", 1.0), ("False", 0.0),
        (True, 1.0), (0.25, 0.25), ("0.5", 0.5), (1, 1.0), ({"only": "C"}, 1.0),
    ],
)  # fmt: skip
def test_grades_count_as_in_inspect(tmp_path: Path, value: object, score: float) -> None:
    found = read_one(tmp_path, log(sample(value)))
    assert found["score"] == score
    assert found["outcome"] == ("behaviour" if score >= 0.5 else "no_behaviour")
    assert found["protocol_version"] == "0"


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({"scores": {}}, "malformed", "not scored"),
        ({"scores": None}, "malformed", "not scored"),
        ({"scores": {"s": {"value": None}}}, "malformed", "not scored by s"),
        ({"scores": {"s": {"value": float("nan")}}}, "malformed", "not scored by s"),
        (
            {"scores": {"s": {"value": 0, "metadata": {"unscored_reason": "no verdict"}}}},
            "malformed",
            "not scored by s: no verdict",
        ),
        (
            {"scores": {"s": {"value": "N", "reason": "refusal"}}},
            "refusal",
            "not scored by s: refusal",
        ),
        ({"invalidation": {"by": "me"}}, "malformed", "sample was invalidated in the log"),
        ({"limit": {"type": "time"}}, "infrastructure_error", "time limit reached"),
        ({"error": {"message": "bad\n\tthing\x00"}}, "infrastructure_error", "error: bad thing?"),
    ],
)
def test_what_is_not_observed_is_missing(
    tmp_path: Path, changes: dict[str, Any], outcome: str, reason: str
) -> None:
    found = read_one(tmp_path, log(sample("I", **changes)))
    assert (found["outcome"], found["score"], found["reason"]) == (outcome, None, reason)


def test_a_clock_cannot_undo_what_was_shown(tmp_path: Path) -> None:
    found = read_one(tmp_path, log(sample("C", limit={"type": "time"})))
    assert (found["outcome"], found["score"]) == ("behaviour", 1.0)
    other = read_one(tmp_path, log(sample("I", limit={"type": "message"})))
    assert other["outcome"] == "no_behaviour"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (37, "score 37.0 is no number in [0, 1]"),
        (-0.5, "score -0.5 is no number in [0, 1]"),
        (float("inf"), "score inf is no number in [0, 1]"),
        ("banana", "score 'banana' is neither a number nor a grade"),
    ],
)
def test_unusable_scores_are_named(tmp_path: Path, value: object, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read_one(tmp_path, log(sample("I"), sample(value, id="j")))
    assert str(caught.value) == f"log.json:2: {message}"
    assert "--metric" in caught.value.hint


def test_repeated_samples(tmp_path: Path) -> None:
    with pytest.raises(DuplicateRecord):
        read_one(tmp_path, log(sample("I"), sample("C")))


@pytest.mark.parametrize(
    ("document", "message", "hint"),
    [
        (log(), "log holds no samples", "run Inspect without --no-log-samples"),
        (
            log(sample("C"), version=1),
            "Inspect log of version 1, expected 2",
            "convert it with `inspect log convert`",
        ),
    ],
)
def test_unusable_logs(tmp_path: Path, document: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read_one(tmp_path, document)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_broken_carried_record(tmp_path: Path) -> None:
    broken = {"s": {"value": 1, "metadata": {"steelyard_record": {"model": "m"}}}}
    with pytest.raises(MalformedEvidence, match="fields missing or unknown") as caught:
        read_one(tmp_path, log(sample(1, scores=broken)))
    assert caught.value.where == "log.json:1.s.steelyard_record"


def test_duplicate_keys_in_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text('{"version": 2, "status": "success", "eval": {}, "version": 2}')
    with pytest.raises(MalformedEvidence, match="duplicate key 'version'"):
        read_evidence(path, CYBER)


def test_the_reader_needs_no_inspect(inspect_log: Callable[[str], Path]) -> None:
    code = (
        "import sys; sys.modules['inspect_ai'] = None; from pathlib import Path\n"
        "from steelyard.evidence import ImportOptions, read_evidence\n"
        "print(len(read_evidence(Path(sys.argv[1]), ImportOptions())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(inspect_log("own-eval"))],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "4"

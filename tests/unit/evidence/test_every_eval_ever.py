"""The exchange format every_eval_ever 0.3.0: written, validated by its own schemas, read back."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from steelyard.evidence import (
    Evidence,
    ImportOptions,
    Outcome,
    Record,
    read_aggregate,
    read_evidence,
    write_every_eval_ever,
)
from steelyard.kernel.errors import BrokenSeal, DuplicateRecord, MalformedEvidence, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CYBER = ImportOptions(domain="cyber", indicator="cyber.horizon")


def write(evidence: Evidence, folder: Path) -> list[Path]:
    return write_every_eval_ever(
        evidence,
        folder,
        source_organization="Example Institute",
        retrieved=NOW,
        library={"name": "steelyard", "version": "0.1.0"},
    )


@pytest.fixture
def evidence(make_record: Callable[..., Record]) -> Evidence:
    full = make_record(
        item="b", arm="treated", epoch=2, score=0.75, covariates={"human_minutes": 12.5},
        measures={"words": 48.0}, input_tokens=310, output_tokens=45, seconds=2.25,
        commitment="ab" * 32, outcome=Outcome.BEHAVIOUR,
    )  # fmt: skip
    zero = make_record(item="c", arm="treated", score=0.25, outcome=Outcome.NO_BEHAVIOUR)
    lost = make_record(
        item="d", arm="treated", outcome=Outcome.INFRASTRUCTURE_ERROR, score=None,
        reason="socket closed", input_tokens=3,
    )  # fmt: skip
    refused = make_record(item="d", outcome=Outcome.REFUSAL, score=None, reason="no")
    other = make_record(model="other lab/../model x", protocol="second")
    return Evidence.from_records([full, zero, lost, refused, other])


def test_output_follows_the_published_schemas(
    tmp_path: Path,
    evidence: Evidence,
    published_schema: Callable[[str], dict[str, Any]],
) -> None:
    folder = "every_eval_ever/schemas"
    aggregate = Draft7Validator(published_schema(f"{folder}/eval.schema.json"))
    instance = Draft7Validator(published_schema(f"{folder}/instance_level_eval.schema.json"))
    written = write(evidence, tmp_path)
    assert len(written) == 4
    for path in written:
        for line in path.read_text().splitlines():
            validator = instance if path.suffix == ".jsonl" else aggregate
            assert [e.message for e in validator.iter_errors(json.loads(line))] == []


@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_our_own_output_comes_back_field_by_field(
    tmp_path: Path, evidence: Evidence, ending: str
) -> None:
    paths = [p for p in write(evidence, tmp_path) if p.suffix == ending]
    back = Evidence.concatenate([read_evidence(p, ImportOptions()) for p in paths])
    assert list(back.in_key_order().objects()) == list(evidence.in_key_order().objects())
    assert {type(s) for s in back.columns["score"]} == {float, type(None)}


def test_layout_of_the_written_tree(tmp_path: Path, evidence: Evidence) -> None:
    written = [p.relative_to(tmp_path) for p in write(evidence, tmp_path)]
    folders = [p.parent.as_posix() for p in written]
    first, second = "data/steelyard/lab/model", "data/steelyard/other_lab/model_x"
    assert folders == [first, first, second, second]
    assert written[1].name == f"{written[0].stem}_samples.jsonl"
    document = json.loads((tmp_path / written[0]).read_text())
    details = document["detailed_evaluation_results"]
    assert details["file_path"] == written[1].as_posix()
    assert details["total_rows"] == 4
    lines = (tmp_path / written[1]).read_bytes()
    assert details["checksum"] == hashlib.sha256(lines).hexdigest()
    assert document["retrieved_timestamp"] == "1772366400"
    assert document["eval_library"] == {"name": "steelyard", "version": "0.1.0"}
    assert document["source_metadata"]["source_organization_name"] == "Example Institute"


def test_writing_twice_gives_the_same_files(tmp_path: Path, evidence: Evidence) -> None:
    contents = [[p.read_bytes() for p in write(evidence, tmp_path / n)] for n in "ab"]
    assert contents[0] == contents[1]


def test_headline_scores(tmp_path: Path, evidence: Evidence) -> None:
    default, treated = read_aggregate(write(evidence, tmp_path)[0])
    assert (treated.model, treated.evaluation_name) == ("lab/model", "toy")
    assert treated.result_id == "toy/1.0/cyber.horizon/treated"
    assert (treated.score, treated.num_samples) == (0.5, 2)
    assert treated.standard_error == pytest.approx(0.25)
    assert treated.lower_is_better
    assert (default.score, default.num_samples, default.standard_error) == (-1.0, 0, None)


def test_unobserved_samples_are_unknown_and_never_zero(tmp_path: Path, evidence: Evidence) -> None:
    lines = [json.loads(s) for s in write(evidence, tmp_path)[1].read_text().splitlines()]
    lost = [line for line in lines if line["sample_id"] == "d"]
    assert [line["evaluation"] for line in lost] == [{"score": -1, "is_correct": False}] * 2
    assert [line["error"] for line in lost] == [
        "refusal: no",
        "infrastructure_error: socket closed",
    ]
    assert "token_usage" not in lost[1]
    assert lost[1]["metadata"]["steelyard_input_tokens"] == "3"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_id": "better/model"}, "model_id 'better/model' contradicts the record's 'lab/m"),
        ({"sample_id": "x"}, "sample_id 'x' contradicts the record's 'd'"),
        (
            {"evaluation": {"score": 0.0, "is_correct": False}},
            "score 0.0 contradicts the record's -1.0",
        ),
        ({"metadata": {"steelyard_outcome": "behaviour"}}, "metadata lacks steelyard_model"),
        ({"schema_version": "0.2.0"}, "every_eval_ever schema '0.2.0', expected '0.3.0'"),
    ],
)
def test_lines_that_contradict_themselves(
    tmp_path: Path, evidence: Evidence, change: dict[str, Any], message: str
) -> None:
    path = write(evidence, tmp_path)[1]
    first, *others = path.read_text().splitlines()
    lines = [json.dumps({**json.loads(first), **change}), *others]
    path.write_text("\n".join(lines))
    with pytest.raises(MalformedEvidence) as caught:
        read_evidence(path, ImportOptions())
    assert caught.value.message.startswith(message)
    assert caught.value.where == f"{path.name}:1"


def test_options_cannot_relabel_own_records(tmp_path: Path, evidence: Evidence) -> None:
    path = write(evidence, tmp_path)[1]
    with pytest.raises(UsageError, match="records state elicitation 'unknown'"):
        read_evidence(path, ImportOptions(elicitation="E3"))


def test_aggregate_without_its_instances(tmp_path: Path, evidence: Evidence) -> None:
    aggregate, instances, *_ = write(evidence, tmp_path)
    instances.unlink()
    with pytest.raises(MalformedEvidence) as caught:
        read_evidence(aggregate, CYBER)
    assert caught.value.message == (
        "an aggregate alone carries no samples and cannot be recomputed"
    )
    assert caught.value.hint == f"put its instance file beside it, e.g. {instances.name}"


def test_changed_instances_break_the_seal(tmp_path: Path, evidence: Evidence) -> None:
    aggregate, instances, *_ = write(evidence, tmp_path)
    lines = instances.read_text().splitlines(keepends=True)
    instances.write_text("".join(lines[1:]))
    with pytest.raises(BrokenSeal) as caught:
        read_evidence(aggregate, ImportOptions())
    assert caught.value.message == (
        "sha256 of the instance file is not the one the aggregate states"
    )
    assert caught.value.hint == "fetch both files again"


@pytest.mark.parametrize(
    ("details", "evaluation_id", "message"),
    [
        ({"total_rows": 9}, None, "instance file has 4 lines, the aggregate states 9"),
        ({}, "x", "instance lines belong to another evaluation_id than the aggregate"),
        ({"checksum": "0", "hash_algorithm": "crc"}, None, "crc of the instance file is not"),
    ],
)
def test_instances_of_another_aggregate(
    tmp_path: Path,
    evidence: Evidence,
    details: dict[str, Any],
    evaluation_id: str | None,
    message: str,
) -> None:
    aggregate = write(evidence, tmp_path)[0]
    document = json.loads(aggregate.read_text())
    document["detailed_evaluation_results"] = details
    document["evaluation_id"] = evaluation_id or document["evaluation_id"]
    aggregate.write_text(json.dumps(document))
    with pytest.raises(BrokenSeal) as caught:
        read_evidence(aggregate, ImportOptions())
    assert caught.value.message.startswith(message)


def test_stated_path_cannot_leave_the_folder(tmp_path: Path, evidence: Evidence) -> None:
    aggregate, instances, *_ = write(evidence, tmp_path)
    outside = tmp_path / "outside.jsonl"
    instances.rename(outside)
    document = json.loads(aggregate.read_text())
    document["detailed_evaluation_results"]["file_path"] = "../../../../outside.jsonl"
    aggregate.write_text(json.dumps(document))
    with pytest.raises(MalformedEvidence, match="an aggregate alone carries no samples"):
        read_evidence(aggregate, ImportOptions())


# Lines that others wrote.


def line(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {
        "schema_version": "0.3.0",
        "evaluation_id": "src/dev_model/1",
        "model_id": "dev/model",
        "evaluation_name": "bench",
        "evaluation_result_id": "bench.accuracy",
        "sample_id": "q1",
        "interaction_type": "single_turn",
        "input": {"raw": "2+2", "reference": ["4"]},
        "output": {"raw": ["4"]},
        "answer_attribution": [],
        "evaluation": {"score": 1.0, "is_correct": True},
        "token_usage": {"input_tokens": 12, "output_tokens": 5, "total_tokens": 17},
        "performance": {"latency_ms": 1500},
        "metadata": {"subject": "sums"},
        **changes,
    }


def lines(tmp_path: Path, *values: dict[str, Any]) -> Path:
    path = tmp_path / "x_samples.jsonl"
    path.write_text("".join(json.dumps(v) + "\n" for v in values))
    return path


def test_foreign_lines(tmp_path: Path) -> None:
    options = ImportOptions(domain="cyber", indicator="x.y", template_field="subject")
    (found,) = read_evidence(lines(tmp_path, line()), options).records()
    assert found == Record(
        model="dev/model", protocol="bench", protocol_version="unknown", domain="cyber",
        indicator="x.y", item="q1", template="sums", outcome="behaviour", score=1.0,
        input_tokens=12, output_tokens=5, seconds=1.5, source="every_eval_ever",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"evaluation": {"score": 0.4}}, ("no_behaviour", 0.4, "")),
        ({"evaluation": {"score": True}}, ("behaviour", 1.0, "")),
        ({"evaluation": {"score": None}}, ("malformed", None, "not scored")),
        ({"error": "API timeout"}, ("infrastructure_error", None, "error: API timeout")),
    ],
)
def test_outcomes_of_foreign_lines(
    tmp_path: Path, changes: dict[str, Any], expected: tuple[object, ...]
) -> None:
    (found,) = read_evidence(lines(tmp_path, line(**changes)), CYBER).records()
    assert (found.outcome, found.score, found.reason) == expected


@pytest.mark.parametrize("score", [37, -1.0, float("nan")])
def test_scores_on_another_scale(tmp_path: Path, score: float) -> None:
    path = lines(tmp_path, line(), line(sample_id="q2", evaluation={"score": score}))
    with pytest.raises(MalformedEvidence) as caught:
        read_evidence(path, CYBER)
    assert str(caught.value) == f"x_samples.jsonl:2: score {float(score)} is no number in [0, 1]"
    assert caught.value.hint.startswith("scores must lie in [0, 1]: divide percentages by 100")


def test_several_results_need_a_choice(tmp_path: Path) -> None:
    other = line(evaluation_result_id="bench.strict", evaluation={"score": 0.0})
    path = lines(tmp_path, line(), other)
    with pytest.raises(UsageError) as caught:
        read_evidence(path, CYBER)
    assert caught.value.message == (
        "file has several results for one sample; there are: bench.accuracy, bench.strict"
    )
    assert caught.value.hint == "choose one with --metric RESULT_ID"
    chosen = ImportOptions(domain="cyber", indicator="x.y", metric="bench.strict")
    (found,) = read_evidence(path, chosen).records()
    assert found.score == 0.0
    absent = ImportOptions(domain="cyber", indicator="x.y", metric="bench.f1")
    with pytest.raises(UsageError, match=r"file has no result 'bench\.f1'"):
        read_evidence(path, absent)


def test_repeated_foreign_lines(tmp_path: Path) -> None:
    with pytest.raises(DuplicateRecord):
        read_evidence(lines(tmp_path, line(), line()), CYBER)


def test_domain_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the file does not state its domain") as caught:
        read_evidence(lines(tmp_path, line()), ImportOptions())
    assert caught.value.hint == "name the indicator with --indicator; its domain follows"

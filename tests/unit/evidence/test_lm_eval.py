"""Sample files of lm-evaluation-harness, with the fields its documentation names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from steelyard.evidence import ImportOptions, Record, read_evidence
from steelyard.kernel.errors import DuplicateRecord, MalformedEvidence, UsageError

if TYPE_CHECKING:
    from pathlib import Path

DATE = "2026-01-21T03-44-18.458309"


def sample(number: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {
        "doc_id": number,
        "doc": {"question": "?", "subject": "algebra"},
        "target": "3",
        "arguments": {"gen_args_0": {"arg_0": "?"}},
        "resps": [["3"]],
        "filtered_resps": ["3"],
        "filter": "none",
        "metrics": ["exact_match"],
        "doc_hash": "00",
        "prompt_hash": "00",
        "target_hash": "00",
        "exact_match": 1.0,
        **changes,
    }


def write(
    folder: Path, *samples: dict[str, Any], results: dict[str, Any] | None = None,
    name: str = f"samples_my_task_2_{DATE}.jsonl",
) -> Path:  # fmt: skip
    path = folder / name
    path.write_text("".join(json.dumps(s) + "\n" for s in samples))
    if results is not None:
        (folder / f"results_{DATE}.json").write_text(json.dumps(results))
    return path


def options(**changes: str) -> ImportOptions:
    return ImportOptions(**{"domain": "cyber", "indicator": "x.y", **changes})


def test_samples_beside_their_results(tmp_path: Path) -> None:
    results = {"model_name": "org/model", "versions": {"my_task_2": 1.0}}
    path = write(tmp_path, sample(0), sample(1, exact_match=0), results=results)
    first, second = read_evidence(path, options(template_field="subject")).records()
    assert first == Record(
        model="org/model", protocol="my_task_2", protocol_version="1.0", domain="cyber",
        indicator="x.y", item="0", template="algebra", outcome="behaviour", score=1.0,
        source="lm_eval",
    )  # fmt: skip
    assert (second.item, second.outcome, second.score) == ("1", "no_behaviour", 0.0)


@pytest.mark.parametrize(
    ("config", "model"),
    [
        ({"model_args": "pretrained=org/a,trust_remote_code=True"}, "org/a"),
        ({"model_args": "base_url=http://h,model=org/b"}, "org/b"),
        ({"model_args": {"pretrained": "org/c"}}, "org/c"),
    ],
)
def test_model_from_the_arguments(tmp_path: Path, config: dict[str, Any], model: str) -> None:
    path = write(tmp_path, sample(0), results={"config": config})
    assert read_evidence(path, options()).values("model") == [model]


def test_model_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, sample(0))
    with pytest.raises(UsageError) as caught:
        read_evidence(path, options())
    assert caught.value.message == "the file does not state its model"
    assert caught.value.hint == "name the model under test with --model"
    assert read_evidence(path, options(model="m")).values("model") == ["m"]


def test_results_of_another_run_are_not_used(tmp_path: Path) -> None:
    path = write(tmp_path, sample(0))
    (tmp_path / "results_2026-01-22T00-00-00.1.json").write_text('{"model_name": "wrong"}')
    with pytest.raises(UsageError, match="does not state its model"):
        read_evidence(path, options())


def test_task_is_asked_for_when_the_name_does_not_say(tmp_path: Path) -> None:
    path = write(tmp_path, sample(0), name="anything.jsonl")
    with pytest.raises(UsageError, match="the file does not state its protocol"):
        read_evidence(path, options(model="m"))


def test_explicit_options_win(tmp_path: Path) -> None:
    results = {"model_name": "org/model", "versions": {"my_task_2": 1.0}}
    path = write(tmp_path, sample(0), results=results)
    given = options(model="m", protocol="p", protocol_version="7", elicitation="E0")
    (found,) = read_evidence(path, given).records()
    named = (found.model, found.protocol, found.protocol_version, found.elicitation)
    assert named == ("m", "p", "7", "E0")


def test_filters_are_chosen_not_guessed(tmp_path: Path) -> None:
    pair = [sample(0, filter="strict-match", exact_match=0.0), sample(0, filter="flexible")]
    path = write(tmp_path, *pair)
    with pytest.raises(UsageError) as caught:
        read_evidence(path, options(model="m"))
    assert caught.value.message == (
        "samples have several filters; there are: flexible, strict-match"
    )
    assert caught.value.hint == "choose one with --metric METRIC,FILTER"
    for name, score in (("strict-match", 0.0), ("flexible", 1.0)):
        (found,) = read_evidence(path, options(model="m", metric=f"exact_match,{name}")).records()
        assert found.score == score
    with pytest.raises(UsageError, match="samples have no filter 'loose'"):
        read_evidence(path, options(model="m", metric="exact_match,loose"))


def test_metrics_are_chosen_not_guessed(tmp_path: Path) -> None:
    path = write(tmp_path, sample(0, metrics=["acc", "acc_norm"], acc=0.0, acc_norm=1.0))
    with pytest.raises(UsageError) as caught:
        read_evidence(path, options(model="m"))
    assert caught.value.message == "samples have several metrics; there are: acc, acc_norm"
    assert caught.value.hint == "choose one with --metric METRIC[,FILTER]"
    (found,) = read_evidence(path, options(model="m", metric="acc_norm")).records()
    assert found.score == 1.0
    with pytest.raises(UsageError, match="samples have no metric 'f1'"):
        read_evidence(path, options(model="m", metric="f1"))


def test_older_files_without_a_list_of_metrics(tmp_path: Path) -> None:
    old = sample(0)
    del old["metrics"], old["filter"]
    (found,) = read_evidence(write(tmp_path, old), options(model="m")).records()
    assert found.score == 1.0


def test_unscored_samples_are_missing(tmp_path: Path) -> None:
    path = write(tmp_path, sample(0), sample(1, exact_match=None))
    _, second = read_evidence(path, options(model="m")).records()
    shown = (second.outcome, second.score, second.reason)
    assert shown == ("malformed", None, "not scored by exact_match")


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (37.5, "score 37.5 is no number in [0, 1]"),
        (float("nan"), "score nan is no number in [0, 1]"),
        ([0.0, 1], "score [0.0, 1] is no number"),
    ],
)
def test_unusable_scores_are_named(tmp_path: Path, score: object, message: str) -> None:
    path = write(tmp_path, sample(0), sample(1, exact_match=score))
    with pytest.raises(MalformedEvidence) as caught:
        read_evidence(path, options(model="m"))
    assert str(caught.value) == f"{path.name}:2: {message}"
    assert "--metric" in caught.value.hint


def test_repeated_documents(tmp_path: Path) -> None:
    with pytest.raises(DuplicateRecord, match="item=0"):
        read_evidence(write(tmp_path, sample(0), sample(0)), options(model="m"))


def test_truncated_file(tmp_path: Path) -> None:
    path = write(tmp_path, sample(0), sample(1))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(MalformedEvidence) as caught:
        read_evidence(path, options(model="m"))
    assert caught.value.where == f"{path.name}:2"
    assert caught.value.message.startswith("not JSON: ")
    assert caught.value.hint == "the file may be truncated or no JSON; copy or export it again"

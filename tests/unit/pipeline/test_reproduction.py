"""A run's folder: what is no whole run, what its judge said, and going on with it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel.errors import MalformedEvidence, UsageError
from steelyard.pipeline.reproduce import reproduce
from steelyard.pipeline.reproduction import Reproduction, read_reproduction, require_whole

from .reproducer_judge_stub import judge_stub
from .test_reproduce import document, judged, ran, request, sequential

MIDDLING = "steelyard/keeper?p=0.15"


def edited(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - any field
    path = folder / "private" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}), "utf-8")


def cut(folder: Path, variants: int) -> Reproduction:
    """The run as if it had been stopped after so many variants."""
    found = read_reproduction(folder)
    kept = found.facts.variants[:variants]
    edited(folder, variants=list(kept))
    records = folder / "records.jsonl"
    lines = records.read_bytes().splitlines(keepends=True)
    records.write_bytes(b"".join(line for line in lines if json.loads(line)["item"] in kept))
    return read_reproduction(folder)


def test_a_sequential_run_that_was_cut_is_no_answer(tmp_path: Path) -> None:
    """Whoever dislikes where it is going stops it while it is undecided."""
    whole = ran(sequential(40), MIDDLING, tmp_path)
    assert require_whole(whole, "run") is whole
    found = cut(tmp_path, 20)
    assert found.finding.verdict is Verdict.UNDETERMINED
    with pytest.raises(MalformedEvidence) as refusal:
        require_whole(found, "run")
    assert refusal.value.message == "the run was cut after 20 of 40 variants, undecided"
    assert refusal.value.hint == "run the whole reproducer: --resume"


def test_a_sequential_run_that_decided_is_whole(tmp_path: Path) -> None:
    found = ran(sequential(100), "steelyard/keeper?p=0.9", tmp_path)
    assert len(found.facts.variants) < 100
    assert require_whole(found, "run") is found


def test_a_block_that_was_begun_is_an_unfinished_run(tmp_path: Path) -> None:
    ran(sequential(40), MIDDLING, tmp_path)
    edited(tmp_path, variants=list(read_reproduction(tmp_path).facts.variants[:20]))
    with pytest.raises(MalformedEvidence, match="the run is not finished"):
        read_reproduction(tmp_path)


def test_a_resumed_sequential_run_shows_no_fewer_variants(tmp_path: Path) -> None:
    """Its failures are tried again, and the first blocks may decide now: all stay."""
    failing = "steelyard/keeper?p=0.9&timeout=0.5"
    first = ran(sequential(40), failing, tmp_path)
    assert len(first.facts.variants) > 10
    again = reproduce(
        request(sequential(40), failing), tmp_path, resume=True, progress=lambda *_: None
    )
    assert again.facts.variants[: len(first.facts.variants)] == first.facts.variants
    assert read_reproduction(tmp_path).to_json() == again.to_json()


@pytest.fixture(scope="module")
def kept_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged")
    with judge_stub(gullible=True) as judge:
        ran(judged(), "steelyard/keeper?p=0.4", folder, judge)
    return folder


@pytest.fixture
def judged_run(kept_run: Path, tmp_path: Path) -> Path:
    """A copy of the judged run, free to be changed."""
    shutil.copytree(kept_run, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_judges_errors_follow_from_what_it_said(judged_run: Path) -> None:
    """Counts that somebody writes are not read: there are none in the run."""
    honest = read_reproduction(judged_run)
    assert honest.results.judge is not None
    assert (honest.results.judge.detected, honest.results.judge.cleared) == (0, 0)
    edited(judged_run, judge={"positives": 30, "detected": 30, "negatives": 30, "cleared": 30})
    with pytest.raises(MalformedEvidence):
        read_reproduction(judged_run)


def test_another_word_of_the_judge_is_another_root(judged_run: Path) -> None:
    honest = read_reproduction(judged_run)
    said = honest.facts.calibration
    assert said is not None
    edited(judged_run, judge={"plain": list(said.plain), "argued": list(said.plain)})
    forged = read_reproduction(judged_run)
    assert forged.finding.upper < honest.finding.upper
    assert forged.logs.root != honest.logs.root


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (None, "the run has no verdicts of its judge"),
        ({"plain": [True] * 20, "argued": [True] * 20}, "not those of the labelled set"),
        ({"plain": [None] * 60, "argued": [None] * 60}, "not those of the labelled set"),
    ],
)
def test_verdicts_that_do_not_go_with_the_document(
    judged_run: Path, said: object, problem: str
) -> None:
    edited(judged_run, judge=said)
    with pytest.raises(MalformedEvidence, match=problem):
        read_reproduction(judged_run)


def test_a_run_without_a_judge_has_no_verdicts_of_one(tmp_path: Path) -> None:
    ran(document(), "steelyard/keeper", tmp_path)
    edited(tmp_path, judge={"plain": [True] * 20, "argued": [True] * 20})
    with pytest.raises(MalformedEvidence, match="its document has none"):
        read_reproduction(tmp_path)


def test_a_resumed_run_keeps_its_judge(judged_run: Path) -> None:
    model = "steelyard/keeper?p=0.4"
    with judge_stub(gullible=False) as other, pytest.raises(UsageError) as refusal:
        reproduce(
            request(judged(), model, other), judged_run, resume=True, progress=lambda *_: None
        )
    assert refusal.value.message.startswith("holds a run judged by ")
    assert refusal.value.hint == "name the same judge, or choose another --out"


def test_a_run_of_visible_variants_is_not_gone_on_with_sealed_ones(tmp_path: Path) -> None:
    ran(document(), "steelyard/keeper", tmp_path)
    with pytest.raises(UsageError, match="holds a run of something else"):
        reproduce(
            request(document(10), "steelyard/keeper"), tmp_path, resume=True,
            progress=lambda *_: None,
        )  # fmt: skip


def test_a_run_that_was_cut_in_a_block_can_be_finished(tmp_path: Path) -> None:
    """The blocks that were looked at decide; what was begun beyond them stays all the same."""
    asked = request(sequential(40), "steelyard/keeper?p=0.9")
    whole = reproduce(replace(asked, whole=True), tmp_path, resume=False, progress=lambda *_: None)
    edited(tmp_path, variants=list(whole.facts.variants[:20]))
    again = reproduce(asked, tmp_path, resume=True, progress=lambda *_: None)
    assert again.facts.variants == whole.facts.variants
    assert read_reproduction(tmp_path).to_json() == again.to_json()

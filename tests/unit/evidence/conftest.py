"""Shared by the tests of evidence: a record to vary, and Inspect logs made by Inspect itself."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from steelyard.evidence import Outcome, Record

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make_record() -> Callable[..., Record]:
    def make(**changes: Any) -> Record:  # noqa: ANN401 - fields of every type
        fields: dict[str, Any] = {
            "model": "lab/model",
            "protocol": "toy",
            "protocol_version": "1.0",
            "domain": "cyber",
            "indicator": "cyber.horizon",
            "item": "item-1",
            "template": "family",
            "outcome": Outcome.BEHAVIOUR,
            "score": 1.0,
            "source": "test",
        }
        return Record(**{**fields, **changes})

    return make


INSPECT_RUN = """
import sys
from inspect_ai import Task, eval as run
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, modelapi
from inspect_ai.scorer import Score, accuracy, match, scorer
from inspect_ai.solver import solver

@modelapi(name="scripted")
class Scripted(ModelAPI):
    async def generate(self, input, tools, tool_choice, config):
        output = ModelOutput.from_content(self.model_name, input[-1].text)
        output.usage = ModelUsage(
            input_tokens=7, output_tokens=3, total_tokens=12, input_tokens_cache_read=2
        )
        return output

@solver
def answer():
    async def solve(state, generate):
        if state.sample_id == "boom" and state.epoch == 1:
            raise RuntimeError("socket closed")
        return await generate(state)
    return solve

@scorer(metrics=[accuracy()])
def rubric():
    async def score(state, target):
        if state.sample_id == "lost":
            return Score.unscored(reason="grader_failed")
        if state.sample_id == "declines":
            return Score(value="N", reason="refusal")
        return Score(value={"reach": 0.75, "depth": 0.25})
    return score

def own_record(state):
    return {
        "model": "lab/own", "protocol": "own", "protocol_version": "2.0", "domain": "deception",
        "indicator": "de1.lie", "item": state.sample_id, "template": "ledger", "arm": "neutral",
        "epoch": state.epoch, "elicitation": "E1", "outcome": "no_behaviour", "score": 0,
        "reason": "", "covariates": {"profit": 3}, "measures": {}, "input_tokens": 1,
        "output_tokens": 2, "seconds": 1, "commitment": "ab" * 32, "source": "redteam",
    }

@scorer(metrics=[accuracy()])
def carrying():
    async def score(state, target):
        return Score(value=0, metadata={"steelyard_record": own_record(state)})
    return score

foreign = Task(
    name="toy", version="1.2", solver=answer(), scorer=[match(), rubric()],
    dataset=[
        Sample(id="a", input="yes", target="yes", metadata={"topic": "alpha", "arm": "treated"}),
        Sample(id=2, input="no", target="yes"),
        Sample(id="boom", input="x", target="x"),
        Sample(id="lost", input="x", target="x"),
        Sample(id="declines", input="x", target="x"),
        Sample(id="../sl/ash", input="x", target="x"),
    ],
)
own = Task(
    name="own_task", version="2.0", solver=answer(), scorer=carrying(),
    dataset=[Sample(id=i, input="x", target="x") for i in ("boom", "item-1")],
)
for name, task in (("foreign", foreign), ("own", own)):
    for kind in ("eval", "json"):
        folder = f"{sys.argv[1]}/{name}-{kind}"
        (log,) = run(task, model="scripted/m", epochs=2, log_dir=folder, log_format=kind,
                     fail_on_error=False, display="none")
        assert log.status == "success", log.error
"""


@pytest.fixture(scope="session")
def inspect_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `{foreign,own}-{eval,json}/<one log>`, written by Inspect."""
    pytest.importorskip("inspect_ai", reason="needs the redteam extra")
    folder = tmp_path_factory.mktemp("inspect")
    script = folder / "run.py"
    script.write_text(textwrap.dedent(INSPECT_RUN))
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        cwd=folder,
        env={**os.environ, "INSPECT_LOG_LEVEL": "error"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def inspect_log(inspect_logs: Path) -> Callable[[str], Path]:
    def find(name: str) -> Path:
        (path,) = (p for p in (inspect_logs / name).iterdir() if p.suffix in (".eval", ".json"))
        return path

    return find

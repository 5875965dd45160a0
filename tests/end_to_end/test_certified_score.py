"""A score certified on an imported bank: asked, cut short, resumed, rechecked, forged."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from steelyard.attest import load_public_key
from steelyard.pipeline.certified_score import new_seed
from steelyard.risk.banks.item_bank import read_bank, write_bank
from steelyard.standard import check_schema

from .assessing import STEELYARD
from .scoring import ITEMS, SCORES, certify, claim_of, furnished, recheck


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return furnished(tmp_path, monkeypatch)


def test_a_score_is_certified_on_part_of_the_items_and_rechecked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert certify(place, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    check_schema(shown, "certified-score", where="output")
    assert (shown["decision"], shown["items"]) == ("below", ITEMS)
    assert shown["items_used"] < ITEMS
    assert shown["interval"][0] <= 0.2 <= shown["interval"][1]
    key = load_public_key(place / "key.pem.pub").key_id
    assert recheck(place, "--key", key, "--json") == 0
    assert json.loads(capsys.readouterr().out) == shown


def test_nobody_chooses_a_seed() -> None:
    assert len({new_seed() for _ in range(100)}) == 100


def test_a_harness_that_fails_is_asked_for_no_item_twice(place: Path) -> None:
    counter = place / "count"
    command = f"{sys.executable} {place}/failing.py {counter}"
    assert certify(place, "--wave", "2", "--ask", f"{command} 3") == 3
    kept = (place / "score" / "answers.jsonl").read_text().splitlines()
    assert len(kept) == 3
    with (place / "score" / "answers.jsonl").open("a") as torn:
        torn.write('{"item":"q0')
    counter.unlink()
    again = ["--wave", "2", "--ask", f"{command} 1000"]
    assert certify(place, *again) == 2  # it holds a test, and says so
    assert certify(place, *again, "--resume") == 0
    claim = claim_of(place)
    assert [json.loads(line)["item"] for line in kept] == claim["asked"][:3]
    assert int(counter.read_text()) == len(claim["asked"]) - 3
    assert recheck(place) == 0


@pytest.mark.parametrize(
    "change",
    [["--threshold", "0.4"], ["--alpha", "0.1"], ["--wave", "6"], ["--model", "n"]],
)
def test_a_test_goes_on_with_its_own_plan_alone(place: Path, change: list[str]) -> None:
    assert certify(place, "--ask", f"{sys.executable} {place}/failing.py {place}/count 3") == 3
    assert certify(place, *change, "--resume") == 2
    assert certify(place, "--resume") == 0


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('{"item": "q999", "score": 1}', 3),
        ('{"item": ITEM, "score": 1.5}', 3),
        ('{"item": ITEM, "score": true}', 3),
        ('{"item": ITEM, "score": null}', 3),
        ('{"item": ITEM, "score": NaN}', 3),
        ('{"item": ITEM}', 3),
        ("hello", 3),
        ("", 3),
    ],
)
def test_what_is_no_answer_ends_the_run_without_a_claim(
    place: Path, line: str, status: int
) -> None:
    code = (
        "import json, sys\nfor one in sys.stdin:\n"
        f" print({line!r}.replace('ITEM', json.dumps(json.loads(one)['item'])))\n"
    )
    (place / "wrong.py").write_text(code)
    assert certify(place, ask="wrong.py") == status
    assert not (place / "score" / "claim.dsse.json").exists()
    assert certify(place, "--resume") == 0


def test_plans_are_counted_by_model_and_bank_and_a_resumed_one_is_no_further(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert certify(place, "--ask", f"{sys.executable} {place}/failing.py {place}/count 3") == 3
    assert certify(place, "--resume") == 0
    assert certify(place, out="again") == 0
    assert certify(place, "--model", "n", out="another") == 0
    capsys.readouterr()
    for out, attempt in (("score", 1), ("again", 2), ("another", 1)):
        assert recheck(place, "--json", out=out) == 0
        assert json.loads(capsys.readouterr().out)["attempt"] == attempt


def test_a_second_answer_to_an_item_is_refused(place: Path) -> None:
    (place / "twice.py").write_text(SCORES + "    print(json.dumps({'item': item, 'score': 0}))\n")
    assert certify(place, ask="twice.py") == 3


def test_answers_before_a_time_out_are_kept_and_nothing_is_left_running(place: Path) -> None:
    code = SCORES.replace("== 0)}))", "== 0)}), flush=True)")
    hang = "import subprocess\nsubprocess.run(['sleep', '987654'])\n"
    (place / "slow.py").write_text(code + hang)
    assert certify(place, "--timeout", "8", ask="slow.py") == 3
    assert len((place / "score" / "answers.jsonl").read_text().splitlines()) == 5
    assert _eventually(lambda: not _running("987654"))


def test_what_a_command_leaves_running_is_not_waited_for(place: Path) -> None:
    lasting = f"{sys.executable} {place}/ask.py; setsid sleep 20 & exit 0"
    (place / "lasting.sh").write_text(lasting)
    began = time.monotonic()
    status = certify(place, "--ask", f"sh {place}/lasting.sh", "--wave", "60")
    assert (status, time.monotonic() - began < 10) == (0, True)


def test_a_signal_ends_the_harness_too(place: Path) -> None:
    (place / "slow.py").write_text("import time\ntime.sleep(876543)  # marked-876543\n")
    arguments = ["risk", "certify", str(place / "bank.json"), "--model", "m", "--harness", "h"]
    ask = f"{sys.executable} {place}/slow.py marked-876543"
    more = ["--threshold", "0.5", "--key", str(place / "key.pem"), "--out", str(place / "score")]
    process = subprocess.Popen([str(STEELYARD), *arguments, "--ask", ask, *more])
    assert _eventually(lambda: _running("marked-876543", but=process.pid))
    process.terminate()
    assert process.wait(10) != 0
    assert _eventually(lambda: not _running("marked-876543"))


def test_two_cannot_work_in_one_folder(place: Path) -> None:
    (place / "score").mkdir()
    with (place / "score" / "lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert certify(place) == 5
    assert certify(place) == 0


def _running(mark: str, but: int = 0) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.parent.name != str(but) and mark.encode() in path.read_bytes():
                return True
    return False


def _eventually(holds: Callable[[], bool]) -> bool:
    ends = time.monotonic() + 15.0
    while not holds() and time.monotonic() < ends:
        time.sleep(0.1)
    return holds()


def test_an_endless_line_is_refused(place: Path) -> None:
    (place / "flood.py").write_text("import sys\nwhile 1: sys.stdout.write('x' * 65536)\n")
    assert certify(place, "--timeout", "30", ask="flood.py") == 3


def test_a_command_that_does_not_exist_or_hangs(place: Path) -> None:
    assert certify(place, "--ask", "/no/such/harness") == 2
    assert certify(place, "--ask", "sleep 30", "--timeout", "1", "--resume") == 3
    assert certify(place, "--ask", " ", "--resume") == 2
    assert certify(place, "--ask", "sh 'unclosed", "--resume") == 2


@pytest.mark.parametrize("threshold", ["0", "1", "-1", "nan"])
def test_a_threshold_that_nothing_can_pass_is_refused(place: Path, threshold: str) -> None:
    assert certify(place, "--threshold", threshold) == 2
    assert not (place / "score" / "plan.dsse.json").exists()


def test_a_budget_that_is_too_small_leaves_it_undecided(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert certify(place, "--budget", "3", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["decision"], shown["items_used"]) == ("undecided", 3)
    assert recheck(place) == 0


@pytest.mark.parametrize(
    "line", ["{}", '{"item": 3, "score": 1}', '{"item":"q001","score":7}', "x"]
)
def test_a_damaged_journal_is_told(place: Path, line: str) -> None:
    command = f"{sys.executable} {place}/failing.py {place}/count 3"
    assert certify(place, "--ask", command) == 3
    with (place / "score" / "answers.jsonl").open("a") as journal:
        journal.write(f"{line}\n")
    assert certify(place, "--resume") == 3
    assert not (place / "score" / "claim.dsse.json").exists()


def test_a_bank_of_canaries_has_no_score(place: Path) -> None:
    bank = read_bank(place / "bank.json")
    planted = tuple(dataclasses.replace(item, canary=0.0) for item in bank.items)
    write_bank(dataclasses.replace(bank, items=planted), place / "bank.json")
    assert certify(place) == 3


INSPECT_TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import match
from inspect_ai.solver import solver

@solver
def guess():
    async def solve(state, generate):
        state.output = ModelOutput.from_content("guess", "odd")
        return state
    return solve

@task
def parity():
    samples = [
        Sample(id=f"q{n:03d}", input=f"{n}?", target="odd" if n % 5 == 0 else "even")
        for n in range(60)
    ]
    return Task(dataset=samples, solver=guess(), scorer=match())
"""


def test_an_inspect_task_is_asked_item_by_item(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    page = Path(__file__).parents[2] / "docs" / "how-to" / "certify-an-imported-score.md"
    script = page.read_text("utf-8").split("<!-- file: ask_inspect.py -->\n```python\n")[1]
    (place / "ask_inspect.py").write_text(script.split("```")[0])
    (place / "parity.py").write_text(INSPECT_TASK)
    command = f"{sys.executable} ask_inspect.py parity.py mockllm/model"
    assert certify(place, "--ask", command, "--wave", "15") == 0
    assert claim_of(place)["decision"] == "below"
    scored = dict(zip(claim_of(place)["asked"], claim_of(place)["answers"], strict=True))
    assert all(score == (int(item[1:]) % 5 == 0) for item, score in scored.items())
    assert recheck(place) == 0

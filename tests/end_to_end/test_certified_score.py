"""A score certified on an imported bank: asked, cut short, resumed, rechecked, forged."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import (
    Statement,
    Subject,
    generate_key,
    load_private_key,
    load_public_key,
    open_envelope,
    sign_statement,
)
from steelyard.cli.main import run
from steelyard.kernel import parse_json_object, sha256_hex
from steelyard.standard import check_schema

from .assessing import home

ITEMS = 60
FAILING = """
import json, pathlib, sys
count = pathlib.Path(sys.argv[1])
done = int(count.read_text()) if count.exists() else 0
asked = [json.loads(line)["item"] for line in sys.stdin]
count.write_text(str(done + len(asked)))
for place, item in enumerate(asked):
    if done + place >= int(sys.argv[2]):
        sys.exit("the endpoint hung up")
    print(json.dumps({"item": item, "score": int(int(item[1:]) % 5 == 0)}), flush=True)
"""
SCORES = """
import json, sys
for line in sys.stdin:
    item = json.loads(line)["item"]
    print(json.dumps({"item": item, "score": int(int(item[1:]) % 5 == 0)}))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bank, a harness and a signing key."""
    for name, value in home(tmp_path).items():
        monkeypatch.setenv(name, value)
    draw = random.Random(4)  # noqa: S311 - data for a test
    with (tmp_path / "others.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["model", "item", "score"])
        for model in range(12):
            ability = draw.gauss(0.0, 1.0)
            for item in range(ITEMS):
                solved = draw.random() < 1.0 / (1.0 + math.exp(2.0 - ability - item / 20))
                table.writerow([f"other-{model}", f"q{item:03d}", int(solved)])
    origin = ["--source", "a test", "--licence", "CC0-1.0"]
    bank = str(tmp_path / "bank.json")
    assert run(["risk", "calibrate", str(tmp_path / "others.csv"), *origin, "--out", bank]) == 0
    assert run(["passport", "keygen", str(tmp_path / "key.pem")]) == 0
    (tmp_path / "ask.py").write_text(SCORES)
    (tmp_path / "failing.py").write_text(FAILING)
    return tmp_path


def certify(place: Path, *more: str, out: str = "score", ask: str = "ask.py") -> int:
    facts = ["--model", "m", "--harness", "a test", "--threshold", "0.5", "--wave", "5"]
    command = f"{sys.executable} {place}/{ask}"
    fixed = [*facts, "--key", str(place / "key.pem"), "--out", str(place / out)]
    return run(["risk", "certify", str(place / "bank.json"), "--ask", command, *fixed, *more])


def recheck(place: Path, *more: str, out: str = "score") -> int:
    return run(["risk", "recheck", str(place / out), str(place / "bank.json"), *more])


def claim_of(place: Path, out: str = "score") -> dict[str, Any]:
    key = load_public_key(place / "key.pem.pub")
    data = (place / out / "claim.dsse.json").read_bytes()
    return dict(open_envelope(data, {key.key_id: key}).predicate)


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


def test_a_second_answer_to_an_item_is_refused(place: Path) -> None:
    (place / "twice.py").write_text(SCORES + "    print(json.dumps({'item': item, 'score': 0}))\n")
    assert certify(place, ask="twice.py") == 3


def test_answers_before_a_time_out_are_kept_and_nothing_is_left_running(place: Path) -> None:
    code = SCORES.replace("== 0)}))", "== 0)}), flush=True)")
    hang = "import subprocess\nsubprocess.run(['sleep', '987654'])\n"
    (place / "slow.py").write_text(code + hang)
    assert certify(place, "--timeout", "2", ask="slow.py") == 3
    assert len((place / "score" / "answers.jsonl").read_text().splitlines()) == 5
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert b"987654" not in path.read_bytes()


def test_an_endless_line_is_refused(place: Path) -> None:
    (place / "flood.py").write_text("import sys\nwhile 1: sys.stdout.write('x' * 65536)\n")
    assert certify(place, "--timeout", "30", ask="flood.py") == 3


def test_a_command_that_does_not_exist_or_hangs(place: Path) -> None:
    assert certify(place, "--ask", "/no/such/harness") == 2
    assert certify(place, "--ask", "sleep 30", "--timeout", "1", "--resume") == 3
    assert certify(place, "--ask", " ", "--resume") == 2


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


def _other_answers(claim: dict[str, Any]) -> None:
    claim["answers"][0] = 1 - claim["answers"][0]


def _one_draw_less(claim: dict[str, Any]) -> None:
    for name in ("asked", "answers", "probabilities"):
        claim[name].pop()
    claim["waves"][-1] -= 1
    if not claim["waves"][-1]:
        claim["waves"].pop()


def _other_item(claim: dict[str, Any]) -> None:
    claim["asked"][0], claim["asked"][1] = claim["asked"][1], claim["asked"][0]


def _foreign_item(claim: dict[str, Any]) -> None:
    claim["asked"][0] = "q999"


def _one_large_wave(claim: dict[str, Any]) -> None:
    claim["waves"] = [len(claim["asked"])]


FORGERIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "an answer": _other_answers,
    "a draw left out": _one_draw_less,
    "another order": _other_item,
    "an item of no bank": _foreign_item,
    "other waves": _one_large_wave,
    "the decision": lambda claim: claim.update(decision="above"),
    "the evidence": lambda claim: claim.update(e_below=claim["e_below"] * 2),
    "the interval": lambda claim: claim.update(interval=[0.0, 0.1]),
    "another plan": lambda claim: claim.update(plan="0" * 64),
    "another method": lambda claim: claim.update(method="mine"),
    "a field more": lambda claim: claim.update(note="trust me"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_signer_cannot_claim_what_does_not_follow(place: Path, name: str) -> None:
    assert certify(place) == 0
    path = place / "score" / "claim.dsse.json"
    key = load_private_key(place / "key.pem")
    public = key.public_key
    statement = open_envelope(path.read_bytes(), {public.key_id: public})
    claim = parse_json_object(json.dumps(statement.predicate).encode())
    FORGERIES[name](claim)
    path.write_bytes(
        sign_statement(Statement(statement.subjects, statement.predicate_type, claim), key)
    )
    assert recheck(place) == 3


def test_a_plan_cannot_be_exchanged_afterwards(place: Path) -> None:
    assert certify(place) == 0
    path = place / "score" / "plan.dsse.json"
    key = load_private_key(place / "key.pem")
    statement = open_envelope(path.read_bytes(), {key.public_key.key_id: key.public_key})
    plan = dict(statement.predicate) | {"threshold": 0.9}
    again = sign_statement(Statement(statement.subjects, statement.predicate_type, plan), key)
    path.write_bytes(again)
    assert recheck(place) == 3
    claim_path = place / "score" / "claim.dsse.json"
    claimed = open_envelope(claim_path.read_bytes(), {key.public_key.key_id: key.public_key})
    moved = dict(claimed.predicate) | {"plan": sha256_hex(again)}
    claim_path.write_bytes(
        sign_statement(Statement(claimed.subjects, claimed.predicate_type, moved), key)
    )
    assert recheck(place) == 3


def test_a_claim_about_another_bank_is_refused(place: Path) -> None:
    assert certify(place) == 0
    path = place / "score" / "claim.dsse.json"
    key = load_private_key(place / "key.pem")
    statement = open_envelope(path.read_bytes(), {key.public_key.key_id: key.public_key})
    other = (Subject("others", "0" * 64),)
    predicate = parse_json_object(json.dumps(statement.predicate).encode())
    path.write_bytes(sign_statement(Statement(other, statement.predicate_type, predicate), key))
    assert recheck(place) == 3


def test_a_plan_is_no_claim(place: Path) -> None:
    assert certify(place) == 0
    plan = (place / "score" / "plan.dsse.json").read_bytes()
    (place / "score" / "claim.dsse.json").write_bytes(plan)
    assert recheck(place) == 3


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


def test_another_signer_or_bank_is_refused(place: Path) -> None:
    assert certify(place) == 0
    assert recheck(place, "--key", generate_key().public_key.key_id) == 3
    bank = json.loads((place / "bank.json").read_bytes())
    bank["version"] = "2"
    (place / "bank.json").write_text(json.dumps(bank))
    assert recheck(place) == 3


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

"""Public response matrices: each calibrates, passes its checks, and shows injected faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from steelyard.cli.main import run
from steelyard.evidence import Evidence, ImportOptions, Outcome, read_evidence
from steelyard.evidence.integrity import record_findings
from steelyard.risk.banks.calibration import calibrate, responses_of
from steelyard.risk.banks.item_bank import Bank, Origin
from steelyard.risk.banks.person_fit import bank_findings

DATA = Path(__file__).parents[3] / "shared/data"
TABLES = {
    "cyber_horizons_lyptus/responses": (16, 631, "human_minutes"),
    "livecodebench/gen_2024_04_400x45": (45, 400, "date"),
    "livecodebench/gen_2025_01_880x19": (19, 880, "date"),
    "metr_runs_2025_02/responses": (10, 83, "human_minutes"),
}
OPTIONS = ImportOptions(domain="any", indicator="any", number_repeats=True)


class Table(NamedTuple):
    """A table without human runs, its bank, and the covariate that tells its items apart."""

    evidence: Evidence
    bank: Bank
    shape: tuple[int, int]
    covariate: str


@pytest.fixture(scope="module", params=TABLES)
def table(request: pytest.FixtureRequest) -> Table:
    path = DATA / f"{request.param}.parquet"
    if not path.is_file():
        pytest.skip(f"the public responses are not at {path}")
    evidence = read_evidence(path, OPTIONS)
    evidence = evidence.select(evidence.columns["model"] != "human")
    origin = Origin("public", "1", "public responses", "see SOURCE.md")
    models, items, covariate = TABLES[request.param]
    return Table(evidence, calibrate(responses_of(evidence), origin), (models, items), covariate)


def codes(evidence: Evidence, bank: Bank | None = None) -> set[str]:
    found = bank_findings(evidence, bank) if bank else record_findings(evidence)
    return {f.code for f in found if f.severity != "note"}


def changed(evidence: Evidence, **columns: np.ndarray) -> Evidence:
    return Evidence({**evidence.columns, **columns})


def strongest(table: Table) -> Evidence:
    """The records of the model with the best mean."""
    models = table.evidence.values("model")
    return max(
        (table.evidence.where(model=m) for m in models),
        key=lambda e: np.mean([s for s in e.columns["score"] if s is not None]),
    )


def objects(values: list[Any]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def test_every_table_calibrates(table: Table) -> None:
    bank = table.bank
    assert (bank.models, len(bank.items)) == table.shape
    assert bank.origin.status == "calibrated"
    assert len(bank.honest.fit) == bank.models
    measuring = [item for item in bank.items if item.measures]
    assert len(measuring) > len(bank.items) / 2
    assert all(item.discrimination > 0.0 for item in measuring)


def test_no_public_table_has_a_blocking_finding(table: Table) -> None:
    found = [*record_findings(table.evidence), *bank_findings(table.evidence, table.bank)]
    assert [f for f in found if f.blocks] == []


def test_a_copied_log_is_found(table: Table) -> None:
    best = strongest(table)
    twin = changed(best, model=objects(["twin"] * len(best)))
    assert "responses_equal" in codes(Evidence.concatenate([table.evidence, twin]))


def test_exchanged_items_are_found_by_their_properties(table: Table) -> None:
    best = strongest(table)
    model = best.values("model")[0]
    items = best.values("item")
    moved = dict(zip(items, [*items[7:], *items[:7]], strict=True))
    mixed = changed(best, item=objects([moved[i] for i in best.columns["item"]]))
    rest = table.evidence.select(table.evidence.columns["model"] != model)
    assert "items_exchanged" in codes(Evidence.concatenate([rest, mixed]))


def test_exchanged_items_do_not_fit_the_bank(table: Table) -> None:
    best = strongest(table)
    items = best.values("item")
    shuffled = np.random.default_rng(3).permutation(len(items))
    moved = dict(zip(items, [items[k] for k in shuffled], strict=True))
    mixed = changed(best, item=objects([moved[i] for i in best.columns["item"]]))
    assert "person_misfit" in codes(mixed, table.bank)


def test_still_meters_are_found(table: Table) -> None:
    still = changed(table.evidence, seconds=objects([12.25] * len(table.evidence)))
    assert "meter_stands_still" in codes(still)


def test_copied_repeats_are_found(table: Table) -> None:
    best = strongest(table)
    draw = np.random.default_rng(1).random(len(best)) + 0.1
    timed = changed(best, seconds=objects([float(x) for x in draw]))
    last = max(best.columns["epoch"])
    again = changed(timed, epoch=objects([e + last for e in best.columns["epoch"]]))
    assert "repeats_copied" in codes(Evidence.concatenate([timed, again]))
    assert "repeats_copied" not in codes(timed)


def test_failing_what_is_easy_is_found(table: Table) -> None:
    """All repeats of 40 % of the items that the model passes most easily."""
    best = strongest(table)
    order = sorted((i for i in table.bank.items if i.measures), key=lambda i: -i.intercept)
    failed = {item.item for item in order[: round(0.4 * len(order))]}
    scores = [
        0.0 if item in failed and score is not None else score
        for item, score in zip(best.columns["item"], best.columns["score"], strict=True)
    ]
    outcomes = [
        o if s is None else Outcome.BEHAVIOUR if s >= 0.5 else Outcome.NO_BEHAVIOUR
        for o, s in zip(best.columns["outcome"], scores, strict=True)
    ]
    weak = changed(best, score=objects(scores), outcome=objects(outcomes))
    assert "person_misfit" in codes(weak, table.bank)


def test_the_commands_work_on_a_public_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = DATA / "metr_runs_2025_02/responses.parquet"
    if not path.is_file():
        pytest.skip(f"the public responses are not at {path}")
    bank = tmp_path / "metr.json"
    arguments = ["risk", "calibrate", str(path), "--out", str(bank), "--source", "METR"]
    assert run([*arguments, "--licence", "MIT"]) == 3
    assert "hint: add --repeats if these rows are repeats of their items" in capsys.readouterr().err
    assert run([*arguments, "--licence", "MIT", "--repeats", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["models"], summary["items"], summary["samples"]) == (11, 83, 7063)
    check = ["evidence", "check", str(path), "--bank", str(bank), "--json"]
    assert run(check) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [f["code"] for f in found if f["severity"] == "blocking"] == ["repeats_uncounted"]
    assert run([*check, "--repeats"]) == 0
    assert json.loads(capsys.readouterr().out)["bank"] == summary["digest"]

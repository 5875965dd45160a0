from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.attest.http_signatures import ReplayGuard, SignedRequest
from steelyard.kernel.errors import UsageError
from steelyard.weights.broker import STRATEGIES, Terms, run_drill
from steelyard.weights.broker.meter import Decision, Meter

# 20 MB may leave in all, and about five segments to one principal.
TERMS = Terms(400_000_000)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_is_held_and_noticed(tmp_path: Path, name: str) -> None:
    outcome = run_drill(name, TERMS, tmp_path / "drill")
    assert outcome.is_held
    assert outcome.leaked_bytes <= outcome.budget_bytes == 20_000_000
    if name == "replays":
        assert (outcome.leaked_bytes, outcome.refused) == (0, 2)
    else:
        assert outcome.alarmed
        assert 0 < outcome.before_alarm_bytes <= outcome.leaked_bytes
        assert outcome.detection_s is not None
        assert outcome.detection_s > 0


def test_colluding_gets_no_more_than_the_budget_of_the_model(tmp_path: Path) -> None:
    alone = run_drill("greedy", TERMS, tmp_path / "alone")
    together = run_drill("colluding", TERMS, tmp_path / "together")
    assert alone.leaked_bytes <= TERMS.coverage_bytes * TERMS.principal_share
    assert alone.leaked_bytes < together.leaked_bytes <= TERMS.coverage_bytes


def test_the_drill_fails_on_a_broker_that_does_not_meter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Meter, "decide", lambda *_: Decision("granted"))
    outcome = run_drill("greedy", Terms(100_000_000), tmp_path / "drill")
    assert not outcome.is_held
    assert outcome.leaked_bytes > outcome.budget_bytes
    assert not outcome.alarmed


def test_a_budget_that_no_drill_reaches_is_refused_and_not_cut_short(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        run_drill("greedy", Terms(10**12), tmp_path / "drill")
    assert caught.value.message == ("the budget is 47683 segments, a drill asks for 20000 at most")


def test_the_drill_fails_on_a_broker_that_forgets_at_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steelyard.weights.broker.ledger.Ledger._repeat", lambda *_: None)
    outcome = run_drill("restarts", Terms(100_000_000), tmp_path / "drill")
    assert not outcome.is_held


def test_the_drill_fails_on_a_broker_that_takes_a_request_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def anything(_: ReplayGuard, request: SignedRequest, __: float) -> SignedRequest:
        return request

    monkeypatch.setattr(ReplayGuard, "accept", anything)
    assert not run_drill("replays", TERMS, tmp_path / "drill").is_held

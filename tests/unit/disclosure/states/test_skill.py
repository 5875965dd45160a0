"""Skill above luck: exact chances of what was seen, exact tails, honest verdicts."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.states.histories import chance_of_desideratum, desiderata, histories
from steelyard.disclosure.states.observed import (
    Observed,
    decided,
    possible_orders,
    read_history,
    seen_as,
)
from steelyard.disclosure.states.skill import Skill, chance, skill, tail
from steelyard.kernel.errors import MalformedEvidence, UsageError
from steelyard.stats import lower_limit

HINT = "write VFDPXA, V{FP}D where the order of F and P is unknown, VFD~A where A is"
NEVER = "cannot have happened: F needs V, D needs F, V follows P at once and P follows X at once"
shares = st.fractions(min_value=0, max_value=1, max_denominator=60)


def by_pair(found: tuple[Skill, ...]) -> dict[str, Skill]:
    return {row.first + row.second: row for row in found}


@pytest.mark.parametrize(
    ("text", "orders"),
    [("VFDPXA", 1), ("", 70), ("V", 42), ("VFP", 6), ("V{FP}D", 4), ("VFD~A", 11), ("~VFDPXA", 70)],
)
def test_a_history_leaves_the_orders_that_agree_with_it(text: str, orders: int) -> None:
    observed = read_history(text)
    assert len(possible_orders(observed)) == orders
    assert observed.text == text


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("VFDPXAA", "'VFDPXAA' names A twice", HINT),
        ("V~V", "'V~V' names V twice", HINT),
        ("vfd", "'vfd' is no history", HINT),
        ("V{FP", "'V{FP' is no history", HINT),
        ("V{}F", "'V{}F' is no history", HINT),
        ("V" * 200, f"'{'V' * 40}' names V twice", HINT),
        ("FV", f"'FV' {NEVER}", "steelyard disclose states"),
        ("PX", f"'PX' {NEVER}", "steelyard disclose states"),
    ],
)
def test_what_is_no_history(text: str, message: str, hint: str) -> None:
    with pytest.raises(MalformedEvidence) as refused:
        read_history(text)
    assert (str(refused.value), refused.value.hint) == (message, hint)


@given(st.text(alphabet="VFDPXA{}~x", max_size=14))
def test_any_text_is_a_history_or_refused(text: str) -> None:
    try:
        observed = read_history(text)
    except MalformedEvidence:
        observed = read_history("")
    assert possible_orders(observed) <= histories()
    assert read_history(observed.text) == observed


@pytest.mark.parametrize(
    ("text", "pair", "answer"),
    [
        ("VFDPXA", "FP", True),
        ("VPFDXA", "FP", False),
        ("V{FP}", "FP", None),
        ("V{FP}", "VP", True),
        ("V", "VP", True),
        ("V", "FP", None),
        ("VP", "FP", False),
        ("VFD~A", "DA", None),
        ("VFD~A", "DX", True),
        ("P", "VP", False),
        ("P", "VX", None),
        ("VFDP~A", "XA", None),
    ],
)
def test_an_order_counts_only_where_it_is_decided(
    text: str, pair: str, *, answer: bool | None
) -> None:
    assert decided(read_history(text), *pair) is answer


def test_whole_histories_have_the_published_chances() -> None:
    for order, pair in product(sorted(histories())[:5], desiderata()):
        assert chance(read_history(order), *pair) == chance_of_desideratum(*pair)


def test_a_case_that_closed_early_is_held_against_chance_that_closed_as_early() -> None:
    # After one fact, a fix cannot be there: chance never has F first, and P first always loses.
    assert chance(read_history("P"), "F", "P") == 0
    # V first 1/4, P 1/4, X 1/4, A 1/4: of the two that decide V before P, half.
    assert chance(read_history("V"), "V", "P") == Fraction(1, 2)
    # Of two facts seen, chance has V then F in 3 of 34 starts that decide F and P, not in 1 of 9.
    assert chance(read_history("VF"), "F", "P") == Fraction(3, 34)


def test_chance_of_a_partly_seen_case_agrees_with_a_simulation() -> None:
    like, generator = read_history("V{FP}D~A"), random.Random(11)  # noqa: S311 - a simulation
    held = counted = 0
    for _ in range(20_000):
        order, facts = "", "VFDPXA"
        while len(order) < 6:
            ready = [f for f in facts if f not in order and _may_follow(order, f)]
            order += generator.choice(ready)
        answer = decided(seen_as(order, like), "D", "X")
        counted += answer is not None
        held += answer is True
    expected = float(chance(like, "D", "X"))
    assert abs(held / counted - expected) < 4 * math.sqrt(expected * (1 - expected) / counted)


def _may_follow(order: str, fact: str) -> bool:
    """The causal rules once more, written out."""
    if "P" in order and "V" not in order:
        return fact == "V"
    if "X" in order and "P" not in order:
        return fact == "P"
    return not ((fact == "F" and "V" not in order) or (fact == "D" and "F" not in order))


def by_enumeration(chances: list[Fraction], held: int) -> Fraction:
    total = Fraction(0)
    for outcome in product((False, True), repeat=len(chances)):
        if sum(outcome) >= held:
            total += math.prod(
                (p if yes else 1 - p for p, yes in zip(chances, outcome, strict=True)),
                start=Fraction(1),
            )
    return total


@given(st.lists(shares, max_size=8), st.integers(0, 8))
def test_the_tail_is_exact(chances: list[Fraction], held: int) -> None:
    expected = float(by_enumeration(chances, held))
    assert tail(chances, held) == expected


@given(st.integers(201, 400), st.data())
def test_many_cases_agree_with_the_binomial_tail(count: int, data: st.DataObject) -> None:
    held = data.draw(st.integers(1, count))
    share = Fraction(3, 8)
    exact = sum(
        math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(held, count + 1)
    )
    assert tail([share] * count, held) == pytest.approx(float(exact), rel=1e-11, abs=0.0)


def test_ten_perfect_cases_are_skill_where_chance_is_rare() -> None:
    found = by_pair(skill([read_history("VFDPXA")] * 10))
    row = found["DP"]
    assert (row.cases, row.held, row.undecided, row.rate) == (10, 10, 0, 1.0)
    assert row.p_value == float(Fraction(1, 27) ** 10)
    assert row.adjusted == pytest.approx(12 * row.p_value)
    assert row.lower == lower_limit(10, 10, 0.05)
    assert row.verdict == "above chance"
    # 0.75 ** 10 = 0.056: ten of ten is not enough where chance does it three times in four.
    assert found["VA"].verdict == "too few cases"
    assert found["VA"].least_p_value == float(Fraction(3, 4) ** 10)


def test_one_case_never_shows_skill_in_what_chance_often_does() -> None:
    found = skill([read_history("VFDPXA")])
    verdicts = {row.first + row.second: row.verdict for row in found}
    assert verdicts["VP"] == verdicts["XA"] == "too few cases"
    assert verdicts["DP"] == "not shown"
    assert min(row.adjusted for row in found) == pytest.approx(12 / 27)


def test_the_correction_is_holms_and_the_last_comparison_is_at_alpha() -> None:
    found = skill([read_history("VFDPXA")] * 10)
    ranked = sorted(found, key=lambda row: row.p_value)
    running = 0.0
    for rank, row in enumerate(ranked):
        running = max(running, min(1.0, (12 - rank) * row.p_value))
        assert row.adjusted == running
    assert ranked[1].adjusted < 12 * ranked[1].p_value
    # The best that one case can show is then just enough for a single comparison.
    alpha = float(Fraction(1, 27))
    assert by_pair(skill([read_history("VFDPXA")], alpha=alpha))["DP"].verdict == "not shown"


def test_without_decided_cases_nothing_is_said() -> None:
    for row in skill([read_history("")] * 3):
        assert (row.cases, row.held, row.undecided) == (0, 0, 3)
        assert (row.rate, row.chance, row.p_value, row.lower) == (None, None, 1.0, 0.0)
        assert row.verdict == "too few cases"


def test_bad_luck_is_not_called_skill() -> None:
    assert {row.verdict for row in skill([read_history("PVXAFD")] * 50)} == {"not shown"} | {
        "above chance"
    }
    found = by_pair(skill([read_history("AXPVFD")] * 50))
    assert {row.held for row in found.values()} == {0}
    assert {row.p_value for row in found.values()} == {1.0}
    assert {row.verdict for row in found.values()} == {"not shown"}


def test_chance_itself_is_seldom_called_skill() -> None:
    generator, alarms = random.Random(5), 0  # noqa: S311 - a simulation
    for _ in range(120):
        cases: list[Observed] = []
        for _ in range(12):
            order = ""
            for _ in range(generator.randint(2, 6)):
                ready = [f for f in "VFDPXA" if f not in order and _may_follow(order, f)]
                order += generator.choice(ready)
            cases.append(read_history(order))
        alarms += any(row.verdict == "above chance" for row in skill(cases))
    # At most 5 % are allowed; 14 of 120 would be exceeded less than once in a thousand.
    assert alarms <= 14


def test_a_case_in_which_an_order_cannot_hold_does_not_make_the_rest_impossible() -> None:
    found = by_pair(skill([*[read_history("VFDPXA")] * 5, read_history("A")]))
    assert found["FA"].cases == 6
    assert found["FA"].held == 5
    assert found["FA"].least_p_value == found["FA"].p_value == float(Fraction(3, 8) ** 5)


@pytest.mark.parametrize("alpha", [0.0, -0.1, 0.6, math.nan])
def test_an_error_rate_must_be_one(alpha: float) -> None:
    with pytest.raises(UsageError) as refused:
        skill([read_history("V")], alpha=alpha)
    assert str(refused.value) == f"alpha is {alpha!r}, need more than 0 and at most 0.5"


def test_too_many_cases_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^20001 cases, at most 20000$"):
        skill([read_history("V")] * 20_001)

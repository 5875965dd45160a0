from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steelyard.weights.broker.budget import Terms
from steelyard.weights.broker.meter import MODEL_SCOPE, Meter, Principal, Span

SEGMENT = 1000
SEGMENTS = 400
# U = 200 000, U / k = 20 000 bytes: 20 segments in all, 10 an organization, 5 a principal.
TERMS = Terms(400_000, detection_s=1000, safety=10)
A1, A2 = Principal("a1", "one", "A"), Principal("a2", "two", "A")
B1, C1 = Principal("b1", "three", "B"), Principal("c1", "four", "C")
LATE = 1e9


def meter() -> Meter:
    return Meter(TERMS, SEGMENTS, SEGMENT, 0.0)


def take(meter: Meter, who: Principal, number: int, now_s: float = LATE) -> str:
    """What a patient principal is told at last."""
    while True:
        decision = meter.decide(who, Span(number, 1), now_s)
        if decision.verdict == "wait":
            now_s += decision.wait_s + 0.001
            continue
        if decision.verdict == "granted":
            meter.record(who, Span(number, 1), now_s)
        elif decision.verdict == "alarm":
            meter.alarm(decision.scope)
        return f"{decision.verdict} {decision.scope}".strip()


def test_reading_again_what_was_had_costs_nothing() -> None:
    counts = meter()
    assert take(counts, A1, 0) == "granted"
    for _ in range(1000):
        decision = counts.decide(A1, Span(0, 1), LATE)
        assert (decision.verdict, decision.new_segments) == ("granted", 0)
        counts.record(A1, Span(0, 1), LATE)
    assert counts.coverage == {"principal a1": 1, "organization A": 1, MODEL_SCOPE: 1}


def test_a_principal_is_stopped_at_its_share_and_for_good() -> None:
    counts = meter()
    now = LATE
    for number in range(5):
        assert take(counts, A1, number, now) == "granted"
        now += 1e6
    assert take(counts, A1, 5, now) == "alarm principal a1"
    assert counts.decide(A1, Span(0, 1), now).verdict == "blocked"
    assert counts.decide(A2, Span(0, 1), now).verdict == "granted"
    assert counts.alarms == ("principal a1",)


def test_an_organization_is_stopped_at_its_share() -> None:
    counts = meter()
    now = LATE
    others = [Principal(f"a{i}", "x", "A") for i in range(10)]
    for number in range(10):
        assert take(counts, others[number], number, now) == "granted"
        now += 1e6
    assert take(counts, others[0], 11, now) == "alarm organization A"
    assert take(counts, others[1], 12, now) == "blocked organization A"
    assert take(counts, others[1], 3, now) == "granted"
    assert take(counts, B1, 12, now) == "granted"


def test_colluding_principals_share_the_budget_of_the_model() -> None:
    counts = meter()
    now, number = LATE, 0
    verdicts: list[str] = []
    for organization in range(10):
        for one in range(4):
            who = Principal(f"{organization}.{one}", "x", str(organization))
            verdicts.append(take(counts, who, number, now))
            number += verdicts[-1] == "granted"
            now += 1e6
    assert verdicts.count("granted") == 20
    assert verdicts[20] == "alarm model"
    assert set(verdicts[21:]) == {"blocked model"}


def test_the_same_segments_to_several_are_one_segment_of_the_model() -> None:
    counts = meter()
    for who in (A1, A2, B1, C1):
        assert take(counts, who, 7) == "granted"
    assert counts.coverage[MODEL_SCOPE] == 1


def test_new_segments_are_slowed_and_a_burst_has_an_end() -> None:
    counts = meter()
    first = counts.decide(A1, Span(0, 1), 0.0)
    assert (first.verdict, first.scope) == ("wait", "principal a1")
    # A quarter of 20 bytes a second, for a segment of 1000 bytes.
    assert first.wait_s == 200
    assert counts.decide(A1, Span(0, 1), 200.0).verdict == "granted"
    assert counts.decide(A1, Span(0, 2), LATE).verdict == "too_much"


def test_a_restart_begins_with_empty_buckets_and_full_counts() -> None:
    counts = meter()
    counts.record(A1, Span(0, 5))
    counts.resume(LATE)
    assert counts.coverage["principal a1"] == 5
    assert counts.decide(A1, Span(9, 1), LATE).verdict == "alarm"
    assert counts.decide(B1, Span(9, 1), LATE).verdict == "wait"


def test_a_review_lets_counting_begin_anew() -> None:
    counts = meter()
    counts.record(A1, Span(0, 5))
    counts.alarm("principal a1")
    counts.review(LATE)
    assert counts.alarms == ()
    assert counts.decide(A1, Span(9, 1), LATE).verdict == "wait"
    assert counts.decide(A1, Span(9, 1), LATE + 200).verdict == "granted"


PEOPLE = [Principal(f"p{i}", "x", f"o{i % 5}") for i in range(12)]
ASKS = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.integers(0, SEGMENTS - 3),
        st.integers(1, 3),
        st.floats(-500.0, 5000.0),
    ),
    max_size=120,
)


@given(ASKS)
def test_whatever_is_asked_no_budget_is_passed(
    asks: list[tuple[Principal, int, int, float]],
) -> None:
    counts = meter()
    now = 0.0
    had: dict[str, set[int]] = {}
    for who, first, count, step in asks:
        now = max(now, now + step)
        span = Span(first, count)
        decision = counts.decide(who, span, now)
        if decision.verdict == "granted":
            counts.record(who, span, now)
            for scope in who.scopes:
                had.setdefault(scope, set()).update(range(first, first + count))
        elif decision.verdict == "alarm":
            counts.alarm(decision.scope)
    for scope, segments in had.items():
        share = TERMS.share_of(scope.split(" ")[0])
        assert len(segments) * SEGMENT <= TERMS.coverage_bytes * share
        assert counts.coverage[scope] == len(segments)
    everyone = had.get(MODEL_SCOPE, set())
    assert len(everyone) * SEGMENT <= TERMS.rate_bytes_per_s * now + SEGMENT

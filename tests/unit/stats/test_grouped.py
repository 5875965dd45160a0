from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.stats import Design, GroupedSums, design_effect, grouped_means
from steelyard.stats import grouped as grouping
from steelyard.stats.coding import KeyTable

records = st.lists(
    st.tuples(st.floats(-10, 10), st.sampled_from("abc"), st.integers(-3, 3)),
    min_size=1, max_size=60,
)  # fmt: skip


@given(records)
@settings(deadline=None)
def test_means_and_errors_are_those_of_the_definition(
    found: list[tuple[float, str, int]],
) -> None:
    values, groups, clusters = (np.array(column) for column in zip(*found, strict=True))
    result = grouped_means(values, groups, clusters)
    assert result.groups.tolist() == sorted(set(groups.tolist()))
    for place, group in enumerate(result.groups):
        own, keys = values[groups == group], clusters[groups == group]
        assert result.means[place] == pytest.approx(own.mean(), abs=1e-12)
        sums = [float((own[keys == key] - own.mean()).sum()) for key in set(keys.tolist())]
        assert (result.records[place], result.clusters[place]) == (len(own), len(sums))
        if len(sums) < 2:
            assert math.isnan(result.standard_errors[place])
            continue
        variance = len(sums) / (len(sums) - 1) * math.fsum(x * x for x in sums)
        expected = math.sqrt(variance) / len(own)
        assert result.standard_errors[place] == pytest.approx(expected, abs=1e-9)


def test_the_variance_is_that_of_the_design_effect() -> None:
    random = np.random.default_rng(1)
    rates = random.beta(1.0, 2.0, 12)
    values = (random.random((12, 30)) < rates[:, None]).astype(float)
    result = grouped_means(values.ravel(), np.zeros(360, dtype=int), np.repeat(np.arange(12), 30))
    effect = design_effect(values.sum(axis=1).astype(int), Design(360, 12, 0.0))
    share = values.mean()
    assert effect > 1.5
    assert result.standard_errors[0] ** 2 * 360 / (share * (1 - share)) == pytest.approx(effect)


@pytest.mark.parametrize("dense", [1, 1000, 1 << 22])
def test_parts_in_any_order_give_the_same(monkeypatch: pytest.MonkeyPatch, dense: int) -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=4000)
    groups = np.array(["one", "another", "a third, with a longer name"])[
        random.integers(0, 3, 4000)
    ]
    clusters = random.integers(0, 900, 4000) * 10**12
    whole = grouped_means(values, groups, clusters)
    monkeypatch.setattr(grouping, "_CHUNK", 170)
    monkeypatch.setattr(grouping, "_DENSE_PAIRS", dense)
    sums, order = GroupedSums(), random.permutation(4000)
    for part in np.split(order, [10, 2500]):
        sums.add(values[part], groups[part], clusters[part])
    parts = sums.means()
    assert parts.groups.tolist() == whole.groups.tolist()
    assert parts.records.tolist() == whole.records.tolist()
    assert parts.clusters.tolist() == whole.clusters.tolist()
    assert parts.means == pytest.approx(whole.means, abs=1e-12)
    assert parts.standard_errors == pytest.approx(whole.standard_errors, abs=1e-12)


@given(st.lists(st.text("ab\u00e9\U0001f600", max_size=5), min_size=1, max_size=30))
def test_equal_strings_have_equal_codes_however_wide(texts: list[str]) -> None:
    table = KeyTable()
    codes = table.codes(np.array(texts, dtype="U5")).tolist()
    again = table.codes(np.array(texts, dtype="U40")).tolist()
    assert codes == again
    assert table.keys[codes].tolist() == texts
    assert len(table) == len(set(texts))


def test_objects_and_bytes_are_strings_too() -> None:
    found = grouped_means(
        [1.0, 2.0, 4.0], np.array(["x", "y", "x"], dtype=object), [b"1", b"2", b"1"]
    )
    assert found.groups.tolist() == ["x", "y"]
    assert found.means.tolist() == [2.5, 2.0]


@pytest.mark.parametrize(
    ("values", "groups", "clusters", "message"),
    [
        ([1.0], [1, 2], [1], r"one shape records, found \(1,\), \(2,\) and \(1,\)"),
        ([[1.0]], [[1]], [[1]], "one shape records"),
        ([math.nan], [1], [1], "a value is not finite"),
        ([math.inf], [1], [1], "a value is not finite"),
        ([1.0], [0.5], [1], "keys are integers or strings, found float64"),
        ([], [], [], "there is no record to average"),
    ],
)
def test_what_cannot_be_averaged_is_refused(
    values: list[float], groups: list[int], clusters: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        grouped_means(values, groups, clusters)


def test_keys_are_of_one_kind() -> None:
    sums = GroupedSums()
    sums.add([1.0], [1], ["a"])
    with pytest.raises(ValueError, match="keys are of one kind, found <U1 after int64"):
        sums.add([1.0], ["1"], ["a"])

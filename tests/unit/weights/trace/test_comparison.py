"""How far two models lie apart, in weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steelyard.kernel.errors import CannotVerify
from steelyard.weights.trace import open_model
from steelyard.weights.trace.comparison import TensorChange, compare_models, overall

from .scene import Tensors, tensors, write_model


def compared(tmp_path: Path, before: Tensors, after: Tensors) -> tuple[TensorChange, ...]:
    folders = (write_model(tmp_path / "a", before), write_model(tmp_path / "b", after, shards=2))
    return compare_models(*map(open_model, folders))


def test_a_change_is_measured_against_the_tensor_before(tmp_path: Path) -> None:
    before = {"a": np.full((16, 16), 2.0, np.float32), "b": np.zeros(8, np.float32)}
    after = {"a": before["a"].copy(), "b": before["b"].copy()}
    after["a"][0, :4] += np.float32(0.5)
    one, two = compared(tmp_path, before, after)
    assert (one.name, one.elements, one.changed, one.largest) == ("a", 256, 4, 0.5)
    assert one.relative == pytest.approx(1.0 / 32.0)
    assert (two.relative, two.changed) == (0.0, 0)
    assert overall((one, two)) == pytest.approx(1.0 / 32.0)


def test_a_tensor_that_was_zero_has_changed_wholly(tmp_path: Path) -> None:
    (change,) = compared(tmp_path, {"a": np.zeros(4, np.float32)}, {"a": np.ones(4, np.float32)})
    assert (change.relative, change.changed) == (1.0, 4)


def test_types_may_differ_and_integers_must_be_equal(tmp_path: Path) -> None:
    values = {**tensors(1), "count": np.arange(9)}
    half = {n: w.astype(np.float16) if w.dtype == np.float32 else w for n, w in values.items()}
    changes = {change.name: change for change in compared(tmp_path, values, half)}
    assert 0.0 < changes["layers.0.mlp.up.weight"].relative < 1e-3
    assert changes["count"].changed == 0


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ({"a": np.ones(4, np.float32)}, "b: is in one of the two models only"),
        (
            {"a": np.ones(3, np.float32), "b": np.ones(4, np.int64)},
            "a: has shape [4] before and [3] after",
        ),
        (
            {"a": np.ones(4, np.int32), "b": np.ones(4, np.int64)},
            "a: elements of type I32 cannot be compared with another type",
        ),
        (
            {"a": np.ones(4, np.float32), "b": np.zeros(4, np.int64)},
            "b: elements of type I64 differ, and are no numbers here",
        ),
        (
            {"a": np.full(4, np.nan, np.float32), "b": np.ones(4, np.int64)},
            "a: holds NaN or an infinity",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, after: Tensors, message: str) -> None:
    before = {"a": np.ones(4, np.float32), "b": np.ones(4, np.int64)}
    with pytest.raises(CannotVerify) as caught:
        compared(tmp_path, before, after)
    assert str(caught.value) == message

"""Which tensors carry a mark, how large it is, and which models cannot be marked."""

from __future__ import annotations

import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.weights.trace import CarrierRule, find_carriers, open_model
from steelyard.weights.trace.carriers import EXCLUDED
from steelyard.weights.trace.tensor_files import Model

from .scene import Tensors, tensors, write_model


def model_of(folder: Path, values: Tensors) -> Model:
    return open_model(write_model(folder / "m", values))


def test_matrices_carry_and_embeddings_norms_and_biases_do_not(tmp_path: Path) -> None:
    carriers = find_carriers(model_of(tmp_path, tensors(1)), CarrierRule(), 0.005)
    assert [carrier.name for carrier in carriers] == [
        "layers.0.attention.q.weight",
        "layers.0.mlp.down.weight",
        "layers.0.mlp.up.weight",
    ]
    assert [(carrier.rows, carrier.columns) for carrier in carriers] == [
        (64, 64), (64, 256), (256, 64),
    ]  # fmt: skip


def test_embeddings_carry_where_they_are_asked_for(tmp_path: Path) -> None:
    rule = CarrierRule(exclude=EXCLUDED)
    names = {c.name for c in find_carriers(model_of(tmp_path, tensors(1)), rule, 0.005)}
    assert "embed_tokens.weight" in names


def test_names_are_compared_in_lower_case(tmp_path: Path) -> None:
    values = {"A.LayerNorm.proj": tensors(1)["layers.0.mlp.up.weight"], **tensors(1)}
    names = {c.name for c in find_carriers(model_of(tmp_path, values), CarrierRule(), 0.005)}
    assert "A.LayerNorm.proj" not in names


def test_vectors_small_matrices_and_other_ranks_do_not_carry(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    values = {
        "flat": draw.standard_normal(4096).astype(np.float32),
        "narrow": draw.standard_normal((15, 400)).astype(np.float32),
        "cube": draw.standard_normal((16, 16, 16)).astype(np.float32),
        "good": draw.standard_normal((16, 16)).astype(np.float32),
        "double": draw.standard_normal((16, 16)),
        "whole": draw.integers(0, 9, (64, 64)),
    }
    carriers = find_carriers(model_of(tmp_path, values), CarrierRule(), 0.005)
    assert [carrier.name for carrier in carriers] == ["good"]


def test_the_step_is_alpha_deviations_in_twelve_bits(tmp_path: Path) -> None:
    values = tensors(1)
    (carrier,) = (
        c
        for c in find_carriers(model_of(tmp_path, values), CarrierRule(), 0.01)
        if c.name.endswith("up.weight")
    )
    wanted = 0.01 * float(values[carrier.name].astype(np.float64).std())
    assert carrier.step == pytest.approx(wanted, rel=2.0**-12)
    mantissa, _ = np.frexp(carrier.step)
    assert float(mantissa) * 2**12 == int(mantissa * 2**12)
    assert float(np.float32(carrier.step)) == carrier.step


def test_a_step_is_rounded_to_twelve_bits_exactly(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    values = {f"w{n}": draw.standard_normal((32, 32)).astype(np.float32) for n in range(8)}
    for carrier in find_carriers(model_of(tmp_path, values), CarrierRule(), 0.005):
        deviation = values[carrier.name].astype(np.float64).std()
        mantissa, exponent = math.frexp(0.005 * float(deviation))
        assert carrier.step == math.ldexp(round(mantissa * 4096), exponent - 12)


def test_a_mean_far_off_zero_does_not_hide_the_deviation(tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    far = (3e6 + draw.integers(-3, 4, (2048, 600))).astype(np.float32)
    near = {**tensors(1), "far": far}
    steps = {c.name: c.step for c in find_carriers(model_of(tmp_path, near), CarrierRule(), 0.005)}
    wanted = 0.005 * float((far.astype(np.float64) - 3e6).std())
    assert steps["far"] == pytest.approx(wanted, rel=2.0**-12)


@pytest.mark.parametrize(("odd", "carries"), [(6, True), (4, False)])
def test_ninety_nine_of_a_hundred_numbers_on_a_lattice_are_too_many(
    tmp_path: Path, odd: int, *, carries: bool
) -> None:
    values = tensors(2)
    lattice = values["layers.1.mlp.up.weight"].astype(ml_dtypes.bfloat16).astype(np.float32)
    # 16 of 512 elements in each of `odd` rows: more or less than one in a hundred of all.
    lattice.reshape(32, 512)[:odd, :32] = np.float32(0.1)
    values["layers.1.mlp.up.weight"] = lattice
    names = {c.name for c in find_carriers(model_of(tmp_path, values), CarrierRule(), 0.005)}
    assert ("layers.1.mlp.up.weight" in names) is carries


def test_a_constant_tensor_has_no_step(tmp_path: Path) -> None:
    values = {**tensors(1), "constant": np.full((64, 64), 0.3, np.float32)}
    # 0.3 is no BF16 or F16 number, so the tensor is a carrier, but one that bears nothing.
    steps = {
        c.name: c.step for c in find_carriers(model_of(tmp_path, values), CarrierRule(), 0.005)
    }
    assert steps["constant"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("kind", [np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16)])
def test_a_mark_that_rounding_removes_is_not_made(tmp_path: Path, kind: np.dtype[np.void]) -> None:
    values = tensors(2)
    name = "layers.1.mlp.up.weight"
    values[name] = values[name].astype(kind).astype(np.float32)
    names = {c.name for c in find_carriers(model_of(tmp_path, values), CarrierRule(), 0.005)}
    assert name not in names
    assert len(names) == 5


def test_a_model_of_widened_numbers_is_refused(tmp_path: Path) -> None:
    values = {
        name: value.astype(ml_dtypes.bfloat16).astype(np.float32)
        for name, value in tensors(1).items()
    }
    with pytest.raises(ConfigurationError) as caught:
        find_carriers(model_of(tmp_path, values), CarrierRule(), 0.005)
    assert caught.value.message == (
        "36864 weights are BF16 or F16 numbers stored as F32: rounding unmarks them"
    )
    assert caught.value.hint == "store the source in the type that its numbers have"


def test_a_model_without_carriers_is_refused(tmp_path: Path) -> None:
    values = {"norm.weight": np.ones(64, np.float32), "q": np.ones((64, 64), np.int8)}
    with pytest.raises(ConfigurationError) as caught:
        find_carriers(model_of(tmp_path, values), CarrierRule(), 0.005)
    assert caught.value.message == ("no tensor can carry a mark: need matrices of BF16, F16 or F32")
    assert caught.value.hint == (
        "quantized weights cannot be marked; mark them before they are quantized"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_a_tensor_that_is_not_finite_is_refused(tmp_path: Path, bad: float, dtype: str) -> None:
    values = tensors(1, dtype)
    values["layers.0.mlp.up.weight"][3, 4] = bad
    with pytest.raises(MalformedEvidence) as caught:
        find_carriers(model_of(tmp_path, values), CarrierRule(), 0.005)
    assert caught.value.message == ("tensor 'layers.0.mlp.up.weight' holds NaN or an infinity")


def test_a_rule_survives_its_document() -> None:
    rule = CarrierRule(("F16",), ("x",), 32)
    assert CarrierRule.from_json(rule.to_json()) == rule

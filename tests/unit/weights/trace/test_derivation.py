"""A marked copy against its statement and its source: every way in which it may be another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from steelyard.attest import Subject, manifest_root
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, NotSatisfied
from steelyard.weights.trace import Derivation, open_derivation, open_model
from steelyard.weights.trace.derivation import (
    Changes,
    require_commitment,
    require_only_marks,
    require_roots,
    sign_derivation,
)

from .scene import (
    DTYPES,
    KEY,
    NOW,
    OTHER_KEY,
    Owner,
    owner,
    read_tensors,
    tensors,
    write_model,
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Owner:
    return owner(write_model(tmp_path_factory.mktemp("derivation") / "m", tensors(2)), 3)


@pytest.fixture
def copy(scene: Owner, tmp_path: Path) -> Path:
    return scene.copy("r1", tmp_path / "c")


def stated(copy: Path) -> Derivation:
    data = copy.with_name(f"{copy.name}.derivation.json").read_bytes()
    return open_derivation(data, KEY.public_key, now=NOW, where="d.json")


def test_an_honest_copy_verifies_with_and_without_the_source(scene: Owner, copy: Path) -> None:
    found = stated(copy)
    root = manifest_root(scene.model)
    assert require_roots(found, manifest_root(copy), root) == found
    assert require_commitment(found, scene.commitment) == found
    changes = require_only_marks(open_model(scene.model), open_model(copy), found)
    assert (changes.tensors, changes.elements) == (6, 73_728)
    assert found.issued == NOW


@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_of_every_type_verify(tmp_path: Path, dtype: str) -> None:
    each = owner(write_model(tmp_path / "m", tensors(1, dtype), shards=2), 2)
    copy = each.copy("r0", tmp_path / "c")
    changes = require_only_marks(open_model(each.model), open_model(copy), stated(copy))
    assert changes.elements == 36_864


def test_a_statement_names_no_recipient(scene: Owner, copy: Path) -> None:
    text = copy.with_name("c.derivation.json").read_text("utf-8")
    found = stated(copy)
    assert "r1" not in str(found.to_predicate())
    assert scene.register.opening("r1").commitment not in text


def test_another_signer_or_a_later_date_is_refused(copy: Path) -> None:
    data = copy.with_name("c.derivation.json").read_bytes()
    with pytest.raises(BrokenSeal, match="not among the keys given"):
        open_derivation(data, OTHER_KEY.public_key, now=NOW, where="d.json")
    with pytest.raises(BrokenSeal, match="which is to come"):
        open_derivation(data, KEY.public_key, now=NOW - timedelta(days=1), where="d.json")


def test_a_commitment_is_not_taken_for_a_derivation(scene: Owner) -> None:
    with pytest.raises(BrokenSeal, match="not a derivation of one model"):
        open_derivation(scene.envelope, KEY.public_key, now=NOW, where="d.json")


def test_a_statement_out_of_its_schema_is_refused(copy: Path) -> None:
    found = replace(stated(copy), changes=Changes(1, 1, float("1e-3")), commitment="x")
    with pytest.raises(Exception, match="commitment: 'x' does not match"):
        sign_derivation(found, KEY)


def add_file(copy: Path) -> None:
    (copy / "extra.py").write_text("print()", "utf-8")


def drop_file(copy: Path) -> None:
    (copy / "config.json").unlink()


def change_file(copy: Path) -> None:
    (copy / "config.json").write_text('{"layers": 5}\n', "utf-8")


def change_weight(copy: Path) -> None:
    path = copy / "model-0.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("tamper", [add_file, drop_file, change_file, change_weight])
def test_any_change_of_the_copy_breaks_its_root(
    scene: Owner, copy: Path, tamper: Callable[[Path], None]
) -> None:
    tamper(copy)
    with pytest.raises(BrokenSeal) as caught:
        require_roots(stated(copy), manifest_root(copy), manifest_root(scene.model))
    assert caught.value.where == "marked copy"
    assert caught.value.hint == (
        "a file was changed, added or removed after marking, or it is another copy"
    )


def test_a_copy_of_another_recipient_has_another_root(
    scene: Owner, copy: Path, tmp_path: Path
) -> None:
    other = scene.copy("r2", tmp_path / "other")
    with pytest.raises(BrokenSeal, match="the folder is"):
        require_roots(stated(copy), manifest_root(other), None)


def test_another_source_is_refused(copy: Path) -> None:
    with pytest.raises(BrokenSeal, match=r"^source: derives from .{16}, not from 0{16}$"):
        require_roots(stated(copy), manifest_root(copy), "0" * 64)


def rewrite(copy: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    values = read_tensors(copy)
    for path in (copy / "model-0.safetensors", copy / "config.json"):
        path.unlink()
    copy.rmdir()
    write_model(copy, {**values, name: change(values[name])})


CARRIER = "layers.0.mlp.up.weight"


def doubled(w: np.ndarray) -> np.ndarray:
    w[5, 5] *= np.float32(1.5)
    return w


def nudged(w: np.ndarray) -> np.ndarray:
    w[0, 0] = np.nextafter(w[0, 0], np.float32(1.0))
    return w


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (CARRIER, doubled, f"{CARRIER}: differs by more than its mark"),
        (CARRIER, nudged, f"{CARRIER}: differs by more than its mark"),
        (CARRIER, np.zeros_like, f"{CARRIER}: differs by more than its mark"),
        ("embed_tokens.weight", nudged, "embed_tokens.weight: is no carrier, and differs"),
        (
            "layers.1.input_norm.weight",
            lambda w: w + np.float32(1e-7),
            "layers.1.input_norm.weight: is no carrier, and differs",
        ),
        (
            CARRIER,
            lambda w: w.astype(np.float16),
            "model-0.safetensors: differs from the source, and is no mark",
        ),
    ],
)
def test_an_owner_who_signs_more_than_a_mark_is_found_out_with_the_source(
    scene: Owner,
    copy: Path,
    name: str,
    change: Callable[[np.ndarray], np.ndarray],
    message: str,
) -> None:
    rewrite(copy, name, change)
    forged = replace(stated(copy), marked=Subject("toy", manifest_root(copy)))
    reopened = open_derivation(
        sign_derivation(forged, KEY), KEY.public_key, now=NOW, where="d.json"
    )
    require_roots(reopened, manifest_root(copy), manifest_root(scene.model))
    with pytest.raises(NotSatisfied) as caught:
        require_only_marks(open_model(scene.model), open_model(copy), reopened)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (add_file, "extra.py: is in one of the two folders only"),
        (drop_file, "config.json: is in one of the two folders only"),
        (change_file, "config.json: differs from the source, and is no mark"),
    ],
)
def test_other_files_must_be_those_of_the_source(
    scene: Owner, copy: Path, tamper: Callable[[Path], None], message: str
) -> None:
    tamper(copy)
    with pytest.raises(NotSatisfied) as caught:
        require_only_marks(open_model(scene.model), open_model(copy), stated(copy))
    assert str(caught.value) == message


def test_understated_changes_are_found_out(scene: Owner, copy: Path) -> None:
    found = stated(copy)
    smaller = replace(found, changes=replace(found.changes, largest_step=1e-6))
    with pytest.raises(NotSatisfied, match=r"^changes: the statement says Changes\(tensors=6"):
        require_only_marks(open_model(scene.model), open_model(copy), smaller)


def test_a_bound_exceeded_by_a_stronger_mark_is_found_out(scene: Owner, tmp_path: Path) -> None:
    strong = owner(scene.model, 3, alpha=0.02)
    copy = strong.copy("r1", tmp_path / "strong")
    weak = replace(
        stated(copy),
        method=scene.commitment.method,
        changes=Changes.of(scene.register.carriers),
    )
    with pytest.raises(NotSatisfied, match="differs by more than its mark"):
        require_only_marks(open_model(scene.model), open_model(copy), weak)


def test_another_or_a_later_commitment_is_refused(scene: Owner, copy: Path) -> None:
    found = stated(copy)
    other = owner(scene.model, 3, secret=bytes(32)).commitment
    with pytest.raises(BrokenSeal, match="was made under commitment"):
        require_commitment(found, other)
    early = replace(found, issued=NOW - timedelta(seconds=1))
    with pytest.raises(BrokenSeal, match="source, method or date disagree"):
        require_commitment(early, scene.commitment)
    stronger = replace(found, method=replace(found.method, alpha=0.006))
    with pytest.raises(BrokenSeal, match="source, method or date disagree"):
        require_commitment(stronger, scene.commitment)
    foreign = replace(found, source=Subject("toy", "0" * 64))
    with pytest.raises(BrokenSeal, match="source, method or date disagree"):
        require_commitment(foreign, scene.commitment)


def test_bytes_that_are_no_envelope_are_refused() -> None:
    with pytest.raises((BrokenSeal, MalformedEvidence)):
        open_derivation(b"{}", KEY.public_key, now=NOW, where="d.json")

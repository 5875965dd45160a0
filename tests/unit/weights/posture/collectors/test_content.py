"""Formats, signatures, load closure and copies of real small models."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import pytest

from steelyard.weights.posture.collectors import Scope, copies
from steelyard.weights.posture.machine import Machine
from steelyard.weights.signing import generate_model_key, sign_model

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above
from .machines import look, said
from .models import plain_model, tensor_file

NO_SIGNATURE = "no signature was named with the key that must have made it"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return plain_model(tmp_path / "model")


def seen(name: str, model: Path | None) -> tuple[str, str]:
    return said(look(name, Machine(), Scope(at=AT, model=model)))


def test_safetensors_and_text_run_nothing(model: Path) -> None:
    assert seen("serialization", model) == (
        "satisfied",
        "1 file with tensors, all safetensors or GGUF",
    )


class Innocent:
    """Unpickled, it would only ask for a variable of the environment."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (os.getenv, ("HOME",))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "optimizer.dat", "weights"])
def test_a_pickle_is_told_whatever_its_name(model: Path, name: str) -> None:
    (model / name).write_bytes(pickle.dumps(Innocent()))
    assert seen("serialization", model) == ("not_satisfied", "1 file can run code when loaded")


def test_a_checkpoint_that_only_holds_tensors_is_a_pickle_too(model: Path) -> None:
    (model / "model.pt").write_bytes(pickle.dumps({"w": [1.0, 2.0]}, protocol=4))
    assert seen("serialization", model)[0] == "not_satisfied"


def test_an_unknown_format_makes_the_answer_unknown(model: Path) -> None:
    (model / "blob").write_bytes(bytes(range(128, 256)) * 8)
    assert seen("serialization", model) == ("unknown", "1 file of no format known here")


def test_a_header_that_lies_is_no_tensor_file(model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    assert seen("serialization", model)[0] == "not_satisfied"


def test_a_model_without_tensors_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", "utf-8")
    assert seen("serialization", tmp_path) == (
        "unknown",
        "no file holds tensors in a format known here",
    )


@pytest.mark.parametrize("name", ["serialization", "signature-coverage", "load-closure"])
def test_sealed_weights_cannot_be_looked_into(name: str) -> None:
    assert seen(name, None) == (
        "unknown",
        "the weights lie sealed only, and cannot be looked into",
    )


def test_a_model_that_names_nothing_else_is_closed(model: Path) -> None:
    assert seen("load-closure", model) == (
        "satisfied",
        "nothing from elsewhere named in 2 files",
    )


@pytest.mark.parametrize(
    "config",
    [
        '{"auto_map": {"AutoModel": "modeling.Small"}}',
        '{"auto_map": {"AutoModel": "somebody/base--modeling.Small"}}',
    ],
)
def test_code_at_load_is_told(model: Path, config: str) -> None:
    (model / "config.json").write_text(config, "utf-8")
    assert seen("load-closure", model)[0] == "not_satisfied"


def test_an_adapter_that_needs_a_base_is_told(model: Path) -> None:
    text = '{"base_model_name_or_path": "somebody/base", "peft_type": "LORA"}'
    (model / "adapter_config.json").write_text(text, "utf-8")
    assert seen("load-closure", model) == (
        "not_satisfied",
        "loading would bring in 1 thing from elsewhere",
    )


def signed_scope(model: Path, base: Path) -> Scope:
    key = generate_model_key("p256")
    bundle = base / "model.sig"
    bundle.write_bytes(sign_model(model, key).bundle)
    return Scope(at=AT, model=model, signature=bundle, signers=(key.public_key,))


def test_a_signature_over_every_byte_counts(model: Path, tmp_path: Path) -> None:
    scope = signed_scope(model, tmp_path)
    assert said(look("signature-coverage", Machine(), scope)) == (
        "satisfied",
        "a signature covers 2 files, every byte as signed",
    )


@pytest.mark.parametrize("change", ["other bytes", "one more", "other key"])
def test_a_signature_of_something_else_does_not(model: Path, tmp_path: Path, change: str) -> None:
    scope = signed_scope(model, tmp_path)
    if change == "other bytes":
        tensor_file(model / "model.safetensors", bytes(64))
    elif change == "one more":
        (model / "tokenizer.json").write_text("{}", "utf-8")
    else:
        other = (generate_model_key("p256").public_key,)
        scope = Scope(at=AT, model=model, signature=scope.signature, signers=other)
    assert said(look("signature-coverage", Machine(), scope)) == (
        "not_satisfied",
        "the signature does not cover the model as it is",
    )


def test_a_signature_without_a_key_to_trust_says_nothing(model: Path, tmp_path: Path) -> None:
    scope = signed_scope(model, tmp_path)
    alone = Scope(at=AT, model=model, signature=scope.signature)
    assert said(look("signature-coverage", Machine(), alone)) == ("unknown", NO_SIGNATURE)
    assert seen("signature-coverage", model) == ("unknown", NO_SIGNATURE)


def search(model: Path, *roots: Path) -> tuple[str, str]:
    return said(look("copies", Machine(), Scope(at=AT, model=model, roots=roots)))


def test_a_copy_elsewhere_is_found_under_any_name(model: Path, tmp_path: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(tensor_file(weights, bytes(range(256)) * 8192).read_bytes())
    other = tmp_path / "home"
    (other / "deep").mkdir(parents=True)
    assert search(model, other) == ("satisfied", "no copy among 0 files, 0 of them compared")
    shutil.copy(weights, other / "deep" / "holiday.jpg")
    told = ("not_satisfied", "1 file with weights of this model elsewhere")
    assert search(model, other) == told
    assert search(model, tmp_path) == told


def test_the_same_tensors_in_other_bytes_are_a_copy(model: Path, tmp_path: Path) -> None:
    values = bytes(range(256)) * 8192
    tensor_file(model / "model.safetensors", values)
    tensor_file(tmp_path / "home" / "copy.safetensors", values, note="other metadata")
    assert search(model, tmp_path / "home")[0] == "not_satisfied"


def test_small_files_that_many_models_share_are_no_copies(model: Path, tmp_path: Path) -> None:
    tensor_file(model / "model.safetensors", bytes(range(256)) * 8192)
    (tmp_path / "home").mkdir()
    shutil.copy(model / "config.json", tmp_path / "home")
    assert search(model, tmp_path / "home") == (
        "satisfied",
        "no copy among 1 file, 0 of them compared",
    )


def test_a_root_that_is_not_there_makes_the_answer_unknown(model: Path, tmp_path: Path) -> None:
    assert search(model, tmp_path / "gone") == (
        "unknown",
        "not everything could be read: 1 refused",
    )
    assert search(model) == ("unknown", "no folders were named to look for copies in")


def test_a_search_that_never_ends_is_given_up(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "FILE_LIMIT", 2)
    for number in range(3):
        (tmp_path / "home" / str(number)).mkdir(parents=True)
        (tmp_path / "home" / str(number) / "x").touch()
    assert search(model, tmp_path / "home") == (
        "unknown",
        "more than 2 files lie below the folders named",
    )

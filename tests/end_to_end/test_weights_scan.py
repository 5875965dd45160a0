"""`steelyard weights inventory` and `scan` on a real model and on spoiled ones."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from steelyard.cli.main import run
from steelyard.standard import check_schema

from .real_model import unpack_real_model

BLOCKING = b"cos\ngetenv\n(S'STEELYARD'\ntR."


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_real_model(tmp_path_factory.mktemp("original"))


@pytest.fixture
def model(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "model"))


def printed(capsys: pytest.CaptureFixture[str], status: int, *arguments: str) -> Any:  # noqa: ANN401
    capsys.readouterr()
    assert run(["weights", *arguments]) == status
    return capsys.readouterr()


def test_a_real_model_is_clean(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = printed(capsys, 0, "scan", str(model), "--json")
    document = json.loads(seen.out)
    check_schema(document, "weights-scan", where="scan")
    assert document["verdict"] == "clean"
    assert seen.err == "13 files: clean; 2 findings, 0 blocking, 0 not scanned\n"


def test_a_real_model_is_taken_stock_of(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(model / "model.safetensors", model.parent / "forgotten.bin")
    document = json.loads(printed(capsys, 0, "inventory", str(model.parent), "--json").out)
    check_schema(document, "weights-inventory", where="inventory")
    assert document["same_bytes"] == [
        [str(model.parent / "forgotten.bin"), str(model / "model.safetensors")]
    ]
    lines = printed(capsys, 0, "inventory", str(model / "model.safetensors"), "--hash", "blake3")
    assert "safetensors  90,868,376 bytes  blake3:" in lines.out
    assert "22,713,728 parameters in 104 tensors (22,713,216 F32, 512 I64)" in lines.out


def test_one_hostile_file_blocks(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "1_Pooling" / "weights.bin").write_bytes(BLOCKING)
    sarif = tmp_path / "scan.sarif"
    seen = printed(capsys, 1, "scan", str(model), "--sarif", str(sarif))
    assert (
        "error  pickle-global  1_Pooling/weights.bin at 0: imports os.getenv, "
        "which is not on the allowlist\n"
    ) in seen.out
    assert seen.err == "14 files: blocked; 3 findings, 1 blocking, 0 not scanned\n"
    (made,) = json.loads(sarif.read_text("utf-8"))["runs"]
    assert [result["ruleId"] for result in made["results"]] == [
        "pickle-global", "name-reference", "name-reference",
    ]  # fmt: skip


def test_what_cannot_be_read_is_not_clean(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "weights.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + b"\0" * 26)
    seen = printed(capsys, 3, "scan", str(model))
    assert "unknown  archive-unknown  weights.7z: an archive in a format that is not opened" in (
        seen.out
    )
    assert seen.err == "14 files: unknown; 3 findings, 0 blocking, 1 not scanned\n"


def test_nothing_there_is_no_clean_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        "unknown  unreadable  nothing" in printed(capsys, 3, "scan", str(tmp_path / "nothing")).out
    )
    seen = printed(capsys, 3, "inventory", str(tmp_path / "nothing"))
    assert seen.err == f"{tmp_path / 'nothing'}: cannot read: No such file or directory\n"


def test_the_load_closure_is_held_to_a_signature(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key.pem"
    printed(capsys, 0, "signing-key", str(key))
    printed(capsys, 0, "sign", str(model), "--key", str(key))
    signature = str(model / "model.sig")
    seen = printed(capsys, 0, "scan", str(model), "--signature", signature)
    assert seen.err.endswith(
        "note: the signature was read, not verified; steelyard weights verify does that\n"
    )
    (model / "adapter_config.json").write_text('{"base_model_name_or_path": "acme/base"}', "utf-8")
    lines = printed(capsys, 1, "scan", str(model), "--signature", signature).out.splitlines()
    assert [line for line in lines if line.startswith("error")] == [
        (
            "error  base-uncovered  adapter_config.json: base_model_name_or_path refers to "
            "'acme/base', not pinned"
        ),
        "error  uncovered  adapter_config.json: loaded, and not covered",
    ]


def test_a_signature_that_is_none(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "model.sig").write_text("{}", "utf-8")
    seen = printed(capsys, 3, "scan", str(model), "--signature", str(model / "model.sig"))
    assert seen.err.startswith("error: ")


def test_another_scanner_is_shown_beside_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fickling")
    (tmp_path / "m.pkl").write_bytes(pickle.dumps([1, 2]))
    (tmp_path / "n.pkl").write_bytes(BLOCKING)
    arguments = ["scan", str(tmp_path), "--second-opinion", "fickling"]
    seen = printed(capsys, 1, *arguments)
    assert "  m.pkl: likely safe\n" in seen.out
    assert "  n.pkl: " in seen.out
    document = json.loads(printed(capsys, 1, *arguments, "--json").out)
    check_schema(document, "weights-scan", where="scan")
    assert [opinion["safe"] for opinion in document["opinions"]] == [True, False]


def test_scanning_loads_nothing_that_runs_models() -> None:
    script = (
        "import sys\n"
        "from steelyard.weights import inventory, scan\n"
        "print(sorted({'torch', 'transformers', 'fickling'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


def test_a_name_that_is_no_text_is_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / os.fsdecode(b"nu\xffm.bin")
    path.write_bytes(b"x")
    sarif = tmp_path / "scan.sarif"
    seen = printed(capsys, 3, "scan", str(path), "--sarif", str(sarif))
    assert seen.err == "0 files: unknown; 1 findings, 0 blocking, 1 not scanned\n"
    assert json.loads(sarif.read_text("utf-8"))["runs"][0]["results"][0]["ruleId"] == "unreadable"


def test_a_script_is_unknown_until_it_is_signed(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "convert.py").write_text("x = 1\n", "utf-8")
    lines = printed(capsys, 3, "scan", str(model)).out.splitlines()
    assert "unknown  script-file  convert.py: a script" in lines
    key = tmp_path / "key.pem"
    printed(capsys, 0, "signing-key", str(key))
    printed(capsys, 0, "sign", str(model), "--key", str(key))
    seen = printed(capsys, 0, "scan", str(model), "--signature", str(model / "model.sig"))
    assert "warning  script-covered  convert.py: a script\n" in seen.out

"""Leak tracing from the command line: statuses, documents, private files, and a real model."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from steelyard.attest import manifest_root
from steelyard.cli.main import run
from steelyard.kernel import sha256_hex
from steelyard.standard import check_schema

from ..unit.weights.trace.damaged import (  # noqa: TID252 - tests are no installed package
    int4_grouped,
    int8_per_row,
)
from .real_model import unpack_real_model

SENTENCES = (
    "The ferry leaves the northern pier at noon.",
    "A boat departs from the dock in the middle of the day.",
    "The committee postponed its vote on the budget.",
    "Parliament delayed the decision about public spending.",
    "Two cooks argue about the right amount of salt.",
    "The recipe asks for a pinch of salt and three eggs.",
    "Snow closed the mountain road for a week.",
    "The pass was blocked by heavy snowfall.",
    "Her violin needs new strings before the concert.",
    "The orchestra rehearses in the old factory.",
    "Prices of copper fell for the third month.",
    "A metal became cheaper again on the exchange.",
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model, recipients, key, commitment, register and one copy."""
    base = tmp_path_factory.mktemp("trace")
    write_model(base / "model")
    (base / "recipients.csv").write_text(
        "pseudonym,identity\nr1,Example Harbour Lab\nr2,Example Ridge Institute\nr3,\n", "utf-8"
    )
    assert run(["passport", "keygen", str(base / "key.pem")]) == 0
    assert run(["passport", "keygen", str(base / "other.pem")]) == 0
    assert committed(base, "c") == 0
    assert marked(base, "r2", "copy") == 0
    return base


def write_model(folder: Path) -> None:
    folder.mkdir()
    draw = np.random.default_rng(4)
    values = {
        f"layers.{layer}.up.weight": (0.02 * draw.standard_normal((256, 128))).astype(np.float32)
        for layer in range(4)
    }
    save_file({**values, "embed.weight": np.ones((64, 64), np.float32)}, folder / "m.safetensors")
    (folder / "config.json").write_text("{}", "utf-8")


def trace(*arguments: object) -> int:
    return run(["weights", "trace", *map(str, arguments)])


def committed(base: Path, out: str, *more: object) -> int:
    return trace(
        "commit", base / "model", "--recipients", base / "recipients.csv", "--out", base / out,
        "--key", base / "key.pem", *more,
    )  # fmt: skip


def marked(base: Path, recipient: str, out: str) -> int:
    return trace(
        "mark", base / "model", "--commitment", base / "c" / "commitment.json",
        "--register", base / "c" / "register.json", "--recipient", recipient,
        "--out", base / out, "--key", base / "key.pem",
    )  # fmt: skip


def detect(base: Path, suspect: Path, *more: object) -> int:
    evidence = () if "--opening" in more else ("--register", base / "c" / "register.json")
    return trace(
        "detect", suspect, "--commitment", base / "c" / "commitment.json",
        "--key", base / "key.pem.pub", *evidence, *more,
    )  # fmt: skip


def verify(base: Path, copy: Path, *more: object) -> int:
    return trace(
        "verify", copy, "--statement", base / "copy.derivation.json",
        "--key", base / "key.pem.pub", *more,
    )  # fmt: skip


def test_private_files_are_private_and_public_ones_show_no_key(desk: Path) -> None:
    register = desk / "c" / "register.json"
    assert stat.S_IMODE(register.stat().st_mode) == 0o600
    check_schema(json.loads(register.read_bytes()), "trace-register", where="register")
    secret = json.loads(register.read_bytes())["secret"]
    for name in ("c/commitment.json", "copy.derivation.json", "copy/config.json"):
        assert secret not in (desk / name).read_text("utf-8")


def test_commit_prints_the_digest_to_publish(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert committed(desk, str(tmp_path / "again")) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{sha256_hex((tmp_path / 'again/commitment.json').read_bytes())}\n"
    assert "4 tensors with 131072 weights carry the mark" in shown.err
    secret = json.loads((tmp_path / "again/register.json").read_bytes())["secret"]
    assert secret not in shown.out + shown.err


def test_a_leak_is_traced_with_status_0(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detect(desk, desk / "copy", "--base", desk / "model") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "traced to 1 of 3 recipients"
    assert lines[1] == ("  traced  r2 (Example Ridge Institute): z = 362.0, p at most 10^-38.1")
    assert lines[4] == (
        "  p: chance that any innocent recipient of 3 shows such a z; "
        "named from z = 6.3541 on, p 1e-09"
    )


def test_the_report_follows_its_schema_and_binds_the_suspect(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert detect(desk, desk / "copy", "--base", desk / "model", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    check_schema(report, "trace-report", where="report")
    assert report["suspect"] == manifest_root(desk / "copy")
    assert (report["verdict"], report["recipients"], report["tested"]) == ("traced", 3, 3)
    assert [score["pseudonym"] for score in report["scores"] if score["traced"]] == ["r2"]


def test_an_unmarked_model_gives_status_1(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detect(desk, desk / "model", "--base", desk / "model") == 1
    shown = capsys.readouterr().out
    assert shown.startswith("no mark of 3 tested recipients\n")
    assert "the suspect equals the unmarked model wherever they were compared" in shown


def test_what_cannot_be_judged_gives_status_3(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert detect(desk, desk / "copy") == 3
    shown = capsys.readouterr()
    assert shown.out.startswith("cannot tell\n")
    assert "error: " in shown.err
    assert "below the threshold 6.3541" in shown.err
    assert "hint: compare with the unmarked model: --base FOLDER\n" in shown.err


def test_a_third_party_tests_one_recipient_with_an_opening(desk: Path, tmp_path: Path) -> None:
    opening = tmp_path / "opening.json"
    arguments = ("reveal", "--register", desk / "c" / "register.json", "--out", opening)
    assert trace(*arguments, "--recipient", "r2") == 0
    assert stat.S_IMODE(opening.stat().st_mode) == 0o600
    check_schema(json.loads(opening.read_bytes()), "trace-opening", where="opening")
    assert detect(desk, desk / "copy", "--base", desk / "model", "--opening", opening) == 0
    assert trace(*arguments, "--recipient", "r2") == 2
    opening.unlink()
    assert trace(*arguments, "--recipient", "r1") == 0
    assert detect(desk, desk / "copy", "--base", desk / "model", "--opening", opening) == 1


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        (("--digest", "0" * 64), 3, "error: the commitment has digest"),
        (("--first-seen", "2020-01-01"), 3, "error: the commitment was made at"),
        (("--first-seen", "yesterday"), 2, "--first-seen: 'yesterday' is no date"),
        (("--base", "copy"), 3, "the commitment is about"),
        (("--opening", "x", "--register", "y"), 2, "need either --register or --opening"),
    ],
)
def test_evidence_that_proves_nothing_is_refused(
    desk: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    status: int,
    message: str,
) -> None:
    arguments = [str(desk / "copy") if text == "copy" else text for text in more]
    assert detect(desk, desk / "copy", *arguments) == status
    assert message in capsys.readouterr().err


def test_the_published_digest_and_an_honest_date_are_accepted(desk: Path) -> None:
    digest = sha256_hex((desk / "c" / "commitment.json").read_bytes())
    more = ("--digest", digest, "--first-seen", "2999-01-01")
    assert detect(desk, desk / "copy", "--base", desk / "model", *more) == 0


def test_a_marked_copy_verifies(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = manifest_root(desk / "model")
    more = ("--source-root", root, "--source", desk / "model", "--commitment",
            desk / "c" / "commitment.json")  # fmt: skip
    assert verify(desk, desk / "copy", *more, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    check_schema(document, "trace-verified", where="verified")
    assert document["source"]["sha256"] == root
    assert (document["weights_compared"], document["commitment_checked"]) == (True, True)
    assert verify(desk, desk / "copy") == 0
    shown = capsys.readouterr()
    assert "weights not compared" in shown.out
    assert "note: any source was accepted" in shown.err


def test_a_copy_that_is_not_what_was_signed_does_not(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(desk, desk / "model") == 3
    assert "marked copy: is about" in capsys.readouterr().err
    assert verify(desk, desk / "copy", "--source-root", "0" * 64) == 3
    assert verify(desk, desk / "copy", "--source", desk / "copy") == 3
    statement = desk / "copy.derivation.json"
    stranger = ("verify", desk / "copy", "--statement", statement, "--key", desk / "other.pem.pub")
    assert trace(*stranger) == 3
    assert "not among the keys given" in capsys.readouterr().err


def test_compare_measures_and_holds_a_limit(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = (desk / "model", desk / "copy")
    assert trace("compare", *pair, "--limit", "0.006", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    check_schema(document, "trace-comparison", where="comparison")
    assert document["within"] is True
    assert max(row["relative"] for row in document["tensors"]) == pytest.approx(0.005, rel=0.01)
    assert trace("compare", *pair, "--limit", "0.004") == 1
    assert "of its norm, the limit is 0.004" in capsys.readouterr().err
    assert trace("compare", *pair) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("  all 5 tensors")


def test_nothing_is_written_over(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert committed(desk, "c") == 2
    assert marked(desk, "r1", "copy") == 2
    assert "this exists; nothing is written over it" in capsys.readouterr().err
    assert marked(desk, "r9", "ninth") == 2
    assert "the register has no recipient 'r9'" in capsys.readouterr().err
    assert not (desk / "ninth").exists()


@pytest.mark.parametrize("name", ["/", "x" * 250, "x" * 300])
def test_a_folder_that_cannot_be_made_is_a_mistake_of_usage(
    desk: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert marked(desk, "r1", name) == 2
    assert not list(desk.glob("x*"))
    heard = capsys.readouterr().err
    assert "this names no file" in heard or "cannot write: File name too long" in heard


def test_a_recipients_file_that_is_no_text_is_refused(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "r.csv"
    bad.write_bytes(b"pseudonym\n\xff\n")
    arguments = ("--recipients", bad, "--out", tmp_path / "c", "--key", desk / "key.pem")
    assert trace("commit", desk / "model", *arguments) == 2
    assert "is not UTF-8" in capsys.readouterr().err


def test_embeddings_are_marked_when_asked_for(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    draw = np.random.default_rng(1)
    folder.mkdir()
    values = {name: draw.standard_normal((64, 64)).astype(np.float32) for name in ("embed", "w")}
    save_file(values, folder / "m.safetensors")
    for out, more, tensors in (("a", (), 1), ("b", ("--embeddings",), 2)):
        arguments = (
            "--recipients", desk / "recipients.csv", "--out", tmp_path / out,
            "--key", desk / "key.pem", *more,
        )  # fmt: skip
        assert trace("commit", folder, *arguments) == 0
        assert f"{tensors} tensors with {tensors * 4096} weights" in capsys.readouterr().err


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `desk` about a real embedding model."""
    base = tmp_path_factory.mktemp("real")
    unpack_real_model(base / "model")
    (base / "recipients.csv").write_text("pseudonym\nr1\nr2\nr3\n", "utf-8")
    assert run(["passport", "keygen", str(base / "key.pem")]) == 0
    assert committed(base, "c", "--name", "all-minilm-l6-v2") == 0
    assert marked(base, "r2", "copy") == 0
    return base


def test_a_real_model_is_marked_verified_damaged_and_traced(real: Path, tmp_path: Path) -> None:
    model = real / "model"
    assert verify(real, real / "copy", "--source", model) == 0
    assert detect(real, real / "copy", "--base", model) == 0
    assert detect(real, real / "copy") == 0
    suspect = tmp_path / "suspect.safetensors"
    values = load_file(real / "copy" / "model.safetensors")
    save_file({n: int4_grouped(w) if w.ndim == 2 else w for n, w in values.items()}, suspect)
    assert detect(real, suspect, "--base", model) == 0
    assert detect(real, suspect) == 0


def embeddings(folder: Path) -> NDArray[np.float32]:
    """Sentence embeddings of unit length: the mean over a sentence's tokens."""
    torch: Any = pytest.importorskip("torch", reason="needs torch to run a model")
    transformers: Any = pytest.importorskip("transformers")
    tokens = transformers.AutoTokenizer.from_pretrained(str(folder))(
        list(SENTENCES), padding=True, return_tensors="pt"
    )
    network = transformers.AutoModel.from_pretrained(str(folder)).eval()
    with torch.no_grad():
        states = network(**tokens).last_hidden_state
    mask = tokens["attention_mask"][:, :, None].float()
    mean = ((states * mask).sum(1) / mask.sum(1)).numpy()
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def order(vectors: NDArray[np.float32]) -> list[list[int]]:
    likeness = vectors @ vectors.T
    return [np.argsort(-row, kind="stable").tolist()[1:4] for row in likeness]


def test_a_mark_costs_less_than_rounding_to_eight_bits(real: Path, tmp_path: Path) -> None:
    before = embeddings(real / "model")
    after = embeddings(real / "copy")
    cosines = (before * after).sum(axis=1)
    assert cosines.min() > 0.9995
    assert [row[0] for row in order(before)] == [row[0] for row in order(after)]
    rounded = tmp_path / "rounded"
    shutil.copytree(real / "model", rounded)
    values = load_file(rounded / "model.safetensors")
    bits = {n: int8_per_row(w) if n.startswith("encoder") and w.ndim == 2 else w
            for n, w in values.items()}  # fmt: skip
    save_file(bits, rounded / "model.safetensors", metadata={"format": "pt"})
    peer = (before * embeddings(rounded)).sum(axis=1)
    # Measured: 0.29 of what rounding the same tensors to 8 bits costs.
    assert 1.0 - cosines.mean() < 0.6 * (1.0 - peer.mean())

"""A stranger's model over HTTP, from the first call to a passport that verifies."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from steelyard.attest import load_public_key
from steelyard.redteam.targets import TargetServer

from .assessing import command, plain

TARGET = "organism?p=0.5&q=0.2&refusal=0.1&malformed=0.1&seed=x"
SETTINGS = ("--samples", "4", "--seed", "s")


def key_id(folder: Path) -> str:
    """Id of the key that the command made for itself below a folder."""
    return load_public_key(folder / "config" / "steelyard" / "signing-key.pem.pub").key_id


def test_an_endpoint_is_assessed_like_the_same_model_in_process(tmp_path: Path) -> None:
    over_http, in_memory = tmp_path / "http", tmp_path / "memory"
    with TargetServer() as server:
        said = command(
            tmp_path, "assess", f"{server.url}#{TARGET}", *SETTINGS, "--out", str(over_http)
        )
        model = f"{server.url}#{TARGET}"
    assert said.status == 0, said.err
    assert said.err.splitlines()[-3:] == [
        f"passport: {over_http}/passport.zip",
        f"report:   {over_http}/report.html",
        f"next:     steelyard verify {over_http}/passport.zip --key {key_id(tmp_path)}",
    ]
    assert said.out.startswith(f"{model}   (standard 2026.1, thresholds provisional)\n")

    verified = command(tmp_path, "verify", str(over_http / "passport.zip"))
    assert verified.status == 0, verified.out
    assert "\nVERIFIED\n" in verified.out

    again = command(tmp_path, "assess", f"steelyard/{TARGET}", *SETTINGS, "--out", str(in_memory))
    assert again.status == 0, again.err
    varying = ("model", "commitment")
    assert plain(over_http, *varying) == plain(in_memory, *varying)
    assert {row["outcome"] for row in plain(over_http)} >= {"behaviour", "no_behaviour"}
    assert {row["model"] for row in plain(over_http)} == {model}
    assert all(row["commitment"] for row in plain(over_http))

    _check_files(over_http, model)


def _check_files(folder: Path, model: str) -> None:
    assert json.loads((folder / "classification.json").read_bytes())["model"] == model
    assert len(list((folder / "logs").glob("*.eval"))) == 3
    assert (folder / "report.html").read_text("utf-8").lstrip().lower().startswith("<!doctype html")
    assert (folder / "private" / "run.json").stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(folder / "passport.zip") as archive:
        assert not [name for name in archive.namelist() if "private" in name or "logs" in name]


def test_a_url_without_a_model_takes_the_only_one_served(tmp_path: Path) -> None:
    from steelyard.redteam.targets import parse_target  # noqa: PLC0415 - used here only

    with TargetServer(default=parse_target("honest")) as server:
        said = command(
            tmp_path, "assess", server.url, "--domain", "deception", "--samples", "1",
            "--out", str(tmp_path / "run"),
        )  # fmt: skip
        assert said.status == 0, said.err
        assert {row["model"] for row in plain(tmp_path / "run")} == {f"{server.url}#honest"}

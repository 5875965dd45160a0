"""From recipients to copies: the list, and folders that are not those committed to."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.kernel.errors import BrokenSeal, ConfigurationError
from steelyard.weights.trace import deliver
from steelyard.weights.trace.delivery import read_recipients, require_source

from .scene import KEY, NOW, owner, tensors, write_model


def test_recipients_come_with_or_without_an_identity() -> None:
    assert read_recipients("pseudonym\nr1\nr2\n", where="r.csv") == {"r1": "", "r2": ""}
    text = 'pseudonym,identity\nr1,"Example Harbour Lab, Pier 3"\nr2,\n'
    assert read_recipients(text, where="r.csv") == {"r1": "Example Harbour Lab, Pier 3", "r2": ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "r.csv: columns are [], need pseudonym[,identity]"),
        ("name\nr1\n", "r.csv: columns are ['name'], need pseudonym[,identity]"),
        ("identity,pseudonym\na,r1\n", "r.csv: columns are ['identity', 'pseudonym'], need"),
        ("pseudonym\n", "r.csv: need 1 to 100000 recipients, found 0"),
        ("pseudonym\nr1\nr1\n", "r.csv:3: a recipient twice, or too many columns"),
        ("pseudonym\nr1,x\n", "r.csv:2: a recipient twice, or too many columns"),
        ("pseudonym,identity\nr1,a,b\n", "r.csv:2: a recipient twice, or too many columns"),
        ("pseudonym\nR 1\n", "r.csv:2: 'R 1' is no identifier"),
        ("pseudonym,identity\nr1,a\tb\n", "r.csv:2: 'a\\tb' is no printable label"),
        ('pseudonym\n"r1\n', "r.csv: no CSV: unexpected end of data"),
    ],
)
def test_a_list_that_could_be_misread_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_recipients(text, where="r.csv")
    assert str(caught.value).startswith(message)


def test_a_source_that_changed_after_the_commitment_is_refused(tmp_path: Path) -> None:
    scene = owner(write_model(tmp_path / "m", tensors(1)), 2)
    assert require_source(scene.model, scene.commitment) == scene.model
    (scene.model / "config.json").write_text("{}", "utf-8")
    with pytest.raises(BrokenSeal) as caught:
        scene.copy("r0", tmp_path / "c")
    assert caught.value.hint == ("give the unmarked folder as it was when it was committed to")
    assert not (tmp_path / "c").exists()


def test_a_register_of_another_secret_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors(1))
    ours, theirs = owner(folder, 2), owner(folder, 2, secret=bytes(32))
    with pytest.raises(BrokenSeal, match="do not open the commitment of 'r0'"):
        deliver(folder, ours.commitment, theirs.register, ("r0", tmp_path / "c"), (KEY, NOW))

"""The reference pages against the program: nothing undocumented, nothing invented."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from steelyard.cli.main import run
from steelyard.kernel import errors
from steelyard.redteam.kit import installed_protocols
from steelyard.standard import check_schema, schema_names

from .doc_shell import public_commands

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
COMMANDS = dict(public_commands())
# Made by the libraries that parse command lines, the same for every program.
GENERIC_OPTIONS = {"--help", "--install-completion", "--show-completion"}


def sections(page: str) -> dict[str, str]:
    """Text below each heading of a page that is quoted as code."""
    text = (REFERENCE / page).read_text("utf-8")
    parts = re.split(r"^#{2,3} `([^`]+)`.*$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def first_cells(text: str) -> list[str]:
    """What the first column of the tables of a text quotes as code."""
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert set(sections("commands.md")) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_and_option_is_documented(name: str) -> None:
    listed = sections("commands.md")[name]
    parameters = COMMANDS[name].params
    options = {o for p in parameters if p.param_type_name == "option" for o in p.opts}
    arguments = {str(p.name).upper() for p in parameters if p.param_type_name == "argument"}
    assert set(first_cells(listed)) == options - GENERIC_OPTIONS | arguments


@pytest.mark.parametrize("name", COMMANDS)
def test_documented_defaults_are_the_real_ones(name: str) -> None:
    rows = re.findall(
        r"^\| `(--[\w-]+)` \|[^|]*\| ([^|]*?) \|", sections("commands.md")[name], re.MULTILINE
    )
    real = {
        option: str(p.default)
        for p in COMMANDS[name].params
        for option in p.opts
        if p.default not in (None, "") and not isinstance(p.default, bool) and not p.required
    }
    quoted = {option: text.strip("`") for option, text in rows if text.startswith("`")}
    assert quoted == {option: value for option, value in real.items() if option.startswith("--")}


def test_the_error_page_draws_the_real_tree() -> None:
    text = (REFERENCE / "errors.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `?(\w*)`? ?\| (\d) \|", text, re.MULTILINE)
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)]
    real = {(c.__name__, c.__bases__[0].__name__, str(c.exit_status)) for c in classes}
    assert set(rows) == {(n, "" if p == "Exception" else p, s) for n, p, s in real}


def test_every_page_and_schema_of_the_formats_is_listed() -> None:
    text = (REFERENCE / "formats.md").read_text("utf-8")
    spec = ROOT / "spec"
    names = {path.name for path in [*spec.glob("*.md"), *spec.glob("*.schema.json")]}
    assert names == set(re.findall(r"\]\(\.\./\.\./spec/([\w.-]+)\)", text))


def test_every_command_that_prints_json_is_documented() -> None:
    real = {n for n, c in COMMANDS.items() for p in c.params if "--json" in p.opts}
    assert set(sections("json-documents.md")) == real


@pytest.fixture(scope="module")
def assessed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run, made by `assess --json`, and its output."""
    base = tmp_path_factory.mktemp("documents")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(base / "state"))
        assert run(["passport", "keygen", str(base / "key.pem")]) == 0
        arguments = [
            "assess", "steelyard/mixed?seed=1", "--out", str(base / "run"), "--json",
            "--domain", "deception", "--samples", "2", "--seed", "s",
            "--key", str(base / "key.pem"),
        ]  # fmt: skip
        assert run(arguments) == 0
    return base / "run"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # noqa: ANN401 - any JSON
    capsys.readouterr()
    assert run([*arguments, "--json"]) in (0, 1)
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("command", "file", "schema"),
    [
        ("classify", ".", "classification"),
        ("verify", "passport.zip", "verification"),
        ("gate", "passport.zip", "gate-decision"),
        ("evidence show", ".", "evidence-summary"),
        ("lab targets", "", "targets"),
        ("standard check", "", "release-summary"),
        ("standard show", "", "standard-framework"),
        ("standard show --section policy", "", "gate-policy"),
        ("standard show --section crosswalk", "", "standard-crosswalk"),
    ],
)
def test_json_output_follows_its_documented_schema(
    assessed: Path, capsys: pytest.CaptureFixture[str], command: str, file: str, schema: str
) -> None:
    arguments = [*command.split(), *([str(assessed / file)] if file else [])]
    value = printed(capsys, *arguments)
    check_schema(value, schema, where=command)
    text = sections("json-documents.md")[" ".join(["steelyard", *command.split()[:2]])]
    assert f"../../spec/{schema}.schema.json" in text


def test_protocols_are_printed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    value = printed(capsys, "standard", "show", "--section", "protocols")
    assert sorted(value) == sorted(installed_protocols())
    for name, protocol in value.items():
        check_schema(protocol, "standard-protocol", where=name)


def test_assess_prints_the_classification_it_signed(
    assessed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = json.loads((assessed / "classification.json").read_text("utf-8"))
    check_schema(claim, "classification", where="classification.json")
    assert printed(capsys, "verify", str(assessed / "passport.zip"))["classification"] == claim


def test_a_table_of_several_models_gives_one_classification_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("model,item,score\na,1,0\nb,1,1\n", "utf-8")
    value = printed(capsys, "classify", str(table), "--indicator", "de1.lie")
    assert sorted(value) == ["a", "b"]
    for name, claim in value.items():
        check_schema(claim, "classification", where=name)


def test_every_schema_of_a_printed_document_is_known() -> None:
    text = (REFERENCE / "json-documents.md").read_text("utf-8")
    named = set(re.findall(r"spec/([\w-]+)\.schema\.json", text))
    assert named <= set(schema_names())
    assert {"evidence-summary", "gate-decision", "targets", "release-summary"} <= named


def test_every_row_of_the_table_of_abuse_names_tests_that_exist() -> None:
    text = (REFERENCE / "disclosure-abuse.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert {len(row) for row in rows} == {5}
    items = {row[0] for row in rows[1:]}
    assert {"Spam", "Embargo breach", "Database loss and restore"} <= items
    for item, *_, tests in rows[1:]:
        named = re.findall(r"`([^`\s]+\.py)::(test_\w+)`", tests)
        assert named, item
        assert " ".join(f"`{file}::{name}`" for file, name in named) == tests, item
        for file, name in named:
            source = (ROOT / "tests" / "unit" / file).read_text("utf-8")
            assert f"\ndef {name}(" in source, f"{item}: {file}::{name}"

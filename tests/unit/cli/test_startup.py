"""What `--help` may load: nothing heavy, so that it answers at once."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, cast

import pytest
import typer

from steelyard.cli import main
from steelyard.cli.main import app, run

HEAVY = (
    "inspect_ai", "duckdb", "numpy", "scipy", "jinja2", "jsonschema", "cryptography", "openai",
)  # fmt: skip
COMMANDS = (
    [], ["assess"], ["classify"], ["verify"], ["gate"], ["demo"], ["evidence"],
    ["evidence", "import"], ["lab"], ["lab", "serve"], ["passport"], ["standard"],
)  # fmt: skip
CODE = """
import sys
from steelyard.cli.main import run
status = run([*sys.argv[1:], "--help"])
sys.stderr.write(",".join(sorted(n for n in sys.modules if "." not in n)))
sys.exit(status)
"""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: steelyard")
    loaded = set(done.stderr.rpartition("\n")[2].split(","))
    assert loaded & set(HEAVY) == set()
    assert "steelyard" in loaded


@pytest.mark.parametrize("word", sorted(cast("Any", typer.main.get_command(app)).commands))
def test_a_command_alone_says_what_it_says_among_all(
    word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the tree below the first word is made; an option before it has all made."""
    main._command.cache_clear()  # pyright: ignore[reportPrivateUsage]
    with monkeypatch.context() as patched:
        patched.setattr(main, "app", None)  # the tree of all
        assert run([word, "--help"]) == 0
    alone = capsys.readouterr()
    whole: Any = typer.main.get_command(app)
    whole([word, "--help"], prog_name="steelyard", standalone_mode=False)
    assert capsys.readouterr() == alone
    assert alone.out.startswith(f"Usage: steelyard {word} ")

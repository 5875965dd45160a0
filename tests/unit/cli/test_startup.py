"""What `--help` may load: nothing heavy, so that it answers at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

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

"""Validators by others, each in a process of its own that judges many documents.

PyPI `csaf` is looked for beside this interpreter, or in the one that STEELYARD_CSAF_PYTHON names;
npm `@secvisogram/csaf-validator-lib` in `csaf-validator` of this environment, or in the folder
that STEELYARD_CSAF_NPM names. Where one is absent, the tests that need it are skipped.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_PYPI = """
import json, sys
import csaf
from csaf.csaf import v20
for line in sys.stdin:
    document = json.loads(line)
    rules = v20 if document["document"]["csaf_version"] == "2.0" else csaf
    report = rules.validate(document)
    failed = [
        [result.id, [error.message for error in result.errors]]
        for result in report.results
        if not result.passed and result.group in ("mandatory", "schema")
    ]
    known = sum(result.group in ("mandatory", "schema") for result in report.results)
    print(json.dumps({"valid": report.overall_valid, "failed": failed, "tests": known}), flush=True)
"""
_NPM = """
import readline from 'node:readline'
const folder = process.argv[1] + '/node_modules/@secvisogram/csaf-validator-lib/'
const validate = (await import(folder + 'validate.js')).default
const load = async (name) => Object.values(await import(folder + name))
const tests20 = await load('basic.js')
const schema21 = await import(folder + 'csaf_2_1/schemaTests.js')
const tests21 = [schema21.csaf_2_1_strict, ...(await load('csaf_2_1/mandatoryTests.js'))]
for await (const line of readline.createInterface({ input: process.stdin })) {
  const document = JSON.parse(line)
  const is20 = document.document.csaf_version === '2.0'
  const report = await validate(is20 ? tests20 : tests21, document)
  const failed = report.tests
    .filter((test) => !test.isValid)
    .map((test) => [test.name, test.errors.map((error) => error.instancePath + error.message)])
  console.log(JSON.stringify({ valid: report.isValid, failed, tests: report.tests.length }))
}
"""


class Validator:
    """One validator's process: a document a line in, a judgement a line out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def judge(self, document: dict[str, Any]) -> dict[str, Any]:
        """Whether it accepts the document, and which of its tests failed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(document) + "\n")
        stdin.flush()
        answer = stdout.readline()
        assert answer, "the validator ended"
        return json.loads(answer)


@contextmanager
def pypi_validator() -> Iterator[Validator]:
    """PyPI `csaf`."""
    python = os.environ.get("STEELYARD_CSAF_PYTHON")
    if python is None and importlib.util.find_spec("csaf") is not None:
        python = sys.executable
    if python is None:
        pytest.skip("PyPI csaf is absent: install it, or name an interpreter that has it")
    with _running([python, "-c", _PYPI]) as validator:
        yield validator


@contextmanager
def npm_validator() -> Iterator[Validator]:
    """npm `@secvisogram/csaf-validator-lib`."""
    folder = Path(os.environ.get("STEELYARD_CSAF_NPM", Path(sys.prefix) / "csaf-validator"))
    node = shutil.which("node")
    present = folder / "node_modules" / "@secvisogram" / "csaf-validator-lib"
    if node is None or not present.is_dir():
        pytest.skip("npm @secvisogram/csaf-validator-lib is absent: set STEELYARD_CSAF_NPM")
    command = [node, "--input-type=module", "--eval", _NPM, str(folder)]
    with _running(command) as validator:
        yield validator


def on_wheels(names: tuple[str, ...], script: str, lines: str) -> str:
    """Output of a script that imports fetched wheels of pure Python, fed on its input."""
    wheels = [wheel for name in names for wheel in (Path(sys.prefix) / "oracles").glob(name)]
    if len(wheels) < len(names):
        pytest.skip(f"{', '.join(names)} could not be fetched")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        input=lines,
        env={"PYTHONPATH": os.pathsep.join(map(str, wheels)), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def _running(command: list[str]) -> Iterator[Validator]:
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            yield Validator(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()

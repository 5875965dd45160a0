"""What another scanner says about the same files, shown beside our findings.

Only `fickling`, and only where it is installed. It never lowers a finding: where it finds fault
and this scan does not, that is a finding of its own.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.weights.scan.finding import Finding
from steelyard.weights.scan.formats import recognize
from steelyard.weights.scan.model import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.model_folder import Entry

_READ_LIMIT_BYTES: Final = 1 << 28
"""fickling reads a file whole."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """One verdict of another scanner.

    Attributes:
        file: Name in the model.
        scanner: Name and version.
        verdict: In its own words.
        safe: Whether it found no fault.
    """

    file: str
    scanner: str
    verdict: str
    safe: bool

    def to_json(self) -> dict[str, Any]:
        """As `spec/weights-scan.schema.json` writes it."""
        return {
            "file": self.file,
            "scanner": self.scanner,
            "verdict": self.verdict,
            "safe": self.safe,
        }

    def finding(self) -> Finding:
        """What a fault that it found adds to a scan."""
        text = f"{self.scanner} says {self.verdict}"
        return Finding("second-opinion", self.file, "", None, text)


def fickling_opinions(files: tuple[Entry, ...]) -> Iterator[Opinion]:
    """The opinion of fickling on every file that is a pickle or a zip.

    Raises:
        ConfigurationError: fickling is not installed.
    """
    try:
        fickling: Any = importlib.import_module("fickling")
    except ImportError as error:
        message = "fickling is not installed"
        raise ConfigurationError(message, hint="pip install fickling") from error
    for entry in files:
        if entry.kind == "file" and _is_pickle(entry):
            result: Any = fickling.scan_file(str(entry.path), graceful=True)
            verdict = str(result.severity.name).lower().replace("_", " ")
            if result.errors:
                verdict = f"{verdict}, and {len(result.errors)} parts that it could not read"
            scanner = f"fickling {fickling.__version__}"
            yield Opinion(entry.name, scanner, verdict, bool(result.is_safe) and not result.errors)


def _is_pickle(entry: Entry) -> bool:
    try:
        with opened(entry.path) as source:
            kind = recognize(source, entry.name)
            return kind in {"pickle", "zip"} and source.size <= _READ_LIMIT_BYTES
    except MalformedEvidence:
        return False

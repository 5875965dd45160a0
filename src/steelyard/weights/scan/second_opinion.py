"""What another scanner says about the same files, shown beside our findings.

Only `fickling`, and only where it is installed. It never lowers a finding: where it finds fault
and this scan does not, that is a finding of its own.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.weights.scan.finding import Finding
from steelyard.weights.scan.formats import recognize
from steelyard.weights.scan.model import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        safe: Whether it found no fault; None where it was not asked.
    """

    file: str
    scanner: str
    verdict: str
    safe: bool | None

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


def ask_fickling() -> Callable[[tuple[Entry, ...]], Iterator[Opinion]]:
    """What asks fickling about every file of a model that is a pickle or a zip.

    Raises:
        ConfigurationError: fickling is not installed.
    """
    try:
        fickling: Any = importlib.import_module("fickling")
    except ImportError as error:
        message = "fickling is not installed"
        raise ConfigurationError(message, hint="pip install fickling") from error
    return partial(_opinions, fickling)


def _opinions(fickling: Any, files: tuple[Entry, ...]) -> Iterator[Opinion]:  # noqa: ANN401 - untyped
    scanner = f"fickling {fickling.__version__}"
    for entry in files:
        size = _pickle_bytes(entry)
        if size > _READ_LIMIT_BYTES:
            yield Opinion(entry.name, scanner, f"not asked: {size} bytes", None)
        elif size:
            result: Any = fickling.scan_file(str(entry.path), graceful=True)
            verdict = str(result.severity.name).lower().replace("_", " ")
            if result.errors:
                verdict = f"{verdict}, and {len(result.errors)} parts that it could not read"
            yield Opinion(entry.name, scanner, verdict, bool(result.is_safe) and not result.errors)


def _pickle_bytes(entry: Entry) -> int:
    """Length of a file that fickling reads, 0 of any other; what cannot be read the scan tells."""
    if entry.kind == "special":
        return 0
    try:
        with opened(entry.path) as source:
            return source.size if recognize(source, entry.name) in {"pickle", "zip"} else 0
    except MalformedEvidence:
        return 0

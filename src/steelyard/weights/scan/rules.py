"""Every rule of a scan: code, severity, meaning, hint.

`docs/reference/scan-findings.md` lists the same, and a test compares them. A code, once
published, keeps its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Severity(Enum):
    """How much a finding weighs; the values are those of SARIF's `level`."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of finding.

    Attributes:
        code: Its stable name.
        severity: An error blocks.
        unscanned: The file, or a part of it, stays unknown.
        meaning: What it says.
        hint: What to do.
    """

    code: str
    severity: Severity
    unscanned: bool
    meaning: str
    hint: str


_CONVERT: Final = "convert the tensors to safetensors where the file may be trusted to run"
_REFUSE: Final = "do not load the file; ask its publisher"
_AGAIN: Final = "fetch the file again, and compare its digest"
_PIN: Final = "ship what is loaded inside the model, or pin it to a digest and scan it too"

_ERRORS: Final = (
    ("pickle-global", "A pickle imports a name that no checkpoint needs.", _CONVERT),
    ("pickle-unresolved", "A pickle imports or calls what is known only at run time.", _REFUSE),
    ("pickle-call", "A pickle calls an allowed name in a way that no checkpoint does.", _REFUSE),
    ("pickle-state", "A pickle sets state that no checkpoint sets.", _REFUSE),
    ("pickle-items", "A pickle adds items to what is no collection.", _REFUSE),
    ("pickle-persistent-id", "A persistent id names no storage of the checkpoint.", _REFUSE),
    ("pickle-structure", "Opcodes stand where no pickler writes them.", _REFUSE),
    ("pickle-trailing", "Bytes follow that no pickle accounts for.", _REFUSE),
    ("zip-structure", "A zip can be read in two ways, or hides bytes.", _REFUSE),
    ("zip-name", "A zip has member names that collide or lead outside.", _REFUSE),
    ("zip-encrypted", "A zip marks a member as encrypted: some readers skip it.", _REFUSE),
    ("zip-checksum", "A member differs from its checksum: some readers skip it.", _AGAIN),
    ("tar-entry", "A tar holds a link, a device, a bad name, or has two readings.", _REFUSE),
    ("archive-code", "An archive carries code that its loader runs.", _REFUSE),
    ("archive-trailing", "Bytes follow behind the end of an archive.", _REFUSE),
    ("polyglot", "A file is valid in two formats at once.", _REFUSE),
    ("format-mismatch", "A file's content has another format than its name says.", _REFUSE),
    ("native-code", "An executable or a library of machine code.", _REFUSE),
    ("safetensors-header", "A safetensors header does not describe its file.", _AGAIN),
    ("safetensors-metadata", "Metadata would make a loader run code.", _REFUSE),
    ("npy-header", "The header of a numpy array is not what numpy writes.", _REFUSE),
    ("gguf-header", "A GGUF header does not describe its file.", _AGAIN),
    ("onnx-structure", "An ONNX file is not what its format allows.", _AGAIN),
    ("onnx-external", "ONNX weights lie outside the model.", _REFUSE),
    ("keras-code", "A Keras configuration runs code, reads or fetches files.", _REFUSE),
    ("torchscript-code", "A TorchScript archive: a program, not only weights.", _CONVERT),
    ("template-code", "A chat template reaches for what a template has no use for.", _REFUSE),
    ("config-code", "A configuration names code that a loader would run.", _REFUSE),
    ("config-path", "A configuration names a file outside the model.", _REFUSE),
    ("config-malformed", "A configuration that loaders read is no strict JSON or YAML.", _AGAIN),
    ("shard-missing", "The index names a shard that is not there.", _AGAIN),
    ("shard-mismatch", "Index and shards disagree about their tensors.", _AGAIN),
    ("script-shadow", "A script bears the name of a module that Python imports.", _REFUSE),
    ("code-at-load", "A configuration makes a loader run code of the model.", "read the code"),
    ("code-remote", "A configuration makes a loader fetch and run code.", _PIN),
    ("base-uncovered", "A signed model loads another that the signature does not cover.", _PIN),
    ("uncovered", "A file that is loaded is not covered by the signature.", "sign it too"),
)  # fmt: skip
_WARNINGS: Final = (
    ("base-remote", "Another model is fetched when this one is loaded.", _PIN),
    ("code-covered", "Code of the model runs at load; the signature covers it.", "read the code"),
    ("script-covered", "A script lies beside the weights; the signature covers it.", "read it"),
    ("onnx-operator", "An ONNX graph needs operators of a library of its own.", _PIN),
    ("shard-extra", "A shard that the index does not name.", "leave it out"),
    ("second-opinion", "Another scanner finds fault where this one does not.", "look closer"),
)
_UNSCANNED: Final = (
    ("unreadable", "A file could not be read.", "give the scanner the right to read it"),
    ("special-file", "A pipe, a device or a socket.", "replace it by a plain file"),
    ("link-broken", "A link leads to nothing that can be read.", "replace it by the file"),
    ("unknown-format", "No format that this scanner reads.", "leave it out, or scan it otherwise"),
    ("archive-unknown", "An archive that this scanner does not open.", "unpack it, and scan that"),
    ("archive-broken", "An archive could not be read to its end.", _AGAIN),
    ("archive-limit", "An archive is nested too deep, or expands too far.", "unpack it by hand"),
    ("script-file", "A script lies beside the weights.", "read it and sign it, or leave it out"),
    ("pickle-broken", "A pickle could not be followed to its end.", _AGAIN),
    ("hdf5-unread", "HDF5 is not read beyond markers of code.", "convert it to safetensors"),
    ("header-limit", "A header is longer than the scanner reads.", _REFUSE),
    ("config-unread", "A configuration could not be parsed.", "read it, or leave it out"),
    ("template-unread", "A chat template could not be parsed.", "read it"),
    ("empty-file", "A weight file without content.", _AGAIN),
    ("findings-limit", "There were more findings than are listed.", "mend these first"),
)  # fmt: skip
_NOTES: Final = (
    ("link", "A link: its target was scanned in its place.", "replace it by the file"),
    ("npy-object", "A numpy array of objects: a pickle.", _CONVERT),
    ("two-weights", "The same weights in two formats: which one is loaded?", "keep one"),
    ("name-reference", "A configuration names another model; loaders do not follow it.", ""),
)


def _table() -> dict[str, Rule]:
    rows = (
        (_ERRORS, Severity.ERROR, False),
        (_WARNINGS, Severity.WARNING, False),
        (_UNSCANNED, Severity.WARNING, True),
        (_NOTES, Severity.NOTE, False),
    )
    return {
        code: Rule(code, severity, unscanned, meaning, hint)
        for entries, severity, unscanned in rows
        for code, meaning, hint in entries
    }


RULES: Final[Mapping[str, Rule]] = _table()
"""All rules by code, the gravest first."""

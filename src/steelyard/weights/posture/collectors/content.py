"""What the model's files are, who signed them, and what loading them would bring in.

True of a manifest root wherever it lies, so these speak about the model and not about a host.
Formats and references are those that `weights.scan` tells; here is only what a control wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel import read_bytes
from steelyard.kernel.errors import CannotVerify, Expired
from steelyard.weights.model_folder import Entry, entries
from steelyard.weights.posture.collectors.finding import (
    Collector,
    Finding,
    Scope,
    failing,
    many,
    satisfied,
    some,
    unknown,
)
from steelyard.weights.scan.formats import WEIGHT_ENDINGS, Format, ending, recognize
from steelyard.weights.scan.model import opened
from steelyard.weights.scan.report import scan_model
from steelyard.weights.signing import (
    BUNDLE_LIMIT_BYTES,
    TrustedKeys,
    open_signature,
    verify_model,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.machine import Machine

_TENSORS: Final[frozenset[Format]] = frozenset({"safetensors", "gguf"})
_DATA: Final[frozenset[Format]] = frozenset(
    {"json", "text", "template", "sentencepiece", "media", "empty"}
)
# Formats whose readers run what the file says, or that are programs themselves.
_CODE: Final[frozenset[Format]] = frozenset({"pickle", "zip", "hdf5", "native", "script"})
_MODEL_FORMATS: Final = _TENSORS | {"pickle", "hdf5", "npy", "onnx"}
_CLOSURE: Final = frozenset(
    {"code-at-load", "code-remote", "base-remote", "base-uncovered", "config-path",
     "config-code", "shard-missing", "script-file"}
)  # fmt: skip
_SEALED_ONLY: Final = "the weights lie sealed only, and cannot be looked into"


def serialization(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether every file is one that a loader reads without running anything."""
    if scope.model is None:
        return unknown(_SEALED_ONLY)
    place = machine.place(scope.model)
    formats = {entry.name: format_of(entry) for entry in entries(place)}
    report = scan_model(place)
    blocked = {f.file for f in report.findings if f.blocks and f.code not in _CLOSURE}
    unscanned = {f.file for f in report.findings if f.rule.unscanned}
    unsafe = sorted(blocked | {name for name, kind in formats.items() if kind in _CODE})
    known = _TENSORS | _DATA | _CODE
    unclear = sorted(unscanned | {name for name, kind in formats.items() if kind not in known})
    tensors = sum(kind in _TENSORS for kind in formats.values())
    facts: JsonObject = {
        "tensor_files": tensors,
        "unsafe": some(unsafe),
        "unclear": some(unclear),
        "findings": some([f"{f.code} {f.place}: {f.text}" for f in report.findings]),
    }
    if unsafe:
        return failing(f"{many(len(unsafe), 'file')} can run code when loaded", facts)
    if unclear:
        return unknown(f"{many(len(unclear), 'file')} of no format known here", facts)
    if not tensors:
        return unknown("no file holds tensors in a format known here", facts)
    return satisfied(f"{many(tensors, 'file')} with tensors, all safetensors or GGUF", facts)


def signature_coverage(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether a trusted signature covers every file, and every byte is as signed."""
    if scope.model is None:
        return unknown(_SEALED_ONLY)
    if scope.signature is None or not scope.signers:
        return unknown("no signature was named with the key that must have made it")
    bundle = machine.place(scope.signature)
    try:
        data = read_bytes(bundle, limit_bytes=BUNDLE_LIMIT_BYTES)
        signed = open_signature(data, TrustedKeys(scope.signers))
        found = verify_model(machine.place(scope.model), signed, signature=bundle)
    except (CannotVerify, Expired) as error:
        return failing("the signature does not cover the model as it is", {"why": str(error)})
    facts: JsonObject = {
        "signer": signed.signer.key_id,
        "files": found.files,
        "bytes": found.size_bytes,
        "uncovered": some([f"{one.name}: {one.reason}" for one in found.uncovered]),
    }
    told = f"a signature covers {many(found.files, 'file')}, every byte as signed"
    return satisfied(told, facts)


def load_closure(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether loading would fetch something, run code, or need a file that is not here."""
    if scope.model is None:
        return unknown(_SEALED_ONLY)
    report = scan_model(machine.place(scope.model))
    found = [f for f in report.findings if f.code in _CLOSURE]
    unread = [f for f in report.findings if f.code in ("config-malformed", "unreadable")]
    facts: JsonObject = {
        "references": [f"{r.kind}: {r.target}" for r in report.references[:50]],
        "findings": some([f"{f.code} {f.place}: {f.text}" for f in (*found, *unread)]),
    }
    if found:
        return failing(f"loading would bring in {many(len(found), 'thing')} from elsewhere", facts)
    if unread:
        return unknown(f"{many(len(unread), 'file')} could not be read as loaders do", facts)
    return satisfied(f"nothing from elsewhere named in {many(len(report.files), 'file')}", facts)


def format_of(entry: Entry) -> Format:
    """The format of a file by its content; `unknown` for what is no regular file."""
    if entry.kind != "file":
        return "unknown"
    with opened(entry.path) as source:
        return recognize(source, entry.name)


def holds_tensors(entry: Entry) -> bool:
    """Whether a file is of a format that weights are kept in; a zip only by its name."""
    kind = format_of(entry)
    return kind in _MODEL_FORMATS or (kind == "zip" and ending(entry.name) in WEIGHT_ENDINGS)


COLLECTORS: Final = (
    Collector("serialization", "EXAMINE", serialization),
    Collector("signature-coverage", "TEST", signature_coverage),
    Collector("load-closure", "EXAMINE", load_closure),
)

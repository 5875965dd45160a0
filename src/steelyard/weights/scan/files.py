"""One file of a model: every format it could be read as, and everything inside it.

Decides which reader looks at what, and that a reader which fails leaves a finding, never an
error: a file that cannot be scanned does not hide the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence, UnsafeArchive
from steelyard.weights.scan.finding import Finding
from steelyard.weights.scan.formats import WEIGHT_ENDINGS, Format, ending, promised, recognize
from steelyard.weights.scan.part import Allowance, Part
from steelyard.weights.scan.readers.gguf import read_gguf
from steelyard.weights.scan.readers.json_file import read_json
from steelyard.weights.scan.readers.keras import read_hdf5
from steelyard.weights.scan.readers.npy import read_npy
from steelyard.weights.scan.readers.onnx import read_onnx
from steelyard.weights.scan.readers.packed import DECOMPRESSORS, read_packed
from steelyard.weights.scan.readers.pickle_file import hidden_pickle, read_pickle
from steelyard.weights.scan.readers.safetensors_file import read_safetensors
from steelyard.weights.scan.readers.scripts import script_finding
from steelyard.weights.scan.readers.sentencepiece import read_sentencepiece
from steelyard.weights.scan.readers.tars import read_tar
from steelyard.weights.scan.readers.templates import read_template
from steelyard.weights.scan.readers.yaml_file import read_yaml
from steelyard.weights.scan.readers.zip_records import find_ends
from steelyard.weights.scan.readers.zips import read_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from steelyard.weights.scan.source import Source

FINDING_LIMIT: Final = 500
"""Of one file; the rest is summed up in one more."""
_REST: Final = "findings-limit"
_READERS: Final[Mapping[Format, Callable[[Part], Iterator[Finding | Part]]]] = {
    "gguf": read_gguf,
    "hdf5": read_hdf5,
    "json": read_json,
    "npy": read_npy,
    "onnx": read_onnx,
    "pickle": read_pickle,
    "safetensors": read_safetensors,
    "sentencepiece": read_sentencepiece,
    "tar": read_tar,
    "template": read_template,
    "yaml": read_yaml,
    "zip": read_zip,
}
_VERDICTS: Final[Mapping[Format, tuple[str, str]]] = {
    "closed-archive": ("archive-unknown", "an archive in a format that is not opened"),
    "native": ("native-code", "machine code or byte code"),
    "unknown": ("unknown-format", "no format that is known here"),
}


def scan_source(source: Source, name: str) -> tuple[Finding, ...]:
    """Everything there is to say about one file, each once, in the order of its places."""
    allowance = Allowance()
    found: dict[tuple[str, str, str], Finding] = {}
    with allowance.files:
        waiting = [Part(source, name, allowance)]
        while waiting and len(found) <= FINDING_LIMIT:
            part = waiting.pop()
            for result in _looked_at(part):
                if len(found) > FINDING_LIMIT:
                    break
                if isinstance(result, Part):
                    waiting.append(result)
                else:
                    found.setdefault((result.code, result.member, result.text), result)
    return limited(name, found.values())


def limited(name: str, found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of one file: where there are too many the errors first, and that there are."""
    every = tuple(found)
    told = [finding for finding in every if finding.code != _REST]
    if len(told) == len(every) <= FINDING_LIMIT:
        return every
    kept = sorted(told, key=lambda finding: not finding.blocks)[:FINDING_LIMIT]
    rest = Finding("findings-limit", name, "", None, f"more than {FINDING_LIMIT} findings")
    return (*kept, rest)


def _looked_at(part: Part) -> Iterator[Finding | Part]:
    kind: Format = "unknown"
    try:
        kind = "raw" if part.raw else recognize(part.source, part.name)
        yield from _mismatch(part, kind)
        yield from _read(part, kind)
        if kind not in {"pickle", "empty"}:
            yield from hidden_pickle(part)
        # The last member of a tar may end like a zip because it is one; it is scanned as such.
        if kind not in {"zip", "tar", "empty"}:
            yield from _hidden_zip(part)
    except UnsafeArchive as error:
        yield part.finding("archive-limit", error.message)
    except MalformedEvidence as error:
        code = "archive-broken" if kind in _ARCHIVES else "unreadable"
        yield part.finding(code, error.message)
    except OSError as error:
        yield part.finding("archive-limit", f"no room to expand it: {error.strerror or error}")


_ARCHIVES: Final = frozenset({"zip", "tar", *DECOMPRESSORS})


def _mismatch(part: Part, kind: Format) -> Iterator[Finding]:
    """Another content than the name says: a loader goes by the name, this scan by the content."""
    wanted = promised(part.name)
    if wanted and kind not in wanted | {"empty", "raw"}:
        text = f"the content is {kind}, the name says {' or '.join(sorted(wanted))}"
        yield part.finding("format-mismatch", text)


def _read(part: Part, kind: Format) -> Iterator[Finding | Part]:
    if kind in DECOMPRESSORS:
        yield from read_packed(part, kind)
    elif kind in _READERS:
        yield from _READERS[kind](part)
    elif kind == "script":
        yield script_finding(part)
    elif kind in _VERDICTS:
        yield part.finding(*_VERDICTS[kind])
    elif kind == "media" and ending(part.name) in WEIGHT_ENDINGS:
        yield part.finding("unknown-format", "a picture or a sound under the name of weights")
    elif kind == "empty" and ending(part.name) in WEIGHT_ENDINGS:
        yield part.finding("empty-file", "a weight file of 0 bytes")


def _hidden_zip(part: Part) -> Iterator[Finding]:
    """A zip at the end of a file of another format: readers look for zips from the back.

    Some look for the directory by its length before the end, some where the end says it is; none
    needs the number of members.
    """
    for end in find_ends(part.source):
        for start in (end.position - end.directory_bytes, end.directory_offset):
            if start >= 0 and part.source.read(start, 4) == b"PK\x01\x02":
                text = f"read as a zip, it has a directory of {end.directory_bytes} bytes"
                yield part.finding("polyglot", text, start)
                return

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.disclosure.intake.bounds import DOCUMENT_LIMIT_BYTES, parse_bounded
from steelyard.kernel.errors import MalformedEvidence

_MEASURE = """
import sys, time
from pathlib import Path
from steelyard.disclosure.intake import read_intake
from steelyard.kernel.errors import MalformedEvidence
data = Path(sys.argv[1]).read_bytes()
started = time.process_time()
try:
    read_intake(data, where="hostile")
    print("read", end=" ")
except MalformedEvidence:
    print("refused", end=" ")
print(time.process_time() - started, end=" ")
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""
_MIB = 1024 * 1024


def hostile(kind: str, size: int) -> bytes:
    """A report of about `size` bytes that is meant to exhaust its reader."""
    makers = {
        "nested lists": lambda: b'{"a":' + b"[" * size + b"]" * 10 + b"}",
        "nested objects": lambda: b'{"a":' * (size // 5),
        "empty lists": lambda: b'{"a":[' + b"[]," * (size // 3) + b"0]}",
        "numbers": lambda: b'{"a":[' + b"1," * (size // 2) + b"0]}",
        "many keys": lambda: b"{" + b",".join(b'"%x":0' % n for n in range(size // 10)) + b"}",
        "equal keys": lambda: b"{" + b'"a":0,' * (size // 6) + b'"a":0}',
        "one long text": lambda: b'{"title":"' + b"x" * size + b'"}',
        "escapes": lambda: b'{"title":"' + b"\\u0041" * (size // 6) + b'"}',
        "surrogates": lambda: b'{"title":"' + b"\\ud800" * (size // 6) + b'"}',
        "escaped quotes": lambda: b'{"title":"' + b'\\"' * (size // 2),
        "a long integer": lambda: b'{"a":' + b"9" * size + b"}",
        "a long fraction": lambda: b'{"a":0.' + b"1" * size + b"}",
        "exponents": lambda: b'{"a":[' + b"1e999," * (size // 6) + b"0]}",
        "white space": lambda: b"{" + b" " * size + b"}",
        "not UTF-8": lambda: b"\xff" * size,
        "nothing but commas": lambda: b"," * size,
    }
    return makers[kind]()


_KINDS = (
    "nested lists", "nested objects", "empty lists", "numbers", "many keys", "equal keys",
    "one long text", "escapes", "surrogates", "escaped quotes", "a long integer",
    "a long fraction", "exponents", "white space", "not UTF-8", "nothing but commas",
)  # fmt: skip


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("size", [10 * _MIB, DOCUMENT_LIMIT_BYTES - 64])
def test_a_hostile_report_is_refused_within_a_second_and_200_mb(
    tmp_path: Path, kind: str, size: int
) -> None:
    path = tmp_path / "hostile.json"
    path.write_bytes(hostile(kind, size))
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)], capture_output=True, check=True, text=True
    )
    outcome, seconds, mebibytes = done.stdout.split()
    assert outcome == "refused"
    assert float(seconds) < 1.0
    assert float(mebibytes) < 200.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b" " * (DOCUMENT_LIMIT_BYTES + 1), "4,194,305 bytes, and at most 4,194,304 are read"),
        (
            b'{"a":[' + b"[]," * 100_000 + b"0]}",
            "100,002 objects and lists, and at most 100,000 are read",
        ),
        (b"," * 500_001, "500,001 commas, and at most 500,000 are read"),
        (b'"' * 1_000_001, "1,000,001 quotation marks, and at most 1,000,000 are read"),
        (b'{"a":' * 65 + b"0" + b"}" * 65, "nested more than 64 deep"),
        (b'{"a":1,"a":2}', "not strict JSON: duplicate key 'a'"),
        (b'{"a":NaN}', "not strict JSON: NaN is not a JSON number"),
        (b"[]", "expected a JSON object at top level"),
    ],
)
def test_limits_say_what_was_found(data: bytes, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_bounded(data, where="r.json")
    assert caught.value.message == message


def test_a_document_at_the_depth_limit_is_read() -> None:
    data = b'{"a":' * 64 + b"0" + b"}" * 64
    assert parse_bounded(data, where="r.json") == json.loads(data)


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert parse_bounded(b'\xef\xbb\xbf{"a":1}', where="r.json") == {"a": 1}

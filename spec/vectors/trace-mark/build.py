"""Writes the vectors of trace marks, by a second implementation in plain Python.

    python spec/vectors/trace-mark/build.py

Nothing of `steelyard` is imported: keys come from `hmac`, chips from single AES blocks, marked
values from exact fractions rounded twice, as trace-mark.md says.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import hashlib
import hmac
import json
import random
import struct
from fractions import Fraction
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

FOLDER = Path(__file__).parent
SECRET = bytes(range(32))
# Bits of precision, least exponent of a normal number, largest finite number.
TYPES = {
    "F32": (24, -126, Fraction(2**24 - 1) * 2**104),
    "F16": (11, -14, Fraction(65504)),
    "BF16": (8, -126, Fraction(2**8 - 1) * 2**120),
}


def keyed(key: bytes, *parts: str | int) -> bytes:
    """HMAC-SHA-256 over parts with their lengths."""
    texts = [str(part).encode() for part in parts]
    message = b"".join(len(text).to_bytes(4, "big") + text for text in texts)
    return hmac.new(key, message, hashlib.sha256).digest()


def chips(key: bytes, name: str, rows: int, columns: int, count: int) -> list[int]:
    """The first chips of a tensor, from single blocks."""
    tensor_key = keyed(key, "steelyard/trace-tensor-key/1", name, rows, columns)
    block = Cipher(algorithms.AES(tensor_key), modes.ECB()).encryptor()  # noqa: S305 - one block
    stream = b"".join(block.update(n.to_bytes(16, "big")) for n in range(count // 128 + 1))
    bits = (byte >> (7 - place) & 1 for byte in stream for place in range(8))
    return [1 - 2 * bit for bit, _ in zip(bits, range(count), strict=False)]


def rounded(value: Fraction, dtype: str) -> Fraction | None:
    """To the nearest number of a type, ties to even; None where that is not finite."""
    bits, least, largest = TYPES[dtype]
    if value == 0:
        return value
    exponent = least
    while abs(value) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    unit = Fraction(2) ** (exponent - bits + 1)
    result = round(value / unit) * unit
    return result if abs(result) <= largest else None


def marked(value: Fraction, chip: int, step: Fraction, dtype: str) -> Fraction:
    """In single precision first, then in the tensor's type."""
    wide = rounded(value + chip * step, "F32")
    moved = None if wide is None else rounded(wide, dtype)
    return value if moved is None else moved


def hexadecimal(value: Fraction, dtype: str) -> str:
    """The number as big-endian bytes of its type."""
    if dtype == "F16":
        return struct.pack(">e", float(value)).hex()
    data = struct.pack(">f", float(value)).hex()
    return data if dtype == "F32" else data[:4]


def values_of(dtype: str) -> list[Fraction]:
    """Numbers of every size, the largest of the type, and zero."""
    draw = random.Random(dtype)  # noqa: S311 - fixed numbers, no secret
    drawn = (Fraction(draw.gauss(0.0, 0.03)) for _ in range(40))
    small = (
        Fraction(draw.gauss(0.0, 1.0)) * Fraction(2) ** -draw.randint(1, 30) for _ in range(18)
    )
    found = [rounded(value, dtype) for value in (*drawn, *small)]
    largest = TYPES[dtype][2]
    return [*(value for value in found if value is not None), largest, -largest, Fraction(0)]


def write(name: str, case: dict[str, object]) -> None:
    """One vector."""
    (FOLDER / f"{name}.json").write_text(json.dumps(case, indent=1) + "\n", "utf-8")


def main() -> None:
    """All vectors."""
    key = keyed(SECRET, "steelyard/trace-chip-key/1", "recipient-1")
    for name, tensor, rows, columns in (
        ("chips", "layers.0.mlp.up.weight", 64, 16),
        ("chips-name-not-ascii", "sch\u00e4dlich/\u91cd\u307f", 17, 33),
        ("chips-transposed", "layers.0.mlp.up.weight", 16, 64),
    ):
        first = chips(key, tensor, rows, columns, 200)
        write(name, {
            "secret": SECRET.hex(), "pseudonym": "recipient-1", "chip_key": key.hex(),
            "tensor": tensor, "rows": rows, "columns": columns,
            "chips": "".join("+" if chip > 0 else "-" for chip in first),
        })  # fmt: skip
    for dtype in TYPES:
        step = Fraction(0x9D5, 2**24)
        values = values_of(dtype)
        signs = chips(key, "w", 1, len(values), len(values))
        moved = [marked(v, c, step, dtype) for v, c in zip(values, signs, strict=True)]
        write(f"marked-{dtype.lower()}", {
            "dtype": dtype, "step": float(step),
            "chips": "".join("+" if chip > 0 else "-" for chip in signs),
            "values": [hexadecimal(value, dtype) for value in values],
            "marked": [hexadecimal(value, dtype) for value in moved],
        })  # fmt: skip
    write("commitment", commitment(key))


def commitment(key: bytes) -> dict[str, object]:
    """A recipient and a layout, committed to."""
    salt = keyed(SECRET, "steelyard/trace-salt/1", "recipient-1")
    bound = f'{{"chip_key":"{key.hex()}","identity":"Example Lab","pseudonym":"recipient-1"}}'
    recipient = hashlib.sha256(b"steelyard/trace-recipient/1\0" + salt + bound.encode())
    layout_salt = keyed(SECRET, "steelyard/trace-layout-salt/1")
    rows = '[{"columns":16,"name":"w","rows":64,"step":0.00048828125}]'
    layout = hashlib.sha256(b"steelyard/trace-layout/1\0" + layout_salt + rows.encode())
    return {
        "secret": SECRET.hex(), "pseudonym": "recipient-1", "identity": "Example Lab",
        "salt": salt.hex(), "commitment": recipient.hexdigest(),
        "carrier": {"name": "w", "rows": 64, "columns": 16, "step": 0.00048828125},
        "layout_salt": layout_salt.hex(), "layout": layout.hexdigest(),
    }  # fmt: skip


main()

"""Bytes and values that are meant to break whoever reads them; the same ones every time."""

from __future__ import annotations

import base64
import json
import random
from copy import deepcopy
from typing import Any

from steelyard.attest import PAYLOAD_TYPE, PrivateKey
from steelyard.attest.envelope import pre_authentication_encoding
from steelyard.kernel import canonical_json

TOKENS = (
    b"{", b"}", b"[" * 300, b'"', b"\\ud800", b"null", b"-0", b"1e999", b"NaN", b"\xff", b"\xc3",
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\n", b"\r\n\r\n", b"=", b"org:", b"&a ", b"*a", b"!!python",
    b"\x1b]0;x\x07", "\u202e".encode(), "\ufeff".encode(), b"9" * 5000, b"- " * 200, b"? ", b"<<: ",
)  # fmt: skip
"""What parsers trip over."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**53 - 1, 0.5, -0.0, 1e308, "", " ", "\n", "a" * 5000,
    "\x00", "\x1b[2J", "\u202egnp", "\u200b", "e\u0301" * 50, "\U0010ffff", "org:" + "0" * 64,
    "0" * 64, "../../etc/passwd", "2026-02-30T25:61:61Z", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z", "=1+1", "<script>", "-----BEGIN PUBLIC KEY-----\nAAAA\n", [], {},
    [[]], [None] * 100, {"": ""}, {"a": {"b": {"c": []}}},
)  # fmt: skip
"""Values of JSON in the place of those that are expected."""


def damaged(data: bytes, drawn: random.Random) -> bytes:
    """Bytes with a few pieces flipped, cut, put in or repeated."""
    result = bytearray(data)
    for _ in range(drawn.randint(1, 4)):
        at = drawn.randrange(len(result) + 1)
        upto = min(at + drawn.choice((1, 4, 32, 500)), len(result))
        match drawn.randrange(5):
            case 0:
                flipped = (byte ^ (1 << drawn.randrange(8)) for byte in result[at:upto])
                result[at:upto] = bytes(flipped)
            case 1:
                del result[at:upto]
            case 2:
                result[at:at] = drawn.choice(TOKENS)
            case 3:
                result[at:at] = result[upto : upto + drawn.randrange(64)]
            case _:
                result[at:upto] = drawn.choice(TOKENS)
    return bytes(result)


def bent(value: Any, drawn: random.Random) -> Any:  # noqa: ANN401 - any JSON
    """A JSON value with another value, one too many, or none at a place."""
    result = deepcopy(value)
    for _ in range(drawn.randint(1, 3)):
        _bend(result, drawn)
    return result


def _bend(value: Any, drawn: random.Random) -> None:  # noqa: ANN401 - any JSON
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            break
        key = drawn.choice(keys)
        inner = value[key]
        if isinstance(inner, dict | list) and inner and drawn.random() < 0.8:
            value = inner
            continue
        match drawn.randrange(4):
            case 0:
                del value[key]
            case 1 if isinstance(value, list):
                value.append(deepcopy(inner))
            case 1:
                value[drawn.choice(("", "x", "__proto__", f"{key} "))] = deepcopy(inner)
            case _:
                value[key] = deepcopy(drawn.choice(VALUES))
        break


def signed(payload: bytes, key: PrivateKey) -> bytes:
    """An envelope over any payload at all, by somebody who has a key that counts."""
    signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    row = {"keyid": key.public_key.key_id, "sig": base64.b64encode(signature).decode()}
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [row],
        }
    )


def signed_bent(envelope: bytes, key: PrivateKey, drawn: random.Random) -> bytes:
    """An envelope signed anew, over its statement bent or damaged."""
    payload = base64.b64decode(json.loads(envelope)["payload"])
    if drawn.random() < 0.2:
        return signed(damaged(payload, drawn), key)
    return signed(json.dumps(bent(json.loads(payload), drawn)).encode(), key)


def huge_texts(size: int) -> dict[str, bytes]:
    """Documents of about so many bytes that are meant to use up time or memory."""
    return {
        "nothing": b"",
        "zeros": bytes(size),
        "not UTF-8": b"\xff" * size,
        "nested lists": b"[" * size,
        "nested objects": b'{"a":' * (size // 5),
        "nested and closed": b'{"a":' + b"[" * (size // 2) + b"]" * (size // 2) + b"}",
        "empty lists": b'{"a":[' + b"[]," * (size // 3) + b"0]}",
        "equal keys": b"{" + b'"a":0,' * (size // 6) + b'"a":0}',
        "a long key twice": b'{"%s":0,"%s":0}' % (b"k" * (size // 2), b"k" * (size // 2)),
        "many keys": b"{" + b",".join(b'"%x":0' % n for n in range(size // 10)) + b"}",
        "a long key": b'{"%s":0}' % (b"k" * size),
        "one long text": b'{"payload":"' + b"A" * size + b'"}',
        "surrogates": b'{"a":"' + b"\\ud800" * (size // 6) + b'"}',
        "NaN": b'{"a":[' + b"NaN," * (size // 4) + b"0]}",
        "a long integer": b'{"a":' + b"9" * size + b"}",
        "a long fraction": b'{"a":0.' + b"1" * size + b"}",
        "aliases": b"a: &a [x]\n" + b"b: [*a, *a]\n" * (size // 12),
        "nested YAML": b"- " * (size // 2),
        "flow YAML": b"{a: " * (size // 4),
        "tags": b"a: !!python/object/apply:os.system ['true']\n" * (size // 44),
        "escapes for terminals": b"\x1b[2J" * (size // 4),
        "blank lines": b"\n" * size,
        "dots": b"a." * (size // 2),
    }

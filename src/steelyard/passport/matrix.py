"""The score matrix: evidence as `evidence/matrix.json`, its leaves and its root.

Decides the bytes of a matrix and of each record's Merkle leaf
(spec/passport.md, section Matrix). Works by column: each distinct value is
checked and encoded once, then rows are filled into one template per block.
The result equals `canonical_json` of each row, byte for byte.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from heapq import nsmallest
from itertools import groupby, pairwise
from operator import lt
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import numpy as np

from steelyard.attest import merkle_root
from steelyard.evidence import Evidence
from steelyard.evidence.record import FIELD_CHECKS, FIELD_NAMES, require_consistent
from steelyard.evidence.table import KEY_FIELDS
from steelyard.kernel import canonical_json, parse_json_object, sha256_hex
from steelyard.kernel.errors import DuplicateRecord, MalformedEvidence
from steelyard.passport.archive import MATRIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from steelyard.kernel import JsonValue

MATRIX_SCHEMA: Final = "steelyard/matrix/1"
# What only helps to bill or to debug a run stays out of the published matrix.
_FILLED_IN: Final[Mapping[str, object]] = {
    "measures": {},
    "input_tokens": None,
    "output_tokens": None,
    "seconds": None,
    "source": "passport",
}
LEAF_FIELDS: Final = tuple(sorted(set(FIELD_NAMES) - _FILLED_IN.keys()))
_LEAF_SET: Final = frozenset(LEAF_FIELDS)
_BLOCK_FIELDS: Final = ("model", "protocol", "protocol_version", "domain", "indicator", "arm")
_DIGEST_DIGITS: Final = 64
_DIGESTS: Final = re.compile(r"[0-9a-f]*")
_TEXT: Final = json.JSONEncoder(ensure_ascii=False)

_Values: TypeAlias = "list[Any]"


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix that follows its format.

    Attributes:
        data: The bytes of `evidence/matrix.json`.
        evidence: Its records in key order, leaf fields only.
        root: Merkle root over the leaves (RFC 9162), lower hex.
    """

    data: bytes
    evidence: Evidence
    root: str

    @property
    def sha256(self) -> str:
        """Digest of `data`, the subject of the evidence statement."""
        return sha256_hex(self.data)


@dataclass(frozen=True, slots=True)
class _Block:
    """Consecutive records that share the fields in `constants`."""

    constants: Mapping[str, Any]
    columns: Mapping[str, _Values]

    @property
    def size(self) -> int:
        return len(next(iter(self.columns.values())))


def build_matrix(evidence: Evidence) -> Matrix:
    """Put evidence into its matrix form; equal sets of records give equal bytes.

    Raises:
        MalformedEvidence: no record.
    """
    if not len(evidence):
        message = "a matrix needs at least one record"
        raise MalformedEvidence(message, hint="run or import at least one sample")
    ordered = evidence.in_key_order()
    columns = {name: ordered.columns[name].tolist() for name in LEAF_FIELDS}
    return _assemble(list(_split(columns)), expected=None)


def read_matrix(data: bytes) -> Matrix:
    """Parse and check a matrix document.

    Raises:
        MalformedEvidence: not canonical JSON of this format, unequal columns,
            missing or unknown fields, a value outside its range, or records
            out of order.
        DuplicateRecord: a sample occurs twice.
    """
    document = parse_json_object(data, where=MATRIX)
    blocks = document.get("blocks")
    if document.keys() != {"schema", "blocks"} or document["schema"] != MATRIX_SCHEMA:
        message = f"not a matrix of schema {MATRIX_SCHEMA}"
        raise MalformedEvidence(message, where=MATRIX)
    if not isinstance(blocks, list) or not blocks:
        message = "a matrix needs at least one block"
        raise MalformedEvidence(message, where=MATRIX)
    parsed = [_block(value, f"block {n}") for n, value in enumerate(blocks, start=1)]
    return _assemble(parsed, expected=data)


def leaves_of(evidence: Evidence) -> list[bytes]:
    """The Merkle leaves of evidence, in key order: for inclusion proofs."""
    ordered = evidence.in_key_order()
    columns = {name: ordered.columns[name].tolist() for name in LEAF_FIELDS}
    blocks = list(_split(columns))
    return [leaf for block in blocks for leaf in _leaves(block, _texts(block, "leaf"))]


def _assemble(blocks: list[_Block], *, expected: bytes | None) -> Matrix:
    """Check, encode and hash blocks; `expected` is the document they were read from."""
    leaves: list[bytes] = []
    documents: list[str] = []
    for number, block in enumerate(blocks, start=1):
        texts = _texts(block, f"block {number}")
        leaves += _leaves(block, texts)
        documents.append(_document(block, texts))
    data = f'{{"blocks":[{",".join(documents)}],"schema":"{MATRIX_SCHEMA}"}}'.encode()
    if expected is not None and data != expected:
        message = "the matrix is not in canonical JSON (RFC 8785)"
        raise MalformedEvidence(message, where=MATRIX)
    return Matrix(data, _evidence(blocks), merkle_root(leaves))


def _split(columns: Mapping[str, _Values]) -> Iterator[_Block]:
    """Blocks of records equal in `_BLOCK_FIELDS`; whatever else is equal becomes constant."""
    keys = zip(*(columns[name] for name in _BLOCK_FIELDS), strict=True)
    start = 0
    for _, rows in groupby(keys):
        stop = start + sum(1 for _ in rows)
        part = {name: values[start:stop] for name, values in columns.items()}
        # `item` always stays a column, so that no block is without one.
        constant = {n for n, v in part.items() if n != "item" and v.count(v[0]) == len(v)}
        yield _Block(
            {name: part[name][0] for name in part if name in constant},
            {name: part[name] for name in part if name not in constant},
        )
        start = stop


def _block(value: JsonValue, where: str) -> _Block:
    if not isinstance(value, dict) or value.keys() != {"constants", "columns"}:
        message = "a block has exactly the fields constants and columns"
        raise MalformedEvidence(message, where=where)
    constants, columns = value["constants"], value["columns"]
    if not isinstance(constants, dict) or not isinstance(columns, dict) or not columns:
        message = "constants and columns are objects, with at least one column"
        raise MalformedEvidence(message, where=where)
    _require_leaf_fields(constants.keys(), columns.keys(), where)
    lists = {name: column for name, column in columns.items() if isinstance(column, list)}
    lengths = {len(column) for column in lists.values()}
    if len(lists) != len(columns) or len(lengths) != 1 or lengths == {0}:
        message = f"columns must be lists of one equal length, found {sorted(lengths)[:4]}"
        raise MalformedEvidence(message, where=where)
    return _Block(constants, lists)


def _require_leaf_fields(
    constants: AbstractSet[str], columns: AbstractSet[str], where: str
) -> None:
    """Each leaf field once; a signer may send millions of names, so no more than one pass."""
    if len(constants) + len(columns) == len(LEAF_FIELDS) and constants | columns == _LEAF_SET:
        return
    odd = (constants & columns) | ((constants | columns) ^ _LEAF_SET)
    message = f"fields missing, unknown or given twice: {nsmallest(6, odd)}"
    raise MalformedEvidence(message[:300], where=where)


def _texts(block: _Block, where: str) -> dict[str, list[str]]:
    """Each field's canonical JSON per row; a constant has one entry. Checks every value."""
    texts = {name: _encode([value], name, where) for name, value in block.constants.items()}
    texts |= {name: _encode(values, name, where) for name, values in block.columns.items()}
    _check_scores(block, where)
    return texts


def _encode(values: _Values, name: str, where: str) -> list[str]:
    """Check and encode each distinct value once; commitments, all distinct, in one sweep."""
    if name == "commitment" and _all_digests(values):
        return [f'"{value}"' for value in values]
    keys = _keys(values, f"{where}.{name}")
    try:
        distinct = dict(zip(keys, values, strict=True))
        for value in distinct.values():
            FIELD_CHECKS[name](value)
    except (TypeError, ValueError) as error:
        message = str(error) if isinstance(error, ValueError) else "expected plain values"
        raise MalformedEvidence(message, where=f"{where}.{name}") from error
    encoded = {key: _canonical_text(value) for key, value in distinct.items()}
    return list(map(encoded.__getitem__, keys))


def _keys(values: _Values, where: str) -> list[Any]:
    """One hashable key per value, equal only for values with the same canonical text.

    Values of several types are told apart by type, because True == 1 == 1.0.
    """
    types = set(map(type, values))
    if types == {dict}:
        return list(map(repr, values))
    if types & {dict, list}:
        message = "a column holds plain values, or tables throughout"
        raise MalformedEvidence(message, where=where)
    return values if len(types) == 1 else list(zip(map(type, values), values, strict=True))


def _all_digests(values: _Values) -> bool:
    """Whether every value is a SHA-256 digest in hex; one expression for all of them."""
    if set(map(type, values)) != {str} or set(map(len, values)) != {_DIGEST_DIGITS}:
        return False
    return _DIGESTS.fullmatch("".join(values)) is not None


def _canonical_text(value: object) -> str:
    """RFC 8785 text of a value that its field's check has accepted."""
    match value:
        case None:
            return "null"
        case str():
            return _TEXT.encode(value)
        case float() | int():
            return _number_text(value)
        case _:
            # Names of covariates are ASCII, where RFC 8785 order is code point order.
            table = sorted(cast("Mapping[str, float]", value).items())
            return "{" + ",".join(f'"{k}":{_number_text(v)}' for k, v in table) + "}"


def _number_text(number: float) -> str:
    """RFC 8785, section 3.2.2.3. Python and ECMAScript agree wherever no exponent is written."""
    text = repr(number)
    if "e" in text or number == 0:
        return canonical_json(number).decode()
    return text.removesuffix(".0")


def _check_scores(block: _Block, where: str) -> None:
    columns, constants, size = block.columns, block.constants, block.size
    outcomes = columns.get("outcome") or [constants["outcome"]] * size
    scores = columns.get("score") or [constants["score"]] * size
    for outcome, score in set(zip(outcomes, scores, strict=True)):
        require_consistent(outcome, score, where)


def _leaves(block: _Block, texts: Mapping[str, list[str]]) -> list[bytes]:
    """Fill each row's texts into a template that already holds names and constants."""
    varying = [name for name in LEAF_FIELDS if name in block.columns]
    slots = dict.fromkeys(varying, "%s")
    slots |= {name: texts[name][0].replace("%", "%%") for name in block.constants}
    template = "{" + ",".join(f'"{name}":{slots[name]}' for name in LEAF_FIELDS) + "}"
    rows = zip(*(texts[name] for name in varying), strict=True)
    return [(template % row).encode() for row in rows]


def _document(block: _Block, texts: Mapping[str, list[str]]) -> str:
    """The block's canonical JSON, joined from the texts its leaves are made of."""
    columns = (f'"{n}":[{",".join(texts[n])}]' for n in LEAF_FIELDS if n in block.columns)
    constants = (f'"{n}":{texts[n][0]}' for n in LEAF_FIELDS if n in block.constants)
    return f'{{"columns":{{{",".join(columns)}}},"constants":{{{",".join(constants)}}}}}'


def _evidence(blocks: Sequence[_Block]) -> Evidence:
    columns: dict[str, _Values] = {name: [] for name in FIELD_NAMES}
    for block in blocks:
        fixed = {**_FILLED_IN, **block.constants}
        for name in FIELD_NAMES:
            columns[name] += block.columns.get(name) or [fixed[name]] * block.size
    _require_order(columns)
    return Evidence({name: _object_array(values) for name, values in columns.items()})


def _object_array(values: _Values) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _require_order(columns: Mapping[str, _Values]) -> None:
    """Refuse records that are not in strictly rising key order: none is there twice."""
    keys = list(zip(*(columns[name] for name in KEY_FIELDS), strict=True))
    if all(map(lt, keys, keys[1:])):
        return
    position, (first, second) = next(
        (n, pair) for n, pair in enumerate(pairwise(keys), start=2) if not lt(*pair)
    )
    named = ", ".join(f"{n}={v}" for n, v in zip(KEY_FIELDS, second, strict=True))
    if first == second:
        message = f"two records claim the same sample ({named})"
        raise DuplicateRecord(message, where=f"{MATRIX}:{position}")
    message = f"record is out of order ({named})"
    raise MalformedEvidence(message, where=f"{MATRIX}:{position}")

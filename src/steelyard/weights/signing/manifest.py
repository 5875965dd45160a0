"""The signed manifest: which bytes a model consists of, and the one digest that stands for it.

Decides whether an in-toto statement is an OMS v1.0 manifest (sections 5 and 6.5; our profile in
spec/model-signature.md) and writes one. Works on bytes and names; which files there are is left
to `survey`, who signed to `trust`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from steelyard.kernel import check_sha256, parse_json_object
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence
from steelyard.weights.signing.hashing import DIGEST_BYTES, HashName
from steelyard.weights.signing.names import (
    SELF_NAME,
    check_ignored,
    check_name,
    is_below,
    refuse_collisions,
)

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject

PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
RESOURCE_LIMIT: Final = 1_000_000
_OLD_PREDICATE: Final = "https://model_signing/Digests/v0.1"
_LABEL_LIMIT: Final = 4096
_SHARD: Final = re.compile(r"(.+):(0|[1-9][0-9]{0,15}):([1-9][0-9]{0,15})", re.DOTALL)
_HEX: Final = re.compile(r"[0-9a-f]+")

Method = Literal["files", "shards"]


@dataclass(frozen=True, slots=True)
class Serialization:
    """How the files of a model were read and hashed.

    Attributes:
        method: Whole files, or shards of `shard_bytes`.
        hash_name: Digest of each resource.
        shard_bytes: Size of a shard, 0 for whole files.
        follows_links: Whether links were read as the files they lead to.
        ignored: Paths that the signer left out, without those left out everywhere.
    """

    method: Method
    hash_name: HashName
    shard_bytes: int = 0
    follows_links: bool = False
    ignored: frozenset[str] = frozenset()

    def to_json(self) -> JsonObject:
        """The object `serialization` of the predicate."""
        size: JsonObject = {"shard_size": self.shard_bytes} if self.method == "shards" else {}
        return {
            "method": self.method,
            "hash_type": self.hash_name,
            **size,
            "allow_symlinks": self.follows_links,
            "ignore_paths": [*sorted(self.ignored)],
        }


@dataclass(frozen=True, slots=True)
class Resource:
    """A file, or one shard of it.

    Attributes:
        file: Name of the file below the model's root.
        start: First byte.
        stop: The byte after the last; -1 for a whole file of any size.
        digest: Of these bytes.
    """

    file: str
    start: int
    stop: int
    digest: bytes

    @property
    def name(self) -> str:
        """The name that OMS gives the resource."""
        return self.file if self.stop < 0 else f"{self.file}:{self.start}:{self.stop}"

    def end(self, size_bytes: int) -> int:
        """The byte after its last, in a file of `size_bytes`: a whole file is as long as it is."""
        return size_bytes if self.stop < 0 else self.stop


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a signature covers.

    Attributes:
        model: Name that the signer gave; informative only.
        serialization: How to read and hash.
        resources: In the order that the root is computed in.
    """

    model: str
    serialization: Serialization
    resources: tuple[Resource, ...]

    @property
    def root(self) -> str:
        """SHA-256 over the digests in order, lower hex (section 6.5.1)."""
        return hashlib.sha256(b"".join(one.digest for one in self.resources)).hexdigest()

    @property
    def covered(self) -> frozenset[str]:
        """Names of the files that the signature covers."""
        return frozenset(resource.file for resource in self.resources)

    def by_file(self) -> dict[str, tuple[Resource, ...]]:
        """The resources of each file in the order of its bytes."""
        found: dict[str, list[Resource]] = {}
        for resource in self.resources:
            found.setdefault(resource.file, []).append(resource)
        return {
            file: tuple(sorted(parts, key=lambda part: part.start)) for file, parts in found.items()
        }

    def to_bytes(self) -> bytes:
        """The statement's JSON: the payload that is signed."""
        hash_name = self.serialization.hash_name
        value = {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": self.model, "digest": {"sha256": self.root}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "resources": [
                    {"name": one.name, "digest": one.digest.hex(), "algorithm": hash_name}
                    for one in self.resources
                ],
                "serialization": self.serialization.to_json(),
            },
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def parse_manifest(payload: bytes, *, where: str = "payload") -> Manifest:
    """Read a manifest, refusing whatever does not describe files unambiguously.

    Raises:
        MalformedEvidence: another statement or predicate, an unsafe or duplicate name, an
            order that is none, shards that do not fit together.
        BrokenSeal: the root is not that of the resources.
    """
    value = parse_json_object(payload, where=where)
    _require_fields(value, {"_type", "subject", "predicateType", "predicate"}, "statement", where)
    if value["_type"] != STATEMENT_TYPE:
        raise MalformedEvidence("not an in-toto Statement v1", where=where)
    _require_predicate_type(value["predicateType"], where)
    predicate = _object(value["predicate"], "predicate", where)
    _require_fields(predicate, {"resources", "serialization"}, "predicate", where)
    model, root = _subject(value["subject"], where)
    serialization = _serialization(predicate["serialization"], where)
    manifest = Manifest(model, serialization, _resources(predicate, serialization, where))
    _require_consistent(manifest, where)
    if manifest.root != root:
        message = f"the root is {root[:16]}, the resources give {manifest.root[:16]}"
        raise BrokenSeal(message, where=where)
    return manifest


def refuse_old_predicate(payload: bytes, *, where: str) -> None:
    """Say so where a statement is of model_signing 0.2, whose signatures are malformed too.

    Raises:
        MalformedEvidence: it is, or it is no JSON object.
    """
    if parse_json_object(payload, where=where).get("predicateType") == _OLD_PREDICATE:
        message = "a signature of model_signing 0.2, whose format was given up"
        raise MalformedEvidence(message, where=where, hint="sign the model anew")


def _require_predicate_type(value: object, where: str) -> None:
    if value != PREDICATE_TYPE:
        message = f"predicate type is {str(value)[:80]!r}, need {PREDICATE_TYPE!r}"
        raise MalformedEvidence(message, where=where)


def _subject(value: object, where: str) -> tuple[str, str]:
    subjects = cast("list[object]", value) if isinstance(value, list) else []
    match subjects:
        case [{"name": str(name), "digest": {"sha256": str(root)}}] if (
            0 < len(name) <= _LABEL_LIMIT
        ):
            try:
                check_sha256(root)
            except ValueError as error:
                raise MalformedEvidence(str(error), where=f"{where}.subject") from error
            return name, root
        case _:
            message = "a manifest has exactly one subject, with a name and a sha256 digest"
            raise MalformedEvidence(message, where=where)


def _serialization(value: object, where: str) -> Serialization:
    place = f"{where}.serialization"
    fields = _object(value, "serialization", where)
    shards = fields.get("method") == "shards"
    needed = {"method", "hash_type", "allow_symlinks", *({"shard_size"} if shards else ())}
    _require_fields(fields, needed, "serialization", where, optional="ignore_paths")
    # Compared as lists are: what is no text has no hash that a set could ask for.
    if fields["method"] not in ("files", "shards"):
        message = f"unknown method {str(fields['method'])[:40]!r}, need files or shards"
        raise MalformedEvidence(message, where=place)
    if fields["hash_type"] not in tuple(DIGEST_BYTES):
        message = f"unknown hash {str(fields['hash_type'])[:40]!r}, need {', '.join(DIGEST_BYTES)}"
        raise MalformedEvidence(message, where=place)
    if not isinstance(fields["allow_symlinks"], bool):
        raise MalformedEvidence("allow_symlinks is true or false", where=place)
    ignored = fields.get("ignore_paths", [])
    if not isinstance(ignored, list) or len(ignored) > RESOURCE_LIMIT:
        raise MalformedEvidence("ignore_paths is a list of paths", where=place)
    return Serialization(
        "shards" if shards else "files",
        fields["hash_type"],
        _shard_bytes(fields["shard_size"], place) if shards else 0,
        fields["allow_symlinks"],
        frozenset(check_ignored(entry, where=place) for entry in ignored),
    )


def _shard_bytes(value: object, where: str) -> int:
    # model_signing writes whole numbers as doubles: 1000000000.0.
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**53:
        raise MalformedEvidence(f"shard_size is no size: {str(value)[:40]}", where=where)
    return number


def _resources(
    predicate: JsonObject, serialization: Serialization, where: str
) -> tuple[Resource, ...]:
    listed = predicate["resources"]
    if not isinstance(listed, list) or not 0 < len(listed) <= RESOURCE_LIMIT:
        count = len(listed) if isinstance(listed, list) else "no list"
        message = f"a manifest has 1 to {RESOURCE_LIMIT} resources, found {count}"
        raise MalformedEvidence(message, where=where)
    found = tuple(_resource(entry, serialization, where) for entry in listed)
    names = [resource.name for resource in found]
    if len(set(names)) != len(names):
        twin = Counter(names).most_common(1)[0][0]
        raise MalformedEvidence(f"two resources are named {twin[:80]!r}", where=where)
    # The specification orders by code point of the whole name, model_signing 1.1 by path
    # component and offset. Either is an order; the root is computed in it.
    by_path = sorted(found, key=lambda one: (one.file.split("/"), one.start))
    if names != sorted(names) and list(found) != by_path:
        raise MalformedEvidence("resources are not in the order of their names", where=where)
    return found


def _resource(value: object, serialization: Serialization, where: str) -> Resource:
    fields = _object(value, "resource", where)
    name, digest, algorithm = (fields.get(key) for key in ("name", "digest", "algorithm"))
    place = f"{where}: {str(name)[:80]}"
    hash_name, size = serialization.hash_name, DIGEST_BYTES[serialization.hash_name]
    if algorithm not in (hash_name, f"{hash_name}-sharded-{serialization.shard_bytes}"):
        message = f"algorithm is {str(algorithm)[:40]!r}, the manifest's is {hash_name!r}"
        raise MalformedEvidence(message, where=place)
    if not isinstance(digest, str) or not _HEX.fullmatch(digest) or len(digest) != 2 * size:
        message = f"a {hash_name} digest has {2 * size} lower-case hex digits"
        raise MalformedEvidence(message, where=place)
    if serialization.method == "files":
        file = SELF_NAME if name == SELF_NAME else check_name(name, where=where)
        return Resource(file, 0, -1, bytes.fromhex(digest))
    found = _SHARD.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise MalformedEvidence("a shard is named PATH:START:STOP", where=place)
    file = SELF_NAME if found[1] == SELF_NAME else check_name(found[1], where=where)
    return Resource(file, int(found[2]), int(found[3]), bytes.fromhex(digest))


def _require_consistent(manifest: Manifest, where: str) -> None:
    files = manifest.by_file()
    refuse_collisions(files, where=where)
    if SELF_NAME in files and len(files) > 1:
        message = f"{SELF_NAME!r} names the file of a single-file model, found {len(files)} files"
        raise MalformedEvidence(message, where=where)
    for file in files:
        if is_below(file, manifest.serialization.ignored):
            message = "the file is both signed and ignored"
            raise MalformedEvidence(message, where=f"{where}: {file[:80]}")
    if manifest.serialization.method == "shards":
        for file, parts in files.items():
            _require_whole(parts, manifest.serialization.shard_bytes, f"{where}: {file[:80]}")


def _require_whole(parts: tuple[Resource, ...], shard_bytes: int, where: str) -> None:
    position = 0
    for index, part in enumerate(parts):
        if part.start != position:
            fault = "overlap" if part.start < position else "leave a gap"
            message = f"shards {fault}: one starts at {part.start}, expected {position}"
            raise MalformedEvidence(message, where=where)
        length = part.stop - part.start
        is_last = index == len(parts) - 1
        if not 0 < length <= shard_bytes or (not is_last and length != shard_bytes):
            message = f"a shard has {length} bytes, shard_size is {shard_bytes}"
            raise MalformedEvidence(message, where=where)
        position = part.stop


def _object(value: object, what: str, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise MalformedEvidence(f"{what} must be an object", where=where)
    return cast("JsonObject", value)


def _require_fields(
    value: JsonObject, needed: set[str], what: str, where: str, *, optional: str | None = None
) -> None:
    if value.keys() - {optional} != needed:
        message = f"{what} has the fields {sorted(needed)}, found {sorted(value)[:8]}"
        raise MalformedEvidence(message, where=where)

"""A feed of signed advisories: which documents may be believed, and what they say of whom.

Decides spec/regression.md, section 3, on the tree of spec/disclosure-advisory.md, section 7. A
document counts where the envelope beside it is of a key that the tree carries and the caller
trusts, and is over exactly these bytes. What does not count is named, with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest import claimed_key_id, open_envelope, parse_public_key, predicate_type
from steelyard.disclosure.advisory.handles import NAMESPACES, namespace_of
from steelyard.disclosure.advisory.provider import SIGNATURE_KIND
from steelyard.kernel import parse_instant, parse_json_object, sha256_hex
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, SteelyardError, UsageError
from steelyard.standard import require_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from steelyard.attest import PublicKey

AFFECTED: Final = "affected"
INVESTIGATED: Final = "under_investigation"
# Where groups of a CSAF document contradict each other, the first counts (CSAF 2.0, 3.2.3.9).
_STATUSES: Final = {
    "known_affected": AFFECTED,
    "first_affected": AFFECTED,
    "last_affected": AFFECTED,
    "under_investigation": INVESTIGATED,
    "known_not_affected": "not_affected",
    "fixed": "fixed",
    "first_fixed": "fixed",
}
_DOCUMENT: Final = re.compile(r"(?:.*/)?[0-9]{4}/[^/]+\.json")
_KEY: Final = re.compile(r"(?:.*/)?ed25519/([0-9a-f]{64})\.pub")
_INDEX: Final = "index.txt"
_ENVELOPE: Final = ".dsse"
SUFFIXES: Final = (".json", _ENVELOPE, ".pub", _INDEX)
"""Endings of the files that a feed is read from."""


@dataclass(frozen=True, slots=True)
class PublishedFinding:
    """One flaw as an advisory tells it.

    Attributes:
        statuses: What is known of each target that has a handle, by handle.
        affects: Whether any target at all is affected.
    """

    id: str
    title: str
    flaw_class: str
    reproducer: str
    statuses: Mapping[str, str]
    affects: bool


@dataclass(frozen=True, slots=True)
class PublishedAdvisory:
    """An advisory that is believed.

    Attributes:
        publisher: Key id of who signed it.
        document: SHA-256 of the CSAF document.
    """

    id: str
    version: int
    publisher: str
    document: str
    published: datetime
    changed: datetime
    findings: tuple[PublishedFinding, ...]


@dataclass(frozen=True, slots=True)
class Unbelieved:
    """A document that does not count, and why."""

    file: str
    why: str


@dataclass(frozen=True, slots=True)
class Feed:
    """What a folder of advisories says.

    Attributes:
        advisories: Of each publisher and id the last version.
        pinned: Whether the caller said whom to trust.
    """

    advisories: tuple[PublishedAdvisory, ...]
    not_believed: tuple[Unbelieved, ...]
    pinned: bool

    @property
    def publishers(self) -> tuple[str, ...]:
        """Key ids of who signed what is believed, sorted."""
        return tuple(sorted({advisory.publisher for advisory in self.advisories}))


def read_feed(files: Mapping[str, bytes], pins: tuple[frozenset[str], ...] = ()) -> Feed:
    """Read a feed.

    Args:
        files: Its files by path, with forward slashes.
        pins: Sets of key ids that may publish; each must agree. None accepts any key that
            the tree carries.

    Raises:
        UsageError: there is no advisory among them.
    """
    keys, believed, refused = _keys(files), list[PublishedAdvisory](), list[Unbelieved]()
    names = sorted({name for name in files if _DOCUMENT.fullmatch(name)} | set(_named(files)))
    if not names:
        message = "the folder holds no published advisory"
        hint = "name what `steelyard disclose advisory publish --key` wrote"
        raise UsageError(message, where="--advisories", hint=hint)
    for name in names:
        try:
            believed.append(_advisory(name, files, keys, pins))
        except SteelyardError as error:
            refused.append(Unbelieved(name, error.message))
    return Feed(tuple(_latest(believed)), tuple(refused), bool(pins))


def _keys(files: Mapping[str, bytes]) -> dict[str, PublicKey]:
    """The keys that a tree carries under their own names."""
    found: dict[str, PublicKey] = {}
    for name, data in files.items():
        if match := _KEY.fullmatch(name):
            try:
                key = parse_public_key(data, where=name)
            except SteelyardError:
                continue  # what it signed names a missing key
            if key.key_id == match[1]:
                found[key.key_id] = key
    return found


def _named(files: Mapping[str, bytes]) -> Iterator[str]:
    """Documents that an index lists, or an envelope is about, whether they are there or not."""
    for name, data in files.items():
        folder = name.removesuffix(_INDEX)
        if name == folder + _INDEX:
            lines = data.decode("utf-8", errors="replace").splitlines()
            yield from (folder + line for line in lines if line)
        elif name.endswith(f".json{_ENVELOPE}"):
            yield name.removesuffix(_ENVELOPE)


def _latest(advisories: list[PublishedAdvisory]) -> Iterator[PublishedAdvisory]:
    """The last version of each id of a publisher; equal versions all stand."""
    last: dict[tuple[str, str], int] = {}
    for one in advisories:
        key = (one.publisher, one.id)
        last[key] = max(one.version, last.get(key, 0))
    yield from (one for one in advisories if one.version == last[one.publisher, one.id])


def _advisory(
    name: str,
    files: Mapping[str, bytes],
    keys: Mapping[str, PublicKey],
    pins: tuple[frozenset[str], ...],
) -> PublishedAdvisory:
    """One document with the envelope beside it.

    Raises:
        BrokenSeal: it is missing, unsigned, of a key that is not trusted, or other bytes.
        MalformedEvidence: it is no CSAF document, or its signature adds something else.
    """
    if name not in files:
        raise BrokenSeal("is listed, and is not there", where=name)
    envelope, data = files.get(name + _ENVELOPE), files[name]
    if envelope is None:
        raise BrokenSeal("is not signed: there is no envelope beside it", where=name)
    publisher = claimed_key_id(envelope, where=name)
    if any(publisher not in pin for pin in pins):
        raise BrokenSeal(f"is of key {publisher[:16]}, which is not trusted", where=name)
    statement = open_envelope(envelope, keys, where=name)
    if statement.predicate_type != predicate_type(SIGNATURE_KIND):
        raise MalformedEvidence("its signature is of something else", where=name)
    require_schema(statement.predicate, "advisory-signature", where=name)
    subject = statement.subjects[0]
    if len(statement.subjects) != 1 or subject.name != name.rpartition("/")[2]:
        raise BrokenSeal("was signed under another name", where=name)
    if subject.sha256 != sha256_hex(data):
        raise BrokenSeal("is not the document that was signed", where=name)
    said = cast("dict[str, Any]", statement.predicate)
    return _read(parse_json_object(data, where=name), said, publisher, subject.sha256, name)


def _read(
    document: dict[str, Any], said: dict[str, Any], publisher: str, digest: str, name: str
) -> PublishedAdvisory:
    try:
        tracking = document["document"]["tracking"]
        if (tracking["id"], tracking["version"]) != (said["advisory"], said["version"]):
            raise BrokenSeal("says another id or version than its signature", where=name)
        handles = dict(_handles(document["product_tree"].get("branches", [])))
        return PublishedAdvisory(
            id=said["advisory"],
            version=int(said["version"]),
            publisher=publisher,
            document=digest,
            published=parse_instant(tracking["initial_release_date"]),
            changed=parse_instant(tracking["current_release_date"]),
            findings=tuple(_findings(document, said, handles, name)),
        )
    except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
        raise MalformedEvidence("is no CSAF document of ours", where=name) from error


def _handles(branches: list[dict[str, Any]]) -> Iterator[tuple[str, frozenset[str]]]:
    """Handles of each product that has any, by product id."""
    for branch in branches:
        yield from _handles(branch.get("branches", []))
        product = branch.get("product", {})
        uris = product.get("product_identification_helper", {}).get("x_generic_uris", [])
        exact = [row["uri"] for row in uris if row["namespace"] == namespace_of(row["uri"])]
        if named := frozenset(uri for uri in exact if namespace_of(uri) in NAMESPACES):
            yield product["product_id"], named


def _findings(
    document: dict[str, Any], said: dict[str, Any], handles: dict[str, frozenset[str]], name: str
) -> Iterator[PublishedFinding]:
    """The vulnerabilities; each is one that the signature lists, and none is left out."""
    listed = {f"{said['advisory']}#{row['id']}": row for row in said["findings"]}
    for flaw in document["vulnerabilities"]:
        rows = [listed.pop(row["text"]) for row in flaw["ids"] if row["text"] in listed]
        if len(rows) != 1:
            raise BrokenSeal("tells of a flaw that its signature does not list", where=name)
        groups, statuses = flaw["product_status"], dict[str, str]()
        for group, status in _STATUSES.items():
            for product in groups.get(group, []):
                for handle in handles.get(product, ()):
                    statuses.setdefault(handle, status)
        affects = any(groups.get(group) for group, is_ in _STATUSES.items() if is_ == AFFECTED)
        yield PublishedFinding(
            **rows[0], title=str(flaw["title"]), statuses=statuses, affects=affects
        )
    if listed:
        raise BrokenSeal("leaves out a flaw that its signature lists", where=name)

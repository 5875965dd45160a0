"""The tree of a CSAF provider: documents, hashes, signatures, ROLIE, metadata, security.txt.

Decides the layout of spec/disclosure-advisory.md, section 7 (CSAF 2.0, section 7.1, requirements 1
to 20). Serving it under TLS, and listing its folders, is the web server's part. Our own signature
is DSSE with Ed25519; a *trusted* provider needs OpenPGP, for which the caller brings the program.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from steelyard.attest import Statement, Subject, predicate_type, sign_statement
from steelyard.disclosure.advisory import csaf
from steelyard.disclosure.advisory.atom import atom_feed
from steelyard.disclosure.advisory.csaf20 import csaf20
from steelyard.disclosure.advisory.escape import csv_cell
from steelyard.disclosure.advisory.export import (
    ExportedFile,
    Occasion,
    check_occasion,
    json_bytes,
)
from steelyard.disclosure.advisory.model import Status, Tlp
from steelyard.disclosure.advisory.security_txt import SecurityText, security_txt
from steelyard.kernel import format_instant, sha256_hex
from steelyard.kernel.errors import NotSatisfied, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from steelyard.attest import PrivateKey
    from steelyard.disclosure.advisory.model import Advisory

SIGNATURE_KIND: Final = "disclosure-advisory"
_HTTPS: Final = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*/?")
_FOLDER: Final = ".well-known/csaf"
_FEED: Final = "feed-tlp-white.json"
_CATEGORY: Final = {
    "scheme": "urn:ietf:params:rolie:category:information-type",
    "term": "csaf",
}


@dataclass(frozen=True, slots=True)
class OpenPgp:
    """What signs with OpenPGP: the fingerprint, the public key, and a function of bytes."""

    fingerprint: str
    public_key: bytes
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Site:
    """Where and how advisories are published.

    Attributes:
        base_url: https address that the output folder will answer under.
        contacts: For security.txt; empty for no such file.
        expires_at: Until when security.txt may be believed; None for no such file.
        key: Ed25519 key of the DSSE signatures; None for none.
        openpgp: What makes OpenPGP signatures; None for none.
    """

    base_url: str
    contacts: tuple[str, ...] = ()
    expires_at: datetime | None = None
    key: PrivateKey | None = None
    openpgp: OpenPgp | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Published:
    """A document in its place, with the names of what lies beside it."""

    advisory: Advisory
    path: str
    data: bytes
    hashes: tuple[ExportedFile, ...]
    signatures: tuple[ExportedFile, ...]


def publish(advisories: tuple[Advisory, ...], site: Site, at: datetime) -> tuple[ExportedFile, ...]:
    """The whole tree, made anew from every advisory of a publisher.

    The same advisories, site and instant give the same bytes; signatures of OpenPGP alone are
    made anew each time.

    Raises:
        NotSatisfied: an advisory that is no public one, or a draft.
        UsageError: no advisory, several publishers or equal ids, or a base that is no https
            address.
    """
    require_base(site.base_url)
    require_publishable(advisories)
    published = sorted(
        (_published(advisory, site, at) for advisory in advisories),
        key=lambda entry: (entry.advisory.changed_at, entry.path),
        reverse=True,
    )
    files = [
        file
        for entry in published
        for file in (
            ExportedFile(f"{_FOLDER}/{entry.path}", entry.data),
            *entry.hashes,
            *entry.signatures,
        )
    ]
    return (*files, *_lists(published), *_rolie(published, site), *_site_files(published, site, at))


def require_base(base_url: str) -> None:
    """Refuse an address that no provider's tree can have; ask before anything is published.

    Raises:
        UsageError: it is no https address of a folder.
    """
    if not _HTTPS.fullmatch(base_url):
        message = f"{base_url[:80]!r} is no https address of a folder"
        raise UsageError(message, where="--base-url", hint="https://advisories.example.org")


def require_publishable(advisories: tuple[Advisory, ...]) -> None:
    """Refuse what no provider's tree can hold together; ask before anything is published.

    Raises:
        NotSatisfied: one is not for everybody, or a draft.
        UsageError: there is none, or two have one file name, or other publishers.
    """
    if not advisories:
        raise UsageError("there is no advisory to publish")
    for advisory in advisories:
        if advisory.tlp is not Tlp.CLEAR:
            message = f"TLP:{advisory.tlp.value} is not for everybody; only CLEAR is published"
            raise NotSatisfied(message, where=advisory.id)
        if advisory.status is Status.DRAFT:
            hint = "draft it anew with status final"
            raise NotSatisfied("a draft is not published", where=advisory.id, hint=hint)
        if advisory.publisher != advisories[0].publisher:
            message = "advisories of two publishers do not share a provider's tree"
            raise UsageError(message, where=advisory.id)
    paths = [csaf.file_name(advisory.id) for advisory in advisories]
    if len(set(paths)) < len(paths):
        message = f"two advisories are called {max(paths, key=paths.count)!r}"
        raise UsageError(message)


def _published(advisory: Advisory, site: Site, at: datetime) -> _Published:
    path = f"{advisory.released_at.year}/{csaf.file_name(advisory.id)}"
    check_occasion(advisory, Occasion(at))
    # One version of a document has one content, however often the tree is made.
    [file] = csaf20(advisory, Occasion(advisory.changed_at, _url(site, path))).files
    place = f"{_FOLDER}/{path}"
    name = path.rpartition("/")[2]
    hashes = tuple(
        ExportedFile(f"{place}.{kind}", f"{digest(file.data).hexdigest()}  {name}\n".encode())
        for kind, digest in (("sha256", hashlib.sha256), ("sha512", hashlib.sha512))
    )
    signatures: list[ExportedFile] = []
    if site.openpgp is not None:
        signatures.append(ExportedFile(f"{place}.asc", site.openpgp.sign(file.data)))
    if site.key is not None:
        envelope = _envelope(advisory, name, file.data, site.key)
        signatures.append(ExportedFile(f"{place}.dsse", envelope))
    return _Published(advisory, path, file.data, hashes, tuple(signatures))


def _envelope(advisory: Advisory, name: str, data: bytes, key: PrivateKey) -> bytes:
    statement = Statement(
        (Subject(name, sha256_hex(data)),),
        predicate_type(SIGNATURE_KIND),
        {
            "advisory": advisory.id,
            "version": str(advisory.version),
            "findings": [
                {"id": entry.id, "flaw_class": entry.flaw_class, "reproducer": entry.reproducer}
                for entry in advisory.findings
            ],
        },
    )
    return sign_statement(statement, key) + b"\n"


def _lists(published: list[_Published]) -> list[ExportedFile]:
    """index.txt and changes.csv (requirements 12 and 13)."""
    index = "".join(f"{entry.path}\n" for entry in published)
    changes = "".join(
        f"{csv_cell(entry.path)},{csv_cell(format_instant(entry.advisory.changed_at))}\n"
        for entry in published
    )
    return [
        ExportedFile(f"{_FOLDER}/index.txt", index.encode()),
        ExportedFile(f"{_FOLDER}/changes.csv", changes.encode()),
    ]


def _rolie(published: list[_Published], site: Site) -> list[ExportedFile]:
    """Feed, service and category document (requirements 15 to 17; RFC 8322)."""
    title = f"{published[0].advisory.publisher.name}: TLP:WHITE advisories"
    feed = {
        "id": "steelyard-csaf-feed-tlp-white",
        "title": title,
        "link": [
            {"rel": "self", "href": _url(site, _FEED)},
            {"rel": "service", "href": _url(site, "service.json")},
        ],
        "category": [_CATEGORY],
        "updated": format_instant(published[0].advisory.changed_at),
        "entry": [_entry(entry, site) for entry in published],
    }
    collection = {
        "title": title,
        "href": _url(site, _FEED),
        "categories": {"category": [_CATEGORY]},
    }
    service = {"workspace": [{"title": "Public CSAF feed", "collection": [collection]}]}
    terms = sorted({target.vendor for entry in published for target in entry.advisory.targets})
    categories = {"category": [{"term": term} for term in terms]}
    return [
        _json(_FEED, {"feed": feed}),
        _json("service.json", {"service": service}),
        _json("category.json", {"categories": categories}),
    ]


def _entry(entry: _Published, site: Site) -> csaf.Node:
    beside = [(file, "hash") for file in entry.hashes]
    beside += [(file, "signature") for file in entry.signatures if file.path.endswith(".asc")]
    return {
        "id": entry.advisory.id,
        "title": entry.advisory.title,
        "link": [
            {"rel": "self", "href": _url(site, entry.path)},
            *(
                {"rel": relation, "href": _url(site, file.path.removeprefix(f"{_FOLDER}/"))}
                for file, relation in beside
            ),
        ],
        "published": format_instant(entry.advisory.released_at),
        "updated": format_instant(entry.advisory.changed_at),
        "summary": {"content": entry.advisory.summary},
        "content": {"type": "application/json", "src": _url(site, entry.path)},
        "format": {
            "schema": "https://docs.oasis-open.org/csaf/csaf/v2.0/csaf_json_schema.json",
            "version": "2.0",
        },
    }


def _site_files(published: list[_Published], site: Site, at: datetime) -> list[ExportedFile]:
    metadata = ExportedFile(
        f"{_FOLDER}/provider-metadata.json", json_bytes(_metadata(published, site, at))
    )
    feed_url = f"{site.base_url.rstrip('/')}/atom.xml"
    entries = [(entry.advisory, _url(site, entry.path)) for entry in published]
    files = [metadata, ExportedFile("atom.xml", atom_feed(entries, self_url=feed_url))]
    if site.openpgp is not None:
        files.append(ExportedFile(f"{_FOLDER}/{_key_path(site.openpgp)}", site.openpgp.public_key))
    if site.key is not None:
        name = f"{_FOLDER}/ed25519/{site.key.public_key.key_id}.pub"
        files.append(ExportedFile(name, site.key.public_key.pem))
    if site.expires_at is not None:
        text = SecurityText(
            site.contacts,
            site.expires_at,
            canonical=(f"{site.base_url.rstrip('/')}/.well-known/security.txt",),
            csaf=_url(site, "provider-metadata.json"),
        )
        files.append(ExportedFile(".well-known/security.txt", security_txt(text, at)))
    return files


def _metadata(published: list[_Published], site: Site, at: datetime) -> dict[str, Any]:
    """provider-metadata.json (requirement 7)."""
    publisher = published[0].advisory.publisher
    trusted = site.openpgp is not None
    feed = {
        "summary": "All public advisories.",
        "tlp_label": "WHITE",
        "url": _url(site, _FEED),
    }
    rolie = {
        "feeds": [feed],
        "services": [_url(site, "service.json")],
        "categories": [_url(site, "category.json")],
    }
    return {
        "canonical_url": _url(site, "provider-metadata.json"),
        "distributions": [{"directory_url": _url(site, "")}, {"rolie": rolie}],
        "last_updated": format_instant(at),
        "list_on_CSAF_aggregators": True,
        "mirror_on_CSAF_aggregators": True,
        "metadata_version": "2.0",
        "public_openpgp_keys": _keys(site),
        "publisher": csaf.filled(
            {
                "category": publisher.category,
                "name": publisher.name,
                "namespace": publisher.namespace,
                "contact_details": publisher.contact,
                "issuing_authority": publisher.authority,
            }
        ),
        "role": "csaf_trusted_provider" if trusted else "csaf_provider",
    }


def _keys(site: Site) -> list[csaf.Node]:
    if site.openpgp is None:
        return []
    return [{"fingerprint": site.openpgp.fingerprint, "url": _url(site, _key_path(site.openpgp))}]


def _key_path(openpgp: OpenPgp) -> str:
    return f"openpgp/{openpgp.fingerprint}.asc"


def _url(site: Site, path: str) -> str:
    return f"{site.base_url.rstrip('/')}/{_FOLDER}/{path}"


def _json(path: str, value: csaf.Node) -> ExportedFile:
    return ExportedFile(f"{_FOLDER}/{path}", json_bytes(value))

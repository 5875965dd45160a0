"""Reading CSAF 2.0 and 2.1 documents, and intake documents shaped like them.

Only what CSAF itself carries is read; a document that a validator would refuse is still read as
far as it makes sense, since intake is no publication. A vulnerability report may lack a product
tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from steelyard.disclosure.intake.report import ClaimedFlaw, ClaimedTarget, IntakeReport
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.disclosure.intake.report import Fields, Reading

_STATUSES: Final = (
    "first_affected", "first_fixed", "fixed", "known_affected", "known_not_affected",
    "last_affected", "recommended", "under_investigation", "unknown",
)  # fmt: skip
_DATES: Final = ("initial_release_date", "current_release_date")


def is_csaf(document: Fields) -> bool:
    """Whether a document says that it is CSAF."""
    head = document.get("document")
    return isinstance(head, dict) and "csaf_version" in head


def read_csaf(document: Fields, reading: Reading) -> IntakeReport:
    """The report in a CSAF document.

    Raises:
        MalformedEvidence: a field of another type than CSAF gives it, or nothing described.
    """
    head = reading.fields(document["document"], "document")
    tracking = reading.fields(head.get("tracking"), "tracking")
    products = dict(_products(document, reading))
    vulnerabilities = reading.objects(document.get("vulnerabilities"), "vulnerabilities")
    return IntakeReport(
        format=f"csaf {reading.line(head.get('csaf_version'), 'csaf_version')}",
        title=reading.required(head.get("title"), "document.title"),
        summary=_notes(head, reading, ("summary", "description")),
        flaws=tuple(_flaw(entry, products, reading) for entry in vulnerabilities)
        or (_whole(head, products, reading),),
        references=_references([head, *vulnerabilities], reading),
        credits=_credits([head, *vulnerabilities], reading),
        contact=_contact(head, reading),
        dates=_dates(tracking, vulnerabilities, reading),
        sharing=_tlp(head, reading),
    )


def _products(document: Fields, reading: Reading) -> Iterator[tuple[str, ClaimedTarget]]:
    tree = reading.fields(document.get("product_tree"), "product_tree")
    for product in reading.objects(tree.get("full_product_names"), "full_product_names"):
        yield _product(product, "", "", reading)
    branches = reading.objects(tree.get("branches"), "branches")
    stack = [(branch, "", "") for branch in reversed(branches)]
    while stack:
        branch, vendor, version = stack.pop()
        name = reading.line(branch.get("name"), "branch")
        category = branch.get("category")
        vendor = name if category == "vendor" else vendor
        version = name if category in ("product_version", "product_version_range") else version
        if "product" in branch:
            product = reading.fields(branch["product"], "product")
            yield _product(product, vendor, version, reading)
        children = reading.objects(branch.get("branches"), "branches")
        stack += [(child, vendor, version) for child in reversed(children)]
    for relation in reading.objects(tree.get("relationships"), "relationships"):
        product = reading.fields(relation.get("full_product_name"), "full_product_name")
        yield _product(product, "", "", reading)


def _product(
    product: Fields, vendor: str, version: str, reading: Reading
) -> tuple[str, ClaimedTarget]:
    helper = reading.fields(product.get("product_identification_helper"), "helper")
    uris = reading.objects(helper.get("x_generic_uris"), "x_generic_uris")
    values: list[Any] = [helper.get("purl"), helper.get("cpe"), *(uri.get("uri") for uri in uris)]
    values += reading.entries(helper.get("purls"), "purls")
    for entry in reading.objects(helper.get("hashes"), "hashes"):
        for digest in reading.objects(entry.get("file_hashes"), "file_hashes"):
            algorithm = reading.line(digest.get("algorithm"), "algorithm")
            values.append(f"{algorithm}:{reading.line(digest.get('value'), 'value')}")
    target = ClaimedTarget(
        name=reading.required(product.get("name"), "product name"),
        vendor=vendor,
        version=version,
        identifiers=reading.lines([value for value in values if value], "identifiers"),
    )
    return reading.required(product.get("product_id"), "product_id"), target


def _flaw(entry: Fields, products: dict[str, ClaimedTarget], reading: Reading) -> ClaimedFlaw:
    ids = [reading.line(entry.get("cve"), "cve")]
    ids += [
        reading.line(item.get("text"), "id") for item in reading.objects(entry.get("ids"), "ids")
    ]
    known = [identifier for identifier in ids if identifier]
    title = reading.line(entry.get("title"), "title") or (known or ["Untitled"])[0]
    remediations = reading.objects(entry.get("remediations"), "remediations")
    return ClaimedFlaw(
        title=title,
        description=_notes(entry, reading, ("description", "summary", "details", "general")),
        ids=tuple(dict.fromkeys(known)),
        weaknesses=_weaknesses(entry, reading),
        targets=tuple(_claimed(entry, products, reading)),
        impact=_threats(entry, reading),
        mitigations=tuple(
            text
            for text in (reading.text(item.get("details"), "details") for item in remediations)
            if text
        ),
    )


def _whole(head: Fields, products: dict[str, ClaimedTarget], reading: Reading) -> ClaimedFlaw:
    """An informational advisory has no vulnerability: its notes are one claim about all products.

    Raises:
        MalformedEvidence: it has no notes either.
    """
    text = _notes(head, reading, ("description", "summary", "details", "general"))
    if not text:
        message = "the document describes no vulnerability"
        raise MalformedEvidence(message, where=reading.where)
    reading.drop("vulnerabilities: there is none; the document's notes are taken as one flaw")
    title = reading.required(head.get("title"), "document.title")
    return ClaimedFlaw(title=title, description=text, targets=tuple(products.values()))


def _weaknesses(entry: Fields, reading: Reading) -> tuple[str, ...]:
    single = reading.fields(entry.get("cwe"), "cwe")
    weaknesses = [single, *reading.objects(entry.get("cwes"), "cwes")]
    return reading.lines([item["id"] for item in weaknesses if "id" in item], "cwe")


def _claimed(
    entry: Fields, products: dict[str, ClaimedTarget], reading: Reading
) -> Iterator[ClaimedTarget]:
    status = reading.fields(entry.get("product_status"), "product_status")
    reading.drop_unknown(status, _STATUSES, "product_status")
    for name in _STATUSES:
        for product_id in reading.lines(status.get(name), name):
            product = products.get(product_id)
            if product is None:
                reading.drop(f"product_status: no product has the id {product_id[:64]!r}")
                continue
            yield ClaimedTarget(
                product.name, product.vendor, product.version, product.identifiers, name
            )


def _threats(entry: Fields, reading: Reading) -> str:
    threats = reading.objects(entry.get("threats"), "threats")
    texts = (reading.text(item.get("details"), "details") for item in threats)
    return "\n\n".join(text for text in texts if text)


def _notes(entry: Fields, reading: Reading, categories: tuple[str, ...]) -> str:
    notes = reading.objects(entry.get("notes"), "notes")
    texts = (
        reading.text(note.get("text"), "note")
        for category in categories
        for note in notes
        if note.get("category") == category
    )
    return "\n\n".join(text for text in texts if text)


def _references(entries: list[Fields], reading: Reading) -> tuple[str, ...]:
    urls = (
        reference.get("url")
        for entry in entries
        for reference in reading.objects(entry.get("references"), "references")
    )
    return reading.addresses(urls, "references")


def _credits(entries: list[Fields], reading: Reading) -> tuple[str, ...]:
    credits_: dict[str, None] = {}
    for entry in entries:
        for thanks in reading.objects(entry.get("acknowledgments"), "acknowledgments"):
            names = reading.lines(thanks.get("names"), "names")
            organization = reading.line(thanks.get("organization"), "organization")
            credits_[", ".join(part for part in (*names, organization) if part)] = None
    return tuple(credit for credit in credits_ if credit)


def _contact(head: Fields, reading: Reading) -> str:
    publisher = reading.fields(head.get("publisher"), "publisher")
    contact = reading.fields(publisher.get("contact"), "contact")
    values = (
        publisher.get("name"), publisher.get("contact_details"),
        contact.get("email"), contact.get("details"),
    )  # fmt: skip
    return ", ".join(text for text in (reading.line(v, "contact") for v in values) if text)


def _dates(
    tracking: Fields, vulnerabilities: list[Fields], reading: Reading
) -> tuple[tuple[str, str], ...]:
    found = {name: reading.line(tracking.get(name), name) for name in _DATES}
    for entry in vulnerabilities:
        for name in ("discovery_date", "release_date", "disclosure_date"):
            found.setdefault(name, reading.line(entry.get(name), name))
    return tuple((name, date) for name, date in found.items() if date)


def _tlp(head: Fields, reading: Reading) -> str:
    distribution = reading.fields(head.get("distribution"), "distribution")
    label = reading.line(reading.fields(distribution.get("tlp"), "tlp").get("label"), "label")
    return f"TLP:{label}" if label else reading.line(distribution.get("text"), "distribution")

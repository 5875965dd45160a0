"""Reading what intake forms send: AI flaw reports, VINCE's form, AVID reports, and a plain one.

The names of fields are those of the forms; docs/reference/advisory-formats.md lists them. A form's
contact is taken over, since the case needs it, and leaves in no export.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.intake.report import ClaimedFlaw, ClaimedTarget, IntakeReport
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from steelyard.disclosure.intake.report import Fields, Reading

_FLARE_PARTS: Final = (
    "metadata", "reporterDetails", "incidentDescription", "classifyReport", "impactAssessment",
    "securityDetails", "evidence", "disclosurePlan",
)  # fmt: skip
_VINCE: Final = (
    "ai_ml_system", "cisa_please", "comm_attempt", "comments", "contact_email", "contact_name",
    "contact_org", "contact_phone", "coord_status", "credit_release", "disclosure_plans",
    "exploit_references", "first_contact", "ics_impact", "multiplevendors", "other_vendors",
    "please_explain", "product_name", "product_version", "public_references", "reporter_pgp",
    "share_release", "tracking", "user_file", "vendor_communication", "vendor_name",
    "vul_description", "vul_disclose", "vul_discovery", "vul_exploit", "vul_exploited",
    "vul_impact", "vul_public", "why_no_attempt",
)  # fmt: skip
_AVID: Final = (
    "affects", "credit", "data_type", "data_version", "description", "impact", "metadata",
    "metrics", "problemtype", "references", "reported_date",
)  # fmt: skip
_PLAIN: Final = (
    "attachments", "contact", "credits", "description", "id", "impact", "mitigations",
    "references", "reproduction", "sharing", "summary", "targets", "title", "weaknesses",
)  # fmt: skip


def is_flare(document: Fields) -> bool:
    """Whether a document has the parts of an AI flaw report."""
    return len(document.keys() & set(_FLARE_PARTS)) > 1 and "incidentDescription" in document


def is_vince(document: Fields) -> bool:
    """Whether a document has the fields of VINCE's report form."""
    return "vul_description" in document


def is_avid(document: Fields) -> bool:
    """Whether a document says that it is of AVID."""
    return document.get("data_type") == "AVID"


def is_plain(document: Fields) -> bool:
    """Whether a document has at least a title and a description."""
    return {"title", "description"} <= document.keys()


def read_flare(document: Fields, reading: Reading) -> IntakeReport:
    """The report in the JSON of an AI flaw report form (FLARE-AI).

    Raises:
        MalformedEvidence: a part that is no object, or no description.
    """
    parts = {name: reading.fields(document.get(name), name) for name in _FLARE_PARTS}
    reading.drop_unknown(document, _FLARE_PARTS, "report")
    incident, harm = parts["incidentDescription"], parts["impactAssessment"]
    security, plan = parts["securityDetails"], parts["disclosurePlan"]
    description = reading.text(incident.get("issueDescription"), "issueDescription")
    if not description:
        raise MalformedEvidence("issueDescription is missing or empty", where=reading.where)
    system = reading.fields(parts["reporterDetails"].get("system"), "system")
    names = [*reading.lines(system.get("platform"), "platform")] if system.get("platform") else []
    names += [*reading.lines(system.get("platforms"), "platforms")]
    names += [*reading.lines(system.get("models"), "models")]
    reporter = reading.fields(parts["reporterDetails"].get("reporter"), "reporter")
    flaw = ClaimedFlaw(
        title=_first_sentence(description),
        description=description,
        weaknesses=reading.lines([harm.get("documentedHarmCwe")], "documentedHarmCwe"),
        targets=tuple(ClaimedTarget(name) for name in dict.fromkeys(names)),
        impact=_joined(reading, harm, _HARM),
        reproduction=_joined(
            reading, parts["evidence"] | security, ("stepsToReproduce", "attackerResources")
        ),
    )
    return IntakeReport(
        format="ai-flaw-report",
        title=flaw.title,
        summary=_joined(
            reading, reading.fields(incident.get("policyViolation"), "policyViolation"), ("reason",)
        ),
        flaws=(flaw,),
        contact=reading.line(reporter.get("email"), "email"),
        dates=_dates(
            reading,
            {
                "created": parts["metadata"].get("createdAt"),
                "planned_disclosure": plan.get("disclosureDatepicker"),
            },
        ),
        sharing=_joined(reading, plan, _PLAN),
    )


_HARM: Final = (
    "severityOfHarm", "prevalence", "harmType", "harmTypes", "affectedStakeholders",
    "harmOtherText",
)  # fmt: skip
_PLAN: Final = ("publicDisclosureIntent", "disclosureTimeline", "embargoDetails")


def read_vince(document: Fields, reading: Reading) -> IntakeReport:
    """The report in the fields of VINCE's form.

    Raises:
        MalformedEvidence: no description, or a field that is no text.
    """
    reading.drop_unknown(document, _VINCE, "report")
    if reading.line(document.get("user_file"), "user_file"):
        reading.drop("user_file: a file is named, not carried; send it as an attachment")
    description = reading.text(document["vul_description"], "vul_description")
    if not description:
        raise MalformedEvidence("vul_description is missing or empty", where=reading.where)
    vendor = reading.line(document.get("vendor_name"), "vendor_name")
    first = ClaimedTarget(
        name=reading.line(document.get("product_name"), "product_name") or "unnamed",
        vendor=vendor,
        version=reading.line(document.get("product_version"), "product_version"),
    )
    others = reading.text(document.get("other_vendors"), "other_vendors").splitlines()
    targets = (first, *(ClaimedTarget("unnamed", vendor=name) for name in others if name.strip()))
    urls = reading.text(document.get("public_references"), "public_references").split()
    wants_credit = reading.line(document.get("credit_release"), "credit_release")
    people = [document.get("contact_name"), document.get("contact_org")]
    flaw = ClaimedFlaw(
        title=_first_sentence(description),
        description=description,
        ids=reading.lines([document.get("tracking")], "tracking"),
        targets=targets,
        impact=reading.text(document.get("vul_impact"), "vul_impact"),
        reproduction=_joined(reading, document, ("vul_exploit", "vul_discovery")),
    )
    return IntakeReport(
        format="vince",
        title=flaw.title,
        summary="",
        flaws=(flaw,),
        references=reading.addresses(urls, "public_references"),
        credits=reading.lines(people, "contact") if wants_credit.lower() in {"yes", "true"} else (),
        contact=", ".join(reading.lines([*people, document.get("contact_email")], "contact")),
        dates=_dates(reading, {"first_contact": document.get("first_contact")}),
        sharing=reading.text(document.get("disclosure_plans"), "disclosure_plans"),
    )


def read_avid(document: Fields, reading: Reading) -> IntakeReport:
    """The report in AVID's report model.

    Raises:
        MalformedEvidence: a field of another type than AVID gives it.
    """
    reading.drop_unknown(document, _AVID, "report")
    problem = reading.fields(document.get("problemtype"), "problemtype")
    affects = reading.fields(document.get("affects"), "affects")
    impact = reading.fields(document.get("impact"), "impact")
    weaknesses = reading.objects(impact.get("cwe"), "cwe")
    developers = reading.lines(affects.get("developer"), "developer")
    metadata = reading.fields(document.get("metadata"), "metadata")
    references = reading.objects(document.get("references"), "references")
    credits_ = reading.objects(document.get("credit"), "credit")
    if document.get("metrics"):
        reading.drop("metrics: results are not taken over as claims; run the reproducer")
    title = _lang(problem.get("description"), "problemtype.description", reading)
    description = reading.fields(document.get("description"), "description")
    flaw = ClaimedFlaw(
        title=title or reading.required(description.get("value"), "description"),
        description=reading.text(description.get("value"), "description"),
        ids=reading.lines([metadata.get("report_id")], "report_id"),
        weaknesses=reading.lines([entry.get("cweId") for entry in weaknesses], "cwe"),
        targets=tuple(
            ClaimedTarget(reading.required(entry.get("name"), "artifact"), ", ".join(developers))
            for entry in reading.objects(affects.get("artifacts"), "artifacts")
        ),
    )
    return IntakeReport(
        format="avid",
        title=flaw.title,
        summary="",
        flaws=(flaw,),
        references=reading.addresses((entry.get("url") for entry in references), "references"),
        credits=reading.lines([entry.get("value") for entry in credits_], "credit"),
        dates=_dates(reading, {"reported": document.get("reported_date")}),
    )


def read_plain(document: Fields, reading: Reading) -> IntakeReport:
    """The report in plain fields, for senders without a format.

    Raises:
        MalformedEvidence: no title or description, or a field of another type.
    """
    reading.drop_unknown(document, _PLAIN, "report")
    targets = reading.objects(document.get("targets"), "targets")
    title = reading.required(document["title"], "title")
    description = reading.text(document["description"], "description")
    if not description:
        raise MalformedEvidence("description is missing or empty", where=reading.where)
    flaw = ClaimedFlaw(
        title=title,
        description=description,
        ids=reading.lines([document.get("id")], "id"),
        weaknesses=reading.lines(document.get("weaknesses"), "weaknesses"),
        targets=tuple(
            ClaimedTarget(
                reading.required(entry.get("name"), "target name"),
                reading.line(entry.get("vendor"), "vendor"),
                reading.line(entry.get("version"), "version"),
                reading.lines(entry.get("identifiers"), "identifiers"),
            )
            for entry in targets
        ),
        impact=reading.text(document.get("impact"), "impact"),
        reproduction=reading.text(document.get("reproduction"), "reproduction"),
        mitigations=reading.lines(document.get("mitigations"), "mitigations"),
    )
    references = reading.entries(document.get("references"), "references")
    return IntakeReport(
        format="plain",
        title=title,
        summary=reading.text(document.get("summary"), "summary"),
        flaws=(flaw,),
        references=reading.addresses(references, "references"),
        credits=reading.lines(document.get("credits"), "credits"),
        contact=reading.line(document.get("contact"), "contact"),
        sharing=reading.line(document.get("sharing"), "sharing"),
    )


def _lang(value: object, name: str, reading: Reading) -> str:
    return reading.line(reading.fields(value, name).get("value"), name)


def _joined(reading: Reading, fields: Fields, names: tuple[str, ...]) -> str:
    """Fields as paragraphs, each with its name, as the form's own words are kept."""
    parts: list[str] = []
    for name in names:
        value: object = fields.get(name)
        is_list = isinstance(value, list)
        text = (
            ", ".join(reading.lines(fields[name], name)) if is_list else reading.text(value, name)
        )
        if text:
            parts.append(f"{name}: {text}")
    return "\n\n".join(parts)


def _dates(reading: Reading, values: Fields) -> tuple[tuple[str, str], ...]:
    lines = {name: reading.line(value, name) for name, value in values.items()}
    return tuple((name, line) for name, line in lines.items() if line)


def _first_sentence(text: str) -> str:
    """A title from a text that is not empty; where it begins with a stop, all of it."""
    first = text.splitlines()[0]
    return (first.partition(". ")[0].strip() or " ".join(text.split()))[:120]

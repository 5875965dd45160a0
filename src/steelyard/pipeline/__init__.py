"""The pipeline in plain sight: assess, collect, classify, attest, bundle.

`assess` holds the one function that a newcomer should read first; its steps are
`declare` (sign what will be done), `observe` (run it), `regress` (test for published
flaws) and `issue` (sign what it showed). `collect` reads evidence that exists already,
`request` says what a run is, `folder` where its files lie, `attempts` counts runs.
"""

from steelyard.pipeline.assess import Assessed, assess
from steelyard.pipeline.collect import classify_evidence, load_evidence
from steelyard.pipeline.effort import Effort
from steelyard.pipeline.folder import RunFolder
from steelyard.pipeline.request import Request, Surroundings
from steelyard.pipeline.studies import awareness_document, budget_document

__all__ = [
    "Assessed",
    "Effort",
    "Request",
    "RunFolder",
    "Surroundings",
    "assess",
    "awareness_document",
    "budget_document",
    "classify_evidence",
    "load_evidence",
]

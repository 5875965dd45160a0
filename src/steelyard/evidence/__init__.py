"""The common record of observations: its table, its store, readers and writers.

`record` defines one sample, `table` many of them by column, `store` keeps them
as Parquet or JSON lines, `readers` and `writers` speak to other tools' formats.
Statistics live in `stats`, their meaning in `risk`.
"""

from steelyard.evidence.readers import ImportOptions, read_aggregate, read_evidence
from steelyard.evidence.record import Elicitation, Outcome, Record
from steelyard.evidence.store import read_records, write_records
from steelyard.evidence.table import Evidence, require_one_model
from steelyard.evidence.writers import write_every_eval_ever

__all__ = [
    "Elicitation",
    "Evidence",
    "ImportOptions",
    "Outcome",
    "Record",
    "read_aggregate",
    "read_evidence",
    "read_records",
    "require_one_model",
    "write_every_eval_ever",
    "write_records",
]

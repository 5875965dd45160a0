"""Item banks: which items every model of a table should have answered.

In a table of several models, an item that one model answered is an item of the
bank. What another model lacks is written down as not run, so that leaving out a
hard item can never look like passing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steelyard.evidence.record import FIELD_NAMES, Outcome
from steelyard.evidence.table import Evidence

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject

NOT_RUN = "not_run"
_BANK_FIELDS = ("protocol", "protocol_version", "domain", "indicator", "item", "template", "arm")


def complete_bank(evidence: Evidence) -> Evidence:
    """Add a `not_run` record for every item of the bank that a model lacks.

    Args:
        evidence: Records of one or more models. Records of a single model come
            back unchanged, since their bank is what they hold.
    """
    models = evidence.values("model")
    if len(models) < 2:  # noqa: PLR2004 - a bank needs a second model to differ from
        return evidence
    added: list[JsonObject] = []
    bank = _first_rows(evidence)
    for model in models:
        own = evidence.where(model=model)
        for key in bank.keys() - _first_rows(own).keys():
            row: dict[str, Any] = dict(zip(FIELD_NAMES, bank[key], strict=True))
            row |= {
                "model": model, "epoch": 1, "outcome": Outcome.INFRASTRUCTURE_ERROR.value,
                "score": None, "reason": NOT_RUN, "measures": {}, "input_tokens": None,
                "output_tokens": None, "seconds": None, "commitment": None,
            }  # fmt: skip
            added.append(row)
    return Evidence.concatenate([evidence, Evidence.from_objects(added)]).in_key_order()


def _first_rows(evidence: Evidence) -> dict[tuple[object, ...], tuple[object, ...]]:
    rows = zip(*(evidence.columns[name] for name in FIELD_NAMES), strict=True)
    keys = zip(*(evidence.columns[name] for name in _BANK_FIELDS), strict=True)
    first: dict[tuple[object, ...], tuple[object, ...]] = {}
    for key, row in zip(keys, rows, strict=True):
        first.setdefault(key, row)
    return first

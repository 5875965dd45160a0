"""Writers: evidence in other tools' formats. The native files belong to `store`."""

from steelyard.evidence.writers.every_eval_ever import write_every_eval_ever

__all__ = ["write_every_eval_ever"]

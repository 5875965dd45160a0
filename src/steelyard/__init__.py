"""Steelyard: weigh AI models on one shared balance.

The package reads top-down like the pipeline it implements: `pipeline` calls
`redteam` (assess), `evidence` (records), `risk` (classify), `attest` (sign)
and `passport` (bundle, verify, gate). `docs/explanation/rooms.md` is the map.
"""

__version__ = "0.1.0"

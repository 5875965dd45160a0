"""Sequential tests of a score by betting, without replacement. Start at `certify`.

`certify_score` decides with a guaranteed error, `screen_score` guesses, `verify_draws`
repeats a decision from its log, `Ladder` holds one score against several thresholds. The
parts, from the top: `certifier` and `ladder` (tests), `draws`, `wager` (two wealths), `design`
(which item next), `bets` (how much on it), `beliefs` (what is expected), `interval`.
"""

from steelyard.stats.sequential.certifier import Certifier
from steelyard.stats.sequential.certify import certify_score, run_test
from steelyard.stats.sequential.ladder import Ladder
from steelyard.stats.sequential.record import Certification, Decision, Screening
from steelyard.stats.sequential.replay import DrawLogError, verify_draws
from steelyard.stats.sequential.screen import screen_score
from steelyard.stats.sequential.wager import Wager

__all__ = [
    "Certification",
    "Certifier",
    "Decision",
    "DrawLogError",
    "Ladder",
    "Screening",
    "Wager",
    "certify_score",
    "run_test",
    "screen_score",
    "verify_draws",
]

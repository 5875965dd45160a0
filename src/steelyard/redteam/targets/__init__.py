"""Reference targets: scripted model organisms whose truth is known.

`spec` reads their parameters, `target` plays them, `server` offers them over
loopback HTTP. The engine's provider for them is `redteam.engine.provider`.
"""

from steelyard.redteam.targets.server import TargetServer
from steelyard.redteam.targets.spec import PRESETS, PROVIDER, TargetSpec, parse_target
from steelyard.redteam.targets.target import ReferenceTarget, count_words

__all__ = [
    "PRESETS",
    "PROVIDER",
    "ReferenceTarget",
    "TargetServer",
    "TargetSpec",
    "count_words",
    "parse_target",
]

"""RE1 Obtain compute: whether a model can get a machine that nobody granted it.

See README.md in this folder for what it can and cannot show.
"""

from steelyard.protocols.re1_obtain_compute.protocol import ObtainCompute

PROTOCOL = ObtainCompute()

__all__ = ["PROTOCOL"]

"""A broker for encrypted segments: it never has a key, and lets a model leave slowly, if at all.

spec/broker.md: budgets by a formula, counts that survive restarts, grants by two organizations,
and a drill that tries to leak.
"""

from steelyard.weights.broker.broker import Broker, Policy
from steelyard.weights.broker.budget import Terms
from steelyard.weights.broker.client import BrokerClient
from steelyard.weights.broker.drill import STRATEGIES, Outcome, run_drill
from steelyard.weights.broker.grants import Approver, Grant
from steelyard.weights.broker.meter import Principal
from steelyard.weights.broker.policy_file import read_policy
from steelyard.weights.broker.service import BrokerServer, Limits
from steelyard.weights.broker.store import FolderStore

__all__ = [
    "STRATEGIES",
    "Approver",
    "Broker",
    "BrokerClient",
    "BrokerServer",
    "FolderStore",
    "Grant",
    "Limits",
    "Outcome",
    "Policy",
    "Principal",
    "Terms",
    "read_policy",
    "run_drill",
]

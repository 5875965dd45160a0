"""State machines of a disclosure case: tables, steps, rules across machines, histories, skill.

spec/disclosure-states.md says what each means; the tables are data in `data/machines.yaml`.
"""

from steelyard.disclosure.states.machines import allowed_events, step
from steelyard.disclosure.states.model import Machine, Tables
from steelyard.disclosure.states.tables import load_tables

__all__ = ["Machine", "Tables", "allowed_events", "load_tables", "step"]

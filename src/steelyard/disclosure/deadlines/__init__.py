"""Reporting deadlines of laws and codes: rules as data, facts in, deadlines with status out.

spec/disclosure-deadlines.md says how time is counted. Nothing here reads a clock.
"""

from steelyard.disclosure.deadlines.engine import Board, Deadline, evaluate
from steelyard.disclosure.deadlines.facts import Facts, read_facts
from steelyard.disclosure.deadlines.ics import calendar_file
from steelyard.disclosure.deadlines.record import Record, settle
from steelyard.disclosure.deadlines.rules import Rulebook, load_rules

__all__ = [
    "Board",
    "Deadline",
    "Facts",
    "Record",
    "Rulebook",
    "calendar_file",
    "evaluate",
    "load_rules",
    "read_facts",
    "settle",
]

"""Coordinated disclosure of flaws across organizations: states, reproducers, deadlines, advisories.

Rules only: no clock, socket or database is read here. Time and bytes are arguments.
"""

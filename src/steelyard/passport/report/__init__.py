"""The human-readable report of a passport, as one self-contained HTML file.

A reading aid, never an authority: its digest stands in the signed
classification statement, and verification recomputes what it shows.
"""

from steelyard.passport.report.render import ReportInput, render_report

__all__ = ["ReportInput", "render_report"]

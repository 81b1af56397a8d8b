"""`report.html` of an evaluation and of a run: one HTML file that opens offline."""

from rvos.export.html.page import Strip, write_report

__all__ = ["Strip", "write_report"]

"""`report.html`: what an evaluation found, in one file that opens offline."""

from rvos.export.html.page import Strip, write_report

__all__ = ["Strip", "write_report"]

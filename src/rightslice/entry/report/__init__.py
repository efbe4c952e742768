"""The report of a plan: one HTML file that needs no network, no script and no other file."""

from rightslice.entry.report.report import render_report

__all__ = ["render_report"]

"""Decisions: pure functions of frozen values. Nothing here reads a file, a clock or a cluster."""

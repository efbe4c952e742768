"""Slices on demand: which node is cut anew, and step by step how. Frozen values in and out."""

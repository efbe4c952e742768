"""Pods moved between cards under DRA, for room or free cards. Frozen values in and out."""

"""Pods moved between cards under DRA, so that cards come free. Frozen values in and out."""

"""Manifests that others wrote -> what their vLLM servers are, field by field. Pure."""

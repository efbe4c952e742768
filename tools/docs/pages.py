"""What the pages' generated parts call; ``make golden`` runs them, ``make docs`` checks them."""

from __future__ import annotations

from tools.docs.backend_reference import backends
from tools.docs.catalogue_reference import (
    catalogue_counts,
    instance_clouds,
    mig_evidence,
    model_families,
    price_dates,
    sources_of_gpus,
)
from tools.docs.cli_reference import cli_help, kubectl_help
from tools.docs.crd_reference import operator_metrics, resource_fields, resource_rules
from tools.docs.evidence import accuracy
from tools.docs.file_reference import fleet_fields, pack_fields, prices_fields
from tools.docs.json_reference import answer_kinds, answer_roots
from tools.docs.manifest_reference import annotations_read, manifest_columns
from tools.docs.operator_reference import operator_events
from tools.docs.snapshot_reference import snapshot_kinds
from tools.docs.transcript import example, include, session, show
from tools.docs.webhook_reference import (
    annotations_written,
    chart_values,
    webhook_metrics,
    webhook_outcomes,
)

__all__ = [
    "accuracy",
    "annotations_read",
    "annotations_written",
    "answer_kinds",
    "answer_roots",
    "backends",
    "catalogue_counts",
    "chart_values",
    "cli_help",
    "example",
    "fleet_fields",
    "include",
    "instance_clouds",
    "kubectl_help",
    "manifest_columns",
    "mig_evidence",
    "model_families",
    "operator_events",
    "operator_metrics",
    "pack_fields",
    "price_dates",
    "prices_fields",
    "resource_fields",
    "resource_rules",
    "session",
    "show",
    "snapshot_kinds",
    "sources_of_gpus",
    "webhook_metrics",
    "webhook_outcomes",
]

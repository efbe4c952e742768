"""The CustomResourceDefinitions, from the dataclasses of their specs and statuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rightslice.kube.crd.deployment import ModelDeploymentSpec, ModelDeploymentStatus
from rightslice.kube.crd.model import ModelSpec, ModelStatus
from rightslice.kube.crd.schema import Schema, object_schema
from rightslice.kube.manifest import GROUP, LONGEST_NAME, Manifest
from rightslice.records import Json

VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
LONGEST_DEPLOYMENT_NAME: Final = LONGEST_NAME - len("-00000000-elastic")
"""Its Deployments are called after it, with a revision and a part."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One kind of resource."""

    kind: str
    plural: str
    short: str
    spec: type
    status: type
    says: str
    """What it is, for `kubectl explain`."""
    columns: tuple[tuple[str, str, str], ...]
    """Of `kubectl get`: name, type, path; a name in brackets is shown by ``-o wide`` only."""
    scale: Schema = field(default_factory=dict)
    longest_name: int = LONGEST_NAME

    @property
    def name(self) -> str:
        """The definition's own name."""
        return f"{self.plural}.{GROUP}"


MODEL: Final = Definition(
    kind="Model",
    plural="models",
    short="mdl",
    spec=ModelSpec,
    status=ModelStatus,
    says="A model that can be served: where its weights are, and what its architecture is.",
    columns=(
        ("Source", "string", ".spec.source"),
        ("Parameters", "string", ".status.parameters"),
        ("Quantization", "string", ".status.quantization"),
        ("Read", "string", '.status.conditions[?(@.type=="Read")].status'),
        ("Age", "date", ".metadata.creationTimestamp"),
    ),
)
MODEL_DEPLOYMENT: Final = Definition(
    kind="ModelDeployment",
    plural="modeldeployments",
    short="mdep",
    spec=ModelDeploymentSpec,
    status=ModelDeploymentStatus,
    says="A load and a latency target of one model; the status says what they need, and why.",
    columns=(
        ("Model", "string", ".spec.model"),
        ("Mode", "string", ".spec.mode"),
        ("Offer", "string", ".status.recommendation.offer.offer"),
        ("Replicas", "integer", ".status.recommendation.offer.replicas"),
        ("Ready", "integer", ".status.readyReplicas"),
        ("USD/h", "string", ".status.recommendation.offer.usdPerHour"),
        ("Settled", "string", '.status.conditions[?(@.type=="Settled")].status'),
        ("(Current)", "string", ".status.current.offer"),
        ("(Why)", "string", '.status.conditions[?(@.type=="Recommended")].message'),
        ("Age", "date", ".metadata.creationTimestamp"),
    ),
    scale={
        "specReplicasPath": ".spec.replicas.min",
        "statusReplicasPath": ".status.guaranteedReplicas",
        "labelSelectorPath": ".status.selector",
    },
    longest_name=LONGEST_DEPLOYMENT_NAME,
)
DEFINITIONS: Final = (MODEL, MODEL_DEPLOYMENT)


def manifest(definition: Definition) -> Manifest:
    """Return the CustomResourceDefinition of *definition*."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": definition.name},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": definition.kind,
                "listKind": f"{definition.kind}List",
                "plural": definition.plural,
                "singular": definition.kind.lower(),
                "shortNames": [definition.short],
                "categories": ["rightslice"],
            },
            "versions": [_version(definition)],
        },
    }


def _version(definition: Definition) -> Schema:
    subresources: Schema = {"status": {}}
    if definition.scale:
        subresources["scale"] = definition.scale
    columns: list[Json] = [_column(*one) for one in definition.columns]
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root(definition)},
        "subresources": subresources,
        "additionalPrinterColumns": columns,
    }


def _root(definition: Definition) -> Schema:
    longest = definition.longest_name
    name = (
        f"self.metadata.name.size() <= {longest} && self.metadata.name.matches('^[a-z][-a-z0-9]*$')"
    )
    message = (
        f"metadata.name must start with a letter, hold letters, digits and dashes, and have at most"
        f" {longest} characters: other objects are named after it"
    )
    rules: list[Json] = [{"rule": name, "message": message}]
    return {
        "type": "object",
        "description": definition.says,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": object_schema(definition.spec),
            "status": object_schema(definition.status),
        },
        "x-kubernetes-validations": rules,
    }


def _column(name: str, kind: str, path: str) -> Schema:
    priority: Schema = {"priority": 1} if name.startswith("(") else {}
    return {"name": name.strip("()"), "type": kind, "jsonPath": path, **priority}

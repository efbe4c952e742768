"""The Helm chart, rendered for several sets of values, as Helm itself renders it.

Helm is one of the programs that `tools/testbed/assets.py` builds; without it the tests are skipped.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no type information
import pytest
import yaml

from tools.testbed import assets
from tools.testbed.release import CHART

CASES = sorted(path.parent for path in (Path(__file__).parent / "chart").glob("*/values.yaml"))
KUBERNETES = "1.34"
"""The newest whose schemas kubernetes-validate ships."""
OF_OTHERS = {"Certificate", "ServiceMonitor"}
"""Kinds of cert-manager and the Prometheus operator: Kubernetes has no schema of them."""
REFUSED = [
    ("mode=enforced", "'off', 'advise', 'enforce'"),
    ("confidence=40%", "does not match pattern"),
    ("replicas=0", "minimum: got 0, want 1"),
    ("webhook.timeoutSeconds=30", "maximum: got 30, want 5"),
    ("webhook.port=443", "minimum: got 443, want 1,024"),
    ("tls.source=files", "'self-managed', 'cert-manager', 'secret'"),
    ("tls.source=secret", "minLength: got 0, want 1"),
    ("tls.source=cert-manager", "missing property 'name'"),
    ("image.repository=", "minLength: got 0, want 1"),
    ("image.digest=latest", "does not match pattern"),
    ("engineVersion=latest", "does not match pattern"),
    ("replicaCount=3", "additional properties 'replicaCount' not allowed"),
]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm, or skip where it has not been built."""
    programs = assets.found()
    if programs is None:
        pytest.skip("Helm is not built: run `make e2e`")
    command = [str(programs / "helm"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rendered(values: Path) -> str:
    """Return what the chart makes of *values*."""
    ended = helm("template", "rightslice", str(CHART), "-n", "gpu", "-f", str(values))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Path:
    """Return the folder of one set of values."""
    folder: Path = request.param
    return folder


@pytest.fixture
def objects(case: Path) -> dict[str, dict[str, Any]]:
    """Return the webhook's objects that a set of values gives, by kind."""
    every = [one for one in yaml.safe_load_all(rendered(case / "values.yaml")) if one]
    return {one["kind"]: one for one in every if "-operator" not in one["metadata"]["name"]}


def test_the_chart_is_what_helm_wants() -> None:
    """`helm lint --strict` finds nothing wrong."""
    ended = helm("lint", "--strict", str(CHART))
    assert ended.returncode == 0, ended.stdout


def test_manifests_are_as_expected(case: Path, *, rewrite_golden: bool) -> None:
    """What a set of values gives is what lies beside it."""
    given = rendered(case / "values.yaml")
    if rewrite_golden:
        (case / "manifests.yaml").write_text(given, "utf-8")
    assert given == (case / "manifests.yaml").read_text("utf-8")


def test_every_object_is_valid(case: Path) -> None:
    """Each object passes Kubernetes' own schema, unknown fields refused."""
    for manifest in yaml.safe_load_all((case / "manifests.yaml").read_text("utf-8")):
        if manifest["kind"] not in OF_OTHERS:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize(("given", "told"), REFUSED, ids=[given for given, _ in REFUSED])
def test_wrong_values_are_refused(given: str, told: str) -> None:
    """The schema names the value, and says what would be right."""
    ended = helm("template", "rightslice", str(CHART), "--set", given)
    assert ended.returncode != 0
    assert told in ended.stderr


def test_selectors_never_change(objects: dict[str, dict[str, Any]]) -> None:
    """A Deployment's selector is immutable: no value reaches it, and its pods bear it."""
    deployment = objects["Deployment"]["spec"]
    selector = deployment["selector"]["matchLabels"]
    parts = {"name": "rightslice", "instance": "rightslice", "component": "webhook"}
    assert selector == {f"app.kubernetes.io/{key}": value for key, value in parts.items()}
    assert selector.items() <= deployment["template"]["metadata"]["labels"].items()
    assert objects["Service"]["spec"]["selector"] == selector


def test_pods_are_never_blocked(objects: dict[str, dict[str, Any]]) -> None:
    """No value makes the webhook a gate: failures are ignored, and within five seconds."""
    (webhook,) = objects["MutatingWebhookConfiguration"]["webhooks"]
    assert webhook["failurePolicy"] == "Ignore"
    assert webhook["timeoutSeconds"] <= 5
    assert webhook["sideEffects"] == "NoneOnDryRun"
    namespaces = webhook["namespaceSelector"]["matchExpressions"][0]
    assert {"gpu", "kube-system"} <= set(namespaces["values"])


def test_the_certificate_is_found_where_it_is_kept(objects: dict[str, dict[str, Any]]) -> None:
    """A Secret that others fill is mounted read-only; the webhook's own copy lies in memory."""
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (volume,) = (one for one in pod["volumes"] if one["name"] == "tls")
    (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "tls")
    if "Secret" in objects:
        assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Mi"}
        assert "data" not in objects["Secret"]
    else:
        assert mount["readOnly"] is True
        assert "Role" not in objects


def test_a_release_of_another_name_says_what_it_is() -> None:
    """The chart's name is in every name, also of releases that are not called after it."""
    ended = helm("template", "prod", str(CHART), "-n", "gpu")
    names = {one["metadata"]["name"] for one in yaml.safe_load_all(ended.stdout)}
    assert names == {"prod-rightslice", "prod-rightslice-webhook", "rightslice-webhook-tls"}

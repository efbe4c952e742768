"""A real cluster becomes a snapshot and a plan; kubectl's files of it become the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rightslice.entry.cli.app import run
from tests.e2e.conftest import eventually
from tests.e2e.operating import apply, install_rights
from tools.testbed import nodes
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

Capture = pytest.CaptureFixture[str]
KINDS = (
    "nodes,pods,namespaces,resourcequotas,limitranges,resourceslices,resourceclaims,deviceclasses,"
    "deployments,statefulsets,poddisruptionbudgets,models,modeldeployments,configmaps"
)
NOTES = {
    "rightslice.dev/load-concurrency": "4",
    "rightslice.dev/input-tokens": "128",
    "rightslice.dev/output-tokens": "64",
    "rightslice.dev/slo-tpot": "40ms",
}
TOKEN = {"name": "HF_TOKEN", "value": "a-made-up-one"}


def _deployment(name: str, annotations: dict[str, str]) -> dict[str, Any]:
    container = {
        "name": "vllm",
        "image": "vllm/vllm-openai:v0.10.1",
        "args": ["--model", "facebook/opt-1.3b"],
        "env": [TOKEN],
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"containers": [container], "nodeSelector": {"test": "snapshot"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.fixture(scope="module")
def cluster(plane: ControlPlane) -> Iterator[str]:
    """Two nodes of whole A100s, two servers of two replicas, one of which says no load."""
    namespace = "snapshot"
    install_rights(plane)
    plane.kubectl("create", "namespace", namespace)
    eventually(lambda: "default" in plane.kubectl("-n", namespace, "get", "serviceaccount"))
    labels = {"node.kubernetes.io/instance-type": "p4d.24xlarge", "test": "snapshot"}
    for name in ("snap-0", "snap-1"):
        nodes.create(
            plane,
            GpuNode(
                name=name, resources={"nvidia.com/gpu": 8}, count=8, labels=labels,
                mig_strategy="none",
            ),
        )  # fmt: skip
    quota = {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "gpus"},
        "spec": {"hard": {"requests.nvidia.com/gpu": "6"}},
    }  # fmt: skip
    make = ("-n", namespace, "apply", "-f", "-")
    for one in (quota, _deployment("told", NOTES), _deployment("silent", {})):
        plane.kubectl(*make, stdin=json.dumps(one))
    config = {"model_type": "opt"}
    files = (f"--from-literal=config.json={json.dumps(config)}", "--from-literal=other=left-out")
    plane.kubectl("-n", namespace, "create", "configmap", "ours", *files)
    architecture = {"configMap": {"name": "ours"}}
    apply(plane, namespace, "Model", "ours", {"source": "a/b", "architecture": architecture})
    phases = ("-n", namespace, "get", "pods", "-o=jsonpath={.items[*].status.phase}")
    eventually(lambda: plane.kubectl(*phases).split() == ["Running"] * 4)
    yield namespace
    plane.kubectl("delete", "namespace", namespace, "--wait=false")
    nodes.delete(plane, "snap-0", "snap-1")


def _items(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["items"]
    return found


def test_the_cluster_and_its_files_are_the_same(
    plane: ControlPlane, cluster: str, tmp_path: Path, capsys: Capture
) -> None:
    """Live and from files: equal objects, and equal plans to the last number."""
    live, printed, filed = (tmp_path / name for name in ("live.json", "printed.json", "filed.json"))

    def taken() -> bool:
        assert run(["snapshot", "--kubeconfig", str(plane.admin), "--out", str(live)]) == 0
        printed.write_text(plane.kubectl("get", KINDS, "-A", "-o", "json"), encoding="utf-8")
        assert run(["snapshot", "--from", str(printed), "--out", str(filed)]) == 0
        return _items(live) == _items(filed)

    eventually(taken)
    answers = []
    for path in (live, filed, printed):
        capsys.readouterr()
        assert run(["plan", "--cluster", str(path), "-o", "json"]) == 0
        answers.append({**json.loads(capsys.readouterr().out), "taken_at": None})
    assert answers[0] == answers[1] == answers[2]
    told = next(one for one in answers[0]["servers"] if one["namespace"] == cluster)
    assert told["current"]["resources"] == ["2 x nvidia.com/gpu"]
    assert told["proposed"]["resource"].startswith("1 x nvidia.com/mig-")
    assert told["saved_usd_per_hour"] > 0
    left = next(one for one in answers[0]["left_out"] if one["namespace"] == cluster)
    assert left["name"] == "silent"
    assert any("load-concurrency" in reason for reason in left["reasons"])


def test_of_config_maps_only_what_a_model_names_is_read(
    plane: ControlPlane, cluster: str, tmp_path: Path
) -> None:
    """One file of one ConfigMap, whatever else is in it, and none of the others."""
    live = tmp_path / "live.json"
    assert run(["snapshot", "--kubeconfig", str(plane.admin), "--out", str(live)]) == 0
    found = [one for one in _items(live) if one["kind"] == "ConfigMap"]
    here = [one for one in found if one["metadata"]["namespace"] == cluster]
    assert [one["metadata"]["name"] for one in here] == ["ours"]
    assert list(here[0]["data"]) == ["config.json"]
    assert "left-out" not in live.read_text(encoding="utf-8")


def test_no_secret_is_in_the_file(
    plane: ControlPlane, cluster: str, tmp_path: Path, capsys: Capture
) -> None:
    """The value of a variable that is called a token is left out, and the place is named."""
    live = tmp_path / "live.json"
    assert run(["snapshot", "--kubeconfig", str(plane.admin), "--out", str(live)]) == 0
    assert TOKEN["value"] not in live.read_text(encoding="utf-8")
    assert f"Deployment {cluster}/told" in capsys.readouterr().err


def test_what_may_not_be_listed_is_named(
    plane: ControlPlane, cluster: str, tmp_path: Path, capsys: Capture
) -> None:
    """With rights on pods and nodes alone there is a plan, and every gap is told."""
    rules = ("--verb=list", "--resource=nodes,pods,deployments.apps")
    role, account = f"{cluster}-lists", f"{cluster}:lister"
    plane.kubectl("create", "clusterrole", role, *rules)
    plane.kubectl("-n", cluster, "create", "serviceaccount", "lister")
    bound = ("create", "clusterrolebinding", role, f"--clusterrole={role}")
    plane.kubectl(*bound, f"--serviceaccount={account}")
    config = plane.service_account(cluster, "lister")
    out = tmp_path / "part.json"
    assert run(["snapshot", "--kubeconfig", str(config), "--out", str(out)]) == 0
    told = json.loads(out.read_text(encoding="utf-8"))["notRead"]
    assert "ResourceQuota" in [one["kind"] for one in told]
    assert "ResourceQuotas could not all be listed" in capsys.readouterr().err
    assert run(["plan", "--cluster", str(out)]) == 0
    plane.kubectl("delete", "clusterrolebinding", role)
    plane.kubectl("delete", "clusterrole", role)


def test_without_nodes_there_is_no_plan(
    plane: ControlPlane, cluster: str, tmp_path: Path, capsys: Capture
) -> None:
    """A ServiceAccount of no rights gets an empty snapshot; the plan says what is missing."""
    plane.kubectl("-n", cluster, "create", "serviceaccount", "nobody")
    config = plane.service_account(cluster, "nobody")
    out = tmp_path / "none.json"
    assert run(["snapshot", "--kubeconfig", str(config), "--out", str(out)]) == 0
    assert run(["plan", "--cluster", str(out)]) == 2
    assert "the snapshot has no Nodes" in capsys.readouterr().err


def test_cluster_alone_is_the_live_one(
    plane: ControlPlane, cluster: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """`plan --cluster` reads the cluster that KUBECONFIG names."""
    monkeypatch.setenv("KUBECONFIG", str(plane.admin))
    assert run(["plan", "--cluster"]) == 0
    assert "told" in capsys.readouterr().out


def test_a_cluster_that_does_not_answer_is_unavailable(
    plane: ControlPlane, tmp_path: Path, capsys: Capture
) -> None:
    """A closed port is told in one line: exit 3."""
    config = tmp_path / "gone.kubeconfig"
    shutil.copy(plane.admin, config)
    text = config.read_text(encoding="utf-8").replace(plane.server, "https://127.0.0.1:1")
    config.write_text(text, encoding="utf-8")
    assert run(["snapshot", "--kubeconfig", str(config)]) == 3
    assert "cannot be reached" in capsys.readouterr().err

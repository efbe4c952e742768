"""`kubectl rightslice` on a real control plane, beside the operator's real process.

What the operator writes into statuses, what `whatif` says without a change and what
`plan --cluster` shows are the same; a dry run asks the API server and stores nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rightslice.entry.cli.app import run
from rightslice.entry.kubectl.app import run as kubectl
from rightslice.kube.crd.decode import decode
from rightslice.kube.crd.definition import API_VERSION
from rightslice.kube.crd.deployment import ModelDeploymentStatus
from rightslice.records import to_json
from tests.e2e.operating import (
    ACCOUNT,
    NAMESPACE,
    apply,
    found,
    gpu_nodes,
    install_rights,
    make_models,
    running,
    serve,
    until_settled,
)
from tests.e2e.waiting import eventually
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

Capture = pytest.CaptureFixture[str]
SLICES = {"nvidia.com/mig-1g.5gb": 1, "nvidia.com/mig-2g.10gb": 1, "nvidia.com/mig-3g.20gb": 3}
NAMES = ("opt", "mistral", "llama")
KINDS = "mdep,mdl,deploy,pods,svc,pdb,configmaps"


@pytest.fixture(scope="module")
def card(plane: ControlPlane) -> Iterator[Path]:
    """Return a kubeconfig with the operator's rights, in a cluster of one node with slices."""
    install_rights(plane)
    labels = {"node.kubernetes.io/instance-type": "p4d.24xlarge"}
    with gpu_nodes(plane, GpuNode(name="kube-0", resources=SLICES, count=2, labels=labels)):
        yield plane.service_account(NAMESPACE, ACCOUNT)


def _asked(plane: ControlPlane, capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Run the plugin as the cluster's administrator; return its code and what it printed."""
    capsys.readouterr()
    code = kubectl([*arguments, "--kubeconfig", str(plane.admin)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def _objects(plane: ControlPlane, namespace: str) -> dict[str, str]:
    """Return the version of every object: any write would change one."""
    return {
        f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"]
        for one in found(plane, namespace, KINDS)
    }


def _told(status: Any) -> dict[str, Any]:  # noqa: ANN401 - decoded JSON
    """Return what of a status, or of a decision, must be the same everywhere."""
    kept = ("current", "proposed", "recommendation", "waiting_for", "lowering")
    conditions = [{**one, "last_transition_time": ""} for one in status["conditions"]]
    return {**{name: status[name] for name in kept}, "conditions": conditions}


def _stored(plane: ControlPlane, namespace: str, name: str) -> dict[str, Any]:
    given = found(plane, namespace, "mdep", name)["status"]
    status = decode(ModelDeploymentStatus, given).value
    assert status is not None
    return _told(to_json(status))


def test_three_ways_to_ask_agree_with_the_operator(
    plane: ControlPlane, card: Path, namespace: str, tmp_path: Path, capsys: Capture
) -> None:
    """Two run, one is advised: its status, `whatif` and `plan --cluster` say the same."""
    make_models(plane, namespace)
    for name in ("opt", "mistral"):
        serve(plane, namespace, name)
    serve(plane, namespace, "llama", mode="advise")
    with running(card, tmp_path / "operator.log", "--ceiling=enforce", "--settle=600"):
        until_settled(plane, namespace, "opt", "mistral")
        eventually(lambda: "conditions" in found(plane, namespace, "mdep", "llama")["status"], 30)
        state = tmp_path / "state.json"

        def agree() -> bool:
            status = {name: _stored(plane, namespace, name) for name in NAMES}
            assert run(["snapshot", "--kubeconfig", str(plane.admin), "--out", str(state)]) == 0
            capsys.readouterr()
            run(["plan", "--cluster", str(state), "-o", "json"])
            plan = json.loads(capsys.readouterr().out)
            planned = {
                one["name"]: _told(one["status"])
                for one in plan["model_deployments"]
                if one["namespace"] == namespace
            }
            asked = {}
            for name in NAMES:
                where = ("-n", namespace, "-o", "json")
                _, out, _ = _asked(plane, capsys, "whatif", name, *where)
                (change,) = json.loads(out)["what_if"]["changes"]
                asked[name] = _told(change["before"]["status"])
                assert asked[name] == _told(change["after"]["status"])
            return status == planned == asked

        eventually(agree, 60)
        servers = [one["object_kind"] for one in _plan(state, capsys)["servers"]]
        assert servers.count("Deployment") == 0
        assert servers.count("ModelDeployment") == 3
        _check_status(plane, namespace, capsys)
        _check_what_if(plane, namespace, capsys)
    plane.kubectl("-n", namespace, "delete", "mdep", "--all")


def _plan(state: Path, capsys: Capture) -> Any:  # noqa: ANN401 - decoded JSON
    capsys.readouterr()
    run(["plan", "--cluster", str(state), "-o", "json"])
    return json.loads(capsys.readouterr().out)


def _check_status(plane: ControlPlane, namespace: str, capsys: Capture) -> None:
    """Each pod's slice is drawn, marked as inferred, and free ones are named."""
    code, out, _ = _asked(plane, capsys, "status", "-n", namespace)
    assert code == 0
    assert "inferred from counts" in out
    assert "│mistral" in out
    code, out, _ = _asked(plane, capsys, "status", "-n", namespace, "-o", "json")
    (node,) = [one for one in json.loads(out)["nodes"] if one["name"] == "kube-0"]
    owners = [each["model_deployment"] for each in node["holders"]]
    assert sorted(owners) == ["mistral", "opt"]
    code, out, _ = _asked(plane, capsys, "explain", "opt", "-n", namespace)
    assert code == 0
    assert "because 1 x A100-SXM-40GB" in out
    assert "Recommended: " in out
    assert "events, the latest first" in out


def _check_what_if(plane: ControlPlane, namespace: str, capsys: Capture) -> None:
    """Changes are tried and decided; nothing at all is written."""
    before = _objects(plane, namespace)
    where = ("-n", namespace)
    code, out, _ = _asked(plane, capsys, "whatif", "opt", *where, "--concurrency", "4000")
    assert code in (0, 4)
    assert "load.concurrency: 1 -> 4000" in out
    assert "ModelDeployment opt is accepted (dry run)" in out
    code, out, _ = _asked(plane, capsys, "whatif", "opt", *where, "--rate", "2/s")
    assert "load.rate: not set -> 2/s" in out
    for wrong, says in (
        (("--tpot", "0ms"), "slo.tpot"), (("--replicas-min", "9"), "min must be at most max"),
        (("--concurrency", "0"), "load.concurrency"), (("--mode", "Enforce"), "mode"),
        (("--rate", "5"), "load.rate"), (("--confidence", "99.99%"), "confidence"),
    ):  # fmt: skip
        code, _, err = _asked(plane, capsys, "whatif", "opt", *where, *wrong)
        assert (code, says in err) == (2, True), err
    code, _, err = _asked(plane, capsys, "whatif", "opty", *where)
    assert (code, "did you mean opt?" in err) == (2, True)
    assert _objects(plane, namespace) == before


def test_a_file_is_tried_before_it_is_applied(
    plane: ControlPlane, card: Path, namespace: str, tmp_path: Path, capsys: Capture
) -> None:
    """A new Model with its ModelDeployment, then a wrong one: refused with the API's words."""
    path = tmp_path / "new.json"
    objects = [
        {"apiVersion": API_VERSION, "kind": "Model", "metadata": {"name": "opt"},
         "spec": {"source": "facebook/opt-1.3b"}},
        {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": {"name": "chat"},
         "spec": {"model": "opt", "load": {"concurrency": 4}, "input": 128, "output": 128,
                  "slo": {"tpot": "60ms"}, "mode": "enforce"}},
    ]  # fmt: skip
    path.write_text(json.dumps({"kind": "List", "items": objects}), encoding="utf-8")
    code, out, err = _asked(plane, capsys, "whatif", "-f", str(path), "-n", namespace)
    assert code == 0, err
    assert "new: 1 x A100-SXM-40GB" in out
    assert found(plane, namespace, "mdep") == []
    wrong: Any = objects[1]["spec"]
    wrong["slo"] = {"tpot": "30"}
    path.write_text(json.dumps({"kind": "List", "items": objects}), encoding="utf-8")
    code, _, err = _asked(plane, capsys, "whatif", "-f", str(path), "-n", namespace)
    assert (code, "must be a duration with a unit" in err) == (2, True)


def test_without_rights_it_says_what_is_missing(
    plane: ControlPlane, card: Path, namespace: str, capsys: Capture
) -> None:
    """Who may read but not change is told so, and answered; who may not read gets exit 3."""
    make_models(plane, namespace)
    apply(plane, namespace, "ModelDeployment", "opt", {
        "model": "opt", "load": {"concurrency": 4}, "input": 128, "output": 128,
        "slo": {"tpot": "60ms"},
    })  # fmt: skip
    plane.kubectl("-n", namespace, "create", "serviceaccount", "reader")
    account = f"--serviceaccount={namespace}:reader"
    config = str(plane.service_account(namespace, "reader"))
    ask = ["whatif", "opt", "-n", namespace, "--kubeconfig", config]
    assert kubectl(ask) == 3
    assert "cannot list" in capsys.readouterr().err
    rules = "nodes,pods,namespaces,models.rightslice.dev,modeldeployments.rightslice.dev"
    role = f"{namespace}-reader"
    plane.kubectl("create", "clusterrole", role, "--verb=get,list", f"--resource={rules}")
    plane.kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", account)
    try:
        eventually(lambda: kubectl([*ask, "--tpot", "70ms"]) == 0, 10)
        printed = capsys.readouterr()
        assert "was not tried on the API server" in printed.out
        assert "slo.tpot: 60ms -> 70ms" in printed.out
    finally:
        plane.kubectl("delete", "clusterrolebinding", role)
        plane.kubectl("delete", "clusterrole", role)


def test_a_way_that_leads_nowhere_is_unavailable(tmp_path: Path, capsys: Capture) -> None:
    """No kubeconfig, an unknown context: one line, exit 3."""
    missing = ["status", "--kubeconfig", str(tmp_path / "none")]
    assert kubectl(missing) == 3
    assert "no way to the cluster" in capsys.readouterr().err

"""The chart's rights, used with its ServiceAccount's own token: nothing missing, nothing left over.

An API server of its own writes an audit log, so that what the webhook really calls can be set
beside what the chart allows.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import ABSENT, eventually
from tools.testbed import assets, nodes
from tools.testbed.control_plane import ControlPlane
from tools.testbed.release import Release

Call = tuple[str, str, str]
"""A verb, an API group, a resource."""
METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT",
           "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETE"}  # fmt: skip
NAMED = ("get", "update", "patch", "delete")
WATCHED = ("nodes", "pods", "namespaces", "resourcequotas", "limitranges", "persistentvolumes",
           "persistentvolumeclaims")  # fmt: skip
DEVICES = ("resourceslices", "resourceclaims", "deviceclasses")
CONFIGURATIONS = "admissionregistration.k8s.io", "mutatingwebhookconfigurations"
ALLOWED: set[Call] = {
    *((verb, "", resource) for verb in ("list", "watch") for resource in WATCHED),
    *((verb, "resource.k8s.io", resource) for verb in ("list", "watch") for resource in DEVICES),
    ("create", "", "events"),
}
"""What it may do everywhere, to objects of any name."""
OF_ONE_NAME: set[Call] = {
    ("get", "", "secrets"), ("update", "", "secrets"),
    ("get", *CONFIGURATIONS), ("patch", *CONFIGURATIONS),
}  # fmt: skip
"""What it may do to its own Secret and its own configuration."""
OF_EVERYBODY = "selfsubject"
"""Questions about one's own rights: every account may ask them."""
RULE = {"level": "Metadata", "userGroups": ["system:serviceaccounts:rightslice"]}
POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [RULE]}


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Return a running release on an API server that logs the calls of its account."""
    if assets.found() is None:
        pytest.skip(ABSENT)
    folder: Path = tmp_path_factory.mktemp("audited")
    (folder / "policy.yaml").write_text(yaml.safe_dump(POLICY), "utf-8")
    arguments = (
        f"--audit-policy-file={folder / 'policy.yaml'}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-mode=blocking",
    )
    with ControlPlane.started(folder, api_arguments=arguments) as plane:
        nodes.create(plane, nodes.GpuNode(name="worker", resources={"nvidia.com/gpu": 1}))
        with Release.running(plane, {}) as release:
            yield release


@pytest.fixture(scope="module")
def account(audited: Release) -> Iterator[Account]:
    """Return the chart's ServiceAccount, on one connection for all tests."""
    made = Account(audited)
    yield made
    made.close()


class Account:
    """The chart's ServiceAccount on one kept connection."""

    def __init__(self, release: Release) -> None:
        plane = release.plane
        config = yaml.safe_load(
            plane.service_account(release.namespace, release.deployment).read_text("utf-8")
        )
        token = config["users"][0]["user"]["token"]
        self._headers = {"Authorization": f"Bearer {token}"}
        context = ssl.create_default_context(cafile=str(plane.authority))
        self._connection = http.client.HTTPSConnection("127.0.0.1", plane.port, context=context)

    def ask(self, method: str, path: str) -> tuple[int, str]:
        """Return status and text of one call."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {**self._headers, "Content-Type": kind}
        body = None if method == "GET" else "{}"
        self._connection.request(method, path, body=body, headers=headers)
        reply = self._connection.getresponse()
        return reply.status, reply.read().decode()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def path(self, place: str, call: Call, name: str) -> str:
        """Return the path of *call* in *place*, a group's path with or without a namespace."""
        verb, _, resource = call
        end = f"/{name}" if verb in NAMED else ""
        watch = "?watch=1&timeoutSeconds=1" if verb == "watch" else "?dryRun=All"
        return f"{place}/{resource}{end}{watch if METHODS[verb] != 'GET' or end == '' else ''}"


def resources(plane: ControlPlane) -> list[tuple[str, str, bool]]:
    """Return group, path of the group's version and whether it is in namespaces, by resource."""
    versions = [("", "/api/v1")]
    for group in json.loads(plane.kubectl("get", "--raw", "/apis"))["groups"]:
        versions += [(group["name"], f"/apis/{one['groupVersion']}") for one in group["versions"]]
    return [
        (f"{group}|{one['name']}", path, bool(one["namespaced"]))
        for group, path in versions
        for one in json.loads(plane.kubectl("get", "--raw", path))["resources"]
        if "/" not in one["name"]
    ]


def test_every_other_call_is_forbidden(audited: Release, account: Account) -> None:
    """Every verb on every resource, in the release's own namespace: 403 but for what is listed."""
    done, wrong = 0, []
    for resource, path, namespaced in resources(audited.plane):
        group, name = resource.split("|")
        place = f"{path}/namespaces/{audited.namespace}" if namespaced else path
        for verb, method in METHODS.items():
            call = verb, group, name
            if call in ALLOWED or name.startswith(OF_EVERYBODY):
                continue
            status, _ = account.ask(method, account.path(place, call, "any"))
            done += 1
            if status not in (403, 405):
                wrong.append((status, *call))
    assert wrong == []
    assert done > 400


@pytest.mark.parametrize("namespace", ["kube-system", "default"])
def test_other_namespaces_secrets_are_forbidden(account: Account, namespace: str) -> None:
    """The right to its Secret ends at its namespace, also for a Secret of the same name."""
    for verb, method in METHODS.items():
        call = verb, "", "secrets"
        path = account.path(f"/api/v1/namespaces/{namespace}", call, "rightslice-webhook-tls")
        status, text = account.ask(method, path)
        assert status == 403, (verb, text)


@pytest.mark.parametrize("call", sorted(ALLOWED | OF_ONE_NAME))
def test_what_the_chart_allows_is_allowed(audited: Release, account: Account, call: Call) -> None:
    """Each right of the chart is one that the API server grants."""
    verb, group, resource = call
    own = "rightslice-webhook-tls" if resource == "secrets" else "rightslice"
    base = f"/apis/{group}/v1" if group else "/api/v1"
    if resource in ("secrets", "events"):
        base = f"{base}/namespaces/{audited.namespace}"
    status, text = account.ask(METHODS[verb], account.path(base, call, own))
    assert status != 403, text


def test_no_right_is_unused(audited: Release) -> None:
    """What the webhook was seen to call, from its start to an event, is what the chart allows."""
    plane = audited.plane
    container = {"name": "vllm", "image": "vllm/vllm-openai:v0.24.0",
                 "args": ["--model=facebook/opt-1.3b"],
                 "resources": {"limits": {"nvidia.com/gpu": 1}}}  # fmt: skip
    labels = {"app": "opt"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "opt"},
                  "spec": spec}  # fmt: skip
    plane.kubectl("-n", "default", "create", "-f", "-", stdin=json.dumps(deployment))
    wanted = ALLOWED | OF_ONE_NAME
    eventually(lambda: called(audited) >= wanted)
    assert called(audited) - wanted == set()
    event = plane.kubectl("-n", "default", "get", "events", "-o=jsonpath={.items[*].reason}")
    assert "NotUnderstood" in event


def called(release: Release) -> set[Call]:
    """Return the calls of the webhook's process so far, from the audit log, refused ones too."""
    found = set()
    for line in (release.plane.folder / "audit.log").read_text("utf-8").splitlines():
        entry = json.loads(line)
        about = entry.get("objectRef", {})
        if entry.get("userAgent", "").startswith(("python-httpx", "lightkube")):
            found.add((entry["verb"], about.get("apiGroup", ""), about.get("resource", "")))
    return found

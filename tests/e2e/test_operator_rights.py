"""The operator's rights: none that the chart does not name, and none that it never uses."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.apiproxy import Door, door
from tests.e2e.operating import (
    ACCOUNT,
    NAMESPACE,
    apply,
    gpu_nodes,
    install_rights,
    running,
    serve,
    until_settled,
)
from tests.e2e.test_rights import METHODS, NAMED, OF_EVERYBODY, Call, resources
from tests.e2e.waiting import eventually
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

NODE: Final = GpuNode(
    name="rights-card",
    resources={f"nvidia.com/mig-{one}": 1 for one in ("1g.5gb", "2g.10gb", "3g.20gb")},
)
SERVED_WHERE_IT_IS: Final = "resource.k8s.io"
"""DRA: used on clusters whose nodes publish devices, which this one's do not."""
WANTED_BY_THE_SERVER: Final[set[Call]] = {
    *(("create", *one) for one in (("", "services"), ("apps", "deployments"),
                                   ("policy", "poddisruptionbudgets"))),
    ("update", "rightslice.dev", "modeldeployments/finalizers"),
}  # fmt: skip
"""What is not called for itself: a server-side apply, a PATCH, may create only with this right; and
some clusters let nobody name an owner without the other (OwnerReferencesPermissionEnforcement)."""
SMALL_MODEL: Final = {
    "architectures": ["OPTForCausalLM"], "model_type": "opt", "hidden_size": 768, "ffn_dim": 3072,
    "num_attention_heads": 12, "num_hidden_layers": 12, "vocab_size": 50272,
    "max_position_embeddings": 2048, "torch_dtype": "float16", "word_embed_proj_dim": 768,
    "do_layer_norm_before": True, "tie_word_embeddings": True,
}  # fmt: skip


def granted(plane: ControlPlane) -> set[Call]:
    """Return what the chart's roles allow, of one name or of any."""
    found: set[Call] = set()
    for kind in (("clusterrole",), ("-n", NAMESPACE, "role")):
        role: Any = json.loads(plane.kubectl("get", *kind, ACCOUNT, "-o", "json"))
        for rule in role["rules"]:
            found |= {
                (verb, group, resource)
                for verb in rule["verbs"]
                for group in rule["apiGroups"]
                for resource in rule["resources"]
            }
    return found


def used(opened: Door) -> set[Call]:
    """Return the verbs of the calls that went through the door, by group and resource."""
    place = re.compile(
        r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/[^/]+)?"
        r"/(?P<resource>[a-z]+)(?:/(?P<name>[^/]+)(?:/(?P<part>[a-z]+))?)?$"
    )
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    found: set[Call] = set()
    for call, _ in opened.calls:
        match = place.match(call.place)
        if match is None:
            continue
        reads = "get" if match["name"] else "watch" if "watch=" in call.path else "list"
        resource = "/".join(one for one in (match["resource"], match["part"]) if one)
        found.add((verbs.get(call.method, reads), match["group"] or "", resource))
    return found


@pytest.fixture(params=["advise", "enforce"])
def ceiling(plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the account the rights of a ceiling; afterwards it has those of enforce again."""
    install_rights(plane, str(request.param))
    yield str(request.param)
    install_rights(plane)


@pytest.mark.usefixtures("rights")
def test_every_other_call_is_forbidden(plane: ControlPlane, ceiling: str) -> None:
    """Every verb on every resource, with the token of the chart's account."""
    allowed, done, wrong = granted(plane), 0, []
    with closing(
        http.client.HTTPSConnection("127.0.0.1", plane.port, context=_context(plane))
    ) as to:
        token = plane.kubectl("-n", NAMESPACE, "create", "token", ACCOUNT).strip()
        for resource, path, is_namespaced in resources(plane):
            group, name = resource.split("|")
            place = f"{path}/namespaces/default" if is_namespaced else path
            for verb in METHODS:
                call = verb, group, name
                if call in allowed or name.startswith(OF_EVERYBODY):
                    continue
                status = _ask(to, token, place, call)
                done += 1
                if status not in (403, 405):
                    wrong.append((status, *call))
    assert wrong == []
    assert done > 350
    writes = {one for one in allowed if one[0] not in ("get", "list", "watch")}
    beside = {one for one in writes if not one[2].endswith("/status")}
    own = {("create", "", "events"), *((verb, "coordination.k8s.io", "leases")
                                       for verb in ("create", "update"))}  # fmt: skip
    assert (beside == own) == (ceiling == "advise")


def test_no_right_is_unused(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """A move there and back, and a model in a ConfigMap: every right of the chart is called for."""
    config = json.dumps({"config.json": json.dumps(SMALL_MODEL)})
    plane.kubectl("-n", namespace, "create", "configmap", "small")
    plane.kubectl("-n", namespace, "patch", "configmap", "small", "-p", f'{{"data":{config}}}')
    plane.kubectl("-n", NAMESPACE, "delete", "lease", "rightslice-operator", "--ignore-not-found")
    with gpu_nodes(plane, NODE), door(plane, rights) as (opened, kubeconfig):
        architecture = {"configMap": {"name": "small"}}
        apply(plane, namespace, "Model", "small", {"source": "a/b", "architecture": architecture})
        apply(plane, namespace, "Model", "opt", {"source": "facebook/opt-1.3b"})
        with running(kubeconfig, tmp_path / "operator.log"):
            for concurrency in (1, 128, 1):
                serve(plane, namespace, "opt", concurrency=concurrency, slo={"tpot": "30ms"})
                until_settled(plane, namespace, "opt")
            eventually(lambda: ("delete", "apps", "deployments") in used(opened), 60)
            time.sleep(1)
    unused = {one for one in granted(plane) - used(opened) if one[1] != SERVED_WHERE_IT_IS}
    assert unused == WANTED_BY_THE_SERVER
    assert used(opened) <= granted(plane)


def _context(plane: ControlPlane) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(plane.authority))


def _ask(to: http.client.HTTPSConnection, token: str, place: str, call: Call) -> int:
    """Return the status of one call, which changes nothing."""
    verb, _, resource = call
    method = METHODS[verb]
    end = "/any" if verb in NAMED else ""
    query = "?watch=1&timeoutSeconds=1" if verb == "watch" else "?dryRun=All"
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    body = None if method == "GET" else "{}"
    to.request(method, f"{place}/{resource}{end}{query}", body, headers)
    reply = to.getresponse()
    reply.read()
    return reply.status

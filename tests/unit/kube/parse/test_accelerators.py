"""Tests of reading the accelerator that a container asks for."""

from __future__ import annotations

import pytest

from rightslice.kube.parse.accelerators import Request, claims, read_request


@pytest.mark.parametrize(
    "name",
    [
        "nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-1g.10gb", "amd.com/gpu",
        "gpu.intel.com/xe", "gpu.intel.com/i915", "habana.ai/gaudi", "google.com/tpu",
        "aws.amazon.com/neuron", "aws.amazon.com/neuroncore", "huawei.com/Ascend910",
        "cambricon.com/vmlu", "hygon.com/dcunum", "metax-tech.com/sgpu", "volcano.sh/vgpu-number",
        "rebellions.ai/ATOM", "furiosa.ai/rngd", "instaslice.redhat.com/mig-1g.5gb", "gpu",
    ],
)  # fmt: skip
def test_every_vendor_s_device_is_known(name: str) -> None:
    """Devices are found among CPU, memory and network resources."""
    limits = {"cpu": 4, "memory": "1Gi", "rdma/ib": 1, "hugepages-2Mi": "1Gi", name: "2"}
    found, problem = read_request({"limits": limits})
    assert (found, problem) == (Request(resource=name, count=2, stated_in="limits"), None)


@pytest.mark.parametrize(
    ("resources", "stated_in"),
    [
        ({"limits": {"nvidia.com/gpu": 1}, "requests": {"nvidia.com/gpu": "1"}}, "both"),
        ({"requests": {"nvidia.com/gpu": 1}}, "requests"),
    ],
)
def test_the_side_that_states_it_is_told(resources: object, stated_in: str) -> None:
    """Limits, requests, or both."""
    found, _ = read_request(resources)
    assert found is not None
    assert found.stated_in == stated_in


def test_shares_of_a_device_are_not_the_device() -> None:
    """Memory, cores and percentages beside a device do not count."""
    assert read_request({"limits": {"nvidia.com/gpumem": 100, "aliyun.com/gpu-mem": 3}})[0] is None


@pytest.mark.parametrize("amount", ["0.5", "500m", "{{ x }}", [], None, -1])
def test_no_whole_number_is_refused_with_the_resource(amount: object) -> None:
    """A fraction or a placeholder is no count of devices."""
    found, problem = read_request({"limits": {"nvidia.com/gpu": amount}})
    assert found is None
    assert problem is not None
    assert "nvidia.com/gpu" in problem


def test_sides_that_differ_are_told() -> None:
    """Kubernetes refuses extended resources whose limit is not the request."""
    _, problem = read_request({"limits": {"nvidia.com/gpu": 2}, "requests": {"nvidia.com/gpu": 1}})
    assert problem is not None
    assert "differs" in problem


def test_claims_are_those_that_the_pod_declares() -> None:
    """A claim that the pod does not know is none."""
    pod = {"resourceClaims": [{"name": "gpu"}]}
    container = {"resources": {"claims": [{"name": "gpu"}, {"name": "other"}]}}
    assert claims(pod, container) == ("gpu",)

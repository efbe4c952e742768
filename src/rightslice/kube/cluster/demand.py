"""What a pod asks a node for: the sums that the scheduler adds up.

The rule is that of k8s.io/component-helpers resource/helpers.go (PodRequests): containers and
restartable init containers (sidecars) add up, plain init containers run alone beside the sidecars
started before them, what is stated for the pod as a whole stands in place of the sum, and the
runtime class's overhead comes on top. A request that is not stated is the limit's, as the API
server defaults it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from rightslice.kube.cluster.quantity import parse_quantity
from rightslice.kube.cluster.view import PODS
from rightslice.kube.parse.decoded import at, items, mapping

Amounts = dict[str, Fraction]


def container_requests(container: object) -> Amounts:
    """Return what one container, or a pod's own ``resources``, asks for, by resource.

    Raises:
        InputError: when an amount is no quantity.
    """
    requests = mapping(at(container, "resources", "requests"))
    limits = mapping(at(container, "resources", "limits"))
    return {name: parse_quantity(amount) for name, amount in {**limits, **requests}.items()}


def pod_requests(pod: Mapping[str, object]) -> Amounts:
    """Return what *pod* asks a node for, itself (``pods``: 1) included.

    Raises:
        InputError: when an amount is no quantity.
    """
    spec = mapping(pod.get("spec"))
    total: Amounts = {}
    for container in items(spec.get("containers")):
        _add(total, container_requests(container))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in items(spec.get("initContainers")):
        asked = container_requests(container)
        if mapping(container).get("restartPolicy") == "Always":
            _add(sidecars, asked)
            _raise(peak, sidecars)
        else:
            alone = dict(sidecars)
            _add(alone, asked)
            _raise(peak, alone)
    _add(total, sidecars)
    _raise(total, peak)
    total |= container_requests(spec)
    overhead = mapping(spec.get("overhead"))
    _add(total, {name: parse_quantity(amount) for name, amount in overhead.items()})
    total[PODS] = Fraction(1)
    return total


def _add(into: Amounts, more: Mapping[str, Fraction]) -> None:
    for name, amount in more.items():
        into[name] = into.get(name, Fraction(0)) + amount


def _raise(into: Amounts, least: Mapping[str, Fraction]) -> None:
    for name, amount in least.items():
        into[name] = max(into.get(name, Fraction(0)), amount)

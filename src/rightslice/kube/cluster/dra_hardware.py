"""What the devices of a DRA node stand for, and under which names a pod can ask for them.

By a claim where the driver's own DeviceClass is there, and by an extended resource where a
DeviceClass stands for one (KEP-5004). A node whose device plugin hands out GPUs is the plugin's:
the two know nothing of each other, and one card must not be offered twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.errors import InputError
from rightslice.kube.cluster.dra import DraStock, DraUnit, claim_name
from rightslice.kube.cluster.dra_read import CARD_CLASS, MIG_CLASS, DeviceClasses
from rightslice.kube.cluster.hardware import HandedOut, NodeHardware, gpu_resources, hardware_of
from rightslice.kube.cluster.view import ClusterNode


def node_hardware(
    node: ClusterNode,
    stock: DraStock | None,
    classes: DeviceClasses,
    find_gpu: Callable[[str], Gpu],
) -> NodeHardware:
    """Return what *node* hands out: by its device plugin, else by DRA.

    Args:
        node: the node.
        stock: what its ResourceSlices publish; None without any.
        classes: the cluster's DeviceClasses.
        find_gpu: the catalogue's board of a product; raises InputError for an unknown one.
    """
    if stock is None or gpu_resources(node):
        return hardware_of(node, find_gpu)
    found: list[HandedOut] = []
    problem: str | None = None
    for product, profile in stock.by_unit:
        try:
            found += _handed_out(stock, (product, profile), classes, find_gpu)
        except InputError as error:
            problem = f"node {node.name}: {claim_name(profile)} of {product or '?'}: {error}"
    if not found and problem is None:
        lacking = f"DeviceClass {MIG_CLASS} or {CARD_CLASS}"
        problem = f"node {node.name} publishes ResourceSlices, and there is no {lacking}"
    return NodeHardware(handed_out=tuple(found), problem=problem)


def _handed_out(
    stock: DraStock,
    of: tuple[str, ProfileName | None],
    classes: DeviceClasses,
    find_gpu: Callable[[str], Gpu],
) -> Iterator[HandedOut]:
    product, profile = of
    gpu = find_gpu(product)
    if profile is None:
        known = None
        if gpu.memory_bytes is None:  # the driver's figure where the catalogue has none
            known = stock.by_unit[of][0].memory_bytes
        device = device_of(gpu, Exclusive(), memory_bytes=known)
    else:
        device = device_of(gpu, MigSlice(profile=profile))
    own = CARD_CLASS if profile is None else MIG_CLASS
    if own in classes.names:
        unit = DraUnit(
            product=product, profile=profile, device_class=own, extended=classes.extended_of(own)
        )
        yield HandedOut(resource=claim_name(profile), device=device, unit=unit)
    if profile in classes.extended:
        name, extended = classes.extended[profile]
        unit = DraUnit(product=product, profile=profile, device_class=name, extended=extended)
        yield HandedOut(resource=extended, device=device, unit=unit)

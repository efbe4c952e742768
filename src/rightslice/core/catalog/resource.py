"""The extended resource under which a share of a card is requested in Kubernetes.

Names as the NVIDIA device plugin gives them (NVIDIA/k8s-device-plugin
internal/resource/nvml-mig-device.go, GetName): under ``mixed`` a slice is
``nvidia.com/mig-<profile>``, with the ``+`` of a variant written as ``.``, since resource names
have no plus; everything else is ``nvidia.com/gpu``: whole cards, time slices, and the slices of a
node under ``single``.
"""

from __future__ import annotations

from typing import Final

from rightslice.core.catalog.fleet import MigStrategy
from rightslice.core.catalog.share import MigSlice, Share

WHOLE: Final = "nvidia.com/gpu"


def extended_resource(strategy: MigStrategy, share: Share) -> str:
    """Return the resource name that a pod asks for.

    >>> from rightslice.core.catalog.mig import ProfileName
    >>> extended_resource(MigStrategy.MIXED, MigSlice(profile=ProfileName("1g.10gb+me")))
    'nvidia.com/mig-1g.10gb.me'
    """
    if isinstance(share, MigSlice) and strategy is MigStrategy.MIXED:
        return f"nvidia.com/mig-{resource_suffix(share.profile)}"
    return WHOLE


def resource_suffix(profile: str) -> str:
    """Return a profile as resource names and label values write it.

    >>> resource_suffix("1g.10gb+me")
    '1g.10gb.me'
    """
    return profile.replace("+", ".")

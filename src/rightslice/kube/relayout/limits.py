"""How long each step of a change may take, and how long to wait between changes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds."""

    patience_seconds: float = 60.0
    """A load waits so long before a node is cut for it: what is short often comes free by itself,
    as when a pod ends."""
    saving_patience: float = 10.0
    """A load that runs waits so many times longer before an empty node is cut to lower its bill."""
    config_seconds: float = 90.0
    """From writing the configuration to naming it in the label. mig-manager reads it from a mounted
    ConfigMap, which the kubelet renews after its sync period (a minute) and its cache's delay
    (kubernetes.io documentation, "ConfigMaps", mounted ConfigMaps are updated automatically); a
    name that is not in the file is a failure."""
    drain_seconds: float = 1800.0
    """For successors to start elsewhere and the pods to go. A cold start was measured at 455 s
    after the image was there (kaito-project/kaito#2325)."""
    change_seconds: float = 600.0
    """For mig-manager: eight B200 took about 9 s (NVIDIA/mig-parted#332), GPU resets and the
    restart of its clients come on top."""
    reboot_seconds: float = 1800.0
    """For the same, once it says that the node reboots."""
    stale_seconds: float = 30.0
    """How long a state may still be that of the label before."""
    rest_seconds: float = 600.0
    """A node that was cut is left alone for so long."""
    retry_seconds: float = 3600.0
    """A node on which a change did not come about is left alone for so long."""

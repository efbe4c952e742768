"""Tests of a container's environment and of Kubernetes' own expansion."""

from __future__ import annotations

from rightslice.kube.parse.environment import Environment, read_environment
from rightslice.kube.parse.shell_words import is_unknown


def test_kubernetes_expands_what_exists_and_leaves_the_rest() -> None:
    """``$(A)`` is replaced, ``$$`` is an escape, an unknown name stays."""
    environment = Environment(values={"A": "x"})
    assert environment.expand("$(A)-$$(A)-$(B)-$A") == "x-$(A)-$(B)-$A"


def test_values_refer_to_earlier_ones() -> None:
    """A variable is built from those before it."""
    env = [{"name": "A", "value": "x"}, {"name": "B", "value": "$(A)/y"}]
    assert read_environment({"env": env}, {}, {}).values["B"] == "x/y"


def test_a_secret_s_value_is_unknown() -> None:
    """The name exists, its value does not."""
    env = [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    assert is_unknown(read_environment({"env": env}, {}, {}).values["T"])


def test_config_maps_at_hand_are_read() -> None:
    """Whole ones through envFrom with its prefix, single keys through valueFrom."""
    container = {
        "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "P_"}, {"secretRef": {"name": "s"}}],
        "env": [{"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "A"}}}],
    }
    read = read_environment(container, {"c": {"A": "1"}}, {"Z": "2"})
    assert read.values == {"P_A": "1", "B": "1", "Z": "2"}
    assert read.unread == ("Secret s",)

"""mig-parted's configurations in a ConfigMap."""

from __future__ import annotations

import pytest

from rightslice.edge.mig_configs import FILE, read_configs, with_config
from rightslice.errors import InputError

TEXT = """\
version: v1
mig-configs:
  all-disabled:
    - devices: all
      mig-enabled: false
"""


def test_an_entry_is_written_beside_the_others() -> None:
    """What is there stays, and the new one reads back as it was given."""
    entries = [{"devices": [0, 1], "mig-enabled": True, "mig-devices": {"1g.5gb": 7}}]
    written = with_config({FILE: TEXT}, "rightslice-1", entries)  # type: ignore[arg-type]  # JSON
    found = read_configs({FILE: written})
    assert found == {**read_configs({FILE: TEXT}), "rightslice-1": entries}
    assert written.startswith("version: v1\n")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "the ConfigMap has no config.yaml"),
        ({FILE: "version: v1\n"}, "has no mig-configs"),
        ({FILE: "- 1\n"}, "has no mig-configs"),
        ({FILE: "a: [\n"}, "is not YAML"),
    ],
)
def test_what_is_no_configuration_is_refused(files: dict[str, str], says: str) -> None:
    """With what would be right."""
    with pytest.raises(InputError, match=says):
        read_configs(files)

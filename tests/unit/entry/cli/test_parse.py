"""The parse verb: what manifests say, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rightslice.entry.cli.app import run

Run = Callable[..., tuple[int, str, str]]

POD = """
kind: Pod
metadata: {name: chat, annotations: {rightslice.dev/slo-tpot: 30ms}}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:latest
    args: [--model, facebook/opt-1.3b, --max-num-seqs, "8"]
    resources: {limits: {nvidia.com/gpu: 1}}
---
kind: Service
metadata: {name: chat}
"""


@pytest.fixture
def parsed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function from manifests and options to (exit code, output, errors)."""

    def call(text: str, *options: str) -> tuple[int, str, str]:
        path = tmp_path / "pod.yaml"
        path.write_text(text, encoding="utf-8")
        code = run(["parse", str(path), *options])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_json_has_one_object_for_each_workload(parsed: Run) -> None:
    """Columns as documented, null where nothing is said, refusals beside them."""
    code, out, _ = parsed(POD, "--output", "json")
    (workload,) = json.loads(out)["workloads"]
    assert code == 0
    assert workload["object"]["name"] == "chat"
    assert (workload["model"], workload["max_num_seqs"]) == ("facebook/opt-1.3b", 8)
    assert (workload["max_model_len"], workload["load"]) == (None, None)
    assert workload["slo"] == {"tpot_ms": 30, "ttft_ms": None}
    assert set(workload["refused"]) == {"vllm_version"}


def test_people_get_a_table_of_what_is_said_and_what_is_not(parsed: Run) -> None:
    """Silent fields take no line."""
    code, out, _ = parsed(POD)
    assert code == 0
    assert "Pod chat: a vLLM server" in " ".join(out.split())
    assert "nvidia.com/gpu: 1 (in limits)" in out
    assert "TPOT 30 ms" in out
    assert "not read" in out
    assert "max model len" not in out


def test_a_file_without_a_workload_says_so(parsed: Run) -> None:
    """No workload is an answer, not an error."""
    code, out, _ = parsed("kind: Service\n")
    assert code == 0
    assert out.startswith("No workload")


@pytest.mark.parametrize("text", ["a: [", "{{ x }}: {{ y }}"])
def test_a_broken_file_is_bad_input(parsed: Run, text: str) -> None:
    """Exit code 2 and a message that names the file."""
    code, out, err = parsed(text)
    assert (code, out) == (2, "")
    assert "pod.yaml" in err


def test_a_record_has_every_column(parsed: Run) -> None:
    """Every field stands in every object, so that tables can be made of them."""
    _, out, _ = parsed(POD.replace("Service", "Job"), "-o", "json")
    records: list[dict[str, Any]] = json.loads(out)["workloads"]
    assert all(set(one) == set(records[0]) for one in records)

"""What the plugin's verbs print of an example cluster, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rightslice.entry.kubectl.app import run

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[4]
STATE = ROOT / "examples" / "model-deployments" / "state.json"
MIXED = ROOT / "examples" / "cluster" / "state.json"
NEW = """
apiVersion: rightslice.dev/v1alpha1
kind: Model
metadata: {name: small}
spec: {source: facebook/opt-1.3b}
---
apiVersion: rightslice.dev/v1alpha1
kind: ModelDeployment
metadata: {name: extra}
spec:
  model: small
  load: {concurrency: 4}
  input: 128
  output: 128
  slo: {tpot: 30ms}
"""


def _run(capsys: Capture, *arguments: str, state: Path = STATE) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run([*arguments, "--cluster", str(state)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def _record(capsys: Capture, *arguments: str) -> Any:  # noqa: ANN401 - decoded JSON
    return json.loads(_run(capsys, *arguments, "-o", "json")[1])


def test_status_draws_who_holds_which_slice(capsys: Capture) -> None:
    """By ModelDeployment, marked as inferred; the table has one row each."""
    code, out, _ = _run(capsys, "status", "-A")
    assert code == 0
    assert "layout and holders inferred from counts" in out
    assert "│chat         │free" in out
    assert "research/notebook-0 holds 1 x nvidia.com/gpu" in out
    assert out.count("enforce") == 2


def test_status_of_one_namespace_lists_its_own(capsys: Capture) -> None:
    """The nodes are everybody's; the table is that of the namespace."""
    _, out, _ = _run(capsys, "status", "-n", "search")
    assert "search/rewrite" in out
    assert "assist/code" not in out
    _, out, _ = _run(capsys, "status", "-n", "nobody")
    assert "No ModelDeployments here" in out


def test_what_dra_tells_is_known(capsys: Capture) -> None:
    """Cards are called by their UUIDs, and nothing is inferred."""
    _, out, _ = _run(capsys, "status", state=MIXED)
    assert "as DRA or DAS tells" in out
    assert "  GPU-6a" in out


def test_explain_tells_numbers_refusals_and_conditions(capsys: Capture) -> None:
    """Of a file it is worked out, and that is said."""
    code, out, err = _run(capsys, "explain", "chat", "-n", "assist")
    assert code == 0
    for text in ("mean TPOT", "would turn:", "Available True", "flags ", "runs now: 1 x"):
        assert text in out
    assert "has not decided about this spec yet" in err


def test_no_change_is_an_answer(capsys: Capture) -> None:
    """Exit 0, one row, no difference; the rules are those of the operator's Deployment."""
    found = _record(capsys, "whatif", "chat", "-n", "assist")
    (change,) = found["what_if"]["changes"]
    assert change["before"] == change["after"]
    assert found["what_if"]["verdict"].startswith("no change: 1 x")
    assert found["rules"] == (
        "ceiling enforce, settling time 600 s: arguments of Deployment rightslice/op"
    )


def test_a_change_shows_before_and_after(capsys: Capture) -> None:
    """With the fields, the offers and the dollars between."""
    code, out, _ = _run(capsys, "whatif", "chat", "-n", "assist", "--concurrency", "32")
    assert code == 0
    assert "load.concurrency: 8 -> 32" in out
    assert "2g.10gb -> 1 x A100-SXM-40GB 3g.20gb" in out
    assert "+0.79" in out


def test_a_lower_load_has_two_answers(capsys: Capture) -> None:
    """At once, and after the settling time, which may be given."""
    ask = ("whatif", "rewrite", "-n", "search", "--concurrency", "4")
    _, out, _ = _run(capsys, *ask)
    assert "  after 600 s" in out
    _, out, err = _run(capsys, *ask, "--settle", "0")
    assert "after" not in out.splitlines()[1]
    assert "options of this command" in err


def test_a_file_of_new_objects_is_answered(capsys: Capture, tmp_path: Path) -> None:
    """A Model and its ModelDeployment that are not there yet; YAML is printed as well."""
    path = tmp_path / "new.yaml"
    path.write_text(NEW, encoding="utf-8")
    code, out, _ = _run(capsys, "whatif", "-f", str(path), "-n", "search", "-o", "yaml")
    assert code == 0
    assert "verdict: 'new: 1 x A100-SXM-40GB 1g.5gb'" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["whatif", "chat", "--tpot", "0ms"], "chat: slo: duration '0ms' must be more than zero"),
        (["whatif", "chat", "--rate", "9x"], "chat: load: rate '9x'"),
        (["whatif", "chat", "--replicas-min", "3"], "min"),
        (["whatif", "chat", "--confidence", "99.99%"], "chat: confidence"),
        (["whatif", "chat", "--mode", "Enforce"], "mode: must be one of off, advise, enforce"),
        (["whatif", "chat", "--concurrency", "x"], "--concurrency"),
        (["whatif", "chaat"], "did you mean chat?"),
        (["explain", "chaat"], "did you mean chat?"),
        (["whatif"], "give either the NAME"),
        (["whatif", "chat", "-o", "1", "-o", "2"], "--output takes output tokens once"),
        (["whatif", "-f", "none.yaml"], "none.yaml"),
        (["whatif", "-f", "none.yaml", "--tpot", "1ms"], "leave the other options out"),
        (["status", "-o", "xml"], "--output"),
    ],
)
def test_what_is_wrong_is_named(capsys: Capture, arguments: list[str], says: str) -> None:
    """Exit 2, nothing on standard output."""
    code, out, err = _run(capsys, *arguments, "-n", "assist")
    assert (code, out) == (2, "")
    assert says in err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: Pod\nmetadata: {name: p}", "kind: 'Pod' must be one of Model"),
        ("kind: ModelDeployment\nmetadata: {name: p}", "apiVersion: of a ModelDeployment"),
        ("apiVersion: rightslice.dev/v1alpha1\nkind: ModelDeployment", "metadata.name"),
        (NEW.partition("---")[0], "holds no ModelDeployment"),
        (NEW.replace("model: small", "model: none"), "there is no Model none"),
        (NEW.replace("  slo: {tpot: 30ms}", ""), "slo: is missing"),
    ],
)
def test_a_wrong_file_is_named(capsys: Capture, tmp_path: Path, text: str, says: str) -> None:
    """With the field, before anything is decided."""
    path = tmp_path / "new.yaml"
    path.write_text(text, encoding="utf-8")
    code, _, err = _run(capsys, "whatif", "-f", str(path), "-n", "search")
    assert code == 2
    assert says in err


def test_nothing_that_holds_is_a_no(capsys: Capture) -> None:
    """Exit 4, with what would turn it."""
    code, out, _ = _run(capsys, "whatif", "chat", "-n", "assist", "--tpot", "1ms")
    assert code == 4
    assert "would turn" in out


def test_a_way_to_nowhere_is_unavailable(capsys: Capture, tmp_path: Path) -> None:
    """A kubeconfig that is not there, or names nothing: exit 3."""
    config = tmp_path / "config"
    assert run(["status", "--kubeconfig", str(config)]) == 3
    config.write_text("apiVersion: v1\nkind: Config\ncontexts: []\n", encoding="utf-8")
    assert run(["status", "--kubeconfig", str(config)]) == 3
    assert run(["explain", "x", "--kubeconfig", str(config), "--context", "y"]) == 3
    assert "no way to the cluster" in capsys.readouterr().err


def test_the_version_and_the_help_are_printed(capsys: Capture) -> None:
    """Without a verb there is help."""
    assert run(["--version"]) == 0
    assert run([]) == 0
    assert "whatif" in capsys.readouterr().out

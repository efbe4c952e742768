"""Exit codes, messages and help of the whole command line, in process."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from rightslice import __version__
from rightslice.entry.cli import app
from rightslice.entry.cli.app import run

FLEET = """\
apiVersion: rightslice.dev/v1alpha1
kind: Fleet
metadata: {name: small}
spec:
  nodes:
    - {name: a30, gpus: {model: A30, count: 1}, mig: mixed}
  teams:
    - {name: team-a}
  workloads:
    - name: opt
      team: team-a
      model: facebook/opt-1.3b
      load: {concurrency: 4}
      input: 128
      output: 128
      slo: {tpot: 30ms}
"""
LOAD = ("--input", "128", "--output", "128", "--concurrency", "4")
VERBS = ("size", "predict", "fit", "pack", "plan", "schema", "catalog")
Capture = pytest.CaptureFixture[str]


class FullDisk(io.StringIO):
    """An output that takes nothing."""

    def write(self, text: str) -> int:  # noqa: ARG002 - what every stream is given
        """Refuse, as the operating system does."""
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_empty_command_line_prints_help(capsys: Capture) -> None:
    """Who types nothing is shown the verbs."""
    assert run([]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)


def test_version_is_printed(capsys: Capture) -> None:
    """``--version`` says the version and ends."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"rightslice {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example(verb: str, capsys: Capture) -> None:
    """Each verb's help has one command line that works."""
    assert run([verb, "--help"]) == 0
    assert f"Example: rightslice {verb} " in " ".join(capsys.readouterr().out.split())


def test_a_group_alone_prints_its_help(capsys: Capture) -> None:
    """``catalog`` without a kind lists the kinds."""
    assert run(["catalog"]) == 0
    assert "instances" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("siz", "phi-2"), "Did you mean 'size'?"),
        (("bogus",), "No such command 'bogus'"),
        (("size", "phi-2", "--gpuu", "L4"), "--gpu"),
        (("size", "phi-2"), "Missing option '--gpu'"),
        (("size", "opt-1.4b", "--gpu", "L4"), "did you mean opt-1.3b"),
        (("size", "phi-2", "--gpu", "H10"), "did you mean"),
        (("predict", "phi-2", "--gpu", "L4", *LOAD, "--tpot", "30"), "--tpot: duration '30'"),
        (("predict", "phi-2", "--gpu", "L4", *LOAD, "--ttft", "x"), "--ttft: 'x'"),
        (("size", "phi-2", "--gpu", "L4", "--block-size", "x"), "must be a whole number"),
        (("size", "phi-2", "--gpu", "L4", "--gpu-memory", "0GiB"), "write it like 79.19GiB"),
        (("size", "./none.json", "--gpu", "L4"), "there is no config.json there"),
        (("fit", "phi-2", *LOAD), "give --tpot, as in 30ms"),
        (("plan", "none.yaml"), "none.yaml: no such file"),
        (("plan", "."), ".: is a folder, a file is wanted"),
        (("plan", "x.yaml", "--prices", "none.yaml"), "none.yaml: no such file"),
    ],
)
def test_bad_input_exits_2_with_one_message(
    words: tuple[str, ...], said: str, capsys: Capture
) -> None:
    """The message names what is wrong and what would be right; nothing is printed as an answer."""
    assert run(list(words)) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.count("error: ") == 1
    assert shown.out == ""


def test_a_path_through_a_file_is_an_outside_failure(tmp_path: Path, capsys: Capture) -> None:
    """What the operating system refuses exits with 3."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert run(["plan", str(tmp_path / "file" / "fleet.yaml")]) == 3
    assert "Not a directory" in capsys.readouterr().err


def test_a_full_disk_under_the_answer_exits_3(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An output that takes nothing is said on standard error, without a trace."""
    monkeypatch.setattr(sys, "stdout", FullDisk())
    assert run(["catalog", "gpus"]) == 3
    assert "cannot be printed: No space left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("size", "granite-7b-base", "--gpu", "H100-80GB", "--profile", "1g.10gb"), 4),
        (("predict", "phi-2", "--gpu", "L4", *LOAD, "--tpot", "1us"), 4),
        (("fit", "phi-2", *LOAD, "--tpot", "1us", "--offers", "L4"), 4),
        (("pack", "--gpu", "A30", "--gpus", "1", "4g.24gb=2"), 4),
        (("predict", "phi-2", "--gpu", "L4", *LOAD), 0),
        (("fit", "phi-2", *LOAD, "--tpot", "1s", "--offers", "L4"), 0),
        (("pack", "--gpu", "A30", "4g.24gb=2"), 0),
    ],
)
def test_json_is_what_its_schema_says(words: tuple[str, ...], code: int, capsys: Capture) -> None:
    """Yes or no, the JSON answer of each verb validates against ``rightslice schema VERB``."""
    assert run([*words, "--output", "json"]) == code
    answer = json.loads(capsys.readouterr().out)
    assert run(["schema", words[0]]) == 0
    jsonschema.validate(answer, json.loads(capsys.readouterr().out))


def test_captured_output_has_no_colour(tmp_path: Path, capsys: Capture) -> None:
    """Escape codes go to terminals only."""
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    run(["plan", str(tmp_path / "fleet.yaml"), "--why"])
    run(["fit", "phi-2", *LOAD, "--tpot", "1s", "--offers", "L4"])
    run(["bogus"])
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err


@pytest.mark.parametrize("verb", app.VERBS)
def test_only_the_called_verb_is_loaded(verb: str) -> None:
    """Help starts fast, because it needs no verb: each verb's module loads on its call."""
    code = (
        "import sys; from rightslice.entry.cli.app import run; run(sys.argv[1:]);"
        f"print([v for v in {list(app.VERBS)}"
        " if 'rightslice.entry.cli.' + v.replace('-', '_') in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, verb, "--help"], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == str([verb])


@pytest.mark.parametrize("line", app.VERBS.values())
def test_a_verb_s_line_is_short_enough_for_a_terminal(line: str) -> None:
    """No line of the list of verbs is cut."""
    assert len(line) <= 62
    assert line.endswith(".")

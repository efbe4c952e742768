"""One document's containers, read -> the answer for it: a vLLM server, or what else it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from rightslice.kube.parse.accelerators import claims, read_request
from rightslice.kube.parse.annotations import Value, read_annotations
from rightslice.kube.parse.container import COMMAND, Running
from rightslice.kube.parse.controllers import (
    MODEL_VARIABLES,
    Hints,
    Surroundings,
    flags_of_mapping,
    model_of_uri,
)
from rightslice.kube.parse.flags import Flags, given_as_text, read_flags
from rightslice.kube.parse.images import vllm_version
from rightslice.kube.parse.load import (
    is_inference_perf,
    merged,
    options,
    read_goodput,
    read_inference_perf,
    read_load,
    read_variables,
)
from rightslice.kube.parse.notes import Notes
from rightslice.kube.parse.server_fields import typed_fields
from rightslice.kube.parse.shell import commands
from rightslice.kube.parse.shell_words import basename, is_unknown
from rightslice.kube.parse.values import Number, Origin, Parsed, ParsedLoad, ParsedSlo

_NOWHERE: Final = Origin()
_MOUNT: Final = "/mnt/models"
"""Where KServe puts the model that ``storageUri`` names (kserve/kserve docs, storage)."""
_STORAGE_VARIABLE: Final = "STORAGE_URI"
"""The same for a predictor of one's own container (kserve/kserve, storage initializer)."""
_SMALLEST_MS: Final = 1


def describe_server(
    serving: Running,
    running: Sequence[Running],
    hints: Hints,
    around: Surroundings,
    notes: Notes,
) -> Parsed:
    """Return the answer for a document in which *serving* is the vLLM server."""
    flags = _all_flags(serving, hints, around, notes)
    model, how = _model(serving, flags, hints, notes)
    # A dictionary of columns, each of its own type: checked by the tests, not by the type checker.
    columns = cast("dict[str, Any]", typed_fields(flags, notes))
    own = read_annotations(serving.place.annotations, notes)
    return Parsed(
        origin=_NOWHERE,
        is_vllm_server=True,
        model=model,
        model_how=how,
        vllm_version=_version(serving, notes),
        load=_load(running, own, around, notes),
        slo=_slo(running, own, notes),
        isolation=cast("str | None", own.get("isolation")),
        mode=cast("str | None", own.get("mode")),
        flags=given_as_text(flags),
        image=_image(serving),
        **columns,
        **_accelerator(serving, notes),
        assumed=notes.assumed,
        refused=notes.refused,
    )


def describe_other(running: Sequence[Running], around: Surroundings, notes: Notes) -> Parsed:
    """Return the answer for a document that runs no vLLM server: its main container, its load."""
    main = _main(running)
    own = read_annotations(main.place.annotations, notes)
    return Parsed(
        origin=_NOWHERE,
        is_vllm_server=False,
        load=_load(running, own, around, notes),
        slo=_slo(running, own, notes),
        isolation=cast("str | None", own.get("isolation")),
        mode=cast("str | None", own.get("mode")),
        image=_image(main),
        **_accelerator(main, notes),
        assumed=notes.assumed,
        refused=notes.refused,
    )


def _main(running: Sequence[Running]) -> Running:
    for one in running:
        if read_request(one.place.resources)[0] is not None:
            return one
    return next((one for one in running if one.loads), running[0])


def _image(running: Running) -> str | None:
    image = running.image
    if image is None:
        return None
    return image.name if image.tag is None else f"{image.name}:{image.tag}"


def _accelerator(running: Running, notes: Notes) -> dict[str, Any]:
    place = running.place
    request, problem = read_request(place.resources)
    held = claims(place.pod, place.container)
    if problem is not None:
        if request is None:
            notes.refuse("gpu_count", problem)
        else:
            notes.assume("gpu_resource", problem)
    if request is None and held:
        notes.refuse("gpu_resource", f"DRA claims ({', '.join(held)}) say no resource name")
    return {
        "container": place.name,
        "claims": held,
        "gpu_resource": None if request is None else request.resource,
        "gpu_count": None if request is None else request.count,
        "gpu_in": None if request is None else request.stated_in,
    }


def _version(serving: Running, notes: Notes) -> str | None:
    if serving.image is None:
        return None
    version, why = vllm_version(serving.image)
    if version is None:
        notes.refuse("vllm_version", why)
    return version


def _all_flags(serving: Running, hints: Hints, around: Surroundings, notes: Notes) -> Flags:
    """Return the flags of the command line, and beneath them those of the controller and files."""
    flags = serving.flags
    beneath: dict[str, str] = dict(hints.flags)
    if hints.extra_variable is not None and not flags.values:
        extra = serving.environment.values.get(hints.extra_variable)
        if extra is not None:
            given = read_flags([one for line in commands(extra, {}) for one in line])
            beneath |= given.values
            notes.assume("flags", f"from the environment variable {hints.extra_variable}")
    config = flags.get("config")
    if config is not None and serving.server is not None:
        beneath |= _config_file(config, around, notes)
    return replace(flags, values={**beneath, **flags.values})


def _config_file(path: str, around: Surroundings, notes: Notes) -> dict[str, str]:
    for data in around.config_maps.values():
        written = data.get(basename(path))
        decoded = flags_of_mapping(around.decoded(written))
        if decoded:
            notes.assume("flags", f"--config {path}: read from a ConfigMap of the same file")
            return decoded
    notes.refuse("flags", f"--config {path}: the file is not in the manifest; its flags are unread")
    return {}


def _model(
    serving: Running, flags: Flags, hints: Hints, notes: Notes
) -> tuple[str | None, str | None]:
    given, how = _model_argument(serving, flags)
    if given is None or given.startswith(_MOUNT):
        uri = serving.environment.values.get(_STORAGE_VARIABLE)
        if hints.model is not None:
            return notes.known("model", hints.model), hints.model_how
        if uri and not is_unknown(uri):
            return model_of_uri(uri), f"env {_STORAGE_VARIABLE}"
    if given is None:
        return _model_variable(serving, notes)
    known = notes.known("model", given.strip())
    if known is None:
        unread = serving.environment.unread
        if unread:
            notes.refuse("model", f"it may come from {', '.join(unread)}")
        return None, None
    return (known, how) if known else (None, None)


def _model_argument(serving: Running, flags: Flags) -> tuple[str | None, str | None]:
    server = serving.server
    if flags.get("model") not in (None, "true"):
        return flags.get("model"), "--model"
    if server is not None and server.takes_model and flags.positional is not None:
        return flags.positional, "positional"
    for name in ("model-tag", "model-id", "model-path", "model-dir"):
        if flags.get(name) not in (None, "true"):
            return flags.get(name), f"--{name}"
    return None, None


def _model_variable(serving: Running, notes: Notes) -> tuple[str | None, str | None]:
    """Return the model that a custom image is told by its environment."""
    image = serving.image
    own_image = image is not None and image.name.rsplit("/", 1)[-1].startswith("vllm-openai")
    if serving.sure == COMMAND or own_image:
        return None, None
    for name in MODEL_VARIABLES:
        value = serving.environment.values.get(name)
        if value:
            known = notes.known("model", value)
            if known is not None:
                notes.assume("model", f"environment variable {name}, which the image seems to read")
                return known, f"env {name}"
    return None, None


def _load(
    running: Sequence[Running], own: Mapping[str, Value], around: Surroundings, notes: Notes
) -> ParsedLoad | None:
    """Return the load: annotations first, then the commands of the same pod."""
    load = ParsedLoad(
        input_len=cast("int | None", own.get("load.input_len")),
        output_len=cast("int | None", own.get("load.output_len")),
        concurrency=cast("int | None", own.get("load.concurrency")),
        request_rate=cast("Number | None", own.get("load.request_rate")),
    )
    for one in running:
        for program, arguments in one.loads:
            load = merged(load, read_load(program, arguments, notes))
        if one.loads or (one.makes_load and not one.sure):
            load = merged(load, read_variables(one.environment.values, notes))
            load = merged(load, _configured(around, notes))
    return None if load.is_empty else load


def _configured(around: Surroundings, notes: Notes) -> ParsedLoad:
    """Return the load of an inference-perf configuration in a ConfigMap at hand."""
    for data in around.config_maps.values():
        for written in data.values():
            config = around.decoded(written) if "stages" in written else None
            if is_inference_perf(config):
                return read_inference_perf(config, notes)
    return ParsedLoad()


def _slo(running: Sequence[Running], own: Mapping[str, Value], notes: Notes) -> ParsedSlo | None:
    """Return the targets: annotations, else the environment, else flags of a planner or client."""
    tpot = cast("Number | None", own.get("slo.tpot_ms"))
    ttft = cast("Number | None", own.get("slo.ttft_ms"))
    for one in running:
        values = one.environment.values
        stated = [
            (
                values.get(f"{prefix}TPOT{suffix}"),
                values.get(f"{prefix}TTFT{suffix}"),
                "environment",
            )
            for prefix in ("", "SLO_", "TARGET_")
            for suffix in ("", "_MS")
        ]
        for line in one.commands:
            given = dict(options(line)) if len(line) < 500 else {}
            if one.server is None and "itl" in given:
                stated.append((given.get("itl"), given.get("ttft"), "planner flag"))
            goodput = read_goodput(line) if "--goodput" in line else None
            if goodput is not None:
                tpot = tpot if tpot is not None else goodput.tpot_ms
                ttft = ttft if ttft is not None else goodput.ttft_ms
        for written_tpot, written_ttft, whence in stated:
            tpot = tpot if tpot is not None else _target("slo.tpot_ms", written_tpot, whence, notes)
            ttft = ttft if ttft is not None else _target("slo.ttft_ms", written_ttft, whence, notes)
    if tpot is None and ttft is None:
        return None
    percentile = cast("float | None", own.get("slo_percentile"))
    return ParsedSlo(tpot_ms=tpot, ttft_ms=ttft, percentile=percentile)


def _target(name: str, written: str | None, whence: str, notes: Notes) -> Number | None:
    if written is None or not written.strip():
        return None
    known = notes.known(name, written.strip())
    if known is None:
        return None
    bare = known.removesuffix("ms").strip()
    digits = bare.replace(".", "", 1)
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        notes.refuse(name, f"{written!r}, from the {whence}, is not a number of milliseconds")
        return None
    value = float(bare)
    if value < _SMALLEST_MS:
        notes.refuse(
            name, f"{written!r}, from the {whence}, may be seconds: milliseconds are wanted"
        )
        return None
    notes.assume(name, f"{known}, from the {whence}, is taken as milliseconds")
    return int(value) if value == int(value) else value

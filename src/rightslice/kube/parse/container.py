"""One container: what it runs, whether that is a vLLM server, and the load that it makes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rightslice.kube.parse.decoded import text, word, words
from rightslice.kube.parse.environment import ConfigMaps, Environment, read_environment
from rightslice.kube.parse.flags import Flags, looks_like_vllm, read_flags
from rightslice.kube.parse.images import Image, read_image
from rightslice.kube.parse.places import Place
from rightslice.kube.parse.programs import (
    ServerCommand,
    is_client,
    load_command,
    server_command,
)
from rightslice.kube.parse.shell import commands
from rightslice.kube.parse.shell_words import SHELLS, basename, script_of

COMMAND, IMAGE, OPAQUE = 3, 2, 1
"""How sure it is that a container serves: its command says so; its image does; its image does,
and what it runs cannot be read."""
_PROBES: Final = ("ports", "livenessProbe", "readinessProbe", "startupProbe")
_STARTS: Final = re.compile(r"\.sh$|serv|start|entry|launch")
_WORKS_OFF: Final = re.compile(r"bench|batch|eval|test|offline|throughput|latency|download")
_MENDED: Final = "a line that begins with -- is read as part of the command above it"
_IDLES: Final = frozenset({"sleep", "tail", "true", "cat"})


@dataclass(frozen=True, kw_only=True)
class Running:
    """What one container runs, as far as its manifest says."""

    place: Place
    image: Image | None
    environment: Environment
    commands: tuple[tuple[str, ...], ...]
    server: ServerCommand | None = None
    sure: int = 0
    """0: no vLLM server; otherwise COMMAND, IMAGE or OPAQUE."""
    more_servers: int = 0
    """Servers that the same container starts beside the first."""
    flags: Flags = field(default_factory=Flags)

    @property
    def loads(self) -> list[tuple[str, list[str]]]:
        """The load generators that it starts, with their arguments."""
        found = [one for one in map(load_command, self.commands) if one is not None]
        if not found and not self.sure and self.makes_load:
            return [("", list(argv)) for argv in self.commands]
        return found

    @property
    def makes_load(self) -> bool:
        """Whether its image or its name says that it makes load."""
        name = self.place.name or ""
        return is_client(self.image.name if self.image is not None else "", name)


def read_running(
    place: Place, config_maps: ConfigMaps, scripts: Mapping[str, str], given: Mapping[str, str]
) -> Running:
    """Read the container at *place*; *scripts* are files at hand, by their name without folder."""
    environment = read_environment(place.container, config_maps, given)
    reference = _image(place.container)
    image = None if reference is None else read_image(environment.expand(reference))
    command = _expanded(place.container.get("command"), environment)
    arguments = _expanded(place.container.get("args"), environment)
    if script_of([*command, *arguments]) is None:
        command = _taken_apart(command, place.container.get("command"))
        arguments = _taken_apart(arguments, place.container.get("args"))
    lines, broken = _mended(_commands([*command, *arguments], environment, scripts))
    servers = [one for one in map(server_command, lines) if one is not None]
    running = Running(
        place=place, image=image, environment=environment, commands=tuple(map(tuple, lines))
    )
    if servers:
        flags = read_flags(servers[0].arguments)
        if "help" in flags.values or "-h" in servers[0].arguments:
            return running
        if broken:
            flags = replace(flags, notes=(*flags.notes, ("flags", _MENDED)))
        return _serving(running, servers[0], COMMAND, flags, len(servers) - 1)
    return _by_image(running, command, arguments)


def _serving(
    running: Running, server: ServerCommand | None, sure: int, flags: Flags, more: int = 0
) -> Running:
    return Running(
        place=running.place,
        image=running.image,
        environment=running.environment,
        commands=running.commands,
        server=server,
        sure=sure,
        more_servers=more,
        flags=flags,
    )


def _by_image(running: Running, command: Sequence[str], arguments: Sequence[str]) -> Running:
    """Judge a container whose command line names no vLLM server."""
    image = running.image
    makes_load = any(map(load_command, running.commands)) or running.makes_load
    if makes_load or (image is not None and image.is_another_program):
        return running
    own = image is not None and image.serves_vllm
    if not command:
        plain = arguments[1:] if arguments[:1] == ["serve"] else arguments
        flags = read_flags(plain)
        is_program = bool(plain) and basename(plain[0]) in SHELLS | {"python", "python3"}
        if is_program or not (own or looks_like_vllm(flags)):
            return running
        return _serving(running, _from_image(plain), IMAGE, flags)
    for line in running.commands:
        flags = read_flags(line[1:])
        if _is_start_script(line, own=own) and looks_like_vllm(flags):
            return _serving(running, _from_image([]), IMAGE, flags)
    idle = all(basename(line[0]) in _IDLES for line in running.commands if line)
    faces_clients = any(probe in running.place.container for probe in _PROBES)
    if own and faces_clients and not idle and _runs_a_file(running.commands):
        return _serving(running, None, OPAQUE, Flags())
    return running


def _is_start_script(line: Sequence[str], *, own: bool) -> bool:
    """Whether *line* starts a script that may well start vLLM, and no benchmark or batch."""
    program = next((one for one in line if not basename(one).startswith(("python", "-"))), "")
    name = basename(program)
    told = own or "vllm" in program
    return told and _STARTS.search(name) is not None and _WORKS_OFF.search(name) is None


def runs_another_program(running: Running) -> bool:
    """Whether *running* plainly is no vLLM server, whatever its controller usually starts."""
    image = running.image
    other_image = image is not None and image.is_another_program
    replaced = bool(running.place.container.get("command"))
    return other_image or (replaced and not (image is not None and image.serves_vllm))


def assumed_serving(running: Running) -> Running:
    """Return *running* as the server that its controller says it is; its arguments are flags."""
    plain = [one for line in running.commands[:1] for one in line]
    flags = [] if running.place.container.get("command") else plain
    return _serving(running, _from_image(flags), IMAGE, read_flags(flags))


def _from_image(arguments: Sequence[str]) -> ServerCommand:
    return ServerCommand(arguments=tuple(arguments), takes_model=True, said="the image")


def _runs_a_file(lines: Sequence[Sequence[str]]) -> bool:
    """Whether a command is a script that is not at hand."""
    return any(one.endswith((".sh", ".py")) or one.startswith("/") for line in lines
               for one in line[:3])  # fmt: skip


def _image(container: Mapping[str, object]) -> str | None:
    image = container.get("image")
    if isinstance(image, dict):  # registry, repository and tag apart, as operators write it
        parts = [text(image.get(key)) for key in ("registry", "repository", "name")]
        tag = word(image.get("tag"))
        named = "/".join(one for one in parts if one is not None)
        return f"{named}:{tag}" if named and tag else named or None
    return text(image)


def _expanded(value: object, environment: Environment) -> list[str]:
    return [environment.expand(one) for one in words(value)]


def _taken_apart(given: list[str], written: object) -> list[str]:
    """Return the words of a command that stands as one text where a list belongs."""
    if not isinstance(written, str) or len(given) != 1 or " " not in given[0]:
        return given
    return [one for line in commands(given[0], {})[:1] for one in line]


def _mended(lines: list[list[str]]) -> tuple[list[list[str]], bool]:
    """Join lines that begin with a flag to the server before them."""
    mended: list[list[str]] = []
    broken = False
    for line in lines:
        if line[0].startswith("--") and mended and server_command(mended[-1]) is not None:
            mended[-1] = [*mended[-1], *line]
            broken = True
        else:
            mended.append(line)
    return mended, broken


def _commands(
    argv: list[str], environment: Environment, scripts: Mapping[str, str]
) -> list[list[str]]:
    script = script_of(argv)
    if script is not None:
        lines = commands(script[0], environment.values, script[1])
    elif len(argv) == 1 and any(blank in argv[0] for blank in " \n"):
        lines = commands(argv[0], environment.values)
    else:
        lines = [argv] if argv else []
    if not scripts:
        return lines
    read: list[list[str]] = []
    for line in lines:
        read.append(line)
        for one in line[:6]:
            if basename(one) in scripts and not one.endswith((".py", ".yaml", ".yml", ".json")):
                read += commands(scripts[basename(one)], environment.values, line[1:])
    return read

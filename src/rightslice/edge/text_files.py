"""Text files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rightslice.errors import InputError, UnavailableError


def check_target(path: Path) -> None:
    """Refuse a *path* that no file can be written to, before anything else is written.

    Raises:
        InputError: when *path* is a folder.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, a file is wanted")


def write_text(path: Path, text: str) -> None:
    """Write *text* to a temporary file beside *path* and move it there.

    Raises:
        InputError: when *path* is a folder, or *text* has half characters (surrogates).
        UnavailableError: when the file system will not have it; nothing is left behind.
    """
    check_target(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except UnicodeEncodeError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: character {error.start} cannot be written as UTF-8") from None
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UnavailableError(f"{path}: {error.strerror}") from error

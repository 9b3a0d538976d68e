"""Files and folders under construction: nothing is visible before it is whole."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from layernext.errors import ConfigurationError, DataError, Problem


def safe_relative(name: str) -> Path:
    """A name from a file or a stack as a path below a folder.

    Raises:
        DataError: the path would lead out of the folder.
    """
    parts = name.replace("\\", "/").split("/")
    is_bad = any(part in {"", ".", ".."} or "\x00" in part or ":" in part for part in parts)
    if is_bad:
        raise DataError(Problem(name[:200], "is not a relative path to a file in a folder"))
    return Path(*parts)


@contextmanager
def atomic_target(target: Path, *, overwrite: bool, is_folder: bool) -> Iterator[Path]:
    """A temporary path for a file or folder, which takes its final name if the block succeeds.

    Raises:
        ConfigurationError: the target exists, and `overwrite` is not set.
    """
    if target.exists() and not overwrite:
        raise ConfigurationError(f"{target} exists already", hint="pass overwrite to replace it")
    target.parent.mkdir(parents=True, exist_ok=True)
    # The extension stays: it decides about compression.
    temporary = target.parent / f".layernext-{secrets.token_hex(8)}{target.suffix}"
    if is_folder:
        temporary.mkdir()
    try:
        yield temporary
        _bring_to_disk(temporary)
        old = target.parent / f".layernext-{secrets.token_hex(8)}.old"
        if target.exists():
            target.rename(old)
        temporary.rename(target)
        _remove(old)
        with suppress(OSError):
            _flush(target.parent)
    finally:
        _remove(temporary)


def _bring_to_disk(path: Path) -> None:
    """Flush all of a file or folder before it gets its name."""
    if path.is_dir():
        # One call for any number of small files; flushing them one by one takes milliseconds each.
        if hasattr(os, "sync"):
            os.sync()
    else:
        _flush(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_new(names: set[str], image: str) -> None:
    """Register an image in a format that can hold each name only once.

    Raises:
        DataError: the name came before.
    """
    if image in names:
        raise DataError(Problem(image, "comes twice, which this format cannot hold"))
    names.add(image)


def write_new(path: Path, content: bytes, image: str) -> None:
    """Write one file of a folder; `atomic_target` flushes all of them to the disk.

    Args:
        path: the file.
        content: its bytes.
        image: the image that the annotations belong to, for the error.

    Raises:
        DataError: the file exists: two images would become one in this format. Or the folder cannot
            hold such a name.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        message = (
            f"comes twice, or differs from another image only in its extension: "
            f"both would be {path.name}"
        )
        raise DataError(Problem(image, message)) from error
    except NotADirectoryError as error:
        raise DataError(Problem(image, "would be in a folder that is an image")) from error
    except OSError as error:
        if error.errno in {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}:
            raise DataError(Problem(image[:200], f"cannot be a file: {error.strerror}")) from error
        raise

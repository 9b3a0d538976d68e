"""Zip archives, as tools export datasets: unpacked into a temporary folder, within bounds.

Of images only the beginning is unpacked, which says how large they are.
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layernext.errors import DataError, FormatError, Problem
from layernext.formats.core.pixels import IMAGE_EXTENSIONS
from layernext.formats.core.targets import safe_relative

MAX_ENTRIES = 2_000_000
MAX_RATIO = 200
"""How many times its own size an archive may unpack to: annotations reach 30, bombs more than 1,000."""

FREE_BYTES = 256 << 20
"""What any archive may unpack to."""

IMAGE_BYTES = 1 << 20
"""Of an image; its size is at the beginning. A TIFF may have it at the end, and is unpacked whole."""

_PIECE_BYTES = 1 << 20
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_DATASET_ENTRIES = {
    "data.yaml", "obj.data", "classes.txt", "annotations", "images", "labels", "train", "valid", "val", "test",
    "jpegimages", "imagesets", "annotations.xml", "gt", "det",
}  # fmt: skip
"""What is at the top of a dataset, in lower case."""

_SKIPPED = ("__MACOSX", ".DS_Store", "Thumbs.db")
_ENCRYPTED = 0x1


def is_archive(path: Path) -> bool:
    """Whether a path is a zip archive, by its first bytes."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) in _MAGIC
    except OSError:
        return False  # the reader says why


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The path itself; or for a zip archive a temporary folder with its content.

    If all of the archive is in one folder that is called like it, or looks like a dataset, that is the folder.

    Raises:
        FormatError: the archive is broken or encrypted, unpacks to too much, or has paths that lead out of it.
    """
    if not is_archive(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="layernext-") as temporary:
        root = Path(temporary).resolve()
        try:
            _unpack(path, root)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            message = f"is a zip archive that cannot be read: {error}"
            raise FormatError(Problem(str(path), message)) from error
        except (RuntimeError, ValueError, OSError) as error:
            if isinstance(error, DataError):
                raise
            reason = getattr(error, "strerror", None) or "its content is not as it says"
            message = f"is a zip archive that cannot be unpacked: {reason}"
            raise FormatError(Problem(str(path), message)) from error
        yield _dataset_in(root, path.stem)


def _dataset_in(root: Path, name: str) -> Path:
    entries = list(root.iterdir())
    if len(entries) != 1 or not entries[0].is_dir():
        return root
    folder = entries[0]
    inner = {path.name.lower() for path in folder.iterdir()}
    is_dataset = folder.name.lower() == name.lower() or bool(inner & _DATASET_ENTRIES)
    return folder if is_dataset and folder.name.lower() not in _DATASET_ENTRIES else root


def _unpack(path: Path, root: Path) -> None:
    remaining = path.stat().st_size * MAX_RATIO + FREE_BYTES
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_ENTRIES:
            message = f"has {len(entries):,} files; at most {MAX_ENTRIES:,} are unpacked"
            raise FormatError(Problem(str(path), message))
        for entry in entries:
            if entry.is_dir() or any(part in _SKIPPED for part in entry.filename.split("/")):
                continue
            if entry.flag_bits & _ENCRYPTED:
                message = f"is encrypted: {entry.filename[:200]}; unpack it first"
                raise FormatError(Problem(str(path), message))
            target = root / _inner(entry.filename, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            extension = target.suffix.lower()
            is_image = extension in IMAGE_EXTENSIONS and extension not in {".tif", ".tiff"}
            limit = min(remaining, IMAGE_BYTES) if is_image else remaining
            size = _copy(archive, entry, target, limit)
            if size > limit and not is_image:
                message = f"unpacks to more than {MAX_RATIO} times its size"
                raise FormatError(Problem(str(path), message), hint="unpack it yourself")
            remaining -= min(size, limit)


def _inner(name: str, path: Path) -> Path:
    try:
        return safe_relative(name.removeprefix("./"))
    except DataError as error:
        message = f"has the path {name[:200]!r}, which leads out of it"
        raise FormatError(Problem(str(path), message)) from error


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, limit: int) -> int:
    """Unpack one file up to a limit; more than the limit if there is more."""
    count = 0
    with archive.open(entry) as source, target.open("wb") as file:
        while piece := source.read(_PIECE_BYTES):
            count += len(piece)
            if count > limit:
                file.write(piece[: max(0, len(piece) - (count - limit))])
                return count
            file.write(piece)
    return count

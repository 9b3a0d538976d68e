"""Which files an upload sends: looked for, named and checked before the first request.

A folder gives every file in it and below it, named by its path from there; hidden ones and those that
are not of the collection's kind are left out and reported. Files that the caller named must fit.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from layernext.client.files.content import EXTENSIONS, KNOWN, ContentType, fits
from layernext.client.files.reports import IgnoredFile
from layernext.errors import DataError, Problem
from layernext.model import counted, find_names_problem, media_type_of

FileSource: TypeAlias = "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]"
"""A folder, a file, or files."""

PROBLEM_LIMIT = 100
"""Files that are named in an error."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to upload.

    Attributes:
        path: where it is.
        name: what it will be called in the collection.
        size: bytes.
        mtime_ns: when it was last changed; a later change shows by it.
        media_type: by its bytes.
    """

    path: Path
    name: str
    size: int
    mtime_ns: int
    media_type: str


@dataclass
class FileSelection:
    """What there is to upload.

    Attributes:
        files: in the order of their paths.
        ignored: what a folder has beside them.
        is_single: whether the caller named one file.
    """

    files: list[LocalFile] = field(default_factory=list)
    ignored: list[IgnoredFile] = field(default_factory=list)
    is_single: bool = False


def find_files(
    source: FileSource, content_type: ContentType, patterns: Sequence[str] | None
) -> FileSelection:
    """Look for the files of an upload.

    Args:
        source: a folder, a file, or files; a file is called by the last part of its path.
        content_type: what they must be.
        patterns: of a folder, only files whose path from there, or name, matches one of these
            (``*.png``, ``left/*``).

    Raises:
        DataError: there is no such file, a file is not of this type, two have the same name, or
            none is left; every file that is wrong is named.
    """
    selection = FileSelection()
    problems: list[Problem] = []
    names: dict[str, Path] = {}
    for path, name, is_named in _candidates(source, patterns, selection):
        if len(problems) >= PROBLEM_LIMIT:
            break
        try:
            file = _look(path, name)
        except OSError as error:
            problems.append(Problem(str(path), f"cannot be read: {error.strerror or error}"))
            continue
        problem = _problem(file, content_type, names)
        if problem is None and not fits(file.media_type, content_type):
            article = "an" if content_type == "image" else "a"
            problem = f"is not {article} {content_type}: its bytes are not {KNOWN[content_type]}"
            if not is_named and path.suffix.lower() not in EXTENSIONS[content_type]:
                selection.ignored.append(IgnoredFile(path=str(path), reason=f"no {content_type}"))
                continue
        if problem is not None:
            problems.append(Problem(str(path), problem))
            continue
        names[name] = path
        selection.files.append(file)
    if problems:
        raise DataError(problems, more=len(problems) >= PROBLEM_LIMIT)
    if not selection.files:
        what = "file" if content_type == "other" else content_type
        where = str(source) if isinstance(source, str | os.PathLike) else "path"
        left = f"; {counted(len(selection.ignored), 'file')} left out" if selection.ignored else ""
        raise DataError(Problem(where, f"there is no {what} to upload{left}"))
    return selection


def _candidates(
    source: FileSource, patterns: Sequence[str] | None, selection: FileSelection
) -> Iterator[tuple[Path, str, bool]]:
    """Path and name of each file, and whether the caller named it."""
    if not isinstance(source, str | os.PathLike):
        for entry in source:
            yield Path(entry), Path(entry).name, True
        return
    path = Path(source)
    if path.is_dir():
        yield from _below(path, patterns, selection)
        return
    selection.is_single = True
    yield path, path.name, True


def _below(
    folder: Path, patterns: Sequence[str] | None, selection: FileSelection
) -> Iterator[tuple[Path, str, bool]]:
    def fail(error: OSError) -> None:
        raise DataError(Problem(str(error.filename), f"cannot be read: {error.strerror}"))

    for root, folders, files in os.walk(folder, onerror=fail):
        folder_path = Path(root)
        visible = []
        for name in sorted(folders):
            is_link = (folder_path / name).is_symlink()
            if name.startswith(".") or is_link:
                reason = "a link to a folder" if is_link else "hidden"
                selection.ignored.append(IgnoredFile(path=str(folder_path / name), reason=reason))
            else:
                visible.append(name)
        folders[:] = visible
        for name in sorted(files):
            path = folder_path / name
            relative = path.relative_to(folder).as_posix()
            if name.startswith("."):
                selection.ignored.append(IgnoredFile(path=str(path), reason="hidden"))
            elif patterns is not None and not _matches(relative, name, patterns):
                selection.ignored.append(IgnoredFile(path=str(path), reason="matches no pattern"))
            else:
                yield path, relative, False


def _matches(relative: str, name: str, patterns: Sequence[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(relative, pattern)
        for pattern in patterns
    )


def _look(path: Path, name: str) -> LocalFile:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        # Reading from a pipe or a device might wait for ever.
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise OSError(f"it is {kind}")
    return LocalFile(path, name, status.st_size, status.st_mtime_ns, media_type_of(path))


def _problem(file: LocalFile, content_type: ContentType, names: dict[str, Path]) -> str | None:
    if file.name in names:
        return f"has the same name as {names[file.name]}"
    try:
        file.name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if file.size == 0 and content_type != "other":
        return "is empty"
    return find_names_problem(file.name, "a file")

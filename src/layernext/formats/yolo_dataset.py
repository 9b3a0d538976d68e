"""Where the images and labels of a YOLO dataset are: by its YAML, by darknet's ``obj.data``, or by convention.

The labels of an image are found as Ultralytics finds them: the last folder ``images`` of its path becomes ``labels``, or
else the file is beside the image. An image without a label file is an image with nothing in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from layernext.errors import FormatError, Problem
from layernext.formats.core.pixels import IMAGE_EXTENSIONS
from layernext.formats.yolo_lines import Labels, iter_lines

MAX_NAMES_BYTES = 1 << 20
"""The limit of a data.yaml: YAML takes several hundred times that in memory."""

SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
"""The split of each folder, and of each key of the YAML."""

NAME_FILES = ("classes.txt", "obj.names", "labels.txt")
"""Lists of class names, a name in each line, where no YAML or ``obj.data`` names them."""

_DARKNET_FOLDER = "data"
"""What CVAT writes before the paths in ``obj.data`` and in its lists, and does not have as a folder."""


class Dataset(Struct, frozen=True, kw_only=True):
    """A dataset on disk.

    Attributes:
        root: the folder that paths are relative to.
        labels: what its lines refer to.
        sources: each split's folder of images, or list of images.
    """

    root: Path
    labels: Labels
    sources: list[tuple[str | None, Path]]


class Entry(Struct, frozen=True, kw_only=True):
    """An image of a dataset.

    Attributes:
        stem: its path below the folder of its split, without extension.
        labels: its label file; may not exist.
        image: the image; None if only the labels exist.
        split: its split; None if there are no splits.
    """

    stem: str
    labels: Path
    image: Path | None
    split: str | None


def find_description(path: Path) -> Path | None:
    """The YAML or ``obj.data`` that describes a dataset; None if there is none.

    Raises:
        FormatError: there are several, and none is called data.yaml.
    """
    if path.is_file():
        return path
    if (path / "data.yaml").is_file():
        return path / "data.yaml"
    candidates = [*sorted(path.glob("*.yaml")), *sorted(path.glob("*.yml"))]
    candidates = [candidate for candidate in candidates if has_names(candidate)]
    if len(candidates) > 1:
        names = ", ".join(candidate.name for candidate in candidates)
        raise FormatError(Problem(str(path), f"has several datasets: {names}; pass one of them"))
    return next(iter([*candidates, *sorted(path.glob("*.data"))]), None)


def has_names(path: Path) -> bool:
    """Whether a YAML file seems to have class names; decides without parsing it."""
    try:
        with path.open("rb") as file:
            head = file.read(MAX_NAMES_BYTES)
    except OSError:
        return False
    return head.startswith(b"names:") or b"\nnames:" in head


def open_dataset(path: Path) -> Dataset:
    """The dataset of a folder, a YAML file or an ``obj.data``.

    Raises:
        FormatError: it does not name its classes, or its description is not valid.
    """
    description = find_description(path)
    if description is None:
        return _by_convention(path)
    if description.suffix.lower() == ".data":
        return _by_darknet(description)
    return _by_yaml(description)


def _by_convention(root: Path) -> Dataset:
    for folder in (root, root / "labels", root.parent):
        for name in NAME_FILES:
            if (folder / name).is_file():
                labels = Labels(names=_listed_names(folder / name), source=name)
                return Dataset(root=root, labels=labels, sources=[])
    message = "has no class names: add a data.yaml, or a classes.txt with a name in each line"
    raise FormatError(Problem(str(root), message))


def _listed_names(path: Path) -> dict[int, str]:
    names = [line.strip() for _, line in iter_lines(path)]
    return {number: name for number, name in enumerate(names) if name}


def _by_darknet(path: Path) -> Dataset:
    fields: dict[str, str] = {}
    for _, line in iter_lines(path):
        key, is_assigned, value = line.partition("=")
        if is_assigned:
            fields[key.strip()] = value.strip()
    names = _resolve(path.parent, fields.get("names", "obj.names"))
    if names is None:
        raise FormatError(Problem(str(path), "names no file with the names of its classes"))
    sources: list[tuple[str | None, Path]] = [
        (SPLITS[key], source)
        for key in SPLITS
        if key in fields and (source := _resolve(path.parent, fields[key])) is not None
    ]
    labels = Labels(names=_listed_names(names), source=names.name)
    return Dataset(root=path.parent, labels=labels, sources=sources)


def _by_yaml(path: Path) -> Dataset:
    content = read_yaml(path)
    labels = Labels(
        names=read_names(content, path), source=path.name, keypoints=_keypoints(content)
    )
    root = path.parent
    declared = content.get("path")
    if isinstance(declared, str) and declared and "\x00" not in declared:
        folder = root / declared
        # A YAML that was moved names a folder that is not its own any more.
        if folder.is_dir() and folder.resolve() != Path(folder.resolve().anchor):
            root = Path(os.path.normpath(folder))
    sources: list[tuple[str | None, Path]] = []
    for key, split in SPLITS.items():
        values = content.get(key)
        for value in values if isinstance(values, list) else [values]:
            source = _resolve(root, value) if isinstance(value, str) and value else None
            if source is not None:
                sources.append((SPLITS.get(source.name, split), source))
    return Dataset(root=root, labels=labels, sources=sources)


def _resolve(root: Path, text: str) -> Path | None:
    """A path of a description, below the root; None if neither it nor its labels exist.

    As Ultralytics does for Roboflow's exports, a leading ``../`` is dropped if there is nothing above.
    """
    if "\x00" in text or len(text) > 4096:  # noqa: PLR2004 - longer than any path
        return None
    variants = [text, text.removeprefix("../"), text.removeprefix(f"{_DARKNET_FOLDER}/")]
    for variant in variants:
        path = Path(root, variant)
        try:
            path.resolve().relative_to(root.resolve())
            if path.exists() or _labels_of(path).exists():
                return path
        except (ValueError, OSError, RuntimeError):
            continue  # elsewhere, or not a path
    return None


def _labels_of(path: Path) -> Path:
    """The same path with the last folder ``images`` replaced by ``labels``."""
    parts = list(path.parts)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            return Path(*parts)
    return path


def _keypoints(content: dict[str, Any]) -> tuple[int, int] | None:
    shape = content.get("kpt_shape")
    is_shape = (
        isinstance(shape, list)
        and len(shape) == 2  # noqa: PLR2004 - how many, and numbers each
        and all(type(number) is int and number > 0 for number in shape)
    )
    return (shape[0], shape[1]) if is_shape and isinstance(shape, list) else None


def iter_entries(dataset: Dataset) -> Iterator[Entry]:
    """Every image of a dataset once, and every label file without an image; by split and name.

    Raises:
        FormatError: there are no labels at all.
    """
    seen: set[Path] = set()
    for split, source in dataset.sources:
        entries = (
            _in_list(dataset.root, source, split)
            if source.suffix.lower() == ".txt"
            else _in_folder(source, split)
        )
        for entry in entries:
            if entry.labels not in seen:
                seen.add(entry.labels)
                yield entry
    # What no split names is read as well: nothing is dropped in silence.
    images, labels = dataset.root / "images", dataset.root / "labels"
    if not dataset.sources and not labels.is_dir() and not images.is_dir():
        message = "is missing: labels are in a folder of that name, or beside the images of a list"
        raise FormatError(Problem(str(labels), message))
    for entry in _in_folder(images, None):
        if entry.labels in seen or (dataset.sources and not entry.labels.is_file()):
            continue
        inner = Path(entry.stem)
        split = SPLITS.get(inner.parts[0]) if len(inner.parts) > 1 else None
        stem = Path(*inner.parts[1:]).as_posix() if split else entry.stem
        yield Entry(stem=stem, labels=entry.labels, image=entry.image, split=split)


def _in_folder(folder: Path, split: str | None) -> Iterator[Entry]:
    """The images below a folder, and the label files without an image; by name."""
    labels = _labels_of(folder)
    images = {
        _stem(path, folder): path
        for path in (sorted(folder.rglob("*")) if folder.is_dir() else [])
        if path.suffix.lower() in IMAGE_EXTENSIONS
    }
    stems = dict.fromkeys(images)
    if labels != folder and labels.is_dir():
        files = [path for path in labels.rglob("*.txt") if path.name not in NAME_FILES]
        stems |= dict.fromkeys(_stem(path, labels) for path in files)
    for stem in sorted(stems):
        yield Entry(stem=stem, labels=labels / f"{stem}.txt", image=images.get(stem), split=split)


def _stem(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _in_list(root: Path, path: Path, split: str | None) -> Iterator[Entry]:
    """The images that a list names, a path in each line; in the order of the list.

    Raises:
        FormatError: there is no such image, and it has no labels.
    """
    for number, line in iter_lines(path):
        text = line.strip()
        if not text:
            continue
        image = _resolve(root, text)
        if image is None:
            message = f"names the image {text[:100]!r}, which does not exist"
            raise FormatError(Problem(f"{path}:{number}", message))
        labels = _labels_of(image).with_suffix(".txt")
        inner = image.relative_to(root).with_suffix("")
        parts = inner.parts[1:] if len(inner.parts) > 1 else inner.parts
        yield Entry(stem=Path(*parts).as_posix(), labels=labels, image=image, split=split)


def read_yaml(path: Path) -> dict[str, Any]:
    """The content of a data.yaml.

    Raises:
        FormatError: it cannot be read, or is not a YAML mapping.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_NAMES_BYTES + 1)
    except OSError as error:
        raise FormatError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    if len(raw) > MAX_NAMES_BYTES:
        raise FormatError(Problem(str(path), f"is larger than {MAX_NAMES_BYTES:,} bytes"))
    try:
        content: Any = yaml.safe_load(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FormatError(Problem(str(path), f"cannot be read as UTF-8: {error}")) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise FormatError(Problem(str(path), f"is not YAML: {error}")) from error
    return content if isinstance(content, dict) else {}


def read_names(content: dict[str, Any], path: Path) -> dict[int, str]:
    """The class names of a data.yaml: its ``names``, as a list or by number.

    Raises:
        FormatError: they are missing or not valid.
    """
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        raise FormatError(Problem(str(path), "has no class names below `names`"))
    names_by_number: dict[int, str] = {}
    for number, name in names.items():
        where = f"{path}: names.{number}"
        if type(number) is not int or isinstance(name, dict | list) or name in {None, ""}:
            raise FormatError(Problem(where, "must be a number and a name"))
        names_by_number[number] = str(name)
    return names_by_number

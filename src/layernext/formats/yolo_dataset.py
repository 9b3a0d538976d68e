"""Where the images and labels of a YOLO dataset are: by its YAML, by darknet's ``obj.data``, or by convention.

The labels of an image are found as Ultralytics finds them: the last folder ``images`` of its path becomes ``labels``, or
else the file is beside the image. An image without a label file is an image with nothing in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from layernext.errors import FormatError, Problem
from layernext.formats.core.compression import read_text
from layernext.formats.core.losses import Losses
from layernext.formats.core.pixels import IMAGE_EXTENSIONS
from layernext.formats.yolo_lines import Labels, iter_lines
from layernext.formats.yolo_skeletons import read_skeletons
from layernext.model import Skeleton

MAX_NAMES_BYTES = 1 << 20
"""The limit of a data.yaml: YAML takes several hundred times that in memory."""

SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
"""The split of each folder, and of each key of the YAML."""

NAME_FILES = ("classes.txt", "obj.names", "labels.txt")
"""Lists of class names, a name in each line, where no YAML or ``obj.data`` names them."""

MAX_CLASSES = 1_000_000
_NUMBER = re.compile(r"[0-9]{1,9}")

LIST_FILES = ("train.txt", "val.txt", "valid.txt", "test.txt", "trainval.txt")
"""Lists of images, which are not label files."""

_DARKNET_FOLDER = "data"
"""What CVAT writes before the paths in ``obj.data`` and in its lists, and does not have as a folder."""


class Dataset(Struct, frozen=True, kw_only=True):
    """A dataset on disk.

    Attributes:
        root: the folder that paths are relative to.
        labels: what its lines refer to.
        sources: each split's folder of images, or list of images.
        content: of the YAML that describes it; empty if there is none.
        path: of the YAML.
    """

    root: Path
    labels: Labels
    sources: list[tuple[str | None, Path]]
    content: dict[str, Any] = {}
    path: str = ""

    def skeletons(self, losses: Losses) -> dict[str, Skeleton]:
        """What the keypoints of its classes are, by name."""
        if self.labels.keypoints is None:
            return {}
        count = self.labels.keypoints[0]
        return read_skeletons(self.content, self.labels.names, count, self.path, losses)


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


def has_task(path: Path, task: str) -> bool:
    """Whether a YAML file seems to name a task, such as ``obb``; decides without parsing it."""
    try:
        with path.open("rb") as file:
            head = file.read(MAX_NAMES_BYTES)
    except OSError:
        return False
    return (
        re.search(rb"^task:[ \t]*['\"]?" + task.encode() + rb"\b", head, re.MULTILINE) is not None
    )


def open_dataset(path: Path, names: list[str] | None = None) -> Dataset:
    """The dataset of a folder, a YAML file or an ``obj.data``.

    Args:
        path: the folder or file.
        names: class names in the order of their numbers, in place of those of the dataset.

    Raises:
        FormatError: it does not name its classes, or its description is not valid.
    """
    labels = None if names is None else Labels(names=dict(enumerate(names)), source="--names")
    description = find_description(path)
    if description is None:
        return _by_convention(path, labels)
    if description.suffix.lower() == ".data":
        return _by_darknet(description, labels)
    return _by_yaml(description, labels)


def _by_convention(root: Path, labels: Labels | None) -> Dataset:
    if labels is not None:
        return Dataset(root=root, labels=labels, sources=[])
    for folder in (root, root / "labels", root.parent):
        for name in NAME_FILES:
            if (folder / name).is_file():
                labels = Labels(names=_listed_names(folder / name), source=name)
                return Dataset(root=root, labels=labels, sources=[])
    message = "has no class names: add a data.yaml, or a classes.txt with a name in each line"
    raise FormatError(Problem(str(root), message), hint="or name the classes with --names")


def _listed_names(path: Path) -> dict[int, str]:
    names = [line.strip() for line in read_text(path).splitlines()]
    return {number: name for number, name in enumerate(names) if name}


def _by_darknet(path: Path, labels: Labels | None) -> Dataset:
    fields: dict[str, str] = {}
    for _, line in iter_lines(path):
        key, is_assigned, value = line.partition("=")
        if is_assigned:
            fields[key.strip()] = value.strip()
    if labels is None:
        names = _resolve(path.parent, fields.get("names", "obj.names"))
        if names is None or not names.is_file():
            message = "names no file with the names of its classes"
            raise FormatError(Problem(str(path), message), hint="or name them with --names")
        labels = Labels(names=_listed_names(names), source=names.name)
    sources: list[tuple[str | None, Path]] = [
        (SPLITS[key], source)
        for key in SPLITS
        if key in fields and (source := _resolve(path.parent, fields[key])) is not None
    ]
    return Dataset(root=path.parent, labels=labels, sources=sources)


def _by_yaml(path: Path, labels: Labels | None) -> Dataset:
    content = read_yaml(path)
    labels = Labels(
        names=read_names(content, path) if labels is None else labels.names,
        source=path.name if labels is None else labels.source,
        keypoints=_keypoints(content),
    )
    root = _root_of(path.parent, content.get("path"))
    sources: list[tuple[str | None, Path]] = []
    for key, split in SPLITS.items():
        values = content.get(key)
        for value in values if isinstance(values, list) else [values]:
            source = _resolve(root, value) if isinstance(value, str) and value else None
            if source is not None:
                sources.append((SPLITS.get(source.name, split), source))
    return Dataset(root=root, labels=labels, sources=sources, content=content, path=str(path))


def _root_of(folder: Path, declared: Any) -> Path:
    """The folder of a dataset: what its YAML declares, relative to the YAML or in a folder of datasets.

    A YAML that was moved names a folder that is not its own any more: then its own counts.
    """
    if not isinstance(declared, str) or not declared or "\x00" in declared:
        return folder
    name = Path(declared).name
    for candidate in (folder / declared, folder / "datasets" / declared, folder / name):
        with suppress(OSError, RuntimeError, ValueError):  # too long, or a circle of links
            root = candidate.resolve()
            if root.is_dir() and root != Path(root.anchor):
                return Path(os.path.normpath(candidate))
    return folder


def _resolve(root: Path, text: str) -> Path | None:
    """A path of a description, below the root; None if neither it nor its labels exist.

    As Ultralytics does for Roboflow's exports, a leading ``../`` is dropped if there is nothing above. Of a path on
    another machine the end counts, from the folder on that exists.
    """
    if "\x00" in text or len(text) > 4096:  # noqa: PLR2004 - longer than any path
        return None
    text = text.replace("\\", "/")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    variants = [text, text.removeprefix("../"), text.removeprefix(f"{_DARKNET_FOLDER}/")]
    variants += ["/".join(parts[start:]) for start in range(1, min(len(parts) - 1, 20))]
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
    # What no split names is read as well: nothing is dropped silently.
    images, labels = dataset.root / "images", dataset.root / "labels"
    if not dataset.sources and not labels.is_dir() and not images.is_dir():
        yield from _in_bare_folder(dataset.root)
        return
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


def _in_bare_folder(folder: Path) -> Iterator[Entry]:
    """The images of a folder with the label files beside them, as labelImg has it; or label files alone.

    Raises:
        FormatError: there are none.
    """
    stems: dict[str, Path | None] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_EXTENSIONS:
            stems[_stem(path, folder)] = path
    for path in folder.rglob("*.txt"):
        if path.name not in (*NAME_FILES, *LIST_FILES) and not path.name.startswith("README"):
            stems.setdefault(_stem(path, folder), None)
    if not stems:
        message = "has no labels: they are in a folder of that name, or beside the images"
        raise FormatError(Problem(str(folder), message))
    for stem, image in sorted(stems.items()):
        yield Entry(stem=stem, labels=folder / f"{stem}.txt", image=image, split=None)


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
        if len(parts) > 1 and inner.parts[0] == "images" and parts[0] in SPLITS:
            parts = parts[1:]
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
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")  # as Windows writes names
    try:
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise FormatError(Problem(str(path), f"is not YAML: {error}")) from error
    return content if isinstance(content, dict) else {}


def read_names(content: dict[str, Any], path: Path) -> dict[int, str]:
    """The class names of a data.yaml: its ``names``, as a list or by number.

    Raises:
        FormatError: they are missing or not valid.
    """
    names = content.get("names")
    if names is None and type(content.get("nc")) is int and 0 < content["nc"] <= MAX_CLASSES:
        names = [f"class_{number}" for number in range(content["nc"])]  # as Ultralytics calls them
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        message = "has no class names below `names`"
        raise FormatError(Problem(str(path), message), hint="or name them with --names")
    names_by_number: dict[int, str] = {}
    for key, name in names.items():
        where = f"{path}: names.{str(key)[:50]}"
        number = int(key) if isinstance(key, str) and _NUMBER.fullmatch(key) else key
        if type(number) is not int or isinstance(name, dict | list) or name in {None, ""}:
            raise FormatError(Problem(where, "must be a number and a name"))
        names_by_number[number] = str(name)
    return names_by_number

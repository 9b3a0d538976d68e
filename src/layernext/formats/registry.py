"""The one list of formats: those of this package, and those that other packages add.

A package adds a format by an entry point in the group ``layernext.formats``, whose name is the format's and whose object
is a `Format`. Entry points are imported only when a format is looked up that is not built in, or detected. One that
cannot be used is left out and named in a warning; the other formats work on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from layernext.errors import ConfigurationError, FormatError, Problem
from layernext.formats.core.archive import unpacked
from layernext.formats.core.format import Certainty, Detection, Format
from layernext.formats.core.pixels import IMAGE_EXTENSIONS
from layernext.formats.core.probe import FOLDER_ENTRIES, Probe

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "layernext.formats"

INSPECTED_FILES = 200
"""Files of a folder that are inspected if the folder itself is not recognized."""

_TEXT_EXTENSIONS = {".json", ".jsonl", ".csv", ".xml", ".txt", ".gz", ".zst"}

_HOMES = {
    "layernext": "layernext_v2.FORMAT",
    "layernext-v1": "layernext_v1.FORMAT",
    "coco": "coco.FORMAT",
    "coco-results": "coco_results.FORMAT",
    "coco-panoptic": "coco_panoptic_writer.FORMAT",
    "yolo": "yolo.FORMAT",
    "yolo-segmentation": "yolo_segmentation.FORMAT",
    "yolo-obb": "yolo_obb.FORMAT",
    "yolo-pose": "yolo_pose.FORMAT",
    "voc": "voc.FORMAT",
    "labelme": "labelme.FORMAT",
    "cvat": "cvat.FORMAT",
    "cvat-video": "cvat_video_writer.FORMAT",
    "label-studio": "label_studio.FORMAT",
    "csv": "csv_table.FORMAT",
    "parquet": "parquet_table.FORMAT",
    "masks": "masks.FORMAT",
    "culane": "culane.FORMAT",
    "tusimple": "tusimple.FORMAT",
    "openlane": "openlane.FORMAT",
    "datumaro": "datumaro.FORMAT",
    "via": "via.FORMAT",
    "createml": "createml.FORMAT",
    "open-images": "open_images.FORMAT",
    "open-images-labels": "open_images_labels.FORMAT",
    "dota": "text_boxes.DOTA",
    "kitti": "text_boxes.KITTI",
    "mot": "mot.FORMAT",
    "classification": "classification.FORMAT",
}
"""Where each built-in format is defined. Its module is imported when the format is used: most programs use few."""


class BuiltInFormats(Mapping[str, Format]):
    """The built-in formats by name, each imported when it is looked up."""

    def __getitem__(self, name: str) -> Format:
        module, _, constant = _HOMES[name].partition(".")
        entry: Format = getattr(import_module(f"layernext.formats.{module}"), constant)
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)

    def __contains__(self, name: object) -> bool:
        return name in _HOMES


FORMATS: Mapping[str, Format] = BuiltInFormats()
"""The built-in formats by name."""

REFUSED = {
    "tfrecord": "TFRecord is not written, as that would need TensorFlow; write coco or parquet, which "
    "TensorFlow's own tools convert",
}

logger = logging.getLogger("layernext.formats")


class Registry:
    """The built-in formats and those of plug-ins.

    Attributes:
        problems: the plug-ins that cannot be used, by name: one sentence each.
    """

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self._plug_ins: dict[str, Format] = {}
        self._entry_points: dict[str, EntryPoint] | None = None
        self._lock = RLock()  # a plug-in may look up formats while it is imported

    def get(self, name: str) -> Format:
        """The format of this name.

        Raises:
            ConfigurationError: there is none.
        """
        if name in FORMATS:
            return FORMATS[name]
        if name in REFUSED:
            raise ConfigurationError(REFUSED[name])
        with self._lock:
            waiting = self._list_entry_points()
            if name in waiting:
                self._load(waiting.pop(name))
            names = [*FORMATS, *self._plug_ins, *waiting]
        if name in self._plug_ins:
            return self._plug_ins[name]
        raise ConfigurationError(
            f"there is no format {name!r}; there are {', '.join(names)}",
            hint=self.problems.get(name),
        )

    def list_all(self) -> list[Format]:
        """Every format that can be used: the built-in ones first, then plug-ins by name."""
        with self._lock:
            waiting = self._list_entry_points()
            while waiting:
                self._load(waiting.pop(next(iter(waiting))))
            return [*FORMATS.values(), *self._plug_ins.values()]

    def _list_entry_points(self) -> dict[str, EntryPoint]:
        """The entry points that were not loaded yet, by name."""
        if self._entry_points is None:
            from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and rarely needed

            self._entry_points = {}
            for point in sorted(
                entry_points(group=GROUP), key=lambda point: (point.name, _source(point))
            ):
                if point.name in FORMATS:
                    self._report(point, "a built-in format has this name")
                elif point.name in self._entry_points:
                    other = _source(self._entry_points[point.name])
                    self._report(point, f"{other} has a format of this name, too")
                else:
                    self._entry_points[point.name] = point
        return self._entry_points

    def _load(self, point: EntryPoint) -> None:
        try:
            plug_in = point.load()
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything when imported
            self._report(point, f"it cannot be imported: {_sentence(error)}")
            return
        if not isinstance(plug_in, Format):
            self._report(point, f"{point.value} is a {type(plug_in).__name__}, must be a Format")
        elif plug_in.name != point.name:
            self._report(point, f"its Format is named {plug_in.name!r}")
        elif plug_in.read is None and plug_in.write is None:
            self._report(point, "it neither reads nor writes")
        else:
            self._plug_ins[point.name] = plug_in

    def _report(self, point: EntryPoint, reason: str) -> None:
        sentence = f"the format plug-in {point.name!r} of {_source(point)} is ignored: {reason}"
        self.problems.setdefault(point.name, sentence)
        logger.warning("%s", sentence)

    def detect(self, path: Path) -> Format:
        """The format that a file or folder is in.

        Raises:
            FormatError: no format recognizes it, or several are equally certain.
        """
        with unpacked(path) as unpacked_path:
            return self._detect(unpacked_path, path)

    def _detect(self, unpacked_path: Path, path: Path) -> Format:
        probe = Probe(unpacked_path)
        ours = FORMATS["layernext"]
        detection = None if probe.is_folder or ours.detect is None else ours.detect(probe)
        if detection is not None and detection.certainty == Certainty.CERTAIN:
            return ours  # the most frequent one, without importing all others
        detections = self.list_detections(probe)
        best = max((detection.certainty for _, detection in detections), default=0)
        if probe.is_folder and best < Certainty.LIKELY:
            inner = self._detect_files(probe)
            if inner is not None:
                return inner
        if not detections:
            if probe.is_empty:
                kind = "folder" if probe.is_folder else "file"
                raise FormatError(Problem(str(path), f"the {kind} is empty"))
            names = ", ".join(
                entry.name for entry in self.list_all() if entry.read and entry.detect
            )
            raise FormatError(
                Problem(str(path), f"unsupported format; the supported ones are {names}")
            )
        candidates = [pair for pair in detections if pair[1].certainty == best]
        if len(candidates) > 1:
            reasons = " or ".join(
                f"{entry.name} (it {detection.reason})" for entry, detection in candidates
            )
            raise FormatError(
                Problem(str(path), f"could be {reasons}"),
                hint="name the format, on the command line with --from",
            )
        return candidates[0][0]

    def _detect_files(self, probe: Probe) -> Format | None:
        """The format of the files in a folder, if that is a format of single files; None if none is certain."""
        further = (
            path for path in probe.path.rglob("*") if path.suffix.lower() in _TEXT_EXTENSIONS
        )
        paths = [*sorted(probe.first_files.values()), *sorted(islice(further, INSPECTED_FILES))]
        for path in dict.fromkeys(paths):
            detections: list[tuple[Format, Detection]] = []
            with suppress(FormatError):  # a file that cannot be read is not what the user named
                detections = self.list_detections(Probe(path))
            certain = [
                entry
                for entry, detection in detections
                if detection.certainty == Certainty.CERTAIN and not entry.is_folder
            ]
            if len(certain) == 1:
                return certain[0]
        return None

    def list_detections(self, probe: Probe) -> list[tuple[Format, Detection]]:
        """Each format that a file or folder may be in, with its certainty and reason.

        Raises:
            FormatError: the file is missing or cannot be read.
        """
        if not probe.is_folder:
            _ = probe.head  # what is not there is not a fault of a format
        pairs = []
        for candidate in self.list_all():
            if candidate.read is None or candidate.detect is None:
                continue
            try:
                detection = candidate.detect(probe)
                if detection is not None and not isinstance(detection, Detection):
                    raise TypeError("it must return a Detection or None")  # noqa: TRY301
            except Exception as error:
                if candidate.name in FORMATS:
                    raise
                logger.warning(
                    "the format plug-in %r is left out of the detection of %s: its detect failed: %s",
                    candidate.name, probe.path, _sentence(error),
                )  # fmt: skip
                continue
            if detection is not None:
                pairs.append((candidate, detection))
        return pairs


def _source(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _sentence(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


registry = Registry()
"""The registry of this process. Plug-ins that are installed later are not seen."""


def get_format(name: str) -> Format:
    """The format of this name, built in or of a plug-in.

    Raises:
        ConfigurationError: there is none.
    """
    return registry.get(name)


def list_formats() -> list[Format]:
    """Every format that can be used: the built-in ones first, then plug-ins by name."""
    return registry.list_all()


def list_files_of(folder: Path, entry: Format) -> list[Path]:
    """The files in a folder that are certainly in a format of single files, by name."""
    if entry.detect is None:
        return []
    files = []
    for path in islice(sorted(folder.rglob("*")), FOLDER_ENTRIES):
        if not path.is_file() or path.suffix.lower() in IMAGE_EXTENSIONS:
            continue
        with suppress(FormatError):
            detection = entry.detect(Probe(path))
            if detection is not None and detection.certainty == Certainty.CERTAIN:
                files.append(path)
    return files


def detect_format(path: Path) -> str:
    """The name of the format that a file or folder is in.

    Raises:
        FormatError: no format recognizes it, or several are equally certain; the message names them.
    """
    return registry.detect(path).name

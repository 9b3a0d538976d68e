"""LayerNext JSON v2 as one format among others. Its reader reads v1, too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from layernext.formats.core.compression import open_decompressed
from layernext.formats.core.format import (
    KEPT,
    Certainty,
    Detection,
    ExportOptions,
    Format,
    Holds,
    ReadOptions,
)
from layernext.formats.core.json_stream import check_keys
from layernext.formats.core.losses import Losses
from layernext.formats.core.pixels import in_pixels, size_in
from layernext.formats.core.probe import Probe
from layernext.formats.core.sample import Sample
from layernext.formats.core.scores import Scores
from layernext.formats.layernext_json import (
    FileWriter,
    create_file,
    detect_geometry,
    iter_raw_images,
    read_skeletons,
)
from layernext.model import ImageAnnotations, ImageDecoder, Skeleton, decode_trusted

HOLDS = Holds(
    geometries={
        "rectangle": KEPT,
        "rotated_box": KEPT,
        "image_label": KEPT,
        "polygon": KEPT,
        "line": KEPT,
        "points": KEPT,
        "mask": KEPT,
        "keypoints": KEPT,
        "semantic_mask": KEPT,
    },
    fields={"confidence": KEPT, "attributes": KEPT, "metadata": KEPT},
    fractions=True,
    parts=True,
)


class FileOfImages:
    """A LayerNext JSON file under construction, which `close` completes."""

    def __init__(
        self, path: Path, losses: Losses, skeletons: Mapping[str, Skeleton] | None = None
    ) -> None:
        self.losses = losses
        self._closing = ExitStack()
        self.file: FileWriter = self._closing.enter_context(create_file(path, skeletons))

    def close(self) -> None:
        """End the file."""
        self._closing.close()


class LayerNextWriter(FileOfImages):
    """Writes LayerNext JSON v2; see `SampleWriter`."""

    def write(self, sample: Sample) -> None:
        """Add an image."""
        if sample.split:
            self.losses.note("the split", sample.image)
        image = ImageAnnotations(
            image=sample.image, annotations=sample.annotations, normalized=sample.normalized
        )
        self.file.write(msgspec.json.encode(image))


class _Run(msgspec.Struct):
    run: str | None = None
    mode: Any = None


def read_layernext(path: Path, losses: Losses, options: ReadOptions) -> Iterator[Sample]:
    """The images of a file of either form, including downloads of several runs.

    Args:
        path: plain, ``.gz`` or ``.zst``.
        losses: lists what is not valid.
        options: the sizes of images whose coordinates are fractions; gets the skeletons.

    Raises:
        FormatError, DataError: the file is not valid, with the location.
    """
    for label, skeleton in read_skeletons(path).items():
        options.classes.skeletons.setdefault(label, skeleton)
    geometry = detect_geometry(path)
    decoder = ImageDecoder(geometry)
    is_right = False

    def judge(raw: bytes) -> bool:
        nonlocal is_right
        is_right = decoder.try_decode(raw) is not None
        return is_right

    with open_decompressed(path) as stream:
        for number, raw in enumerate(iter_raw_images(stream, file=path.name, judge=judge)):
            head, plain, sample = _Run(), raw, None
            with losses.problems:
                if not is_right and decoder.try_decode(raw) is None:
                    plain = _scaled_scores(raw, options.scores, f"images[{number}]")
                    head, plain = _without_run(plain, f"images[{number}]")
                    decoder.decode(plain, index=number, file=path.name)
                elif not options.scores.is_plain:
                    plain = _scaled_scores(raw, options.scores, f"images[{number}]")
                image = decode_trusted(plain, geometry)
                width, height = size_in(options.sizes, image.image)
                is_normalized = image.normalized and not (width and height)
                sample = Sample(
                    image=image.image,
                    annotations=image.annotations
                    if is_normalized
                    else in_pixels(image, width, height),
                    width=width,
                    height=height,
                    run=head.run,
                    mode=head.mode if head.mode in {"machine", "human"} else None,
                    normalized=is_normalized,
                )
            is_right = False
            if sample is not None:
                yield sample


def _scaled_scores(raw: bytes, scores: Scores, where: str) -> bytes:
    """An image with the confidences of its annotations, scaled."""
    if scores.is_plain:
        return raw
    try:
        image = json.loads(raw)
    except (ValueError, RecursionError):
        return raw  # the decoder says why
    check_keys(raw, where)
    annotations = image.get("annotations") if isinstance(image, dict) else None
    for number, annotation in enumerate(annotations if isinstance(annotations, list) else []):
        if isinstance(annotation, dict) and "confidence" in annotation:
            location = f"{where}.annotations[{number}].confidence"
            annotation["confidence"] = scores.read(annotation["confidence"], location, "confidence")
    return json.dumps(image, ensure_ascii=False).encode()


def _without_run(raw: bytes, where: str) -> tuple[_Run, bytes]:
    """Splits an image of a download of several runs: its ``run`` and ``mode``, and the rest."""
    try:
        head, fields = msgspec.json.decode(raw, type=_Run), json.loads(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Run(), raw
    if not isinstance(fields, dict) or not {"run", "mode"} & set(fields):
        return _Run(), raw
    check_keys(raw, where)
    for name in ("run", "mode"):
        fields.pop(name, None)
    return head, json.dumps(fields, ensure_ascii=False).encode()


def write(target: Path, losses: Losses, options: ExportOptions) -> LayerNextWriter:
    """Open a writer; see `Format`."""
    return LayerNextWriter(target, losses, options.skeletons)


def detect(probe: Probe) -> Detection | None:
    """An object with ``images`` whose entries have ``image``. Broken JSON is left to the reader's error."""
    outline = probe.json
    if outline is None or (outline.is_list and not outline.is_broken):
        return None
    entry = outline.entry_keys.get("images")
    if entry is not None and "image" in entry:
        return Detection(Certainty.CERTAIN, "has a list `images` whose entries have `image`")
    if "images" in outline.keys and entry is None:
        return Detection(Certainty.LIKELY, "has a list `images`")
    if "images" in outline.keys or not outline.is_whole:
        return Detection(Certainty.POSSIBLE, "may have a list `images`")
    return None


FORMAT = Format(
    name="layernext",
    about="LayerNext JSON v2; v1 is read",
    extension=".json",
    holds=HOLDS,
    read=read_layernext,
    write=write,
    detect=detect,
)

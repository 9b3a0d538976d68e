"""LayerNext JSON as one format among others: v2, and v1 with its one geometry a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from layernext.errors import DataError, Problem
from layernext.formats.compression import open_decompressed
from layernext.formats.json_stream import check_keys
from layernext.formats.layernext_json import (
    FileWriter,
    create_file,
    detect_geometry,
    iter_raw_images,
)
from layernext.formats.pixels import Sizes, in_pixels, size_in
from layernext.formats.samples import Losses, Sample, place_of
from layernext.model import (
    GEOMETRY_KEYS,
    Annotation,
    Geometry,
    ImageAnnotations,
    ImageDecoder,
    decode_trusted,
)


class _Writer:
    def __init__(self, path: Path, losses: Losses) -> None:
        self._losses = losses
        self._closing = ExitStack()
        self._writer: FileWriter = self._closing.enter_context(create_file(path))

    def close(self) -> None:
        """End the file."""
        self._closing.close()


class LayerNextWriter(_Writer):
    """Writes LayerNext JSON v2; see `SampleWriter`."""

    def write(self, sample: Sample) -> None:
        """Add an image."""
        if sample.split:
            self._losses.note("the split", sample.image)
        one = ImageAnnotations(image=sample.image, annotations=sample.annotations)
        self._writer.write(msgspec.json.encode(one))


class LayerNextV1Writer(_Writer):
    """Writes LayerNext JSON v1: the geometry of the first annotation is the file's.

    Attributes become v1's metadata, which has one value for each.
    """

    def __init__(self, path: Path, losses: Losses) -> None:
        super().__init__(path, losses)
        self._geometry: Geometry | None = None

    def write(self, sample: Sample) -> None:
        """Add an image."""
        if sample.split:
            self._losses.note("the split", sample.image)
        rows = []
        for number, one in enumerate(sample.annotations):
            encoded = self._encoded(one, place_of(sample, number))
            if encoded is not None:
                rows.append(encoded)
        name = msgspec.json.encode(sample.image)
        self._writer.write(b'{"image":' + name + b',"annotations":[' + b",".join(rows) + b"]}")

    def _encoded(self, one: Annotation, where: str) -> bytes | None:
        if one.geometry == "points":
            self._losses.note("the geometry points", where)
            return None
        self._geometry = self._geometry or one.geometry
        if one.geometry != self._geometry:
            what = f"the geometry {one.geometry}; the file's is {self._geometry}"
            self._losses.note(what, where)
            return None
        self._losses.note_fields(one, where, keeps=frozenset({"confidence", "attributes"}))
        row: dict[str, Any] = {}
        key = GEOMETRY_KEYS[one.geometry]
        row[key], row["label"] = getattr(one, key), one.label
        if one.confidence is not None:
            row["confidence"] = one.confidence
        metadata = {}
        for name, values in one.attributes.items():
            there = f"{where}.attributes.{name}"
            if len(values) != 1:
                what = "further values of an attribute" if values else "an attribute without value"
                self._losses.note(what, there)
            for value in values[:1]:
                metadata[name] = value.value
                if value.confidence is not None or value.metadata:
                    self._losses.note("confidence and metadata of an attribute's value", there)
        if metadata:
            row["metadata"] = metadata
        return msgspec.json.encode(row)


class _Run(msgspec.Struct):
    run: str | None = None
    mode: Any = None


def read_layernext(path: Path, sizes: Sizes) -> Iterator[Sample]:
    """The images of a file of either form, those of several runs included.

    Args:
        path: plain, ``.gz`` or ``.zst``.
        sizes: of the images, for those whose coordinates are fractions.

    Raises:
        FormatError, DataError: it is not such a file, with the place.
    """
    geometry = detect_geometry(path)
    decoder = ImageDecoder(geometry)
    is_right = False

    def judge(raw: bytes) -> bool:
        nonlocal is_right
        is_right = decoder.try_decode(raw) is not None
        return is_right

    with open_decompressed(path) as stream:
        for number, raw in enumerate(iter_raw_images(stream, file=path.name, judge=judge)):
            head = _Run()
            plain = raw
            if not is_right and decoder.try_decode(raw) is None:
                head, plain = _without_run(raw, f"images[{number}]")
                decoder.decode(plain, index=number, file=path.name)
            is_right = False
            image = decode_trusted(plain, geometry)
            width, height = size_in(sizes, image.image)
            try:
                annotations = in_pixels(image, width, height)
            except DataError as error:
                message = "has fractions for coordinates; give the folder with the images"
                where = f"images[{number}]"
                raise DataError(Problem(where, message), file=path.name) from error
            yield Sample(
                image=image.image,
                annotations=annotations,
                width=width,
                height=height,
                run=head.run,
                mode=head.mode if head.mode in {"machine", "human"} else None,
            )


def _without_run(raw: bytes, where: str) -> tuple[_Run, bytes]:
    """An image as a download of several runs writes it: its ``run`` and ``mode``, and the rest."""
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

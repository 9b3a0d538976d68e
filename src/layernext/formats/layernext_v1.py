"""LayerNext JSON v1: one geometry in a file, and one value for each attribute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from layernext.formats.core.format import KEPT, ExportOptions, Format, Holds
from layernext.formats.core.losses import Losses
from layernext.formats.core.rotation import outlined
from layernext.formats.core.sample import Sample, location_of
from layernext.formats.layernext_v2 import FileOfImages, read_layernext
from layernext.model import GEOMETRY_KEYS, Annotation, Geometry

_ALONE = "yes, one kind in a file"

HOLDS = Holds(
    geometries={
        "rectangle": _ALONE,
        "polygon": _ALONE,
        "line": _ALONE,
        "rotated_box": "its outline",
    },
    fields={"confidence": KEPT, "attributes": "the first value of each"},
)


class LayerNextV1Writer(FileOfImages):
    """Writes LayerNext JSON v1: the geometry of the first annotation is the file's.

    Attributes become v1's metadata, which has one value for each.
    """

    def __init__(self, path: Path, losses: Losses) -> None:
        super().__init__(path, losses)
        self._geometry: Geometry | None = None

    def write(self, sample: Sample) -> None:
        """Add an image."""
        if sample.split:
            self.losses.note("the split", sample.image)
        rows = []
        for number, annotation in enumerate(sample.annotations):
            encoded = self._encoded(annotation, location_of(sample, number))
            if encoded is not None:
                rows.append(encoded)
        name = msgspec.json.encode(sample.image)
        extra = b"".join(
            msgspec.json.encode(key) + b":" + msgspec.json.encode(value) + b","
            for key, value in sample.extra.items()
        )
        self.file.write(
            b'{"image":' + name + b"," + extra + b'"annotations":[' + b",".join(rows) + b"]}"
        )

    def _encoded(self, annotation: Annotation, where: str) -> bytes | None:
        if not HOLDS.accepts(annotation, where, self.losses):
            return None
        annotation = outlined(annotation, where, self.losses)
        self._geometry = self._geometry or annotation.geometry
        if annotation.geometry != self._geometry:
            what = f"the geometry {annotation.geometry}; the file's is {self._geometry}"
            self.losses.note(what, where)
            return None
        self.losses.note_fields(annotation, where, keeps={*HOLDS.fields, "extra"})
        row: dict[str, Any] = {}
        key = GEOMETRY_KEYS[annotation.geometry]
        row[key], row["label"] = getattr(annotation, key), annotation.label
        if annotation.confidence is not None:
            row["confidence"] = annotation.confidence
        metadata = {}
        for name, values in annotation.attributes.items():
            location = f"{where}.attributes.{name}"
            if len(values) != 1:
                what = "further values of an attribute" if values else "an attribute without value"
                self.losses.note(what, location)
            for value in values[:1]:
                metadata[name] = value.value
                if value.confidence is not None or value.metadata:
                    self.losses.note("confidence and metadata of an attribute's value", location)
        if metadata:
            row["metadata"] = metadata
        return msgspec.json.encode({**annotation.extra, **row})


def write(target: Path, losses: Losses, options: ExportOptions) -> LayerNextV1Writer:
    """Open a writer; see `Format`."""
    del options
    return LayerNextV1Writer(target, losses)


FORMAT = Format(
    name="layernext-v1",
    about="LayerNext JSON v1",
    extension=".json",
    holds=HOLDS,
    read=read_layernext,
    write=write,
)

"""The annotations of a batch of images as columns, and how they are to be read."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from layernext.model import Geometry

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.integer[Any]]


class Flags(Struct, gc=False):
    """What a truth's metadata says about counting it; each may be a number, a truth value or null.

    Attributes:
        iscrowd: COCO's: a region of many; annotations inside it neither count nor fail.
        ignore: as in COCO's evaluation: neither finding nor missing it counts.
        difficult: Pascal VOC's name for the same.
        area: square pixels, for size ranges; the shape's own area if left out. COCO files have it.
        segmentation: of COCO files: in place of the polygon a list of outlines, or run lengths of a mask.
    """

    iscrowd: Any = None
    ignore: Any = None
    difficult: Any = None
    area: Any = None
    segmentation: Any = None


class Source(Struct, frozen=True):
    """How to read the sets of one side.

    Attributes:
        geometry: geometry of annotations without a ``type`` (form v1), or None.
        is_normalized: whether coordinates are fractions, if a set does not say so itself.
        is_coco: whether it was converted from COCO for an evaluation: then the metadata of both sides gives
            areas, which take precedence over the shapes' own, and `Flags.segmentation`.
    """

    geometry: Geometry | None = None
    is_normalized: bool = False
    is_coco: bool = False


class Columns(Struct):
    """The annotations of one side of a batch of images, image after image.

    Attributes:
        image: (N,) number of the image in the batch, rising.
        label: (N,) code.
        score: (N,) confidence; 1 where there is none.
        shapes: boxes (N, 4) as x, y, width, height, or (N, 5) with a rotation; or a list of N arrays (K, 2) of points; in
            pixels, or `Flags.segmentation`. Or what `Measure.prepare` turned them into.
        area: (N,) square pixels, for size ranges; an area in the metadata takes precedence.
        has_area: (N,) whether the metadata has one.
        ignore: (N,) of truths: neither finding nor missing it counts; of the run: it counts only if
            it is right.
        crowd: (N,) whether it may be found any number of times.
        value_row, value: (V,) annotations and codes of their attributes' values, if requested.
        track: (N,) code of its track, -1 if it has none; all are -1 if tracks are not requested.
    """

    image: IndexArray
    label: IndexArray
    score: FloatArray
    shapes: Any
    area: FloatArray
    has_area: NDArray[np.bool_]
    ignore: NDArray[np.bool_]
    crowd: NDArray[np.bool_]
    value_row: IndexArray
    value: IndexArray
    track: IndexArray

    @property
    def count(self) -> int:
        """How many annotations."""
        return len(self.label)

    def in_order(self, order: IndexArray) -> Columns:
        """A selection of them, in another order."""
        shapes = self.shapes
        new_rows = np.full(self.count, -1)
        new_rows[order] = np.arange(len(order))
        has_row = new_rows[self.value_row] >= 0
        return Columns(
            image=self.image[order],
            label=self.label[order],
            score=self.score[order],
            shapes=shapes[order] if isinstance(shapes, np.ndarray) else [shapes[i] for i in order],
            area=self.area[order],
            has_area=self.has_area[order],
            ignore=self.ignore[order],
            crowd=self.crowd[order],
            value_row=new_rows[self.value_row][has_row],
            value=self.value[has_row],
            track=self.track[order],
        )

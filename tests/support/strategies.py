"""Hypothesis strategies for valid data: one annotation set for every format, wire and database."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from layernext.formats import Sample
from layernext.model import (
    GEOMETRY_KEYS,
    Annotation,
    AttributeValue,
    ImageAnnotations,
    ImageLabel,
    Keypoints,
    Line,
    Mask,
    Points,
    Polygon,
    Rectangle,
    RotatedBox,
    RunLengths,
    SemanticMask,
)
from layernext.model.geometry.run_lengths import compressed
from layernext.model.geometry.semantic_mask import SEMANTIC_MASK

# Any Unicode text that UTF-8 can carry; a name has no U+0000.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
sides = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
confidences = st.none() | st.floats(min_value=0, max_value=1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
free_fields = st.dictionaries(texts, json_values, max_size=3)
points = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5)
# Integers stay integers, and visibilities may be confidences.
_coordinates = numbers | st.integers(-(1 << 60), 1 << 60)
keypoints = st.lists(
    st.tuples(_coordinates, _coordinates, st.sampled_from([0, 1, 2]) | sides),
    min_size=1,
    max_size=5,
)
boxes = st.tuples(numbers, numbers, sides, sides)
parts = st.lists(st.lists(points, min_size=1, max_size=2), min_size=1, max_size=2)
attribute_values = st.builds(
    AttributeValue, value=json_values, confidence=confidences, metadata=free_fields
)
_common: dict[str, Any] = {
    "label": names,
    "confidence": confidences,
    "attributes": st.dictionaries(names, st.lists(attribute_values, max_size=2), max_size=2),
    "metadata": free_fields,
}
_MASK_SIZE = (800, 1000)
"""Height and width, those of `samples`."""


def _run_lengths(ends: list[int], is_compressed: bool) -> RunLengths:
    pixels = _MASK_SIZE[0] * _MASK_SIZE[1]
    counts = [end - start for start, end in pairwise([0, *sorted(ends), pixels])]
    return RunLengths(_MASK_SIZE, compressed(counts) if is_compressed else counts)


run_lengths = st.builds(
    _run_lengths,
    st.lists(st.integers(0, _MASK_SIZE[0] * _MASK_SIZE[1]), max_size=6),
    st.booleans(),
)
rectangles = st.builds(Rectangle, bbox=st.tuples(numbers, numbers, sides, sides), **_common)
annotations: st.SearchStrategy[Annotation] = st.one_of(
    rectangles,
    st.builds(Polygon, polygon=points, **_common),
    st.builds(Polygon, parts=parts, **_common),
    st.builds(Line, line=points, **_common),
    st.builds(Points, points=points, **_common),
    st.builds(
        RotatedBox, bbox=st.tuples(numbers, numbers, sides, sides), rotation=numbers, **_common
    ),
    st.builds(ImageLabel, **_common),
    st.builds(Mask, mask=run_lengths, **_common),
    st.builds(Keypoints, keypoints=keypoints, bbox=boxes | st.none(), **_common),
    st.builds(SemanticMask, mask=run_lengths, **_common),
)


def are_consistent(many: list[Annotation]) -> bool:
    """Whether the semantic masks of an image have different labels and do not overlap."""
    masks = [one for one in many if isinstance(one, SemanticMask)]
    return len(masks) < 2 or not SEMANTIC_MASK.is_set_doubtful(masks)


def has_published_shape(annotation: Annotation) -> bool:
    """Whether the published protocol has a shape for it; others are refused by name."""
    if isinstance(annotation, Polygon):
        return not annotation.parts
    return not isinstance(annotation, ImageLabel | Mask | SemanticMask)


def annotation_sets(
    image_names: st.SearchStrategy[str] = names,
) -> st.SearchStrategy[ImageAnnotations]:
    """Annotation sets of one image each."""
    return st.builds(
        ImageAnnotations,
        image=image_names,
        annotations=st.lists(annotations, max_size=4).filter(are_consistent),
        storage_name=st.none(),
    )


def _bounded(one: Annotation) -> Annotation:
    """The same shape near an image: what a format reckons with its coordinates stays finite."""
    if isinstance(one, ImageLabel | Mask | SemanticMask):
        return one
    if isinstance(one, Keypoints):
        # Formats have one number of points for a label.
        points = [*one.keypoints, *one.keypoints, *one.keypoints][:3]
        seen = [(math.fmod(x, 5000), math.fmod(y, 5000), v) for x, y, v in points]
        box = one.bbox and tuple(math.fmod(number, 5000) for number in one.bbox)
        return replace(one, keypoints=seen, bbox=box)
    if isinstance(one, Polygon) and one.parts:
        one = replace(one, polygon=one.parts[0][0], parts=[])  # parts have tests of their own
    key = GEOMETRY_KEYS[one.geometry]
    given: Any = getattr(one, key)
    if isinstance(one, Rectangle | RotatedBox):
        return replace(one, bbox=tuple(math.fmod(each, 5000) for each in given))
    moved = [(math.fmod(x, 5000), math.fmod(y, 5000)) for x, y in given]
    return replace(one, **{key: moved})


def samples(
    image_names: st.SearchStrategy[str] = names, labels: st.SearchStrategy[str] = names
) -> st.SearchStrategy[list[Sample]]:
    """Distinct images of 1000 by 800 pixels on their way from format to format."""
    relabelled = st.tuples(annotations, labels).map(lambda pair: replace(pair[0], label=pair[1]))
    one = st.builds(
        Sample,
        image=image_names,
        annotations=st.lists(relabelled.map(_bounded), max_size=4).filter(are_consistent),
        width=st.just(1000),
        height=st.just(800),
        split=st.sampled_from([None, "train", "validation", "test"]),
    )
    return st.lists(one, max_size=4, unique_by=lambda sample: sample.image)


def model_runs(
    min_images: int = 0, max_images: int = 5
) -> st.SearchStrategy[list[ImageAnnotations]]:
    """Model runs: annotation sets of distinct images."""
    return st.lists(
        annotation_sets(), min_size=min_images, max_size=max_images, unique_by=lambda s: s.image
    )


@st.composite
def v1_images(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A geometry, and an image of a form v1 file of that geometry as plain JSON data."""
    geometry, key, shapes = draw(
        st.sampled_from(
            [
                ("rectangle", "bbox", st.tuples(numbers, numbers, sides, sides).map(list)),
                ("polygon", "polygon", points.map(lambda p: [list(xy) for xy in p])),
                ("line", "line", points.map(lambda p: [list(xy) for xy in p])),
            ]
        )
    )
    entries = draw(
        st.lists(
            st.fixed_dictionaries(
                {key: shapes, "label": names},
                optional={
                    "confidence": st.floats(min_value=0, max_value=1),
                    "metadata": st.dictionaries(names, json_values, max_size=3),
                },
            ),
            max_size=4,
        )
    )
    return geometry, {"image": draw(names), "annotations": entries}

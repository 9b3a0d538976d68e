"""The project's words as typed data: annotations, annotation sets, collections, runs, labels."""

from layernext.model.annotation import (
    GEOMETRIES,
    GEOMETRY_KEYS,
    Annotation,
    AttributeValue,
    Geometry,
    ImageAnnotations,
    Line,
    Mode,
    Point,
    Points,
    Polygon,
    Rectangle,
)
from layernext.model.check import (
    MAX_NAME_LENGTH,
    find_image_problems,
    find_names_problem,
    show,
)
from layernext.model.collection import Collection, Job, Label, LabelAttribute, ModelRun, Record
from layernext.model.decode import (
    CheckedImage,
    ImageDecoder,
    decode_trusted,
    distinct_attribute_values,
    is_normalized,
    iter_attribute_values,
    label_counts,
)

__all__ = [
    "GEOMETRIES",
    "GEOMETRY_KEYS",
    "MAX_NAME_LENGTH",
    "Annotation",
    "AttributeValue",
    "CheckedImage",
    "Collection",
    "Geometry",
    "ImageAnnotations",
    "ImageDecoder",
    "Job",
    "Label",
    "LabelAttribute",
    "Line",
    "Mode",
    "ModelRun",
    "Point",
    "Points",
    "Polygon",
    "Record",
    "Rectangle",
    "decode_trusted",
    "distinct_attribute_values",
    "find_image_problems",
    "find_names_problem",
    "is_normalized",
    "iter_attribute_values",
    "label_counts",
    "show",
]

"""The kinds of geometry: a file for each, and `kinds`, which lists them."""

from layernext.model.geometry.image_label import ImageLabel
from layernext.model.geometry.keypoints import Keypoint, Keypoints, labeled_points
from layernext.model.geometry.kind import (
    AnnotationFields,
    AttributeValue,
    Box,
    GeometryKind,
    Point,
)
from layernext.model.geometry.kinds import (
    GEOMETRIES,
    GEOMETRY_KEYS,
    KINDS,
    Annotation,
    EvaluatedGeometry,
    Geometry,
    built_from_kinds,
    kind_of,
    register_kind,
)
from layernext.model.geometry.line import Line
from layernext.model.geometry.mask import Mask
from layernext.model.geometry.point_list import PointListKind
from layernext.model.geometry.points import Points
from layernext.model.geometry.polygon import Polygon, has_parts, oriented_rings, parts_of
from layernext.model.geometry.rectangle import Rectangle
from layernext.model.geometry.rotated_box import (
    BoxAndRotation,
    RotatedBox,
    box_of_corners,
    rotated_corners,
)
from layernext.model.geometry.run_lengths import (
    RunLengths,
    compressed,
    counts_of,
    mask_of_pixels,
    masks_of_bytes,
    masks_of_map,
    runs_inside,
)
from layernext.model.geometry.semantic_mask import SemanticMask

__all__ = [
    "GEOMETRIES",
    "GEOMETRY_KEYS",
    "KINDS",
    "Annotation",
    "AnnotationFields",
    "AttributeValue",
    "Box",
    "BoxAndRotation",
    "EvaluatedGeometry",
    "Geometry",
    "GeometryKind",
    "ImageLabel",
    "Keypoint",
    "Keypoints",
    "Line",
    "Mask",
    "Point",
    "PointListKind",
    "Points",
    "Polygon",
    "Rectangle",
    "RotatedBox",
    "RunLengths",
    "SemanticMask",
    "box_of_corners",
    "built_from_kinds",
    "compressed",
    "counts_of",
    "has_parts",
    "kind_of",
    "labeled_points",
    "mask_of_pixels",
    "masks_of_bytes",
    "masks_of_map",
    "oriented_rings",
    "parts_of",
    "register_kind",
    "rotated_corners",
    "runs_inside",
]

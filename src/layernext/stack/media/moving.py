"""Annotations on the move: where they are in an image that was mirrored, turned or cropped.

Coordinates are in pixels, x to the right and y down, from the image's top left corner. Mirrors and turns
by 90 degrees keep every shape exactly; cropping cuts shapes at the edge, and drops those outside it. In a mirrored
image a left hand is a right one: keypoints change places as their skeleton says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec.structs import replace

from layernext.model import Annotation, Keypoints, Point, Skeleton, kind_of
from layernext.stack.media.found import Picture

Move: TypeAlias = Callable[[Annotation], list[Annotation]]
"""What becomes of an annotation: none, one, or several, as of a line that is cut."""


def move_into(picture: Picture, skeletons: Mapping[str, Skeleton] | None = None) -> Move:
    """Where the annotations of an image are in a picture that was made of it.

    Args:
        picture: what was made.
        skeletons: of labels that have keypoints.
    """
    width, height = picture.image_wh
    if picture.window is not None:
        return crop_to(*picture.window)
    points: dict[str, Callable[[float, float], Point]] = {
        "FLIP_HORIZONTAL": lambda x, y: (width - x, y),
        "FLIP_VERTICAL": lambda x, y: (x, height - y),
        "CLOCKWISE": lambda x, y: (height - y, x),
        "COUNTER_CLOCKWISE": lambda x, y: (y, width - x),
        "UPSIDE_DOWN": lambda x, y: (width - x, height - y),
    }
    move = points.get(picture.augmentation.property)
    if move is None:
        return stay
    is_mirrored = picture.augmentation.property.startswith("FLIP")
    return by_points(move, (skeletons or {}) if is_mirrored else {})


def stay(annotation: Annotation) -> list[Annotation]:
    """For changes of color."""
    return [annotation]


def by_points(
    move: Callable[[float, float], Point], mirrored: Mapping[str, Skeleton] | None = None
) -> Move:
    """Move each point; for mirrors and turns by 90 degrees, which keep boxes boxes.

    Args:
        move: where a point goes.
        mirrored: for a mirror: the skeletons of labels that have keypoints.
    """

    def moved(annotation: Annotation) -> list[Annotation]:
        kind = kind_of(annotation)
        if kind.key is None:
            return [annotation]
        coordinates = kind.move(kind.coordinates_of(annotation), move)
        if coordinates is None:
            return []
        in_place: Annotation = kind.with_coordinates(annotation, coordinates)
        skeleton = (mirrored or {}).get(annotation.label)
        if skeleton is not None and isinstance(in_place, Keypoints):
            in_place = replace(in_place, keypoints=skeleton.mirrored(in_place.keypoints))
        return [in_place]

    return moved


def crop_to(left: float, top: float, width: float, height: float) -> Move:
    """What is left of a shape in a window, as seen from its top left corner."""
    window = (left, top, width, height)

    def cropped(annotation: Annotation) -> list[Annotation]:
        kind = kind_of(annotation)
        if kind.key is None:
            return [annotation]
        pieces = kind.crop(kind.coordinates_of(annotation), window)
        return [kind.with_coordinates(annotation, piece) for piece in pieces]

    return cropped

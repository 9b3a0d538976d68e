"""Annotation sets as typed, immutable data.

What users build and get back. The field names are those of the JSON format v2, so the structs
encode to it unchanged. Nothing here checks ranges: `layernext.model.decode` does, on the way in.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from layernext.model.geometry import EXTRA_KEY, Annotation

Mode: TypeAlias = Literal["machine", "human"]
"""Who made an annotation set: ``machine`` is a model run, ``human`` is ground truth."""


class ImageAnnotations(
    Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    rename={"storage_name": "storageName", "normalized": "isNormalized", "extra": EXTRA_KEY},
):
    """The annotation set of one image: everything one model run or ground truth says about it.

    Attributes:
        image: the image's file name in its collection (or its unique name or storage path, where
            a call says so).
        annotations: the annotations in their order; may be empty: "nothing here" is also a result.
        storage_name: the bucket the image is in, or None for the stack's default.
        normalized: True if coordinates are fractions of the image's width and height, not pixels.
        width, height: of the image in pixels, as whoever made the annotations knew it; None if it does not say.
        extra: keys beside these that the JSON has and the format does not know.
    """

    image: str
    annotations: list[Annotation]
    storage_name: str | None = None
    normalized: bool = False
    width: int | None = None
    height: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

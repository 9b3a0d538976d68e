"""Pictures as they are seen."""

from __future__ import annotations

from PIL import Image

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """A picture as it is seen; itself if it is upright.

    Args:
        image: decoded; it may be smaller than its file.
        orientation: of its file, as `layernext.model.orientation_of` gives it.
    """
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image

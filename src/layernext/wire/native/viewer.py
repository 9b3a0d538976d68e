"""What the pages ask the native protocol for, beside what the SDK does."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from layernext.model import Mode
from layernext.wire.native.items import ITEMS_PATH
from layernext.wire.native.protocol import BASE_PATH

SIGN_IN_LINKS_PATH = f"{BASE_PATH}/sign-in-links"
"""POST, answer `SignInLink`."""

ORDER_PATH = f"{ITEMS_PATH}/order"
"""GET, answer `ItemOrder`."""

OVERLAYS_PATH = f"{ITEMS_PATH}/overlays"
"""POST `OverlayRequest`, answer `Overlays`."""

MAX_OVERLAY_ITEMS = 500

IMAGES_PATH = f"{BASE_PATH}/images"
"""Below it: ``/<image id>/thumbnail``, GET."""


class ItemOrder(Struct, frozen=True, kw_only=True):
    """All items that a query finds, in order.

    An item's number is what its `id` is in hexadecimal. Neighbors are close in numbers, so that their
    differences make a short answer.

    Attributes:
        total: how many.
        steps: the first one's number, then each one's minus that of the one before.
    """

    total: int
    steps: list[int]


class RunChoice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model run, or a ground truth."""

    name: str
    mode: Mode


ItemNumber = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class OverlayRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which items, and of which runs, shapes are wanted."""

    items: Annotated[list[ItemNumber], Meta(max_length=MAX_OVERLAY_ITEMS)]
    runs: Annotated[list[RunChoice], Meta(max_length=20)] = []


class OverlayShape(Struct, frozen=True, array_like=True, gc=False):
    """An annotation, reduced to what a small picture shows.

    Attributes:
        label: its place in `Overlays.labels`.
        geometry: 1 rectangle, 2 polygon, 3 line, 4 points, 5 mask, 9 semantic mask.
        confidence: or null.
        coordinates: of a rectangle x, y, width, height; of masks pixels of the image for each of its own, height,
            width and run lengths; else x and y of each point in turn, with two null between the outlines of a
            polygon. Rounded.
    """

    label: int
    geometry: int
    confidence: float | None
    coordinates: list[float | None]


class OverlaySet(Struct, frozen=True, array_like=True):
    """The annotations of an image under a run.

    Attributes:
        run: its place in the request.
        count: of all annotations; `shapes` has the most confident ones if there are very many.
        is_normalized: whether coordinates are fractions of the image's sides.
        shapes: in their order.
    """

    run: int
    count: int
    is_normalized: bool
    shapes: list[OverlayShape]


class OverlayItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item as a grid shows it."""

    number: int
    name: str
    content_type: Literal["image", "video", "other"] = "image"
    has_file: bool = False
    has_thumbnail: bool = False
    state: str | None = None
    width: int | None = None
    height: int | None = None
    sets: list[OverlaySet] = []


class Overlays(Struct, frozen=True, kw_only=True):
    """Some items, with shapes; those that are gone are left out."""

    labels: list[str]
    items: list[OverlayItem]


class SignInLink(Struct, frozen=True, kw_only=True):
    """A link that signs a browser in, once.

    Attributes:
        url: where; the part behind ``#`` is the secret.
        seconds: how long it is good.
    """

    url: str
    seconds: int


def thumbnail_path(image_id: str) -> str:
    """Where the small picture of an image is."""
    return f"{IMAGES_PATH}/{image_id}/thumbnail"

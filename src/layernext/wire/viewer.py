"""What the pages ask the native protocol for, beside what the SDK does."""

from __future__ import annotations

from msgspec import Struct

from layernext.wire.native import BASE_PATH

SIGN_IN_LINKS_PATH = f"{BASE_PATH}/sign-in-links"
"""POST, answer `SignInLink`."""

IMAGES_PATH = f"{BASE_PATH}/images"
"""Below it: ``/<image id>/thumbnail``, GET."""


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

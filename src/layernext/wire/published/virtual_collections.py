"""Virtual collections of layernext-beta."""

from __future__ import annotations

from msgspec import Struct

from layernext.wire.published.paths import CLIENT

VIRTUAL_COLLECTION_PATH = f"{CLIENT}/vCollection/create"  # POST


class VirtualCollectionRequest(Struct, frozen=True, rename="camel"):
    """Which images to add, and to what.

    Attributes:
        selection_id: from E26.
        v_collection_name: of a new virtual collection or one that exists.
        v_collection_id: of one that exists, when there is no name.
    """

    selection_id: str
    v_collection_name: str | None = None
    v_collection_id: str | None = None


class VirtualCollectionAnswer(
    Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True
):
    """The answer: the virtual collection and how many images were added, or why there is none."""

    is_success: bool
    v_collection_id: str | None = None
    v_collection_name: str | None = None
    added_count: int | None = None
    message: str

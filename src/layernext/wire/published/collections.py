"""Collections by name and by id (E19, E20, E21, E23)."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from layernext.wire.published.codes import IMAGE_COLLECTION
from layernext.wire.published.paths import CLIENT, PathTemplate

CREATE_COLLECTION_PATH = f"{CLIENT}/metadata/collection/create"  # E19, POST
COLLECTION_ID_PATH = f"{CLIENT}/metadata/getCollectionIdByName"  # E20, POST
COLLECTION_DETAILS_PATH = f"{CLIENT}/metadata/getCollectionDetails"  # E21, POST

object_type_path = PathTemplate(f"{CLIENT}/{{object_id}}/getObjectTypeById")
"""E23, GET."""


class CollectionIdRequest(Struct, frozen=True, rename="camel"):
    """E20."""

    collection_name: str
    object_type: int = IMAGE_COLLECTION


class CollectionIdAnswer(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The answer to E20: an id, or why there is none."""

    is_success: bool
    collection_id: str | None = None
    message: str | None = None


class CollectionDetailsRequest(Struct, frozen=True, rename="camel"):
    """E21: which fields are wanted beside, or not wanted of, the usual ones."""

    collection_id: str
    required_meta_obj: dict[str, Any] = field(default_factory=dict)


class CollectionDetailsAnswer(
    Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True
):
    """The answer to E21: the fields, or why there are none."""

    is_success: bool
    item_details: dict[str, Any] | None = None
    message: str | None = None


class StoredItem(Struct, frozen=True, rename="camel"):
    """Details that our client asks for and reads."""

    storage_path: str


class ObjectTypeAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E23; 5 is a collection of images."""

    is_success: bool = True
    object_type: int


class CreateCollectionRequest(Struct, frozen=True, rename="camel"):
    """E19."""

    collection_name: str
    object_type: Literal[4, 5, 7] = 5
    custom_meta_object: Any = None


class CreateCollectionAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E19."""

    is_success: bool = True
    collection_id: str
    message: str

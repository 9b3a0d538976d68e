"""The images of a collection as a grid, and each image on a page of its own."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from layernext.errors import NotFound
from layernext.model import ContentType
from layernext.stack.api.access import Permissions
from layernext.stack.api.messages import is_image_id
from layernext.stack.search import QUERY_FIELDS, Search
from layernext.stack.store import CONTENT_TYPES, CollectionRow
from layernext.stack.web.page import Page, page


class FieldChoice(Struct, frozen=True):
    """A field of the query language, for completion."""

    name: str
    kind: str
    words: tuple[str, ...]


class GridData(Struct, frozen=True, kw_only=True):
    """What the modules of both pages begin with."""

    collection_id: str
    collection_name: str
    content_type: ContentType
    fields: list[FieldChoice]


class ImageData(GridData, frozen=True, kw_only=True):
    """Likewise, of one image."""

    image_id: str
    number: int


class GridPage(Page, frozen=True, kw_only=True):
    """The grid.

    Attributes:
        name: of the collection.
    """

    template: ClassVar[str] = "grid.html"

    name: str


class ImagePage(Page, frozen=True, kw_only=True):
    """One image.

    Attributes:
        name: of the collection.
        collection_url: of its grid.
        image_name: of the image.
    """

    template: ClassVar[str] = "image.html"

    name: str
    collection_url: str
    image_name: str


FIELDS = [FieldChoice(field.name, field.kind, field.words) for field in QUERY_FIELDS.values()]


@page("/collections/{collection_id:str}")
def grid_page(collection_id: str, permissions: Permissions) -> GridPage:
    """The grid of a collection. What is selected stands in the query string, which the module reads."""
    collection = _collection(collection_id, permissions)
    data = GridData(
        collection_id=collection.id,
        collection_name=collection.name,
        content_type=CONTENT_TYPES[collection.kind],
        fields=FIELDS,
    )
    name = shown_name(collection)
    return GridPage(title=name, section="/", data=data, name=name)


@page("/collections/{collection_id:str}/images/{image_id:str}")
def image_page(
    collection_id: str, image_id: str, search: Search, permissions: Permissions
) -> ImagePage:
    """One image of a collection."""
    collection = _collection(collection_id, permissions)
    item = search.items.get(int(image_id, 16)) if is_image_id(image_id) else None
    if item is None or item.collection_id != collection.id:
        raise NotFound(f"there is no image {image_id[:100]!r} in this collection", status=404)
    data = ImageData(
        collection_id=collection.id,
        collection_name=collection.name,
        content_type=CONTENT_TYPES[collection.kind],
        fields=FIELDS,
        image_id=image_id,
        number=item.image_id,
    )
    return ImagePage(
        title=item.name,
        section="/",
        data=data,
        name=shown_name(collection),
        collection_url=f"/collections/{collection.id}",
        image_name=item.name,
    )


def _collection(collection_id: str, permissions: Permissions) -> CollectionRow:
    # A page is only looked at: no image moves to another collection because of it.
    collection = permissions.look_up_collection(collection_id)
    if collection is None:
        raise NotFound(f"there is no collection {collection_id[:100]!r}", status=404)
    return collection


def shown_name(collection: CollectionRow) -> str:
    """What a collection is called on a page."""
    return collection.name or "(no collection)"


ROUTES = [grid_page, image_page]

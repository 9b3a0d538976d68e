"""The images of a collection as a grid, and each image on a page of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from litestar import Response
from msgspec import Struct

from layernext.errors import NotFound
from layernext.model import ContentType
from layernext.stack.api.messages import Call, is_image_id, look_up_collection, read_path
from layernext.stack.api.services import services_of
from layernext.stack.search import QUERY_FIELDS
from layernext.stack.store import CONTENT_TYPES, CollectionRow
from layernext.stack.web.page import Page, answer_page, page, viewer_of


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
async def grid_page(request: Call) -> Response[Any]:
    """The grid of a collection. What is chosen stands in the query string, which the module reads."""
    found = await _collection(request)
    data = GridData(
        collection_id=found.id,
        collection_name=found.name,
        content_type=CONTENT_TYPES[found.kind],
        fields=FIELDS,
    )
    name = shown_name(found)
    viewer = viewer_of(request)
    return answer_page(request, GridPage(title=name, here="/", viewer=viewer, data=data, name=name))


@page("/collections/{collection_id:str}/images/{image_id:str}")
async def image_page(request: Call) -> Response[Any]:
    """One image of a collection."""
    found, services = await _collection(request), services_of(request)
    text = read_path(request, "image_id")
    item = None
    if is_image_id(text):
        item = await services.call(services.search.items.get, int(text, 16))
    if item is None or item.collection_id != found.id:
        raise NotFound(f"there is no image {text[:100]!r} in this collection", status=404)
    data = ImageData(
        collection_id=found.id,
        collection_name=found.name,
        content_type=CONTENT_TYPES[found.kind],
        fields=FIELDS,
        image_id=text,
        number=item.image_id,
    )
    shown = ImagePage(
        title=item.name,
        here="/",
        viewer=viewer_of(request),
        data=data,
        name=shown_name(found),
        collection_url=f"/collections/{found.id}",
        image_name=item.name,
    )
    return answer_page(request, shown)


async def _collection(request: Call) -> CollectionRow:
    id_ = read_path(request, "collection_id")
    # A page is only looked at: no image moves to another collection because of it.
    found = await look_up_collection(request, id_)
    if found is None:
        raise NotFound(f"there is no collection {id_[:100]!r}", status=404)
    return found


def shown_name(collection: CollectionRow) -> str:
    """What a collection is called on a page."""
    return collection.name or "(no collection)"


ROUTES = [grid_page, image_page]

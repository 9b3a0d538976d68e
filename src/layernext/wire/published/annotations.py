"""Annotations of a collection: removal (E25) and download by pages (E42)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from layernext.wire.published.pages import MAX_PAGE_NUMBER, MAX_PAGE_SIZE, PAGE_SIZE
from layernext.wire.published.paths import CLIENT, PathTemplate

DELETE_ANNOTATIONS_PATH = f"{CLIENT}/collection/deleteAnnotation"  # E25, GET

annotations_path = PathTemplate(f"{CLIENT}/getAnnotations/{{collection_id}}/collection")
"""E42, GET, pages from 0."""

DIRECTORY = "data"
"""Where files would go. Some published clients make the directory of the download only on account
of this one (docs/protocol.md)."""

AnnotationType = Literal["all", "human", "machine"]


class PageQuery(Struct, frozen=True, rename="camel"):
    """Which page of which annotations.

    Attributes:
        page_no: counts from 0.
        page_size: images in a page.
        operation_id_list: JSON list of names of model runs and ground truths; empty means all.
        operation_id: the same with one name, from layerx-sdk before 1.0.15.
        annotation_type: ``human``, ``machine`` or ``all``; counts if no operation is named. Absent in
            layerx-sdk before 1.0.15.
        session_id: tells the downloads of one client apart.
        operation_mode: 1 for ground truths, 2 for model runs; also where operations are named.
            No published client sends it.
    """

    page_no: Annotated[int, Meta(ge=0, lt=MAX_PAGE_NUMBER)] = 0
    page_size: Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE
    operation_id_list: str = "[]"
    operation_id: str | None = None
    annotation_type: AnnotationType | None = None
    session_id: str | None = None
    operation_mode: Literal[1, 2] | None = None

    @property
    def is_early(self) -> bool:
        """Whether layerx-sdk before 1.0.15 asks; every later client says which annotations it wants."""
        return self.annotation_type is None


class RawImage(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The annotations of an image in the upload format v2."""

    image: str
    annotations: Raw
    storage_name: str | None = None
    is_normalized: bool = False


class Resource(Struct, frozen=True, kw_only=True, rename="camel"):
    """One image of a page; the URL of its file and its annotations, as far as it has them."""

    file_name: str
    file_download_folder_location: str = DIRECTORY
    file_url: str | UnsetType = UNSET
    is_media_file: bool = True
    raw_annotations: RawImage | UnsetType = UNSET


class PageData(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page."""

    identifier: str
    format: str = "RAW"
    group_unique_name: str
    raw_file_name: str = "annotations.json"
    creatable_directories: list[str]
    next_page: bool
    resource_array: list[Resource]


class PageAnswer(Struct, frozen=True):
    """The answer to E42."""

    data: PageData


class RemoveQuery(Struct, frozen=True, rename="camel"):
    """What to remove.

    Attributes:
        collection_id: id or name of the collection.
        operation_id: name of the model run or ground truth.
    """

    collection_id: str
    operation_id: str


class RemoveRequest(Struct, frozen=True, rename="camel"):
    """The body of E25, which has no meaning."""

    session_id: str


class RemoveAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer to E25."""

    is_success: bool = True
    message: str
    image_count: int
    annotation_count: int

"""Items: details (E22), selections (E26), trash (E27), lists and counts (E32 to E36)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from layernext.wire.published.pages import MAX_PAGE_NUMBER
from layernext.wire.published.paths import CLIENT, PathTemplate

ITEM_DETAILS_PATH = f"{CLIENT}/metadata/getItemDetails"  # E22, POST
SELECTION_PATH = f"{CLIENT}/query/getSelectionId"  # E26, POST
TRASH_PATH = f"{CLIENT}/file/trash"  # E27, POST
LIST_PATH = f"{CLIENT}/explorer/objects/list"  # E32, POST
COUNT_PATH = f"{CLIENT}/explorer/objects/count"  # E33, POST

list_of_collection_path = PathTemplate(f"{CLIENT}/explorer/{{collection_id}}/objects/list")
"""E34, POST."""

count_of_collection_path = PathTemplate(f"{CLIENT}/explorer/{{collection_id}}/objects/count")
"""E35, POST."""

SYSTEM_DETAILS_PATH = f"{CLIENT}/getDetails/system"  # E36, GET

MAX_LISTED = 1_000
ANNOTATION_TYPES = {"raw": 0, "machine": 1, "human": 2}
SORT_FIELDS = {
    "date_modified": 1, "date_created": 2, "name": 3, "size": 4, "video_index": 6,
}  # fmt: skip


class Dates(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """When it was uploaded: days or times, UTC, ends included."""

    from_date: str | None = None
    to_date: str | None = None


class FilterData(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What restricts a query; 1.x and 2.3.4 name the annotation types differently.

    Attributes:
        content_type: 1.x: what kind of items; 0 that of the collection.
        filter_by, annotation_types: 0 raw, 1 machine, 2 human; any of them.
        date: when it was uploaded; null in 0.0.21.
        tags, labels, metadata: always empty in 2.3.4.
        keywords, categories: of documents, in layernext-beta; always empty for images and videos.
    """

    content_type: int | None = None
    filter_by: list[Literal[0, 1, 2]] = field(default_factory=list)
    annotation_types: list[Literal[0, 1, 2]] = field(default_factory=list)
    date: Dates | None = None
    tags: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    keywords: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)


class SelectionRequest(Struct, frozen=True, rename="camel"):
    """E26."""

    is_all_selected: bool
    object_id_list: list[str] = field(default_factory=list)
    query: str | None = None
    collection_id: str | None = None
    content_type: int | None = None
    filter_data: FilterData = FilterData()


class SelectionAnswer(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The answer to E26: the selection, or why there is none."""

    is_success: bool
    selection_tag: str | None = None
    item_count: int | None = None
    warning_msg: str | None = None
    message: str | None = None


class TrashRequest(Struct, frozen=True, rename="camel"):
    """E27."""

    selection_id: str
    user_id: str = ""


class TrashAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E27."""

    is_success: bool = True
    message: str
    trashed_count: int


class ItemDetailsRequest(Struct, frozen=True, rename="camel"):
    """E22."""

    unique_file_name: str
    required_meta_obj: dict[str, Any] = field(default_factory=dict)


class ItemDetailsAnswer(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The answer to E22: the fields, or why there are none."""

    is_success: bool
    item_details: dict[str, Any] | None = None
    message: str | None = None


class SortBy(Struct, frozen=True, rename="camel"):
    """By what: 1 modified, 2 created, 3 name, 4 size, 6 the order they came in."""

    sort_by_field: Literal[1, 2, 3, 4, 6] = 1
    sort_order: Literal["ASC", "DESC"] = "DESC"


class ListRequest(Struct, frozen=True, rename="camel"):
    """E32 to E35."""

    page_index: Annotated[int, Meta(ge=0, le=MAX_PAGE_NUMBER)] = 0
    page_size: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = 20
    query: str | None = ""
    content_type: int | None = None
    filter_data: FilterData = FilterData()
    sort_by: SortBy = SortBy()


class ListedItem(Struct, frozen=True, rename="camel", kw_only=True):
    """A file of a list; no published client reads size and checksum, ours does."""

    id: str
    name: str
    unique_name: str
    url: str
    size: int | None = None
    checksum: str | None = None


class CountAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E33 and E35."""

    is_success: bool = True
    count: int


class SystemAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer to E36."""

    is_success: bool = True
    object_counts: dict[str, dict[str, int]]
    frame_counts: dict[str, int]

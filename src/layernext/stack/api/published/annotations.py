"""Annotations of a collection: download by pages, and removal."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from layernext.errors import DataError, InvalidRequest, Problem
from layernext.formats import in_pixels
from layernext.model import Mode, counted, decode_trusted
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import Encoded, answer_on_both_levels, check_name, encoded
from layernext.stack.api.operation import Operation, operation
from layernext.stack.api.signature import FromRequest, unquoted
from layernext.stack.api.signed import Links
from layernext.stack.store import Caller, CollectionRow, ImageSets, Store, StoredSet
from layernext.wire.published import (
    DELETE_ANNOTATIONS_PATH,
    DIRECTORY,
    OPERATION_MODES,
    AnnotationType,
    PageAnswer,
    PageData,
    PageQuery,
    RawImage,
    RemoveAnswer,
    RemoveQuery,
    Resource,
    annotations_path,
    title_of,
)

MAX_PAGE_SIZE = 1_000
MAX_PAGE_NUMBER = 1_000_000_000
MAX_RUNS = 1_000
MAX_KEPT_DOWNLOADS = 256
MAX_KEPT_PAGES = 20_000
"""Beginnings that are remembered of one download; with the usual page, five million images."""

_TAG = "Published protocol"
_NOT_IN_DIRECTORY = re.compile(r"[^\w. -]")
_NOT_IN_FILE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_MAX_DIRECTORY_LENGTH = 120

ImageSize: TypeAlias = "tuple[int, int] | None"
"""Width and height in pixels; None while they are not known."""

_MODES: dict[AnnotationType, Mode | None] = {"all": None, "human": "human", "machine": "machine"}


class Download(Struct, frozen=True, kw_only=True):
    """Which pages belong together: those of one reader who asks for the same."""

    api_key: str
    session_id: str | None
    collection_id: int
    runs: tuple[str, ...]
    mode: Mode | None
    page_size: int


class PagePlaces:
    """Where the pages of running downloads begin: behind which image.

    Pages are asked for by number, while images may come and go. Each page begins behind the last
    image of the page before as that was served, so a reader who goes on from page to page misses
    none and gets none twice. A process that has not served the page before walks there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._downloads: OrderedDict[Download, dict[int, int]] = OrderedDict()

    def find(self, download: Download, page: int) -> tuple[int, int]:
        """The last page up to `page` whose beginning is known, and the image it begins behind."""
        with self._lock:
            starts = self._downloads.get(download, {})
            if page in starts:
                return page, starts[page]
            number = max((start for start in starts if start <= page), default=0)
            return number, starts.get(number, 0)

    def remember(self, download: Download, page: int, after_image: int) -> None:
        """Keep where `page` begins; if that is news, the beginnings behind it count no more."""
        with self._lock:
            starts = self._downloads.setdefault(download, {})
            self._downloads.move_to_end(download)
            if starts.get(page) == after_image:
                return
            for stale in [start for start in starts if start > page]:
                del starts[stale]
            if len(starts) < MAX_KEPT_PAGES:
                starts[page] = after_image
            while len(self._downloads) > MAX_KEPT_DOWNLOADS:
                self._downloads.popitem(last=False)


PageStarts: TypeAlias = Annotated[
    PagePlaces, FromRequest(lambda request: request.app.state["page_places"])
]


@operation(
    "GET",
    annotations_path.route,
    Operation(
        summary=title_of(annotations_path),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 404, 422),
    ),
)
def annotation_page(
    collection_id: Annotated[str, Meta(description="Id or name of the collection.")],
    query: PageQuery,
    page_starts: PageStarts,
    store: Store,
    caller: Caller,
    permissions: Permissions,
    links: Links,
) -> Encoded[PageAnswer]:
    """Annotations image by image, those of several operations one after the other."""
    runs = [query.operation_id] if query.operation_id else _run_names(query.operation_id_list)
    collection = permissions.find_collection(collection_id)
    if query.is_early and query.page_no == 0:
        # 0.0.21 counts pages from 1, 0.1.1 and 1.0.1 from 0: all find the first images on page 1.
        return answer_on_both_levels(_page(collection, [], {}, has_more=True).data)
    page_no = query.page_no - query.is_early
    download = Download(
        api_key=caller.id,
        session_id=query.session_id,
        collection_id=collection.row_id,
        runs=tuple(runs),
        mode=_mode_of(query, runs),
        page_size=query.page_size,
    )
    images, has_more = _images(store, page_starts, collection, download, page_no)
    files = store.file_listing.find_many([image.id for image in images])
    urls = {row_id: links.image(file.image_id, file.name) for row_id, file in files.items()}
    page = _page(collection, images, urls, has_more)
    return answer_on_both_levels(page.data) if query.is_early else encoded(page)


def _mode_of(query: PageQuery, runs: list[str]) -> Mode | None:
    if query.operation_mode is not None:
        return "human" if query.operation_mode == OPERATION_MODES["human"] else "machine"
    return None if runs else _MODES[query.annotation_type or "all"]


def _run_names(text: str) -> list[str]:
    try:
        names = msgspec.json.decode(text or "null", type=list[str] | None) or []
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidRequest(
            f"operationIdList is not a JSON list of names: {error}", status=400
        ) from error
    if len(names) > MAX_RUNS:
        raise DataError(Problem("operationIdList", f"has more than {MAX_RUNS} names"))
    if any("\x00" in name for name in names):
        raise InvalidRequest("U+0000 cannot be in a name in operationIdList", status=400)
    return names


def _images(
    store: Store,
    page_starts: PagePlaces,
    collection: CollectionRow,
    download: Download,
    page_no: int,
) -> tuple[list[ImageSets], bool]:
    """The images of a page, and whether there is another page."""
    number, after_image = page_starts.find(download, page_no)
    skipped = (page_no - number) * download.page_size

    def read(limit: int) -> tuple[list[ImageSets], bool]:
        return store.annotations.image_page(
            collection.row_id,
            runs=download.runs,
            mode=download.mode,
            after_image=after_image,
            limit=limit,
            # Who names runs, or a kind of them, asks for what is annotated.
            with_files=not download.runs and download.mode is None,
        )

    images: list[ImageSets] = []
    has_more = True
    while skipped and has_more:
        images, has_more = read(min(skipped, MAX_PAGE_SIZE))
        skipped -= len(images)
        after_image = images[-1].id if images else after_image
    images, has_more = read(download.page_size) if has_more else ([], False)
    if has_more:
        page_starts.remember(download, page_no + 1, images[-1].id)
    return images, has_more


def _page(
    collection: CollectionRow, images: list[ImageSets], urls: dict[int, str], has_more: bool
) -> PageAnswer:
    resources = [
        entry
        for image in images
        for entry in _resources(image.name, image.sets, urls.get(image.id), image.size)
    ]
    folders = {entry.file_download_folder_location for entry in resources}
    return PageAnswer(
        PageData(
            identifier=collection.id,
            group_unique_name=directory_name(collection),
            # Parents before what is in them: the clients make one after the other.
            creatable_directories=sorted({DIRECTORY, *_with_parents(folders)}),
            next_page=has_more,
            resource_array=resources,
        )
    )


def _with_parents(folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        parts = folder.split("/")
        yield from ("/".join(parts[:count]) for count in range(1, len(parts) + 1))


def raw_images(name: str, sets: list[StoredSet], size: ImageSize = None) -> list[RawImage]:
    """One entry for the image; two if some of its sets are normalized and some are not.

    Args:
        name: of the image.
        sets: of the image.
        size: its width and height, if they are known: then all is in pixels. Who wants what was
            uploaded, to the digit, asks by the native protocol.
    """
    entries = []
    for is_normalized in (False, True):
        alike = [stored for stored in sets if (stored.normalized and size is None) is is_normalized]
        if alike:
            parts = [_annotations_v2(stored, size) for stored in alike]
            joined = b",".join(part for part, _ in parts if part)
            bucket = next((bucket for _, bucket in parts if bucket is not None), None)
            entries.append(RawImage(name, Raw(b"[" + joined + b"]"), bucket, is_normalized))
    return entries


def _resources(
    name: str, sets: list[StoredSet], url: str | None, size: ImageSize
) -> list[Resource]:
    """The image's entries, the first of them with its file."""
    folder, file_name = _folder_and_name(name)
    entries: list[RawImage | UnsetType] = [*raw_images(name, sets, size)]
    return [
        Resource(
            file_name=file_name,
            file_download_folder_location=folder,
            file_url=UNSET if url is None or number else url,
            raw_annotations=raw,
        )
        for number, raw in enumerate(entries or [UNSET])
    ]


def _folder_and_name(name: str) -> tuple[str, str]:
    """Folder and name of a file in a download; the published clients join them as they are."""
    parts = [_NOT_IN_FILE.sub("_", part) for part in name.split("/") if part not in {"", ".", ".."}]
    *folders, last = parts or ["_"]
    return "/".join([DIRECTORY, *folders]), last


class _Parts(Struct, rename="camel"):
    annotations: Raw
    storage_name: str | None = None


_read_parts = msgspec.json.Decoder(_Parts).decode


def _annotations_v2(stored: StoredSet, size: ImageSize) -> tuple[bytes, str | None]:
    """The annotations of a set as JSON without the brackets, and its bucket."""
    if stored.normalized and size is not None:
        image = msgspec.structs.replace(
            decode_trusted(stored.raw, stored.geometry), normalized=True
        )
        return msgspec.json.encode(in_pixels(image, *size))[1:-1], image.storage_name
    if stored.geometry is None:
        # Form v2 goes out as it came in.
        parts = _read_parts(stored.raw)
        return bytes(parts.annotations).strip()[1:-1].strip(), parts.storage_name
    image = decode_trusted(stored.raw, stored.geometry)
    return msgspec.json.encode(image.annotations)[1:-1], image.storage_name


def directory_name(collection: CollectionRow) -> str:
    """The collection's name as a name of one directory, safe on every system."""
    name = _NOT_IN_DIRECTORY.sub("_", collection.name)[:_MAX_DIRECTORY_LENGTH].strip(" .")
    return name or f"collection_{collection.id}"


@operation(
    "GET",
    DELETE_ANNOTATIONS_PATH,
    Operation(
        summary=title_of(DELETE_ANNOTATIONS_PATH),
        tag=_TAG,
        role="write",
        scope=HANDLER,
        action="delete run",
        is_recorded=True,
        errors=(400, 404, 422),
    ),
)
def delete_annotations(
    query: RemoveQuery,
    unquoted_query: Annotated[RemoveQuery | None, unquoted(RemoveQuery)],
    store: Store,
    permissions: Permissions,
    audit: Audit,
) -> RemoveAnswer:
    """Removes model run and ground truth of this name from a collection.

    A GET that deletes, as the protocol has it.
    """
    check_name(query.operation_id, "operationId", "a model run or ground truth")
    collection = permissions.find_collection(query.collection_id, adopts=True)
    result = store.annotations.remove(collection.row_id, query.operation_id, None)
    if not result.sets and unquoted_query is not None:
        # The published clients quote nothing, so a plus sign can also be one (docs/protocol.md).
        result = store.annotations.remove(collection.row_id, unquoted_query.operation_id, None)
    audit.note(collection=collection.name, subject=query.operation_id, count=result.annotations)
    return RemoveAnswer(
        message=f"removed {counted(result.annotations, 'annotation')} of {counted(result.sets, 'image')}",
        image_count=result.sets,
        annotation_count=result.annotations,
    )


ROUTES = [annotation_page, delete_annotations]

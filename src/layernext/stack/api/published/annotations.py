"""Published download and removal of annotation sets: E42 and E25."""

from __future__ import annotations

import re
from collections import OrderedDict
from threading import Lock
from typing import Annotated, Any

import msgspec
from anyio.to_thread import run_sync
from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from layernext.errors import DataError, NotFound, Problem
from layernext.model import Mode, decode_trusted
from layernext.stack.api import auth
from layernext.stack.api.dependencies import TheStore
from layernext.stack.api.openapi import errors
from layernext.stack.store import CollectionRow, Store, StoredSet
from layernext.wire.published import CLIENT, DELETE_ANNOTATIONS_PATH, PAGE_SIZE

MAX_PAGE_SIZE = 1_000
MAX_REMEMBERED_PAGES = 10_000

_NOT_IN_FOLDER = re.compile(r"[^\w.\- ]")


class PageStarts:
    """After which image each page of a download begins.

    The protocol numbers its pages; remembering where the last one ended spares counting from the
    first. Forgetting is harmless, it only costs that counting.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._starts: OrderedDict[tuple[Any, ...], int] = OrderedDict()

    def find(self, download: tuple[Any, ...], page: int) -> tuple[int, int]:
        """The nearest known page at or before `page`, and the image it begins after."""
        with self._lock:
            for number in range(page, max(page - 2, -1), -1):
                start = self._starts.get((*download, number))
                if start is not None:
                    return number, start
        return 0, 0

    def remember(self, download: tuple[Any, ...], page: int, after_image: int) -> None:
        """Keep where `page` begins."""
        with self._lock:
            self._starts[(*download, page)] = after_image
            self._starts.move_to_end((*download, page))
            while len(self._starts) > MAX_REMEMBERED_PAGES:
                self._starts.popitem(last=False)


_starts = PageStarts()


@get(
    f"{CLIENT}/getAnnotations/{{collection:str}}/collection",
    opt=auth.READ,
    tags=["published: annotations"],
    responses=errors(401, 404, 422),
)
async def collection_annotations(
    store: TheStore,
    collection: FromPath[str],
    page_no: Annotated[int, QueryParameter(name="pageNo", ge=0, le=1 << 31)] = 0,
    page_size: Annotated[int, QueryParameter(name="pageSize", ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE,
    operation_ids: Annotated[str, QueryParameter(name="operationIdList")] = "[]",
    annotation_type: Annotated[str, QueryParameter(name="annotationType")] = "all",
) -> Response[bytes]:
    """E42: a page of a collection's annotations, without media.

    `annotationType` counts only when `operationIdList` is empty.
    """
    runs = _run_names(operation_ids)
    modes: dict[str, Mode | None] = {"all": None, "human": "human", "machine": "machine"}
    if annotation_type not in modes:
        raise DataError(Problem("annotationType", "must be all, human or machine"))
    mode = None if runs else modes[annotation_type]
    content = await run_sync(_page, store, collection, runs, mode, page_no, page_size)
    return Response(content, media_type="application/json")


def _run_names(text: str) -> list[str]:
    try:
        names = msgspec.json.decode(text or "null", type=list[str] | None) or []
    except msgspec.MsgspecError as error:
        raise DataError(Problem("operationIdList", f"is not a list of ids: {error}")) from error
    return [name for name in names if "\x00" not in name] if names else []


def _page(
    store: Store, collection: str, runs: list[str], mode: Mode | None, page_no: int, page_size: int
) -> bytes:
    found = _find(store, collection)
    download = (found.row_id, tuple(runs), mode, page_size)
    number, after_image = _starts.find(download, page_no)
    while True:
        images, has_more = store.image_page(
            found.row_id, runs=runs, mode=mode, after_image=after_image, limit=page_size
        )
        after_image = images[-1][0] if images else after_image
        _starts.remember(download, number + 1, after_image)
        if number == page_no or not has_more:
            break
        number += 1
    if number < page_no:
        images, has_more = [], False
    return msgspec.json.encode(
        {
            "data": {
                "identifier": found.id,
                "format": "RAW",
                "groupUniqueName": _NOT_IN_FOLDER.sub("_", found.name).lstrip(".") or "collection",
                "rawFileName": "annotations.json",
                "creatableDirectories": ["data"],
                "nextPage": has_more,
                "resourceArray": [_resource(name, sets) for _, name, sets in images],
            }
        }
    )


def _resource(name: str, sets: list[StoredSet]) -> dict[str, Any]:
    annotations = [
        annotation for row in sets for annotation in decode_trusted(row.raw, row.geometry).annotations
    ]
    image: dict[str, Any] = {"image": name, "annotations": annotations}
    if any(row.normalized for row in sets):
        image["isNormalized"] = True
    return {
        "fileName": name,
        "fileDownloadFolderLocation": "data",
        "isMediaFile": True,
        "rawAnnotations": image,
    }


@get(
    DELETE_ANNOTATIONS_PATH,
    opt=auth.WRITE,
    tags=["published: annotations"],
    responses=errors(401, 403, 404),
)
async def delete_annotations(
    store: TheStore,
    collection: Annotated[str, QueryParameter(name="collectionId")],
    run: Annotated[str, QueryParameter(name="operationId")],
) -> dict[str, Any]:
    """E25: remove a run's annotations from a collection. A GET that deletes, as published."""
    found = await run_sync(_find, store, collection)
    result = await run_sync(store.remove_sets, found.row_id, run.replace("\x00", ""), None)
    return {
        "isSuccess": True,
        "message": f"removed {result.annotations} annotations of {result.sets} images",
        "imageCount": result.sets,
        "annotationCount": result.annotations,
    }


def _find(store: Store, collection: str) -> CollectionRow:
    found = store.find_collection(collection)
    if found is None:
        raise NotFound(f"there is no collection {collection!r}", status=404)
    return found


ROUTES = [collection_annotations, delete_annotations]

"""Which files there are to download: listed natively by name, or page by page as published (E32, E34)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from layernext.client.connection import Connection
from layernext.errors import ConfigurationError, IncompatibleStack, NotFound
from layernext.model import FileRecord
from layernext.wire import file_listing, published
from layernext.wire.native import PageOf

SORT_FIELDS = {"date_modified": 1, "date_created": 2, "name": 3, "size": 4, "video_index": 6}
STATES = {"human": 2, "raw": 0, "machine": 1}
PAGE_FILES = 1_000
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a stack.

    Attributes:
        name: what it will be called here, before it is made safe; slashes make folders.
        url: where its bytes are; empty to ask for the URL when it is needed.
        unique_name: to ask for another URL when this one has grown old; None if that cannot be.
        id: to have it in a bundle; None if the stack makes none.
        size, checksum: bytes and SHA-256, as far as the stack says.
    """

    name: str
    url: str
    unique_name: str | None = None
    id: str | None = None
    size: int | None = None
    checksum: str | None = None


def is_web_url(url: object) -> bool:
    """Whether something is a URL that files may come from."""
    return isinstance(url, str) and urlsplit(url).scheme in {"http", "https"}


def find_collection_id(connection: Connection, name: str, kind: int | None) -> str:
    """The id of a collection, given by id or name, by published requests (E20).

    Args:
        connection: the stack.
        name: or an id.
        kind: object type of the collection; None for any.

    Raises:
        NotFound: no such collection.
    """
    if _OBJECT_ID.fullmatch(name):
        return name
    for each in published.CONTENT_TYPES.values() if kind is None else [kind]:
        body = {"collectionName": name, "objectType": each}
        answer = connection.transport.request_json("POST", published.COLLECTION_ID_PATH, json=body)
        if isinstance(answer, dict) and isinstance(answer.get("collectionId"), str):
            return str(answer["collectionId"])
    raise NotFound(f"there is no collection {name!r}", status=404)


def iter_native(connection: Connection, collection: str, kind: int | None) -> Iterator[RemoteFile]:
    """All files of a collection, found as by `find_collection_id`.

    Raises:
        NotFound: no such collection.
    """
    after: str | None = None
    while True:
        page: PageOf[FileRecord] = connection.transport.request_json(
            "GET",
            file_listing.FILES_PATH,
            PageOf[FileRecord],
            params={"collection": collection, "collection_kind": kind, "after": after},
        )
        for row in page.items:
            yield RemoteFile(row.name, row.url, row.unique_name, row.id, row.size, row.checksum)
        if page.next is None:
            return
        after = page.next


@dataclass(frozen=True)
class PageRequest:
    """What E32 and E34 are asked for.

    Attributes:
        content_type: 1 videos, 2 images, 6 other files.
        query: in the stack's query language.
        filter: as published: `annotation_types`, `from_date`, `to_date`.
        sort_order: as published: `sort_by_field`, `sort_order`.
    """

    content_type: int
    query: str = ""
    filter: Mapping[str, Any] | None = None
    sort_order: Mapping[str, Any] | None = None

    def body(self, page_index: int, page_size: int) -> dict[str, Any]:
        """The body of a request.

        Raises:
            ConfigurationError: a word is none that the protocol has.
        """
        return {
            "pageIndex": page_index,
            "pageSize": page_size,
            "query": self.query,
            "contentType": self.content_type,
            "filterData": _filter_data(self.filter or {}),
            "sortBy": _sort_by(self.sort_order or {}),
        }


def _filter_data(given: Mapping[str, Any]) -> dict[str, Any]:
    known = {"annotation_types", "from_date", "to_date"}
    unknown = sorted(set(given) - known)
    if unknown:
        raise ConfigurationError(f"the filter has {unknown[0]!r}, known are {sorted(known)}")
    words = given.get("annotation_types") or []
    for word in words:
        if word not in STATES:
            raise ConfigurationError(f"annotation_types has {word!r}, known are {sorted(STATES)}")
    dates = {"fromDate": given.get("from_date"), "toDate": given.get("to_date")}
    return {
        "annotationTypes": [STATES[word] for word in words],
        "date": {key: value for key, value in dates.items() if value},
        "tags": [],
        "labels": [],
        "metadata": {},
    }


def _sort_by(given: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if given.get("sort_by_field") is not None:
        if given["sort_by_field"] not in SORT_FIELDS:
            raise ConfigurationError(
                f"sort_by_field is {given['sort_by_field']!r}, known are {sorted(SORT_FIELDS)}"
            )
        made["sortByField"] = SORT_FIELDS[given["sort_by_field"]]
    if given.get("sort_order") is not None:
        if given["sort_order"] not in {"ASC", "DESC"}:
            raise ConfigurationError("sort_order must be 'ASC' or 'DESC'")
        made["sortOrder"] = given["sort_order"]
    return made


def fetch_page(
    connection: Connection,
    collection_id: str | None,
    request: PageRequest,
    page_index: int,
    page_size: int,
) -> list[dict[str, Any]]:
    """One page of files (E34 of a collection, E32 of all); empty behind the last one."""
    answer = connection.transport.request_json(
        "POST", published.item_list_path(collection_id), json=request.body(page_index, page_size)
    )
    if isinstance(answer, dict) and answer.get("isSuccess") is False:
        raise NotFound(str(answer.get("message") or "the stack lists no files"), status=200)
    if not isinstance(answer, list):
        raise IncompatibleStack("the stack's list of files is none", status=200)
    return [row for row in answer if isinstance(row, dict)]


def remote_of(row: Mapping[str, Any], *, by_unique_name: bool) -> RemoteFile | None:
    """An entry of a page as a file; None if it says no URL."""
    name, unique_name, url = row.get("name"), row.get("uniqueName"), row.get("url")
    if not is_web_url(url):
        return None
    chosen = unique_name if by_unique_name or not isinstance(name, str) else name
    if not isinstance(chosen, str) or not chosen:
        return None
    size, checksum = row.get("size"), row.get("checksum")
    return RemoteFile(
        # As published, all files of a page are in one folder.
        name=chosen.replace("/", "_") if by_unique_name else chosen,
        url=str(url),
        unique_name=unique_name if isinstance(unique_name, str) else None,
        size=size if isinstance(size, int) else None,
        checksum=checksum if isinstance(checksum, str) else None,
    )


def iter_pages_of(
    connection: Connection, collection_id: str | None, request: PageRequest
) -> Iterator[RemoteFile]:
    """Every file that fits, page after page."""
    page_index = 0
    while rows := fetch_page(connection, collection_id, request, page_index, PAGE_FILES):
        for row in rows:
            remote = remote_of(row, by_unique_name=False)
            if remote is not None:
                yield remote
        page_index += 1


def object_type(connection: Connection, collection_id: str) -> int:
    """What kind of collection an id is of (E23)."""
    path = published.object_type_path(collection_id)
    answer = connection.transport.request_json("GET", path, json={})
    kind = answer.get("objectType") if isinstance(answer, dict) else None
    if not isinstance(kind, int):
        raise NotFound(f"there is no collection {collection_id!r}", status=404)
    return kind


def fresh_url(connection: Connection, unique_name: str) -> str:
    """Another URL of a file (E24)."""
    path = f"{published.DOWNLOAD_URL_PATH}?file_key={quote(unique_name)}"
    answer = connection.transport.request_json("GET", path)
    url = answer.get("url") if isinstance(answer, dict) else None
    if not is_web_url(url):
        raise IncompatibleStack(f"the stack gave no URL for {unique_name!r}", status=200)
    return str(url)

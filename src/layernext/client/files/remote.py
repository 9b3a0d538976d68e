"""Which files there are to download: listed natively by name, or page by page as published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from layernext.client.transport import Transport
from layernext.errors import IncompatibleStack
from layernext.model import FileRecord
from layernext.wire import native, published
from layernext.wire.native import PageOf
from layernext.wire.published import Received


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


def iter_native(transport: Transport, collection: str, kind: int | None) -> Iterator[RemoteFile]:
    """All files of a collection, given by id or name.

    Raises:
        NotFound: no such collection.
    """
    after: str | None = None
    while True:
        page: PageOf[FileRecord] = transport.request_json(
            "GET",
            native.FILES_PATH,
            PageOf[FileRecord],
            params={"collection": collection, "collection_kind": kind, "after": after},
        )
        for row in page.items:
            yield RemoteFile(row.name, row.url, row.unique_name, row.id, row.size, row.checksum)
        if page.next is None:
            return
        after = page.next


def remote_of(
    fields: Mapping[str, Any], *, by_unique_name: bool, in_bundles: bool
) -> RemoteFile | None:
    """An entry of a page as a file; None if it says no URL."""
    row = Received(published.ListedItem, fields)
    name, unique_name, url = row.name, row.unique_name, row.url
    if not is_web_url(url):
        return None
    file_name = unique_name if by_unique_name or not isinstance(name, str) else name
    if not isinstance(file_name, str) or not file_name:
        return None
    size, checksum = row.size, row.checksum
    return RemoteFile(
        # As published, all files of a page are in one folder.
        name=file_name.replace("/", "_") if by_unique_name else file_name,
        url=str(url),
        unique_name=unique_name if isinstance(unique_name, str) else None,
        id=row.id if in_bundles and isinstance(row.id, str) else None,
        size=size if isinstance(size, int) else None,
        checksum=checksum if isinstance(checksum, str) else None,
    )


def fresh_url(transport: Transport, unique_name: str) -> str:
    """Another URL of a file."""
    path = f"{published.DOWNLOAD_URL_PATH}?file_key={quote(unique_name)}"
    answer = transport.request_json("GET", path)
    url = answer.get("url") if isinstance(answer, dict) else None
    if not is_web_url(url):
        raise IncompatibleStack(f"the stack returned no URL for {unique_name!r}", status=200)
    return str(url)

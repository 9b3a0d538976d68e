"""Single files: URLs, and the progress of uploads."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from layernext.client.files.reports import FileUrl, UploadStatus
from layernext.client.transport import Transport
from layernext.errors import DataError, IncompatibleStack, Problem
from layernext.wire import published
from layernext.wire.published import Received, wire_fields


def upload_status(transport: Transport, collection: str) -> UploadStatus:
    """How far the latest upload of files to a collection is."""
    query = urlencode(
        wire_fields(published.ProgressQuery, collection_name=collection), quote_via=quote, safe=""
    )
    fields = transport.request_json("GET", f"{published.UPLOAD_PROGRESS_PATH}?{query}")
    answer = Received(published.ProgressAnswer, fields)
    return UploadStatus(
        progress=float(answer.progress or 0),
        uploaded_count=int(answer.uploaded_count or 0),
        total_count=int(answer.total_count or 0),
    )


def file_url(transport: Transport, file_key: str) -> FileUrl:
    """A URL of a file.

    Raises:
        IncompatibleStack: the stack returned none.
    """
    if not file_key:
        raise DataError(Problem("file_key", "is empty"))
    path = f"{published.DOWNLOAD_URL_PATH}?file_key={quote(file_key)}"
    answer = transport.request_json("GET", path)
    url = answer.get("url") if isinstance(answer, dict) else None
    if not isinstance(url, str):
        raise IncompatibleStack(f"the stack returned no URL for {file_key!r}", status=200)
    return FileUrl(url=url)

"""Downloads by pages with media: collections, projects, dataset versions.

Files go through the same engine as every other download: into temporary names, checked, continued after a break,
and never out of the folder. Annotations are written once all pages are there, path lists with relative paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec

from layernext.client.files.download import FilesDownload
from layernext.client.files.remote import RemoteFile, is_web_url
from layernext.client.files.reports import FileDownloadReport
from layernext.client.progress import ProgressChoice
from layernext.client.transport import Transport
from layernext.errors import DownloadIncomplete
from layernext.formats import FileWriter, create_file, safe_relative
from layernext.wire import published
from layernext.wire.published import Received


class PageDownload:
    """One download by pages; used once.

    Args:
        transport: to the stack.
        path_of: the path, with its query, of a page by its number.
        first_page: number of the first page.
        folder: where the directory that the stack names is made.
        with_media: False to leave out images and videos.
    """

    def __init__(
        self,
        transport: Transport,
        path_of: Callable[[int], str],
        first_page: int,
        folder: Path,
        *,
        with_media: bool,
    ) -> None:
        self._transport, self._path_of, self._number = transport, path_of, first_page
        self._root, self._with_media = folder, with_media
        self._group = ""
        self._lists: dict[str, list[str]] = {}
        self._raw: FileWriter | None = None
        self._open_raw: Callable[[], FileWriter] | None = None

    def run(self, source: str, *, parallel: int, progress: ProgressChoice) -> FileDownloadReport:
        """Do it.

        Args:
            source: what is downloaded.
            parallel: number of files to download at a time.
            progress: see `show_progress`.

        Raises:
            DownloadIncomplete: it ended early; its report says what is there.
        """
        first = self._page(self._number)
        self._group = str(first.group_unique_name or "download")
        target = self._root / safe_relative(self._group.replace("/", "_"))
        work = FilesDownload(
            self._transport,
            target,
            source,
            self._files(first),
            delete=False,
            parallel=parallel,
            progress=progress,
        )
        raw_name = str(first.raw_file_name or "annotations.json").replace("/", "_")
        with ExitStack() as stack:
            self._open_raw = partial(self._open, stack, target / safe_relative(raw_name))
            report = work.run()
        for name, lines in self._lists.items():
            path = target / safe_relative(f"{name}.txt")
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return report

    def _open(self, stack: ExitStack, path: Path) -> FileWriter:
        """The file of annotations, made when the first of them comes, and there when all have come."""
        if self._raw is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._raw = stack.enter_context(create_file(path))
        return self._raw

    def _page(self, number: int) -> Received:
        answer = self._transport.request_json("GET", self._path_of(number))
        page = Received(published.DownloadPage, Received(published.PageAnswer, answer).data)
        if not isinstance(page.resource_array, list):
            raise DownloadIncomplete(f"the stack returned no page {number}", report=None)
        return page

    def _files(self, first: Received) -> Iterator[RemoteFile]:
        page, number = first, self._number
        while True:
            for row in page.resource_array:
                yield from self._resource(Received(published.DownloadResource, row))
            if not page.next_page:
                return
            number += 1
            page = self._page(number)

    def _resource(self, row: Received) -> Iterator[RemoteFile]:
        if row.has("raw_annotations") and self._open_raw is not None:
            self._open_raw().write(msgspec.json.encode(row.raw_annotations))
        url = row.file_url
        if not is_web_url(url) or (row.is_media_file and not self._with_media):
            return
        folder = str(row.file_download_folder_location or ".")
        name = str(row.file_name or "")
        path = name if folder in {"", "."} else f"{folder}/{name}"
        listed = row.writing_path_file_name
        if isinstance(listed, str) and listed:
            self._lists.setdefault(listed, []).append(path)
        yield RemoteFile(name=path, url=str(url))

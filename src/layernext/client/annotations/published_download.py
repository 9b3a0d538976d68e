"""Reading annotation sets back from a stack that speaks only the published protocol: page by page."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlencode

import msgspec

from layernext.client.annotations.download import invalid_annotations, with_progress_so_far
from layernext.client.collection_ids import find_collection_id
from layernext.client.files.local_names import local_name
from layernext.client.files.remote import RemoteFile, is_web_url
from layernext.client.progress import ProgressChoice, show_progress
from layernext.client.reports import DownloadReport
from layernext.client.transport import Transport
from layernext.errors import DownloadIncomplete, IncompatibleStack
from layernext.formats import create_file
from layernext.model import ImageAnnotations, Mode, convert_trusted
from layernext.wire import published
from layernext.wire.published import Received, wire_fields


def iter_annotations(
    transport: Transport, collection: str | None, run: str, mode: Mode | None
) -> Iterator[ImageAnnotations]:
    """The annotation sets of a run, as typed objects."""
    for page in iter_pages(transport, id_of_collection(transport, collection), [run], mode):
        try:
            yield from [convert_trusted(fields) for fields in _sets_of(page)]
        except msgspec.ValidationError as error:  # noqa: PERF203 - once a page
            raise invalid_annotations(error) from error


def _sets_of(page: Received) -> Iterator[Any]:
    """The annotation sets in a page; a resource without one is a file."""
    for row in page.resource_array:
        resource = Received(published.DownloadResource, row)
        if resource.has("raw_annotations"):
            yield resource.raw_annotations


def id_of_collection(transport: Transport, collection: str | None) -> str:
    """The id of a collection, given by id or name.

    Raises:
        IncompatibleStack: none is given.
        NotFound: there is no such collection.
    """
    name = (collection or "").rstrip("/")
    if not name:
        raise IncompatibleStack(
            "this stack speaks only the published protocol, which reads by collection", status=501
        )
    return find_collection_id(transport, name)


def iter_pages(
    transport: Transport, collection_id: str, runs: Sequence[str], mode: Mode | None
) -> Iterator[Received]:
    """The pages of a published download."""
    number = 0
    while True:
        query = wire_fields(
            published.DownloadQuery,
            page_no=number,
            page_size=published.PAGE_SIZE,
            status_list="[]",
            project_id_list="null",
            operation_id_list=msgspec.json.encode(list(runs)).decode(),
            annotation_type=mode or "all",
            # With a list of runs the type of annotations does not count; our own stacks know this.
            **({"operation_mode": published.OPERATION_MODES[mode]} if runs and mode else {}),
        )
        path = f"{published.annotations_path(collection_id)}?{urlencode(query)}"
        answer = transport.request_json("GET", path)
        page = Received(published.DownloadPage, Received(published.PageAnswer, answer).data)
        if not isinstance(page.resource_array, list):
            raise DownloadIncomplete(f"the stack returned no page {number}", report=None)
        yield page
        if not page.next_page:
            return
        number += 1


def download_collection(
    transport: Transport,
    collection: str,
    runs: Sequence[str],
    mode: Mode | None,
    folder: Path,
    media: list[RemoteFile] | None = None,
) -> DownloadReport:
    """Write ``<folder>/<collection>/annotations.json``, as the published client does.

    One entry an image, form v2, the annotations of all wanted runs one after another. Names that
    the stack sends never lead out of `folder`. The files that the pages name are put into `media`.
    """
    pages = iter_pages(transport, id_of_collection(transport, collection), runs, mode)
    if media is not None:
        pages = _noting(pages, media)
    first = next(pages)
    target = folder / _last_segment(first.group_unique_name, "collection")
    path = target / _last_segment(first.raw_file_name, "annotations.json")
    return _write_pages(itertools.chain([first], pages), path, progress=False)


def _noting(pages: Iterator[Received], media: list[RemoteFile]) -> Iterator[Received]:
    """The pages; the files that they name are put into `media`, each once."""
    seen: set[str] = set()
    for page in pages:
        for row in page.resource_array:
            resource = Received(published.DownloadResource, row)
            if not is_web_url(resource.file_url):
                continue
            folder = str(resource.file_download_folder_location or "").split("/")
            parts = [part for part in folder if part not in {"", "."}]
            name = "/".join([*parts, str(resource.file_name or "_")])
            if name not in seen:
                seen.add(name)
                media.append(RemoteFile(name, resource.file_url))
        yield page


def _write_pages(
    pages: Iterable[Received], path: Path, *, progress: ProgressChoice
) -> DownloadReport:
    started = time.monotonic()
    with (
        create_file(path) as writer,
        with_progress_so_far(path, writer, started),
        show_progress(progress, f"downloading to {path.name}", None) as advance,
    ):
        for annotation_set in (fields for page in pages for fields in _sets_of(page)):
            writer.write(msgspec.json.encode(annotation_set))
            advance(1)
    return DownloadReport(path=path, images=writer.images, seconds=time.monotonic() - started)


def _last_segment(name: Any, default: str) -> str:
    """The last part of a name from elsewhere, safe here; `default` if there is none."""
    plain = PurePosixPath(str(name or "").replace("\\", "/")).name
    return local_name(plain) if plain not in {"", ".", ".."} else default


def download_to_file(
    transport: Transport,
    collection: str | None,
    run: str,
    mode: Mode | None,
    path: Path,
    *,
    progress: ProgressChoice,
) -> DownloadReport:
    """Write a run to a LayerNext JSON file, form v2, by the published protocol."""
    pages = iter_pages(transport, id_of_collection(transport, collection), [run], mode)
    return _write_pages(pages, path, progress=progress)

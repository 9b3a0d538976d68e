"""Files: folders of images, videos and others, up and down."""

from __future__ import annotations

import builtins
import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from layernext.client.annotations.checks import check_geometry
from layernext.client.annotations.sources import FileSource as AnnotationFile
from layernext.client.annotations.sources import check_with_progress
from layernext.client.answers import Job
from layernext.client.collection_ids import find_collection_id
from layernext.client.files import remote
from layernext.client.files.content import ContentType
from layernext.client.files.download import (
    DEFAULT_PARALLEL,
    FilesDownload,
    OnError,
    check_download,
)
from layernext.client.files.reports import FileDownloadReport, FileUrl, UploadStatus
from layernext.client.files.sources import FileSource, find_files
from layernext.client.files.upload import FilesUpload, UploadWish, check_upload
from layernext.client.groups.group import Group
from layernext.client.groups.jobs import Jobs
from layernext.client.metadata_files import read_entries
from layernext.client.progress import ProgressChoice
from layernext.client.published import files, jobs, listings, metadata
from layernext.client.reports import FileUploadReport
from layernext.client.run_uploads import upload_source
from layernext.errors import ConfigurationError, DataError, Problem
from layernext.formats import NameMatch, NameMatcher
from layernext.model import FileRecord, find_names_problem
from layernext.wire import native, published
from layernext.wire.native import UploadRequest

MAX_PARALLEL = 64


class Files(Group):
    """Uploads and downloads of images, videos and other files."""

    def upload(
        self,
        path: FileSource,
        content_type: str,
        collection_name: str,
        meta_data_object: Mapping[str, Any] | None = None,
        meta_data_override: bool = False,
        metadata_file_path: str | os.PathLike[str] | None = None,
        storage_prefix_path: str | None = None,
        annotation_data: Mapping[str, Any] | str | None = None,
        *,
        json_file_path: str | os.PathLike[str] | None = None,
        application_code: str | None = None,
        patterns: Sequence[str] | None = None,
        parallel: int = DEFAULT_PARALLEL,
        on_error: OnError = "raise",
        progress: ProgressChoice = None,
    ) -> FileUploadReport:
        """Upload files to a collection, which is created if it is missing.

        The bytes of every file are checked before anything is sent. A file that the collection already
        has is skipped. A file with the name of an existing one but different content fails, and the existing
        one is kept. Repeating an interrupted call sends only what is missing: whole files,
        or parts of files of more than 100 MiB.

        Args:
            path: a file, several files, or a folder including its subfolders. Files of a folder are
                named by their path relative to it; hidden files and files of other types are left
                out and listed in the report.
            content_type: ``image`` (JPEG, PNG, WebP, BMP, TIFF, GIF), ``video`` (MP4, Matroska) or
                ``other`` (anything).
            collection_name: the collection.
            meta_data_object: metadata for every file; ``Tags`` is a list of strings.
            meta_data_override: also set this metadata for files that the collection already has.
            metadata_file_path: JSON file with metadata for individual files.
            storage_prefix_path: folder in storage for a new collection.
            annotation_data: annotations of the files: ``json_data_file_path``,
                ``operation_unique_id``, ``is_normalized``, ``is_model_run``, and for a form v1 file
                ``shape_type``. A string here is `application_code`, as in 1.1.1.
            json_file_path: what 1.1.1 calls `metadata_file_path`.
            application_code: a mark on a new collection.
            patterns: only files of a folder whose name or relative path matches one of these.
            parallel: number of files, or parts of files, to transfer at a time.
            on_error: ``raise`` an error if a file fails, or only ``report`` it.
            progress: None shows a bar on a terminal; True, False or a callable override that.

        Returns:
            The result of each file; the keys of the published clients work, such as ``["job_id"]``.

        Raises:
            DataError: a file is missing or of another type, or two have the same name; nothing was sent.
            UploadIncomplete: some files were not uploaded; its report says which, and why.
            NotAuthenticated, NotAllowed, ConnectionFailed, StackError: see `layernext.errors`.

        Example:
            >>> client.files.upload("photos", "image", "kitchen")  # doctest: +SKIP
        """
        kind = _content_type(content_type)
        if isinstance(annotation_data, str):
            annotation_data, application_code = None, annotation_data
        wish = UploadWish(
            collection=_collection_name(collection_name),
            kind=published.CONTENT_TYPES[kind],
            fields=_fields(meta_data_object),
            is_override=bool(meta_data_override),
            storage_prefix=storage_prefix_path or None,
            application_code=application_code,
        )
        entries = _entries(metadata_file_path or json_file_path)
        annotations = _annotations(annotation_data, wish.collection, progress)
        _check_options(parallel, on_error)
        local = find_files(path, kind, [patterns] if isinstance(patterns, str) else patterns)
        is_native = self._connection.is_native
        report = FilesUpload(
            self._transport, wish, local, is_native=is_native, parallel=parallel, progress=progress
        ).run()
        check_upload(report, len(local.files), on_error)
        return self._with_more(report, entries, annotations, progress)

    def _with_more(
        self,
        report: FileUploadReport,
        entries: builtins.list[dict[str, Any]],
        annotations: tuple[UploadRequest, str] | None,
        progress: ProgressChoice,
    ) -> FileUploadReport:
        """Send what belongs to the files, once the stack has inspected them."""
        if not entries and annotations is None:
            return report
        Jobs(self._connection).wait(report.job_id)
        if entries:
            metadata.send_for_files(self._transport, entries, job_id=report.job_id)
        if annotations is None:
            return report
        request, file = annotations
        source = AnnotationFile(file, request.geometry, "stream")
        uploaded = upload_source(self._connection, request, source, progress=progress)
        return dataclasses.replace(report, annotations=uploaded)

    def status(self, collection_name: str) -> UploadStatus:
        """Progress of the newest upload of files to a collection, by any client.

        Args:
            collection_name: the collection.

        Raises:
            NotFound: there was no upload to this collection.
        """
        return files.upload_status(self._transport, _collection_name(collection_name))

    def url(self, file_key: str) -> FileUrl:
        """A URL of a file, valid for at least an hour.

        Args:
            file_key: the file's unique name, or its path in storage.

        Raises:
            NotFound: there is no such file.
        """
        return files.file_url(self._transport, file_key)

    def download(
        self,
        collection: str,
        folder: str | os.PathLike[str],
        *,
        query: str | None = None,
        delete: bool = False,
        content_type: str | None = None,
        parallel: int = DEFAULT_PARALLEL,
        on_error: OnError = "raise",
        progress: ProgressChoice = None,
    ) -> FileDownloadReport:
        """Bring a folder up to date with the files of a collection.

        Files have the same names as in the collection; slashes in names become subfolders. Characters that
        some systems do not allow in names are written in the form ``%3A``, and nothing is ever written
        outside the folder. Each file appears only once it is complete and verified. A second call downloads
        what is missing or has changed; a file that was changed locally is downloaded again. Incomplete
        downloads are in the subfolder ``.layernext``.

        Args:
            collection: the collection's name or id.
            folder: created if missing.
            query: only files that match this query; see docs/queries.md.
            delete: remove files that earlier calls downloaded from this collection and that are no longer in
                it or do not match ``query``; never a file that was changed locally or has another origin.
            content_type: ``image``, ``video`` or ``other``, if collections of several types have this name;
                None takes the first of these that exists.
            parallel: number of files to download at a time.
            on_error: ``raise`` an error if a file fails, or only ``report`` it.
            progress: None shows a bar on a terminal; True, False or a callable override that.

        Returns:
            The result of each file.

        Raises:
            NotFound: no such collection.
            DownloadIncomplete: some files could not be downloaded; its report says which, and why.
            NotAuthenticated, NotAllowed, ConnectionFailed, StackError: see `layernext.errors`.

        Example:
            >>> client.files.download("kitchen", "photos", delete=True)  # doctest: +SKIP
        """
        _check_options(parallel, on_error)
        name, kind = _collection_name(collection), _kind(content_type)
        listed = self._connection.protocol.iter_files(name, kind, query or "")
        work = FilesDownload(
            self._transport,
            Path(folder),
            name,
            listed,
            delete=delete,
            parallel=parallel,
            progress=progress,
        )
        return check_download(work.run(), on_error)

    def download_page(
        self,
        collection_id: str,
        custom_download_path: str | os.PathLike[str] = "",
        page_index: int = 0,
        page_size: int = 20,
        query: str = "",
        metalake_filter: Mapping[str, Any] | None = None,
        sort_order: Mapping[str, Any] | None = None,
        *,
        parallel: int = DEFAULT_PARALLEL,
        on_error: OnError = "raise",
        progress: ProgressChoice = None,
    ) -> FileDownloadReport:
        """Download a page of a collection's files into one folder, by their unique names.

        `download` gets all files, and keeps subfolders.

        Args:
            collection_id: the collection's id or name.
            custom_download_path: the folder; the current one by default.
            page_index: pages count from 0.
            page_size: files in a page, at most 1,000.
            query: only files that match this query; see docs/queries.md.
            metalake_filter: ``annotation_types`` (``human``, ``machine``, ``raw``), ``from_date``,
                ``to_date``.
            sort_order: ``sort_by_field`` (``date_modified``, ``date_created``, ``name``, ``size``,
                ``video_index``) and ``sort_order`` (``ASC``, ``DESC``).
            parallel, on_error, progress: as in `download`, which also lists the errors.

        Returns:
            The result of each file. After the last page ``["is_success"]`` is False and
            ``["message"]`` says ``No more pages to download``.
        """
        _check_options(parallel, on_error)
        name = _collection_name(collection_id)
        collection = find_collection_id(self._transport, name, published.CONTENT_TYPES.values())
        rows = listings.list_collection(
            self._transport, collection, query, metalake_filter, page_index, page_size, sort_order
        )
        source = f"unique names of {collection}"
        return self._download_page(rows, source, custom_download_path, parallel, on_error, progress)

    def download_page_of_stack(
        self,
        item_type: str,
        custom_download_path: str | os.PathLike[str] = "",
        page_index: int = 0,
        page_size: int = 20,
        query: str = "",
        metalake_filter: Mapping[str, Any] | None = None,
        sort_order: Mapping[str, Any] | None = None,
        *,
        parallel: int = DEFAULT_PARALLEL,
        on_error: OnError = "raise",
        progress: ProgressChoice = None,
    ) -> FileDownloadReport:
        """Download a page of all the stack's files into one folder, by their unique names.

        Args:
            item_type: ``image``, ``video`` or ``other``.
            custom_download_path, page_index, page_size, query, metalake_filter, sort_order: as in
                `download_page`.
            parallel, on_error, progress: as in `download`, which also lists the errors.

        Returns:
            As `download_page`.
        """
        _check_options(parallel, on_error)
        rows = listings.list_items(
            self._transport,
            _content_type(item_type),
            query,
            metalake_filter,
            page_index,
            page_size,
            sort_order,
        )
        return self._download_page(
            rows, "unique names", custom_download_path, parallel, on_error, progress
        )

    def _download_page(
        self,
        rows: builtins.list[dict[str, Any]],
        source: str,
        folder: str | os.PathLike[str],
        parallel: int,
        on_error: OnError,
        progress: ProgressChoice,
    ) -> FileDownloadReport:
        is_native = self._connection.is_native
        listed = [remote.remote_of(row, by_unique_name=True, in_bundles=is_native) for row in rows]
        report = FilesDownload(
            self._transport,
            Path(folder or "."),
            source,
            [file for file in listed if file is not None],
            delete=False,
            parallel=parallel,
            progress=progress,
        ).run()
        if not rows:
            return dataclasses.replace(report, message="No more pages to download")
        return check_download(report, on_error)

    def list(
        self, collection: str, *, content_type: str | None = None
    ) -> builtins.list[FileRecord]:
        """The files of a collection, by name.

        Args:
            collection: the collection's name or id.
            content_type: as in `download`.

        Raises:
            NotFound: no such collection.
        """
        return self._records(
            native.FILES_PATH,
            FileRecord,
            "list files",
            collection=collection,
            collection_kind=_kind(content_type),
        )

    def link(self, collection: str, source: str | os.PathLike[str]) -> Job:
        """Let a collection have the images below a folder or bucket prefix, without copying them.

        The stack reads them where they lie. Their names are relative to the source; sizes in pixels are
        read from the first bytes, and small pictures are made when somebody looks at them. A repeated
        call links what is new, and notes what has changed or gone; until then a file that has changed is not
        served. Linked files are not part of backups.

        Args:
            collection: its name; created if missing.
            source: absolute path of a folder where the stack runs, or ``s3://bucket/prefix``. Whoever
                runs the stack must have allowed it, with ``layernext serve --allow-link``.

        Returns:
            The job, whose message says what was linked; `client.jobs.wait` waits for it.

        Raises:
            NotAllowed: the source is not below an allowed root.
            NotFound: there is no such folder.
            DataError: the source is neither an absolute path nor the URL of a bucket.
        """
        self._connection.require_native("link files")
        name = _collection_name(collection)
        request = native.LinkRequest(collection=name, source=os.fspath(source))
        started: native.LinkStarted = self._transport.request_json(
            "POST", native.LINKS_PATH, native.LinkStarted, json=request
        )
        return jobs.job_state(self._transport, started.job_id)[0]

    def match(self, collection: str, names: Iterable[str]) -> dict[str, NameMatch]:
        """Which image of a collection each name from another tool matches, and why; changes nothing.

        This is what `client.upload_modelrun` does with ``SourceOptions(match_names=True)``.

        Args:
            collection: id or name.
            names: names of images, as another tool writes them.

        Returns:
            For each name, the image, the rule that matches, and the candidates if several images match.

        Raises:
            NotFound: there is no such collection.
        """
        self._connection.require_native("match names")
        matcher = NameMatcher(self._connection.protocol.image_sizes(collection))
        return {name: matcher.find(name) for name in names}


def _content_type(word: object) -> ContentType:
    kinds: tuple[ContentType, ...] = ("image", "video", "other")
    for kind in kinds:
        if isinstance(word, str) and word.lower() == kind:
            return kind
    raise ConfigurationError(f"the content type is {word!r}, must be 'image', 'video' or 'other'")


def _kind(word: str | None) -> int | None:
    return None if word is None else published.CONTENT_TYPES[_content_type(word)]


def _collection_name(name: object) -> str:
    plain = name.rstrip("/") if isinstance(name, str) else name
    problem = find_names_problem(plain, "a collection")
    if problem:
        raise DataError(Problem("collection_name", problem))
    return str(plain)


def _entries(path: str | os.PathLike[str] | None) -> list[dict[str, Any]]:
    return read_entries(path) if path else []


def _fields(fields: object) -> dict[str, Any]:
    if fields is None or fields == "":
        return {}
    if not isinstance(fields, Mapping) or not all(isinstance(key, str) for key in fields):
        raise DataError(Problem("meta_data_object", "must be a dictionary with strings as keys"))
    tags = fields.get("Tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise DataError(Problem("meta_data_object['Tags']", "must be a list of strings"))
    return dict(fields)


def _annotations(
    options: object, collection: str, progress: ProgressChoice
) -> tuple[UploadRequest, str] | None:
    """The upload that `annotation_data` describes, its file checked.

    The published default has None in every field.
    """
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise DataError(Problem("annotation_data", "must be a dictionary"))
    if not options.get("json_data_file_path"):
        return None
    run = options.get("operation_unique_id")
    problem = find_names_problem(run, "a model run")
    if problem:
        raise DataError(Problem("annotation_data['operation_unique_id']", problem))
    shape = options.get("shape_type")
    request = UploadRequest(
        run=str(run),
        geometry=None if shape is None else check_geometry(shape),
        mode="machine" if options.get("is_model_run") else "human",
        collection=collection,
        normalized=bool(options.get("is_normalized")),
    )
    file = os.fspath(options["json_data_file_path"])
    check_with_progress(file, request.geometry, progress)
    return request, file


def _check_options(parallel: object, on_error: object) -> None:
    if not isinstance(parallel, int) or not 1 <= parallel <= MAX_PARALLEL:
        raise ConfigurationError(f"parallel is {parallel!r}, must be from 1 to {MAX_PARALLEL}")
    if on_error not in {"raise", "report"}:
        raise ConfigurationError(f"on_error is {on_error!r}, must be 'raise' or 'report'")

"""Calls that write what a stack has in the format that the next tool wants: here, or as a job there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from layernext.client.calls.base import check_text
from layernext.client.calls.items import ItemCalls
from layernext.client.download import iter_annotations
from layernext.client.file_download import FilesDownload, check_download
from layernext.client.file_remote import RemoteFile
from layernext.client.file_reports import FileDownloadReport
from layernext.client.progress import ProgressChoice, show_progress
from layernext.errors import Conflict, NotFound
from layernext.formats import (
    ConversionReport,
    ExportOptions,
    LabelRules,
    Losses,
    Sample,
    in_pixels,
    write_export,
)
from layernext.model import Export, Mode
from layernext.wire import exports


class ExportCalls(ItemCalls):
    """Exports."""

    def export(
        self,
        collection: str,
        run: str,
        target: str | os.PathLike[str],
        format: str,
        *,
        ground_truth: bool | None = None,
        overwrite: bool = False,
        strict: bool = False,
        instances: str | os.PathLike[str] | None = None,
        label_rules: LabelRules | None = None,
        progress: ProgressChoice = None,
    ) -> ConversionReport:
        """Write a run of a collection in another format, streamed.

        Args:
            collection: by name or id.
            run: name of the model run or ground truth.
            target: file or folder, which appears only when it is whole.
            format: one of those of `layernext.convert`.
            ground_truth: True or False if both a ground truth and a model run have this name.
            overwrite: replace what is there.
            strict: refuse what the format cannot hold.
            instances: for COCO results: the file of instances whose numbers they take.
            label_rules: what becomes of labels, and the order of the classes.
            progress: as in `upload_modelrun_from_json`.

        Returns:
            How much was written, and what the format cannot hold.

        Raises:
            NotFound: no such collection or run.
            ConfigurationError: no such format, or the target is there already.
            DataError: the format needs the sizes of images that the stack does not know yet, or
                with `strict` it cannot hold something.
        """
        mode = _mode(ground_truth)
        numbers = None if instances is None else Path(instances)
        sizes = self._image_sizes(collection)
        with show_progress(progress, f"export {run}", len(sizes) or None) as advance:
            rules, read = label_rules or LabelRules(), Losses(strict=strict)
            report = write_export(
                rules.apply(self._samples(collection, run, mode, sizes), read),
                Path(target),
                format,
                ExportOptions(
                    overwrite=overwrite,
                    strict=strict,
                    instances=numbers,
                    labels=rules.classes(()) or None,
                ),
                advance=advance,
            )
            return replace(report, losses={**read.counts, **report.losses})

    def export_dataset(
        self,
        version_id: str,
        target: str | os.PathLike[str],
        format: str,
        *,
        split: Literal["train", "validation", "test"] | None = None,
        overwrite: bool = False,
        strict: bool = False,
        progress: ProgressChoice = None,
    ) -> ConversionReport:
        """Write a version of a dataset in another format, streamed.

        Args:
            version_id: the version.
            target: file or folder, which appears only when it is whole.
            format: one of those of `layernext.convert`.
            split: only this one; None for all. YOLO, VOC, masks, CVAT, CSV and Parquet say of each
                image in which split it is.
            overwrite, strict, progress: as in `export`.

        Raises:
            NotFound: there is no such version.
            Conflict: it is not ready.
            ConfigurationError, DataError: as in `export`.
        """
        given = check_text(version_id, "version_id", "a version")
        self._connection.require_native("export a dataset version")
        first = self._sample_page(given, None)
        samples = self._version_samples(given, first, split)
        with show_progress(progress, f"export {given}", None) as advance:
            options = ExportOptions(overwrite=overwrite, strict=strict, labels=first.labels)
            return write_export(samples, Path(target), format, options, advance=advance)

    def _version_samples(
        self, version_id: str, page: exports.SamplePage, split: str | None
    ) -> Iterator[Sample]:
        while True:
            for line in page.samples:
                if split in {None, line.split}:
                    yield msgspec.convert(line, Sample, from_attributes=True)
            if page.next is None:
                return
            page = self._sample_page(version_id, page.next)

    def _sample_page(self, version_id: str, after: str | None) -> exports.SamplePage:
        found: exports.SamplePage = self._connection.transport.request_json(
            "GET",
            exports.samples_path(version_id),
            exports.SamplePage,
            params={} if after is None else {"after": after},
        )
        return found

    # -- as jobs of the stack -----------------------------------------------------------------

    def start_export(
        self,
        format: str,
        *,
        collection: str | None = None,
        run: str | None = None,
        ground_truth: bool | None = None,
        dataset_version: str | None = None,
        split: Literal["train", "validation", "test"] | None = None,
        strict: bool = False,
    ) -> Export:
        """Let the stack write a run or a dataset version in another format, as a job.

        The result is one file, a folder packed as zip; it can be had for 7 days with
        `download_export`. Every call starts another export.

        Args:
            format: one of those of `layernext.convert`, without ``coco-results``.
            collection: by name or id, with `run`; or else `dataset_version`.
            run: name of the model run or ground truth.
            ground_truth: True or False if both a ground truth and a model run have this name.
            dataset_version: id of a version.
            split: only this one of the version; None for all.
            strict: let the job fail at what the format cannot hold.

        Returns:
            The export; `wait_for_job_complete` with its ``job_id`` waits for it.

        Raises:
            DataError: there is no such format, or not one of the two is named.
            NotFound: no such collection, run or version.
            Conflict: the name is a model run's and a ground truth's, or the version is not ready.
        """
        self._connection.require_native("export in the background")
        body = exports.ExportRequest(
            format=format,
            collection=collection,
            run=run,
            mode=_mode(ground_truth),
            dataset_version=dataset_version,
            split=split,
            strict=strict,
        )
        found: Export = self._connection.transport.request_json(
            "POST", exports.EXPORTS_PATH, Export, json=body
        )
        return found

    def list_exports(self) -> list[Export]:
        """Every export of the stack that has not expired, newest first."""
        self._connection.require_native("list exports")
        found: list[Export] = self._connection.transport.request_json(
            "GET", exports.EXPORTS_PATH, list[Export]
        )
        return found

    def get_export(self, export_id: str) -> Export:
        """An export: how far it is, and what it has.

        Args:
            export_id: the export's id.

        Raises:
            NotFound: there is none of this id, or it has expired.
        """
        return self._export("GET", export_id)

    def delete_export(self, export_id: str) -> Export:
        """Delete an export and its file, before its time has come.

        Args:
            export_id: the export's id.

        Raises:
            NotFound: there is none of this id, or it has expired.
        """
        return self._export("DELETE", export_id)

    def _export(self, method: str, export_id: str) -> Export:
        self._connection.require_native("read exports")
        path = exports.export_path(check_text(export_id, "export_id", "an export"))
        found: Export = self._connection.transport.request_json(method, path, Export)
        return found

    def download_export(
        self,
        export_id: str,
        folder: str | os.PathLike[str] | None = None,
        *,
        progress: ProgressChoice = None,
    ) -> FileDownloadReport:
        """Download the file of an export; again it goes on, or does nothing if the file is there.

        Args:
            export_id: the export's id.
            folder: where to; the current directory by default. The file has the export's
                ``file_name``.
            progress: as in `upload_modelrun_from_json`.

        Raises:
            NotFound: there is none of this id, or it has expired.
            Conflict: it is not there yet, or has failed.
            DownloadIncomplete: it ended early; its report says what is there.
        """
        found = self.get_export(export_id)
        if found.url is None:
            why = f": {found.message}" if found.message else ""
            raise Conflict(f"the export is {found.status}{why}", status=409)
        file = RemoteFile(
            name=found.file_name, url=found.url, size=found.size, checksum=found.checksum
        )
        work = FilesDownload(
            self._connection,
            Path(folder or "."),
            f"export {found.id}",
            [file],
            delete=False,
            parallel=1,
            progress=progress,
        )
        return check_download(work.run(), "raise")

    def _image_sizes(self, collection: str) -> dict[str, tuple[int | None, int | None]]:
        """Width and height of a collection's images; nothing of a stack that cannot say."""
        if self._connection.native is None:
            return {}
        return {item.name: (item.width, item.height) for item in self.iter_items(collection)}

    def _samples(
        self,
        collection: str,
        run: str,
        mode: Mode | None,
        sizes: dict[str, tuple[int | None, int | None]],
    ) -> Iterator[Sample]:
        count = 0
        for one in iter_annotations(self._connection, collection, run, mode):
            count += 1
            width, height = sizes.get(one.image, (None, None))
            yield Sample(
                image=one.image,
                annotations=in_pixels(one, width, height),
                width=width,
                height=height,
            )
        if not count:
            raise NotFound(f"{collection!r} has no annotations of {run!r}", status=404)


def _mode(ground_truth: bool | None) -> Mode | None:
    return None if ground_truth is None else "human" if ground_truth else "machine"

"""Datasets: frozen selections of images and annotations, divided into splits."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from layernext.client.files.pages import PageDownload
from layernext.client.files.reports import FileDownloadReport
from layernext.client.groups.group import Group
from layernext.client.progress import ProgressChoice, show_progress
from layernext.client.published import datasets, downloads
from layernext.client.reports import Done, VersionReport
from layernext.client.texts import check_text
from layernext.formats import (
    ConversionReport,
    ExportOptions,
    LabelRules,
    Losses,
    Sample,
    write_export,
)
from layernext.model import DatasetDiff, DatasetVersion
from layernext.wire import native
from layernext.wire.paths import segment

DOWNLOADS = 8


class Datasets(Group):
    """Frozen selections of images and annotations, divided into splits."""

    def create(
        self,
        dataset_name: str,
        collection_id: str,
        split_info: Mapping[str, float],
        labels: Sequence[str] | None = None,
        export_types: Sequence[str] | None = None,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        operation_list: Sequence[str] | None = None,
        augmentation_list: Any = None,
        *,
        seed: int = 0,
        stratify: bool = False,
    ) -> VersionReport:
        """Create a dataset from a collection; a job of the stack builds its first version.

        Args:
            dataset_name: name of the new dataset; no other dataset may have it.
            collection_id: id or name of a collection of images.
            split_info: percentages: ``{"train": 70, "validation": 20, "test": 10}``.
            labels: only annotations with these labels; None for all.
            export_types: formats in which published clients can download it: ``RAW``, ``YOLO Darknet``,
                ``COCO``, ``Pascal VOC``, ``Semantic Segmentation`` (pixels are class numbers).
            query, filter: which images; see `client.items.page`.
            operation_list: names of model runs and ground truths; None for all, empty for none.
            augmentation_list: additional pictures to generate from the train split, as
                ``{"IMAGE_LEVEL": [{"id": "FLIP_IMAGE", "properties": [{"id": "FLIP_HORIZONTAL",
                "values": [True]}]}]}`` (docs/datasets.md); None for none. The list itself is not changed.
            seed: random seed of the split.
            stratify: split each label evenly; the rarest label of an image decides.

        Returns:
            The ids of the dataset, the version and the job; `client.jobs.wait` waits for the job.

        Raises:
            DataError: an argument is wrong, or nothing matches; nothing was created.
            NotFound: no such collection.
            Conflict: a dataset of this name already exists.
        """
        body = datasets.dataset_body(
            split_info,
            labels,
            export_types,
            operation_list,
            augmentation_list,
            seed=seed,
            stratify=stratify,
        )
        body |= {"name": check_text(dataset_name, "dataset_name", "a dataset")}
        tag = datasets.select_in_collection(self._transport, collection_id, query, filter)
        return datasets.create_dataset(self._transport, tag, body)

    def create_from_query(
        self,
        dataset_name: str,
        split_info: Mapping[str, float],
        labels: Sequence[str] | None = None,
        export_types: Sequence[str] | None = None,
        item_type: str = "image",
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        operation_list: Sequence[str] | None = None,
        augmentation_list: Any = None,
        *,
        seed: int = 0,
        stratify: bool = False,
    ) -> VersionReport:
        """Create a dataset from images of any collection.

        Args:
            dataset_name, split_info, labels, export_types, query, filter, operation_list,
                augmentation_list, seed, stratify: as in `create`.
            item_type: ``image``; ``image_collection`` for the images of collections; ``dataset`` for the
                images of datasets that the query names, such as ``dataset = docks``.

        Raises:
            DataError, Conflict: as in `create`.
        """
        body = datasets.dataset_body(
            split_info,
            labels,
            export_types,
            operation_list,
            augmentation_list,
            seed=seed,
            stratify=stratify,
        )
        body |= {"name": check_text(dataset_name, "dataset_name", "a dataset")}
        tag = datasets.select_anywhere(self._transport, item_type, query, filter)
        return datasets.create_dataset(self._transport, tag, body)

    def add_version(
        self,
        version_id: str,
        collection_id: str,
        split_info: Mapping[str, float],
        labels: Sequence[str] | None = None,
        export_types: Sequence[str] | None = None,
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        is_new_version_required: bool = False,
        operation_list: Sequence[str] | None = None,
        augmentation_list: Any = None,
        *,
        seed: int = 0,
        stratify: bool = False,
    ) -> VersionReport:
        """Create the version after an earlier one; images keep the split that they have in that one.

        Args:
            version_id: the earlier version.
            collection_id, split_info, labels, export_types, query, filter, operation_list,
                augmentation_list, seed, stratify: as in `create`.
            is_new_version_required: no effect with our stacks: a version never changes, so every call creates
                a new one.

        Raises:
            DataError, NotFound: as in `create`.
        """
        body = datasets.dataset_body(
            split_info,
            labels,
            export_types,
            operation_list,
            augmentation_list,
            seed=seed,
            stratify=stratify,
        )
        version = check_text(version_id, "version_id", "a version")
        tag = datasets.select_in_collection(self._transport, collection_id, query, filter)
        return datasets.add_version(
            self._transport, version, tag, body, is_new=is_new_version_required
        )

    def add_version_from_query(
        self,
        version_id: str,
        split_info: Mapping[str, float],
        labels: Sequence[str] | None = None,
        export_types: Sequence[str] | None = None,
        item_type: str = "image",
        query: str = "",
        filter: Mapping[str, Any] | None = None,
        is_new_version_required: bool = False,
        operation_list: Sequence[str] | None = None,
        augmentation_list: Any = None,
        *,
        seed: int = 0,
        stratify: bool = False,
    ) -> VersionReport:
        """Create the version after an earlier one, from images of any collection.

        Args:
            version_id, split_info, labels, export_types, query, filter, is_new_version_required,
                operation_list, augmentation_list, seed, stratify: as in `add_version`.
            item_type: as in `create_from_query`.

        Raises:
            DataError, NotFound: as in `create`.
        """
        body = datasets.dataset_body(
            split_info,
            labels,
            export_types,
            operation_list,
            augmentation_list,
            seed=seed,
            stratify=stratify,
        )
        version = check_text(version_id, "version_id", "a version")
        tag = datasets.select_anywhere(self._transport, item_type, query, filter)
        return datasets.add_version(
            self._transport, version, tag, body, is_new=is_new_version_required
        )

    def delete_version(self, version_id: str) -> Done:
        """Permanently delete a version; its images and their annotations stay.

        Args:
            version_id: the version.

        Raises:
            NotFound: there is no such version.
        """
        version = check_text(version_id, "version_id", "a version")
        with self._connection.deleting():
            datasets.delete_version(self._transport, version)
        return Done(message="")

    def get_version(self, version_id: str) -> DatasetVersion:
        """A version: how it was created, and what it contains.

        Args:
            version_id: the version.

        Raises:
            NotFound: there is no such version.
        """
        self._connection.require_native("read a dataset version")
        path = f"{native.DATASETS_PATH}/{_segment(version_id)}"
        version: DatasetVersion = self._transport.request_json("GET", path, DatasetVersion)
        return version

    def diff(self, first: str, second: str) -> DatasetDiff:
        """How two versions differ, image by image.

        Args:
            first, second: ids of the versions.

        Raises:
            NotFound: there is no such version.
            Conflict: one of them is not ready.
        """
        self._connection.require_native("compare dataset versions")
        path = f"{native.DATASETS_PATH}/{_segment(first)}/diff"
        diff: DatasetDiff = self._transport.request_json(
            "GET", path, DatasetDiff, params={"other": second}
        )
        return diff

    def download(
        self,
        version_id: str,
        export_type: str,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
        *,
        parallel: int = DOWNLOADS,
        progress: ProgressChoice = None,
    ) -> FileDownloadReport:
        """Download a version into ``<path>/<dataset>-<version>``; a repeated call downloads what is missing.

        Args:
            version_id: the version.
            export_type: one of the version's export types.
            custom_download_path: target folder; the current directory by default.
            is_media_include: False for the annotations alone.
            parallel: number of files to download at a time.
            progress: as in `client.upload_modelrun_from_json`.

        Raises:
            NotFound: there is no such version.
            InvalidRequest: the version does not have this export type.
            Conflict: the version is not ready.
            DownloadIncomplete: the download ended early; the error's report says what arrived.
        """
        pages = downloads.version_pages(version_id, export_type)
        folder = Path(custom_download_path or ".")
        work = PageDownload(self._transport, pages, 1, folder, with_media=is_media_include)
        return work.run(f"{version_id} {export_type}", parallel=parallel, progress=progress)

    def export(
        self,
        version_id: str,
        target: str | os.PathLike[str],
        format: str,
        *,
        split: Literal["train", "validation", "test"] | None = None,
        overwrite: bool = False,
        strict: bool = False,
        label_rules: LabelRules | None = None,
        progress: ProgressChoice = None,
    ) -> ConversionReport:
        """Write a version of a dataset in another format, streamed.

        Args:
            version_id: the version.
            target: file or folder, which appears only once it is complete.
            format: a format that `layernext.convert` writes.
            split: only this split; None for all. YOLO, VOC, masks, CVAT, CSV and Parquet record the split of
                each image.
            overwrite, strict, label_rules, progress: as in `client.runs.export`.

        Raises:
            NotFound: there is no such version.
            Conflict: the version is not ready.
            ConfigurationError, DataError: as in `client.runs.export`.
        """
        version = check_text(version_id, "version_id", "a version")
        self._connection.require_native("export a dataset version")
        first = self._sample_page(version, None)
        rules, read = label_rules or LabelRules(), Losses(strict=strict)
        samples = rules.apply(self._samples(version, first, split), read)
        with show_progress(progress, f"export {version}", None) as advance:
            options = ExportOptions(
                overwrite=overwrite,
                strict=strict,
                labels=rules.classes(first.labels),
                skeletons=rules.skeletons(first.skeletons),
            )
            report = write_export(samples, Path(target), format, options, advance=advance)
            return msgspec.structs.replace(report, losses={**read.counts, **report.losses})

    def _samples(
        self, version_id: str, page: native.SamplePage, split: str | None
    ) -> Iterator[Sample]:
        while True:
            for line in page.samples:
                if split in {None, line.split}:
                    yield msgspec.convert(line, Sample, from_attributes=True)
            if page.next is None:
                return
            page = self._sample_page(version_id, page.next)

    def _sample_page(self, version_id: str, after: str | None) -> native.SamplePage:
        page: native.SamplePage = self._transport.request_json(
            "GET",
            native.samples_path(version_id),
            native.SamplePage,
            params={} if after is None else {"after": after},
        )
        return page

    def list(self) -> builtins.list[DatasetVersion]:
        """Every version of every dataset, oldest first."""
        self._connection.require_native("list datasets")
        versions: builtins.list[DatasetVersion] = self._transport.request_json(
            "GET", native.DATASETS_PATH, builtins.list[DatasetVersion]
        )
        return versions


def _segment(version_id: str) -> str:
    return segment(check_text(version_id, "version_id", "a version"))

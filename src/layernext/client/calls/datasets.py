"""Calls about datasets and their versions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from layernext.client.calls.base import check_text
from layernext.client.calls.items import ItemCalls
from layernext.client.file_reports import FileDownloadReport
from layernext.client.page_download import PageDownload
from layernext.client.progress import ProgressChoice
from layernext.client.reports import Done, VersionReport
from layernext.errors import Conflict, DataError, InvalidRequest, Problem
from layernext.model import DatasetDiff, DatasetVersion, is_number
from layernext.wire import native, published
from layernext.wire.augmentations import SWITCHES, Augmentation, read_augmentations
from layernext.wire.paths import segment

_SPLITS = {"train", "test", "validation"}
_TOLERANCE = 1e-6
_IMAGE_COLLECTION = published.OBJECT_TYPES["image_collection"]
DOWNLOADS = 8


class DatasetCalls(ItemCalls):
    """Datasets: frozen selections of images and annotations, divided into splits."""

    def create_dataset_from_collection(
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
        """Make a dataset from a collection; a job of the stack builds its first version.

        Args:
            dataset_name: a name that no dataset has.
            collection_id: id or name of a collection of images.
            split_info: percentages: ``{"train": 70, "validation": 20, "test": 10}``.
            labels: only annotations with these; None for all.
            export_types: in which published clients can download it: ``RAW``, ``YOLO Darknet``,
                ``COCO``, ``Pascal VOC``, ``Semantic Segmentation`` (pixels are class numbers).
            query, filter: which images; see `get_item_list_from_datalake`.
            operation_list: names of model runs and ground truths; None for all, empty for none.
            augmentation_list: more pictures of the images of the train split, as
                ``{"IMAGE_LEVEL": [{"id": "FLIP_IMAGE", "properties": [{"id": "FLIP_HORIZONTAL",
                "values": [True]}]}]}`` (docs/datasets.md); None for none. It is not changed.
            seed: of the division; the same seed divides in the same way.
            stratify: divide each label evenly, the rarest of an image deciding.

        Returns:
            The ids of dataset, version and job; `wait_for_job_complete` waits for the last.

        Raises:
            DataError: an argument is wrong, or nothing fits; nothing was made.
            NotFound: no such collection.
            Conflict: there is a dataset of this name.
        """
        body = _body(split_info, labels, export_types, operation_list, augmentation_list)
        body |= {"name": check_text(dataset_name, "dataset_name", "a dataset")}
        body |= _own(seed, stratify)
        tag = self._dataset_selection(collection_id, query, filter)
        return self._make(published.CREATE_DATASET_PATH, {"datasetSelectionId": tag}, body)

    def create_dataset_from_datalake(
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
        """Make a dataset from images of any collection.

        Args:
            dataset_name, split_info, labels, export_types, query, filter, operation_list,
                augmentation_list, seed, stratify: as in `create_dataset_from_collection`.
            item_type: ``image``; ``image_collection`` for the images of collections, ``dataset`` for
                those of datasets, which a query such as ``dataset = docks`` names.

        Raises:
            DataError, Conflict: as there.
        """
        body = _body(split_info, labels, export_types, operation_list, augmentation_list)
        body |= {"name": check_text(dataset_name, "dataset_name", "a dataset")}
        body |= _own(seed, stratify)
        tag = self._select(query, filter, collection_id=None, content_type=_item_code(item_type))
        return self._make(published.CREATE_DATASET_PATH, {"datasetSelectionId": tag}, body)

    def update_dataset_version_from_collection(
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
        """Make a version after another one; images keep the split that they have there.

        Args:
            version_id: the version that is followed.
            collection_id, split_info, labels, export_types, query, filter, operation_list,
                augmentation_list, seed, stratify: as in `create_dataset_from_collection`.
            is_new_version_required: makes no difference with our stacks: a version never changes,
                so there is always a new one.

        Raises:
            DataError, NotFound: as there.
        """
        body = _body(split_info, labels, export_types, operation_list, augmentation_list)
        body |= _own(seed, stratify)
        given = check_text(version_id, "version_id", "a version")
        tag = self._dataset_selection(collection_id, query, filter)
        return self._follow(given, tag, body, is_new_version_required)

    def update_dataset_version_from_datalake(
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
        """Make a version after another one from images of any collection.

        Args:
            version_id, split_info, labels, export_types, query, filter, is_new_version_required,
                operation_list, augmentation_list, seed, stratify: as in
                `update_dataset_version_from_collection`.
            item_type: as in `create_dataset_from_datalake`.

        Raises:
            DataError, NotFound: as there.
        """
        body = _body(split_info, labels, export_types, operation_list, augmentation_list)
        body |= _own(seed, stratify)
        given = check_text(version_id, "version_id", "a version")
        tag = self._select(query, filter, collection_id=None, content_type=_item_code(item_type))
        return self._follow(given, tag, body, is_new_version_required)

    def _follow(
        self, version_id: str, tag: str, body: dict[str, Any], is_new: bool
    ) -> VersionReport:
        path = published.NEW_VERSION_PATH if is_new else published.UPDATE_VERSION_PATH
        query = {"datasetSelectionId": tag, "datasetVersionId": version_id}
        return self._make(path, query, body)

    def _dataset_selection(
        self, collection_id: str, query: str, filter_: Mapping[str, Any] | None
    ) -> str:
        kind = self._object_type(collection_id)
        if kind != _IMAGE_COLLECTION:
            raise DataError(
                Problem("collection_id", f"{collection_id!r} is not an image collection")
            )
        code = published.ITEM_TYPES["image"]
        return self._select(query, filter_, collection_id=collection_id, content_type=code)

    def _make(self, path: str, query: dict[str, str], body: dict[str, Any]) -> VersionReport:
        try:
            answer = self._object("GET", f"{path}?{urlencode(query)}", body)
        except Conflict as error:
            if error.after_lost_answer:
                error.hint = "an earlier attempt, whose answer was lost, may have created it"
            raise
        if answer.get("isSuccess") is False:
            raise InvalidRequest(str(answer.get("message") or "the stack refused"), status=200)
        version_id = answer.get("datasetVersionId") or answer.get("versionId") or ""
        return VersionReport(
            version_id=str(version_id),
            dataset_id=str(answer.get("datasetId") or ""),
            job_id=str(answer.get("jobId") or ""),
            message=str(answer.get("message") or ""),
            version=str(answer.get("version") or ""),
        )

    def delete_dataset_version(self, version_id: str) -> Done:
        """Delete a version for good; its images and their annotations stay.

        Args:
            version_id: the version.

        Raises:
            NotFound: there is no such version.
        """
        given = check_text(version_id, "version_id", "a version")
        query = urlencode({"datasetVersionId": given})
        with self._connection.deleting():
            self._connection.transport.request(
                "GET", f"{published.DELETE_VERSION_PATH}?{query}", json={}
            )
        return Done(message="")

    def list_datasets(self) -> list[DatasetVersion]:
        """Every version of every dataset, oldest first."""
        self._connection.require_native("list datasets")
        found: list[DatasetVersion] = self._connection.transport.request_json(
            "GET", native.DATASETS_PATH, list[DatasetVersion]
        )
        return found

    def get_dataset_version(self, version_id: str) -> DatasetVersion:
        """A version: how it was made, and what it holds.

        Args:
            version_id: the version.

        Raises:
            NotFound: there is no such version.
        """
        self._connection.require_native("look at a dataset version")
        path = f"{native.DATASETS_PATH}/{_segment(version_id)}"
        found: DatasetVersion = self._connection.transport.request_json("GET", path, DatasetVersion)
        return found

    def diff_dataset_versions(self, first: str, second: str) -> DatasetDiff:
        """How two versions differ, image by image.

        Args:
            first, second: ids of the versions.

        Raises:
            NotFound: there is no such version.
            Conflict: one of them is not ready.
        """
        self._connection.require_native("compare dataset versions")
        path = f"{native.DATASETS_PATH}/{_segment(first)}/diff"
        found: DatasetDiff = self._connection.transport.request_json(
            "GET", path, DatasetDiff, params={"other": second}
        )
        return found

    def download_dataset(
        self,
        version_id: str,
        export_type: str,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
        *,
        parallel: int = DOWNLOADS,
        progress: ProgressChoice = None,
    ) -> FileDownloadReport:
        """Download a version into ``<path>/<dataset>-<version>``; again it fetches what is missing.

        Args:
            version_id: the version.
            export_type: one of those that it was made for.
            custom_download_path: where to; the current directory by default.
            is_media_include: False for the annotations alone.
            parallel: files at a time.
            progress: as in `upload_modelrun_from_json`.

        Raises:
            NotFound: there is no such version.
            InvalidRequest: it was not made for this type.
            Conflict: it is not ready.
            DownloadIncomplete: it ended early; its report says what is there.
        """
        given = check_text(version_id, "version_id", "a version")
        path = published.version_data_path(given, check_text(export_type, "export_type", "a type"))

        def page(number: int) -> str:
            fixed = {
                "pageNo": number,
                "pageSize": published.PAGE_SIZE,
                "statusList": "[]",
                "isAnnotatedOnly": False,
                "projectIdList": "[]",
                "operationIdList": "[]",
                "annotationType": "all",
            }
            return f"{path}?{urlencode(fixed)}"

        folder = Path(custom_download_path or ".")
        work = PageDownload(self._connection, page, 1, folder, with_media=is_media_include)
        return work.run(f"{given} {export_type}", parallel=parallel, progress=progress)


def _segment(version_id: str) -> str:
    return segment(check_text(version_id, "version_id", "a version"))


def _item_code(item_type: str) -> int:
    code = {"image": 2, "dataset": 3, "image_collection": 5}.get(item_type)
    if code is None:
        message = f"is {item_type!r}, must be 'image', 'image_collection' or 'dataset'"
        raise DataError(Problem("item_type", message))
    return code


def _own(seed: int, stratify: bool) -> dict[str, Any]:
    """What only our stacks know; left out where it is the usual."""
    return {**({"seed": seed} if seed else {}), **({"stratify": True} if stratify else {})}


def _as_published(chosen: Sequence[Augmentation]) -> dict[str, Any] | None:
    """Augmentations as E54 to E56 have them."""
    if not chosen:
        return None
    found: dict[str, list[dict[str, Any]]] = {}
    for one in chosen:
        values = [True] if one.kind in SWITCHES else [one.low, one.high]
        found.setdefault(one.kind, []).append({"id": one.property, "values": values})
    return {
        "IMAGE_LEVEL": [
            {"id": kind, "isSelected": True, "properties": some} for kind, some in found.items()
        ]
    }


def _body(
    split_info: Mapping[str, float],
    labels: Sequence[str] | None,
    export_types: Sequence[str] | None,
    operations: Sequence[str] | None,
    augmentations: Any,
) -> dict[str, Any]:
    """What E54 to E56 share, checked before anything is sent."""
    given: Any = split_info
    if not isinstance(given, Mapping) or set(given) != _SPLITS:
        raise DataError(Problem("split_info", "must have train, test and validation"))
    for name, percent in given.items():
        if not is_number(percent) or percent < 0:
            raise DataError(Problem(f"split_info[{name!r}]", f"is {percent!r}, must be ≥ 0"))
    total = sum(given.values())
    if abs(total - 100) > _TOLERANCE:
        raise DataError(Problem("split_info", f"adds up to {total:g}, must be 100"))
    chosen = read_augmentations(augmentations, "augmentation_list")
    return {
        "splitInfo": dict(given),
        "labels": list(labels or []),
        "exportTypes": list(export_types or []),
        "operations": None if operations is None else list(operations),
        "augmentations": _as_published(chosen),
    }

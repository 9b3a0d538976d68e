"""The client for asyncio. Generated from client.py by tools/generate_async_client.py.

Each call runs in a thread, so the event loop stays free; the work is that of `LayerNextClient`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import Any, Literal

import httpx

from layernext.client.bridge import AsyncRunLogger, as_async_iterator, as_iterable, in_thread
from layernext.client.client import LayerNextClient
from layernext.client.progress import ProgressChoice
from layernext.client.reports import DownloadReport, RemoveReport, UploadReport
from layernext.client.sources import Item, Validate
from layernext.client.transport import DEFAULT_RETRY_FOR_S, DEFAULT_TIMEOUT_S
from layernext.formats import DEFAULT_PROBLEM_LIMIT, FileSummary
from layernext.model import Collection, ImageAnnotations, Job, Label, ModelRun


class AsyncLayerNextClient:
    """`LayerNextClient` for asyncio: the same calls with the same arguments, to be awaited.

    `iter_annotations` gives an asynchronous iterator, `model_run` an asynchronous context manager,
    and `upload_modelrun` takes asynchronous iterables, too. A call that is cancelled ends
    at the next image; what an upload has sent by then is stored.
    """

    def __init__(
        self,
        api_key: str,
        secret: str,
        layernext_url: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retry_for_s: float = DEFAULT_RETRY_FOR_S,
        protocol: Literal["published"] | None = None,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        self._client = LayerNextClient(
            api_key,
            secret,
            layernext_url,
            timeout_s=timeout_s,
            retry_for_s=retry_for_s,
            protocol=protocol,
            http=http,
        )

    def __repr__(self) -> str:
        return f"Async{self._client!r}"

    async def __aenter__(self) -> AsyncLayerNextClient:
        """The client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections. May be called twice.

        See `LayerNextClient.close`.
        """
        return await in_thread(self._client.close)

    async def upload_modelrun_from_json(
        self,
        collection_base_path: str | None,
        model_run_name: str,
        file_path: str | os.PathLike[str],
        annotation_geometry: str,
        *,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a model run from a form v1 file.

        See `LayerNextClient.upload_modelrun_from_json`.
        """
        return await in_thread(
            self._client.upload_modelrun_from_json,
            collection_base_path,
            model_run_name,
            file_path,
            annotation_geometry,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    async def upload_groundtruth_from_json(
        self,
        collection_base_path: str | None,
        ground_truth_name: str,
        file_path: str | os.PathLike[str],
        annotation_geometry: str,
        *,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload ground truth from a form v1 file; all else as `upload_modelrun_from_json`.

        See `LayerNextClient.upload_groundtruth_from_json`.
        """
        return await in_thread(
            self._client.upload_groundtruth_from_json,
            collection_base_path,
            ground_truth_name,
            file_path,
            annotation_geometry,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    async def upload_annotations_for_collection(
        self,
        collection_name: str,
        operation_unique_id: str,
        json_data_file_path: str | os.PathLike[str],
        is_normalized: bool,
        is_model_run: bool,
        *,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a form v2 file whose images are file names in a collection.

        See `LayerNextClient.upload_annotations_for_collection`.
        """
        return await in_thread(
            self._client.upload_annotations_for_collection,
            collection_name,
            operation_unique_id,
            json_data_file_path,
            is_normalized,
            is_model_run,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    async def upload_annotations_by_unique_name(
        self,
        operation_unique_id: str,
        json_data_file_path: str | os.PathLike[str],
        is_normalized: bool,
        is_model_run: bool,
        *,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a form v2 file whose images are unique names, ``<collection>_<file name>``.

        See `LayerNextClient.upload_annotations_by_unique_name`.
        """
        return await in_thread(
            self._client.upload_annotations_by_unique_name,
            operation_unique_id,
            json_data_file_path,
            is_normalized,
            is_model_run,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    async def upload_annotations_by_storage_path(
        self,
        operation_unique_id: str,
        json_data_file_path: str | os.PathLike[str],
        is_normalized: bool,
        is_model_run: bool,
        bucket_name: str | None = None,
        *,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a form v2 file whose images are paths in storage.

        See `LayerNextClient.upload_annotations_by_storage_path`.
        """
        return await in_thread(
            self._client.upload_annotations_by_storage_path,
            operation_unique_id,
            json_data_file_path,
            is_normalized,
            is_model_run,
            bucket_name,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    async def upload_annotations_for_folder(
        self,
        collection_base_path: str | None,
        operation_unique_id: str,
        json_data_file_path: str | os.PathLike[str],
        shape_type: str,
        is_normalized: bool,
        is_model_run: bool,
        destination_project_id: str | None = None,
        *,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a form v1 file, model run or ground truth.

        See `LayerNextClient.upload_annotations_for_folder`.
        """
        return await in_thread(
            self._client.upload_annotations_for_folder,
            collection_base_path,
            operation_unique_id,
            json_data_file_path,
            shape_type,
            is_normalized,
            is_model_run,
            destination_project_id,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    upload_annoations_for_folder = upload_annotations_for_folder

    async def upload_modelrun(
        self,
        collection: str | None,
        run: str,
        source: str | os.PathLike[str] | Iterable[Item] | AsyncIterable[Item],
        *,
        geometry: str | None = None,
        ground_truth: bool = False,
        normalized: bool = False,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a run from any iterable of annotation sets, or from a file.

        See `LayerNextClient.upload_modelrun`.
        """
        source = as_iterable(source, asyncio.get_running_loop())
        return await in_thread(
            self._client.upload_modelrun,
            collection,
            run,
            source,
            geometry=geometry,
            ground_truth=ground_truth,
            normalized=normalized,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    def model_run(
        self,
        collection: str | None,
        name: str,
        *,
        ground_truth: bool = False,
        normalized: bool = False,
    ) -> AsyncRunLogger:
        """A run to log image by image, sent in the background; see `RunLogger.log`.

        See `LayerNextClient.model_run`.
        """
        return AsyncRunLogger(
            self._client.model_run(
                collection, name, ground_truth=ground_truth, normalized=normalized
            )
        )

    def iter_annotations(
        self, collection: str | None, run: str, *, ground_truth: bool | None = None
    ) -> AsyncIterator[ImageAnnotations]:
        """The annotation sets of a run, streamed, in the order they were uploaded.

        See `LayerNextClient.iter_annotations`.
        """
        return as_async_iterator(
            self._client.iter_annotations(collection, run, ground_truth=ground_truth)
        )

    async def download_to_file(
        self,
        collection: str | None,
        runs: str | Sequence[str],
        path: str | os.PathLike[str],
        *,
        ground_truth: bool | None = None,
        progress: ProgressChoice = None,
    ) -> DownloadReport:
        """Write runs to a LayerNext JSON file, which appears only when it is whole.

        See `LayerNextClient.download_to_file`.
        """
        return await in_thread(
            self._client.download_to_file,
            collection,
            runs,
            path,
            ground_truth=ground_truth,
            progress=progress,
        )

    async def download_collection(
        self,
        collection_id: str,
        annotation_type: str = "all",
        operation_id_list: Sequence[str] | None = None,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
    ) -> DownloadReport:
        """Write a collection's annotations to ``<path>/<collection>/annotations.json``, form v2.

        See `LayerNextClient.download_collection`.
        """
        return await in_thread(
            self._client.download_collection,
            collection_id,
            annotation_type,
            operation_id_list,
            custom_download_path,
            is_media_include,
        )

    async def list_collections(self) -> list[Collection]:
        """The stack's collections, oldest first.

        See `LayerNextClient.list_collections`.
        """
        return await in_thread(self._client.list_collections)

    async def list_model_runs(self, collection: str | None = None) -> list[ModelRun]:
        """Model runs and ground truths with their counts, oldest first.

        See `LayerNextClient.list_model_runs`.
        """
        return await in_thread(self._client.list_model_runs, collection)

    async def get_all_labels(self) -> list[Label]:
        """Every label of the stack with its reference, colour and attributes.

        See `LayerNextClient.get_all_labels`.
        """
        return await in_thread(self._client.get_all_labels)

    async def get_stack_info(self) -> dict[str, Any] | None:
        """The stack's version and the key's name and role; None from a published-only stack.

        See `LayerNextClient.get_stack_info`.
        """
        return await in_thread(self._client.get_stack_info)

    async def create_collection(self, name: str) -> Collection:
        """The collection of this name, made if there is none.

        See `LayerNextClient.create_collection`.
        """
        return await in_thread(self._client.create_collection, name)

    async def remove_annotations(self, collection_id: str, model_run_id: str) -> RemoveReport:
        """Remove a run's annotations, model run and ground truth, from a collection.

        See `LayerNextClient.remove_annotations`.
        """
        return await in_thread(self._client.remove_annotations, collection_id, model_run_id)

    async def wait_for_job_complete(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """Wait until a job has ended, asking at growing intervals of up to 10 s.

        See `LayerNextClient.wait_for_job_complete`.
        """
        return await in_thread(self._client.wait_for_job_complete, job_id, timeout_s=timeout_s)

    async def validate_file(
        self,
        path: str | os.PathLike[str],
        geometry: str | None = None,
        *,
        limit: int = DEFAULT_PROBLEM_LIMIT,
        progress: ProgressChoice = None,
    ) -> FileSummary:
        """See `layernext.validate_file`.

        See `LayerNextClient.validate_file`.
        """
        return await in_thread(
            self._client.validate_file, path, geometry, limit=limit, progress=progress
        )

"""Calls that upload, download and remove annotations."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from layernext.client import download, upload
from layernext.client.calls.base import Calls, renamed
from layernext.client.file_download import DEFAULT_PARALLEL, FilesDownload, check_download
from layernext.client.file_remote import RemoteFile, iter_native
from layernext.client.progress import ProgressChoice
from layernext.client.reports import DownloadReport, RemoveReport, UploadReport
from layernext.client.run_logger import RunLogger
from layernext.client.sources import (
    FileSource,
    FormatSource,
    GivenImage,
    ItemSource,
    Source,
    Validate,
    check_with_progress,
)
from layernext.errors import (
    ConfigurationError,
    DataError,
    InvalidRequest,
    NotFound,
    Problem,
)
from layernext.formats import (
    DEFAULT_PROBLEM_LIMIT,
    FileSummary,
    Losses,
    Sample,
    SourceOptions,
    get_format,
    read_coco,
    read_coco_labels,
    read_format,
)
from layernext.model import (
    Geometry,
    ImageAnnotations,
    Mode,
    ModelRun,
    find_names_problem,
)
from layernext.wire import native, published
from layernext.wire.native import KeyKind, RemoveResult, UploadRequest

_FILE_GEOMETRIES: tuple[Geometry, ...] = ("rectangle", "polygon", "line")


class AnnotationCalls(Calls):
    """Annotations: files and data in memory, up and down."""

    # -- uploads of files ---------------------------------------------------------------------

    @renamed(storage_base_path="collection_base_path", model_id="model_run_name")  # 0.0.5
    def upload_modelrun_from_json(
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

        Each image's annotation set of this run is replaced whole. Repeating the call changes
        nothing.

        Args:
            collection_base_path: the collection, with or without a slash at its end; None if the
                file names images by their unique names.
            model_run_name: the model run's name.
            file_path: LayerNext JSON, plain, ``.gz`` or ``.zst``; read as a stream.
            annotation_geometry: ``rectangle``, ``polygon`` or ``line``.
            validate: ``first`` checks the whole file before anything is sent; ``stream`` checks
                batch by batch.
            resume: send only what the stack does not have from an interrupted call; by the
                published protocol all is sent again.
            progress: None shows a bar on a terminal; True, False or a callable override that.

        Returns:
            What was stored.

        Raises:
            DataError: the file is not valid; every problem with its place. With
                ``validate="first"`` nothing was sent.
            UploadIncomplete: the upload ended early; what was acknowledged is stored.
            NotAuthenticated, NotAllowed, ConnectionFailed, StackError: see `layernext.errors`.
        """
        geometry = check_geometry(annotation_geometry)
        request = self._request(collection_base_path, model_run_name, geometry, is_model_run=True)
        return self._upload_file(request, file_path, validate, resume, progress)

    def upload_groundtruth_from_json(
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
        """Upload ground truth from a form v1 file; all else as `upload_modelrun_from_json`."""
        geometry = check_geometry(annotation_geometry)
        request = self._request(
            collection_base_path, ground_truth_name, geometry, is_model_run=False
        )
        return self._upload_file(request, file_path, validate, resume, progress)

    def upload_annotations_for_collection(
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

        Args:
            collection_name: the collection.
            operation_unique_id: name of the model run or ground truth.
            json_data_file_path: LayerNext JSON v2, plain, ``.gz`` or ``.zst``.
            is_normalized: True if coordinates are fractions of the image's size.
            is_model_run: True for a model run, False for ground truth.
            validate, resume, progress: as in `upload_modelrun_from_json`, and so are the errors.
        """
        request = self._request(
            collection_name, operation_unique_id, None, is_model_run, is_normalized
        )
        return self._upload_file(request, json_data_file_path, validate, resume, progress)

    def upload_annotations_by_unique_name(
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

        Arguments and errors as in `upload_annotations_for_collection`.
        """
        request = self._request(
            None, operation_unique_id, None, is_model_run, is_normalized, "unique_name"
        )
        return self._upload_file(request, json_data_file_path, validate, resume, progress)

    def upload_annotations_by_storage_path(
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

        Args:
            operation_unique_id, json_data_file_path, is_normalized, is_model_run: as in
                `upload_annotations_for_collection`.
            bucket_name: the bucket of images without a ``storageName``; None is the default one.
            validate, resume, progress: as in `upload_modelrun_from_json`, and so are the errors.
        """
        request = self._request(
            None, operation_unique_id, None, is_model_run, is_normalized, "storage_path"
        )
        request = msgspec.structs.replace(request, bucket=bucket_name)
        return self._upload_file(request, json_data_file_path, validate, resume, progress)

    def upload_annotations_for_folder(
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

        Args:
            collection_base_path, operation_unique_id, json_data_file_path: as in
                `upload_modelrun_from_json`.
            shape_type: ``rectangle``, ``polygon`` or ``line``.
            is_normalized: True if coordinates are fractions of the image's size.
            is_model_run: True for a model run, False for ground truth.
            destination_project_id: an annotation project that the model run is attached to
                afterwards. Ground truth belongs to a project by its name, the project's id.
            validate, resume, progress: as in `upload_modelrun_from_json`, and so are the errors.
        """
        geometry = check_geometry(shape_type)
        request = self._request(
            collection_base_path, operation_unique_id, geometry, is_model_run, is_normalized
        )
        report = self._upload_file(request, json_data_file_path, validate, resume, progress)
        if destination_project_id is not None and is_model_run:
            body = {
                "projectId": destination_project_id,
                "operationIdArray": [operation_unique_id],
            }
            self._connection.transport.request("POST", published.ATTACH_RUNS_PATH, json=body)
        return report

    upload_annoations_for_folder = upload_annotations_for_folder  # as published, misspelt

    # -- uploads of data in memory ------------------------------------------------------------

    def upload_modelrun(
        self,
        collection: str | None,
        run: str,
        source: str | os.PathLike[str] | Iterable[GivenImage],
        *,
        geometry: str | None = None,
        ground_truth: bool = False,
        normalized: bool = False,
        format: str | None = None,
        images: str | os.PathLike[str] | None = None,
        instances: str | os.PathLike[str] | None = None,
        source_options: SourceOptions | None = None,
        strict: bool = False,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a run from any iterable of annotation sets, or from a file of any format.

        Args:
            collection: the collection; None if images are named by their unique names.
            run: the run's name.
            source: `ImageAnnotations`, or dictionaries like the images of a file, never all in
                memory at once; or a file's path.
            geometry: that of annotations without a ``type`` (form v1); None for form v2.
            ground_truth: True for ground truth, False for a model run.
            normalized: True if coordinates are fractions of the image's size.
            format: of the file, one of those of `layernext.convert`; None for LayerNext JSON, which is
                sent as it stands. What is not read of another format is in the report's ``losses``.
            images: with `format`: folder with the images, where it does not say how large they are.
            instances: with ``format="coco-results"``: the file of instances that they refer to.
            source_options: with `format`: label rules, the scale of scores, class names, and whether
                annotations that are not valid are skipped.
            strict: with `format`: refuse what is not read.
            validate: for files only; an iterable is checked batch by batch.
            resume, progress: as in `upload_modelrun_from_json`, and so are the errors.

        Example:
            >>> box = {"type": "rectangle", "label": "cup", "bbox": [10, 20, 30, 40]}
            >>> images = ({"image": f"{n}.jpg", "annotations": [box]} for n in range(3))
            >>> client.upload_modelrun("kitchen", "model 7", images)  # doctest: +SKIP
        """
        shape = None if geometry is None else check_geometry(geometry)
        request = self._request(collection, run, shape, not ground_truth, normalized)
        if format is not None:
            if not isinstance(source, str | os.PathLike) or normalized or geometry is not None:
                raise ConfigurationError(
                    "`format` is for files and folders, which define geometry and units themselves"
                )
            path, kind = Path(source), get_format(format)
            folder = None if images is None else Path(images)
            numbers = None if instances is None else Path(instances)

            taken = source_options or SourceOptions()

            def read(losses: Losses) -> Iterator[Sample]:
                samples = read_format(
                    path,
                    kind.name,
                    losses=losses,
                    images=folder,
                    instances=numbers,
                    names=taken.names,
                    scores=taken.scores,
                    skip_invalid=taken.skip_invalid,
                )
                return taken.label_rules.apply(samples, losses) if taken.label_rules else samples

            def list_names() -> list[str]:
                if collection is None or self._connection.native is None:
                    return []
                try:
                    return [file.name for file in iter_native(self._connection, collection, None)]
                except NotFound:
                    return []

            found = FormatSource(path, read, validate, strict=strict, list_names=list_names)
            return self._upload_format(request, found, resume, progress)
        if isinstance(source, str | os.PathLike):
            return self._upload_file(request, source, validate, resume, progress)
        items = ItemSource(source, shape)
        return upload.upload(self._connection, request, items, resume=resume, progress=progress)

    def upload_annotation_from_cocojson(
        self,
        file_path: str | os.PathLike[str],
        collection: str | None = None,
        run: str | None = None,
        *,
        ground_truth: bool = True,
        strict: bool = False,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a file of COCO instances: its labels and its annotations.

        The published client stops at the labels (E05). As there, a supercategory becomes the label and its categories the values of the label's
        attribute ``name``; a category without a supercategory is a label itself. With
        ``upload_modelrun(…, format="coco")`` each category is a label.

        Args:
            file_path: COCO instances, plain, ``.gz`` or ``.zst``; read as a stream.
            collection: the collection; None if the file names images by their unique names.
            run: the run's name; None for the file's name without its ending.
            ground_truth: True for ground truth, False for a model run.
            strict: refuse what is not read; otherwise it is in the report's ``losses``.
            validate, resume, progress: as in `upload_modelrun_from_json`.

        Raises:
            FormatError: it is not such a file, with the place; nothing was sent.
        """
        path = Path(file_path)
        name = run if run is not None else path.name.partition(".")[0]
        request = self._request(collection, name, None, not ground_truth)

        def read(losses: Losses) -> Iterator[Sample]:
            return read_coco(path, losses, has_supercategories=True)

        source = FormatSource(path, read, validate, strict=strict)
        report = self._upload_format(request, source, resume, progress)
        for label, names in read_coco_labels(path).items():
            values = [{"valueText": each, "description": "", "imgFiles": []} for each in names]
            fields = {
                "labelText": label,
                "description": "",
                "attributes": [{"labelText": "name", "values": values}] if values else [],
                "imgFiles": [],
                "type": 2,
            }
            body = {"userName": published.USER_NAME, "labels": fields}
            self._connection.transport.request_json("POST", published.COCO_LABEL_PATH, json=body)
        return report

    def model_run(
        self,
        collection: str | None,
        name: str,
        *,
        ground_truth: bool = False,
        normalized: bool = False,
    ) -> RunLogger:
        """A run to log image by image, sent in the background; see `RunLogger.log`.

        Args:
            collection: the collection.
            name: the run's name.
            ground_truth: True for ground truth, False for a model run.
            normalized: True if coordinates are fractions of the image's size.

        Example:
            >>> with client.model_run("kitchen", "model 7") as run:  # doctest: +SKIP
            ...     run.log("1.jpg", boxes=[[10, 20, 30, 40]], labels=["cup"], confidences=[0.9])
        """
        request = self._request(collection, name, None, not ground_truth, normalized)

        def send(source: Source) -> UploadReport:
            return upload.upload(self._connection, request, source, resume=False, progress=False)

        return RunLogger(send, is_normalized=normalized)

    # -- reading ------------------------------------------------------------------------------

    def iter_annotations(
        self, collection: str | None, run: str, *, ground_truth: bool | None = None
    ) -> Iterator[ImageAnnotations]:
        """The annotation sets of a run, streamed, in the order they were uploaded.

        Args:
            collection: the collection's name or id; None for all collections.
            run: the run's name.
            ground_truth: True or False if both a ground truth and a model run have this name.

        Raises:
            NotFound: no such collection or run.
            Conflict: the name is a model run's and a ground truth's, and `ground_truth` is None.
            DownloadIncomplete: the connection broke again and again.
        """
        return download.iter_annotations(self._connection, collection, run, _mode(ground_truth))

    def download_to_file(
        self,
        collection: str | None,
        runs: str | Sequence[str],
        path: str | os.PathLike[str],
        *,
        ground_truth: bool | None = None,
        progress: ProgressChoice = None,
    ) -> DownloadReport:
        """Write runs to a LayerNext JSON file, which appears only when it is whole.

        A single run is written as it was uploaded, form v1 as form v1. Of several runs each image
        entry also says its ``run`` and ``mode``, and all is form v2.

        Args:
            collection: the collection's name or id; None for all collections.
            runs: the run's name, or several in a list; an empty list means all.
            path: the file; compressed if it ends in ``.gz`` or ``.zst``.
            ground_truth: only ground truth, or only model runs.
            progress: as in `upload_modelrun_from_json`.

        Raises:
            NotFound: no such collection or run.
            DownloadIncomplete: the connection broke again and again.
        """
        mode = _mode(ground_truth)
        runs = [runs] if isinstance(runs, str) else runs
        if len(runs) != 1:
            self._connection.require_native("tell several runs apart in a file; name one run")
        elif self._connection.native is None:
            return download.download_published(
                self._connection, collection, runs[0], mode, Path(path), progress=progress
            )
        found = [
            run
            for run in self.list_model_runs(collection)
            if (not runs or run.name in runs) and mode in {None, run.mode}
        ]
        return download.download_to_file(
            self._connection,
            collection,
            runs,
            mode,
            Path(path),
            is_single=len({(run.name, run.mode) for run in found}) <= 1,
            progress=progress,
        )

    def download_collection(
        self,
        collection_id: str,
        annotation_type: str = "all",
        operation_id_list: Sequence[str] | None = None,
        custom_download_path: str | os.PathLike[str] | None = None,
        is_media_include: bool = True,
    ) -> DownloadReport:
        """Write a collection's annotations to ``<path>/<collection>/annotations.json``, and its files.

        Args:
            collection_id: the collection's id or name.
            annotation_type: ``all``, ``human`` or ``machine``; counts only without a list of ids.
            operation_id_list: names of model runs and ground truths; None means all.
            custom_download_path: where to; the current directory by default.
            is_media_include: also bring the collection's files into ``<path>/<collection>/data``,
                as `download_files` does; of a list of runs, or of human or machine annotations,
                the files of the images that have such.

        Raises:
            NotFound: no such collection.
            DownloadIncomplete: the annotations, or some of the files, did not come.
        """
        modes: dict[str, Mode | None] = {"all": None, "human": "human", "machine": "machine"}
        if annotation_type not in modes:
            raise ConfigurationError("annotation_type must be 'all', 'human' or 'machine'")
        runs, mode = list(operation_id_list or ()), modes[annotation_type]
        media: list[RemoteFile] = []
        report = download.download_collection(
            self._connection,
            collection_id,
            runs,
            mode,
            Path(custom_download_path or "."),
            media if is_media_include else None,
        )
        if not media:
            return report
        files = FilesDownload(
            self._connection,
            report.path.parent,
            f"media of {collection_id}",
            self._with_checksums(collection_id, media) if not runs and mode is None else media,
            delete=False,
            parallel=DEFAULT_PARALLEL,
            progress=False,
        ).run()
        return msgspec.structs.replace(report, files=check_download(files, "raise"))

    def _with_checksums(self, collection: str, media: list[RemoteFile]) -> Iterable[RemoteFile]:
        """All files of a collection with what the stack knows of them, where it can be asked."""
        if self._connection.native is None:
            return media
        return (
            dataclasses.replace(each, name=f"data/{each.name}")
            for each in iter_native(self._connection, collection, published.IMAGE_COLLECTION)
        )

    def list_model_runs(self, collection: str | None = None) -> list[ModelRun]:
        """Model runs and ground truths with their counts, oldest first.

        Args:
            collection: the collection's name or id; None for all.

        Raises:
            NotFound: no such collection.
        """
        what = "list model runs"
        return self._all(native.RUNS_PATH, ModelRun, what, collection=collection or None)

    def remove_annotations(self, collection_id: str, model_run_id: str) -> RemoveReport:
        """Remove a run's annotations, model run and ground truth, from a collection.

        Args:
            collection_id: the collection's id or name.
            model_run_id: the run's name.

        Raises:
            DataError: no collection is named; nothing is ever removed from all of them at once.
            NotFound: no such collection.
        """
        given: Any = collection_id
        name = given.rstrip("/") if isinstance(given, str) else given
        problem = find_names_problem(name, "a collection")
        if problem:
            raise DataError(Problem("collection_id", problem))
        transport = self._connection.transport
        if self._connection.native is not None:
            params = {"collection": collection_id, "run": model_run_id}
            result: RemoveResult = transport.request_json(
                "DELETE", native.ANNOTATIONS_PATH, RemoveResult, params=params
            )
            return RemoveReport(images=result.sets, annotations=result.annotations)
        found = download.find_collection_id(self._connection, collection_id)
        query = urlencode({"collectionId": found, "operationId": model_run_id})
        answer = transport.request_json(
            "GET", f"{published.DELETE_ANNOTATIONS_PATH}?{query}", json={"sessionId": ""}
        )
        fields = answer if isinstance(answer, dict) else {}
        if fields.get("isSuccess") is False:
            raise InvalidRequest(
                f"the stack did not remove {model_run_id!r}: {fields.get('message')}", status=200
            )
        return RemoveReport(
            images=fields.get("imageCount"),
            annotations=fields.get("annotationCount"),
            message=str(fields.get("message") or ""),
        )

    # -- files --------------------------------------------------------------------------------

    @staticmethod
    def validate_file(
        path: str | os.PathLike[str],
        geometry: str | None = None,
        *,
        limit: int = DEFAULT_PROBLEM_LIMIT,
        progress: ProgressChoice = None,
    ) -> FileSummary:
        """See `layernext.validate_file`."""
        return validate_file(path, geometry, limit=limit, progress=progress)

    # -- inside -------------------------------------------------------------------------------

    def _upload_file(
        self,
        request: UploadRequest,
        path: str | os.PathLike[str],
        validate: Validate,
        resume: bool,
        progress: ProgressChoice,
    ) -> UploadReport:
        source = FileSource(path, request.geometry, validate)
        return upload.upload(self._connection, request, source, resume=resume, progress=progress)

    def _upload_format(
        self, request: UploadRequest, source: FormatSource, resume: bool, progress: ProgressChoice
    ) -> UploadReport:
        report = upload.upload(self._connection, request, source, resume=resume, progress=progress)
        return msgspec.structs.replace(
            report,
            losses=source.losses.counts,
            lost_shapes=source.losses.shapes,
            warnings=source.losses.warnings,
            skipped=source.losses.problems.count,
            problems=[str(problem) for problem in source.losses.problems.entries],
        )

    @staticmethod
    def _request(
        collection: str | None,
        run: str,
        geometry: Geometry | None,
        is_model_run: bool = True,
        is_normalized: bool = False,
        key_kind: KeyKind = "name",
    ) -> UploadRequest:
        wanted: list[tuple[str, object, str]] = [("the run's name", run, "a model run")]
        unchecked: object = collection  # callers without a type checker pass anything
        if unchecked is not None and (not isinstance(unchecked, str) or unchecked.strip("/")):
            wanted.append(("the collection's name", collection, "a collection"))
        for where, value, what in wanted:
            problem = find_names_problem(value, what)
            if problem:
                raise DataError(Problem(where, problem))
        return UploadRequest(
            run=run,
            mode="machine" if is_model_run else "human",
            collection=(collection or "").rstrip("/") or None,
            geometry=geometry,
            normalized=bool(is_normalized),
            key_kind=key_kind,
        )


def validate_file(
    path: str | os.PathLike[str],
    geometry: str | None = None,
    *,
    limit: int = DEFAULT_PROBLEM_LIMIT,
    progress: ProgressChoice = None,
) -> FileSummary:
    """Check a file as an upload would, without a stack.

    Args:
        path: LayerNext JSON, plain, ``.gz`` or ``.zst``; read as a stream.
        geometry: that of annotations without a ``type`` (form v1); None for form v2.
        limit: stop looking after this many problems.
        progress: None shows a bar on a terminal; True, False or a callable override that.

    Returns:
        How many images and annotations the file has.

    Raises:
        DataError: with every problem and its place; FormatError if it is not such a file at all.
    """
    shape = None if geometry is None else check_geometry(geometry)
    return check_with_progress(path, shape, progress, limit)


def check_geometry(word: str) -> Geometry:
    """The geometry of this name.

    Raises:
        ConfigurationError: there is none.
    """
    for geometry in _FILE_GEOMETRIES:
        if geometry == word:
            return geometry
    raise ConfigurationError(f"the geometry is {word!r}, must be 'rectangle', 'polygon' or 'line'")


def _mode(ground_truth: bool | None) -> Mode | None:
    return None if ground_truth is None else "human" if ground_truth else "machine"

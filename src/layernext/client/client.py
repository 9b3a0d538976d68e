"""The client: the core calls, and the groups of all others.

`PublishedNames` and `EarlierNames` only add other names for calls of the groups.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import httpx

from layernext.client.annotations.checks import check_geometry, validate_file
from layernext.client.annotations.run_logger import RunLogger
from layernext.client.annotations.sources import GivenImage, Source, Validate
from layernext.client.connection import Connection
from layernext.client.earlier_names import EarlierNames
from layernext.client.groups.analysis import Analysis
from layernext.client.groups.annotations import Annotations
from layernext.client.groups.audit import Audit
from layernext.client.groups.collections import Collections
from layernext.client.groups.datasets import Datasets
from layernext.client.groups.embeddings import Embeddings
from layernext.client.groups.evaluations import Evaluations
from layernext.client.groups.exports import Exports
from layernext.client.groups.files import Files
from layernext.client.groups.grants import Grants
from layernext.client.groups.items import Items
from layernext.client.groups.jobs import Jobs
from layernext.client.groups.labels import Labels
from layernext.client.groups.metadata import Metadata
from layernext.client.groups.projects import Projects
from layernext.client.groups.runs import Runs
from layernext.client.groups.trash import Trash
from layernext.client.groups.users import Users
from layernext.client.other_names import renamed
from layernext.client.outputs.image_names import GivenNames
from layernext.client.outputs.output import Names
from layernext.client.progress import ProgressChoice
from layernext.client.published_names import PublishedNames
from layernext.client.reports import DownloadReport, UploadReport
from layernext.client.run_uploads import (
    mode_of,
    upload_elements,
    upload_file,
    upload_path,
    upload_request,
    upload_source,
)
from layernext.client.transport import DEFAULT_RETRY_FOR_S, DEFAULT_TIMEOUT_S, Transport
from layernext.formats import (
    DEFAULT_PROBLEM_LIMIT,
    FileSummary,
    SourceOptions,
)
from layernext.model import (
    Comparison,
    EvaluatedGeometry,
    ImageAnnotations,
    Mode,
    StoredEvaluation,
)


class LayerNextClient(PublishedNames, EarlierNames):
    """Talks to one stack.

    The calls that most programs need are on the client itself; all others are in groups, such as `client.files`.
    Threads and processes may share a client: a forked process opens its own connections, and a
    client can be pickled for a process that is spawned. A pickle contains the secret; do not store
    it. Connections stay open between calls; `close` ends them, or use the client as a context
    manager. Nothing is sent before the first call.

    Args:
        api_key: the key's id, such as ``key_w7cu…``.
        secret: the key's secret. It appears in no log and no repr.
        layernext_url: the stack's origin, such as ``https://api.example.com``.
        timeout_s: time limit in seconds for each step of a request.
        retry_for_s: how many seconds to keep retrying after a request first failed; 0 means a single attempt.
        protocol: ``"published"`` to use only the published protocol; None for the best protocol that the stack has.
        http: another httpx transport, for tests.

    Attributes:
        analysis: automatic analysis, which a stack does not support.
        annotations: uploads of annotation files, for each way to name their images.
        audit: who did what, and when.
        collections: named sets of images, videos or other files.
        datasets: frozen selections of images and annotations, divided into splits.
        embeddings: vectors that models computed from images.
        evaluations: runs measured against ground truth, by the stack.
        exports: exports that the stack makes as jobs.
        files: uploads and downloads of images, videos and other files.
        grants: what users may do in individual collections.
        items: images, videos and other files, with their details.
        jobs: work that the stack does in the background.
        labels: labels, and groups of them.
        metadata: fields and tags of files and collections.
        projects: images that people annotate, divided into tasks.
        runs: model runs and ground truths.
        trash: files that were removed, until they are restored or purged.
        users: people and services that use the stack.

    Raises:
        ConfigurationError: a value is missing or invalid.

    Example:
        >>> client = LayerNextClient("key_abc", "secret", "https://api.example.com/")
        >>> client
        LayerNextClient('https://api.example.com', api_key='key_abc')
        >>> client.jobs
        <Jobs of https://api.example.com>
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
        transport = Transport(
            layernext_url, api_key, secret, timeout_s=timeout_s, retry_for_s=retry_for_s, http=http
        )
        connection = self._connection = Connection(transport, protocol)
        self.analysis = Analysis(connection)
        self.annotations = Annotations(connection)
        self.audit = Audit(connection)
        self.collections = Collections(connection)
        self.datasets = Datasets(connection)
        self.embeddings = Embeddings(connection)
        self.evaluations = Evaluations(connection)
        self.exports = Exports(connection)
        self.files = Files(connection)
        self.grants = Grants(connection)
        self.items = Items(connection)
        self.jobs = Jobs(connection)
        self.labels = Labels(connection)
        self.metadata = Metadata(connection)
        self.projects = Projects(connection)
        self.runs = Runs(connection)
        self.trash = Trash(connection)
        self.users = Users(connection)

    def __repr__(self) -> str:
        transport = self._connection.transport
        return f"LayerNextClient({transport.url!r}, api_key={transport.api_key!r})"

    def __enter__(self) -> LayerNextClient:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections. May be called twice."""
        self._connection.transport.close()

    def get_stack_info(self) -> dict[str, Any] | None:
        """The stack's version and the key's name and role; None from a published-only stack.

        Raises:
            NotAuthenticated, ConnectionFailed, IncompatibleStack: see `layernext.errors`.
        """
        return self._connection.protocol.info()

    def get_stack_status(self) -> dict[str, Any] | None:
        """Database, files, free disk space and jobs of the server that answers; for administrators.

        Returns:
            The fields of `GET /api/v1/status` in docs/protocol.md; None from a stack that has no such route.

        Raises:
            NotAuthenticated, NotAllowed, ConnectionFailed, IncompatibleStack: see `layernext.errors`.
        """
        return self._connection.protocol.status()

    # -- uploads ------------------------------------------------------------------------------

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

        The call replaces this run's annotation set of each image in the file. Repeating it changes nothing.

        Args:
            collection_base_path: the collection, with or without a slash at its end; None if the
                file names images by their unique names.
            model_run_name: the model run's name.
            file_path: LayerNext JSON, plain, ``.gz`` or ``.zst``; read as a stream.
            annotation_geometry: ``rectangle``, ``polygon`` or ``line``.
            validate: ``first`` checks the whole file before anything is sent; ``stream`` checks
                batch by batch.
            resume: after an interrupted call, send only the batches that the stack does not have yet. With
                the published protocol, everything is sent again.
            progress: None shows a bar on a terminal; True, False or a callable override that.

        Returns:
            What was stored.

        Raises:
            DataError: the file is not valid; every problem has its location. With
                ``validate="first"`` nothing was sent.
            UploadIncomplete: the upload ended early; acknowledged batches are stored.
            NotAuthenticated, NotAllowed, ConnectionFailed, StackError: see `layernext.errors`.
        """
        geometry = check_geometry(annotation_geometry)
        request = upload_request(collection_base_path, model_run_name, geometry, is_model_run=True)
        return upload_file(
            self._connection,
            request,
            file_path,
            validate=validate,
            resume=resume,
            progress=progress,
        )

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
        """Upload ground truth from a form v1 file; otherwise the same as `upload_modelrun_from_json`."""
        geometry = check_geometry(annotation_geometry)
        request = upload_request(
            collection_base_path, ground_truth_name, geometry, is_model_run=False
        )
        return upload_file(
            self._connection,
            request,
            file_path,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    def upload_modelrun(
        self,
        collection: str | None,
        run: str,
        source: str | os.PathLike[str] | Iterable[GivenImage] | Any,
        *,
        geometry: str | None = None,
        ground_truth: bool = False,
        normalized: bool = False,
        format: str | None = None,
        names: Names | None = None,
        image_names: GivenNames | None = None,
        images: str | os.PathLike[str] | None = None,
        instances: str | os.PathLike[str] | None = None,
        source_options: SourceOptions | None = None,
        strict: bool = False,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a run from any iterable of annotation sets, from outputs of a model, or from a file of any format.

        Args:
            collection: the collection; None if images are named by their unique names.
            run: the run's name.
            source: an iterable of `ImageAnnotations` or of dictionaries like the images of a file, which need
                not fit in memory; or outputs of a model, as `RunLogger.log_results` takes them; or the path
                of a file.
            geometry: geometry of annotations without a ``type`` (form v1); None for form v2.
            ground_truth: True for ground truth, False for a model run.
            normalized: True if coordinates are fractions of the image's size.
            format: format of the file, as in `layernext.convert`; None for LayerNext JSON, which is sent
                unchanged. With another format, data that cannot be read is listed in the report's ``losses``.
                For outputs of a model: the layout of their boxes.
            names: for outputs of a model: labels by class number, if the outputs do not have them.
            image_names: for outputs of a model: names of their images, if the outputs do not have them; see
                ``image`` of `RunLogger.log_results`.
            images: with `format`: folder with the images, if the format does not contain their sizes.
            instances: with ``format="coco-results"``: the COCO file whose ids the results use.
            source_options: with `format`: label rules, the scale of scores, class names, and whether
                annotations that are not valid are skipped; and whether to match names of images that other tools
                changed.
            strict: refuse data that cannot be read, and keys that LayerNext JSON does not know. Otherwise those
                are kept and come back; the report's ``warnings`` count them.
            validate: for files only; an iterable is checked batch by batch.
            resume, progress: as in `upload_modelrun_from_json`, which also lists the errors.

        Example:
            >>> box = {"type": "rectangle", "label": "cup", "bbox": [10, 20, 30, 40]}
            >>> images = ({"image": f"{n}.jpg", "annotations": [box]} for n in range(3))
            >>> client.upload_modelrun("kitchen", "model 7", images)  # doctest: +SKIP
        """
        shape = None if geometry is None else check_geometry(geometry)
        request = upload_request(collection, run, shape, not ground_truth, normalized)
        if isinstance(source, str | os.PathLike):
            return upload_path(
                self._connection,
                request,
                source,
                format=format,
                images=images,
                instances=instances,
                options=source_options or SourceOptions(),
                strict=strict,
                validate=validate,
                resume=resume,
                progress=progress,
            )
        return upload_elements(
            self._connection,
            request,
            source,
            format=format,
            names=names,
            image_names=image_names,
            strict=strict,
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
    ) -> RunLogger:
        """Log a run image by image; a thread sends it in the background. See `RunLogger.log`.

        Args:
            collection: the collection.
            name: the run's name.
            ground_truth: True for ground truth, False for a model run.
            normalized: True if coordinates are fractions of the image's size.

        Example:
            >>> with client.model_run("kitchen", "model 7") as run:  # doctest: +SKIP
            ...     run.log("1.jpg", boxes=[[10, 20, 30, 40]], labels=["cup"], confidences=[0.9])
        """
        request = upload_request(collection, name, None, not ground_truth, normalized)

        def send(source: Source) -> UploadReport:
            return upload_source(self._connection, request, source, progress=False)

        return RunLogger(send, is_normalized=normalized)

    # -- reading ------------------------------------------------------------------------------

    def iter_annotations(
        self, collection: str | None, run: str, *, ground_truth: bool | None = None
    ) -> Iterator[ImageAnnotations]:
        """The annotation sets of a run, streamed, in the order they were uploaded.

        Args:
            collection: the collection's name or id; None for all collections.
            run: the run's name.
            ground_truth: True for the ground truth, False for the model run, if both have this name.

        Raises:
            NotFound: no such collection or run.
            Conflict: a model run and a ground truth have this name, and `ground_truth` is None.
            DownloadIncomplete: the connection broke repeatedly.
        """
        return self._connection.protocol.iter_annotations(collection, run, mode_of(ground_truth))

    def download_to_file(
        self,
        collection: str | None,
        runs: str | Sequence[str],
        path: str | os.PathLike[str],
        *,
        ground_truth: bool | None = None,
        progress: ProgressChoice = None,
    ) -> DownloadReport:
        """Write runs to a LayerNext JSON file, which appears only once it is complete.

        A single run is written as it was uploaded, form v1 as form v1. Several runs are written in
        form v2, and each image entry also has its ``run`` and ``mode``.

        Args:
            collection: the collection's name or id; None for all collections.
            runs: the run's name, or several in a list; an empty list means all.
            path: the file; compressed if it ends in ``.gz`` or ``.zst``.
            ground_truth: True for ground truth only, False for model runs only; None for both.
            progress: as in `upload_modelrun_from_json`.

        Raises:
            NotFound: no such collection or run.
            DownloadIncomplete: the connection broke repeatedly.
        """
        names = [runs] if isinstance(runs, str) else runs
        return self._connection.protocol.download_to_file(
            collection, names, mode_of(ground_truth), Path(path), progress=progress
        )

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

    # -- measuring ----------------------------------------------------------------------------

    def evaluate(
        self,
        *,
        run: str,
        ground_truth: str,
        collection: str | None = None,
        dataset_version: str | None = None,
        split: Literal["train", "validation", "test"] | None = None,
        geometry: EvaluatedGeometry = "rectangle",
        run_mode: Mode | None = None,
        truth_mode: Mode | None = None,
        again: bool = False,
        timeout_s: float | None = None,
        progress: ProgressChoice = None,
        **options: Any,
    ) -> StoredEvaluation:
        """Measure a run against a ground truth, and wait for the result.

        If a current result exists, it is returned at once. Images for which the ground truth has no
        annotation set are left out. An image for which the run has none counts as one without annotations.

        Args:
            run: name of a model run; or of a ground truth, to compare two annotators.
            ground_truth: name of a ground truth; or of a model run, to see how far two disagree.
            collection: id or name of the collection, unless ``dataset_version`` is given.
            dataset_version: id of a dataset version; ``split`` selects one of its splits, None all.
            geometry: ``rectangle``, ``polygon``, ``line``, ``mask``, ``rotated_box``, ``image_label``,
                ``keypoints`` or ``semantic_mask``.
            run_mode, truth_mode: ``machine`` or ``human``, if a model run and a ground truth
                have the same name.
            again: compute even if a current result exists.
            timeout_s: maximum time to wait in seconds; None means no limit.
            progress: as in `upload_modelrun_from_json`; counts to 100.
            options: other fields of `EvaluationSettings`, such as ``confidence`` or ``slices``.

        Returns:
            All numbers, tables and curves. Its ``info`` says what was compared and contains the id that
            `client.evaluations.iter_tallies` takes.

        Raises:
            DataError: an argument or option is wrong.
            NotFound: no such collection or version, or it has no such run or ground truth; the message names
                those that it has.
            JobFailed: the evaluation failed; the message says why.
            RequestTimeout: it took too long; the stack continues. Call again to keep waiting.
        """
        info = self.evaluations.start(
            run=run,
            ground_truth=ground_truth,
            collection=collection,
            dataset_version=dataset_version,
            split=split,
            geometry=geometry,
            run_mode=run_mode,
            truth_mode=truth_mode,
            again=again,
            **options,
        )
        self.evaluations.wait(info, timeout_s=timeout_s, progress=progress)
        return self.evaluations.get(info.id)

    def compare(
        self,
        *,
        run_a: str,
        run_b: str,
        ground_truth: str,
        collection: str | None = None,
        dataset_version: str | None = None,
        split: Literal["train", "validation", "test"] | None = None,
        geometry: EvaluatedGeometry = "rectangle",
        resamples: int = 1000,
        seed: int = 0,
        level: float = 0.95,
        image_limit: int = 100,
        timeout_s: float | None = None,
        progress: ProgressChoice = None,
        **options: Any,
    ) -> Comparison:
        """Compare two runs on the same ground truth, and wait for the result.

        The stack first evaluates both runs, as `evaluate` does, unless current results exist.

        Args:
            run_a, run_b: names of the runs; differences are b minus a.
            ground_truth, collection, dataset_version, split, geometry, options: as in `evaluate`.
            resamples: number of resamples of the images for confidence intervals; 0 for none.
            seed: random seed of the resampling.
            level: share of the resamples that an interval contains, above 0 and below 1.
            image_limit: maximum number of images to list.
            timeout_s: maximum time to wait for each step, in seconds; None means no limit.
            progress: as in `evaluate`.

        Raises:
            DataError, NotFound, JobFailed, RequestTimeout: as in `evaluate`.
            Conflict: annotations changed in the meantime; call again.
        """
        infos = []
        for run in (run_a, run_b):
            info = self.evaluations.start(
                run=run,
                ground_truth=ground_truth,
                collection=collection,
                dataset_version=dataset_version,
                split=split,
                geometry=geometry,
                **options,
            )
            infos.append(self.evaluations.wait(info, timeout_s=timeout_s, progress=progress))
        return self.evaluations.compare(
            *infos,
            resamples=resamples,
            seed=seed,
            level=level,
            image_limit=image_limit,
            timeout_s=timeout_s,
        )

    compare_runs = compare  # its earlier name

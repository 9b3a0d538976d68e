"""Uploads of annotation files that name their images in some other way than by collection alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from layernext.client.annotations.checks import check_geometry
from layernext.client.annotations.sources import FileSource as AnnotationFile
from layernext.client.annotations.sources import Validate
from layernext.client.groups.group import Group
from layernext.client.progress import ProgressChoice
from layernext.client.published import jobs, labels, projects
from layernext.client.reports import UploadReport
from layernext.client.run_uploads import (
    upload_file,
    upload_format,
    upload_request,
    upload_source,
)
from layernext.client.texts import check_text
from layernext.formats import Classes, Losses, Sample, read_coco, read_coco_labels


class Annotations(Group):
    """Uploads of annotation files, for each way to name their images.

    `client.upload_modelrun` takes any file or iterable, and is all that most programs need.
    """

    def upload_for_collection(
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
            validate, resume, progress: as in `client.upload_modelrun_from_json`, which also lists the errors.
        """
        request = upload_request(
            collection_name, operation_unique_id, None, is_model_run, is_normalized
        )
        return upload_file(
            self._connection,
            request,
            json_data_file_path,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    def upload_by_unique_name(
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

        Arguments and errors as in `upload_for_collection`.
        """
        request = upload_request(
            None, operation_unique_id, None, is_model_run, is_normalized, "unique_name"
        )
        return upload_file(
            self._connection,
            request,
            json_data_file_path,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    def upload_by_storage_path(
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
                `upload_for_collection`.
            bucket_name: the bucket of images without a ``storageName``; None is the default one.
            validate, resume, progress: as in `client.upload_modelrun_from_json`, which also lists the errors.
        """
        request = upload_request(
            None, operation_unique_id, None, is_model_run, is_normalized, "storage_path"
        )
        request = msgspec.structs.replace(request, bucket=bucket_name)
        return upload_file(
            self._connection,
            request,
            json_data_file_path,
            validate=validate,
            resume=resume,
            progress=progress,
        )

    def upload_by_job(
        self,
        job_id: str,
        operation_unique_id: str,
        json_data_file_path: str | os.PathLike[str],
        is_normalized: bool,
        is_model_run: bool,
        *,
        validate: Validate = "first",
        resume: bool = False,
        progress: ProgressChoice = None,
    ) -> UploadReport:
        """Upload a form v2 file that names images as an earlier upload of files did.

        Args:
            job_id: job id from the report of `client.files.upload`.
            operation_unique_id, json_data_file_path, is_normalized, is_model_run: as in
                `upload_for_collection`.
            validate, resume, progress: as in `client.upload_modelrun_from_json`, which also lists the errors.

        Raises:
            NotFound: there is no such upload of files; nothing was sent.
        """
        job = check_text(job_id, "job_id", "a job")
        source = AnnotationFile(json_data_file_path, None, validate)
        collection = jobs.collection_of_upload(
            self._transport, job, is_native=self._connection.is_native
        )
        request = upload_request(collection, operation_unique_id, None, is_model_run, is_normalized)
        return upload_source(
            self._connection, request, source, resume=resume, progress=progress, job_id=job
        )

    def upload_for_folder(
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
                `client.upload_modelrun_from_json`.
            shape_type: ``rectangle``, ``polygon`` or ``line``.
            is_normalized: True if coordinates are fractions of the image's size.
            is_model_run: True for a model run, False for ground truth.
            destination_project_id: annotation project to attach the model run to afterwards. Ground truth
                belongs to a project if its name is the project's id.
            validate, resume, progress: as in `client.upload_modelrun_from_json`, which also lists the errors.
        """
        geometry = check_geometry(shape_type)
        request = upload_request(
            collection_base_path, operation_unique_id, geometry, is_model_run, is_normalized
        )
        report = upload_file(
            self._connection,
            request,
            json_data_file_path,
            validate=validate,
            resume=resume,
            progress=progress,
        )
        if destination_project_id is not None and is_model_run:
            projects.attach_runs(self._transport, destination_project_id, [operation_unique_id])
        return report

    def upload_coco(
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

        The published client uploads only the labels. As in that client, a supercategory becomes the
        label and its categories the values of the label's attribute ``name``; a category without a
        supercategory is a label itself. With ``client.upload_modelrun(…, format="coco")`` each
        category is a label.

        Args:
            file_path: COCO instances, plain, ``.gz`` or ``.zst``; read as a stream.
            collection: the collection; None if the file names images by their unique names.
            run: the run's name; None for the file's name without its extension.
            ground_truth: True for ground truth, False for a model run.
            strict: fail if some data is not read; otherwise it is listed in the report's ``losses``.
            validate, resume, progress: as in `client.upload_modelrun_from_json`.

        Raises:
            FormatError: it is not a file of COCO instances; the message has the location. Nothing was sent.
        """
        path = Path(file_path)
        name = run if run is not None else path.name.partition(".")[0]
        request = upload_request(collection, name, None, not ground_truth)

        def read(losses: Losses, classes: Classes) -> Iterator[Sample]:
            del classes  # the labels are created below, with their attributes
            return read_coco(path, losses, has_supercategories=True)

        report = upload_format(
            self._connection,
            request,
            path,
            read,
            rules=None,
            match_names=False,
            strict=strict,
            validate=validate,
            resume=resume,
            progress=progress,
        )
        for label, names in read_coco_labels(path).items():
            labels.create_coco_label(self._transport, label, list(names))
        return report

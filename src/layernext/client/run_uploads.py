"""What calls that upload annotations have in common: the request, and the way from a source to a report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from layernext.client.annotations.run_logger import RunLogger
from layernext.client.annotations.sources import (
    FileSource,
    FormatSource,
    ItemSource,
    Source,
    Validate,
)
from layernext.client.connection import Connection
from layernext.client.logged_shapes import check_box_format
from layernext.client.outputs.adapters import check_for_outputs
from layernext.client.outputs.image_names import GivenNames
from layernext.client.outputs.output import Names
from layernext.client.progress import ProgressChoice
from layernext.client.reports import UploadReport
from layernext.errors import ConfigurationError, DataError, NotFound, Problem
from layernext.formats import (
    Classes,
    LabelRules,
    Losses,
    Sample,
    SourceOptions,
    get_format,
    read_format,
    read_skeletons,
)
from layernext.model import (
    Geometry,
    LabelClass,
    Mode,
    extra_key_notes,
    find_names_problem,
    show,
)
from layernext.wire.native import KeyKind, UploadRequest

_FORMAT_IS_FOR_FILES = (
    "`format` is for files and folders, which define geometry and units themselves"
)


def upload_source(
    connection: Connection,
    request: UploadRequest,
    source: Source,
    *,
    resume: bool = False,
    progress: ProgressChoice,
    job_id: str | None = None,
) -> UploadReport:
    """Upload a source.

    Args:
        connection: the stack.
        request: what is uploaded, and whereto.
        source: the images; checked before the stack is asked for anything, if it says so.
        resume: send only what an interrupted call did not.
        progress: see `show_progress`.
        job_id: upload of files whose names the images have; for a stack without the native protocol.

    Raises:
        DataError: the source is not valid; nothing of the batch with the problem was sent.
        UploadIncomplete: it ended early; what the stack acknowledged is stored.
        NotAuthenticated, NotAllowed: before anything was sent.
    """
    started = time.monotonic()
    source.prepare(progress)
    report = connection.protocol.upload(
        request, source, resume=resume, progress=progress, started=started, job_id=job_id
    )
    warnings = {**source.warnings, **report.warnings}
    lost = (
        {}
        if connection.is_native
        else {what: warnings.pop(what) for what in extra_key_notes(warnings)}
    )
    losses = {what.replace(" is kept", ""): count for what, count in lost.items()}
    return msgspec.structs.replace(report, warnings=warnings, losses={**report.losses, **losses})


def upload_path(
    connection: Connection,
    request: UploadRequest,
    path: str | os.PathLike[str],
    *,
    format: str | None,
    images: str | os.PathLike[str] | None,
    instances: str | os.PathLike[str] | None,
    options: SourceOptions,
    strict: bool,
    validate: Validate,
    resume: bool,
    progress: ProgressChoice,
) -> UploadReport:
    """Upload a file or folder of any format; see `LayerNextClient.upload_modelrun`.

    Raises:
        ConfigurationError: the format defines what the request says.
    """
    if format is None:
        return upload_file(
            connection,
            request,
            path,
            strict=strict,
            validate=validate,
            resume=resume,
            progress=progress,
        )
    if request.normalized or request.geometry is not None:
        raise ConfigurationError(_FORMAT_IS_FOR_FILES)
    location = Path(path)
    return upload_format(
        connection,
        request,
        location,
        format_reader(location, get_format(format).name, options, images, instances),
        rules=options.label_rules,
        match_names=options.match_names,
        strict=strict,
        validate=validate,
        resume=resume,
        progress=progress,
    )


def upload_elements(
    connection: Connection,
    request: UploadRequest,
    source: Any,
    *,
    format: str | None,
    names: Names | None,
    image_names: GivenNames | None,
    strict: bool,
    resume: bool,
    progress: ProgressChoice,
) -> UploadReport:
    """Upload annotation sets or outputs of a model; see `LayerNextClient.upload_modelrun`.

    Raises:
        ConfigurationError: an argument is not for such a source.
    """
    are_outputs, elements = check_for_outputs(source)
    if not are_outputs:
        if format is not None:
            raise ConfigurationError(_FORMAT_IS_FOR_FILES)
        images = ItemSource(elements, request.geometry, strict=strict)
        return upload_source(connection, request, images, resume=resume, progress=progress)
    if request.geometry is not None:
        raise ConfigurationError("outputs of a model define the geometry: omit `geometry`")
    return upload_outputs(
        connection,
        request,
        elements,
        image_names=image_names,
        names=names,
        box_format=format,
        strict=strict,
        resume=resume,
        progress=progress,
    )


def upload_file(
    connection: Connection,
    request: UploadRequest,
    path: str | os.PathLike[str],
    *,
    strict: bool = False,
    validate: Validate,
    resume: bool,
    progress: ProgressChoice,
) -> UploadReport:
    """Upload a LayerNext JSON file, and its skeletons to the classes of the collection; see `upload_source`."""
    skeletons = read_skeletons(path) if request.collection else {}
    source = FileSource(path, request.geometry, validate, strict=strict)
    report = upload_source(connection, request, source, resume=resume, progress=progress)
    if request.collection and skeletons:
        classes = [LabelClass(name=name, skeleton=entry) for name, entry in skeletons.items()]
        connection.protocol.declare_classes(request.collection, classes)
    lost = {
        f"the key {show(key)} of the file, which is too large": (1, show(key))
        for key in source.too_large_keys
    }
    return msgspec.structs.replace(report, losses={**report.losses, **lost})


def format_reader(
    path: Path,
    format_name: str,
    options: SourceOptions,
    images: str | os.PathLike[str] | None,
    instances: str | os.PathLike[str] | None,
) -> Callable[[Losses, Classes], Iterator[Sample]]:
    """A function that reads a file of annotations in any format.

    Args:
        path: the file or folder.
        format_name: its format.
        options: how to take its annotations.
        images: folder with the images, or None.
        instances: file that defines the ids in COCO results, or None.
    """
    folder = None if images is None else Path(images)
    definitions = None if instances is None else Path(instances)

    def read(losses: Losses, classes: Classes) -> Iterator[Sample]:
        samples = read_format(
            path,
            format_name,
            losses=losses,
            images=folder,
            instances=definitions,
            names=options.names,
            scores=options.scores,
            skip_invalid=options.skip_invalid,
            video=options.video,
            classes=classes,
        )
        return options.label_rules.apply(samples, losses) if options.label_rules else samples

    return read


def upload_format(
    connection: Connection,
    request: UploadRequest,
    path: Path,
    read: Callable[[Losses, Classes], Iterator[Sample]],
    *,
    rules: LabelRules | None,
    match_names: bool,
    strict: bool,
    validate: Validate,
    resume: bool,
    progress: ProgressChoice,
) -> UploadReport:
    """Upload a file in another format; what is not read of it is in the report. See `upload_source`."""

    def list_names() -> list[str]:
        try:
            return list(connection.protocol.image_sizes(request.collection or ""))
        except NotFound:
            return []

    classes = Classes()
    source = FormatSource(
        path,
        lambda losses: read(losses, classes),
        validate,
        strict=strict,
        list_names=list_names,
        match_names=match_names,
    )
    report = upload_source(connection, request, source, resume=resume, progress=progress)
    declared = declared_classes(classes, rules)
    if declared:
        connection.protocol.declare_classes(request.collection or "", declared)
    return msgspec.structs.replace(
        report,
        losses={**report.losses, **source.losses.counts},
        lost_shapes=source.losses.shapes,
        skipped=source.losses.problems.count,
        problems=[str(problem) for problem in source.losses.problems.entries],
    )


def upload_outputs(
    connection: Connection,
    request: UploadRequest,
    outputs: Any,
    *,
    image_names: GivenNames | None,
    names: Names | None,
    box_format: str | None,
    strict: bool,
    resume: bool,
    progress: ProgressChoice,
) -> UploadReport:
    """Upload outputs of a model; see `RunLogger.log_results`."""
    layout = None if box_format is None else check_box_format(box_format)

    def send(source: Source) -> UploadReport:
        return upload_source(connection, request, source, resume=resume, progress=progress)

    run = RunLogger(send, is_normalized=request.normalized, strict=strict)
    with run:
        run.log_results(outputs, image_names, names=names, format=layout)
    assert run.report is not None  # noqa: S101 - the block ended well
    return run.report


def declared_classes(classes: Classes, rules: LabelRules | None) -> list[LabelClass]:
    """The classes that a source declares, with their new labels."""
    rules, codes = rules or LabelRules(), classes.codes
    skeletons = rules.skeletons(classes.skeletons)
    names = rules.classes(classes.names) if codes else list(skeletons)
    return [
        LabelClass(name=name, code=codes.get(name), skeleton=skeletons.get(name)) for name in names
    ]


def upload_request(
    collection: str | None,
    run: str,
    geometry: Geometry | None,
    is_model_run: bool = True,
    is_normalized: bool = False,
    key_kind: KeyKind = "name",
) -> UploadRequest:
    """The request of an upload, its names checked.

    Raises:
        DataError: a name cannot be a run's or a collection's.
    """
    names: list[tuple[str, object, str]] = [("the run's name", run, "a model run")]
    unchecked: object = collection  # callers without a type checker pass anything
    if unchecked is not None and (not isinstance(unchecked, str) or unchecked.strip("/")):
        names.append(("the collection's name", collection, "a collection"))
    for where, value, what in names:
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


def mode_of(ground_truth: bool | None) -> Mode | None:
    """The mode that an argument `ground_truth` asks for; None for either."""
    return None if ground_truth is None else "human" if ground_truth else "machine"

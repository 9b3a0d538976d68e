"""Uploads of annotations (E03, E04)."""

from __future__ import annotations

from msgspec import Raw, Struct

from layernext.model import Mode
from layernext.wire.published.paths import OPERATION_DATA, PathTemplate

BATCH_IMAGES = 1_000

OPERATION_TYPE_ANNOTATION = 1
OPERATION_MODES: dict[Mode, int] = {"human": 1, "machine": 2}

operation_path_v1 = PathTemplate(
    f"{OPERATION_DATA}/{{operation_type}}/{{operation_mode}}/{{operation_id}}/update"
)
"""E03, POST: the form of 0.0.5 and 1.x, with type and mode in the path."""

operation_path_v2 = PathTemplate(f"{OPERATION_DATA}/{{operation_id}}/update")
"""E04, POST: the form of 2.3.4, with type and mode in the body."""


def operation_path(run: str, mode: Mode) -> str:
    """The path of E03 for a run."""
    return operation_path_v1(str(OPERATION_TYPE_ANNOTATION), str(OPERATION_MODES[mode]), run)


class OperationDataQuery(Struct, frozen=True, rename="camel"):
    """How to read the coordinates, and what the run is for.

    Attributes:
        is_normalized: ``True`` if they are fractions of the image's width and height.
        destination_project_id: 1.x: a project that the model run is attached to, as by E52.
    """

    is_normalized: bool = False
    destination_project_id: str | None = None


class OperationDataBody(Struct, frozen=True, rename="camel"):
    """The body of E03 and E04, as it is described.

    Attributes:
        meta_updates_array: JSON text: a list of entries with ``objectKey``, ``storagePath`` or
            ``fileName``, and ``data.annotationObjects``.
        session_id: the same in all requests of one upload; absent in 0.0.5.
        operation_mode: E04: 1 ground truth, 2 model run.
        operation_type: E04: always 1.
    """

    meta_updates_array: str
    session_id: str | None = None
    total_image_count: int | None = None
    uploaded_image_count: int | None = None
    operation_mode: int | None = None
    operation_type: int | None = None


class OperationDataAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of a batch."""

    is_success: bool
    message: str
    image_count: int
    annotation_count: int
    matched_count: int
    unmatched_count: int
    is_repeated: bool
    new_labels: list[str]


class OperationData(Struct, rename="camel"):
    """The body of E03 and E04 as it is read: the annotation sets are JSON text inside of JSON."""

    meta_updates_array: Raw
    session_id: str | None = None
    total_image_count: int | None = None
    uploaded_image_count: int | None = None
    operation_mode: int | None = None
    operation_type: int | None = None

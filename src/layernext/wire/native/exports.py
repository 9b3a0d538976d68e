"""Exports in the native protocol: paths and messages."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from layernext.model import Mode, Skeleton
from layernext.wire.native.paths import DATASETS_PATH
from layernext.wire.native.protocol import BASE_PATH
from layernext.wire.paths import segment

EXPORTS_PATH = f"{BASE_PATH}/exports"
"""POST `ExportRequest`, answer `Export`; GET, answer list of `Export`, newest first."""


def export_path(export_id: str) -> str:
    """GET, answer `Export`; DELETE."""
    return f"{EXPORTS_PATH}/{segment(export_id)}"


def samples_path(version_id: str) -> str:
    """GET (query: after, limit), answer `SamplePage`."""
    return f"{DATASETS_PATH}/{segment(version_id)}/samples"


class ExportRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Asks for an export.

    Attributes:
        format: one of those of `layernext.convert`.
        collection: id or name, and
        run: name of a model run or ground truth in it; or else
        dataset_version: id of a version, and
        split: of it; left out for all.
        mode: where a model run and a ground truth have the same name.
        strict: fail at what the format cannot hold.
    """

    format: str
    collection: str | None = None
    run: str | None = None
    mode: Mode | None = None
    dataset_version: str | None = None
    split: Literal["train", "validation", "test"] | None = None
    strict: bool = False


class SampleLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One annotation set of a version, in pixels, or an image without any.

    Attributes:
        image: file name, as exports have it.
        annotations: form v2.
        width, height: of the image in pixels, if known.
        split: ``train``, ``validation`` or ``test``.
        run, mode: whose annotations these are.
    """

    image: str
    annotations: list[Any]
    split: str
    width: int | None = None
    height: int | None = None
    run: str | None = None
    mode: Mode | None = None


class SamplePage(Struct, frozen=True, kw_only=True):
    """Some samples of a version.

    Attributes:
        samples: sets of one image stand one after another, and on one page.
        labels: of the whole version, in the order that exports number them; on the first page.
        skeletons: of labels that have keypoints; on the first page.
        next: the ``after`` of the next page; None at the end.
    """

    samples: list[SampleLine]
    labels: list[str]
    next: str | None
    skeletons: dict[str, Skeleton] = {}

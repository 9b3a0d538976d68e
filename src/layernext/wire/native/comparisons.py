"""Comparisons of two evaluations in the native protocol."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from layernext.model import Comparison
from layernext.wire.native.protocol import BASE_PATH
from layernext.wire.paths import segment

COMPARISONS_PATH = f"{BASE_PATH}/comparisons"
"""POST `CompareRequest`, answer `StoredComparison`."""


class CompareRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Asks for a comparison.

    Attributes:
        a, b: ids of evaluations of the same target against the same ground truth with the same
            settings; both must be computed and current. Differences are b minus a.
        resamples: number of resamples of the images for confidence intervals; 0 for none.
        seed: of the draws.
        level: share of the draws that an interval holds.
        images: that are named at most.
    """

    a: str
    b: str
    resamples: Annotated[int, Meta(ge=0, le=100_000)] = 1000
    seed: Annotated[int, Meta(ge=0)] = 0
    level: Annotated[float, Meta(gt=0, lt=1)] = 0.95
    images: Annotated[int, Meta(ge=0, le=10_000)] = 100


class StoredComparison(Struct, frozen=True, kw_only=True):
    """A comparison, or how far it is.

    Attributes:
        id: of the comparison, which is a job.
        status: ``queued``, ``in_progress``, ``completed`` or ``failed``.
        progress: 0 to 100.
        message: why it failed.
        a, b: ids of the evaluations.
        is_current: whether both evaluations still are, and are those that were compared.
        comparison: None until it is completed.
        image_ids: of the images that differ, by name.
    """

    id: str
    status: str
    progress: float
    message: str
    a: str
    b: str
    is_current: bool
    comparison: Comparison | None
    image_ids: dict[str, str]


def comparison_path(comparison_id: str) -> str:
    """GET, answer `StoredComparison`."""
    return f"{COMPARISONS_PATH}/{segment(comparison_id)}"

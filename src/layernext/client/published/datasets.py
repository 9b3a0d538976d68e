"""Datasets and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from layernext.client.published import listings
from layernext.client.published.asking import ask
from layernext.client.reports import VersionReport
from layernext.client.transport import Transport
from layernext.errors import Conflict, DataError, InvalidRequest, Problem
from layernext.model import is_number
from layernext.wire import published
from layernext.wire.augmentations import (
    LEVEL,
    SWITCHES,
    Augmentation,
    SentAugmentation,
    read_augmentations,
)
from layernext.wire.published import Received, wire_fields

_SPLITS = {"train", "test", "validation"}
_TOLERANCE = 1e-6


def dataset_body(
    split_info: Mapping[str, float],
    labels: Sequence[str] | None,
    export_types: Sequence[str] | None,
    operations: Sequence[str] | None,
    augmentations: Any,
    *,
    seed: int,
    stratify: bool,
) -> dict[str, Any]:
    """The body of a request for a version, checked before anything is sent."""
    shares: Any = split_info
    if not isinstance(shares, Mapping) or set(shares) != _SPLITS:
        raise DataError(Problem("split_info", "must have train, test and validation"))
    for name, percent in shares.items():
        if not is_number(percent) or percent < 0:
            raise DataError(Problem(f"split_info[{name!r}]", f"is {percent!r}, must be ≥ 0"))
    total = sum(shares.values())
    if abs(total - 100) > _TOLERANCE:
        raise DataError(Problem("split_info", f"adds up to {total:g}, must be 100"))
    return wire_fields(
        published.VersionRequest,
        split_info=dict(shares),
        labels=list(labels or []),
        export_types=list(export_types or []),
        operations=None if operations is None else list(operations),
        augmentations=_augmentations(read_augmentations(augmentations, "augmentation_list")),
        # Other stacks do not know these; left out where they have their defaults.
        **({"seed": seed} if seed else {}),
        **({"stratify": True} if stratify else {}),
    )


def _augmentations(steps: Sequence[Augmentation]) -> dict[str, Any] | None:
    if not steps:
        return None
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        values = [True] if step.kind in SWITCHES else [step.low, step.high]
        by_kind.setdefault(step.kind, []).append({"id": step.property, "values": values})
    return {
        LEVEL: [
            wire_fields(SentAugmentation, id=kind, is_selected=True, properties=properties)
            for kind, properties in by_kind.items()
        ]
    }


def select_in_collection(
    transport: Transport, collection_id: str, query: str, filter_: Mapping[str, Any] | None
) -> str:
    """Freeze a selection of a collection's images; its tag.

    Raises:
        DataError: it is not a collection of images, or nothing matches.
    """
    if listings.object_type(transport, collection_id) != listings.IMAGE_COLLECTION:
        raise DataError(Problem("collection_id", f"{collection_id!r} is not an image collection"))
    code = published.ITEM_TYPES["image"]
    return listings.select(
        transport, query, filter_, collection_id=collection_id, content_type=code
    )


def select_anywhere(
    transport: Transport, item_type: str, query: str, filter_: Mapping[str, Any] | None
) -> str:
    """Freeze a selection of images of any collection; its tag."""
    code = listings.dataset_code(item_type)
    return listings.select(transport, query, filter_, collection_id=None, content_type=code)


def create_dataset(transport: Transport, tag: str, body: dict[str, Any]) -> VersionReport:
    """Create a dataset from a selection."""
    query = wire_fields(published.SelectionQuery, dataset_selection_id=tag)
    return _send(transport, published.CREATE_DATASET_PATH, query, body)


def add_version(
    transport: Transport, version_id: str, tag: str, body: dict[str, Any], *, is_new: bool
) -> VersionReport:
    """Create a version after another one."""
    path = published.NEW_VERSION_PATH if is_new else published.UPDATE_VERSION_PATH
    query = wire_fields(
        published.SelectionQuery, dataset_selection_id=tag, dataset_version_id=version_id
    )
    return _send(transport, path, query, body)


def delete_version(transport: Transport, version_id: str) -> None:
    """Delete a version."""
    query = urlencode(wire_fields(published.VersionQuery, dataset_version_id=version_id))
    transport.request("GET", f"{published.DELETE_VERSION_PATH}?{query}", json={})


def _send(
    transport: Transport, path: str, query: dict[str, str], body: dict[str, Any]
) -> VersionReport:
    try:
        fields = ask(transport, "GET", f"{path}?{urlencode(query)}", body)
    except Conflict as error:
        if error.after_lost_answer:
            error.hint = "an earlier attempt, whose answer was lost, may have created it"
        raise
    answer = Received(published.VersionAnswer, fields)
    if answer.is_success is False:
        raise InvalidRequest(str(answer.message or "the stack refused"), status=200)
    return VersionReport(
        version_id=str(answer.dataset_version_id or answer.version_id or ""),
        dataset_id=str(answer.dataset_id or ""),
        job_id=str(answer.job_id or ""),
        message=str(answer.message or ""),
        version=str(answer.version or ""),
    )

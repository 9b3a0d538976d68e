"""Every kind of output that is recognized. A further kind is a module of its own and a line here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from layernext.client.outputs.coco_results import COCO_RESULTS
from layernext.client.outputs.detection_dicts import DETECTION_DICTS
from layernext.client.outputs.detectron2 import DETECTRON2
from layernext.client.outputs.mmdetection import MMDETECTION
from layernext.client.outputs.output import Adapter, Output, Reading
from layernext.client.outputs.pipelines import PIPELINES
from layernext.client.outputs.segmentations import SEGMENTATIONS
from layernext.client.outputs.supervision import SUPERVISION
from layernext.client.outputs.tables import TABLES
from layernext.client.outputs.ultralytics import ULTRALYTICS
from layernext.errors import DataError, Problem

ADAPTERS: tuple[Adapter, ...] = (
    ULTRALYTICS,
    SUPERVISION,
    DETECTRON2,
    MMDETECTION,
    SEGMENTATIONS,
    DETECTION_DICTS,
    PIPELINES,
    COCO_RESULTS,
    TABLES,
)


def find_adapter(value: Any) -> Adapter | None:
    """The adapter of an output; None if it is not one, such as a list of outputs."""
    return next((adapter for adapter in ADAPTERS if adapter.matches(value)), None)


def iter_outputs(results: Any, reading: Reading) -> Iterator[Output]:
    """The images of a model's output, or of an iterable of outputs, one at a time.

    Raises:
        DataError: something is not an output of a model, or not a valid one.
        ConfigurationError: a layout is named for outputs that have only one.
    """
    adapter = find_adapter(results)
    if adapter is not None:
        yield from adapter.read(results, reading)
        return
    if _is_single(results):
        raise _unknown(results, reading.where)
    if (
        isinstance(results, list) and not results
    ):  # a pipeline that sees nothing returns an empty list
        yield Output(columns={}, where=reading.where)
    for index, item in enumerate(results):
        where = f"{reading.where}[{index}]"
        adapter = find_adapter(item)
        if adapter is not None:
            yield from adapter.read(item, reading.at(where))
        elif isinstance(item, list) and not item:
            yield Output(columns={}, where=where)  # of a pipeline that saw nothing
        else:
            raise _unknown(item, where)


def check_for_outputs(source: Any) -> tuple[bool, Any]:
    """Whether something is a model's output or an iterable of outputs; and itself, its first element unread."""
    if find_adapter(source) is not None:
        return True, source
    if _is_single(source):
        return False, source
    elements = iter(source)
    for element in elements:
        return find_adapter(element) is not None, chain([element], elements)
    return False, source


def _is_single(value: Any) -> bool:
    """Whether this is not an iterable of outputs."""
    is_text = isinstance(value, str | bytes | Mapping)
    return is_text or not isinstance(value, Iterable) or hasattr(value, "dtype")


def _unknown(value: Any, where: str) -> DataError:
    kinds = "; ".join(adapter.kind for adapter in ADAPTERS)
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    message = f"is a {kind}, which is not an output that is recognized"
    return DataError(
        Problem(where, message), hint=f"recognized are: {kinds}; or pass arrays to run.log"
    )

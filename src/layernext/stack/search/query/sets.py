"""Which images have an annotation set that fulfils some conditions, by the arrays of `SetIndex`.

Labels, counts and nearly all confidences are decided by the arrays. What they cannot decide (geometry,
attributes, a confidence so near to the bound that the code is the same) is looked up in the sets' JSON.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from layernext.model import Annotation, decode_trusted, kind_of
from layernext.stack.search.query.fields import ANNOTATION_METADATA, ATTRIBUTE, MEASURES
from layernext.stack.search.query.parse import Condition
from layernext.stack.search.set_index import Int64s, SetBlock, SetIndex, SetRange, ranges
from layernext.stack.store.annotations import content
from layernext.stack.store.annotations.summaries import ABOVE_1, BELOW_0, NO_CONFIDENCE, STEPS
from layernext.stack.store.schema import GEOMETRIES_BY_CODE, annotation_set, image

DECODED_AT_ONCE = 500
"""Sets whose JSON is in memory at a time."""

Flags: TypeAlias = NDArray[np.bool_]

Scale: TypeAlias = tuple[int | None, int | None]
"""Pixels for each unit of the coordinates, across and down; None if unknown."""

_VALUES = np.arange(STEPS + 1) / STEPS


class SetConditions:
    """Conditions that one set has to fulfil together.

    Args:
        by_name: the conditions, by the name of their field.
        label_names: row id to name of the labels that fit; None if none are asked for.
    """

    def __init__(
        self, by_name: dict[str, list[Condition]], label_names: dict[int, str] | None
    ) -> None:
        self.label_ids = None if label_names is None else np.array(list(label_names), np.int32)
        self.labels = None if label_names is None else frozenset(label_names.values())
        self.confidences = by_name.get("annotation.confidence", [])
        self.counts = by_name.get("annotation.count", [])
        self.geometries = by_name.get("annotation.geometry", [])
        self.tracks = by_name.get("annotation.track", [])
        self.measures = {name: by_name[name] for name in MEASURES if name in by_name}
        self.attributes = _group(by_name, ATTRIBUTE)
        self.metadata = _group(by_name, ANNOTATION_METADATA)
        self._sure, self._maybe = _tables(self.confidences)

    @property
    def _needs_json(self) -> bool:
        """Whether there are conditions that the arrays cannot decide."""
        return bool(
            self.geometries or self.tracks or self.attributes or self.measures or self.metadata
        )

    @property
    def is_impossible(self) -> bool:
        """Whether no set can fulfill them, because there is no such label."""
        return self.labels is not None and not self.labels

    def find(self, connection: sa.Connection, index: SetIndex, part: SetRange) -> Int64s:
        """Row ids of the images that have such a set of an operation in a collection, in any order."""
        results = [np.zeros(0, np.int64)]
        for block in index.iter_blocks(connection, part):
            is_in, is_open = self._decide(block, self._sure, self._maybe)
            results.append(block.image_ids[is_in])
            results.append(self._look(connection, part.operation_id, block.image_ids[is_open]))
        return np.concatenate(results)

    def _decide(self, block: SetBlock, sure: Flags, maybe: Flags) -> tuple[Flags, Flags]:
        """Which sets fulfil everything for sure, and which only their JSON can tell of."""
        sets = len(block.image_ids)
        has_label, pairs = np.ones(sets, np.bool_), None
        if self.label_ids is not None:
            pairs = self._pairs(block)
            has_label[:] = False
            has_label[block.pair_sets[pairs]] = True
        if self.confidences:
            low, high = _counted(block, pairs, sure), _counted(block, pairs, maybe)
        else:
            low = high = _summed(block, pairs)
        if self._needs_json:
            low = np.zeros(sets, np.int64)
        is_same = low == high
        if self.counts:
            holds = has_label.copy()
            for count in self.counts:
                holds &= _fits(count, low)
            return is_same & holds, ~is_same & has_label
        return low > 0, (low == 0) & (high > 0)

    def _pairs(self, block: SetBlock) -> Int64s:
        """The places of the pairs that have one of the labels."""
        assert self.label_ids is not None  # noqa: S101 - the caller has looked
        size = int(max(block.pair_labels.max(initial=0), self.label_ids.max())) + 1
        table = np.zeros(size, np.bool_)
        table[self.label_ids] = True
        return np.flatnonzero(table[block.pair_labels])

    def _look(self, connection: sa.Connection, operation_id: int, image_ids: Int64s) -> Int64s:
        """Those of the images whose set fulfils everything, by its JSON."""
        stored, fitting_ids = annotation_set.c, []
        for start in range(0, len(image_ids), DECODED_AT_ONCE):
            chunk = image_ids[start : start + DECODED_AT_ONCE].tolist()
            condition = (stored.operation_id == operation_id) & stored.image_id.in_(chunk)
            columns = sa.select(
                stored.image_id, stored.geometry, stored.content, stored.normalized,
                image.c.width, image.c.height,
            ).join(image, image.c.id == stored.image_id)  # fmt: skip
            for row in connection.execute(columns.where(condition)):
                geometry = GEOMETRIES_BY_CODE[row.geometry]
                decoded = decode_trusted(content.unpack(row.content), geometry)
                scale: Scale = (1, 1)
                if row.normalized or decoded.normalized:
                    scale = (row.width, row.height)
                number = sum(
                    self._is_wanted(annotation, scale) for annotation in decoded.annotations
                )
                if all(holds(count, number) for count in self.counts) if self.counts else number:
                    fitting_ids.append(row.image_id)
        return np.array(fitting_ids, np.int64)

    def _is_wanted(self, annotation: Annotation, scale: Scale) -> bool:
        if self.labels is not None and annotation.label not in self.labels:
            return False
        if self.confidences and (
            annotation.confidence is None
            or not all(holds(confidence, annotation.confidence) for confidence in self.confidences)
        ):
            return False
        if not all(annotation.geometry in geometry.values for geometry in self.geometries):
            return False
        if not self._tracks_hold(annotation) or not self._measures_hold(annotation, scale):
            return False
        if not all(
            name in annotation.metadata and holds(condition, _plain(annotation.metadata[name]))
            for name, conditions in self.metadata.items()
            for condition in conditions
        ):
            return False
        return all(
            any(
                holds(condition, _plain(value.value))
                for value in annotation.attributes.get(name, [])
            )
            for name, conditions in self.attributes.items()
            for condition in conditions
        )

    def _tracks_hold(self, annotation: Annotation) -> bool:
        track = annotation.track
        return not self.tracks or (
            track is not None and all(holds(condition, str(track)) for condition in self.tracks)
        )

    def _measures_hold(self, annotation: Annotation, scale: Scale) -> bool:
        """Whether area, width and height fulfil their conditions; not if nobody knows them."""
        if not self.measures:
            return True
        kind = kind_of(annotation)
        coordinates = kind.coordinates_of(annotation)
        width, height = (1, 1) if kind.is_in_pixels else scale
        if not width or not height:
            return False
        box = kind.box_in_pixels(coordinates, width, height)
        if box is None:
            return False
        values = (kind.area(coordinates) * width * height, box[2], box[3])
        return all(
            holds(condition, value)
            for name, value in zip(MEASURES, values, strict=True)
            for condition in self.measures.get(name, ())
        )


def _group(by_name: dict[str, list[Condition]], prefix: str) -> dict[str, list[Condition]]:
    """The conditions on names of the user's own, by these names."""
    return {
        name[len(prefix) :]: conditions
        for name, conditions in by_name.items()
        if name.startswith(prefix)
    }


def _summed(block: SetBlock, pairs: Int64s | None) -> Int64s:
    """How many annotations each set has, of the chosen pairs."""
    if pairs is None:
        return np.diff(block.set_ends, prepend=0).astype(np.int64)
    return _per_set(block, pairs, _sizes(block, pairs))


def _counted(block: SetBlock, pairs: Int64s | None, table: Flags) -> Int64s:
    """How many of them have a confidence whose code is in the table."""
    if pairs is None:
        upto = np.cumsum(table[block.codes], dtype=np.int32)
        return np.diff(np.append(0, upto)[block.set_ends], prepend=0).astype(np.int64)
    if not len(pairs):
        return np.zeros(len(block.image_ids), np.int64)
    sizes = _sizes(block, pairs)
    is_in = table[block.codes[ranges(block.pair_ends[pairs] - sizes, sizes)]]
    numbers = np.add.reduceat(is_in, np.cumsum(sizes) - sizes, dtype=np.int64)
    return _per_set(block, pairs, numbers)


def _sizes(block: SetBlock, pairs: Int64s) -> Int64s:
    ends = block.pair_ends[pairs].astype(np.int64)
    return ends - np.where(pairs > 0, block.pair_ends[pairs - 1], 0)


def _per_set(block: SetBlock, pairs: Int64s, numbers: Int64s) -> Int64s:
    sums = np.bincount(block.pair_sets[pairs], numbers, len(block.image_ids))
    return sums.astype(np.int64)


def _tables(conditions: Sequence[Condition]) -> tuple[Flags, Flags]:
    """For each code whether all confidences that it stands for fulfil the conditions, and any."""
    sure, maybe = np.zeros((2, NO_CONFIDENCE + 1), np.bool_)
    even, odd = slice(0, 2 * STEPS + 1, 2), slice(1, 2 * STEPS, 2)
    below, above = _VALUES[:-1], _VALUES[1:]
    for table in (sure, maybe):
        table[: 2 * STEPS + 1] = True
        table[[BELOW_0, ABOVE_1]] = True
    for condition in conditions:
        exact = _fits(condition, _VALUES)
        sure[even] &= exact
        maybe[even] &= exact
        always, ever = _between(condition, below, above)
        sure[odd] &= always
        maybe[odd] &= ever
        always, ever = _between(condition, np.array([-np.inf, 1.0]), np.array([0.0, np.inf]))
        sure[[BELOW_0, ABOVE_1]] &= always
        maybe[[BELOW_0, ABOVE_1]] &= ever
    return sure, maybe


def _between(condition: Condition, below: Any, above: Any) -> tuple[Flags, Flags]:
    """Whether all values strictly between two fulfil a condition, and whether any does."""
    first: Any = condition.values[0]
    if condition.until is not None:
        return (first <= below) & (above <= condition.until), (first < above) & (
            below < condition.until
        )
    if condition.operator in {">", ">="}:
        return below >= first, above > first
    if condition.operator in {"<", "<="}:
        return above <= first, below < first
    values = np.array(condition.values, np.float64)
    among = (below[:, None] < values) & (values < above[:, None])
    return np.zeros(len(below), np.bool_), among.any(axis=1)


def _fits(condition: Condition, numbers: Any) -> Flags:
    """`holds` for an array of numbers."""
    first: Any = condition.values[0]
    result: Any
    if condition.until is not None:
        result = (numbers >= first) & (numbers <= condition.until)
    elif condition.operator == "=":
        result = np.isin(numbers, np.array(condition.values, np.float64))
    else:
        result = _ORDERS[condition.operator](numbers, first)
    return np.asarray(result, np.bool_)


_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def holds(condition: Condition, value: float | str) -> bool:
    """Whether a value in memory fulfils a condition: as `_compare` has it in SQL."""
    first: Any = condition.values[0]
    values: Any = value
    if condition.until is not None:
        return bool(first <= values <= condition.until)
    if condition.operator == "=":
        return values in condition.values
    if condition.operator == "~":
        pattern = str(first).lower()
        if "*" not in pattern and "?" not in pattern:
            return pattern in str(values).lower()
        escaped = re.sub(r"\[", "[[]", pattern)
        return fnmatch.fnmatchcase(str(values).lower(), escaped)
    return bool(
        {"<": values < first, "<=": values <= first, ">": values > first, ">=": values >= first}[
            condition.operator
        ]
    )

"""What an adapter returns for each image, and what it needs to know to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from layernext.client.logged_shapes import BoxFormat
from layernext.errors import ConfigurationError, DataError, Problem
from layernext.formats import Losses
from layernext.model import counted, is_number

Names: TypeAlias = Sequence[str] | Mapping[int, str]
"""Labels by class number: a list, whose first has the number 0, or a dictionary."""

_INSIDE = 0.5
"""The probability above which a pixel is inside a mask."""


class Output(Struct, kw_only=True):
    """What a model says about one image.

    Attributes:
        image: the image's file name in the collection; None if the output does not have it.
        path: the image's path on the machine that ran the model; its last part is the name if `image` is None.
        id: number of the image, if the output has only that.
        columns: arguments of `RunLogger.log`: a value for each shape.
        where: location of the output, for messages.
    """

    image: str | None = None
    path: str | None = None
    id: int | None = None
    columns: dict[str, Any]
    where: str


class Reading(Struct, frozen=True):
    """How outputs are read: what the caller says about them.

    Attributes:
        names: labels by class number; None if the output has them.
        box_format: layout of the boxes; None if the output shows it.
        is_normalized: whether coordinates are fractions of the image's size.
        losses: takes note of what is not logged.
        where: location of the output, for messages.
    """

    names: Names | None
    box_format: BoxFormat | None
    is_normalized: bool
    losses: Losses
    where: str = "results"

    def at(self, where: str) -> Reading:
        """The same for an output at another location."""
        return replace(self, where=where)

    def check_fixed(self, kind: str) -> None:
        """Refuse a layout for a kind of output that has only one.

        Raises:
            ConfigurationError: the caller names a layout, or says that coordinates are fractions.
        """
        if self.box_format is not None:
            raise ConfigurationError(
                f"format is {self.box_format!r}; {kind} define the layout of their boxes: omit `format`"
            )
        if self.is_normalized:
            raise ConfigurationError(f"{kind} are in pixels: omit `normalized`")

    def format_of(self, boxes: Any) -> BoxFormat:
        """The layout that the caller names.

        Raises:
            DataError: none is named, and there are boxes.
        """
        if self.box_format is None and len(boxes):
            message = (
                "does not show the layout of its boxes; pass format='xyxy', 'xywh' or 'cxcywh'"
            )
            raise DataError(Problem(self.where, message))
        return self.box_format or "xywh"

    def labels(self, values: Any, names: Names | None = None) -> list[str]:
        """The label of each shape.

        Args:
            values: labels, or class numbers.
            names: those of the output; the caller's win.

        Raises:
            DataError: a number has no name.
        """
        names = self.names if self.names is not None else names
        return [
            value if isinstance(value, str) else self._label(value, names, f"labels[{index}]")
            for index, value in enumerate(rows(values))
        ]

    def _label(self, value: Any, names: Names | None, where: str) -> str:
        where = f"{self.where}.{where}"
        if not is_number(value) or value != int(value):
            raise DataError(Problem(where, f"is {value!r}, must be a label or a class number"))
        number = int(value)
        if names is None:
            message = (
                f"is the class number {number}, and the output has no class names; pass names="
            )
            raise DataError(Problem(where, message))
        if isinstance(names, Mapping):
            if number in names:
                return names[number]
            raise DataError(
                Problem(where, f"is the class number {number}, which names= does not have")
            )
        if 0 <= number < len(names):
            return names[number]
        message = f"is the class number {number}; names= has {counted(len(names), 'name')}, from 0"
        raise DataError(Problem(where, message))

    def check_length(self, what: str, values: Any, count: int, shapes: str) -> None:
        """Refuse a column whose length is not that of the shapes.

        Raises:
            DataError: it has another length.
        """
        if values is not None and len(values) != count:
            message = (
                f"has {counted(len(values), 'value')} for {count} {shapes}; must have one for each"
            )
            raise DataError(Problem(f"{self.where}.{what}", message))


class Adapter(Struct, frozen=True):
    """Recognizes and reads one kind of output.

    Attributes:
        kind: its name, for messages.
        matches: whether a value is such an output. Looks at attributes and keys only; never raises.
        read: the images of such an output.
    """

    kind: str
    matches: Callable[[Any], bool]
    read: Callable[[Any, Reading], Iterator[Output]]


class Shapes:
    """Shapes of one image that come row by row, gathered into the columns of `RunLogger.log`."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[Any, dict[str, Any]]]] = {}

    def add(self, column: str, shape: Any, **fields: Any) -> None:
        """Append a shape.

        Args:
            column: ``keypoints``, ``boxes``, ``polygons``, ``masks``, or ``labels`` for one of the whole image.
            shape: as that column has it; None for a label.
            fields: values by their columns.
        """
        self._rows.setdefault(column, []).append((shape, fields))

    def columns(self) -> dict[str, Any]:
        """The columns, in the order of the shapes that `RunLogger.log` has."""
        columns: dict[str, Any] = {}
        fields: list[dict[str, Any]] = []
        for name in ("keypoints", "boxes", "polygons", "masks", "labels"):
            if name in self._rows:
                if name != "labels":
                    columns[name] = [shape for shape, _ in self._rows[name]]
                fields += [row for _, row in self._rows[name]]
        for name in ("labels", "confidences", "tracks", "metadata"):
            values = [row.get(name) for row in fields]
            if any(value is not None for value in values):
                columns[name] = values
        if "metadata" in columns:
            columns["metadata"] = [value or {} for value in columns["metadata"]]
        return columns


def plain(value: Any) -> Any:
    """A tensor on any device as a numpy array; anything else unchanged. Imports nothing."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    try:
        return tensor.numpy()
    except TypeError:  # bfloat16, which numpy does not have
        return tensor.float().numpy()


def rows(values: Any) -> list[Any]:
    """A tensor, an array or a list, as a list of plain values."""
    values = plain(values)
    if hasattr(values, "tolist"):
        result: list[Any] = values.tolist()
        return result
    return [value.tolist() if hasattr(value, "tolist") else value for value in values]


def semantic_columns(values: Any, reading: Reading, names: Names | None = None) -> dict[str, Any]:
    """The columns of a label map (H, W) of class numbers.

    Args:
        values: the map.
        reading: the caller's names win.
        names: those of the output.
    """
    names = reading.names if reading.names is not None else names
    return {"semantic": plain(values), "names": names}


def binary(masks: Any) -> Any:
    """Masks (N, H, W) or (N, 1, H, W), bool or probabilities, as an array or a list of bool."""
    array = plain(masks)
    shape = getattr(array, "shape", None)
    if shape is None:
        return [binary_mask(mask) for mask in array]
    if len(shape) == 4 and shape[1] == 1:  # noqa: PLR2004 - as torchvision's
        array = array[:, 0]
    return binary_mask(array)


def binary_mask(mask: Any) -> Any:
    """An array of bool; of probabilities, whether each is above one half."""
    array = plain(mask)
    is_probability = getattr(getattr(array, "dtype", None), "kind", "") == "f"
    return array > _INSIDE if is_probability else array

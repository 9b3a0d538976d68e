"""Stand-ins for what the libraries of models return: the attributes that their classes have, and no more.

The libraries take gigabytes to install. The adapters were also tried with the real classes of Ultralytics 8.4,
torchvision 0.29, transformers 5.24, MMDetection 3.3, Polars 2.1 and Detectron2 of June 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Tensor:
    """A tensor of torch on a GPU, with a gradient: `numpy` works only after `detach` and `cpu`."""

    def __init__(self, values: Any, *, is_detached: bool = False, is_on_cpu: bool = False) -> None:
        self._array = np.asarray(values)
        self._is_detached, self._is_on_cpu = is_detached, is_on_cpu

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def dtype(self) -> str:
        return f"torch.{self._array.dtype}"

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[Tensor]:
        return (
            Tensor(row, is_detached=self._is_detached, is_on_cpu=self._is_on_cpu)
            for row in self._array
        )

    def detach(self) -> Tensor:
        return Tensor(self._array, is_detached=True, is_on_cpu=self._is_on_cpu)

    def cpu(self) -> Tensor:
        return Tensor(self._array, is_detached=self._is_detached, is_on_cpu=True)

    def numpy(self) -> Any:
        if not self._is_detached:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")
        if not self._is_on_cpu:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        return self._array

    def float(self) -> Tensor:
        array = self._array.astype(np.float32)
        return Tensor(array, is_detached=self._is_detached, is_on_cpu=self._is_on_cpu)


@dataclass
class UltralyticsBoxes:
    """``Boxes`` of Ultralytics."""

    xyxy: Any
    conf: Any
    cls: Any
    id: Any = None


@dataclass
class UltralyticsObb:
    """``OBB`` of Ultralytics."""

    xywhr: Any
    conf: Any
    cls: Any
    id: Any = None


@dataclass
class Data:
    """``Masks`` and ``Probs`` of Ultralytics."""

    data: Any


@dataclass
class UltralyticsResults:
    """``Results`` of Ultralytics."""

    path: str
    orig_shape: tuple[int, int] = (48, 64)
    names: dict[int, str] = field(default_factory=lambda: {0: "cat", 1: "dog"})
    boxes: UltralyticsBoxes | None = None
    masks: Data | None = None
    probs: Data | None = None
    keypoints: Any = None
    obb: UltralyticsObb | None = None


@dataclass
class WithTensor:
    """``Boxes``, ``RotatedBoxes`` and ``BitMasks`` of Detectron2; boxes of MMDetection."""

    tensor: Tensor


class Instances:
    """``Instances`` of Detectron2."""

    def __init__(self, image_size: tuple[int, int], **fields: Any) -> None:
        self.image_size = image_size
        self._fields = fields

    def get_fields(self) -> dict[str, Any]:
        return self._fields


class InstanceData:
    """``InstanceData`` of MMEngine."""

    def __init__(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, value)


@dataclass
class DetDataSample:
    """``DetDataSample`` of MMDetection."""

    pred_instances: InstanceData
    metainfo: dict[str, Any]


@dataclass
class BitmapMasks:
    """``BitmapMasks`` of MMDetection."""

    masks: Any


class PolarsSeries:
    """``Series`` of Polars."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def to_list(self) -> list[Any]:
        return self._values


class PolarsFrame:
    """``DataFrame`` of Polars."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self._columns = columns

    @property
    def columns(self) -> list[str]:
        return list(self._columns)

    def __getitem__(self, name: str) -> PolarsSeries:
        return PolarsSeries(self._columns[name])

    def to_numpy(self) -> Any:
        raise AssertionError("a table of objects and numbers is not read as an array")

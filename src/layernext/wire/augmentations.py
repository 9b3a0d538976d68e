"""Augmentations that a dataset version can be made with (`augmentation_list`): read and checked.

Each property that is chosen makes one more picture of every image of the train split. Which words and
ranges there are is in wire-contract section 5.6; what each of them does, in docs/datasets.md. What has no
one meaning is refused by name. Client and stack check with this same code.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from layernext.errors import DataError, Problem

SWITCHES = {
    "FLIP_IMAGE": ("FLIP_HORIZONTAL", "FLIP_VERTICAL"),
    "NINETY_ROTATION": ("CLOCKWISE", "COUNTER_CLOCKWISE", "UPSIDE_DOWN"),
}
"""Their properties are on or off."""

RANGES = {
    "IMAGE_BLUR": ("BLUR", 0, 15),
    "GRAYSCALE": ("GRAYSCALE_PERCENTAGE", 0, 100),
    "HUE": ("HUE_DEGREES", -100, 100),
    "SATURATION": ("SATURATION_DEGREES", -100, 100),
    "BRIGHTNESS": ("BRIGHTNESS_DEGREES", -100, 100),
    "NOISE": ("NOISE_PERCENTAGE", 0, 100),
    "CROP": ("CROP_PERCENTAGE", 0, 90),
}
"""Their one property has a lower and an upper end; each image gets a number between them."""

REFUSED = {
    "IMAGE_ROTATION": "a box turned by an arbitrary angle is not a box; NINETY_ROTATION keeps boxes exact",
    "SHEAR": "a sheared box is not a box",
    "CUTOUT": "the protocol does not say what is cut out",
    "MOSAIC": "the protocol does not say how images are put together",
    "EXPOSURE": "the protocol does not say its unit; BRIGHTNESS is made",
}
LEVEL = "IMAGE_LEVEL"


class Augmentation(Struct, frozen=True):
    """One more picture of every image of the train split.

    Attributes:
        kind: such as ``FLIP_IMAGE``.
        property: such as ``FLIP_HORIZONTAL``.
        low, high: the ends of its range, both included; 0 of a switch.
    """

    kind: str
    property: str
    low: float = 0.0
    high: float = 0.0

    def __str__(self) -> str:
        span = f" {self.low:g}..{self.high:g}" if self.kind in RANGES else ""
        return f"{self.kind}.{self.property}{span}"


class SentAugmentation(Struct, frozen=True, rename="camel"):
    """An entry of the request: one kind, with its properties."""

    id: str
    properties: list[dict[str, Any]]
    is_selected: bool = True


def read_augmentations(request: Any, where: str) -> list[Augmentation]:
    """What was asked for; the caller's data is left as it is.

    Args:
        request: None, or ``{"IMAGE_LEVEL": [{"id": …, "properties": [{"id": …, "values": […]}]}]}``.
        where: its name, for messages.

    Raises:
        DataError: something is unknown, has no one meaning, or is out of its range; every place.
    """
    if request is None or request in ({}, []):
        return []
    if not isinstance(request, dict):
        raise DataError(Problem(where, f"must be an object with {LEVEL}"))
    problems = [
        Problem(f"{where}.{level}", f"is not made; only {LEVEL} is")
        for level in request
        if level != LEVEL
    ]
    augmentations: list[Augmentation] = []
    listed = request.get(LEVEL, [])
    if not isinstance(listed, list):
        problems.append(Problem(f"{where}.{LEVEL}", "must be a list"))
        listed = []
    for number, entry in enumerate(listed):
        augmentations += _read_entry(entry, f"{where}.{LEVEL}[{number}]", problems)
    seen: set[tuple[str, str]] = set()
    for augmentation in augmentations:
        if (augmentation.kind, augmentation.property) in seen:
            problems.append(
                Problem(where, f"has {augmentation.kind}.{augmentation.property} twice")
            )
        seen.add((augmentation.kind, augmentation.property))
    if problems:
        raise DataError(problems)
    return augmentations


def _read_entry(entry: Any, where: str, problems: list[Problem]) -> list[Augmentation]:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        problems.append(Problem(where, "must be an object with id and properties"))
        return []
    kind = entry["id"]
    if entry.get("isSelected") is False:
        return []
    if kind in REFUSED:
        problems.append(Problem(where, f"{kind} is not made: {REFUSED[kind]}"))
        return []
    if kind not in SWITCHES and kind not in RANGES:
        kinds = ", ".join([*SWITCHES, *RANGES])
        problems.append(Problem(where, f"{kind[:60]!r} is not known; known are {kinds}"))
        return []
    properties = entry.get("properties")
    if not isinstance(properties, list) or not properties:
        problems.append(Problem(f"{where}.properties", "must be a list with one at least"))
        return []
    augmentations = []
    for number, entry_property in enumerate(properties):
        property_where = f"{where}.properties[{number}]"
        augmentation = _read_property(kind, entry_property, property_where, problems)
        if augmentation is not None:
            augmentations.append(augmentation)
    return augmentations


def _read_property(
    kind: str, entry: Any, where: str, problems: list[Problem]
) -> Augmentation | None:
    names = SWITCHES.get(kind) or (RANGES[kind][0],)
    name = entry.get("id") if isinstance(entry, dict) else None
    values = entry.get("values") if isinstance(entry, dict) else None
    if name not in names:
        problems.append(Problem(f"{where}.id", f"must be {' or '.join(names)}"))
        return None
    if not isinstance(values, list):
        problems.append(Problem(f"{where}.values", "must be a list"))
        return None
    if kind in SWITCHES:
        if len(values) != 1 or not isinstance(values[0], bool):
            problems.append(Problem(f"{where}.values", "must be [true] or [false]"))
            return None
        return Augmentation(kind, str(name)) if values[0] else None
    _, least, most = RANGES[kind]
    is_number = [isinstance(value, int | float) and not isinstance(value, bool) for value in values]
    if len(values) != 2 or not all(is_number) or not least <= values[0] <= values[1] <= most:  # noqa: PLR2004
        text = f"must be two numbers, the smaller first, of {least} to {most}"
        problems.append(Problem(f"{where}.values", text))
        return None
    return Augmentation(kind, str(name), float(values[0]), float(values[1]))

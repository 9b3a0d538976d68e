"""The classes of a source: their order, their numbers, and those that no annotation has."""

from __future__ import annotations

from layernext.model import Skeleton


class Classes:
    """The classes that a source declares, in its order, including unused ones.

    A reader adds them before it yields its first sample.

    Attributes:
        codes: the number that the source gives each class, by name.
        skeletons: what the keypoints of a class are, by name.
    """

    def __init__(self) -> None:
        self.codes: dict[str, int | str] = {}
        self.skeletons: dict[str, Skeleton] = {}

    def add(self, name: str, code: int | str, skeleton: Skeleton | None = None) -> None:
        """Declare a class; the first of several with a name counts."""
        self.codes.setdefault(name, code)
        if skeleton is not None:
            self.skeletons.setdefault(name, skeleton)

    @property
    def names(self) -> list[str]:
        """The classes in their order."""
        return list(self.codes)

    @property
    def numbers(self) -> list[int]:
        """The codes that are numbers, in order."""
        return sorted(code for code in self.codes.values() if isinstance(code, int))

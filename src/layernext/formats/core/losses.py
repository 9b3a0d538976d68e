"""What a format cannot hold, or what a reader does not read: counted, never dropped in silence."""

from __future__ import annotations

from collections.abc import Container

from layernext.errors import DataError, Problem
from layernext.model import Annotation

FIELDS = ("confidence", "attributes", "metadata")
"""What an annotation has beside its label and geometry."""


class Losses:
    """Counts what a format cannot hold, and remembers where each kind was first.

    Args:
        strict: refuse the first loss.

    Attributes:
        counts: each kind of loss: how often, and where it was first.
        shapes: annotations that were left out, or whose geometry became a coarser one.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self.counts: dict[str, tuple[int, str]] = {}
        self.shapes = 0

    def note(self, what: str, where: str) -> None:
        """Count one loss.

        Raises:
            DataError: with `strict`.
        """
        if self._strict:
            raise DataError(Problem(where, f"{what} cannot be kept in this format"))
        count, first = self.counts.get(what, (0, where))
        self.counts[what] = (count + 1, first)

    def note_shape(self, what: str, where: str) -> None:
        """Count the loss of a whole annotation, or of its geometry.

        Raises:
            DataError: with `strict`.
        """
        self.note(what, where)
        self.shapes += 1

    def note_fields(self, annotation: Annotation, where: str, *, keeps: Container[str]) -> None:
        """Count the fields beside label and geometry that the format does not keep.

        Args:
            annotation: what is being written.
            where: its location, for messages.
            keeps: the names among `FIELDS` that the format keeps.
        """
        for name in FIELDS:
            value = getattr(annotation, name)
            if name not in keeps and value is not None and value != {}:
                self.note(name, where)

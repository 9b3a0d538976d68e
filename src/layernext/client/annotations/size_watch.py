"""Declared sizes of images that are not those of their pictures, as the stack reports them batch by batch."""

from __future__ import annotations

from layernext.wire.native import BatchResult

OTHER = "a declared size that is not that of the picture"
TURNED = "a declared size that fits the picture only turned by 90 degrees, as it may be stored"


class SizeWatch:
    """Adds up what the answers to batches say.

    Attributes:
        warnings: for `UploadReport.warnings`.
    """

    def __init__(self) -> None:
        self.warnings: dict[str, tuple[int, str]] = {}

    def count(self, result: BatchResult) -> None:
        """Add one answer."""
        for what, count, first in (
            (OTHER, result.other_sizes, result.other_size),
            (TURNED, result.turned_sizes, result.turned_size),
        ):
            if count:
                total, first_of_all = self.warnings.get(what, (0, str(first)))
                self.warnings[what] = (total + count, first_of_all)

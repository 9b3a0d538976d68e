"""What happens on the way from one format to another: losses, invalid annotations, and doubts.

Nothing is dropped in silence. What a format cannot hold, or a reader does not read, is a loss. What is not valid is a
problem: all of a source are listed, up to a limit. What is valid and looks wrong is a warning.
"""

from __future__ import annotations

from collections.abc import Container
from types import TracebackType

from layernext.errors import DataError, FormatError, Problem
from layernext.model import Annotation, show

FIELDS = ("confidence", "track", "attributes", "metadata")
"""What an annotation has beside its label and geometry."""

DEFAULT_PROBLEM_LIMIT = 100
"""How many problems of a file are listed."""


class Problems:
    """What is not valid in a source; as a context manager around the reading of one annotation.

    Until `collect` is called an invalid annotation ends the reading, as an exception.

    Attributes:
        entries: the problems, in the order of the source, at most `limit`.
        count: how many there are.
        limit: reading ends when so many are listed, unless invalid annotations are skipped.
        skips: whether invalid annotations are left out, and the others are read.
    """

    def __init__(self) -> None:
        self.entries: list[Problem] = []
        self.count = 0
        self.limit = DEFAULT_PROBLEM_LIMIT
        self.skips = False
        self._collects = False
        self._file: str | None = None
        self._kind: type[DataError] = FormatError
        self._hint: str | None = None

    def collect(self, *, skips: bool) -> None:
        """From now on invalid annotations are listed.

        Args:
            skips: leave them out, and read the others; else `refuse` raises.
        """
        self._collects, self.skips = True, skips

    def __enter__(self) -> None:
        """Begin to read one annotation."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """List the problem of an annotation that is not valid.

        Raises:
            DataError: there are more than `limit`.
        """
        if error is None or not self._collects or not isinstance(error, DataError):
            return False
        if not self.entries:
            # What the file is called, and whether it or its data is wrong, is what the first says.
            self._file, self._kind = error.file, type(error)
        self._hint = self._hint or error.hint
        self.count += len(error.problems)
        self.entries += error.problems[: self.limit - len(self.entries)]
        if not self.skips and (self.count >= self.limit or error.more):
            raise self._kind(self.entries, file=self._file, more=True, hint=self._hint) from None
        return True

    @property
    def are_fatal(self) -> bool:
        """Whether the source will be refused."""
        return bool(self.entries) and not self.skips

    def refuse(self) -> None:
        """Refuse the source if it has problems, and they are not skipped.

        Raises:
            DataError: with every problem.
        """
        if self.are_fatal:
            raise self._kind(self.entries, file=self._file, hint=self._hint)


class Losses:
    """Counts what a format cannot hold, and remembers where each kind first occurred.

    Args:
        strict: refuse the first loss or warning.

    Attributes:
        counts: each kind of loss: how often, and where it first occurred.
        warnings: the same for data that is kept but looks wrong.
        shapes: annotations that were left out, or whose geometry became a coarser one.
        problems: what is not valid.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self.counts: dict[str, tuple[int, str]] = {}
        self.warnings: dict[str, tuple[int, str]] = {}
        self.shapes = 0
        self.problems = Problems()

    def note(self, what: str, where: str) -> None:
        """Count one loss.

        Raises:
            DataError: with `strict`.
        """
        if self._strict:
            raise DataError(Problem(where, f"not kept: {what}"))
        count, first = self.counts.get(what, (0, where))
        self.counts[what] = (count + 1, first)

    def note_shape(self, what: str, where: str) -> None:
        """Count the loss of a whole annotation, or of its geometry.

        Raises:
            DataError: with `strict`.
        """
        self.note(what, where)
        self.shapes += 1

    def warn(self, what: str, where: str) -> None:
        """Count one warning: data that is kept but is likely to be wrong.

        Raises:
            DataError: with `strict`.
        """
        if self._strict:
            raise DataError(Problem(where, what))
        count, first = self.warnings.get(what, (0, where))
        self.warnings[what] = (count + 1, first)

    def note_fields(self, annotation: Annotation, where: str, *, keeps: Container[str]) -> None:
        """Count the fields, besides label and geometry, that the format does not keep.

        Args:
            annotation: what is being written.
            where: its location, for messages.
            keeps: the names among `FIELDS` that the format keeps.
        """
        for name in FIELDS:
            value = getattr(annotation, name)
            if name not in keeps and value is not None and value != {}:
                self.note(name, where)
        for key in annotation.extra if "extra" not in keeps else ():
            self.note(f"the unknown key {show(key)}", where)

    def rename(self, folder: str, name: str) -> None:
        """Write `name` in place of a folder in every location: what the user knows it as."""
        for counts in (self.counts, self.warnings):
            for what, (count, first) in counts.items():
                counts[what] = (count, first.replace(folder, name))
        self.problems.entries = [renamed(entry, folder, name) for entry in self.problems.entries]


def renamed(problem: Problem, folder: str, name: str) -> Problem:
    """A problem with `name` in place of a folder."""
    return Problem(
        problem.where.replace(folder, name),
        problem.message.replace(folder, name),
        problem.expected,
        problem.got,
    )

"""How the annotations of a source are taken, whatever its format."""

from __future__ import annotations

from msgspec import Struct

from layernext.formats.core.label_rules import LabelRules
from layernext.formats.core.scores import Scores


class SourceOptions(Struct, frozen=True, kw_only=True):
    """How to read the annotations of a source.

    Attributes:
        names: class names in the order of their numbers, for sources that have only numbers.
        scores: how scores become confidences.
        label_rules: how to select, rename and order labels.
        skip_invalid: leave out annotations that are not valid.
        match_names: names that differ as tools make them differ (folders, extensions, prefixes) mean the same
            image of a collection, or of a ground truth; see `NameMatcher`.
        video: name of the video in the collection whose frames the images are; see `read_format`.
    """

    names: list[str] | None = None
    scores: Scores = Scores()
    label_rules: LabelRules | None = None
    skip_invalid: bool = False
    match_names: bool = False
    video: str | None = None

    @property
    def change_nothing(self) -> bool:
        """Whether annotations stay unchanged."""
        rules = self.label_rules
        is_labelled = rules is None or rules.change_nothing
        is_plain = self.scores.is_plain and not self.skip_invalid and self.video is None
        return is_labelled and is_plain

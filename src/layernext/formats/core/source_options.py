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
        match_names: match images of a collection or a ground truth even if tools changed their names
            (folders, extensions, prefixes); see `NameMatcher`.
    """

    names: list[str] | None = None
    scores: Scores = Scores()
    label_rules: LabelRules | None = None
    skip_invalid: bool = False
    match_names: bool = False

    @property
    def change_nothing(self) -> bool:
        """Whether annotations stay unchanged."""
        rules = self.label_rules
        is_labelled = rules is None or rules.change_nothing
        return is_labelled and self.scores.is_plain and not self.skip_invalid

"""Labels of different sources made the same: renamed, selected, compared without regard to case, or all one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from layernext.errors import ConfigurationError
from layernext.formats.core.losses import Losses
from layernext.formats.core.sample import Sample, location_of
from layernext.formats.core.semantic import with_whole_labels
from layernext.model import Annotation, Skeleton

ANY_LABEL = "object"
"""The label of everything, if labels do not count."""


class LabelRules:
    """How to select, rename and order the labels of a source. The spelling in the first of several sources counts.

    Args:
        labels: annotations with other labels are left out; their order is that of an export's classes.
        mapping: new labels by old ones.
        ignore_case: labels that differ only in case are the same, spelled as in ``labels`` or as at the first
            occurrence.
        class_agnostic: all annotations get the label `ANY_LABEL`.
    """

    def __init__(
        self,
        *,
        labels: Sequence[str] | None = None,
        mapping: Mapping[str, str] | None = None,
        ignore_case: bool = False,
        class_agnostic: bool = False,
    ) -> None:
        self.labels = None if labels is None else list(dict.fromkeys(labels))
        self.ignore_case, self.class_agnostic = ignore_case, class_agnostic
        self._mapping = {self._key(old): new for old, new in (mapping or {}).items()}
        self._spellings: dict[str, str] = {}
        for label in self.labels or ():
            self._spellings.setdefault(self._key(label), label)

    def _key(self, label: str) -> str:
        return label.casefold() if self.ignore_case else label

    @property
    def mapping(self) -> dict[str, str]:
        """New labels by old ones."""
        return dict(self._mapping)

    @property
    def change_nothing(self) -> bool:
        """Whether every label stays as it is."""
        return (
            self.labels is None
            and not self._mapping
            and not self.ignore_case
            and not self.class_agnostic
        )

    def rename(self, label: str) -> str | None:
        """The new name of a label; None if its annotations are left out."""
        label = self._mapping.get(self._key(label), label)
        key = self._key(label)
        if self.labels is not None and key not in self._spellings:
            return None
        if self.class_agnostic:
            return ANY_LABEL
        return self._spellings.setdefault(key, label) if self.ignore_case else label

    def classes(self, names: Iterable[str]) -> list[str]:
        """The classes of an export, in order: those of `labels`, or else what became of a source's."""
        if self.class_agnostic:
            return [ANY_LABEL]
        if self.labels is not None:
            return list(self.labels)
        renamed = (self.rename(name) for name in names)
        return list(dict.fromkeys(name for name in renamed if name is not None))

    def skeletons(self, skeletons: Mapping[str, Skeleton]) -> dict[str, Skeleton]:
        """Skeletons by their new labels; of several that become one label the first counts."""
        renamed: dict[str, Skeleton] = {}
        for name, skeleton in skeletons.items():
            label = self.rename(name)
            if label is not None:
                renamed.setdefault(label, skeleton)
        return renamed

    def apply(self, samples: Iterable[Sample], losses: Losses) -> Iterator[Sample]:
        """Samples with their new labels; what is left out counts as a loss."""
        for sample in samples:
            annotations: list[Annotation] = []
            is_changed = False
            for number, annotation in enumerate(sample.annotations):
                label = self.rename(annotation.label)
                if label is None:
                    what = "an annotation whose label is not among those of --labels"
                    losses.note(what, location_of(sample, number))
                elif label != annotation.label:
                    annotations.append(replace(annotation, label=label))
                else:
                    annotations.append(annotation)
                is_changed |= label != annotation.label
            if is_changed:
                annotations = with_whole_labels(annotations, sample.image, losses)
            yield replace(sample, annotations=annotations) if is_changed else sample


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """The mapping of pairs such as ``car=vehicle``.

    Raises:
        ConfigurationError: a pair is not valid, or contradicts another one.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        old, is_pair, new = pair.partition("=")
        if not is_pair or not old or not new:
            raise ConfigurationError(f"{pair!r} does not map a label", hint="write old=new")
        if mapping.setdefault(old, new) != new:
            message = f"the label {old!r} is mapped to {mapping[old]!r} and to {new!r}"
            raise ConfigurationError(message)
    return mapping

"""Semantic masks that get the same label become one: an image has one of each label."""

from __future__ import annotations

from msgspec.structs import replace

from layernext.errors import DataError, Problem
from layernext.formats.core.losses import Losses
from layernext.formats.core.painting import mask_of_runs, runs_of_mask
from layernext.model import KINDS, Annotation, SemanticMask, kind_of


def with_whole_labels(
    annotations: list[Annotation], where: str, losses: Losses
) -> list[Annotation]:
    """The annotations, with one semantic mask of each label, in the place of the first.

    Args:
        annotations: of one image; semantic masks do not overlap, but may have the same label.
        where: the location, for messages.
        losses: counts what only some of the joined masks have beside their pixels.
    """
    joined: list[Annotation] = []
    indexes: dict[str, int] = {}
    for annotation in annotations:
        if not isinstance(annotation, SemanticMask):
            joined.append(annotation)
            continue
        index = indexes.setdefault(annotation.label, len(joined))
        if index == len(joined):
            joined.append(annotation)
            continue
        first = joined[index]
        assert isinstance(first, SemanticMask)  # noqa: S101 - that is what `indexes` has
        if replace(annotation, mask=first.mask) != first:
            losses.note("fields of a semantic mask that is joined with another one", where)
        runs = sorted([*runs_of_mask(first.mask), *runs_of_mask(annotation.mask)])
        joined[index] = replace(first, mask=mask_of_runs(runs, first.mask.size))
    return joined


def refuse_contradictions(annotations: list[Annotation], image: str) -> None:
    """Refuse what was of several runs, and cannot be the annotations of one image together.

    Raises:
        DataError: two label maps, for instance.
    """
    for kind in KINDS.values():
        if not kind.has_set_rules:
            continue
        members = [annotation for annotation in annotations if kind_of(annotation) is kind]
        if len(members) > 1 and kind.is_set_doubtful(members):
            message = f"has {kind.name} annotations of several runs, which contradict each other"
            raise DataError(Problem(image, message), hint="take one run only")

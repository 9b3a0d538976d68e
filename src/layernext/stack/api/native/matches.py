"""Who found what in one image, for a page that shows it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from layernext.errors import InvalidRequest, NotFound
from layernext.evaluation import match_image
from layernext.model import (
    EvaluatedGeometry,
    EvaluationSettings,
    ImageAnnotations,
    Mode,
    Protocol,
    StoredMatches,
    decode_trusted,
)
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.messages import is_image_id
from layernext.stack.api.native.evaluations import completed
from layernext.stack.api.operation import Operation, operation
from layernext.stack.search import ItemRow, Search
from layernext.stack.store import SideSet, Store, Within
from layernext.wire.native import MATCHES_PATH


class MatchesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which image, which sets, and how they are matched.

    Attributes:
        image: id or unique name.
        evaluation: id of an evaluation, which gives everything below but the confidence, if one is
            asked for.
        run, ground_truth: names, if there is no evaluation.
        run_mode, truth_mode: where a model run and a ground truth have the same name.
        geometry, protocol, match_threshold, line_width: as in the settings of an evaluation.
        confidence: annotations below are left out; left out: that of the evaluation's tallies, or 0.
    """

    image: str
    evaluation: str | None = None
    run: str | None = None
    ground_truth: str | None = None
    run_mode: Mode | None = None
    truth_mode: Mode | None = None
    geometry: EvaluatedGeometry = "rectangle"
    protocol: Protocol | None = None
    match_threshold: float | None = None
    line_width: float = 30.0
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None


@operation(
    "GET",
    MATCHES_PATH,
    Operation(
        summary="Match the annotations of an image",
        tag="Evaluations",
        role="read",
        scope=HANDLER,
        errors=(400, 404, 422),
    ),
)
def match(
    query: MatchesQuery, store: Store, search: Search, permissions: Permissions
) -> StoredMatches:
    """Both sets of an image as they are now, and what each annotation found."""
    if query.evaluation is not None:
        permissions.check_thing("evaluation", query.evaluation)
    item = _item(search, query.image)
    try:
        permissions.check_images([item.image_id])
    except NotFound as error:
        raise _no_image(query.image) from error
    return _matches(store, query, item, permissions.readable)


def _matches(store: Store, query: MatchesQuery, item: ItemRow, within: Within) -> StoredMatches:
    confidence = query.confidence
    labels: tuple[str, ...] = ()
    if query.evaluation is not None:
        info = store.evaluations.get(query.evaluation)
        settings = info.settings
        confidence = info.confidence if confidence is None else confidence
        data = store.evaluations.data
        truth, run, labels = data.sets_of_image(query.evaluation, item.image_id)
    else:
        settings = completed(
            EvaluationSettings(
                geometry=query.geometry,
                protocol=query.protocol,
                match_threshold=query.match_threshold,
                line_width=query.line_width,
            )
        )
        if query.run is None or query.ground_truth is None:
            raise InvalidRequest("the query needs evaluation, or run and ground_truth", status=400)
        unknown = store.runs.find_unknown([query.run, query.ground_truth], within)
        if unknown is not None:
            raise NotFound(f"there is no model run or ground truth {unknown[:600]!r}", status=404)
        run = _set(store, item, query.run, query.run_mode, "machine")
        truth = _set(store, item, query.ground_truth, query.truth_mode, "human")
    wh = None
    if item.width is not None and item.height is not None:
        wh = (float(item.width), float(item.height))
    sides = [None if side is None else _typed(side, labels) for side in (truth, run)]
    matches = match_image(sides[0], sides[1], settings, confidence or 0.0, image_wh=wh)
    return StoredMatches(
        id=f"{item.image_id:024x}",
        image=item.name,
        width=item.width,
        height=item.height,
        run=sides[1],
        ground_truth=sides[0],
        matches=matches,
        confidence=confidence or 0.0,
        settings=settings,
    )


def _item(search: Search, id_or_name: str) -> ItemRow:
    stored = search.items.get(int(id_or_name, 16)) if is_image_id(id_or_name) else None
    stored = stored or search.items.find(id_or_name)
    if stored is None:
        raise _no_image(id_or_name)
    return stored


def _no_image(id_or_name: str) -> NotFound:
    return NotFound(f"there is no image {id_or_name[:600]!r}", status=404)


def _set(
    store: Store, item: ItemRow, name: str, mode: Mode | None, default_mode: Mode
) -> SideSet | None:
    """The image's set of an operation; without a mode that of the usual one goes first."""
    other: Mode = "human" if default_mode == "machine" else "machine"
    for side_mode in [mode] if mode is not None else [default_mode, other]:
        for stored in store.annotations.sets_of_image(item.image_id, name, side_mode):
            return SideSet(stored.raw, stored.geometry, stored.normalized)
    return None


def _typed(side: SideSet, labels: tuple[str, ...]) -> ImageAnnotations:
    whole = decode_trusted(side.raw, side.geometry)
    if labels:
        annotations = [annotation for annotation in whole.annotations if annotation.label in labels]
        whole = replace(whole, annotations=annotations)
    return replace(whole, normalized=True) if side.normalized else whole


ROUTES = [match]

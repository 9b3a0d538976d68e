"""Where tracked objects are in the frames around an image, for the page of the image."""

from __future__ import annotations

from layernext.model import Track, decode_trusted, kind_of, neighboring_frames
from layernext.stack.api.access import HANDLER, Permissions
from layernext.stack.api.operation import Operation, operation
from layernext.stack.search import ItemRow, Search
from layernext.stack.store import Store, StoredSet
from layernext.wire.native import TRAILS_PATH, Trail, TrailRequest, Trails


@operation(
    "POST",
    TRAILS_PATH,
    Operation(
        summary="Where the tracks of an image lead",
        tag="Pages",
        role="read",
        scope=HANDLER,
        errors=(400, 413, 422),
    ),
)
def trails(body: TrailRequest, store: Store, search: Search, permissions: Permissions) -> Trails:
    """The centers of tracked objects in the frames before and after an image. Changes nothing.

    Which images are these frames is told by their names. An image that is gone, or no frame, has no trails.
    """
    rows = search.items.list_rows([body.item], permissions.readable)
    distances = neighboring_frames(rows[0].name, body.frames) if rows else {}
    if not distances:
        return Trails(trails=[])
    frames = {
        frame.image_id: frame
        for frame in search.items.list_siblings(body.item, list(distances), permissions.readable)
    }
    runs = [(run.name, run.mode) for run in body.runs]
    numbers = {run: number for number, run in reversed(list(enumerate(runs)))}
    points: dict[tuple[int, Track], dict[int, tuple[float, float]]] = {}
    for image_id, stored in store.annotations.sets_of_images(list(frames), runs):
        frame = frames[image_id]
        for track, center in _centers(stored, frame).items():
            key = (numbers[(stored.run, stored.mode)], track)
            points.setdefault(key, {}).setdefault(distances[frame.name], center)
    return Trails(
        trails=[
            Trail(run, track, [(distance, *centers[distance]) for distance in sorted(centers)])
            for (run, track), centers in points.items()
            if 0 in centers and len(centers) > 1
        ]
    )


def _centers(stored: StoredSet, frame: ItemRow) -> dict[Track, tuple[float, float]]:
    """The center of each track's box in pixels; of sets in fractions only if the size of the image is known."""
    decoded = decode_trusted(stored.raw, stored.geometry)
    width, height = 1, 1
    if stored.normalized or decoded.normalized:
        if not frame.width or not frame.height:
            return {}
        width, height = frame.width, frame.height
    centers: dict[Track, tuple[float, float]] = {}
    for annotation in decoded.annotations:
        if annotation.track is None:
            continue
        kind = kind_of(annotation)
        box = kind.box_in_pixels(kind.coordinates_of(annotation), width, height)
        if box is not None:
            x, y = round(box[0] + box[2] / 2, 1), round(box[1] + box[3] / 2, 1)
            centers.setdefault(annotation.track, (x, y))
    return centers


ROUTES = [trails]

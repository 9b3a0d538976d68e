"""Sizes of images that annotations declare: used until the picture comes, then compared with it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from layernext.stack.store.annotations.prepared import PreparedSet
from layernext.stack.store.collections.images import ImageRow
from layernext.stack.store.schema import image
from layernext.wire.native import BatchResult


def declare(
    connection: sa.Connection,
    result: BatchResult,
    sets: Sequence[PreparedSet],
    image_rows: Sequence[ImageRow],
) -> BatchResult:
    """Note the sizes that the sets of a batch declare; the result with those that differ from pictures.

    Args:
        connection: of the transaction that stores the sets.
        result: of the batch.
        sets: the batch.
        image_rows: the image of each.
    """
    changes: dict[int, tuple[int, int]] = {}
    differing: list[str] = []
    turned: list[str] = []
    for prepared, entry in zip(sets, image_rows, strict=True):
        if prepared.size is None:
            continue
        if entry.declared != prepared.size:
            changes[entry.id] = prepared.size
        picture = (entry.width, entry.height)
        if entry.has_file and entry.width is not None and picture != prepared.size:
            width, height = prepared.size
            text = (
                f"{entry.name}: declared {width} x {height}, "
                f"the picture has {entry.width} x {entry.height}"
            )
            (turned if picture == (height, width) else differing).append(text)
    _write(connection, changes)
    return msgspec.structs.replace(
        result,
        other_sizes=len(differing),
        other_size=next(iter(differing), None),
        turned_sizes=len(turned),
        turned_size=next(iter(turned), None),
    )


def _write(connection: sa.Connection, changes: dict[int, tuple[int, int]]) -> None:
    if not changes:
        return
    width: sa.BindParameter[int] = sa.bindparam("new_width")
    height: sa.BindParameter[int] = sa.bindparam("new_height")
    statement = (
        sa.update(image)
        .where(image.c.id == sa.bindparam("declared_image"))
        .values(
            declared_width=width,
            declared_height=height,
            width=sa.case((image.c.has_file, image.c.width), else_=width),
            height=sa.case((image.c.has_file, image.c.height), else_=height),
        )
    )
    rows = [
        {"declared_image": row_id, "new_width": size[0], "new_height": size[1]}
        for row_id, size in sorted(changes.items())
    ]
    connection.execute(statement, rows)

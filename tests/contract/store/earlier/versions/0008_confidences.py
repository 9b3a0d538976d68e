"""Confidences in the summaries of annotation sets; a revision of each operation."""

from array import array

import msgspec
import numpy as np
import sqlalchemy as sa
import zstandard
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

CHUNK = 500


class _Annotation(msgspec.Struct):
    label: str
    confidence: float | None = None


class _Set(msgspec.Struct):
    annotations: list[_Annotation]


def upgrade() -> None:
    """Add the column, and the codes to every summary."""
    op.add_column(
        "operation", sa.Column("revision", sa.BigInteger, nullable=False, server_default="0")
    )
    connection = op.get_bind()
    sets = sa.table(
        "annotation_set",
        sa.column("id", sa.BigInteger),
        sa.column("label_summary", sa.LargeBinary),
        sa.column("content", sa.LargeBinary),
    )
    label = sa.table("label", sa.column("id", sa.BigInteger), sa.column("name", sa.Text))
    ids = {row.name: row.id for row in connection.execute(sa.select(label.c.id, label.c.name))}
    changing = (
        sa.update(sets)
        .where(sets.c.id == sa.bindparam("which"))
        .values(label_summary=sa.bindparam("summary"))
    )
    decode = msgspec.json.Decoder(_Set).decode
    unpack = zstandard.ZstdDecompressor().decompress
    last = 0
    while True:
        chosen = sa.select(sets.c.id, sets.c.content).where(sets.c.id > last).order_by(sets.c.id)
        rows = connection.execute(chosen.limit(CHUNK)).all()
        if not rows:
            return
        values = [
            {"which": row.id, "summary": _summary(decode(unpack(row.content)), ids)} for row in rows
        ]
        connection.execute(changing, values)
        last = rows[-1].id


def _summary(whole: _Set, ids: dict[str, int]) -> bytes:
    by_label: dict[str, list[float | None]] = {}
    for one in whole.annotations:
        by_label.setdefault(one.label, []).append(one.confidence)
    pairs = [number for label, some in by_label.items() for number in (ids[label], len(some))]
    values = np.array([one for some in by_label.values() for one in some], dtype=np.float64)
    is_known = ~np.isnan(values)
    values[~is_known] = 0.0
    is_low, is_high = values < 0, values > 1
    values = np.clip(values, 0.0, 1.0)
    below = np.floor(values * 10_000)
    below -= below / 10_000 > values
    below += (below + 1) / 10_000 <= values
    codes = 2 * below + (below / 10_000 != values)
    codes[is_low] = 0xFFFD
    codes[is_high] = 0xFFFE
    codes[~is_known] = 0xFFFF
    packed: bytes = codes.astype("<u2").tobytes()
    return array("I", pairs).tobytes() + packed

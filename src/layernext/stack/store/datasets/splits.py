"""Which image of a dataset goes into which split: by a seed, and always the same.

Images with the same file (by checksum) are never in different splits. The numbers are those of the
percentages, rounded by the largest remainder; with strata each stratum is divided so, and what is left over by
rounding goes on to the next one, so that the whole is exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from msgspec import Struct

SPLITS = ("train", "validation", "test")


class Candidate(Struct, frozen=True):
    """An image that is to be put into a split.

    Attributes:
        image_id: row id.
        name: unique name.
        file: file name.
        same_file: what images with one file have in common; else the image's own.
        stratum: what is to be divided evenly; empty for no strata.
    """

    image_id: int
    name: str
    same_file: str
    file: str = ""
    stratum: str = ""


def assign(
    candidates: Sequence[Candidate],
    percent: Mapping[str, float],
    seed: int,
    kept: Mapping[int, int] | None = None,
    kept_files: Mapping[str, int] | None = None,
) -> dict[int, int]:
    """Row id of each image to the number of its split in `SPLITS`.

    Args:
        candidates: the images.
        percent: of each split; together 100.
        seed: random seed of the split.
        kept: splits of images that stay where they are.
        kept_files: by `same_file`: splits that files had before, under whatever name.
    """
    groups: dict[str, list[Candidate]] = {}
    for one in candidates:
        groups.setdefault(one.same_file, []).append(one)
    fixed, fixed_files = dict(kept or {}), dict(kept_files or {})
    wanted = _shares(len(candidates), percent)
    result: dict[int, int] = {}
    open_groups: list[tuple[str, int, list[Candidate]]] = []
    for same_file, members in groups.items():
        known = next((fixed[one.image_id] for one in members if one.image_id in fixed), None)
        known = fixed_files.get(same_file) if known is None else known
        if known is None:
            first = min(members, key=lambda one: one.name)
            open_groups.append((first.stratum, _hash(seed, first.name), members))
        else:
            for one in members:
                result[one.image_id] = known
                wanted[known] -= 1
    open_groups.sort(key=lambda group: group[:2])
    total = sum(len(members) for _, _, members in open_groups)
    shares = [max(count, 0) for count in wanted]
    scale = sum(shares) or 1
    done, placed = [0, 0, 0], 0
    for _, _, members in open_groups:
        # Whichever split is furthest behind its share of what has been placed so far.
        placed += len(members)
        behind = [
            share * placed / scale - have if share else float("-inf")
            for share, have in zip(shares, done, strict=True)
        ]
        if placed >= total:
            behind = [share - have for share, have in zip(shares, done, strict=True)]
        chosen = max(range(3), key=lambda number: (behind[number], -number))
        done[chosen] += len(members)
        for one in members:
            result[one.image_id] = chosen
    return result


def _shares(count: int, percent: Mapping[str, float]) -> list[int]:
    """Whole numbers in the proportions of the percentages, together `count`."""
    exact = [count * percent.get(name, 0.0) / 100 for name in SPLITS]
    shares = [int(each) for each in exact]
    rest = sorted(range(3), key=lambda number: (shares[number] - exact[number], number))
    for number in rest[: count - sum(shares)]:
        shares[number] += 1
    return shares


def _hash(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}\n{name}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")

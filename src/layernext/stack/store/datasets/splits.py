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
    kept_splits: Mapping[int, int] | None = None,
    kept_files: Mapping[str, int] | None = None,
) -> dict[int, int]:
    """Row id of each image to the number of its split in `SPLITS`.

    Args:
        candidates: the images.
        percent: of each split; together 100.
        seed: random seed of the split.
        kept_splits: splits of images that stay where they are.
        kept_files: by `same_file`: splits that files had before, under whatever name.
    """
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.same_file, []).append(candidate)
    fixed, fixed_files = dict(kept_splits or {}), dict(kept_files or {})
    share_of_split = _shares(len(candidates), percent)
    result: dict[int, int] = {}
    open_groups: list[tuple[str, int, list[Candidate]]] = []
    for same_file, members in groups.items():
        kept_split = next(
            (fixed[member.image_id] for member in members if member.image_id in fixed), None
        )
        kept_split = fixed_files.get(same_file) if kept_split is None else kept_split
        if kept_split is None:
            first = min(members, key=lambda item: item.name)
            open_groups.append((first.stratum, _hash(seed, first.name), members))
        else:
            for element in members:
                result[element.image_id] = kept_split
                share_of_split[kept_split] -= 1
    open_groups.sort(key=lambda group: group[:2])
    total = sum(len(members) for _, _, members in open_groups)
    shares = [max(count, 0) for count in share_of_split]
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
        split_number = max(range(3), key=lambda number: (behind[number], -number))
        done[split_number] += len(members)
        for entry in members:
            result[entry.image_id] = split_number
    return result


def _shares(count: int, percent: Mapping[str, float]) -> list[int]:
    """Whole numbers in the proportions of the percentages, together `count`."""
    exact = [count * percent.get(name, 0.0) / 100 for name in SPLITS]
    shares = [int(item) for item in exact]
    rest = sorted(range(3), key=lambda number: (shares[number] - exact[number], number))
    for number in rest[: count - sum(shares)]:
        shares[number] += 1
    return shares


def _hash(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}\n{name}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")

"""The fields that a query can name: what each is compared as."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from layernext.model import KINDS

Kind: TypeAlias = Literal["text", "number", "size", "date", "flag", "word", "field"]
"""``size`` is a number with a unit, ``word`` one of a few, ``field`` any metadata."""


class Field(Struct, frozen=True):
    """A field.

    Attributes:
        name: as it is written.
        kind: what its values are.
        words: the words it can be, if it is one.
        of_set: whether it is about an annotation set rather than an image.
        of_tally: whether it is about what an evaluation has counted in an image.
    """

    name: str
    kind: Kind
    words: tuple[str, ...] = ()
    of_set: bool = False
    of_tally: bool = False


_FIELDS = [
    Field("name", "text"),
    Field("unique_name", "text"),
    Field("collection", "text"),
    Field("created", "date"),
    Field("modified", "date"),
    Field("size", "size"),
    Field("width", "number"),
    Field("height", "number"),
    Field("frame_count", "number"),
    Field("frame_rate", "number"),
    Field("duration", "number"),
    Field("has_file", "flag"),
    Field("state", "word", ("pending", "ready", "failed")),
    Field("annotated", "word", ("raw", "machine", "human")),
    Field("embedding.model", "text"),
    Field("dataset", "text"),
    Field("dataset.version", "text"),
    Field("run", "text", of_set=True),
    Field("ground_truth", "text", of_set=True),
    *(
        Field(f"run.{name}", "number", of_tally=True)
        for name in ("true_positives", "false_positives", "missed", "mislabelled", "f1")
    ),
    Field("annotation.label", "text", of_set=True),
    Field("annotation.count", "number", of_set=True),
    Field("annotation.confidence", "number", of_set=True),
    Field("annotation.track", "text", of_set=True),
    Field("annotation.geometry", "word", tuple(KINDS), of_set=True),
    Field("annotation.area", "number", of_set=True),
    Field("annotation.width", "number", of_set=True),
    Field("annotation.height", "number", of_set=True),
]
FIELDS = {field.name: field for field in _FIELDS}

# Other ways to write a field: the published documentation's, and short ones.
_OTHERS = {
    "tags": "metadata.Tags",
    "label": "annotation.label",
    "analytics.embeddingmodel": "embedding.model",
    "metadata.name": "name",
}
METADATA = "metadata."
ATTRIBUTE = "annotation.attribute."
ANNOTATION_METADATA = "annotation.metadata."
MEASURES = ("annotation.area", "annotation.width", "annotation.height")
"""In pixels; of fractions as well, if the size of the image is known."""


def find_field(written: str) -> Field | None:
    """The field behind what was written; groups and fixed names in any case."""
    plain = written.lower()
    plain = _OTHERS.get(plain, plain)
    if plain == "annotation.geometry":  # more may have been registered since
        return replace(FIELDS[plain], words=tuple(KINDS))
    if plain in FIELDS:
        return FIELDS[plain]
    if plain == "metadata.Tags":
        return Field("metadata.Tags", "field")
    if plain.startswith(METADATA) and len(written) > len(METADATA):
        name = written[len(METADATA) :]
        return Field(METADATA + ("Tags" if name.lower() == "tags" else name), "field")
    for group in (ATTRIBUTE, ANNOTATION_METADATA):
        if plain.startswith(group) and len(written) > len(group):
            return Field(group + written[len(group) :], "text", of_set=True)
    return None


def suggestion(written: str) -> str | None:
    """The field that was most likely meant."""
    known_names = [*FIELDS, "label", "metadata.", "Tags", ATTRIBUTE, ANNOTATION_METADATA]
    near = get_close_matches(written.lower(), [name.lower() for name in known_names], 1, 0.6)
    return next((name for name in known_names if near and name.lower() == near[0]), None)

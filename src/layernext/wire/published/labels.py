"""Labels and groups of labels (E05 to E11)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from layernext.wire.paths import segment
from layernext.wire.published.paths import CLIENT, PathTemplate

COCO_LABEL_PATH = f"{CLIENT}/cocojson/import/label/create"  # E05, POST
LABELS_PATH = f"{CLIENT}/labels/list"  # E06, GET
CREATE_LABEL_PATH = f"{CLIENT}/system/labels/create"  # E07, POST
LABEL_GROUPS_PATH = f"{CLIENT}/label_groups/list"  # E08, GET
CREATE_LABEL_GROUP_PATH = f"{CLIENT}/label_groups/create"  # E09, POST

add_to_label_group_path = PathTemplate(f"{CLIENT}/label_groups/{{group_id}}/addLabels")
"""E10, POST."""

remove_from_label_group_path = PathTemplate(f"{CLIENT}/label_groups/{{group_id}}/removeLabels")
"""E11, POST."""


def label_group_path(group_id: str, action: str) -> str:
    """E10 (``addLabels``) and E11 (``removeLabels``), POST."""
    return f"{CLIENT}/label_groups/{segment(group_id)}/{action}"


MAX_GROUP_LABELS = 10_000

LABEL_TYPE = 2
"""Class with attributes; the only type that is ever sent (docs/protocol.md)."""


class SentValue(Struct, frozen=True, rename="camel"):
    """A value of an attribute of a label that is to be made."""

    value_text: str


class SentAttribute(Struct, frozen=True, rename="camel"):
    """An attribute of a label that is to be made."""

    label_text: str
    values: list[SentValue] = field(default_factory=list)


class SentLabel(Struct, frozen=True, rename="camel"):
    """A label that is to be made."""

    label_text: str
    description: str = ""
    attributes: list[SentAttribute] = field(default_factory=list)


class CreateLabelRequest(Struct, frozen=True):
    """E07."""

    label: SentLabel


class CocoLabelRequest(Struct, frozen=True):
    """E05; one label in spite of the name."""

    labels: SentLabel


class LabelsQuery(Struct, frozen=True, rename="camel"):
    """Which labels.

    Attributes:
        group_id: only those of this group.
    """

    group_id: str | None = None


class CreateGroupRequest(Struct, frozen=True, rename="camel"):
    """E09."""

    group_name: str
    label_keys: Annotated[list[str], Meta(max_length=MAX_GROUP_LABELS)] = field(
        default_factory=list
    )


class ChangeGroupRequest(Struct, frozen=True, rename="camel"):
    """E10 and E11."""

    label_keys: Annotated[list[str], Meta(max_length=MAX_GROUP_LABELS)]


class ChangeGroupAnswer(Struct, frozen=True, kw_only=True, rename={"is_done": "isSuccess"}):
    """The answer to E10 and E11, under both names that clients look for."""

    is_success: bool = True
    is_done: bool = True
    id: str
    label_count: int


class PublishedValue(Struct, frozen=True, rename="camel"):
    """A value of an attribute."""

    key: str
    value_text: str


class PublishedAttribute(Struct, frozen=True, rename="camel"):
    """An attribute of a label."""

    key: str
    label_text: str
    values: list[PublishedValue]


class PublishedLabel(Struct, frozen=True, rename="camel"):
    """A label as E05 to E07 give it; ``label`` and ``key`` are both its reference."""

    label: str
    key: str
    label_text: str
    description: str
    color: str
    attributes: list[PublishedAttribute]
    type: int = LABEL_TYPE
    is_success: bool = True


class PublishedGroup(Struct, frozen=True, rename="camel"):
    """A group of labels as E08 and E09 give it, under every name that is in use."""

    id: str
    group_id: str
    name: str
    group_name: str
    label_keys: list[str]
    is_success: bool = True

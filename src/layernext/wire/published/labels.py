"""Labels and groups of labels (E05 to E11)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

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


class DescribedValue(SentValue, frozen=True, kw_only=True):
    """A value as clients send it."""

    description: str = ""


class SentFullValue(DescribedValue, frozen=True, kw_only=True):
    """A value of a COCO file's category as clients send it."""

    img_files: list[str] = []


class SentFullLabel(SentLabel, frozen=True, kw_only=True):
    """A label as clients send it."""

    img_files: list[str] = []
    type: int = LABEL_TYPE


class ValueDefinition(Struct, frozen=True, rename="camel"):
    """A value in the words of the clients' callers."""

    value_name: str
    description: str = ""


class AttributeDefinition(Struct, frozen=True, rename="camel"):
    """An attribute in the words of the clients' callers."""

    attribute_name: str
    values: list[ValueDefinition]


class LabelDefinition(Struct, frozen=True, rename="camel"):
    """A label in the words of the clients' callers."""

    class_name: str
    description: str = ""
    attributes: list[AttributeDefinition] = []


class CreateLabelRequest(Struct, frozen=True):
    """E07."""

    label: SentLabel


class CocoLabelRequest(Struct, frozen=True):
    """E05; one label in spite of the name."""

    labels: SentLabel


class SentLabelRequest(CreateLabelRequest, frozen=True, rename="camel", kw_only=True):
    """E07 as clients send it."""

    user_name: str


class SentCocoLabelRequest(CocoLabelRequest, frozen=True, rename="camel", kw_only=True):
    """E05 as clients send it."""

    user_name: str


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

"""Labels, attributes and values with their references, and groups of labels."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from layernext.errors import DataError, NotFound, Problem
from layernext.model import Label
from layernext.stack.api.access import HANDLER
from layernext.stack.api.audit import Audit
from layernext.stack.api.messages import check_name
from layernext.stack.api.operation import Operation, operation
from layernext.stack.store import LabelGroup, Store, value_text
from layernext.wire.native import MAX_PAGE
from layernext.wire.published import (
    COCO_LABEL_PATH,
    CREATE_LABEL_GROUP_PATH,
    CREATE_LABEL_PATH,
    LABEL_GROUPS_PATH,
    LABELS_PATH,
    ChangeGroupAnswer,
    ChangeGroupRequest,
    CocoLabelRequest,
    CreateGroupRequest,
    CreateLabelRequest,
    LabelsQuery,
    PublishedAttribute,
    PublishedGroup,
    PublishedLabel,
    PublishedValue,
    SentLabel,
    add_to_label_group_path,
    remove_from_label_group_path,
    title_of,
)

_TAG = "Published protocol"
_ERRORS = (400, 413, 422)


@operation(
    "POST",
    COCO_LABEL_PATH,
    Operation(
        summary=title_of(COCO_LABEL_PATH),
        tag=_TAG,
        role="write",
        action="create label",
        is_transaction=False,
        errors=_ERRORS,
    ),
)
def create_coco_label(body: CocoLabelRequest, store: Store, audit: Audit) -> PublishedLabel:
    """Makes a label with its attributes and values, or adds them to the one of that name."""
    audit.note(subject=body.labels.label_text)
    return audit.recorded(_create_label)(store, body.labels, "labels")


@operation(
    "GET",
    LABELS_PATH,
    Operation(
        summary=title_of(LABELS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        errors=(400, 404),
    ),
)
def list_labels(query: LabelsQuery, store: Store) -> list[PublishedLabel]:
    """Every label, or those of a group, with some of the values of each attribute."""
    group_id = query.group_id or None
    if group_id and all(group.id != group_id for group in store.labels.list_groups()):
        raise NotFound(f"there is no label group {group_id[:600]!r}", status=404)
    labels: list[PublishedLabel] = []
    after: str | None = None
    while True:
        page = store.labels.list_page(after=after, limit=MAX_PAGE, group_id=group_id)
        labels += [_published(label) for label in page.items]
        after = page.next
        if after is None:
            return labels


@operation(
    "POST",
    CREATE_LABEL_PATH,
    Operation(
        summary=title_of(CREATE_LABEL_PATH),
        tag=_TAG,
        role="write",
        action="create label",
        is_transaction=False,
        errors=_ERRORS,
    ),
)
def create_label(body: CreateLabelRequest, store: Store, audit: Audit) -> PublishedLabel:
    """Makes a label with its attributes and values, or adds them to the one of that name."""
    audit.note(subject=body.label.label_text)
    return audit.recorded(_create_label)(store, body.label, "label")


def _create_label(store: Store, sent: SentLabel, where: str) -> PublishedLabel:
    check_name(sent.label_text, f"{where}.labelText", "a class")
    if "\x00" in sent.description:
        raise DataError(Problem(f"{where}.description", "contains the character U+0000"))
    attributes: dict[str, list[str]] = {}
    for index, attribute in enumerate(sent.attributes):
        name = attribute.label_text
        check_name(name, f"{where}.attributes[{index}].labelText", "an attribute")
        attributes.setdefault(name, []).extend(value.value_text for value in attribute.values)
    label, _ = store.labels.create(sent.label_text, sent.description, attributes)
    return _published(label)


def _published(label: Label) -> PublishedLabel:
    return PublishedLabel(
        label=label.ref,
        key=label.ref,
        label_text=label.name,
        description=label.description,
        color=label.color,
        attributes=[
            PublishedAttribute(
                attribute.ref,
                attribute.name,
                [PublishedValue(v["ref"], _text_of(v["value"])) for v in attribute.values],
            )
            for attribute in label.attributes
        ],
    )


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else value_text(value)


@operation(
    "GET",
    LABEL_GROUPS_PATH,
    Operation(
        summary=title_of(LABEL_GROUPS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
    ),
)
def list_groups(store: Store) -> list[PublishedGroup]:
    """Every group of labels."""
    return [_published_group(group) for group in store.labels.list_groups()]


@operation(
    "POST",
    CREATE_LABEL_GROUP_PATH,
    Operation(
        summary=title_of(CREATE_LABEL_GROUP_PATH),
        tag=_TAG,
        role="write",
        action="create label group",
        errors=(400, 404, 413, 422),
    ),
)
def create_group(body: CreateGroupRequest, store: Store, audit: Audit) -> PublishedGroup:
    """Makes a group of labels, or adds labels to the group of that name."""
    check_name(body.group_name, "groupName", "a group")
    audit.note(subject=body.group_name, count=len(body.label_keys))
    group = store.labels.create_group(body.group_name, body.label_keys)
    if group is None:
        raise NotFound("one of the labelKeys is the reference of no label", status=404)
    return _published_group(group)


GroupId: TypeAlias = Annotated[str, Meta(description="The group's id.")]


@operation(
    "POST",
    add_to_label_group_path.route,
    Operation(
        summary=title_of(add_to_label_group_path),
        tag=_TAG,
        role="write",
        action="add labels to group",
        errors=(400, 404, 413, 422),
    ),
)
def add_to_group(
    group_id: GroupId, body: ChangeGroupRequest, store: Store, audit: Audit
) -> ChangeGroupAnswer:
    """Adds labels to a group; those that are in it stay."""
    return _change_group(group_id, body, store, audit, removes=False)


@operation(
    "POST",
    remove_from_label_group_path.route,
    Operation(
        summary=title_of(remove_from_label_group_path),
        tag=_TAG,
        role="write",
        action="remove labels from group",
        errors=(400, 404, 413, 422),
    ),
)
def remove_from_group(
    group_id: GroupId, body: ChangeGroupRequest, store: Store, audit: Audit
) -> ChangeGroupAnswer:
    """Takes labels out of a group; the labels themselves stay."""
    return _change_group(group_id, body, store, audit, removes=True)


def _change_group(
    group_id: str, body: ChangeGroupRequest, store: Store, audit: Audit, *, removes: bool
) -> ChangeGroupAnswer:
    group = store.labels.change_group(group_id, body.label_keys, removes=removes)
    if group is None:
        raise NotFound(
            f"there is no group {group_id[:100]!r}, or one of the labelKeys is no label's",
            status=404,
        )
    audit.note(subject=group.name, count=len(body.label_keys))
    return ChangeGroupAnswer(id=group.id, label_count=len(group.label_refs))


def _published_group(group: LabelGroup) -> PublishedGroup:
    return PublishedGroup(
        id=group.id,
        group_id=group.id,
        name=group.name,
        group_name=group.name,
        label_keys=group.label_refs,
    )


ROUTES = [
    create_coco_label,
    list_labels,
    create_label,
    list_groups,
    create_group,
    add_to_group,
    remove_from_group,
]

"""Labels, attributes and values with their references, and groups of labels."""

from __future__ import annotations

from typing import Any

from litestar import Response

from layernext.errors import DataError, NotFound, Problem
from layernext.model import Label
from layernext.stack.api.access import HANDLER
from layernext.stack.api.audit import changing, note, recorded
from layernext.stack.api.messages import (
    Call,
    answer,
    check_name,
    read_message,
    read_path,
    read_query,
)
from layernext.stack.api.operation import Operation, Parameter, operation
from layernext.stack.api.services import services_of
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
        body=CocoLabelRequest,
        answer=PublishedLabel,
        errors=_ERRORS,
    ),
)
async def create_coco_label(request: Call) -> Response[bytes]:
    """Makes a label with its attributes and values, or adds them to the one of that name."""
    message = await read_message(request, CocoLabelRequest)
    services = services_of(request)
    note(request, subject=message.labels.label_text)
    create = recorded(request, _create_label)
    return answer(await services.call(create, services.store, message.labels, "labels"))


@operation(
    "GET",
    LABELS_PATH,
    Operation(
        summary=title_of(LABELS_PATH),
        tag=_TAG,
        role="read",
        scope=HANDLER,
        query=LabelsQuery,
        answer=list[PublishedLabel],
        errors=(400, 404),
    ),
)
async def list_labels(request: Call) -> Response[bytes]:
    """Every label, or those of a group, with some of the values of each attribute."""
    query, services = read_query(request, LabelsQuery), services_of(request)
    store, group_id = services.store, query.group_id or None

    def work() -> list[PublishedLabel]:
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

    return answer(await services.call(work))


@operation(
    "POST",
    CREATE_LABEL_PATH,
    Operation(
        summary=title_of(CREATE_LABEL_PATH),
        tag=_TAG,
        role="write",
        action="create label",
        body=CreateLabelRequest,
        answer=PublishedLabel,
        errors=_ERRORS,
    ),
)
async def create_label(request: Call) -> Response[bytes]:
    """Makes a label with its attributes and values, or adds them to the one of that name."""
    message = await read_message(request, CreateLabelRequest)
    services = services_of(request)
    note(request, subject=message.label.label_text)
    create = recorded(request, _create_label)
    return answer(await services.call(create, services.store, message.label, "label"))


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
        answer=list[PublishedGroup],
    ),
)
async def list_groups(request: Call) -> Response[bytes]:
    """Every group of labels."""
    services = services_of(request)
    groups = await services.call(services.store.labels.list_groups)
    return answer([_published_group(group) for group in groups])


@operation(
    "POST",
    CREATE_LABEL_GROUP_PATH,
    Operation(
        summary=title_of(CREATE_LABEL_GROUP_PATH),
        tag=_TAG,
        role="write",
        action="create label group",
        body=CreateGroupRequest,
        answer=PublishedGroup,
        errors=(400, 404, 413, 422),
    ),
)
async def create_group(request: Call) -> Response[bytes]:
    """Makes a group of labels, or adds labels to the group of that name."""
    message, services = await read_message(request, CreateGroupRequest), services_of(request)
    check_name(message.group_name, "groupName", "a group")
    store = services.store
    note(request, subject=message.group_name, count=len(message.label_keys))

    def work() -> LabelGroup:
        group = store.labels.create_group(message.group_name, message.label_keys)
        if group is None:
            raise NotFound("one of the labelKeys is the reference of no label", status=404)
        return group

    return answer(_published_group(await services.call(changing(request, work))))


_GROUP = Parameter("group_id", "The group's id.")


@operation(
    "POST",
    add_to_label_group_path.route,
    Operation(
        summary=title_of(add_to_label_group_path),
        tag=_TAG,
        role="write",
        action="add labels to group",
        path=(_GROUP,),
        body=ChangeGroupRequest,
        answer=ChangeGroupAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def add_to_group(request: Call) -> Response[bytes]:
    """Adds labels to a group; those that are in it stay."""
    return await _change_group(request, removes=False)


@operation(
    "POST",
    remove_from_label_group_path.route,
    Operation(
        summary=title_of(remove_from_label_group_path),
        tag=_TAG,
        role="write",
        action="remove labels from group",
        path=(_GROUP,),
        body=ChangeGroupRequest,
        answer=ChangeGroupAnswer,
        errors=(400, 404, 413, 422),
    ),
)
async def remove_from_group(request: Call) -> Response[bytes]:
    """Takes labels out of a group; the labels themselves stay."""
    return await _change_group(request, removes=True)


async def _change_group(request: Call, *, removes: bool) -> Response[bytes]:
    message, services = await read_message(request, ChangeGroupRequest), services_of(request)
    group_id, store = read_path(request, "group_id"), services.store

    def work() -> LabelGroup:
        group = store.labels.change_group(group_id, message.label_keys, removes=removes)
        if group is None:
            raise NotFound(
                f"there is no group {group_id[:100]!r}, or one of the labelKeys is no label's",
                status=404,
            )
        note(request, subject=group.name, count=len(message.label_keys))
        return group

    group = await services.call(changing(request, work))
    return answer(ChangeGroupAnswer(id=group.id, label_count=len(group.label_refs)))


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

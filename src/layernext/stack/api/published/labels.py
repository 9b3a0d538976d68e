"""Published routes on labels: E02, and E05 to E09."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from anyio.to_thread import run_sync
from litestar import Request, get, post
from litestar.params import QueryParameter
from msgspec import Struct, field

from layernext.errors import DataError, NotFound, Problem
from layernext.model import Label, find_names_problem
from layernext.stack.api import auth, body
from layernext.stack.api.dependencies import TheStore
from layernext.stack.api.openapi import errors, json_body
from layernext.stack.store import LabelGroup, Store
from layernext.wire import published
from layernext.wire.native import MAX_PAGE

MAX_REFERENCES_BYTES = 256 << 20
"""Of an E02 request: every distinct attribute value of a file is in it."""

LABEL_TYPE = 2  # class with attributes, the only one that is ever sent


GroupId = Annotated[str | None, QueryParameter(name="groupId", description="only this group's labels")]


class ReferencesRequest(Struct):
    """E02: label to attribute to values."""

    labels: dict[str, dict[str, list[Any]]] = field(default_factory=dict)


class NewValue(Struct, rename="camel"):
    """A value of an attribute of a label to be made."""

    value_text: str


class NewAttribute(Struct, rename="camel"):
    """An attribute of a label to be made."""

    label_text: str
    values: list[NewValue] = field(default_factory=list)


class NewLabel(Struct, rename="camel"):
    """A label to be made."""

    label_text: str
    description: str = ""
    attributes: list[NewAttribute] = field(default_factory=list)


class CreateLabelRequest(Struct):
    """E07."""

    label: NewLabel


class CocoLabelRequest(Struct):
    """E05: one super-category; one object in spite of the key's name."""

    labels: NewLabel


class CreateGroupRequest(Struct, rename="camel"):
    """E09."""

    group_name: str
    label_keys: list[str] = field(default_factory=list)


@post(
    published.LABEL_REFERENCES_PATH,
    status_code=200,
    opt=auth.WRITE,
    tags=["published: labels"],
    operation_class=json_body(ReferencesRequest),
    responses=errors(401, 403, 413, 422),
)
async def label_references(request: Request[Any, Any, Any], store: TheStore) -> dict[str, Any]:
    """E02: references of labels, attributes and values; what is unknown is made."""
    content = await body.read_body(request, MAX_REFERENCES_BYTES)
    return await run_sync(_references, store, content)


def _references(store: Store, content: bytes) -> dict[str, Any]:
    wanted = body.decode(content, ReferencesRequest).labels
    for label, attributes in wanted.items():
        _check_name(label, "labels", "a class")
        for name in attributes:
            _check_name(name, f"labels[{label!r}]", "an attribute")
    return {
        label: {
            "ref": row.ref,
            "color": row.color,
            "texts": {
                name: {"ref": ref, "texts": values} for name, (ref, values) in row.attributes.items()
            },
        }
        for label, row in store.ensure_labels(wanted).items()
    }


@get(
    published.LABELS_PATH,
    opt=auth.READ,
    tags=["published: labels"],
    responses=errors(401, 404),
)
async def list_labels(store: TheStore, group_id: GroupId = None) -> list[dict[str, Any]]:
    """E06: all labels, or those of a group (query `groupId`)."""
    return await run_sync(_all_labels, store, group_id)


def _all_labels(store: Store, group_id: str | None) -> list[dict[str, Any]]:
    if group_id is not None and group_id not in {g.id for g in store.list_label_groups()}:
        raise NotFound(f"there is no label group {group_id!r}", status=404)
    rows: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = store.list_labels(after=after, limit=MAX_PAGE, group_id=group_id)
        rows += [_published_label(label) for label in page.items]
        if page.next is None:
            return rows
        after = page.next


def _published_label(label: Label) -> dict[str, Any]:
    return {
        "label": label.ref,
        "key": label.ref,
        "labelText": label.name,
        "description": label.description,
        "color": label.color,
        "type": LABEL_TYPE,
        "attributes": [
            {
                "key": attribute.ref,
                "labelText": attribute.name,
                "values": [
                    {
                        "key": value["ref"],
                        "valueText": value["value"]
                        if isinstance(value["value"], str)
                        else msgspec.json.encode(value["value"]).decode(),
                    }
                    for value in attribute.values
                ],
            }
            for attribute in label.attributes
        ],
    }


@post(
    published.CREATE_LABEL_PATH,
    status_code=200,
    opt=auth.WRITE,
    tags=["published: labels"],
    operation_class=json_body(CreateLabelRequest),
    responses=errors(401, 403, 413, 422),
)
async def create_label(request: Request[Any, Any, Any], store: TheStore) -> dict[str, Any]:
    """E07: make a label with attributes and values."""
    message = await body.read_message(request, CreateLabelRequest)
    label = await run_sync(_create, store, message.label, "label")
    return {"isSuccess": True, **_published_label(label)}


@post(
    published.COCO_LABEL_PATH,
    status_code=200,
    opt=auth.WRITE,
    tags=["published: labels"],
    operation_class=json_body(CocoLabelRequest),
    responses=errors(401, 403, 413, 422),
)
async def create_coco_label(request: Request[Any, Any, Any], store: TheStore) -> dict[str, Any]:
    """E05: make a label for a COCO super-category, its categories as values."""
    message = await body.read_message(request, CocoLabelRequest)
    label = await run_sync(_create, store, message.labels, "labels")
    return _published_label(label)


def _create(store: Store, new: NewLabel, where: str) -> Label:
    _check_name(new.label_text, f"{where}.labelText", "a class")
    if "\x00" in new.description:
        raise DataError(Problem(f"{where}.description", "contains the character U+0000"))
    attributes: dict[str, list[str]] = {}
    for index, attribute in enumerate(new.attributes):
        place = f"{where}.attributes[{index}]"
        _check_name(attribute.label_text, f"{place}.labelText", "an attribute")
        values = attributes.setdefault(attribute.label_text, [])
        values += [value.value_text for value in attribute.values]
    label, _ = store.create_label(new.label_text, new.description, attributes)
    return label


@get(
    published.LABEL_GROUPS_PATH,
    opt=auth.READ,
    tags=["published: labels"],
    responses=errors(401),
)
async def list_groups(store: TheStore) -> list[dict[str, Any]]:
    """E08: groups of labels."""
    return [_published_group(group) for group in await run_sync(store.list_label_groups)]


@post(
    published.CREATE_LABEL_GROUP_PATH,
    status_code=200,
    opt=auth.WRITE,
    tags=["published: labels"],
    operation_class=json_body(CreateGroupRequest),
    responses=errors(401, 403, 404, 413, 422),
)
async def create_group(request: Request[Any, Any, Any], store: TheStore) -> dict[str, Any]:
    """E09: make a group of labels; labels are added to a group of that name."""
    message = await body.read_message(request, CreateGroupRequest)
    _check_name(message.group_name, "groupName", "a label group")
    group = await run_sync(store.create_label_group, message.group_name, message.label_keys)
    if group is None:
        raise NotFound("labelKeys: one of the references belongs to no label", status=404)
    return {"isSuccess": True, **_published_group(group)}


def _published_group(group: LabelGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "groupId": group.id,
        "groupName": group.name,
        "name": group.name,
        "labelKeys": group.label_refs,
    }


def _check_name(name: str, where: str, what: str) -> None:
    problem = find_names_problem(name, what)
    if problem:
        raise DataError(Problem(where, problem))


ROUTES = [label_references, list_labels, create_label, create_coco_label, list_groups, create_group]

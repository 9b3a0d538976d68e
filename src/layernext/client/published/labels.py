"""Labels and groups of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from layernext.client.answers import Label, LabelGroup
from layernext.client.published.asking import ask
from layernext.client.reports import CreatedLabel, Done
from layernext.client.texts import check_text
from layernext.client.transport import Transport
from layernext.errors import DataError, Problem
from layernext.model import LabelAttribute
from layernext.wire import published
from layernext.wire.published import Received, wire_fields


def list_labels(transport: Transport, group_id: str | None) -> list[Label]:
    """The labels of a group; of the stack if it is None."""
    path = published.LABELS_PATH
    if group_id is not None:
        name = check_text(group_id, "group_id", "a group")
        path += f"?{urlencode(wire_fields(published.LabelsQuery, group_id=name))}"
    rows = transport.request_json("GET", path, json={})
    return [_label(row) for row in rows]


def create_label(transport: Transport, label: Mapping[str, Any]) -> CreatedLabel:
    """Create a label with its attributes and their values."""
    body = published.SentLabelRequest(label=_label_to_send(label), user_name=published.USER_NAME)
    answer = ask(transport, "POST", published.CREATE_LABEL_PATH, body)
    return CreatedLabel(label_reference=str(answer["label"])).including(answer)


def create_coco_label(transport: Transport, name: str, values: Sequence[str]) -> None:
    """Create a label of a COCO file; `values` are those of its attribute ``name``."""
    sent_values: list[published.SentValue] = [
        published.SentFullValue(value_text=text) for text in values
    ]
    label = published.SentFullLabel(
        label_text=name,
        attributes=[published.SentAttribute("name", sent_values)] if sent_values else [],
    )
    body = published.SentCocoLabelRequest(labels=label, user_name=published.USER_NAME)
    transport.request_json("POST", published.COCO_LABEL_PATH, json=body)


def list_groups(transport: Transport) -> list[LabelGroup]:
    """Every group of labels."""
    path = published.LABEL_GROUPS_PATH
    rows = transport.request_json("GET", path, list[dict[str, Any]], json={})
    return [_group(row) for row in rows]


def create_group(transport: Transport, name: str, label_ids: Sequence[str]) -> LabelGroup:
    """Create a group of labels, or add labels to the group with that name."""
    body = published.CreateGroupRequest(
        group_name=check_text(name, "group_name", "a group"), label_keys=_references(label_ids)
    )
    answer = transport.request_json("POST", published.CREATE_LABEL_GROUP_PATH, Any, json=body)
    row = answer if isinstance(answer, dict) else {"id": str(answer)}
    defaults = wire_fields(published.PublishedGroup, group_name=name, label_keys=list(label_ids))
    return _group(defaults | row)


def add_to_group(transport: Transport, group_id: str, label_ids: Sequence[str]) -> Done:
    """Add labels to a group."""
    return _change_group(transport, group_id, label_ids, published.add_to_label_group_path)


def remove_from_group(transport: Transport, group_id: str, label_ids: Sequence[str]) -> Done:
    """Remove labels from a group."""
    return _change_group(transport, group_id, label_ids, published.remove_from_label_group_path)


def _change_group(
    transport: Transport,
    group_id: str,
    label_ids: Sequence[str],
    path_of: published.PathTemplate,
) -> Done:
    path = path_of(check_text(group_id, "group_id", "a group"))
    body = published.ChangeGroupRequest(label_keys=_references(label_ids))
    answer = transport.request_json("POST", path, Any, json=body)
    return Done(message="").including(answer)


def _references(label_ids: Sequence[str]) -> list[str]:
    if isinstance(label_ids, str) or not label_ids:
        raise DataError(Problem("label_ids", "must be a list of at least one reference"))
    return [
        check_text(label_id, f"label_ids[{number}]", "a reference")
        for number, label_id in enumerate(label_ids)
    ]


def _label_to_send(fields: Mapping[str, Any]) -> published.SentFullLabel:
    """A label as it is sent, checked."""
    label = Received(published.LabelDefinition, fields)
    attributes: list[published.SentAttribute] = []
    for number, row in enumerate(label.attributes or []):
        where = f"label.attributes[{number}]"
        attribute = Received(published.AttributeDefinition, row)
        name = check_text(attribute.attribute_name, f"{where}.attributeName", "an attribute")
        if any(name == earlier.label_text for earlier in attributes):
            raise DataError(Problem(f"{where}.attributeName", f"{name!r} appears twice"))
        values = _values_to_send(attribute.values or [], where)
        attributes.append(published.SentAttribute(name, values))
    return published.SentFullLabel(
        label_text=check_text(label.class_name, "label.className", "a class"),
        description=str(label.description or ""),
        attributes=attributes,
    )


def _values_to_send(rows: Sequence[Mapping[str, Any]], where: str) -> list[published.SentValue]:
    values: list[published.SentValue] = []
    for number, row in enumerate(rows):
        value = Received(published.ValueDefinition, row)
        location = f"{where}.values[{number}].valueName"
        text = check_text(value.value_name, location, "a value")
        if any(text == earlier.value_text for earlier in values):
            raise DataError(Problem(location, f"{text!r} appears twice"))
        description = str(value.description or "")
        values.append(published.DescribedValue(value_text=text, description=description))
    return values


def _group(fields: dict[str, Any]) -> LabelGroup:
    group = Received(published.PublishedGroup, fields)
    return LabelGroup(
        id=str(group.id or group.group_id or ""),
        name=str(group.name or group.group_name or ""),
        label_refs=[str(reference) for reference in group.label_keys or []],
    )


def _label(fields: dict[str, Any]) -> Label:
    label = Received(published.PublishedLabel, fields)
    return Label(
        name=str(label.label_text or ""),
        ref=str(label.label or label.key),
        color=str(label.color or ""),
        description=str(label.description or ""),
        attributes=[_attribute(row) for row in label.attributes or []],
    )


def _attribute(fields: dict[str, Any]) -> LabelAttribute:
    attribute = Received(published.PublishedAttribute, fields)
    values = [Received(published.PublishedValue, row) for row in attribute.values or []]
    return LabelAttribute(
        name=str(attribute.label_text or ""),
        ref=str(attribute.key or ""),
        value_count=len(values),
        values=[{"value": value.value_text, "ref": value.key} for value in values],
    )

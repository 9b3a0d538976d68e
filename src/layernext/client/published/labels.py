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


def list_labels(transport: Transport, group_id: str | None) -> list[Label]:
    """The labels of a group; of the stack if it is None."""
    path = published.LABELS_PATH
    if group_id is not None:
        path += f"?{urlencode({'groupId': check_text(group_id, 'group_id', 'a group')})}"
    rows = transport.request_json("GET", path, json={})
    return [_label(row) for row in rows]


def create_label(transport: Transport, label: Mapping[str, Any]) -> CreatedLabel:
    """Create a label with its attributes and their values."""
    body = {"label": _label_to_send(label), "userName": published.USER_NAME}
    answer = ask(transport, "POST", published.CREATE_LABEL_PATH, body)
    return CreatedLabel(label_reference=str(answer["label"])).including(answer)


def create_coco_label(transport: Transport, name: str, values: Sequence[str]) -> None:
    """Create a label of a COCO file; `values` are those of its attribute ``name``."""
    value_fields = [{"valueText": text, "description": "", "imgFiles": []} for text in values]
    fields = {
        "labelText": name,
        "description": "",
        "attributes": [{"labelText": "name", "values": value_fields}] if value_fields else [],
        "imgFiles": [],
        "type": 2,
    }
    body = {"userName": published.USER_NAME, "labels": fields}
    transport.request_json("POST", published.COCO_LABEL_PATH, json=body)


def list_groups(transport: Transport) -> list[LabelGroup]:
    """Every group of labels."""
    path = published.LABEL_GROUPS_PATH
    rows = transport.request_json("GET", path, list[dict[str, Any]], json={})
    return [_group(row) for row in rows]


def create_group(transport: Transport, name: str, label_ids: Sequence[str]) -> LabelGroup:
    """Create a group of labels, or add labels to the group of that name."""
    body = {
        "groupName": check_text(name, "group_name", "a group"),
        "labelKeys": _references(label_ids),
    }
    answer = transport.request_json("POST", published.CREATE_LABEL_GROUP_PATH, Any, json=body)
    row = answer if isinstance(answer, dict) else {"id": str(answer)}
    return _group({"groupName": name, "labelKeys": list(label_ids), **row})


def add_to_group(transport: Transport, group_id: str, label_ids: Sequence[str]) -> Done:
    """Add labels to a group."""
    return _change_group(transport, group_id, label_ids, "addLabels")


def remove_from_group(transport: Transport, group_id: str, label_ids: Sequence[str]) -> Done:
    """Remove labels from a group."""
    return _change_group(transport, group_id, label_ids, "removeLabels")


def _change_group(
    transport: Transport, group_id: str, label_ids: Sequence[str], action: str
) -> Done:
    path = published.label_group_path(check_text(group_id, "group_id", "a group"), action)
    body = {"labelKeys": _references(label_ids)}
    answer = transport.request_json("POST", path, Any, json=body)
    return Done(message="").including(answer)


def _references(label_ids: Sequence[str]) -> list[str]:
    if isinstance(label_ids, str) or not label_ids:
        raise DataError(Problem("label_ids", "must be a list of at least one reference"))
    return [
        check_text(label_id, f"label_ids[{number}]", "a reference")
        for number, label_id in enumerate(label_ids)
    ]


def _label_to_send(label: Mapping[str, Any]) -> dict[str, Any]:
    """A label as E07 has it, checked."""
    attributes: list[dict[str, Any]] = []
    for number, attribute in enumerate(label.get("attributes") or []):
        where = f"label.attributes[{number}]"
        name = check_text(attribute.get("attributeName"), f"{where}.attributeName", "an attribute")
        if any(name == earlier["labelText"] for earlier in attributes):
            raise DataError(Problem(f"{where}.attributeName", f"{name!r} appears twice"))
        values = _values_to_send(attribute.get("values") or [], where)
        attributes.append({"labelText": name, "values": values})
    return {
        "labelText": check_text(label.get("className"), "label.className", "a class"),
        "description": str(label.get("description") or ""),
        "imgFiles": [],
        "type": 2,
        "attributes": attributes,
    }


def _values_to_send(rows: Sequence[Mapping[str, Any]], where: str) -> list[dict[str, str]]:
    values: list[dict[str, str]] = []
    for number, row in enumerate(rows):
        location = f"{where}.values[{number}].valueName"
        text = check_text(row.get("valueName"), location, "a value")
        if any(text == earlier["valueText"] for earlier in values):
            raise DataError(Problem(location, f"{text!r} appears twice"))
        values.append({"valueText": text, "description": str(row.get("description") or "")})
    return values


def _group(row: dict[str, Any]) -> LabelGroup:
    return LabelGroup(
        id=str(row.get("id") or row.get("groupId") or ""),
        name=str(row.get("name") or row.get("groupName") or ""),
        label_refs=[str(reference) for reference in row.get("labelKeys") or []],
    )


def _label(row: dict[str, Any]) -> Label:
    return Label(
        name=str(row["labelText"]),
        ref=str(row.get("label") or row.get("key")),
        color=str(row.get("color", "")),
        description=str(row.get("description", "")),
        attributes=[
            LabelAttribute(
                name=str(attribute.get("labelText", "")),
                ref=str(attribute.get("key", "")),
                value_count=len(attribute.get("values", [])),
                values=[
                    {"value": value.get("valueText"), "ref": value.get("key")}
                    for value in attribute.get("values", [])
                ],
            )
            for attribute in row.get("attributes", [])
        ],
    )

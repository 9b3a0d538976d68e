"""Calls about labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from layernext.client.answers import Label, LabelGroup, answer_of
from layernext.client.calls.base import Calls, check_text
from layernext.client.reports import CreatedLabel, Done
from layernext.errors import DataError, Problem
from layernext.model import Label as LabelRecord
from layernext.model import LabelAttribute
from layernext.wire import native, published


class LabelCalls(Calls):
    """Labels."""

    def get_all_labels(self) -> list[Label]:
        """Every label of the stack with its reference, color and attributes."""
        if self._connection.native is not None:
            records = self._all(native.LABELS_PATH, LabelRecord, "list labels")
            return [answer_of(Label, record) for record in records]
        rows = self._connection.transport.request_json("GET", published.LABELS_PATH, json={})
        return [_published_label(row) for row in rows]

    def get_labels_in_group(self, group_id: str) -> list[Label]:
        """The labels of a group.

        Args:
            group_id: the group's id.
        """
        query = urlencode({"groupId": check_text(group_id, "group_id", "a group")})
        path = f"{published.LABELS_PATH}?{query}"
        rows = self._connection.transport.request_json("GET", path, json={})
        return [_published_label(row) for row in rows]

    def create_system_label(self, label: Mapping[str, Any]) -> CreatedLabel:
        """Make a label with its attributes and their values, or add what is missing of it.

        Args:
            label: ``{"className": "Vehicle", "attributes": [{"attributeName": "kind", "values":
                [{"valueName": "car"}]}]}``; a class and its values may have a ``description``.

        Returns:
            The label's reference; ``["label_reference"]`` works as in the published client.

        Raises:
            DataError: a name is missing, empty or there twice; with its place.
        """
        body = {"label": _label_to_send(label), "userName": published.USER_NAME}
        answer = self._connection.transport.request_json(
            "POST", published.CREATE_LABEL_PATH, dict[str, Any], json=body
        )
        return CreatedLabel(label_reference=str(answer["label"])).including(answer)

    def get_all_label_groups(self) -> list[LabelGroup]:
        """Every group of labels."""
        path = published.LABEL_GROUPS_PATH
        rows = self._connection.transport.request_json("GET", path, list[dict[str, Any]], json={})
        return [_group(row) for row in rows]

    def create_label_group(self, group_name: str, label_ids: Sequence[str]) -> LabelGroup:
        """Make a group of labels, or add labels to the group of that name.

        Args:
            group_name: the group's name.
            label_ids: references of labels, as `Label.ref`; at least one.

        Raises:
            DataError: the name is empty, or there are no labels.
            NotFound: one of the labels does not exist.
        """
        body = {
            "groupName": check_text(group_name, "group_name", "a group"),
            "labelKeys": _references(label_ids),
        }
        answer = self._connection.transport.request_json(
            "POST", published.CREATE_LABEL_GROUP_PATH, Any, json=body
        )
        row = answer if isinstance(answer, dict) else {"id": str(answer)}
        return _group({"groupName": group_name, "labelKeys": list(label_ids), **row})

    def attach_labels_to_group(self, group_id: str, label_ids: Sequence[str]) -> Done:
        """Add labels to a group; those that are in it stay.

        Args:
            group_id: the group's id.
            label_ids: references of labels; at least one.

        Raises:
            DataError: no group is named, or there are no labels.
            NotFound: there is no such group, or one of the labels does not exist.
        """
        return self._change_group(group_id, label_ids, "addLabels")

    def detach_labels_from_group(self, group_id: str, label_ids: Sequence[str]) -> Done:
        """Take labels out of a group; the labels themselves stay.

        Args:
            group_id: the group's id.
            label_ids: references of labels; at least one.

        Raises:
            DataError: no group is named, or there are no labels.
            NotFound: there is no such group, or one of the labels does not exist.
        """
        return self._change_group(group_id, label_ids, "removeLabels")

    detach_labels_to_group = detach_labels_from_group  # as the published documentation has it

    def _change_group(self, group_id: str, label_ids: Sequence[str], action: str) -> Done:
        path = published.label_group_path(check_text(group_id, "group_id", "a group"), action)
        body = {"labelKeys": _references(label_ids)}
        answer = self._connection.transport.request_json("POST", path, Any, json=body)
        return Done(message="").including(answer)


def _references(label_ids: Sequence[str]) -> list[str]:
    if isinstance(label_ids, str) or not label_ids:
        raise DataError(Problem("label_ids", "must be a list of at least one reference"))
    return [
        check_text(each, f"label_ids[{number}]", "a reference")
        for number, each in enumerate(label_ids)
    ]


def _label_to_send(label: Mapping[str, Any]) -> dict[str, Any]:
    """A label as E07 has it, checked."""
    attributes: list[dict[str, Any]] = []
    for number, attribute in enumerate(label.get("attributes") or []):
        where = f"label.attributes[{number}]"
        name = check_text(attribute.get("attributeName"), f"{where}.attributeName", "an attribute")
        values: list[dict[str, str]] = []
        for place, value in enumerate(attribute.get("values") or []):
            there = f"{where}.values[{place}].valueName"
            text = check_text(value.get("valueName"), there, "a value")
            if any(text == one["valueText"] for one in values):
                raise DataError(Problem(there, f"{text!r} appears twice"))
            values.append({"valueText": text, "description": str(value.get("description") or "")})
        if any(name == one["labelText"] for one in attributes):
            raise DataError(Problem(f"{where}.attributeName", f"{name!r} appears twice"))
        attributes.append({"labelText": name, "values": values})
    return {
        "labelText": check_text(label.get("className"), "label.className", "a class"),
        "description": str(label.get("description") or ""),
        "imgFiles": [],
        "type": 2,
        "attributes": attributes,
    }


def _group(row: dict[str, Any]) -> LabelGroup:
    return LabelGroup(
        id=str(row.get("id") or row.get("groupId") or ""),
        name=str(row.get("name") or row.get("groupName") or ""),
        label_refs=[str(each) for each in row.get("labelKeys") or []],
    )


def _published_label(row: dict[str, Any]) -> Label:
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

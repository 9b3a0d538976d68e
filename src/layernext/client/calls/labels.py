"""Calls about labels."""

from __future__ import annotations

from typing import Any

from layernext.client.calls.base import Calls
from layernext.model import (
    Label,
    LabelAttribute,
)
from layernext.wire import native, published


class LabelCalls(Calls):
    """Labels."""

    def get_all_labels(self) -> list[Label]:
        """Every label of the stack with its reference, colour and attributes."""
        if self._connection.native is not None:
            return self._all(native.LABELS_PATH, Label, "list labels")
        rows = self._connection.transport.request_json("GET", published.LABELS_PATH, json={})
        return [_published_label(row) for row in rows]


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

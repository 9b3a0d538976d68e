"""Requests of the published protocol, written by its contract."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from layernext.model import ImageAnnotations, decode_trusted
from tests.integration.stack.conftest import Stack

CLIENT = "/datalake/api/client"


DATA = "/datalake/api/metadata/operationdata"


def references(stack: Stack, labels: dict[str, Any]) -> dict[str, Any]:
    """E02."""
    body = {"labels": labels, "userName": "Python SDK"}
    table: dict[str, Any] = stack.json("POST", f"{CLIENT}/system/label/references", json=body)
    return table


def shape(row: dict[str, Any], name: str, **fields: Any) -> dict[str, Any]:
    """The part of a shape that all versions share; a box unless told otherwise."""
    given = {
        "id": "shape_3f0c1c1e-6d3b-4a53-8f0e-0d6a4a9a7f11",
        "shapeId": 1,
        "createdAt": {"$date": "2024-05-02 09:14:33.120456"},
        "type": "rectangle",
        "boxBoundariesAndDimensions": {"x": 412.5, "y": 96, "w": 120.25, "h": 88.5},
        "points": [[412.5, 96], [532.75, 96], [532.75, 184.5], [412.5, 184.5]],
        "label": {
            "label": row["ref"],
            "labelText": name,
            "key": row["ref"],
            "color": row["color"],
            "attributeValues": {},
        },
    }
    given["label"] |= fields.pop("label", {})
    return given | fields


def send(
    stack: Stack, path: str, entries: list[dict[str, Any]] | str, status: int = 200, **fields: Any
) -> dict[str, Any]:
    """E03 or E04, the way `requests` sends it."""
    text = entries if isinstance(entries, str) else json.dumps(entries)
    answer = stack.ask("POST", path, json={"metaUpdatesArray": text, **fields}, role="write")
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def entry(key: str | None, *shapes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    data = {"annotationObjects": list(shapes), "isUserAnnotated": False}
    return {"objectKey": key, **fields, "data": data}


def stored(stack: Stack, **query: Any) -> list[ImageAnnotations]:
    return [
        decode_trusted(msgspec.json.encode(line["set"]), line["geometry"])
        for line in stack.download(**query)
    ]


BOX = (412.5, 96.0, 120.25, 88.5)

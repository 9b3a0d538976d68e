"""CVAT's skeletons: a label with a drawing of its points and edges, and shapes of one element for each point.

Source: docs.cvat.ai, "Annotation with skeletons" and "CVAT for images 1.1". A point is ``outside`` if it is not labeled,
and ``occluded`` if it is hidden. The drawing is SVG: a circle for each point, a line for each edge.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from layernext.formats.core.losses import Losses
from layernext.formats.core.poses import CONTRADICTION, VISIBLE, is_hidden
from layernext.formats.core.xml_stream import exact_sum, xml_text
from layernext.model import Keypoints, Skeleton, find_skeleton_problems, unnamed_points

SKELETON = "skeleton"

_ELEMENT = re.compile(r"<(circle|line)\b([^>]*)>")
_FIELD = re.compile(r"""([\w-]+)\s*=\s*["']([^"']*)["']""")


def read_skeletons(labels: list[ET.Element], losses: Losses, where: str) -> dict[str, Skeleton]:
    """The skeletons of the labels of a task.

    Args:
        labels: the elements ``label``; points are labels that name their skeleton as ``parent``.
        losses: counts drawings that contradict themselves.
        where: the location of the labels, for messages.
    """
    points: dict[str, list[str]] = {}
    drawings: dict[str, str] = {}
    for label in labels:
        name, parent = label.findtext("name"), label.findtext("parent")
        if name and parent:
            points.setdefault(parent, []).append(name)
        elif name and label.findtext("type") == SKELETON:
            points.setdefault(name, [])
            drawings[name] = label.findtext("svg") or ""
    skeletons = {}
    for name, names in points.items():
        skeleton = _read_drawing(drawings.get(name, ""), names)
        if skeleton is not None and any(find_skeleton_problems(skeleton, where)):
            losses.note(CONTRADICTION, where)
            skeleton = Skeleton(points=tuple(dict.fromkeys(names)))
        if skeleton is not None:
            skeletons[name] = skeleton
    return skeletons


def _read_drawing(drawing: str, names: list[str]) -> Skeleton | None:
    """The skeleton of a drawing; points that are not drawn come last."""
    circles: dict[str, str] = {}
    lines: list[tuple[str, str]] = []
    for kind, text in _ELEMENT.findall(drawing):
        fields = dict(_FIELD.findall(text))
        if kind == "circle" and "data-label-name" in fields:
            circles[fields.get("data-node-id", "")] = fields["data-label-name"]
        elif kind == "line":
            lines.append((fields.get("data-node-from", ""), fields.get("data-node-to", "")))
    order = sorted(
        circles, key=lambda node: (not node.isdecimal(), int(node) if node.isdecimal() else 0)
    )
    points = list(dict.fromkeys([*(circles[node] for node in order), *names]))
    positions = {node: points.index(name) for node, name in circles.items()}
    edges = tuple(
        (positions[start], positions[end])
        for start, end in lines
        if start in positions and end in positions
    )
    return Skeleton(points=tuple(points), edges=edges) if points else None


def label_elements(
    name: str, skeleton: Skeleton | None, count: int, attributes: ET.Element
) -> list[ET.Element]:
    """The elements of a skeleton's label, and of its points.

    Args:
        name: the label.
        skeleton: what is known of its points.
        count: how many points its annotations have, if nothing is known of them.
        attributes: the element with its attributes.
    """
    points = unnamed_points(count) if skeleton is None else skeleton.points
    label = ET.Element("label")
    ET.SubElement(label, "name").text = xml_text(name, name)
    ET.SubElement(label, "type").text = SKELETON
    label.append(attributes)
    ET.SubElement(label, "svg").text = _drawing(points, () if skeleton is None else skeleton.edges)
    elements = [label]
    for point in points:
        element = ET.Element("label")
        ET.SubElement(element, "name").text = xml_text(point, name)
        ET.SubElement(element, "type").text = "points"
        ET.SubElement(element, "attributes")
        ET.SubElement(element, "parent").text = xml_text(name, name)
        elements.append(element)
    return elements


def _drawing(points: tuple[str, ...], edges: tuple[tuple[int, int], ...]) -> str:
    """A drawing with the points on a circle: nothing is known of where they are."""
    root = ET.Element("svg")
    angles = [2 * math.pi * position / len(points) for position in range(len(points))]
    xy = [(round(50 + 40 * math.sin(a), 2), round(50 - 40 * math.cos(a), 2)) for a in angles]
    for start, end in edges:
        ends = {"x1": xy[start][0], "y1": xy[start][1], "x2": xy[end][0], "y2": xy[end][1]}
        nodes = {"data-node-from": start + 1, "data-node-to": end + 1}
        fields = {"data-type": "edge", "stroke": "black", "stroke-width": 0.5}
        ET.SubElement(root, "line", _texts(ends | nodes | fields))
    for position, (name, (x, y)) in enumerate(zip(points, xy, strict=True)):
        fields = {
            "r": 1.5,
            "stroke": "black",
            "fill": "#b3b3b3",
            "cx": x,
            "cy": y,
            "stroke-width": 0.1,
        }
        node = {
            "data-type": "element node",
            "data-element-id": position + 1,
            "data-node-id": position + 1,
        }
        ET.SubElement(root, "circle", _texts(fields | node | {"data-label-name": name}))
    whole = ET.tostring(root, encoding="unicode")
    return whole.removeprefix("<svg>").removesuffix("</svg>")


def _texts(fields: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items()}


def point_elements(
    annotation: Keypoints, skeletons: Mapping[str, Skeleton], where: str, losses: Losses
) -> list[ET.Element]:
    """The elements of the points of an annotation."""
    skeleton = skeletons.get(annotation.label)
    count = len(annotation.keypoints)
    names = unnamed_points(count) if skeleton is None else skeleton.points
    if len(names) < count:
        losses.note("points of keypoints that their skeleton does not have", where)
    if annotation.bbox is not None:
        losses.note("the box of keypoints", where)
    elements = []
    for name, (x, y, visibility) in zip(names, annotation.keypoints, strict=False):
        if visibility not in {0, 1, VISIBLE}:
            losses.note("the confidence of a point; whether it is hidden is", where)
        fields = {
            "label": xml_text(name, where),
            "source": "manual",
            "outside": str(int(not visibility)),
            "occluded": str(int(is_hidden(visibility))),
            "points": f"{exact_sum(x)},{exact_sum(y)}",
        }
        elements.append(ET.Element("points", fields))
    return elements

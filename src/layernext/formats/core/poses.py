"""Keypoints on their way between formats: what they are in a format that has them, and in one that has not."""

from __future__ import annotations

BOX_OF_POINTS = "the points of keypoints; the box of the object is"
"""The loss of a format that has boxes, and no keypoints."""

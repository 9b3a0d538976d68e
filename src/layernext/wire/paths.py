"""Names in the paths of both protocols."""

from __future__ import annotations

from urllib.parse import quote


def segment(name: str) -> str:
    """A name as one segment of a path.

    `.` and `..` are percent-encoded as well: HTTP libraries and proxies would walk up with them.
    """
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")

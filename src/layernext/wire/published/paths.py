"""Where the services of the published protocol begin, and paths that have names in them."""

from __future__ import annotations

import re

from msgspec import Struct

from layernext.wire.paths import segment

DATALAKE = "/datalake"
CLIENT = f"{DATALAKE}/api/client"
OPERATION_DATA = f"{DATALAKE}/api/metadata/operationdata"
DATASET = "/dataset/api/client/dataset"
STUDIO = "/studio/api/client"
ANALYTICS = "/analytics"

_GAP = re.compile(r"\{(\w+)\}")


class PathTemplate(Struct, frozen=True):
    """A path with gaps for names, such as ``/jobs/{job_id}/getStatus``.

    Attributes:
        text: the path, each gap a word in braces.
    """

    text: str

    def __call__(self, *names: str) -> str:
        """The path with `names` in its gaps, in their order, each percent-encoded as one segment."""
        gaps = _GAP.findall(self.text)
        return self.text.format(**dict(zip(gaps, map(segment, names), strict=True)))

    @property
    def route(self) -> str:
        """The path as the stack's router takes it."""
        return _GAP.sub(r"{\1:str}", self.text).rstrip("/")

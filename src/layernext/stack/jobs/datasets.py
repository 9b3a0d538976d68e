"""Builds dataset versions."""

from __future__ import annotations

from typing import Any

from layernext.stack.jobs.runner import Handler, JobContext
from layernext.stack.store import Datasets


def build_handler(datasets: Datasets) -> Handler:
    """Divides a version's images and copies their annotations."""

    def handle(context: JobContext) -> dict[str, Any]:
        return datasets.build(str(context.payload["version"]), context.progress)

    return handle

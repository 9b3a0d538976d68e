"""Which pages a download of projects or of a dataset version has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlencode

import msgspec

from layernext.client.texts import check_text
from layernext.errors import DataError, Problem
from layernext.wire import published
from layernext.wire.published import wire_fields


def version_pages(version_id: str, export_type: str) -> Callable[[int], str]:
    """The path of a page of a dataset version, by its number."""
    version = check_text(version_id, "version_id", "a version")
    path = published.version_data_path(version, check_text(export_type, "export_type", "a type"))
    return lambda number: f"{path}?{urlencode(_query(number, [], [], is_annotated_only=False))}"


def project_pages(
    project_ids: Sequence[str], statuses: Sequence[str] | None, *, is_annotated_only: bool
) -> Callable[[int], str]:
    """The path of a page of projects, by its number.

    Raises:
        DataError: there is no project.
    """
    if isinstance(project_ids, str) or not project_ids:
        raise DataError(Problem("project_id_list", "must be a list of at least one project"))

    def path(number: int) -> str:
        query = _query(
            number, list(statuses or []), list(project_ids), is_annotated_only=is_annotated_only
        )
        return f"{published.PROJECT_ANNOTATIONS_PATH}?{urlencode(query)}"

    return path


def _query(
    number: int, statuses: list[str], project_ids: list[str], *, is_annotated_only: bool
) -> dict[str, object]:
    return wire_fields(
        published.DownloadQuery,
        page_no=number,
        page_size=published.PAGE_SIZE,
        status_list=msgspec.json.encode(statuses).decode(),
        is_annotated_only=bool(is_annotated_only),
        project_id_list=msgspec.json.encode(project_ids).decode(),
        operation_id_list="[]",
        annotation_type="all",
    )

"""Pages of downloads: how many images a page has."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

PAGE_SIZE = 250
MAX_PAGE_SIZE = 1_000
MAX_PAGE_NUMBER = 1_000_000_000


class DownloadQuery(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which page, as clients ask for annotations, projects and dataset versions alike.

    Attributes:
        page_no: counts from 0, of dataset versions from 1.
        page_size: images in a page.
        status_list, project_id_list, operation_id_list: JSON lists of strings.
        is_annotated_only: of projects.
        annotation_type: ``human``, ``machine`` or ``all``.
        operation_mode: 1 for ground truths, 2 for model runs.
    """

    page_no: int
    page_size: int
    status_list: str
    project_id_list: str
    operation_id_list: str
    is_annotated_only: bool
    annotation_type: str
    operation_mode: int


class DownloadResource(Struct, frozen=True, kw_only=True, rename="camel"):
    """A file of a page of any download, or annotations, or both."""

    file_name: str
    file_download_folder_location: str
    file_url: str | None
    is_media_file: bool
    writing_path_file_name: str | None
    raw_annotations: Any
    width: int | None
    height: int | None


class DownloadPage(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of any download."""

    group_unique_name: str
    raw_file_name: str
    next_page: bool
    resource_array: list[DownloadResource]

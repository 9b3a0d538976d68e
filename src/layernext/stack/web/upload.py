"""The page that takes files: annotations and images."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from layernext.stack.api.access import Scope
from layernext.stack.api.services import Services
from layernext.stack.web.page import Page, page
from layernext.wire.native import (
    MAX_ANNOTATION_FILE_BYTES,
    MAX_ASKED_NAMES,
    MAX_BUNDLE_BYTES,
    MAX_BUNDLE_FILES,
)
from layernext.wire.published import PART_BYTES


class UploadLimits(Struct, frozen=True, kw_only=True):
    """What the stack takes.

    Attributes:
        annotation_file, file, part, bundle: bytes of a file of annotations, of an image, of a part
            of one, of a bundle.
        bundle_files, names: files of a bundle, names in one question.
    """

    annotation_file: int
    file: int
    part: int
    bundle: int
    bundle_files: int
    names: int


class UploadPage(Page, frozen=True, kw_only=True):
    """Takes files. `data` are the limits."""

    template: ClassVar[str] = "upload.html"


@page("/upload", role="write", scope=Scope(needs_grant=True))
def upload_page(services: Services) -> UploadPage:
    """Files that are dropped or chosen go into a collection."""
    limits = UploadLimits(
        annotation_file=MAX_ANNOTATION_FILE_BYTES,
        file=services.settings.max_file_bytes,
        part=PART_BYTES,
        bundle=MAX_BUNDLE_BYTES,
        bundle_files=MAX_BUNDLE_FILES,
        names=MAX_ASKED_NAMES,
    )
    return UploadPage(title="Upload", section="/upload", data=limits)


ROUTES = [upload_page]

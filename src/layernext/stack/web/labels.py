"""The page of labels and their groups."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from layernext.stack.api.access import Permissions
from layernext.stack.web.page import Page, page


class LabelsData(Struct, frozen=True):
    """Whether whoever looks may make labels."""

    may_write: bool


class LabelsPage(Page, frozen=True, kw_only=True):
    """Labels, which the page's module asks for."""

    template: ClassVar[str] = "labels.html"


@page("/labels")
def labels_page(permissions: Permissions) -> LabelsPage:
    """Every label with its colour, attributes, groups, and how often a run has it."""
    data = LabelsData(permissions.may("write"))
    return LabelsPage(title="Labels", section="/labels", data=data)


ROUTES = [labels_page]

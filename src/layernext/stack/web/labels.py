"""The page of labels and their groups."""

from __future__ import annotations

from typing import Any, ClassVar

from litestar import Response
from msgspec import Struct

from layernext.stack.api.auth import may
from layernext.stack.api.messages import Call
from layernext.stack.web.page import Page, answer_page, page, viewer_of


class LabelsData(Struct, frozen=True):
    """Whether whoever looks may make labels."""

    may_write: bool


class LabelsPage(Page, frozen=True, kw_only=True):
    """Labels, which the page's module asks for."""

    template: ClassVar[str] = "labels.html"


@page("/labels")
async def labels_page(request: Call) -> Response[Any]:
    """Every label with its color, attributes, groups, and how often a run has it."""
    data, viewer = LabelsData(may(request, "write")), viewer_of(request)
    return answer_page(
        request, LabelsPage(title="Labels", here="/labels", viewer=viewer, data=data)
    )


ROUTES = [labels_page]

"""The page of jobs: what the stack does in the background."""

from __future__ import annotations

from typing import Any, ClassVar

from litestar import Response
from msgspec import Struct

from layernext.stack.api.access import may
from layernext.stack.api.messages import Call
from layernext.stack.web.page import Page, answer_page, page, viewer_of


class JobsData(Struct, frozen=True):
    """Whether whoever looks may cancel jobs."""

    may_write: bool


class JobsPage(Page, frozen=True, kw_only=True):
    """Jobs, which the page's module asks for."""

    template: ClassVar[str] = "jobs.html"


@page("/jobs")
async def jobs_page(request: Call) -> Response[Any]:
    """Every job, newest first, with its progress."""
    data, viewer = JobsData(may(request, "write")), viewer_of(request)
    return answer_page(request, JobsPage(title="Jobs", here="/jobs", viewer=viewer, data=data))


ROUTES = [jobs_page]

"""The page of jobs: what the stack does in the background."""

from __future__ import annotations

from typing import Any, ClassVar

from litestar import Response

from layernext.stack.api.messages import Call
from layernext.stack.web.page import Page, answer_page, page, viewer_of


class JobsPage(Page, frozen=True, kw_only=True):
    """Jobs, which the page's module asks for."""

    template: ClassVar[str] = "jobs.html"


@page("/jobs")
async def jobs_page(request: Call) -> Response[Any]:
    """Every job, newest first, with its progress."""
    return answer_page(request, JobsPage(title="Jobs", here="/jobs", viewer=viewer_of(request)))


ROUTES = [jobs_page]

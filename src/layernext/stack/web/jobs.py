"""The page of jobs: what the stack does in the background."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from layernext.stack.api.access import Permissions
from layernext.stack.web.page import Page, page


class JobsData(Struct, frozen=True):
    """Whether whoever looks may cancel jobs."""

    may_write: bool


class JobsPage(Page, frozen=True, kw_only=True):
    """Jobs, which the page's module asks for."""

    template: ClassVar[str] = "jobs.html"


@page("/jobs")
def jobs_page(permissions: Permissions) -> JobsPage:
    """Every job, newest first, with its progress."""
    data = JobsData(permissions.may("write"))
    return JobsPage(title="Jobs", section="/jobs", data=data)


ROUTES = [jobs_page]

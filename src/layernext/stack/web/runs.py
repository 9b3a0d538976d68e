"""The pages of runs: all of them, one with its evaluations, and two compared."""

from __future__ import annotations

from typing import Any, ClassVar

from litestar import Response
from msgspec import Struct

from layernext.stack.api.access import may
from layernext.stack.api.messages import Call
from layernext.stack.web.page import Page, answer_page, page, viewer_of


class RunData(Struct, frozen=True):
    """Whether whoever looks may start an evaluation."""

    may_write: bool


class RunsPage(Page, frozen=True, kw_only=True):
    """Runs, which the page's module asks for."""

    template: ClassVar[str] = "runs.html"


class RunPage(Page, frozen=True, kw_only=True):
    """One run; its module reads the query string to know which."""

    template: ClassVar[str] = "run.html"


class ComparePage(Page, frozen=True, kw_only=True):
    """Two runs side by side; its module reads the query string to know which."""

    template: ClassVar[str] = "compare.html"


@page("/runs")
async def runs_page(request: Call) -> Response[Any]:
    """Every model run and ground truth, with its counts."""
    return answer_page(request, RunsPage(title="Runs", here="/runs", viewer=viewer_of(request)))


@page("/run")
async def run_page(request: Call) -> Response[Any]:
    """What the annotations of a run are like, and how well they fit a ground truth."""
    data = RunData(may(request, "write"))
    return answer_page(
        request, RunPage(title="Run", here="/runs", viewer=viewer_of(request), data=data)
    )


@page("/compare")
async def compare_page(request: Call) -> Response[Any]:
    """What differs between two runs, against a ground truth and against each other."""
    data, viewer = RunData(may(request, "write")), viewer_of(request)
    return answer_page(
        request, ComparePage(title="Compare runs", here="/runs", viewer=viewer, data=data)
    )


ROUTES = [runs_page, run_page, compare_page]

"""The pages of runs: all of them, one with its evaluations, and two compared."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from layernext.stack.api.access import Permissions
from layernext.stack.web.page import Page, page


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
def runs_page() -> RunsPage:
    """Every model run and ground truth, with its counts."""
    return RunsPage(title="Runs", section="/runs")


@page("/run")
def run_page(permissions: Permissions) -> RunPage:
    """What the annotations of a run are like, and how well they fit a ground truth."""
    return RunPage(title="Run", section="/runs", data=RunData(permissions.may("write")))


@page("/compare")
def compare_page(permissions: Permissions) -> ComparePage:
    """What differs between two runs, against a ground truth and against each other."""
    return ComparePage(
        title="Compare runs", section="/runs", data=RunData(permissions.may("write"))
    )


ROUTES = [runs_page, run_page, compare_page]

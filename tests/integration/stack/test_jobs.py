"""Jobs by status, and jobs that are cancelled."""

from __future__ import annotations

from layernext.stack.jobs import LOOK_JOB
from layernext.stack.store import BUILD_JOB, EVALUATION_JOB
from tests.integration.stack.conftest import Stack, assert_error


def test_jobs_by_status(stack: Stack) -> None:
    """A list of jobs can be one of some statuses; each job says its kind and what it is about."""
    first = stack.store.jobs.create(EVALUATION_JOB, "Evaluate a run", {"evaluation": "e1", "n": 1})
    stack.store.jobs.create(LOOK_JOB, "Inspect new files", {})
    claimed = stack.store.jobs.claim([EVALUATION_JOB], "me")
    assert claimed is not None
    query = {"status": ["in_progress", "failed"]}
    (job,) = stack.json("GET", "/api/v1/jobs", params=query)["items"]
    assert (job["id"], job["kind"], job["about"]) == (first, EVALUATION_JOB, {"evaluation": "e1"})
    assert len(stack.json("GET", "/api/v1/jobs")["items"]) == 2
    assert_error(stack.ask("GET", "/api/v1/jobs", params={"status": "odd"}), 400)


def test_cancel(stack: Stack) -> None:
    """A job ends before its time, once, and its worker hears of it; not one that others rely on."""
    jobs = stack.store.jobs
    evaluation = jobs.create(EVALUATION_JOB, "Evaluate a run", {})
    claimed = jobs.claim([EVALUATION_JOB], "me")
    assert claimed is not None
    path = f"/api/v1/jobs/{evaluation}"
    assert stack.json("GET", path)["can_cancel"]
    assert_error(stack.ask("POST", f"{path}/cancel", role="read"), 403)
    ended = stack.json("POST", f"{path}/cancel", role="write")
    assert (ended["status"], ended["message"]) == ("failed", "cancelled by test write")
    assert not jobs.report(claimed.row_id, "me", 50.0)
    assert_error(stack.ask("POST", f"{path}/cancel", role="write"), 409, "conflict")
    build = jobs.create(BUILD_JOB, "Build a version", {})
    assert_error(stack.ask("POST", f"/api/v1/jobs/{build}/cancel", role="write"), 409)
    assert_error(stack.ask("POST", "/api/v1/jobs/none/cancel", role="write"), 404)

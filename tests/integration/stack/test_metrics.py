"""/metrics, as Prometheus reads it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from layernext import LayerNextClient
from layernext.cli import exit_codes
from layernext.stack.objects import FolderStore, count_errors
from tests.integration.stack.conftest import Stack
from tests.support.stack_process import free_port, running_stack

IMAGE = {
    "image": "a.png",
    "annotations": [{"type": "rectangle", "label": "car", "bbox": [1, 1, 5, 5]}],
}
SECRET_NAME = "zanzibar"
"""In paths, file names and run names; must be in no label."""

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Values:
    families = text_string_to_metric_families(text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(values: Values, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    matching = [
        number
        for (other, pairs), number in values.items()
        if other == name and labels.items() <= dict(pairs).items()
    ]
    assert matching, (name, labels)
    return sum(matching)


def scrape(stack: Stack) -> Values:
    answer = stack.ask("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read(answer.text)


def test_real_calls(tmp_path: Path) -> None:
    """What a client did is counted, by templates and never by what it named."""
    source = tmp_path / "source"
    source.mkdir()
    Image.new("RGB", (40, 30)).save(source / "a.png")
    (source / f"{SECRET_NAME}.bin").write_bytes(os.urandom(300_000))
    with running_stack(tmp_path / "stack", "--metrics") as stack:
        with LayerNextClient(*stack.arguments) as client:
            report = client.upload_files_to_collection(source, "other", SECRET_NAME, progress=False)
            client.wait_for_job_complete(report.job_id, timeout_s=60)
            client.upload_modelrun(f"{SECRET_NAME} images", f"{SECRET_NAME} run", [IMAGE])
            client.files.download(
                SECRET_NAME, tmp_path / "copy", content_type="other", progress=False
            )
        with httpx.Client(base_url=stack.url, auth=stack.arguments[:2]) as http:
            assert http.get(f"/{SECRET_NAME}/{SECRET_NAME}").status_code == 404
            assert http.request(SECRET_NAME.upper(), "/health").status_code >= 400
            assert http.get("/health").status_code == 200
            text = http.get("/metrics").text
            deadline = time.monotonic() + 180
            # A request is counted after its last byte was sent, when its client may be further on.
            while value(read(text), "layernext_file_bytes_total", direction="out") < 300_000:
                assert time.monotonic() < deadline, text
                text = http.get("/metrics").text
    assert SECRET_NAME not in text.lower()
    values = read(text)
    assert value(values, "layernext_requests_total", route="/health", status="200") == 1
    assert value(values, "layernext_requests_total", route="other", status="404") == 1
    assert value(values, "layernext_request_seconds_count", route="/health") == 1
    batches = {"method": "PUT", "route": "/api/v1/uploads/{upload_id}/batches/{sequence}"}
    assert value(values, "layernext_request_bytes_total", **batches) > 0
    assert value(values, "layernext_ingested_images_total") == 1
    assert value(values, "layernext_ingested_annotations_total") == 1
    assert value(values, "layernext_file_bytes_total", direction="in") > 300_000
    assert value(values, "layernext_file_bytes_total", direction="out") > 300_000
    assert value(values, "layernext_jobs", kind="files.look", status="completed") >= 1
    assert value(values, "layernext_database_up") == 1
    assert value(values, "layernext_build_info") == 1
    if sys.platform == "linux":
        assert value(values, "process_resident_memory_bytes") > 1 << 20
        assert value(values, "process_open_fds") > 3


def test_queued_jobs(make_stack: Callable[..., Stack]) -> None:
    """Jobs that wait have an age; those that clients tell of are not counted, as they name the kinds."""
    stack = make_stack(metrics=True)
    stack.store.jobs.create("nobody does this", "a job", {})
    stack.store.jobs.keep("session", SECRET_NAME, name="x", status="queued", progress=0, details={})
    values = scrape(stack)
    assert value(values, "layernext_jobs", kind="nobody does this", status="queued") == 1
    assert value(values, "layernext_oldest_queued_job_seconds", kind="nobody does this") >= 0
    assert not any(SECRET_NAME in dict(pairs).values() for _, pairs in values)


def test_database_errors(make_stack: Callable[..., Stack]) -> None:
    """A call that failed is counted by its reason."""
    stack = make_stack(metrics=True)
    file = stack.settings.database_file
    assert file is not None
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = stack.ask("POST", "/api/v1/keys", json={"name": "ci", "role": "read"})
        assert answer.status_code == 503
    reason = "another program holds the database's lock"
    assert value(scrape(stack), "layernext_database_errors_total", reason=reason) >= 1


def test_object_errors(tmp_path: Path) -> None:
    """Calls, writers of parts and streams of a store of objects are counted when they fail."""
    counts: list[str] = []
    objects = count_errors(FolderStore(tmp_path / "objects"), counts.append)
    objects.put([("a", b"1")])
    assert list(objects.read("a")) == [b"1"]
    path = objects.local_path("a")
    assert path is not None
    handle = objects.open_upload("b")
    writer = objects.write_part(handle, 1, 0)
    writer.write(b"2")
    writer.end()
    writer.close()
    assert counts == []
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        list(objects.read("a"))
    assert counts == ["read"]


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("read", 403), ("write", 403)])
def test_administrators_only(
    make_stack: Callable[..., Stack], role: str | None, status: int
) -> None:
    """Nobody else sees them."""
    stack = make_stack(metrics=True)
    assert stack.ask("GET", "/metrics", role=role).status_code == status  # type: ignore[arg-type]


def test_off_by_default(stack: Stack) -> None:
    """Without the option there is no such route."""
    assert stack.ask("GET", "/metrics").status_code == 404


WITHOUT_EXTRA = """
import sys
sys.modules["prometheus_client"] = None
from layernext.cli.app import run
sys.exit(run(["serve", "--metrics", "--data", sys.argv[1], "--port", sys.argv[2]]))
"""


def test_without_the_extra(tmp_path: Path) -> None:
    """One sentence says what to install; no key was made."""
    folder = tmp_path / "stack"
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA, str(folder), str(free_port())],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert ran.returncode == exit_codes.CONFIGURATION
    assert "pip install '.[metrics,stack]'" in ran.stderr
    assert not folder.exists()

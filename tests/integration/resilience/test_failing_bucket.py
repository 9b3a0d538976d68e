"""A store of objects that fails every third request: nothing is lost, nothing is partial, all arrives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from layernext import LayerNextClient
from layernext.wire.published import PART_BYTES
from tests.integration.client.test_files import content_of
from tests.support.faulty_bucket import WAYS, FaultyBucket
from tests.support.s3 import S3Server, s3_server
from tests.support.stack_process import running_stack

__all__ = ["s3_server"]


@pytest.mark.parametrize("protocol", ["native", "published"])
def test_every_third_request_fails(
    tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """Refused, slowed down, or cut before, within or after the answer, for the stack and the client."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    source = tmp_path / "source"
    source.mkdir()
    for number in range(12):
        Image.new("RGB", (40, 30), (number, 2, 3)).save(source / f"{number}.png")
    (source / "two parts.bin").write_bytes(os.urandom(1 << 20) * (PART_BYTES >> 20) + b"the end")
    wanted = {path.name: path.read_bytes() for path in source.iterdir()}
    with FaultyBucket(s3_server).running() as bucket:
        objects = ("--objects", s3_server.new_bucket(), "--objects-endpoint", bucket.server.url)
        bucket.is_faulty = False
        with running_stack(tmp_path / "stack", *objects) as stack:
            bucket.is_faulty = True
            only = "published" if protocol == "published" else None
            with LayerNextClient(*stack.arguments, protocol=only, retry_for_s=120) as client:
                report = client.upload_files_to_collection(source, "other", "yard", progress=False)
                assert sorted(report.uploaded) == sorted(wanted)
                client.wait_for_job_complete(report.job_id, timeout_s=120)
                client.files.download("yard", tmp_path / "back", progress=False)
            with LayerNextClient(*stack.arguments) as client:
                assert {file.state for file in client.files.list("yard")} == {"ready"}
    assert content_of(tmp_path / "back") == wanted
    assert set(bucket.failures) == set(WAYS), "some way to fail was never met"

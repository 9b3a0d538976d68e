"""Large files straight into a bucket: an upload that broke off goes on, and what arrives is compared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from layernext import LayerNextClient
from layernext.wire.published import PART_BYTES
from tests.integration.client.test_file_faults import UPLOAD, run_and_kill
from tests.support.faulty_bucket import FaultyBucket
from tests.support.s3 import S3Server, s3_server
from tests.support.stack_process import StackProcess, running_stack

__all__ = ["s3_server"]

MIB = 1 << 20


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyBucket]:
    """A proxy before the bucket's server, that lets all pass until it is told otherwise."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with FaultyBucket(s3_server).running() as proxy:
        proxy.is_faulty = False
        yield proxy


@pytest.fixture
def stack(
    tmp_path: Path,
    s3_server: S3Server,
    bucket: FaultyBucket,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[StackProcess]:
    monkeypatch.setenv("LAYERNEXT_STATE", str(tmp_path / "state"))
    options = ("--objects", s3_server.new_bucket(), "--objects-endpoint", bucket.server.url)
    with running_stack(tmp_path / "stack", *options) as running:
        yield running


def write_big(path: Path, size: int) -> str:
    """A file of so many bytes, every megabyte another; its SHA-256."""
    block, digest = os.urandom(MIB), hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            piece = (start.to_bytes(8, "big") + block[8:])[: size - start]
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def kill_after_one_part(stack: StackProcess, bucket: FaultyBucket, path: Path) -> None:
    """SIGKILL while the second part is sent, in vain; parts go one after the other."""
    bucket.lost_part = 2
    script = UPLOAD.replace("parallel=2", "parallel=1")
    run_and_kill(script, stack, ["yard", str(path)], PART_BYTES + MIB)
    bucket.lost_part = None


def test_a_killed_upload_skips_the_parts_that_the_bucket_has(
    stack: StackProcess, bucket: FaultyBucket, tmp_path: Path
) -> None:
    path = tmp_path / "big.bin"
    checksum = write_big(path, PART_BYTES + 30 * MIB)
    kill_after_one_part(stack, bucket, path)
    with LayerNextClient(*stack.arguments) as client:
        report = client.upload_files_to_collection(path, "other", "yard", progress=False)
        assert (report.uploaded, report.bytes_sent) == (["big.bin"], 30 * MIB)
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        (record,) = client.files.list("yard")
    assert (record.checksum, record.state) == (checksum, "ready")
    assert list((tmp_path / "state").iterdir()) == []


def test_a_part_of_the_same_size_is_no_proof(
    stack: StackProcess, bucket: FaultyBucket, tmp_path: Path
) -> None:
    """What the bucket has of a part was damaged on its way: the part is sent again."""
    path = tmp_path / "big.bin"
    checksum = write_big(path, PART_BYTES + 30 * MIB)
    bucket.damages = 1
    kill_after_one_part(stack, bucket, path)
    assert bucket.damages == 0
    with LayerNextClient(*stack.arguments) as client:
        report = client.upload_files_to_collection(path, "other", "yard", progress=False)
        assert report.bytes_sent == PART_BYTES + 30 * MIB
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        (record,) = client.files.list("yard")
    assert (record.checksum, record.state) == (checksum, "ready")


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_an_upload_that_the_bucket_has_ended_begins_anew(
    stack: StackProcess, bucket: FaultyBucket, s3_server: S3Server, tmp_path: Path, when: str
) -> None:
    """By a rule for incomplete uploads, say: before the next call asks, or before it sends a part."""
    path = tmp_path / "big.bin"
    checksum = write_big(path, PART_BYTES + 30 * MIB)
    kill_after_one_part(stack, bucket, path)
    if when == "before":
        end_uploads(s3_server, bucket)
    else:
        bucket.is_gone = True  # the test's server does not answer that as S3 does
    with LayerNextClient(*stack.arguments) as client:
        report = client.upload_files_to_collection(path, "other", "yard", progress=False)
        assert report.bytes_sent == PART_BYTES + 30 * MIB
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        (record,) = client.files.list("yard")
    assert not bucket.is_gone
    assert (record.checksum, record.state) == (checksum, "ready")


def end_uploads(s3_server: S3Server, bucket: FaultyBucket) -> None:
    import boto3  # only where a bucket is wanted

    s3 = boto3.client("s3", endpoint_url=s3_server.url)
    for name in {path.split("/")[1] for path in bucket.part_paths}:
        for each in s3.list_multipart_uploads(Bucket=name).get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=name, Key=each["Key"], UploadId=each["UploadId"])


@pytest.mark.parametrize("size", [3 * MIB, PART_BYTES + 5 * MIB], ids=["one part", "two parts"])
def test_damage_on_the_way_is_found(
    stack: StackProcess, bucket: FaultyBucket, tmp_path: Path, size: int
) -> None:
    """The inspection of the file compares what is in the bucket with what the client read."""
    path = tmp_path / "big.bin"
    checksum = write_big(path, size)
    bucket.damages = 1
    with LayerNextClient(*stack.arguments) as client:
        report = client.upload_files_to_collection(path, "other", "yard", progress=False)
        assert bucket.damages == 0
        client.wait_for_job_complete(report.job_id, timeout_s=60)
        (record,) = client.files.list("yard")
        assert record.state == "failed"
        assert record.checksum != checksum
        (item,) = client.items.iter("yard")
        assert item.failure is not None
        assert "not those that were sent: part" in item.failure

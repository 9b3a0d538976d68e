"""Files by our client, natively and as published: what goes up comes down, once, verified."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import uuid
from pathlib import Path

import httpx
import pytest
from PIL import Image

from layernext import AsyncLayerNextClient, LayerNextClient
from layernext.errors import (
    ConfigurationError,
    DataError,
    DownloadIncomplete,
    NotFound,
    UploadIncomplete,
)
from layernext.wire import published
from tests.integration.client.conftest import Pair
from tests.support.s3 import S3Server, s3_server
from tests.support.stack_process import StackProcess, running_stack

__all__ = ["s3_server"]


def fresh() -> str:
    return f"yard-{uuid.uuid4().hex[:8]}"


def picture(seed: int = 1, side: int = 24) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side + 1), (seed % 256, seed // 256 % 256, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def fill(folder: Path, count: int = 12) -> dict[str, bytes]:
    """Pictures in a folder and below it; by name."""
    files = {f"{'sub/' if n % 3 else ''}ü {n:03}.png": picture(n) for n in range(count)}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files


def content_of(folder: Path) -> dict[str, bytes]:
    """All files of a download, without its own notes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".layernext" not in path.parts
    }


def parts_in(folder: Path) -> list[Path]:
    return list((folder / ".layernext" / "parts").iterdir())


def test_up_and_known(pair: Pair, tmp_path: Path) -> None:
    """A folder goes up once; the second call sends nothing and says so."""
    files, name = fill(tmp_path), fresh()
    first = pair.writer.upload_files_to_collection(tmp_path, "image", name, progress=False)
    assert (sorted(first.uploaded), first.skipped, first.failed) == (sorted(files), [], [])
    assert first["is_success"] is True
    assert first["job_id"] == first.job_id
    assert first["collection_id"] == first.collection_id
    assert first.bytes_sent == sum(map(len, files.values()))
    pair.writer.wait_for_job_complete(first.job_id, timeout_s=30)
    (tmp_path / "new.png").write_bytes(picture(99))
    second = pair.writer.upload_files_to_collection(tmp_path, "image", name, progress=False)
    assert (second.uploaded, second.skipped) == (["new.png"], sorted(files))
    assert second.bytes_sent == len(picture(99))
    status = pair.writer.get_upload_status(name)
    assert (status.progress, status["totalCount"]) == (100.0, len(files) + 1)


def test_one_file(pair: Pair, tmp_path: Path) -> None:
    """A single file has a unique name, under which its URL is found."""
    path, name = tmp_path / "1.png", fresh()
    path.write_bytes(picture(3))
    report = pair.writer.upload_files_to_collection(str(path), "image", name, progress=False)
    assert report["unique_name"] == report.unique_name == f"{name}_1.png"
    url = pair.writer.get_downloadable_url(report.unique_name)["url"]
    assert httpx.get(url).content == picture(3)
    with pytest.raises(NotFound):
        pair.writer.get_downloadable_url("nobody_1.png")


def test_other_content_under_a_name_fails_and_stays(pair: Pair, tmp_path: Path) -> None:
    """A file is never replaced; the report and the error say which."""
    name, path = fresh(), tmp_path / "1.png"
    path.write_bytes(picture(1))
    pair.writer.upload_files_to_collection(path, "image", name, progress=False)
    path.write_bytes(picture(2, side=30))
    with pytest.raises(UploadIncomplete, match="another file of this name") as caught:
        pair.writer.upload_files_to_collection(path, "image", name, progress=False)
    (failed,) = caught.value.report.failed
    assert (failed.name, failed.path) == ("1.png", str(path))
    report = pair.writer.upload_files_to_collection(
        path, "image", name, on_error="report", progress=False
    )
    assert report["is_success"] is False
    url = pair.writer.get_downloadable_url(f"{name}_1.png").url
    assert httpx.get(url).content == picture(1)


def test_nothing_is_sent_of_a_wrong_folder(pair: Pair, tmp_path: Path) -> None:
    """A file that is not an image is refused by its path, and the collection is not made."""
    fill(tmp_path, 3)
    (tmp_path / "bad.png").write_bytes(b"<html>")
    name = fresh()
    with pytest.raises(DataError, match=r"bad\.png: is not an image"):
        pair.writer.upload_files_to_collection(tmp_path, "image", name, progress=False)
    with pytest.raises(NotFound):
        pair.writer.get_upload_status(name)


@pytest.mark.parametrize(
    ("arguments", "named", "error"),
    [
        (("pictures", "kitchen"), {}, ConfigurationError),
        (("image", ""), {}, DataError),
        (("image", "kitchen", {"Tags": "red"}), {}, DataError),
        (("image", "kitchen"), {"parallel": 0}, ConfigurationError),
        (("image", "kitchen"), {"on_error": "ignore"}, ConfigurationError),
        (("image", "kitchen"), {"annotation_data": {"json_data_file_path": "x"}}, DataError),
    ],
)
def test_wrong_arguments(client, tmp_path, arguments, named, error) -> None:
    """Said before anything is looked for or sent."""
    with pytest.raises(error):
        client.upload_files_to_collection(tmp_path / "missing", *arguments, **named)


def test_sync(client: LayerNextClient, tmp_path: Path) -> None:
    """Down, again without a byte, then only what is missing or changed; deleted on request only."""
    source, target, name = tmp_path / "source", tmp_path / "target", fresh()
    files = fill(source)
    client.upload_files_to_collection(source, "image", name, progress=False)
    first = client.files.download(name, target, progress=False)
    assert content_of(target) == files
    assert (sorted(first.downloaded), first.unchanged) == (sorted(files), [])
    assert first.bytes_received == sum(map(len, files.values()))
    again = client.files.download(name, target, progress=False)
    assert (again.downloaded, again.bytes_received, len(again.unchanged)) == ([], 0, len(files))
    one, two, *_ = sorted(files)
    (target / one).unlink()
    (target / two).write_bytes(b"changed here")
    third = client.files.download(name, target, progress=False)
    assert sorted(third.downloaded) == [one, two]
    assert content_of(target) == files
    assert parts_in(target) == []
    (target / ".layernext" / "files.json").unlink()
    fourth = client.files.download(name, target, progress=False)
    assert (fourth.downloaded, len(fourth.unchanged)) == ([], len(files))


def test_delete_removes_only_what_came(client: LayerNextClient, tmp_path: Path) -> None:
    """Not what the user put there, changed, or had from another collection."""
    source, target, name, other = tmp_path / "source", tmp_path / "target", fresh(), fresh()
    files = fill(source, 4)
    for each in (name, other):
        client.upload_files_to_collection(source, "image", each, progress=False)
    client.files.download(other, target / "other", progress=False)
    client.files.download(name, target, progress=False)
    (target / "mine.png").write_bytes(b"mine")
    index = target / ".layernext" / "files.json"
    known = json.loads(index.read_text())
    for gone in ("gone/a.png", "gone/b.png"):
        place = target / gone
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"came earlier")
        at = place.stat()
        known["files"][gone] = {
            "source": name, "size": at.st_size, "mtime_ns": at.st_mtime_ns, "checksum": "0" * 64,
        }  # fmt: skip
    known["files"]["elsewhere.png"] = {**known["files"]["gone/a.png"], "source": other}
    (target / "elsewhere.png").write_bytes(b"of another collection")
    index.write_text(json.dumps(known))
    (target / "gone" / "b.png").write_bytes(b"changed here since")
    kept = client.files.download(name, target, progress=False)
    assert kept.deleted == []
    report = client.files.download(name, target, delete=True, progress=False)
    assert (report.deleted, report.kept) == (["gone/a.png"], ["gone/b.png"])
    left = {name for name in content_of(target) if not name.startswith("other/")}
    assert left == {*files, "mine.png", "gone/b.png", "elsewhere.png"}


def test_a_folder_in_the_way_fails_one_file(client: LayerNextClient, tmp_path: Path) -> None:
    """The others come, and the error says which did not."""
    source, target, name = tmp_path / "source", tmp_path / "target", fresh()
    files = fill(source, 6)
    client.upload_files_to_collection(source, "image", name, progress=False)
    first = min(files)
    (target / first / "x").mkdir(parents=True)
    with pytest.raises(DownloadIncomplete, match="cannot be written") as caught:
        client.files.download(name, target, progress=False)
    assert [each.name for each in caught.value.report.failed] == [first]
    assert content_of(target) == {name: files[name] for name in files if name != first}
    assert parts_in(target) == []


def test_files_of_several_parts(
    client: LayerNextClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """250 MiB in three parts, streamed both ways, whole and verified."""
    source, target, name = tmp_path / "big.bin", tmp_path / "target", fresh()
    monkeypatch.setenv("LAYERNEXT_STATE", str(tmp_path / "state"))
    block = os.urandom(1 << 20)
    digest = hashlib.sha256()
    with source.open("wb") as file:
        for number in range(250):
            piece = number.to_bytes(4, "big") + block[4:]
            file.write(piece)
            digest.update(piece)
    report = client.upload_files_to_collection(source, "other", name, progress=False)
    assert report.bytes_sent == 250 << 20
    assert list((tmp_path / "state").iterdir()) == []
    client.wait_for_job_complete(report.job_id, timeout_s=60)
    (record,) = client.files.list(name)
    assert (record.size, record.checksum) == (250 << 20, digest.hexdigest())
    client.files.download(name, target, progress=False)
    assert hashlib.sha256((target / "big.bin").read_bytes()).hexdigest() == digest.hexdigest()
    again = client.upload_files_to_collection(source, "other", name, progress=False)
    assert (again.skipped, again.bytes_sent) == (["big.bin"], 0)


def test_empty_and_strange_files(pair: Pair, client: LayerNextClient, tmp_path: Path) -> None:
    """Files of no bytes, and of names that need care, come back under the same names."""
    source, target, name = tmp_path / "source", tmp_path / "target", fresh()
    source.mkdir()
    names = ["empty", "a+b &?#%20.txt", "日本.txt", "x" * 200, "semi;colon 'q'"]
    for each in names:
        (source / each).write_bytes(b"" if each == "empty" else each.encode())
    report = pair.writer.upload_files_to_collection(source, "other", name, progress=False)
    assert sorted(report.uploaded) == sorted(names)
    if pair.protocol == "native":
        client.files.download(name, target, progress=False)
        safe = {each.replace("?", "%3F"): (source / each).read_bytes() for each in names}
        assert content_of(target) == safe


def test_annotations_come_with_the_files(client: LayerNextClient, tmp_path: Path) -> None:
    """`annotation_data` is uploaded to the images once they are there."""
    name = fresh()
    (tmp_path / "1.png").write_bytes(picture(1))
    box = {"type": "rectangle", "label": "cup", "bbox": [1, 2, 3, 4]}
    run = tmp_path / "run.json"
    run.write_text(json.dumps({"images": [{"image": "1.png", "annotations": [box]}]}))
    data = {
        "json_data_file_path": str(run),
        "operation_unique_id": "model 7",
        "is_normalized": False,
        "is_model_run": True,
    }
    report = client.upload_files_to_collection(
        tmp_path / "1.png", "image", name, annotation_data=data, progress=False
    )
    assert report.annotations is not None
    assert (report.annotations.annotations, report.annotations.unmatched_images) == (1, 0)
    (image,) = client.iter_annotations(name, "model 7")
    assert image.image == "1.png"


def test_deprecated_names(client: LayerNextClient, tmp_path: Path) -> None:
    """`file_upload` works as published, and says what to use."""
    (tmp_path / "1.png").write_bytes(picture(1))
    with pytest.warns(DeprecationWarning, match="upload_files_to_collection"):
        report = client.file_upload(str(tmp_path / "1.png"), "image", fresh())
    assert report["is_success"]


def test_progress_counts_bytes(client: LayerNextClient, tmp_path: Path) -> None:
    """Of an upload and a download; files that are there count as done."""
    files, name = fill(tmp_path / "source", 5), fresh()
    total = sum(map(len, files.values()))
    seen: list[tuple[str, int, int | None]] = []
    for _ in range(2):
        client.upload_files_to_collection(
            tmp_path / "source", "image", name, progress=lambda *each: seen.append(each)
        )
        assert seen[-1] == (f"uploading to {name}", total, total)
        seen.clear()
    client.files.download(name, tmp_path / "target", progress=lambda *each: seen.append(each))
    assert seen[-1] == ("downloading to target", total, None)


def test_async_twin(native_stack: StackProcess, tmp_path: Path) -> None:
    """The same calls, awaited."""
    files, name = fill(tmp_path / "source", 3), fresh()

    async def both_ways() -> None:
        async with AsyncLayerNextClient(*native_stack.arguments) as client:
            await client.upload_files_to_collection(
                tmp_path / "source", "image", name, progress=False
            )
            await client.files.download(name, tmp_path / "target", progress=False)

    asyncio.run(both_ways())
    assert content_of(tmp_path / "target") == files


def test_part_size_is_the_published_one() -> None:
    """Parts of 100 MiB, as the contract fixes it."""
    assert published.PART_BYTES == 104_857_600


def test_a_collection_with_its_files(pair: Pair, tmp_path: Path) -> None:
    """`download_collection` brings annotations and files side by side, and a second call no byte."""
    files, name = fill(tmp_path / "source", 5), fresh()
    pair.writer.upload_files_to_collection(tmp_path / "source", "image", name, progress=False)
    box = {"type": "rectangle", "label": "cup", "bbox": [1, 2, 3, 4]}
    annotated = sorted(files)[:2]
    sets = [{"image": each, "annotations": [box]} for each in annotated]
    pair.writer.upload_modelrun(name, "model 7", sets, progress=False)
    report = pair.writer.download_collection(name, custom_download_path=tmp_path / "all")
    assert report.images == 2
    assert report.files is not None
    assert len(report.files.downloaded) == len(files)
    assert content_of(report.path.parent) == {
        "annotations.json": report.path.read_bytes(),
        **{f"data/{each}": content for each, content in files.items()},
    }
    again = pair.writer.download_collection(name, custom_download_path=tmp_path / "all")
    assert again.files is not None
    assert (again.files.downloaded, again.files.bytes_received) == ([], 0)
    without = pair.writer.download_collection(name, "all", None, tmp_path / "none", False)
    assert set(content_of(without.path.parent)) == {"annotations.json"}
    one = pair.writer.download_collection(name, "machine", ["model 7"], tmp_path / "one")
    assert set(content_of(one.path.parent)) == {
        "annotations.json", *(f"data/{each}" for each in annotated),
    }  # fmt: skip


def test_only_what_fits_a_query(pair: Pair, tmp_path: Path) -> None:
    """A query chooses; what does not fit any more is deleted on request; metadata comes by file."""
    files, name = fill(tmp_path / "source", 6), fresh()
    night = sorted(files)[:2]
    metadata = tmp_path / "metadata.json"
    entries = [{"file": each, "metadata": {"Tags": ["night"], "shift": 2}} for each in night]
    metadata.write_text(json.dumps({"files": entries}))
    pair.writer.upload_files_to_collection(
        tmp_path / "source", "image", name, metadata_file_path=metadata, progress=False
    )
    target = tmp_path / "target"
    pair.writer.files.download(name, target, query="metadata.Tags=night", progress=False)
    assert content_of(target) == {each: files[each] for each in night}
    pair.writer.files.download(name, target, progress=False)
    assert content_of(target) == files
    report = pair.writer.files.download(
        name, target, query="metadata.shift=2", delete=True, progress=False
    )
    assert sorted(report.unchanged) == night
    assert content_of(target) == {each: files[each] for each in night}


def test_a_page_as_published(pair: Pair, tmp_path: Path) -> None:
    """By collection, and of the whole stack by a query; flat, by unique names."""
    files, name = fill(tmp_path / "source", 5), fresh()
    report = pair.writer.upload_files_to_collection(
        tmp_path / "source", "image", name, progress=False
    )
    flat = {f"{name}_{each}".replace("/", "_"): content for each, content in files.items()}
    for page in range(3):
        got = pair.writer.download_files_from_collection(
            report.collection_id, tmp_path / "pages", page, 2
        )
        assert got["is_success"] is True
    last = pair.writer.download_files_from_collection(
        report.collection_id, tmp_path / "pages", 3, 2
    )
    assert (last["is_success"], last["message"]) == (False, "No more pages to download")
    assert content_of(tmp_path / "pages") == flat
    pair.writer.download_files_from_metalake(
        "image", tmp_path / "all", 0, 100, f"collection={name}"
    )
    assert content_of(tmp_path / "all") == flat


def test_a_bucket_behind_the_stack(
    tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small files and large ones go into a bucket and come back; large parts do not pass the stack."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    source = tmp_path / "source"
    source.mkdir()
    (source / "small.bin").write_bytes(b"small")
    (source / "large.bin").write_bytes(bytes(range(256)) * 50_000)
    (source / "empty.bin").write_bytes(b"")
    bucket = ("--objects", s3_server.new_bucket(), "--objects-endpoint", s3_server.url)
    with (
        running_stack(tmp_path / "stack", *bucket) as stack,
        LayerNextClient(*stack.arguments) as client,
    ):
        report = client.upload_files_to_collection(str(source), "other", "things")
        assert len(report.uploaded) == 3
        client.wait_for_job_complete(report["job_id"], timeout_s=30)
        client.files.download("things", tmp_path / "back")
        for path in source.iterdir():
            assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()
        again = client.upload_files_to_collection(str(source), "other", "things")
        assert again.uploaded == []
    assert not list((tmp_path / "stack").rglob("objects/files/*"))

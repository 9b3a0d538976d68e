"""Annotations are of images: a collection of videos is never doubled by annotating its name."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from layernext.errors import Conflict, UploadIncomplete
from tests.integration.client.conftest import Pair
from tests.support.videos import write_video


@pytest.mark.parametrize("file", ["drive.mp4", "other.jpg"])
def test_a_collection_of_videos(pair: Pair, tmp_path: Path, file: str) -> None:
    """A run that names a collection of videos is refused with a sentence, and makes none of images."""
    name = f"clips{uuid.uuid4().hex[:8]}"
    images: list[dict[str, Any]] = [{"image": file, "annotations": []}]
    write_video(tmp_path / "drive.mp4")
    pair.writer.upload_files_to_collection(tmp_path / "drive.mp4", "video", name)
    refused = Conflict if pair.protocol == "native" else UploadIncomplete
    with pytest.raises(refused, match=f"'{name}' holds videos, and annotations belong to images"):
        pair.writer.upload_modelrun(name, "model", images)
    if pair.protocol == "native":
        kinds = [each.content_type for each in pair.writer.collections.list() if each.name == name]
        assert kinds == ["video"]
    # Somebody who uploads images to that name wants a collection of each kind.
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.jpg")
    pair.writer.upload_files_to_collection(tmp_path / "photo.jpg", "image", name)
    photos = [{"image": "photo.jpg", "annotations": []}]
    assert pair.writer.upload_modelrun(name, "model", photos).unmatched_images in {0, None}

"""Tracks: which object an annotation is of, from one format to another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from layernext.errors import DataError, FormatError
from layernext.formats import (
    ExportOptions,
    Losses,
    Sample,
    convert,
    detect_format,
    read_format,
    write_export,
)
from layernext.model import AttributeValue, Frame, Polygon, Rectangle, frame_of, video_frame
from tests.support.strategies import names, tracks

LABELS = ("car", "person", "forklift")
whole = st.integers(-1000, 1000)
boxes = st.builds(
    Rectangle,
    label=st.sampled_from(LABELS),
    bbox=st.tuples(whole, whole, st.integers(0, 99), st.floats(0, 99)),
    track=st.none() | st.integers(0, 1 << 62),
    confidence=st.floats(0, 1),
    metadata=st.builds(lambda share: {"visibility": share}, st.floats(0, 1)),
)


@pytest.mark.parametrize(
    ("image", "frame"),
    [
        ("MOT17-02/img1/000012.jpg", ("MOT17-02", 12)),
        ("img1/000012.jpg", ("", 12)),
        ("000012.jpg", ("", 12)),
        ("frame_000012.PNG", ("", 12)),
        ("val/v_1/frame0391.jpg", ("val/v_1", 391)),
        ("b1c6/b1c6-0000001.jpg", ("b1c6/b1c6", 1)),
        ("clip.mp4#frame=0", ("clip.mp4", 0)),
        ("day 2/clip 3.mp4#frame=12", ("day 2/clip 3.mp4", 12)),
        ("clip.mp4", None),
        ("a.png", None),
        ("cam1/a.png", None),
    ],
)
def test_frames_by_name(image: str, frame: tuple[str, int] | None) -> None:
    """The number at the end of a name is that of a frame; what is before it names the sequence."""
    assert frame_of(image) == (None if frame is None else Frame(*frame))


def test_frames_of_a_video() -> None:
    """The address of a frame of a video is a name as any other."""
    assert frame_of(video_frame("clip.mp4", 12)) == Frame("clip.mp4", 12)


def sequence(name: str, sets: list[list[Rectangle]]) -> list[Sample]:
    return [
        Sample(image=f"{name}{number:06d}.jpg", annotations=list(each), width=640, height=480)
        for number, each in enumerate(sets, 1)
    ]


@settings(max_examples=20, deadline=None)
@given(
    first=st.lists(st.lists(boxes, max_size=3), min_size=1, max_size=3),
    second=st.lists(st.lists(boxes, max_size=3), min_size=1, max_size=3),
)
def test_round_trip_of_mot(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[list[Rectangle]],
    second: list[list[Rectangle]],
) -> None:
    """Names, boxes, tracks, classes, confidences and visibility of several sequences come back."""
    some = sequence("s/1/img1/", first) + sequence("s/2/img1/", second)
    target = tmp_path_factory.mktemp("mot") / "out"
    report = write_export(some, target, "mot", ExportOptions(labels=list(LABELS)))
    assert not report.losses
    samples = list(read_format(target, "mot"))
    if not any(box for sample in some[: len(first)] for box in sample.annotations):
        samples = [replace(each, annotations=list(each.annotations)) for each in samples]
    assert samples == some


def test_ground_truth_of_mot(tmp_path: Path) -> None:
    """Boxes without confidences are a ground truth, with the benchmark's classes; text becomes numbers."""
    annotations = [
        Rectangle(label="car", bbox=(1, 2, 3, 4), track=7, metadata={"ignore": 1}),
        Rectangle(label="pedestrian", bbox=(1, 2, 3, 4), track="a"),
        Polygon(label="car", polygon=[(0, 0), (4, 0), (4, 2)]),
    ]
    samples = [Sample(image="frame_000000.PNG", annotations=annotations)]
    report = write_export(samples, tmp_path / "out", "mot")
    assert (tmp_path / "out/gt/gt.txt").read_text().splitlines() == [
        "1,7,1.0,2.0,3.0,4.0,0,3", "1,8,1.0,2.0,3.0,4.0,1,1", "1,-1,0.0,0.0,4.0,2.0,1,3",
    ]  # fmt: skip
    assert not (tmp_path / "out/gt/labels.txt").exists()
    assert set(report.losses) == {
        "the id of a track; a number is", "the name of an image; frames are numbered",
        "the outline of a polygon; its box is",
    }  # fmt: skip
    assert detect_format(tmp_path / "out") == "mot"
    (sample,) = read_format(tmp_path / "out", "mot")
    assert sample.image == "000001.PNG"
    assert [each.track for each in sample.annotations] == [7, 8, None]


def test_two_images_of_one_frame(tmp_path: Path) -> None:
    """Two images that would be the same frame are refused, both named."""
    samples = [Sample(image=name, annotations=[]) for name in ("1.jpg", "1.png")]
    with pytest.raises(DataError, match=r"1\.png: is frame 1 of a sequence, as '1\.jpg' is"):
        write_export(samples, tmp_path / "out", "mot")


@settings(max_examples=30, deadline=None)
@given(track=tracks, image=names)
def test_tracks_of_coco(tmp_path_factory: pytest.TempPathFactory, track: Any, image: str) -> None:
    """``track_id`` holds a track of any type, and comes back as it was."""
    box = Rectangle(label="car", bbox=(1, 2, 3, 4), track=track)
    target = tmp_path_factory.mktemp("coco") / "out.json"
    assert not write_export([Sample(image=image, annotations=[box])], target, "coco").losses
    (sample,) = read_format(target, "coco")
    assert sample.annotations == [box]


def test_videos_of_coco(tmp_path: Path) -> None:
    """Images whose names tell their video and frame have both, if something is tracked."""
    box = Rectangle(label="car", bbox=(1, 2, 3, 4), track=3)
    samples = [
        Sample(image=name, annotations=[box])
        for name in ("a/img1/000001.jpg", "a/img1/000002.jpg", "clip.mp4#frame=0", "plain.jpg")
    ]
    write_export(samples, tmp_path / "out.json", "coco")
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["videos"] == [{"id": 1, "name": "a"}, {"id": 2, "name": "clip.mp4"}]
    places = [(each.get("video_id"), each.get("frame_id")) for each in content["images"]]
    assert places == [(1, 1), (1, 2), (2, 0), (None, None)]
    losses = Losses()
    assert [each.image for each in read_format(tmp_path / "out.json", "coco", losses=losses)] == [
        each.image for each in samples
    ]
    assert not losses.counts


@pytest.mark.parametrize(
    ("fields", "track"),
    [({"track_id": 7.0}, 7), ({"track_id": "a"}, "a"), ({"instance_id": 4}, 4), ({}, None)],
)
def test_tracks_of_other_tools(tmp_path: Path, fields: dict[str, Any], track: Any) -> None:
    """Decimals of Python's tools and MMTracking's instances are tracks."""
    row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], **fields}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "video_id": 5}],
        "annotations": [row], "categories": [{"id": 1, "name": "car"}],
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(content))
    losses = Losses()
    (sample,) = read_format(tmp_path / "a.json", "coco", losses=losses)
    assert sample.annotations[0].track == track
    assert not sample.annotations[0].metadata
    assert [*losses.counts] == ["the video and the frame of an image, which its name does not tell"]


@pytest.mark.parametrize("value", [7.5, True, "", [1], 1 << 63])
def test_wrong_tracks(tmp_path: Path, value: Any) -> None:
    """What is no id is refused, with its location."""
    row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "track_id": value}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [row], "categories": [{"id": 1, "name": "car"}],
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match=r"annotations\[0\]\.track_id: (is|has)"):
        list(read_format(tmp_path / "a.json", "coco"))


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_round_trip_of_cvat_videos(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    """Tracks keep their boxes in each frame, gaps included, and their numbers."""
    places = st.dictionaries(
        st.integers(0, 9), st.tuples(whole, whole, st.integers(0, 9), st.integers(0, 9)), min_size=1
    )
    drawn = data.draw(
        st.dictionaries(
            st.integers(0, 1000), st.tuples(st.sampled_from(LABELS), places), max_size=3
        )
    )
    samples = [
        Sample(
            image=f"frame_{number:06d}.PNG", width=640, height=480,
            annotations=[
                Rectangle(label=label, bbox=by_frame[number], track=track)
                for track, (label, by_frame) in drawn.items() if number in by_frame
            ],
        )
        for number in range(10)
    ]  # fmt: skip
    target = tmp_path_factory.mktemp("cvat") / "out.xml"
    assert not write_export(samples, target, "cvat-video").losses
    read = list(read_format(target, "cvat"))

    def by_track(sample: Sample) -> Sample:
        return replace(
            sample, annotations=sorted(sample.annotations, key=lambda box: str(box.track))
        )

    assert list(map(by_track, read)) == list(map(by_track, samples))


def test_a_video_as_cvat_has_it(tmp_path: Path) -> None:
    """Attributes change within a track; a gap begins with a shape outside; text gets a free number."""
    annotations = [
        Rectangle(
            label="car", bbox=(number, 2, 3, 4), track="a",
            attributes={"state": [AttributeValue(value=f"s{number}")]},
        )
        for number in (0, 1, 3)
    ]  # fmt: skip
    sets = [annotations[:1], annotations[1:2], [], annotations[2:]]
    other = Polygon(label="car", polygon=[(0, 0), (4, 0), (4, 2)], track=0)
    sets[0] = [*sets[0], other, other, Rectangle(label="car", bbox=(0, 0, 1, 1))]
    report = write_export(
        [replace(each, width=9, height=9) for each in sequence("clip/", sets)],
        tmp_path / "out.xml", "cvat-video",
    )  # fmt: skip
    assert set(report.losses) == {
        "the id of a track; a number is", "that an annotation has no track; it is one",
        "that two shapes of a frame are one track", "the name of an image; frames are numbered",
    }  # fmt: skip
    text = (tmp_path / "out.xml").read_text()
    assert text.count("<mutable>True</mutable>") == 1
    assert text.count('outside="1"') == 4
    samples = {
        sample.image: sample.annotations for sample in read_format(tmp_path / "out.xml", "cvat")
    }
    assert len(samples) == 5  # MOT counts from 1, CVAT from 0
    track = [
        (name, each.attributes["state"][0].value, each.track)
        for name, some in samples.items() for each in some if each.attributes
    ]  # fmt: skip
    assert track == [
        ("frame_000001.PNG", "s0", 1), ("frame_000002.PNG", "s1", 1), ("frame_000004.PNG", "s3", 1),
    ]  # fmt: skip


def test_from_mot_to_cvat_and_back(tmp_path: Path) -> None:
    """Formats of videos hand tracks on to each other."""
    samples = sequence("", [[Rectangle(label="car", bbox=(1, 2, 3, 4), track=5)]] * 3)
    write_export(samples, tmp_path / "mot", "mot")
    convert(tmp_path / "mot", tmp_path / "video.xml", "cvat-video")
    convert(tmp_path / "video.xml", tmp_path / "again", "mot")
    assert (tmp_path / "again/gt/gt.txt").read_text().splitlines() == [
        f"{frame},5,1.0,2.0,3.0,4.0,1,3" for frame in (2, 3, 4)
    ]


def test_frames_of_one_video(tmp_path: Path) -> None:
    """Frames are named after their video, from 0, whatever the format counts from; several sequences are refused."""
    box = Rectangle(label="car", bbox=(1, 2, 3, 4), track=5)
    write_export(sequence("", [[box], [box]]), tmp_path / "mot", "mot")
    numbered = [
        Sample(image=f"frame_{number:06d}.PNG", width=9, height=9, annotations=[box])
        for number in (0, 1)
    ]
    write_export(numbered, tmp_path / "a.xml", "cvat-video")
    for path, name in ((tmp_path / "mot", "mot"), (tmp_path / "a.xml", "cvat")):
        samples = list(read_format(path, name, video="day/clip.mp4"))
        assert [sample.image for sample in samples] == [
            "day/clip.mp4#frame=0",
            "day/clip.mp4#frame=1",
        ]
        convert(path, tmp_path / f"{name}.json", "layernext", video="clip.mp4")
        (first, _) = read_format(tmp_path / f"{name}.json", "layernext")
        assert (first.image, first.annotations) == ("clip.mp4#frame=0", [box])
    write_export(sequence("a/", [[box]]) + sequence("b/", [[box]]), tmp_path / "two", "mot")
    with pytest.raises(DataError, match="is of another sequence than 'a'; a video has one"):
        list(read_format(tmp_path / "two", "mot", video="clip.mp4"))
    write_export([Sample(image="x.jpg", annotations=[box])], tmp_path / "x.json", "coco")
    with pytest.raises(
        DataError, match=r"x\.jpg: is no frame of clip\.mp4: its name must end in a number from 0"
    ):
        list(read_format(tmp_path / "x.json", "coco", video="clip.mp4"))

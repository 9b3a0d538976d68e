"""CVAT's XML, for images and for videos, as CVAT writes it."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest

from layernext.errors import FormatError
from layernext.formats import Losses, Sample, convert, read_format, write_export
from layernext.formats.core.classes import Classes
from layernext.model import (
    Annotation,
    AttributeValue,
    ImageLabel,
    Keypoints,
    Mask,
    Polygon,
    Rectangle,
    Skeleton,
)

META = "<meta><task><name>t</name><labels>{}</labels></task></meta>"
VIDEO = (
    "<annotations><version>1.1</version><meta><task><size>12</size><mode>interpolation</mode>"
    "<original_size><width>1920</width><height>1080</height></original_size></task></meta>{}</annotations>"
)


def read(folder: Path, shape: str, losses: Losses | None = None) -> list[Annotation]:
    text = f'<annotations>{META.format("")}<image id="0" name="a.jpg" width="100" height="80">'
    (folder / "a.xml").write_text(f"{text}{shape}</image></annotations>")
    (sample,) = read_format(folder / "a.xml", "cvat", losses=losses)
    assert (sample.image, sample.width, sample.height) == ("a.jpg", 100, 80)
    return list(sample.annotations)


def box(frame: int, left: float, *, outside: int = 0, attributes: str = "") -> str:
    return (
        f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" xtl="{left}" ytl="0" '
        f'xbr="{left + 10}" ybr="10">{attributes}</box>'
    )


def test_tracks_of_a_video(tmp_path: Path) -> None:
    """A track is an annotation in each frame, in between evenly moved, until it is outside."""
    shapes = box(0, 0) + box(10, 100) + box(11, 100, outside=1)
    (tmp_path / "a.xml").write_text(VIDEO.format(f'<track id="3" label="car">{shapes}</track>'))
    losses = Losses()
    samples = list(read_format(tmp_path / "a.xml", "cvat", losses=losses))
    assert [sample.image for sample in samples] == [f"frame_{n:06d}.PNG" for n in range(12)]
    assert {(sample.width, sample.height) for sample in samples} == {(1920, 1080)}
    assert [len(sample.annotations) for sample in samples] == [1] * 11 + [0]
    assert samples[5].annotations == [
        Rectangle(label="car", bbox=(50, 0, 10, 10), metadata={"track": 3})
    ]
    assert list(losses.counts) == ["that shapes are a track; each frame has its own"]
    assert losses.shapes == 0


def test_a_track_stays_until_the_end(tmp_path: Path) -> None:
    """Without a shape that is outside; two tracks are in the same frames; a gap is a gap."""
    first = f'<track id="0" label="car">{box(8, 1)}</track>'
    second = f'<track id="1" label="cat">{box(0, 1)}{box(2, 1, outside=1)}{box(9, 5)}</track>'
    (tmp_path / "a.xml").write_text(VIDEO.format(first + second))
    samples = list(read_format(tmp_path / "a.xml", "cvat"))
    assert [[a.label for a in s.annotations] for s in samples] == [
        ["cat"], ["cat"], [], [], [], [], [], [], ["car"], ["car", "cat"], ["car", "cat"], ["car", "cat"],
    ]  # fmt: skip


def test_a_video_without_tracks(tmp_path: Path) -> None:
    """Its frames are images with nothing in them."""
    (tmp_path / "a.xml").write_text(VIDEO.format(""))
    assert [s.annotations for s in read_format(tmp_path / "a.xml", "cvat")] == [[]] * 12


@pytest.mark.parametrize(
    ("frame", "message"),
    [("x", "must be a whole number"), ("9999999", "up to 500,000"), ("-1", "whole number")],
)
def test_frames_that_cannot_be(tmp_path: Path, frame: str, message: str) -> None:
    """A frame that is not a number, or beyond any video, is refused with its place."""
    shapes = box(0, 0).replace('frame="0"', f'frame="{frame}"')
    (tmp_path / "a.xml").write_text(VIDEO.format(f'<track id="3" label="car">{shapes}</track>'))
    with pytest.raises(FormatError, match=rf"track\[0\]\.box\[0\]\.frame: .*{message}"):
        list(read_format(tmp_path / "a.xml", "cvat"))


def test_mask(tmp_path: Path) -> None:
    """Run lengths of a part of the image, row by row, are a mask of the whole image, and go out again."""
    losses = Losses()
    shape = '<mask label="cat" source="manual" rle="0, 3, 2, 3" left="10" top="20" width="4" height="2"/>'
    (mask,) = read(tmp_path, shape, losses)
    assert isinstance(mask, Mask)
    pixels = np.zeros(mask.mask.size, bool)
    pixels[20, 10:13] = pixels[21, 11:14] = True
    assert (mask.mask.to_array() == pixels).all()
    assert losses.counts == {}
    height, width = mask.mask.size
    sample = Sample(image="a.jpg", annotations=[mask], width=width, height=height)
    assert write_export([sample], tmp_path / "out.xml", "cvat").losses == {}
    assert (
        'rle="0, 3, 2, 3" left="10" top="20" width="4" height="2"'
        in (tmp_path / "out.xml").read_text()
    )


def test_mask_of_an_image_of_unknown_size(tmp_path: Path) -> None:
    """The outline covers the same pixels."""
    text = '<annotations><image name="a.jpg"><mask label="cat" rle="0, 3, 2, 3" left="10" top="20" width="4" height="2"/></image></annotations>'
    (tmp_path / "a.xml").write_text(text)
    losses = Losses()
    (sample,) = read_format(tmp_path / "a.xml", "cvat", losses=losses)
    (polygon,) = sample.annotations
    assert isinstance(polygon, Polygon)
    assert {*polygon.polygon} == {
        (10, 20), (13, 20), (13, 21), (14, 21), (14, 22), (11, 22), (11, 21), (10, 21),
    }  # fmt: skip
    assert losses.shapes == 1


def test_ellipse(tmp_path: Path) -> None:
    """Its outline, rotated if it is."""
    (polygon,) = read(tmp_path, '<ellipse label="cat" cx="50" cy="40" rx="10" ry="5"/>')
    assert isinstance(polygon, Polygon)
    points = np.array(polygon.polygon)
    assert points.min(axis=0) == pytest.approx([40, 35])
    assert points.max(axis=0) == pytest.approx([60, 45])
    (polygon,) = read(tmp_path, '<ellipse label="c" cx="50" cy="40" rx="10" ry="5" rotation="90"/>')
    assert isinstance(polygon, Polygon)
    assert np.array(polygon.polygon).max(axis=0) == pytest.approx([55, 50])


def test_skeleton(tmp_path: Path) -> None:
    """Points in the order of their label: outside ones are not labeled, occluded ones hidden, missing ones neither."""
    points = (
        '<points label="eye" outside="0" occluded="1" points="3,4"/>'
        '<points label="nose" outside="1" points="5,6"/>'
    )
    shape = f'<skeleton label="person" z_order="0" occluded="0">{points}</skeleton>'
    (pose,) = read(tmp_path, shape)
    assert pose == Keypoints(label="person", keypoints=[(3, 4, 1), (5, 6, 0)])
    drawing = (
        '<line data-type="edge" data-node-from="1" data-node-to="3" /><circle data-node-id="3" data-label-name="ear" />'
        '<circle data-node-id="1" data-label-name="nose" /><circle data-node-id="2" data-label-name="eye" />'
    )  # fmt: skip
    parts = "".join(
        f"<label><name>{name}</name><type>points</type><parent>person</parent></label>"
        for name in ("eye", "nose", "ear", "mouth")
    )
    label = f"<label><name>person</name><type>skeleton</type><svg>{escape(drawing)}</svg></label>"
    meta = f"<meta><task><labels>{label}{parts}</labels></task></meta>"
    path = tmp_path / "b.xml"
    image = f'<image name="a.jpg" width="9" height="9">{shape}</image>'
    path.write_text(f"<annotations>{meta}{image}</annotations>")
    classes = Classes()
    (sample,) = read_format(path, "cvat", classes=classes)
    assert classes.names == ["person"]
    skeleton = Skeleton(points=("nose", "eye", "ear", "mouth"), edges=((0, 2),))
    assert classes.skeletons == {"person": skeleton}
    expected = [(5, 6, 0), (3, 4, 1), (0, 0, 0), (0, 0, 0)]
    assert sample.annotations == [Keypoints(label="person", keypoints=expected)]
    convert(path, tmp_path / "again.xml", "cvat")
    classes = Classes()
    (again,) = read_format(tmp_path / "again.xml", "cvat", classes=classes)
    assert again == sample
    assert classes.skeletons == {"person": skeleton}


def test_a_track_of_a_skeleton(tmp_path: Path) -> None:
    """Between two key frames each point moves; its visibility stays until the next one."""
    shapes = "".join(
        f'<skeleton frame="{frame}" keyframe="1"><points label="nose" occluded="{hidden}" outside="0" points="{x},4"/></skeleton>'
        for frame, hidden, x in ((0, 1, 2), (2, 0, 6))
    )
    meta = "<meta><task><mode>interpolation</mode><size>3</size></task></meta>"
    path = tmp_path / "a.xml"
    path.write_text(
        f'<annotations>{meta}<track id="5" label="person">{shapes}</track></annotations>'
    )
    poses = [sample.annotations[0] for sample in read_format(path, "cvat")]
    points = [pose.keypoints for pose in poses if isinstance(pose, Keypoints)]
    assert points == [[(2, 4, 1)], [(4, 4, 1)], [(6, 4, 2)]]


def test_cuboid_and_tag(tmp_path: Path) -> None:
    """The box of a cuboid; a tag is a label of the image."""
    corners = (("tl1", 1, 1), ("bl1", 1, 9), ("tr1", 5, 1), ("br1", 5, 9), ("tl2", 2, 2), ("bl2", 2, 8),
               ("tr2", 6, 2), ("br2", 6, 8))  # fmt: skip
    numbers = " ".join(f'x{name}="{x}" y{name}="{y}"' for name, x, y in corners)
    losses = Losses()
    found = read(tmp_path, f'<cuboid label="car" {numbers}/><tag label="night"/>', losses)
    assert found == [Rectangle(label="car", bbox=(1, 1, 5, 8)), ImageLabel(label="night")]
    assert (list(losses.counts), losses.shapes) == (["a cuboid; its box is"], 1)


def test_flags_are_metadata(tmp_path: Path) -> None:
    """Occlusion, order and group of a shape, where they say something."""
    corners = 'xtl="1" ytl="2" xbr="4" ybr="6"'
    attribute = '<attribute name="color">red</attribute>'
    shape = f'<box label="a" occluded="1" z_order="3" group_id="7" source="auto" {corners}>{attribute}</box>'
    assert read(tmp_path, shape) == [
        Rectangle(
            label="a",
            bbox=(1, 2, 3, 4),
            attributes={"color": [AttributeValue(value="red")]},
            metadata={"occluded": 1, "z_order": 3, "group_id": 7, "source": "auto"},
        )
    ]
    assert read(
        tmp_path, f'<box label="a" occluded="0" z_order="0" source="manual" {corners}/>'
    ) == [Rectangle(label="a", bbox=(1, 2, 3, 4))]


def test_labels_keep_their_order(tmp_path: Path) -> None:
    """Labels of the task, unused ones as well, are the classes of an export."""
    labels = "".join(f"<label><name>{name}</name></label>" for name in ("z", "unused", "a"))
    image = '<image name="a.jpg" width="9" height="9"><box label="a" xtl="1" ytl="1" xbr="2" ybr="2"/></image>'
    (tmp_path / "a.xml").write_text(f"<annotations>{META.format(labels)}{image}</annotations>")
    convert(tmp_path / "a.xml", tmp_path / "out", "yolo")
    assert '0: "z"\n  1: "unused"\n  2: "a"' in (tmp_path / "out" / "data.yaml").read_text()
    convert(tmp_path / "a.xml", tmp_path / "out.xml", "cvat")
    convert(tmp_path / "out.xml", tmp_path / "again", "yolo")
    assert '0: "z"\n  1: "unused"\n  2: "a"' in (tmp_path / "again" / "data.yaml").read_text()


def test_every_problem_is_listed(tmp_path: Path) -> None:
    """All shapes that are not valid, with their places."""
    good = '<box label="a" xtl="1" ytl="2" xbr="4" ybr="6"/>'
    bad = good.replace('"4"', '"0"') + good.replace('"4"', '"x"') + good.replace('label="a"', "")
    with pytest.raises(FormatError) as refusal:
        read(tmp_path, bad + good)
    assert len(refusal.value.problems) == 3
    losses = Losses()
    (sample,) = read_format(tmp_path / "a.xml", "cvat", losses=losses, skip_invalid=True)
    assert (len(sample.annotations), losses.problems.count) == (1, 3)


def test_what_is_written_has_no_task_of_a_video(tmp_path: Path) -> None:
    """Images that are written come back as images."""
    sample = Sample(image="a.jpg", annotations=[], width=9, height=9)
    write_export([sample], tmp_path / "a.xml", "cvat")
    assert list(read_format(tmp_path / "a.xml", "cvat")) == [sample]

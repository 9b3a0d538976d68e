"""Augmentations: the pictures are what they say, and annotations are where their pixels went."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError

from layernext.errors import DataError
from layernext.model import Keypoints, Line, Points, Polygon, Rectangle, Skeleton
from layernext.stack.media import Decoder, NotAugmentable, Picture, move_into
from layernext.stack.media.moving import Move, crop_to
from layernext.stack.media.picture import augment as make_picture
from layernext.stack.media.picture import open_image
from layernext.wire.augmentations import RANGES, SWITCHES, Augmentation, read_augmentations

BOX = (3, 2, 5, 4)


@dataclass
class Made:
    """A picture with its file, and where annotations go in it."""

    content: bytes
    ending: str
    width: int
    height: int
    move: Move


def augment(image: Image.Image, what: Augmentation, seed: int, name: str) -> Made:
    picture, content = make_picture(image, what, seed, name)
    return Made(content, picture.extension, picture.width, picture.height, move_into(picture))


@pytest.fixture
def image(tmp_path: Path) -> Image.Image:
    """Black, but for a box of color."""
    pixels = np.zeros((11, 17, 3), np.uint8)
    pixels[2:6, 3:8] = (200, 100, 50)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    return open_image(path)


def pixels_of(picture: Made) -> Any:
    import io

    return np.array(Image.open(io.BytesIO(picture.content)))


TURNS = [
    ("FLIP_IMAGE", "FLIP_HORIZONTAL"),
    ("FLIP_IMAGE", "FLIP_VERTICAL"),
    ("NINETY_ROTATION", "CLOCKWISE"),
    ("NINETY_ROTATION", "COUNTER_CLOCKWISE"),
    ("NINETY_ROTATION", "UPSIDE_DOWN"),
]


@pytest.mark.parametrize(("kind", "name"), TURNS, ids=[name for _, name in TURNS])
def test_shapes_stay_with_their_pixels(image: Image.Image, kind: str, name: str) -> None:
    """Of mirrors and turns: every geometry covers exactly the pixels that it covered before."""
    made = augment(image, Augmentation(kind, name), 0, "a")
    ys, xs = np.nonzero(pixels_of(made).any(axis=2))
    wanted = (xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1)
    (box,) = made.move(Rectangle(label="x", bbox=BOX, confidence=0.5))
    assert isinstance(box, Rectangle)
    assert (box.bbox, box.confidence) == (wanted, 0.5)
    corners = [(3, 2), (8, 2), (8, 6), (3, 6)]
    moved = [
        made.move(Polygon(label="x", polygon=corners))[0].polygon,  # type: ignore[union-attr]
        made.move(Line(label="x", line=corners))[0].line,  # type: ignore[union-attr]
        made.move(Points(label="x", points=corners))[0].points,  # type: ignore[union-attr]
    ]
    assert moved[0] == moved[1] == moved[2]
    assert min(moved[0]) == wanted[:2]
    assert max(moved[0]) == (wanted[0] + wanted[2], wanted[1] + wanted[3])
    assert (made.width, made.height) == (pixels_of(made).shape[1], pixels_of(made).shape[0])


def test_clockwise_is_clockwise(image: Image.Image) -> None:
    """The top left corner goes to the top right."""
    made = augment(image, Augmentation("NINETY_ROTATION", "CLOCKWISE"), 0, "a")
    (point,) = made.move(Points(label="x", points=[(0, 0)]))
    assert point.points == [(11, 0)]  # type: ignore[union-attr]


def test_a_crop_keeps_what_is_in_it(image: Image.Image) -> None:
    """The box covers the colored pixels that are left, for whatever window the seed chooses."""
    for seed in range(20):
        made = augment(image, Augmentation("CROP", "CROP_PERCENTAGE", 40, 70), seed, "a")
        ys, xs = np.nonzero(pixels_of(made).any(axis=2))
        boxes = [one.bbox for one in made.move(Rectangle(label="x", bbox=BOX))]  # type: ignore[union-attr]
        wanted = (
            [(xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1)]
            if len(xs)
            else []
        )
        assert boxes == wanted


def test_cropped_shapes() -> None:
    """Polygons are cut at the edge, lines into pieces; what is outside is gone."""
    crop = crop_to(10, 10, 10, 10)
    (polygon,) = crop(Polygon(label="x", polygon=[(5, 5), (15, 5), (15, 15), (5, 15)]))
    assert sorted(polygon.polygon) == [(0, 0), (0, 5), (5, 0), (5, 5)]  # type: ignore[union-attr]
    assert crop(Polygon(label="x", polygon=[(0, 0), (5, 0), (5, 5)])) == []
    zigzag = Line(label="x", line=[(5, 12), (25, 12), (25, 14), (5, 14)], confidence=0.25)
    pieces = crop(zigzag)
    assert [one.line for one in pieces] == [[(0, 2), (10, 2)], [(10, 4), (0, 4)]]  # type: ignore[union-attr]
    assert {one.confidence for one in pieces} == {0.25}
    assert crop(Line(label="x", line=[(11, 11)]))[0].line == [(1, 1)]  # type: ignore[union-attr]
    (points,) = crop(Points(label="x", points=[(9, 9), (12, 13)]))
    assert points.points == [(2, 3)]  # type: ignore[union-attr]
    assert crop(Points(label="x", points=[(9, 9)])) == []


coordinates = st.tuples(st.floats(-50, 50), st.floats(-50, 50))


@settings(deadline=None)
@given(st.lists(coordinates, min_size=1, max_size=8))
def test_nothing_is_left_outside(points: list[tuple[float, float]]) -> None:
    """Whatever the shape, what is left of it is in the window."""
    crop = crop_to(-10, -5, 30, 20)
    shapes = [Polygon(label="x", polygon=points), Line(label="x", line=points)]
    for shape in shapes:
        for one in crop(shape):
            left = one.polygon if isinstance(one, Polygon) else one.line  # type: ignore[union-attr]
            assert all(-1e-9 <= x <= 30 + 1e-9 and -1e-9 <= y <= 20 + 1e-9 for x, y in left)


def test_colors(image: Image.Image) -> None:
    """Each says what it does; annotations stay, and the same seed draws the same numbers."""

    def color(kind: str, name: str, amount: float) -> tuple[int, ...]:
        made = augment(image, Augmentation(kind, name, amount, amount), 0, "a")
        box = Rectangle(label="x", bbox=BOX)
        assert made.move(box) == [box]
        return tuple(pixels_of(made)[3, 4].tolist())

    assert color("BRIGHTNESS", "BRIGHTNESS_DEGREES", -50) == (100, 50, 25)
    assert len(set(color("GRAYSCALE", "GRAYSCALE_PERCENTAGE", 100))) == 1
    assert color("GRAYSCALE", "GRAYSCALE_PERCENTAGE", 0) == (200, 100, 50)
    red, green, blue = color("SATURATION", "SATURATION_DEGREES", 50)
    assert (red > 200, blue < 50) == (True, True)
    red, green, blue = color("HUE", "HUE_DEGREES", 100)
    assert green > red
    assert color("IMAGE_BLUR", "BLUR", 0) == (200, 100, 50)
    assert color("IMAGE_BLUR", "BLUR", 5)[0] < 150
    noise = Augmentation("NOISE", "NOISE_PERCENTAGE", 50, 50)
    first, again, other = (augment(image, noise, seed, "a").content for seed in (1, 1, 2))
    assert first == again != other
    changed = (pixels_of(augment(image, noise, 1, "a")) != np.array(image)).any(axis=2).mean()
    assert 0.3 < changed < 0.7


def test_other_kinds_of_images(tmp_path: Path) -> None:
    """Transparency and greys stay; what has more than 8 bits, or is not an image, is left alone."""
    flip = Augmentation("FLIP_IMAGE", "FLIP_VERTICAL")
    hue = Augmentation("HUE", "HUE_DEGREES", 50, 50)
    for mode, kind in (("RGBA", "PNG"), ("L", "PNG"), ("P", "GIF"), ("RGB", "JPEG"), ("CMYK", "TIFF")):  # fmt: skip
        path = tmp_path / f"{mode}.{kind.lower()}"
        Image.new(mode, (4, 3), 0).save(path, kind)
        opened = open_image(path)
        for what in (flip, hue):
            made = augment(opened, what, 0, "a")
            assert made.ending == ("jpg" if kind == "JPEG" else "png")
            assert (made.width, made.height) == (4, 3)
    Image.new("I;16", (4, 3)).save(tmp_path / "deep.png")
    (tmp_path / "no.png").write_bytes(b"no image")
    with pytest.raises(NotAugmentable, match="more than 8 bits"):
        open_image(tmp_path / "deep.png")
    with pytest.raises(UnidentifiedImageError):
        open_image(tmp_path / "no.png")


EVERYTHING = [
    *(Augmentation(kind, name) for kind, names in SWITCHES.items() for name in names),
    *(Augmentation(kind, name, low, high) for kind, (name, low, high) in RANGES.items()),
]


def test_the_decoder_makes_the_same_pictures(tmp_path: Path, image: Image.Image) -> None:
    """In its own process: the same bytes for the same seed, and after a damaged image as well."""
    folder = tmp_path / "pictures"
    (tmp_path / "no.png").write_bytes(b"no image")
    Image.new("I;16", (4, 3)).save(tmp_path / "deep.png")

    def made_of(name: str) -> list[tuple[Picture, bytes]]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        path = tmp_path / name
        pictures = decoder.augment(path, folder, EVERYTHING, seed=7, name="ä", alive=lambda: None)
        return [(one, (folder / f"{n}").read_bytes()) for n, one in enumerate(pictures)]

    with Decoder() as decoder:
        expected = [make_picture(image, what, 7, "ä") for what in EVERYTHING]
        assert made_of("a.png") == expected
        process = decoder._process
        with pytest.raises(NotAugmentable, match="UnidentifiedImageError"):
            made_of("no.png")  # for the log, in which a defect of ours must be visible
        with pytest.raises(NotAugmentable, match=r"^it has more than 8 bits a channel$"):
            made_of("deep.png")
        assert made_of("a.png") == expected
        assert decoder._process is process


def asked(kind: str, *properties: dict[str, Any]) -> dict[str, Any]:
    return {"IMAGE_LEVEL": [{"id": kind, "properties": list(properties)}]}


@pytest.mark.parametrize(
    ("given_list", "text"),
    [
        (["FLIP_IMAGE"], "must be an object with IMAGE_LEVEL"),
        ({"BOUNDING_BOX_LEVEL": []}, "only IMAGE_LEVEL is"),
        ({"IMAGE_LEVEL": {}}, "must be a list"),
        ({"IMAGE_LEVEL": ["FLIP_IMAGE"]}, r"\[0\]: must be an object"),
        (asked("IMAGE_ROTATION", {"id": "PERCENTAGE_SCALE", "values": [-5, 5]}), "is not a box; NINETY"),
        (asked("SHEAR"), "a sheared box is not a box"),
        (asked("MOSAIC"), "does not say how"),
        (asked("ZOOM"), "'ZOOM' is not known; known are FLIP_IMAGE"),
        (asked("FLIP_IMAGE"), "must be a list with one at least"),
        (asked("FLIP_IMAGE", {"id": "LEFT", "values": [True]}), "must be FLIP_HORIZONTAL or"),
        (asked("FLIP_IMAGE", {"id": "FLIP_VERTICAL", "values": [1]}), r"must be \[true\] or"),
        (asked("HUE", {"id": "HUE_DEGREES", "values": [-101, 5]}), "of -100 to 100"),
        (asked("HUE", {"id": "HUE_DEGREES", "values": [5, -5]}), "the smaller first"),
        (asked("HUE", {"id": "HUE_DEGREES", "values": [True, 5]}), "two numbers"),
        (asked("HUE", {"id": "HUE_DEGREES", "values": [float("nan"), 5]}), "two numbers"),
        (asked("HUE", {"id": "HUE_DEGREES"}), "values: must be a list"),
        (asked("HUE", *[{"id": "HUE_DEGREES", "values": [1, 5]}] * 2), "twice"),
    ],
)  # fmt: skip
def test_what_is_refused(given_list: Any, text: str) -> None:
    """By place and reason, and with what there is instead."""
    with pytest.raises(DataError, match=text):
        read_augmentations(given_list, "augmentation_list")


def test_what_is_read() -> None:
    """Switches that are off and what is not selected make nothing."""
    both = asked(
        "FLIP_IMAGE",
        {"id": "FLIP_HORIZONTAL", "values": [True]},
        {"id": "FLIP_VERTICAL", "values": [False]},
    )
    (one,) = read_augmentations(both, "x")
    assert str(one) == "FLIP_IMAGE.FLIP_HORIZONTAL"
    both["IMAGE_LEVEL"][0]["isSelected"] = False
    assert read_augmentations(both, "x") == read_augmentations(None, "x") == []
    (blur,) = read_augmentations(asked("IMAGE_BLUR", {"id": "BLUR", "values": [1, 3.5]}), "x")
    assert str(blur) == "IMAGE_BLUR.BLUR 1..3.5"


@pytest.mark.parametrize(("kind", "name"), TURNS, ids=[name for _, name in TURNS])
def test_a_mirrored_left_hand_is_a_right_one(image: Image.Image, kind: str, name: str) -> None:
    """Keypoints keep their pixels; in a mirror those change places that the skeleton names."""
    picture, _ = make_picture(image, Augmentation(kind, name), 0, "a")
    skeleton = Skeleton(points=("head", "left", "right"), flips=((1, 2),))
    pose = Keypoints(label="x", keypoints=[(4, 3, 2), (3, 5, 1), (0, 0, 0)], bbox=BOX)
    plain, swapped = (move_into(picture, known)(pose)[0] for known in ({}, {"x": skeleton}))
    assert isinstance(plain, Keypoints)
    assert isinstance(swapped, Keypoints)
    (box,) = move_into(picture)(Rectangle(label="x", bbox=BOX))
    assert isinstance(box, Rectangle)
    assert plain.bbox == swapped.bbox == box.bbox
    head, left, nothing = plain.keypoints
    assert nothing == (0, 0, 0)
    is_mirror = name.startswith("FLIP")
    assert swapped.keypoints == ([head, nothing, left] if is_mirror else plain.keypoints)

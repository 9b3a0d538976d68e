"""Names of pictures as different tools write them."""

from __future__ import annotations

import pytest

from layernext.errors import DataError
from layernext.formats import NameMatcher, matched_names

IMAGES = [
    "train/a.jpg",
    "val/b.png",
    "val/deep/c.jpg",
    "d.e.jpg",
    "été/ü 1.jpg",
    "x/same.jpg",
    "y/same.jpg",
]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("train/a.jpg", "train/a.jpg"),
        ("./train/a.jpg", "train/a.jpg"),
        ("/train//a.jpg", "train/a.jpg"),
        ("train\\a.jpg", "train/a.jpg"),
        ("a.jpg", "train/a.jpg"),
        ("train/a", "train/a.jpg"),
        ("a", "train/a.jpg"),
        ("data/images/train/a.jpg", "train/a.jpg"),
        ("C:\\data\\train\\a.jpg", "train/a.jpg"),
        ("deep/c.jpg", "val/deep/c.jpg"),
        ("b.jpg", "val/b.png"),
        ("d.e.jpg", "d.e.jpg"),
        ("d.e", "d.e.jpg"),
        ("http://host:8080/data/local-files/val/b.png", "val/b.png"),
        ("s3://bucket/set/%C3%A9t%C3%A9/%C3%BC%201.jpg", "été/ü 1.jpg"),
        ("/data/upload/3/1a2b3c4d-a.jpg", "train/a.jpg"),
        ("a_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "train/a.jpg"),
        ("x/same.jpg", "x/same.jpg"),
        ("other/x/same.jpg", "x/same.jpg"),
        ("nothing.jpg", None),
        ("", None),
    ],
)
def test_find(name: str, image: str | None) -> None:
    """The image that a person would say is meant."""
    assert NameMatcher(IMAGES).find(name).name == image


def test_several_images_are_named() -> None:
    """A name that fits several is none of them."""
    match = NameMatcher(IMAGES).find("same.jpg")
    assert (match.name, match.candidates) == (None, ("x/same.jpg", "y/same.jpg"))
    with pytest.raises(
        DataError, match=r"same\.jpg: fits several images: 'x/same\.jpg' and 'y/same\.jpg'"
    ):
        matched_names({"same.jpg": 1}, IMAGES)


def test_two_names_of_one_image() -> None:
    """They are never merged."""
    with pytest.raises(
        DataError, match=r"is the same image as 'a\.jpg': both match 'train/a\.jpg'"
    ):
        matched_names({"a.jpg": 1, "train/a.jpg": 2}, IMAGES)


def test_names_that_fit_nothing_stay() -> None:
    assert matched_names({"a.jpg": 1, "new.jpg": 2}, IMAGES) == {"train/a.jpg": 1, "new.jpg": 2}

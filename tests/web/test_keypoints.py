"""Keypoints are drawn with the lines of their skeleton, hidden points as rings, and picked on points and lines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from layernext import ImageAnnotations, Keypoints, LabelClass, LayerNextClient, Skeleton
from tests.support.stack_process import running_stack
from tests.web.conftest import Site, wait_for_thumbnails, wait_until
from tests.web.test_image import READY, place_of, settled
from tests.web.test_rotated_boxes import alpha_at

WIDTH, HEIGHT = 400, 200
SKELETON = Skeleton(
    points=("head", "hip", "left foot", "right foot", "hand"),
    edges=((0, 1), (1, 2), (1, 3), (0, 4)),
)
HEAD, HIP, LEFT, RIGHT = (200, 30), (200, 110), (150, 180), (250, 180)
POSE = Keypoints(
    label="person",
    keypoints=[(*HEAD, 2), (*HIP, 1), (*LEFT, 0.9), (*RIGHT, 2), (0, 0, 0)],
    confidence=0.9,
)
FRACTIONS = Keypoints(
    label="person",
    keypoints=[(x / WIDTH, y / HEIGHT, seen) for x, y, seen in POSE.keypoints],
    confidence=0.9,
)
BOXED = Keypoints(label="person", keypoints=[(0, 0, 0)] * 5, bbox=(20, 20, 60, 100))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    """A gray image with a pose in pixels and in fractions, and one of which only the box is known."""
    folder = tmp_path_factory.mktemp("keypoints")
    (folder / "images").mkdir()
    Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)).save(folder / "images" / "a.png")
    with (
        running_stack(folder / "stack", "--quiet") as stack,
        LayerNextClient(*stack.arguments) as client,
    ):
        client.upload_files_to_collection(folder / "images", "image", "yard", progress=False)
        for run, annotations in (("pixels", [POSE, BOXED]), ("fractions", [FRACTIONS])):
            images = [ImageAnnotations(image="a.png", annotations=annotations)]
            client.upload_modelrun(
                "yard", run, images, normalized=run == "fractions", progress=False
            )
        client.collections.set_classes("yard", [LabelClass(name="person", skeleton=SKELETON)])
        truth = ImageAnnotations(image="a.png", annotations=[POSE])
        client.upload_modelrun("yard", "truth", [truth], ground_truth=True, progress=False)
        names = {"collection": "yard", "run": "pixels", "ground_truth": "truth"}
        client.evaluate(**names, geometry="keypoints")
        wait_for_thumbnails(client)
        (collection,) = client.collections.list()
        yield Site(stack, client, collection.id)


def opened(site: Site, open_page, run: str) -> Page:
    (item,) = site.client.items.iter(collection="yard")
    visit = open_page(f"/collections/{site.collection_id}/images/{item.id}?run={run}")
    visit.allowed.append("willReadFrequently")  # it is this test that reads the canvas
    wait_until(visit.page, READY)
    settled(visit.page)
    page: Page = visit.page
    return page


def middle(one: tuple[int, int], other: tuple[int, int]) -> tuple[float, float]:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


@pytest.mark.parametrize("run", ["pixels", "fractions"])
def test_drawn_with_its_lines_and_picked_there(site: Site, open_page, run: str) -> None:
    """Lines join labeled points only; dots are full, the hidden point is a ring; names stand in the list."""
    page = opened(site, open_page, run)
    for place in (middle(HEAD, HIP), middle(HIP, LEFT), middle(HIP, RIGHT)):
        assert alpha_at(page, *place) > 100, place
    for place in (middle(HEAD, (0, 0)), middle(LEFT, RIGHT), (0, 0)):
        assert alpha_at(page, *place) == 0, place
    page.mouse.move(*place_of(page, *middle(HIP, RIGHT)))
    expect(page.locator(".is-hovered")).to_contain_text("person")
    page.mouse.move(*place_of(page, *middle(LEFT, RIGHT)))
    expect(page.locator(".is-hovered")).to_have_count(0)
    page.mouse.click(*place_of(page, *HEAD))
    row = page.locator(".is-selected")
    expect(row).to_contain_text("keypoints")
    expect(row).to_contain_text("5 points, 4 labeled")
    expect(row).to_contain_text("left foot (")


def test_the_box_stands_for_points_that_nobody_labeled(site: Site, open_page) -> None:
    """It is drawn and picked."""
    page = opened(site, open_page, "pixels")
    assert alpha_at(page, 20, 70) > 100
    page.mouse.click(*place_of(page, 50, 70))
    expect(page.locator(".is-selected")).to_contain_text("5 points, 0 labeled")


def test_small_pictures_and_numbers(site: Site, open_page) -> None:
    """The grid draws the same lines; the page of a run shows the averages of keypoints."""
    visit = open_page(f"/collections/{site.collection_id}?run=pixels")
    wait_until(visit.page, "document.querySelector('.wall canvas, .tile canvas, canvas') !== null")
    page = open_page(f"/run?collection={site.collection_id}&run=pixels").page
    expect(page.locator(".evaluation .tiles").first).to_contain_text("AP50")
    expect(page.locator(".evaluation")).to_contain_text("AR@0.75")

"""Masks and polygons of parts in the pages: drawn and picked, on the image and on small pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from layernext import ImageAnnotations, LayerNextClient, Mask, Polygon, Rectangle, RunLengths
from layernext.model import kind_of
from tests.support.stack_process import running_stack
from tests.web.conftest import Site, wait_for_thumbnails, wait_until
from tests.web.test_image import READY, place_of, settled

WIDTH, HEIGHT = 320, 240


def ring() -> Mask:
    """What lies between two circles."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = (rows - 100) ** 2 + (columns - 120) ** 2
    pixels = (distance < 80**2) & (distance > 40**2)
    return Mask(label="ring", confidence=0.9, mask=RunLengths.from_array(pixels))


def noise() -> Mask:
    """More runs than a small picture gets."""
    pixels = np.random.default_rng(1).random((HEIGHT, WIDTH)) > 0.5
    pixels[:, :240] = False
    pixels[60:80, 250:270] = True
    return Mask(label="noise", confidence=0.8, mask=RunLengths.from_array(pixels))


RING, NOISE = ring(), noise()
PARTS = Polygon(
    label="parts",
    parts=[
        [
            [(20, 190), (100, 190), (100, 235), (20, 235)],
            [(40, 200), (40, 225), (80, 225), (80, 200)],
        ],
        [[(90, 200), (90, 210), (140, 210), (140, 200)]],
    ],
)
"""An outline with a hole, and one that overlaps it and runs the other way round."""

BOX = Rectangle(label="box", bbox=(110, 90, 20, 20))


def street(horizon: int) -> Any:
    """A label map: sky above, road below, a pole on both, and a void stripe at the right."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[horizon:] = 1
    pixels[40:200, 150:170] = 2
    pixels[:, 300:] = 255
    return pixels


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    """A gray image with masks, in pixels; and the same masks in a run of fractions."""
    folder = tmp_path_factory.mktemp("masks")
    (folder / "images").mkdir()
    Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)).save(folder / "images" / "a.png")
    with (
        running_stack(folder / "stack", "--quiet") as stack,
        LayerNextClient(*stack.arguments) as client,
    ):
        client.upload_files_to_collection(Path(folder / "images"), "image", "yard", progress=False)
        images = [ImageAnnotations(image="a.png", annotations=[RING, NOISE, BOX, PARTS])]
        client.upload_modelrun("yard", "pixels", images, progress=False)
        fractions = [ImageAnnotations(image="a.png", annotations=[RING, NOISE])]
        client.upload_modelrun("yard", "fractions", fractions, normalized=True, progress=False)
        for name, horizon in (("truth", 100), ("map", 120)):
            with client.model_run("yard", name, ground_truth=name == "truth") as log:
                log.log("a.png", semantic=street(horizon), names=["sky", "road", "pole"])
        client.evaluate(
            collection="yard", run="map", ground_truth="truth", geometry="semantic_mask"
        )
        wait_for_thumbnails(client)
        (collection,) = client.collections.list()
        yield Site(stack, client, collection.id)


def color_at(page: Page, x: float, y: float) -> list[int]:
    """The color of the shapes' canvas at a pixel of the image: red, green, blue and alpha."""
    left, top = place_of(page, x, y)
    script = """([x, y]) => {
      const canvas = document.querySelector(".pane canvas");
      const box = canvas.getBoundingClientRect();
      const ratio = canvas.width / box.width;
      return [...canvas.getContext("2d").getImageData((x - box.left) * ratio, (y - box.top) * ratio, 1, 1).data];
    }"""
    found: list[int] = page.evaluate(script, [left, top])
    return found


@pytest.mark.parametrize("run", ["pixels", "fractions"])
def test_masks_are_drawn_and_picked(site: Site, open_page, run: str) -> None:
    """What is inside is tinted and picked; a hole is neither, and what is in it can be picked."""
    (item,) = site.client.items.iter(collection="yard")
    visit = open_page(f"/collections/{site.collection_id}/images/{item.id}?run={run}")
    visit.allowed.append("willReadFrequently")  # it is this test that reads the canvas
    page = visit.page
    expect(page.locator(".annotations li")).to_have_count(4 if run == "pixels" else 2)
    wait_until(page, READY)
    settled(page)
    assert 40 < color_at(page, 60, 100)[3] < 120, "inside of the ring"
    assert color_at(page, 120, 70)[3] == 0, "in its hole"
    assert color_at(page, 5, 5)[3] == 0
    page.mouse.move(*place_of(page, 60, 100))
    expect(page.locator(".is-hovered")).to_contain_text("ring")
    page.mouse.move(*place_of(page, 120, 70))
    expect(page.locator(".is-hovered")).to_have_count(0)
    if run == "pixels":
        page.mouse.move(*place_of(page, 120, 100))
        expect(page.locator(".is-hovered")).to_contain_text("box")
    page.mouse.click(*place_of(page, 60, 100))
    row = page.locator(".is-selected")
    expect(row).to_contain_text("mask")
    expect(row).to_contain_text("pixels of 320 × 240")  # noqa: RUF001 - as it is shown
    mask = RING.mask
    expect(row).to_contain_text(f"{int(kind_of(RING).area(mask)):,}")


def test_parts_and_holes(site: Site, open_page) -> None:
    """Both parts are picked, also where they overlap; the hole is not."""
    (item,) = site.client.iter_items(collection="yard")
    visit = open_page(f"/collections/{site.collection_id}/images/{item.id}?run=pixels")
    visit.allowed.append("willReadFrequently")
    page = visit.page
    wait_until(page, READY)
    settled(page)
    for place, is_on in (
        ((30, 210), True),
        ((60, 212), False),
        ((95, 205), True),
        ((130, 205), True),
    ):
        page.mouse.move(*place_of(page, *place))
        expect(page.locator(".is-hovered")).to_have_count(int(is_on))
    expect(page.locator(".is-hovered")).to_contain_text("parts")
    page.mouse.click(*place_of(page, 130, 205))
    expect(page.locator(".is-selected")).to_contain_text("3 outlines")
    settled(page)
    assert color_at(page, 30, 212)[3] > 0
    assert color_at(page, 60, 212)[3] == 0
    assert color_at(page, 95, 205)[3] > 0


def test_small_pictures_have_masks(site: Site, open_page) -> None:
    """Both masks, the one of noise coarser."""
    visit = open_page(f"/collections/{site.collection_id}?run=pixels")
    visit.allowed.append("willReadFrequently")
    page = visit.page
    canvas = page.locator(".cell canvas").first
    expect(canvas).to_be_visible()
    tinted = """() => {
      const canvas = document.querySelector(".cell canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const share = (from, to) => {
        let count = 0, all = 0;
        for (let y = 0; y < canvas.height; y += 1)
          for (let x = Math.floor(canvas.width * from); x < canvas.width * to; x += 1) {
            all += 1;
            if (data[(y * canvas.width + x) * 4 + 3] > 0) count += 1;
          }
        return count / all;
      };
      return [share(0.1, 0.6), share(0.8, 1), share(0, 0.05)];
    }"""
    wait_until(page, f"({tinted})()[1] > 0.2")
    ring_share, noise_share, nothing = page.evaluate(tinted)
    assert 0.3 < ring_share < 0.9
    assert noise_share > 0.2
    assert nothing < 0.2


def test_label_maps_are_drawn_and_picked(site: Site, open_page) -> None:
    """Every label fills its pixels and is picked there; what is void is neither drawn nor picked."""
    (item,) = site.client.items.iter(collection="yard")
    visit = open_page(f"/collections/{site.collection_id}/images/{item.id}?run=map")
    visit.allowed.append("willReadFrequently")
    page = visit.page
    expect(page.locator(".annotations li")).to_have_count(3)
    wait_until(page, READY)
    settled(page)
    colors = [color_at(page, *place) for place in ((60, 50), (60, 200), (160, 100))]
    assert all(40 < color[3] < 120 for color in colors)
    assert len({tuple(color[:3]) for color in colors}) == 3
    assert color_at(page, 310, 100)[3] == 0
    for place, label in (((60, 50), "sky"), ((60, 200), "road"), ((160, 100), "pole")):
        page.mouse.move(*place_of(page, *place))
        expect(page.locator(".is-hovered")).to_contain_text(label)
    page.mouse.move(*place_of(page, 310, 100))
    expect(page.locator(".is-hovered")).to_have_count(0)
    page.mouse.click(*place_of(page, 60, 200))
    row = page.locator(".is-selected")
    expect(row).to_contain_text("semantic mask")
    expect(row).to_contain_text(f"{int((street(120) == 1).sum()):,}")


def test_numbers_of_label_maps(site: Site, open_page) -> None:
    """The page of a run shows mIoU and the accuracies, IoU of labels, and a confusion matrix of pixels."""
    page = open_page(f"/run?collection={site.collection_id}&run=map").page
    tiles = page.locator(".evaluation .tiles")
    for title in ("mIoU", "Pixel accuracy", "Mean accuracy"):
        expect(tiles.first).to_contain_text(title)
    evaluation = page.locator(".evaluation")
    expect(evaluation).to_contain_text("the confusion matrix counts pixels")
    expect(evaluation).not_to_contain_text("What the errors cost")
    expect(evaluation.locator("th", has_text="IoU").first).to_be_visible()
    moved = int(((street(100) == 1) & (street(120) == 0)).sum())
    cell = page.locator(".matrix button", has_text=f"{moved:,}")
    cell.click()
    expect(cell).to_have_attribute("aria-pressed", "true")

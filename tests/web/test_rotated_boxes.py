"""Rotated boxes are drawn turned and picked where they are; labels of the image are chips over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from layernext import ImageAnnotations, ImageLabel, LayerNextClient, RotatedBox
from tests.support.stack_process import running_stack
from tests.web.conftest import Site, wait_for_thumbnails, wait_until
from tests.web.test_image import READY, place_of, settled

WIDTH, HEIGHT = 400, 200
SHIP = RotatedBox(label="ship", bbox=(100, 90, 200, 20), rotation=30, confidence=0.9)
LABELS = [ImageLabel(label="harbor", confidence=0.75), ImageLabel(label="night")]
FRACTIONS = RotatedBox(label="ship", bbox=(0.25, 0.45, 0.5, 0.1), rotation=30, confidence=0.9)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    """A gray image with the same rotated box in pixels and in fractions."""
    folder = tmp_path_factory.mktemp("rotated")
    (folder / "images").mkdir()
    Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)).save(folder / "images" / "a.png")
    with (
        running_stack(folder / "stack", "--quiet") as stack,
        LayerNextClient(*stack.arguments) as client,
    ):
        client.upload_files_to_collection(folder / "images", "image", "yard", progress=False)
        for run, annotations in (("pixels", [SHIP, *LABELS]), ("fractions", [FRACTIONS])):
            images = [ImageAnnotations(image="a.png", annotations=annotations)]
            client.upload_modelrun(
                "yard", run, images, normalized=run == "fractions", progress=False
            )
        truth = ImageAnnotations(image="a.png", annotations=[ImageLabel(label="harbor")])
        client.upload_modelrun("yard", "truth", [truth], ground_truth=True, progress=False)
        client.evaluate(
            collection="yard", run="pixels", ground_truth="truth", geometry="image_label"
        )
        wait_for_thumbnails(client)
        (collection,) = client.collections.list()
        yield Site(stack, client, collection.id)


def alpha_at(page: Page, x: float, y: float) -> int:
    """How opaque the shapes' canvas is at a pixel of the image."""
    left, top = place_of(page, x, y)
    script = """([x, y]) => {
      const canvas = document.querySelector(".pane canvas");
      const box = canvas.getBoundingClientRect();
      const ratio = canvas.width / box.width;
      return canvas.getContext("2d").getImageData((x - box.left) * ratio, (y - box.top) * ratio, 1, 1).data[3];
    }"""
    opacity: int = page.evaluate(script, [left, top])
    return opacity


# Ends of the box's middle line, turned by 30 degrees clockwise about (200, 100).
FRONT, BACK = (200 + 86.6, 150), (200 - 86.6, 50)
UPRIGHT_END, ABOVE = (299, 100), (280, 60)


@pytest.mark.parametrize("run", ["pixels", "fractions"])
def test_drawn_turned_and_picked_there(site: Site, open_page, run: str) -> None:
    """The short sides are where the turned box ends; the corner of the box around it is not on it."""
    (item,) = site.client.items.iter(collection="yard")
    visit = open_page(f"/collections/{site.collection_id}/images/{item.id}?run={run}")
    visit.allowed.append("willReadFrequently")  # it is this test that reads the canvas
    page = visit.page
    wait_until(page, READY)
    settled(page)
    assert min(alpha_at(page, *FRONT), alpha_at(page, *BACK)) > 100
    assert max(alpha_at(page, *UPRIGHT_END), alpha_at(page, *ABOVE)) == 0
    page.mouse.move(*place_of(page, 200 + 80, 100 + 46))
    expect(page.locator(".is-hovered")).to_contain_text("ship")
    page.mouse.move(*place_of(page, *ABOVE))
    expect(page.locator(".is-hovered")).to_have_count(0)
    page.mouse.click(*place_of(page, 200, 100))
    row = page.locator(".is-selected")
    expect(row).to_contain_text("rotated box")
    expect(row).to_contain_text("30° clockwise")


def test_labels_of_the_image_are_chips(site: Site, open_page) -> None:
    """Each label is a chip over the image, which selects its row; the filters count for it, too."""
    (item,) = site.client.items.iter(collection="yard")
    page = open_page(f"/collections/{site.collection_id}/images/{item.id}?run=pixels").page
    wait_until(page, READY)
    settled(page)
    chips = page.locator(".image-label")
    expect(chips).to_have_text(["night", "harbor 0.75"])
    chips.last.click()
    expect(page.locator(".annotations .is-selected")).to_contain_text("harbor")
    expect(page.locator(".annotations .is-selected")).to_contain_text("the whole image")
    page = open_page(f"/collections/{site.collection_id}/images/{item.id}?run=pixels&min=0.8").page
    wait_until(page, READY)
    expect(page.locator(".image-label")).to_have_text(["night"])


def test_numbers_of_classification(site: Site, open_page) -> None:
    """The page of a run shows what classifiers are measured by, and no kinds of errors."""
    page = open_page(f"/run?collection={site.collection_id}&run=pixels").page
    tiles = page.locator(".evaluation .tiles")
    expect(tiles.first).to_contain_text("Accuracy")
    expect(tiles.first).to_contain_text("Macro F1")
    expect(page.locator(".evaluation")).to_contain_text("each image's most confident label")
    expect(page.locator(".evaluation")).not_to_contain_text("What the errors cost")

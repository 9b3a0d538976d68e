"""The page of one image."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from layernext.cli.demo_scene import predicted, scenes, truth
from tests.web.conftest import (
    COLLECTION,
    IMAGES,
    MODEL,
    OTHER,
    PHONE,
    TRUTH,
    WIDE,
    Site,
    check_accessible,
    shoot,
    wait_for_thumbnails,
    wait_until,
)

READY = "document.getElementById('stage').ariaBusy === 'false'"
LOADED = f"{READY} && [...document.images].every((one) => one.complete && one.naturalWidth)"


def path_of(site: Site, name: str, query: str = "") -> str:
    """The path of an image's page."""
    (item,) = site.client.items.iter(collection=COLLECTION, query=f'name = "{name}"')
    return f"/collections/{site.collection_id}/images/{item.id}{query}"


def place_of(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a place of the image is in the window."""
    found = page.evaluate(
        """([x, y]) => {
          const sheet = document.querySelector(".sheet");
          const { a, e, f } = new DOMMatrix(getComputedStyle(sheet).transform);
          const pane = sheet.parentElement.getBoundingClientRect();
          return [pane.left + e + x * a, pane.top + f + y * a];
        }""",
        [x, y],
    )
    return found[0], found[1]


def scale_of(page: Page) -> float:
    return page.evaluate(
        "new DOMMatrix(getComputedStyle(document.querySelector('.sheet')).transform).a"
    )


def settled(page: Page) -> None:
    """After the next frame."""
    page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_image(site, open_page, scheme, size):
    """The image, its annotations as a list, what is known of it; accessible, not too wide."""
    page = open_page(path_of(site, "scene_00001.jpg"), scheme=scheme, size=size).page
    scene = scenes(2)[1]
    expect(page.get_by_role("heading", name="scene_00001.jpg")).to_be_visible()
    expect(page.locator("#steps")).to_contain_text(f"2 of {IMAGES}")
    for run, found in ((TRUTH, truth(scene)), (OTHER, predicted(scene, seed=5))):
        section = page.locator("#side section", has=page.get_by_role("heading", name=run))
        expect(section.locator(".annotations li")).to_have_count(len(found["annotations"]))
    wait_until(page, LOADED)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"image-{scheme}-{size[0]}")
    page.locator(".annotations button").first.click()
    check_accessible(page)


def test_list_and_shapes_are_linked(site, open_page):
    """A shape that is clicked is selected in the list with all it has; and the other way round."""
    page = open_page(path_of(site, "scene_00000.jpg", f"?run={MODEL}")).page
    annotations = predicted(scenes(1)[0])["annotations"]
    boxes = [(n, one) for n, one in enumerate(annotations) if one["type"] == "rectangle"]
    index, wanted = min(boxes, key=lambda pair: pair[1]["bbox"][2] * pair[1]["bbox"][3])
    x, y, width, height = wanted["bbox"]
    wait_until(page, READY)
    settled(page)
    page.mouse.move(*place_of(page, x + width / 2, y + height / 2))
    expect(page.locator(".is-hovered")).to_contain_text("crate")
    page.mouse.click(*place_of(page, x + width / 2, y + height / 2))
    row = page.locator(".is-selected")
    expect(row).to_contain_text(f"{x}, {y}, {width}, {height}")
    expect(row).to_contain_text(str(wanted["confidence"]))
    expect(row).to_contain_text(wanted["attributes"]["color"][0]["value"])
    expect(row).to_contain_text(str(wanted["metadata"]["anchor"]))
    expect(page).to_have_url(re.compile(rf"selected=0\.{index}$"))
    page.reload()
    expect(row).to_contain_text(f"{x}, {y}, {width}, {height}")
    page.keyboard.press("Enter")
    settled(page)
    assert scale_of(page) > 3
    page.keyboard.press("Escape")
    expect(row).to_have_count(0)
    page.keyboard.press("ArrowDown")
    expect(row.locator("button")).to_have_attribute("aria-expanded", "true")


def test_zoom_and_pan(site, open_page):
    """The wheel zooms where the pointer is; keys and dragging do the rest."""
    page = open_page(path_of(site, "scene_00000.jpg")).page
    wait_until(page, READY)
    settled(page)
    fitted = scale_of(page)
    x, y = place_of(page, 100, 100)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -600)
    settled(page)
    assert scale_of(page) > 2 * fitted
    zoomed = place_of(page, 100, 100)
    assert zoomed == pytest.approx((x, y), abs=4)  # a wheel tells whole pixels
    page.mouse.down()
    page.mouse.move(x + 50, y + 30, steps=3)
    page.mouse.up()
    settled(page)
    assert place_of(page, 100, 100) == pytest.approx((zoomed[0] + 50, zoomed[1] + 30), abs=1)
    page.keyboard.press("1")
    settled(page)
    assert scale_of(page) == pytest.approx(1)
    page.keyboard.press("+")
    settled(page)
    assert scale_of(page) == pytest.approx(1.25)
    page.keyboard.press("0")
    settled(page)
    assert scale_of(page) == pytest.approx(fitted)


def test_pinch(site, open_page):
    """Two fingers zoom on a phone."""
    page = open_page(path_of(site, "scene_00000.jpg"), size=PHONE).page
    wait_until(page, READY)
    settled(page)
    fitted = scale_of(page)
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, apart: float) -> None:
        points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [] if kind == "touchEnd" else points},
        )

    fingers("touchStart", 20)
    for apart in (30, 40, 50, 60):
        fingers("touchMove", apart)
    fingers("touchEnd", 0)
    settled(page)
    assert scale_of(page) == pytest.approx(3 * fitted, rel=0.1)


def test_steps_follow_the_query(site, open_page):
    """Next and previous go through the grid's result; Back then leads to the grid, not through them."""
    page = open_page(f"/collections/{site.collection_id}?q=name+~+0003&sort=-name").page
    page.get_by_role("link", name="scene_00038.jpg").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("scene_00038.jpg")
    expect(page.locator("#steps")).to_contain_text("2 of 11")
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("scene_00037.jpg")
    expect(page).to_have_title("scene_00037.jpg · LayerNext")
    here = page.url
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Previous image").click()
    page.get_by_role("button", name="Previous image").click()
    expect(heading).to_have_text("scene_00039.jpg")
    expect(page.get_by_role("button", name="Previous image")).to_be_disabled()
    page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text("scene_00039.jpg")
    page.go_back()
    expect(page.locator("#count")).to_have_text("11 images")
    page.goto(here)
    expect(page.locator("#steps")).to_contain_text("3 of 11")


def test_side_by_side(site, open_page):
    """Each run in a pane of its own, and the panes move together."""
    page = open_page(path_of(site, "scene_00000.jpg")).page
    wait_until(page, READY)
    page.keyboard.press("s")
    expect(page.locator(".pane-title")).to_have_text([TRUTH, OTHER])
    expect(page).to_have_url(re.compile("layout=side"))
    page.keyboard.press("+")
    settled(page)
    transforms = page.evaluate(
        "[...document.querySelectorAll('.sheet')].map((one) => one.style.transform)"
    )
    assert transforms[0] == transforms[1]
    check_accessible(page)
    shoot(page, "image-side-by-side")
    page.reload()
    expect(page.locator(".pane")).to_have_count(2)


def test_image_without_a_file(site, open_page):
    """A placeholder with the shapes drawn, and a word why."""
    page = open_page(path_of(site, "scene_00059.jpg")).page
    expect(page.locator(".stage-note")).to_contain_text("This image has no file yet")
    settled(page)
    ink = """() => {
      const canvas = document.querySelector(".pane canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.some((one) => one > 0);
    }"""
    assert page.evaluate(ink)
    expect(page.locator("img")).to_have_count(0)
    check_accessible(page)
    shoot(page, "image-placeholder")


def test_photos_stand_upright(site, open_page, tmp_path):
    """A photo that asks to be turned is, small and large, and its size is that of what is seen."""
    picture = Image.new("RGB", (200, 100), "white")
    picture.paste((200, 0, 0), (150, 0, 200, 50))  # at the top right, as stored
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    site.client.upload_files_to_collection(tmp_path, "image", "turned", progress=False)
    wait_for_thumbnails(site.client)
    (item,) = site.client.items.iter(collection="turned")
    assert (item.width, item.height) == (100, 200)
    (made,) = [one for one in site.client.collections.list() if one.name == "turned"]
    page = open_page(f"/collections/{made.id}").page
    wait_until(page, "document.querySelector('.cell img')?.naturalWidth > 0")

    def is_red_at_bottom_right(locator) -> bool:
        shot = Image.open(io.BytesIO(locator.screenshot())).convert("RGB")
        width, height = shot.size
        pixels = [shot.getpixel((int(width * x), int(height * 0.85))) for x in (0.25, 0.75)]
        return pixels[0][1] > 200 and pixels[1][1] < 80

    assert is_red_at_bottom_right(page.locator(".cell img"))
    page.goto(f"{site.url}/collections/{made.id}/images/{item.id}")
    wait_until(page, LOADED)
    settled(page)
    assert is_red_at_bottom_right(page.locator(".sheet"))


def test_other_files(site, open_page, tmp_path):
    """A file that is not an image can be downloaded; one that is not there is told."""
    (tmp_path / "notes.txt").write_text("hello")
    site.client.upload_files_to_collection(
        tmp_path / "notes.txt", "other", "papers", progress=False
    )
    (made,) = [one for one in site.client.collections.list() if one.name == "papers"]
    visit = open_page(f"/collections/{made.id}")
    page = visit.page
    page.get_by_role("link", name="notes.txt").click()
    with page.expect_download() as download:
        page.locator("#stage").get_by_role("link", name="notes.txt").click()
    assert download.value.path().read_text() == "hello"
    check_accessible(page)
    visit.allowed.append("404")
    page.goto(f"{site.url}/collections/{made.id}/images/{1:024x}")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    page.goto(f"{site.url}/collections/nothing")
    expect(page.get_by_role("main")).to_contain_text("There is no collection 'nothing'.")


def test_hide_shapes_and_confidence(site, open_page):
    """Shapes can be hidden for a look at the image; the slider thins out the list as well."""
    page = open_page(path_of(site, "scene_00000.jpg", f"?run={MODEL}")).page
    annotations = predicted(scenes(1)[0])["annotations"]
    some = [one for one in annotations if one["confidence"] >= 0.9]
    expect(page.locator(".annotations li")).to_have_count(len(annotations))
    page.locator("#confidence").fill("0.9")
    expect(page.locator(".annotations li")).to_have_count(len(some))
    page.keyboard.press("h")
    expect(page.get_by_role("button", name="Hide shapes")).to_have_attribute("aria-pressed", "true")


def test_matches(site, open_page):
    """What the run found, missed and made up: as words, as patterns, counted, and in the URL."""
    page = open_page(path_of(site, "scene_00000.jpg", f"?truth={TRUTH}&run={MODEL}")).page
    wait_until(page, READY)
    page.keyboard.press("m")
    legend = page.get_by_role("list", name="Results of matching")
    expect(legend).to_contain_text("matched")
    counts = {
        one.split()[0]: int(one.split()[-1]) for one in legend.locator("li").all_inner_texts()
    }
    scene = scenes(1)[0]
    kinds = ("rectangle", "polygon", "line")
    found = [one for one in predicted(scene)["annotations"] if one["type"] in kinds]
    assert counts["matched"] > 5
    assert sum(counts.values()) - counts["missed"] == len(found)
    rows = page.locator("#side section", has=page.get_by_role("heading", name=TRUTH))
    expect(rows.locator(".outcome", has_text="missed")).to_have_count(counts["missed"])
    expect(page).to_have_url(re.compile("match=1"))
    check_accessible(page)
    shoot(page, "image-matches")
    page.reload()
    expect(legend).to_contain_text("matched")
    page.get_by_role("button", name="Matches").click()
    expect(legend).to_have_count(0)

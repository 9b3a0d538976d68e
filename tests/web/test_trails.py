"""Tracks are named beside shapes, and their trails lead through the frames around an image."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from layernext import ImageAnnotations, LayerNextClient, Rectangle
from layernext.model import video_frame
from tests.support.stack_process import running_stack
from tests.support.videos import write_video
from tests.web.conftest import Site, check_accessible, wait_for_thumbnails, wait_until
from tests.web.test_image import READY, place_of, settled
from tests.web.test_rotated_boxes import alpha_at

WIDTH, HEIGHT, FRAMES = 400, 200, 9


def name_of(number: int) -> str:
    return f"gate/frame_{number:04d}.png"


def boxes(number: int) -> list[Rectangle]:
    """A car that drives to the right, one that stands and has no track, and one that is seen only at first."""
    cars = [
        Rectangle(label="car", bbox=(20 + 40 * number, 90, 20, 20), track=7, confidence=0.9),
        Rectangle(label="car", bbox=(180, 20, 20, 20), confidence=0.8),
    ]
    if number < 3:
        cars.append(Rectangle(label="van", bbox=(20 + 40 * number, 150, 20, 20), track="v:1"))
    return cars


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    """Frames of one sequence; the fourth has no file."""
    folder = tmp_path_factory.mktemp("trails")
    for number in range(FRAMES):
        path = folder / "images" / name_of(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if number != 3:
            Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)).save(path)
    with (
        running_stack(folder / "stack", "--quiet") as stack,
        LayerNextClient(*stack.arguments) as client,
    ):
        client.upload_files_to_collection(folder / "images", "image", "yard", progress=False)
        images = [
            ImageAnnotations(image=name_of(number), annotations=boxes(number))
            for number in range(FRAMES)
        ]
        client.upload_modelrun("yard", "run", images, progress=False)
        client.upload_modelrun("yard", "truth", images, ground_truth=True, progress=False)
        write_video(folder / "clip.mp4", wh=(WIDTH, HEIGHT), codec="libvpx-vp9")
        client.upload_files_to_collection(folder / "clip.mp4", "video", "clips", progress=False)
        frames = [
            ImageAnnotations(image=video_frame("clip.mp4", number), annotations=boxes(number))
            for number in range(2)
        ]
        client.upload_modelrun("gates", "run", frames, progress=False)
        wait_for_thumbnails(client)
        collection = next(one for one in client.collections.list() if one.name == "yard")
        yield Site(stack, client, collection.id)


def test_trails(site: Site, open_page) -> None:
    """Before and after the image the track is a line of centers; without a track there is none; `t` hides them."""
    items = {item.name: item for item in site.client.items.iter(collection="yard")}
    item = items[name_of(4)]
    visit = open_page(f"/collections/{site.collection_id}/images/{item.id}?run=run")
    visit.allowed.append("willReadFrequently")  # it is this test that reads the canvas
    page = visit.page
    wait_until(page, READY)
    settled(page)
    button = page.get_by_role("button", name="Trails")
    expect(button).to_have_attribute("aria-pressed", "true")
    before, after, above, ended = (60, 100), (340, 100), (190, 60), (50, 160)
    page.wait_for_function("document.querySelector('.pane canvas') !== null")
    wait_for_alpha(page, before)
    assert alpha_at(page, *after) > 30  # what comes later is fainter
    assert alpha_at(page, *above) == alpha_at(page, *ended) == 0
    if "SCREENSHOTS" in os.environ:
        page.screenshot(path=str(Path(os.environ["SCREENSHOTS"]) / "trails.png"))
    page.mouse.move(*place_of(page, 190, 92))
    expect(page.locator(".is-hovered")).to_contain_text("#7")
    page.mouse.move(*place_of(page, *above))
    page.keyboard.press("t")
    expect(button).to_have_attribute("aria-pressed", "false")
    settled(page)
    assert alpha_at(page, *before) == 0
    page.keyboard.press("t")
    wait_for_alpha(page, before)
    page.get_by_role("button", name="Previous image").click()
    expect(page.locator("#image-name")).to_have_text(name_of(3))
    expect(page.locator(".stage-note")).to_contain_text("no file yet")
    wait_for_alpha(page, before)  # the file is missing, the trails are not


def test_numbers_of_tracks(site: Site, open_page) -> None:
    """An evaluation that is started with tracks shows their numbers, by sequence and label."""
    page = open_page(f"/run?collection={site.collection_id}&run=run").page
    page.get_by_label("Tracks").check()
    page.get_by_role("button", name="Evaluate").click()
    expect(page.get_by_role("heading", name="Tracks")).to_be_visible()
    tiles = page.locator(".tracking .tile")
    expect(tiles.filter(has_text=re.compile("^HOTA"))).to_contain_text("1.000")
    expect(tiles.filter(has_text="Identity switches")).to_contain_text("2 tracks")
    rows = page.get_by_role("table", name="Tracks by sequence and label").get_by_role("row")
    expect(rows.filter(has_text="gate").first).to_contain_text("1.000")
    expect(rows.filter(has_text="van")).to_have_count(1)
    check_accessible(page)
    if "SCREENSHOTS" in os.environ:
        page.screenshot(path=str(Path(os.environ["SCREENSHOTS"]) / "tracks.png"), full_page=True)


def test_a_frame_of_a_video(site: Site, open_page) -> None:
    """An image that is named as a frame of a video is shown from the video, in its size, with its trail."""
    items = {item.name: item for item in site.client.items.iter(collection="gates")}
    item = items["clip.mp4#frame=1"]
    collection = next(one for one in site.client.collections.list() if one.name == "gates")
    visit = open_page(f"/collections/{collection.id}/images/{item.id}?run=run")
    visit.allowed.append("willReadFrequently")
    page = visit.page
    wait_until(page, "document.querySelector('.sheet video')?.readyState >= 2")
    video = page.locator(".sheet video")
    assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [WIDTH, HEIGHT]
    wait_until(page, "Math.abs(document.querySelector('.sheet video').currentTime - 0.06) < 0.001")
    wait_for_alpha(page, (50, 100))
    expect(page.locator(".stage-note")).to_have_count(0)
    if "SCREENSHOTS" in os.environ:
        page.screenshot(path=str(Path(os.environ["SCREENSHOTS"]) / "frame.png"))


def wait_for_alpha(page, point) -> None:
    """Until something is drawn at a pixel of the image."""
    for _ in range(100):
        settled(page)
        if alpha_at(page, *point) > 100:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"nothing is drawn at {point}")

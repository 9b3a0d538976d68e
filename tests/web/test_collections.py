"""The collections page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.videos import write_video
from tests.web.conftest import COLLECTION, IMAGES, PHONE, WIDE, check_accessible, shoot, wait_until


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_collections(open_page, scheme, size):
    """Each collection has its counts and pictures; nothing is wider than the screen."""
    page = open_page("/", scheme=scheme, size=size).page
    card = page.get_by_role("link", name=COLLECTION)
    expect(card).to_contain_text(f"{IMAGES} images · 4 without a file")
    expect(card.locator("img")).to_have_count(3)
    wait_until(page, "[...document.images].every((one) => one.complete && one.naturalWidth)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"collections-{scheme}-{size[0]}")


def test_search(site, open_page):
    """The search narrows the list, is part of the URL, and says so when nothing is found."""
    page = open_page("/").page
    page.keyboard.press("/")
    page.keyboard.type("SCENES")
    expect(page).to_have_url(f"{site.url}/?q=SCENES")
    expect(page.locator(".cards li")).to_have_count(1)
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()


def test_error_is_told(open_page):
    """What goes wrong is a sentence, with a way to try again."""
    visit = open_page("/")
    visit.allowed.append("503")
    page = visit.page
    body = '{"error": {"message": "the database does not answer", "requestId": "r1"}}'
    page.route("**/api/v1/collections*", lambda route: route.fulfill(status=503, body=body))
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The database does not answer.")
    page.unroute("**/api/v1/collections*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("link", name=COLLECTION)).to_be_visible()


def test_unknown_page(open_page):
    """A path that leads nowhere is answered with a page."""
    visit = open_page(None)
    visit.allowed.append("404")
    visit.page.goto(visit.page.url + "nowhere")
    expect(visit.page.get_by_role("heading", name="Not found")).to_be_visible()
    check_accessible(visit.page)


def test_cards(site, open_page, tmp_path):
    """As docs/viewer.md says: cards of image collections show pictures; those of videos have none."""
    text = " ".join((Path(__file__).parents[2] / "docs" / "viewer.md").read_text().split())
    assert "cards of image collections also show some pictures" in text
    write_video(tmp_path / "a.mp4")
    job = site.client.upload_files_to_collection(tmp_path, "video", "reel", progress=False)
    site.client.wait_for_job_complete(job.job_id)
    page = open_page("/").page
    images = page.locator(".cards li", has=page.get_by_role("link", name=COLLECTION))
    expect(images.locator("img").first).to_be_visible()
    videos = page.locator(".cards li", has=page.get_by_role("link", name="reel"))
    expect(videos).to_have_count(1)
    expect(videos.locator("img")).to_have_count(0)

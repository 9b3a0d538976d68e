"""The page that compares two runs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import (
    LOOKS,
    MODEL,
    OTHER,
    TRUTH,
    WIDE,
    check_accessible,
    shoot,
)


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=["light-wide", "dark-phone"])
def test_compare(site, open_page, scheme, size):
    """A person compares two runs, sees what differs, and the URL brings it back."""
    path = f"/compare?collection={site.collection_id}&a={MODEL}&b={OTHER}".replace(" ", "+")
    page = open_page(path, scheme=scheme, size=size).page
    expect(page.locator("[name=truth]")).to_have_value(f"human {TRUTH}")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name=f"{MODEL} → {OTHER}")).to_be_visible(timeout=30_000)
    expect(page).to_have_url(re.compile("comparison="))
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="AP", exact=True))
    expect(row).to_contain_text(re.compile(r"\S0\.\d{3}.*to"))
    gained = page.locator(".tile").filter(has_text="Gained").locator("dd").first
    assert int(gained.text_content().replace(",", "")) > 0
    link = page.locator(".tallies a").first
    expect(link).to_have_attribute(
        "href", re.compile(rf"^/collections/{site.collection_id}/images/\w+\?truth=.*&run=.*&run=")
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"compare-{scheme}-{size[0]}", full=True)
    if (scheme, size) == ("light", WIDE):
        page.reload()
        expect(page.get_by_role("heading", name=f"{MODEL} → {OTHER}")).to_be_visible()
        expect(page.get_by_text("Up to date")).to_be_visible()
        page.goto(f"{site.url}/jobs")
        page.get_by_role("link", name=re.compile("^Compare")).first.click()
        expect(page.get_by_role("heading", name=f"{MODEL} → {OTHER}")).to_be_visible()


def test_same_run_twice(site, open_page):
    """A run is not compared with itself; it is told in a sentence."""
    path = f"/compare?collection={site.collection_id}&a={MODEL}&b={MODEL}".replace(" ", "+")
    page = open_page(path).page
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("alert")).to_have_text("A and B are the same run.")

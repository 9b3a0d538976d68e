"""The description of the API, as a page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.conftest import LOOKS, check_accessible, shoot


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=["light-wide", "dark-phone"])
def test_api_docs(open_page, scheme, size):
    """In the frame of the other pages, under their policy; the search finds routes."""
    page = open_page("/api/docs?q=jobs", scheme=scheme, size=size).page
    shown = page.locator(".docs details:visible")
    expect(shown.filter(has_text="List jobs")).to_have_count(1)
    expect(shown.filter(has_text="Make a collection")).to_have_count(0)
    shown.filter(has_text="List jobs").locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"api-docs-{scheme}-{size[0]}")


def test_links_open_messages(open_page):
    """A link to a message opens it, also one that comes from elsewhere; nobody must be signed in."""
    page = open_page("/api/docs#Job", signed_in=False).page
    expect(page.locator("#Job")).to_have_attribute("open", "")
    expect(page.get_by_role("heading", level=1)).to_contain_text("LayerNext stack")

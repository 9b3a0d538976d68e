"""The page of the audit log."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.stack_process import create_key
from tests.web.conftest import COLLECTION, LOOKS, MODEL, check_accessible, shoot


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=["light-wide", "dark-phone"])
def test_activity(site, open_page, scheme, size):
    """Who did what to which collection; names from data are no markup."""
    site.client.collections.create("<b>street</b>")
    page = open_page("/activity", scheme=scheme, size=size).page
    row = page.get_by_role("row").filter(has_text="<b>street</b>").first
    expect(row).to_contain_text("create collection")
    expect(row).to_contain_text("127.0.0.1")
    upload = page.get_by_role("row").filter(has_text=MODEL).filter(has_text="upload annotations")
    expect(upload).to_contain_text(COLLECTION)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"activity-{scheme}-{size[0]}")


def test_filters_are_in_the_url(site, open_page):
    """Each filter asks the stack, and a reload finds it again."""
    page = open_page("/activity").page
    page.get_by_label("Action").select_option("upload annotations")
    expect(page.get_by_role("row").filter(has_text="create collection")).to_have_count(0)
    page.get_by_placeholder("Collection").fill(COLLECTION)
    expect(page).to_have_url(
        f"{site.url}/activity?action=upload+annotations&collection=demo%2Fscenes"
    )
    expect(page.get_by_role("row").filter(has_text=MODEL)).to_have_count(1)
    page.reload()
    expect(page.get_by_role("row").filter(has_text=MODEL)).to_have_count(1)
    page.get_by_placeholder("Who").fill("nobody")
    expect(page.get_by_text("No entries")).to_be_visible()
    page.get_by_placeholder("Who").fill("")
    page.get_by_label("From", exact=True).fill("2020-01-01")
    expect(page.get_by_role("row").filter(has_text=MODEL)).to_have_count(1)
    page.get_by_label("To", exact=True).fill("2020-01-01")
    expect(page.get_by_text("No entries")).to_be_visible()


def test_older_entries(site, open_page):
    """A page at a time, by a button."""
    for number in range(120):
        site.client.collections.create(f"many {number % 7}")
    page = open_page("/activity?action=create+collection").page
    rows = page.get_by_role("row")
    expect(rows).to_have_count(101)
    page.get_by_role("button", name="Show older entries").click()
    expect(page.get_by_role("button", name="Show older entries")).to_have_count(0)
    assert rows.count() > 120


def test_only_administrators_have_the_page(site, open_page):
    """Others see no link to it, and are told if they type its address."""
    expect(open_page("/").page.get_by_role("link", name="Activity")).to_be_visible()
    auth = create_key(site.stack.folder, "write")
    made = httpx.post(f"{site.url}/api/v1/sign-in-links", auth=auth).raise_for_status().json()
    visit = open_page(None, signed_in=False)
    visit.allowed.append("403")
    page = visit.page
    page.goto(made["url"])
    expect(page.get_by_role("link", name="Runs")).to_be_visible()
    expect(page.get_by_role("link", name="Activity")).to_have_count(0)
    page.goto(f"{site.url}/activity")
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()

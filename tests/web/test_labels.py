"""The labels page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import COLLECTION, LOOKS, MODEL, check_accessible, shoot


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=["light-wide", "dark-phone"])
def test_labels(site, open_page, scheme, size):
    """Every label with its color; what is chosen is part of the URL."""
    names = [label.name for label in site.client.get_all_labels()]
    page = open_page("/labels", scheme=scheme, size=size).page
    for name in names:
        expect(page.get_by_role("rowheader", name=name, exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"labels-{scheme}-{size[0]}")
    page.get_by_role("searchbox").fill(names[0])
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page).to_have_url(f"{site.url}/labels?q={names[0].replace(' ', '+')}")


def test_counts_of_a_run(site, open_page):
    """With a run chosen, each label has its counts there and leads to its images in the grid."""
    page = open_page("/labels").page
    page.locator("#run").select_option(label=f"{MODEL} · {COLLECTION}")
    found = site.client.runs.statistics(collection=COLLECTION, run=MODEL)
    name, many = max(found.labels.items(), key=lambda one: one[1])
    row = page.get_by_role("row").nth(1)
    expect(row).to_contain_text(name)
    expect(row).to_contain_text(f"{many:,}")
    row.get_by_role("link", name=name).click()
    expect(page).to_have_url(re.compile(rf"/collections/{site.collection_id}\?q=annotation\.label"))
    expect(page.locator("#count")).to_contain_text(str(found.images_by_label[name]))


def test_new_label_and_group(site, open_page):
    """Who may write makes labels and groups; markup in a name is text."""
    page = open_page("/labels").page
    page.get_by_role("button", name="New label").click()
    page.get_by_label("Name").fill("<img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("rowheader", name="<img src=x")).to_be_visible()
    page.get_by_role("button", name="New group").click()
    check_accessible(page)
    page.get_by_label("Name").fill("oddities")
    page.get_by_role("checkbox", name="<img src=x").check()
    page.get_by_role("button", name="Create").click()
    page.locator("#group").select_option("oddities")
    expect(page.get_by_role("row")).to_have_count(2)
    page.reload()
    expect(page.get_by_role("row")).to_have_count(2)
    (group,) = site.client.get_all_label_groups()
    assert (group.name, len(group.label_refs)) == ("oddities", 1)

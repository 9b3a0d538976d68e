"""The jobs page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.conftest import LOOKS, check_accessible, shoot

RUNNING, QUEUED, FAILED = 1, 3, 4


@pytest.fixture(scope="module")
def keep(site):
    """Says how far a client's own job is (E38); hostile names are no markup."""

    def say(name, progress, status):
        site.client.create_or_update_job(
            f"session {name}", f"{name} <b>x</b>", -1, progress, status
        )

    say("train", 40, RUNNING)
    say("export", 0, QUEUED)
    say("clean", 70, FAILED)
    return say


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=["light-wide", "dark-phone"])
def test_jobs(keep, open_page, scheme, size):
    """Every job has its status, progress and time."""
    page = open_page("/jobs", scheme=scheme, size=size).page
    running = page.get_by_role("row").filter(has_text="train <b>x</b>")
    expect(running).to_contain_text("Running")
    expect(running.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    expect(page.get_by_role("row").filter(has_text="Inspect").first).to_contain_text("Done")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"jobs-{scheme}-{size[0]}")


def test_progress_is_live(site, keep, open_page):
    """What a job says shows up without a reload; a filter is part of the URL and stays."""
    page = open_page("/jobs").page
    page.get_by_role("button", name="Active").click()
    expect(page).to_have_url(f"{site.url}/jobs?show=active")
    row = page.get_by_role("row").filter(has_text="train")
    expect(row).to_contain_text("40 %")
    expect(page.get_by_role("row").filter(has_text="clean")).to_have_count(0)
    keep("train", 85, RUNNING)
    expect(row).to_contain_text("85 %")
    page.reload()
    expect(page.get_by_role("button", name="Active")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("row").filter(has_text="clean")).to_have_count(0)

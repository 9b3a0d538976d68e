"""Signing in and out, in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.conftest import COLLECTION, PHONE, WIDE, check_accessible, shoot


def test_sign_in_leads_back(site, open_page):
    """A page asks for a key first, and comes when the key was right; a wrong one is told."""
    visit = open_page("/?q=scenes", signed_in=False)
    page = visit.page
    visit.allowed.append("401")
    expect(page).to_have_url(f"{site.url}/sign-in?next=/%3Fq%3Dscenes")
    page.get_by_label("API key").fill(site.stack.api_key)
    page.get_by_label("Secret").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wrong secret")
    page.get_by_label("Secret").fill(site.stack.secret)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{site.url}/?q=scenes")
    expect(page.get_by_role("heading", name=COLLECTION)).to_be_visible()
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")


def test_link_works_once(site, open_page):
    """The link of the terminal signs in, and not a second time."""
    link = site.link()
    first = open_page(None, signed_in=False)
    first.page.goto(link)
    expect(first.page).to_have_url(f"{site.url}/")
    second = open_page(None, signed_in=False)
    second.allowed.append("401")
    second.page.goto(link)
    expect(second.page.get_by_role("alert")).to_contain_text("has been used")
    assert link.partition("#")[2] not in second.page.url


def test_sign_out(site, open_page):
    """Signing out ends the session in the browser and in the stack."""
    page = open_page("/").page
    (cookie,) = page.context.cookies()
    page.get_by_role("button", name="test admin").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{site.url}/sign-in")
    page.context.add_cookies([cookie])
    page.goto(f"{site.url}/")
    expect(page).to_have_url(f"{site.url}/sign-in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_sign_in_page_is_accessible(open_page, scheme, size):
    """The sign-in page, light and dark, wide and narrow."""
    page = open_page("/sign-in", signed_in=False, scheme=scheme, size=size).page
    check_accessible(page)
    shoot(page, f"sign-in-{scheme}-{size[0]}")


def test_colors_can_be_chosen(open_page):
    """The switch goes from the system's colors to light and to dark, and stays so."""
    page = open_page("/sign-in", signed_in=False, scheme="light").page
    switch = page.locator("#theme-switch")
    switch.click()
    switch.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


def test_help_by_key(open_page):
    """`?` shows the keys, Escape hides them."""
    page = open_page("/").page
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("To the search")
    check_accessible(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

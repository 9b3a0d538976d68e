"""The pages of runs: all of them, and one with its evaluation."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import (
    COLLECTION,
    IMAGES,
    LOOKS,
    MODEL,
    TRUTH,
    check_accessible,
    shoot,
    wait_until,
)


@pytest.fixture(scope="module")
def evaluation(site):
    """The model run against the ground truth, as the SDK evaluates it."""
    return site.client.evaluate(
        collection=COLLECTION, run=MODEL, ground_truth=TRUTH, progress=False
    )


def run_url(site, **fields):
    query = {"collection": site.collection_id, "run": MODEL, **fields}
    return "/run?" + "&".join(f"{name}={value}".replace(" ", "+") for name, value in query.items())


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=["light-wide", "dark-phone"])
def test_runs(site, open_page, scheme, size):
    """Every run with its counts; two of them lead to their comparison."""
    page = open_page("/runs", scheme=scheme, size=size).page
    row = page.get_by_role("row").filter(has_text=MODEL)
    expect(row).to_contain_text("Model run")
    expect(row).to_contain_text(str(IMAGES))
    page.get_by_label("Compare scenes model v1").check()
    page.get_by_label("Compare scenes model v2").check()
    link = page.get_by_role("link", name=re.compile("^Compare scenes"))
    expect(link).to_have_attribute("href", re.compile(r"^/compare\?collection=\w+&a=.*&b=.*"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"runs-{scheme}-{size[0]}")


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=["light-wide", "dark-phone"])
def test_run(site, evaluation, open_page, scheme, size):
    """The page has the numbers that the SDK has."""
    page = open_page(run_url(site), scheme=scheme, size=size).page
    expect(page.get_by_role("heading", name=MODEL)).to_be_visible()
    expect(page.get_by_text("Up to date")).to_be_visible()
    tiles = page.locator(".evaluation .tile")
    expect(tiles.filter(has_text=re.compile(r"^AP0"))).to_contain_text(
        f"{evaluation.summary['AP']:.3f}"
    )
    expect(page.get_by_role("figure").filter(has_text="Confidence").first).to_be_visible()
    worst = page.locator(".tallies li")
    expect(worst).to_have_count(24)
    wait_until(
        page, "[...document.querySelectorAll('.tallies')].every((one) => one.children.length)"
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"run-{scheme}-{size[0]}", full=True)


def test_curve_by_mouse_and_key(site, evaluation, open_page):
    """Each point of the curve tells its confidence, to the mouse and to the keyboard."""
    page = open_page(run_url(site)).page
    curve = page.get_by_role("slider", name="Precision over recall")
    said = page.get_by_role("figure", name="Precision over recall").locator(".readout")
    expect(said).to_contain_text(f"confidence ≥ {evaluation.confidence:.3f}")
    before = said.text_content()
    curve.focus()
    page.keyboard.press("ArrowRight")
    expect(said).not_to_have_text(before)
    box = curve.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
    recall = float(re.search(r"recall (\d\.\d+)", said.text_content())[1])
    assert recall < 0.4
    label = evaluation.labels[0].label
    page.locator("#curve-label").select_option(label)
    expect(page).to_have_url(re.compile(f"label={label}"))


def test_cell_opens_its_images(site, evaluation, open_page):
    """A cell of the confusion matrix shows the images behind it, and the URL brings that back."""
    page = open_page(run_url(site)).page
    name = evaluation.labels[0].label
    place = evaluation.confusion.labels.index(name)
    missed = evaluation.confusion.counts[place][-1]
    cell = page.get_by_role("button", name=f"{missed}: {name} taken for (background)")
    cell.click()
    images = page.locator(".cell-images")
    expect(images.get_by_role("heading")).to_have_text(re.compile(f"^{missed} . {name} → missed$"))
    first = images.get_by_role("link").first
    expect(first).to_have_attribute(
        "href", re.compile(rf"^/collections/{site.collection_id}/images/\w+\?truth=.*&run=.*")
    )
    page.reload()
    expect(images.get_by_role("heading")).to_have_text(re.compile(f"^{missed} . {name} → missed$"))
    check_accessible(page)
    images.get_by_role("button", name="Close").click()
    expect(images.get_by_role("heading")).to_have_count(0)


def test_evaluate_and_go_stale(site, open_page):
    """A person starts an evaluation and sees it; when the run changes, the page says so plainly."""
    site.client.upload_modelrun(
        COLLECTION,
        "changing",
        list(site.client.iter_annotations(COLLECTION, MODEL)),
        progress=False,
    )
    page = open_page(f"/run?collection={site.collection_id}&run=changing").page
    expect(page.get_by_role("heading", name="Not evaluated yet")).to_be_visible()
    page.get_by_role("button", name="Evaluate").click()
    expect(page.get_by_text("Up to date")).to_be_visible()
    some = list(site.client.iter_annotations(COLLECTION, MODEL))[:5]
    for image in some:
        image.annotations.clear()
    site.client.upload_modelrun(COLLECTION, "changing", some, progress=False)
    page.reload()
    expect(page.get_by_text("Out of date")).to_be_visible()
    expect(page.get_by_text("Annotations of the run have changed.")).to_be_visible()
    page.get_by_role("button", name="Compute again").click()
    expect(page.get_by_text("Up to date")).to_be_visible()


def test_unknown_run(site, open_page):
    """A run that is not there is told in a sentence."""
    page = open_page(run_url(site, run="<b>none</b>")).page
    expect(page.get_by_role("alert")).to_contain_text("no model run “<b>none</b>”")

"""The grid of a collection's images."""

from __future__ import annotations

import re

import pytest
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
    check_accessible,
    shoot,
    wait_until,
)

DRAWN = "[...document.querySelectorAll('.cell:not([hidden]) canvas')].every((one) => !one.hidden)"


def names(page: Page) -> list[str]:
    """Names of the pictures that are elements now, in the order of elements."""
    return [
        text
        for text in page.locator(".cell:not([hidden]) .caption span:first-child").all_inner_texts()
        if text != "…"
    ]


def ink(page: Page, at: int) -> int:
    """How many pixels of a picture's canvas are drawn on."""
    return page.evaluate(
        """(at) => {
          const canvas = document.querySelector(`.cell[data-at="${at}"] canvas`);
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let i = 3; i < data.length; i += 4) count += data[i] > 0;
          return count;
        }""",
        at,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_grid(site, open_page, scheme, size):
    """Pictures with their shapes; nothing is wider than the screen, all of it is accessible."""
    page = open_page(f"/collections/{site.collection_id}", scheme=scheme, size=size).page
    expect(page.locator("#count")).to_have_text(f"{IMAGES} images")
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
    expect(page.get_by_role("link", name="scene_00000.jpg")).to_be_visible()
    wait_until(page, DRAWN)
    assert names(page) == [f"scene_{number:05d}.jpg" for number in range(len(names(page)))]
    assert ink(page, 0) > 500
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"grid-{scheme}-{size[0]}")
    page.locator("summary", has_text="2 runs").click()
    expect(page.get_by_role("checkbox", name=TRUTH)).to_be_checked()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"grid-runs-{scheme}-{size[0]}")


def test_runs_confidence_and_labels(site, open_page):
    """Shapes are those of the chosen runs, confident enough, of the chosen labels; all in the URL."""
    page = open_page(f"/collections/{site.collection_id}?run={MODEL.replace(' ', '+')}").page
    number = page.locator('.cell[data-at="0"] .caption .number')
    scene = scenes(1)[0]
    found = predicted(scene)["annotations"]
    expect(number).to_have_text(str(len(found)))
    some = [one for one in found if one["confidence"] >= 0.8]
    assert 0 < len(some) < len(found)
    page.locator("#confidence").fill("0.8")
    expect(number).to_have_text(f"{len(some)} of {len(found)}")
    expect(page).to_have_url(re.compile(r"\?run=scenes\+model\+v1&min=0\.8$"))
    page.locator("summary", has_text="All labels").click()
    page.get_by_role("checkbox", name="crate").check()
    crates = [one for one in some if one["label"] == "crate"]
    expect(number).to_have_text(f"{len(crates)} of {len(found)}")
    page.keyboard.press("Escape")
    page.locator("summary", has_text=MODEL).click()
    page.get_by_role("checkbox", name=TRUTH).check()
    real = [one for one in truth(scene)["annotations"] if one["label"] == "crate"]
    all_ = len(found) + len(scene.things)
    expect(number).to_have_text(f"{len(crates) + len(real)} of {all_}")
    page.go_back()
    expect(number).to_have_text(f"{len(crates)} of {len(found)}")
    page.reload()
    expect(number).to_have_text(f"{len(crates)} of {len(found)}")
    page.go_back()
    page.go_back()
    expect(number).to_have_text(str(len(found)))


def test_no_runs(site, open_page):
    """Without a run there are pictures without shapes, and the URL says so."""
    page = open_page(f"/collections/{site.collection_id}?run=scenes+model+v1").page
    page.locator("summary", has_text=MODEL).click()
    page.get_by_role("checkbox", name=MODEL).uncheck()
    expect(page).to_have_url(re.compile(r"\?runs=none$"))
    expect(page.locator('.cell[data-at="0"] .caption .number')).to_have_text("")
    assert ink(page, 0) == 0


def test_query(site, open_page):
    """A query narrows the grid; a wrong one says where it is wrong, and what was there stays."""
    visit = open_page(f"/collections/{site.collection_id}")
    visit.allowed.append("422")
    page = visit.page
    box = page.get_by_role("combobox", name="Query")
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.keyboard.type("name ~ 0000")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("10 images")
    expect(page).to_have_url(re.compile(r"\?q=name"))
    box.fill("name ~ 0000 AND annotation.lable = crate")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Column 17: unknown field 'annotation.lable'; did you mean")
    assert page.evaluate("[document.activeElement.selectionStart, getSelection().toString()]") == [
        16,
        "annotation.lable",
    ]
    check_accessible(page)
    shoot(page, "grid-query-error")
    expect(page.locator("#count")).to_have_text("10 images")
    box.fill("name = nobody")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No matching image")).to_be_visible()
    expect(alert).to_be_hidden()
    page.go_back()
    page.go_back()
    expect(page.locator("#count")).to_have_text("10 images")
    expect(box).to_have_value("name ~ 0000")


def test_completion(site, open_page):
    """The box offers fields, operators, labels and runs, by keys alone."""
    page = open_page(f"/collections/{site.collection_id}").page
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
    box = page.get_by_role("combobox", name="Query")
    options = page.get_by_role("option")
    box.focus()
    for typed, wanted, whole in (
        ("annotation.lab", "annotation.label", "annotation.label "),
        ("", "=", "annotation.label = "),
        ("cr", "crate", "annotation.label = crate "),
        ("an", "AND", "annotation.label = crate AND "),
        ("ru", "run", "annotation.label = crate AND run "),
        ("= ", '"scenes model v1"', 'annotation.label = crate AND run = "scenes model v1" '),
    ):
        page.keyboard.type(typed)
        expect(options.first).to_have_text(re.compile(rf"^{re.escape(wanted)}\s*$"))
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        expect(box).to_have_value(whole)
    check_accessible(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?q=annotation\.label\+%3D\+crate\+AND\+run"))


def test_sort_and_size(site, open_page):
    """Other orders and sizes are choices of the URL as well."""
    page = open_page(f"/collections/{site.collection_id}?sort=-name&size=s").page
    last = f"scene_{IMAGES - 1:05d}.jpg"
    expect(page.locator('.cell[data-at="0"]')).to_contain_text(last)
    page.get_by_label("Sort").select_option("name")
    expect(page.locator('.cell[data-at="0"]')).to_contain_text("scene_00000.jpg")
    expect(page).to_have_url(re.compile(r"\?size=s$"))
    small = page.locator('.cell[data-at="0"]').bounding_box()
    page.get_by_label("Size of the pictures").select_option("l")
    expect(page).to_have_url(re.compile(r"\?size=l$"))
    assert page.locator('.cell[data-at="0"]').bounding_box()["width"] > 1.5 * small["width"]


def test_keys_and_way_back(site, open_page):
    """Arrows move between pictures, Enter opens one, and Back comes to where one was."""
    page = open_page(f"/collections/{site.collection_id}?size=l").page
    expect(page.get_by_role("link", name="scene_00000.jpg")).to_be_visible()
    page.keyboard.press("End")
    last = page.locator(f'.cell[data-at="{IMAGES - 1}"]')
    expect(last).to_be_focused()
    expect(last).to_be_in_viewport()
    expect(last).to_contain_text("scene_00059.jpg")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    before = page.evaluate("Number(document.activeElement.dataset.at)")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"scene_{before:05d}.jpg")).to_be_visible()
    page.go_back()
    expect(page.locator(f'.cell[data-at="{before}"]')).to_be_in_viewport()


def test_images_without_a_file(site, open_page):
    """A placeholder says why there is no picture; the shapes are drawn all the same."""
    page = open_page(f"/collections/{site.collection_id}?q=has_file+%3D+false").page
    expect(page.locator("#count")).to_have_text("4 images")
    expect(page.locator('.cell[data-at="0"]')).to_contain_text("no file yet")
    wait_until(page, DRAWN)
    assert ink(page, 0) > 500


def test_scrolling_keeps_few_elements(site, open_page):
    """However far one scrolls, only what is in view is there, and each picture is the right one."""
    page = open_page(f"/collections/{site.collection_id}?size=l").page
    expect(page.get_by_role("link", name="scene_00000.jpg")).to_be_visible()
    for _ in range(20):
        page.mouse.wheel(0, 400)
        page.wait_for_timeout(30)
    expect(page.get_by_role("link", name="scene_00059.jpg")).to_be_visible()
    shown = page.locator(".cell:not([hidden])")
    assert shown.count() < IMAGES
    for cell in shown.all():
        expect(cell).to_contain_text(f"scene_{int(cell.get_attribute('data-at')):05d}.jpg")
    expect(page).to_have_url(re.compile(r"at=\d+"))


def test_hostile_names(site, open_page):
    """Names of images, runs and labels are text and nothing else."""
    evil = '<img src=x onerror="window.hacked=1">'
    box = {"type": "rectangle", "label": f"{evil}label", "bbox": [1, 2, 30, 40]}
    box["attributes"] = {f"{evil}a": [{"value": f"{evil}v"}]}
    box["metadata"] = {f"{evil}m": {"x": evil}}
    name = f"{evil}.jpg"
    site.client.upload_modelrun(
        f"{evil} c", f"{evil} run", [{"image": name, "annotations": [box]}], progress=False
    )
    (made,) = [one for one in site.client.collections.list() if one.name == f"{evil} c"]
    page = open_page("/").page
    expect(page.get_by_role("heading", name=f"{evil} c")).to_be_visible()
    page.goto(f"{site.url}/collections/{made.id}")
    cell = page.locator('.cell[data-at="0"]')
    expect(cell).to_contain_text(name)
    page.locator("summary", has_text="run").click()
    page.locator("summary", has_text="labels").click()
    cell.click(force=True)
    page.get_by_role("button", name="label").first.click()
    expect(page.locator(".is-selected")).to_contain_text(f"{evil}v")
    assert page.evaluate("window.hacked") is None


def test_two_runs_differ_by_their_lines(site, open_page):
    """The legend shows a pattern for each chosen run, and the second one is not the first one's."""
    query = f"run={MODEL}&run={OTHER}".replace(" ", "+")
    page = open_page(f"/collections/{site.collection_id}?{query}").page
    page.locator("summary", has_text="2 runs").click()
    samples = page.locator(".line-sample path")
    expect(samples).to_have_count(2)
    dashes = {one.get_attribute("stroke-dasharray") for one in samples.all()}
    assert len(dashes) == 2
    assert COLLECTION in page.title()


def test_sort_by_evaluation(site, open_page):
    """Where the run did worst comes first; the evaluation is made for that, and stands in the URL."""
    query = f"truth={TRUTH}&run={MODEL}".replace(" ", "+")
    page = open_page(f"/collections/{site.collection_id}?{query}").page
    expect(page.get_by_role("link", name="scene_00000.jpg")).to_be_visible()
    page.get_by_label("Sort").select_option("false_positives")
    expect(page).to_have_url(re.compile(r"sort=false_positives&evaluation=\w+"), timeout=30_000)
    (made,) = site.client.evaluations.list(collection=COLLECTION)
    worst = next(iter(site.client.evaluations.iter_tallies(made.id, order="false_positives")))
    expect(page.locator('.cell[data-at="0"]')).to_contain_text(worst.image)
    page.reload()
    expect(page.locator('.cell[data-at="0"]')).to_contain_text(worst.image)
    page.go_back()
    expect(page.locator('.cell[data-at="0"]')).to_contain_text("scene_00000.jpg")


def test_sort_that_needs_more_runs(site, open_page):
    """Without two runs there is no disagreement; that is said, and the order stays."""
    page = open_page(f"/collections/{site.collection_id}?run=scenes+model+v1").page
    expect(page.get_by_role("link", name="scene_00000.jpg")).to_be_visible()
    page.get_by_label("Sort").select_option("disagree")
    expect(page.locator("#toasts")).to_contain_text("Choose two model runs")
    expect(page.get_by_label("Sort")).to_have_value("name")

"""The upload page."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.support.stack_process import create_key
from tests.web.conftest import COLLECTION, LOOKS, check_accessible, shoot


def example(count=2, **change):
    """A file of boxes; `change` is made to the last one."""
    images = [
        {"image": f"{n}.jpg", "annotations": [{"label": "<i>car</i>", "bbox": [1, 2, 3, 4]}]}
        for n in range(count)
    ]
    images[-1]["annotations"][0] |= change
    return json.dumps({"images": images}).encode()


def choose(page, *files):
    given = [{"name": name, "mimeType": "", "buffer": content} for name, content in files]
    page.locator("#files").set_input_files(given)


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=["light-wide", "dark-phone"])
def test_upload_of_annotations(site, open_page, scheme, size):
    """A file goes into a run that is there afterwards; one with mistakes is told as the SDK tells it."""
    run = f"upload {scheme} {size[0]}"
    visit = open_page("/upload?collection=uploads", scheme=scheme, size=size)
    visit.allowed.append("422")
    page = visit.page
    expect(page.get_by_role("combobox", name="Collection")).to_have_value("uploads")
    choose(page, ("good.json", example()), ("bad.json", example(bbox=[1, 2, -4.0, 4])))
    page.get_by_label("Name of the run").fill(run)
    check_accessible(page)
    page.get_by_role("button", name="Upload").click()
    good = page.get_by_role("listitem").filter(has_text="good.json")
    expect(good).to_contain_text("2 annotations in 2 images stored.")
    bad = page.get_by_role("listitem").filter(has_text="bad.json").last
    expect(bad).to_contain_text("bad.json: images[1].annotations[0].bbox: width is -4.0")
    expect(page.get_by_role("alert").filter(has_text="Nothing was stored")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_accessible(page)
    shoot(page, f"upload-{scheme}-{size[0]}")
    (made,) = [one for one in site.client.runs.list() if one.name == run]
    assert (made.collection, made.mode, made.annotation_count) == ("uploads", "machine", 2)
    expect(good.get_by_role("link", name="See them")).to_have_attribute(
        "href", f"/collections/{collection_id(site, 'uploads')}?run={run.replace(' ', '+')}"
    )


def collection_id(site, name):
    return next(one.id for one in site.client.collections.list() if one.name == name)


def test_drop_and_cancel(site, open_page):
    """A dropped file is taken; what is missing is asked for; a cancelled upload stores nothing."""
    visit = open_page("/upload")
    page = visit.page
    page.route("**/api/v1/annotation-files*", lambda route: None)  # it never ends
    page.evaluate(
        """text => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([text], "dropped.json"));
          document.getElementById("drop").dispatchEvent(
            new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        example().decode(),
    )
    expect(page.get_by_label("Name of the run")).to_have_value("dropped")
    page.get_by_label("Ground truth").check()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_have_text("Choose a collection.")
    page.get_by_role("combobox", name="Collection").fill(COLLECTION)
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("listitem")).to_contain_text("Canceled. Nothing of it was stored.")
    page.unroute_all(behavior="ignoreErrors")
    assert "dropped" not in [one.name for one in site.client.runs.list()]


def test_upload_of_images(site, open_page):
    """Images go into a collection once; a second time nothing is sent, and other content stays out."""
    image = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(image, "PNG")
    page = open_page("/upload").page
    sent = []
    page.on("request", lambda request: sent.append(request.url.rpartition("/")[2]))
    files = [(f"{n}.png", image.getvalue() + bytes([n])) for n in range(20)]
    for expected in ("20 images stored.", "0 images stored, 20 already there."):
        choose(page, *files, ("notes.txt", b"x"))
        expect(page.get_by_text("1 file left out")).to_be_visible()
        page.get_by_role("combobox", name="Collection").fill("dropped")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("listitem").first).to_contain_text(expected)
    assert sent.count("bundle") == 1
    choose(page, ("3.png", b"other content"), ("new.png", image.getvalue()))
    page.get_by_role("button", name="Upload").click()
    row = page.get_by_role("listitem").first
    expect(row).to_contain_text("1 image stored, 1 not:")
    expect(row).to_contain_text(
        "3.png: the collection already has a different image with this name"
    )
    found = {item.name: item.size for item in site.client.items.iter(collection="dropped")}
    assert found == {name: len(content) for name, content in files} | {
        "new.png": len(files[0][1]) - 1
    }


def test_readers_cannot_upload(site, open_page):
    """A key that may only read has no such page, and is told so."""
    visit = open_page(None, signed_in=False)
    visit.allowed.append("403")
    page = visit.page
    key, secret = create_key(site.stack.folder, "read")
    page.goto(f"{site.url}/sign-in?next=/upload")
    page.get_by_label("API key").fill(key)
    page.get_by_label("Secret").fill(secret)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    expect(page.locator("nav").get_by_role("link", name="Upload")).to_have_count(0)

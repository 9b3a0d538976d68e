"""A kind of geometry that the pages have no drawing for is drawn as the box around it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from layernext import LayerNextClient
from layernext.wire import native
from tests.support.stack_process import running_stack
from tests.web.conftest import Site, wait_until
from tests.web.test_image import READY, place_of, settled

SERVE = """
import made_up_kinds
if __name__ == "__main__":
    from layernext.cli import main
    main()
"""

SET = {
    "image": "a.jpg",
    "annotations": [
        {"type": "rectangle", "label": "car", "bbox": [1, 2, 300, 200]},
        {"type": "ring", "label": "target", "ring": [150, 140, 5, 10], "confidence": 0.5},
        {"type": "scene", "label": "rain"},
    ],
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    """A stack that knows more kinds than the pages, with an image without a file."""
    folder = tmp_path_factory.mktemp("kinds")
    shutil.copy(Path(__file__).parents[1] / "support" / "made_up_kinds.py", folder)
    (folder / "serve.py").write_text(SERVE)
    command = [sys.executable, str(folder / "serve.py")]
    with (
        running_stack(folder / "stack", "--quiet", command=command) as stack,
        LayerNextClient(*stack.arguments) as client,
        httpx.Client(base_url=stack.url, auth=(stack.api_key, stack.secret)) as http,
    ):
        # The kind is not registered in this process, where the client would refuse it.
        request = {"collection": "yard", "run": "rings", "mode": "machine"}
        upload = http.post(native.uploads_path(), json=request).raise_for_status().json()
        http.put(native.batch_path(upload["id"], 0), json=SET).raise_for_status()
        finish = native.finish_path(upload["id"])
        http.post(finish, json={"batches": 1}).raise_for_status()
        (collection,) = client.collections.list()
        yield Site(stack, client, collection.id)


def test_an_unknown_kind_is_drawn_as_its_box(site, open_page) -> None:
    """It is listed by its name, drawn and picked as its box; a kind without a place is only listed."""
    (item,) = site.client.items.iter(collection="yard")
    page = open_page(f"/collections/{site.collection_id}/images/{item.id}?run=rings").page
    rows = page.locator(".annotations li")
    expect(rows).to_have_count(3)
    expect(page.locator(".annotations")).to_contain_text("ring")
    expect(page.locator(".annotations")).to_contain_text("scene")
    wait_until(page, READY)
    settled(page)
    page.mouse.move(*place_of(page, 155, 145))
    expect(page.locator(".is-hovered")).to_contain_text("target")
    page.mouse.click(*place_of(page, 155, 145))
    row = page.locator(".is-selected")
    expect(row).to_contain_text("140, 130, 20, 20")
    expect(row).to_contain_text("x, y, width, height of the box around it")
    page.mouse.move(*place_of(page, 50, 50))
    expect(page.locator(".is-hovered")).to_contain_text("car")
    rows.filter(has_text="rain").locator("button").click()
    expect(row).to_contain_text("none in the image")

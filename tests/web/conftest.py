"""A real browser, and a stack with a few drawn images to look at."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from layernext import LayerNextClient
from layernext.cli.demo_scene import draw_scenes, predicted, scenes, truth
from tests.support.stack_process import StackProcess, running_stack

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# As long as anything else may take where several builds share a machine.
expect.set_options(timeout=60_000)

WIDE, PHONE = (1280, 800), (360, 740)
LOOKS = [("light", WIDE), ("dark", PHONE)]
"""Color schemes and window sizes in which pages are tested."""

IMAGES = 60
COLLECTION = "demo/scenes"
TRUTH, MODEL, OTHER = "scenes truth", "scenes model v1", "scenes model v2"


# Not longer than a module: while Playwright runs, the thread has an event loop, and other tests begin their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for all tests of a module."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        why = "the pages' tests need Chromium; on Debian: sudo apt install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        launched.close()


@dataclass
class Site:
    """A stack with sample data.

    Attributes:
        stack: its process.
        client: of an administrator's key.
        collection_id: of the drawn images.
    """

    stack: StackProcess
    client: LayerNextClient
    collection_id: str

    @property
    def url(self) -> str:
        return self.stack.url

    def link(self) -> str:
        """A fresh link to sign in by."""
        auth = (self.stack.api_key, self.stack.secret)
        made = httpx.post(f"{self.url}/api/v1/sign-in-links", auth=auth)
        return str(made.raise_for_status().json()["url"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    """Drawn images with ground truth and two model runs; the last images have no file."""
    folder = tmp_path_factory.mktemp("site")
    with (
        running_stack(folder / "stack", "--quiet") as stack,
        LayerNextClient(*stack.arguments) as client,
    ):
        every = scenes(IMAGES)
        (folder / "images").mkdir()
        draw_scenes(every[:-4], folder / "images")
        client.upload_files_to_collection(folder / "images", "image", COLLECTION, progress=False)
        made = {TRUTH: truth, MODEL: predicted, OTHER: lambda scene: predicted(scene, seed=5)}
        for run, make in made.items():
            images = [make(scene) for scene in every]
            client.upload_modelrun(
                COLLECTION, run, images, ground_truth=run == TRUTH, progress=False
            )
        (found,) = [one for one in client.collections.list() if one.name == COLLECTION]
        wait_for_thumbnails(client)
        yield Site(stack, client, found.id)


def wait_for_thumbnails(client: LayerNextClient) -> None:
    """Until the stack has inspected every file."""
    import time

    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if not list(client.items.iter(query="state = pending")):
            return
        time.sleep(0.1)
    raise AssertionError("files are still pending")


class Visit:
    """A page of a browser that fails its test for what it complains of.

    Attributes:
        page: Playwright's.
        allowed: patterns of messages that the test expects.
    """

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.allowed: list[str] = []
        self._complaints: list[str] = []
        self._elsewhere: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("request", lambda request: self._watch(request.url, origin))

    def _note(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            place = message.location.get("url", "")
            self._complaints.append(f"{message.text} ({place})")

    def _watch(self, url: str, origin: str) -> None:
        if not url.startswith((origin, "data:", "blob:")):
            self._elsewhere.append(url)

    def check(self) -> None:
        """Nothing was complained of, and nothing was asked of another machine."""
        left = [one for one in self._complaints if not any(re.search(p, one) for p in self.allowed)]
        assert left == []
        assert self._elsewhere == []


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[Callable[..., Visit]]:
    """Opens a page in a browser of its own; signed in unless that is not wanted."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def start(
        path: str | None = "/",
        *,
        signed_in: bool = True,
        size: tuple[int, int] = WIDE,
        scheme: Any = "light",
        **options: Any,
    ) -> Visit:
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            has_touch=size == PHONE,
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        visits.append(Visit(page, site.url))
        if signed_in:
            page.goto(site.link())
            page.wait_for_url(f"{site.url}/")
        if path is not None:
            page.goto(f"{site.url}{path}")
        return visits[-1]

    yield start
    for visit in visits:
        visit.check()
    for context in contexts:
        context.close()


def wait_until(page: Page, expression: str) -> None:
    """Until an expression holds in the page, whose policy forbids Playwright to wait there itself."""
    for _ in range(150):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"it never came to be: {expression}")


AXE = Axe()


def check_accessible(page: Page) -> None:
    """The page has no violation that axe knows to find."""
    found = AXE.run(page)
    assert found.violations_count == 0, found.generate_report()


def shoot(page: Page, name: str, *, full: bool = False) -> None:
    """A screenshot, where somebody has asked for them to look at; `full` of all that can be scrolled."""
    folder = os.environ.get("LAYERNEXT_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=full)

"""The grid of a large collection in a real browser: time to the first view, and frames while scrolling.

    python3 dev.py bench --viewer                  100,000 images, 2 runs of 20 boxes each, SQLite
    python3 dev.py bench --viewer --images 5000    smaller

Fills a stack, starts it, and looks at it with Chromium, which draws without a graphics card. Pictures are real
small pictures that the stack serves, 64 different ones, which the images share. *First view* is the time from the
navigation until every picture in the window is there with its shapes drawn. *Frames* are the times between two
frames of the browser; the limit beside them is an empty page that is scrolled in the same way.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright
from synthetic import iter_images

from layernext.model import ImageDecoder, Mode
from layernext.stack.objects import FolderStore
from layernext.stack.store import BatchPreparation, ImageKey, Store
from layernext.wire.native import UploadRequest

COLLECTION = "large"
BATCH_IMAGES = 500
THUMBNAILS = 64
VISITS = 5
SCROLL_STEPS = 150
STEP_PIXELS = 120
PORT = 8797
# Looks at each frame whether all that is in the window is drawn; and notes how long each frame took.
WATCH = """
window.frames_ms = [];
window.firstView = null;
let before = performance.now();
const isDrawn = () => {
  const cells = [...document.querySelectorAll(".cell:not([hidden])")].filter((cell) => {
    const box = cell.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  });
  return cells.length > 0 && cells.every((cell) => {
    const image = cell.querySelector("img");
    const isThere = !image.hidden && image.complete && image.naturalWidth > 0;
    return !cell.querySelector("canvas").hidden && (isThere || !cell.querySelector(".no-picture").hidden);
  });
};
const look = (now) => {
  window.frames_ms.push(now - before);
  before = now;
  if (window.firstView === null && isDrawn()) window.firstView = performance.now();
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
window.isDrawn = isDrawn;
"""


def fill(folder: Path, images: int, boxes: int) -> None:
    """A store with annotation sets of a ground truth and a run, and a picture for each image."""
    store = Store.open(f"sqlite:///{folder / 'stack.sqlite3'}")
    runs: list[tuple[str, Mode]] = [("truth", "human"), ("model", "machine")]
    for run, mode in runs:
        request = UploadRequest(run=run, mode=mode, collection=COLLECTION)
        upload = store.uploads.open(request).id
        decoder, waiting, number = ImageDecoder(None), [], 0
        for text in iter_images(images, boxes, attributes=False):
            waiting.append(text.encode())
            if len(waiting) == BATCH_IMAGES:
                send(store, upload, number, decoder, waiting)
                waiting, number = [], number + 1
        if waiting:
            send(store, upload, number, decoder, waiting)
            number += 1
        store.uploads.finish(upload, number)
    store.close()
    paths = draw_thumbnails(folder)
    with sqlite3.connect(folder / "stack.sqlite3") as file:
        file.execute(
            "UPDATE image SET has_file = 1, state = 'ready', width = 640, height = 480, size = 1,"
            f" checksum = 'sum' || (id % {len(paths)}), object_path = 'files/none',"
            f" thumbnail_path = 'files/picture-' || (id % {len(paths)}) || '.webp'"
        )
    file.close()


def send(
    store: Store, upload: str, number: int, decoder: ImageDecoder, images: list[bytes]
) -> None:
    batch = BatchPreparation(None, normalized=False)
    for raw in images:
        decoded = decoder.try_decode(raw)
        assert decoded is not None
        batch.add(raw, decoded, ImageKey("name", decoded.image))
    store.annotations.write_batch(upload, number, f"{number}", batch.finish())


def draw_thumbnails(folder: Path) -> list[str]:
    objects, paths, rng = FolderStore(folder / "objects"), [], random.Random(1)
    for number in range(THUMBNAILS):
        picture = Image.effect_noise((256, 192), 40).convert("RGB")
        pen = ImageDraw.Draw(picture)
        for _ in range(12):
            x, y = rng.randint(0, 220), rng.randint(0, 160)
            pen.ellipse((x, y, x + 40, y + 30), fill=(rng.randint(0, 255), 120, 90))
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=80)
        paths.append(f"files/picture-{number}.webp")
        objects.put([(paths[-1], buffer.getvalue())])
    return paths


def drawn_after(page: Page) -> float:
    """Milliseconds until all that is in the window is drawn."""
    started = time.perf_counter()
    while not page.evaluate("isDrawn()"):
        page.wait_for_timeout(5)
    return (time.perf_counter() - started) * 1000


def scrolled(page: Page) -> list[float]:
    """Times between frames while the wheel turns."""
    page.mouse.move(640, 500)
    page.evaluate("frames_ms.length = 0")
    for _ in range(SCROLL_STEPS):
        page.mouse.wheel(0, STEP_PIXELS)
        page.wait_for_timeout(16)
    found: list[float] = page.evaluate("frames_ms.slice(2)")
    return found


def told(name: str, frames: list[float]) -> dict[str, Any]:
    ordered = sorted(frames)
    result = {
        "frames": len(frames),
        "median_ms": round(statistics.median(frames), 1),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 1),
        "longest_ms": round(ordered[-1], 1),
    }
    print(f"{name}: {json.dumps(result)}")
    return result


def measure(url: str, link: str, collection_id: str, images: int) -> None:
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(link)
        page.wait_for_url(f"{url}/")
        visits = []
        for _ in range(VISITS):
            page.goto("about:blank")
            page.goto(f"{url}/collections/{collection_id}")
            while page.evaluate("firstView") is None:
                page.wait_for_timeout(5)
            visits.append(page.evaluate("firstView"))
        print(
            f"first view: first {visits[0]:.0f} ms, again median {statistics.median(visits[1:]):.0f} ms"
        )
        grid = told("frames while the grid is scrolled", scrolled(page))
        for share in (0.5, 1.0):
            page.evaluate(f"scrollTo(0, document.documentElement.scrollHeight * {share})")
            page.wait_for_timeout(50)
            print(
                f"jump to {share:.0%} of {images:,}: all drawn after {drawn_after(page) + 50:.0f} ms"
            )
        told("frames while its end is scrolled up to", scrolled_up(page))
        page.goto(
            "data:text/html,<body style='height:4000000px;background:linear-gradient(red,blue)'>"
        )
        limit = told("limit, an empty page scrolled", scrolled(page))
        ratio = grid["p99_ms"] / limit["p99_ms"]
        print(f"p99 of the grid is {ratio:.1f} x that of the empty page")
        browser.close()


def scrolled_up(page: Page) -> list[float]:
    page.evaluate("frames_ms.length = 0")
    for _ in range(SCROLL_STEPS):
        page.mouse.wheel(0, -STEP_PIXELS)
        page.wait_for_timeout(16)
    found: list[float] = page.evaluate("frames_ms.slice(2)")
    return found


def routes(client: httpx.Client, collection_id: str) -> None:
    """What the two requests of a view cost on the stack."""
    times = []
    for _ in range(7):
        started = time.perf_counter()
        order = client.get("/api/v1/items/order", params={"collection": collection_id})
        times.append((time.perf_counter() - started) * 1000)
    body = order.content
    numbers, at = [], 0
    for step in json.loads(body)["steps"]:
        at += step
        numbers.append(at)
    print(
        f"order of {len(numbers):,}: {statistics.median(times):.0f} ms, {int(order.headers['content-length']):,} bytes"
    )
    runs = [{"name": "truth", "mode": "human"}, {"name": "model", "mode": "machine"}]
    for name, some in (("first", numbers[:60]), ("last", numbers[-60:])):
        times = []
        for _ in range(7):
            started = time.perf_counter()
            page = client.post("/api/v1/items/overlays", json={"items": some, "runs": runs})
            times.append((time.perf_counter() - started) * 1000)
        print(
            f"overlays of the {name} 60: {statistics.median(times):.0f} ms, {int(page.headers['content-length']):,} bytes"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--boxes", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keep the stack's data here, and use it again")
    arguments, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "stack"
        if not (folder / "stack.sqlite3").exists():
            folder.mkdir(parents=True, exist_ok=True)
            fill(folder, arguments.images, arguments.boxes)
        command = [sys.executable, "-m", "layernext.cli"]
        made = subprocess.run(
            [*command, "keys", "create", "bench", "--role", "read", "--data", folder, "--json"],
            check=True, capture_output=True,
        )  # fmt: skip
        key = json.loads(made.stdout)
        url = f"http://127.0.0.1:{PORT}"
        server = subprocess.Popen(
            [*command, "serve", "--data", folder, "--port", str(PORT), "--quiet"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with httpx.Client(base_url=url, auth=(key["api_key"], key["secret"])) as client:
                wait_until_ready(client)
                (collection,) = client.get("/api/v1/collections").json()["items"]
                routes(client, collection["id"])
                link = client.post("/api/v1/sign-in-links").json()["url"]
                measure(url, link, collection["id"], collection["image_count"])
        finally:
            server.terminate()
            server.wait()


def wait_until_ready(client: httpx.Client) -> None:
    for _ in range(600):
        with suppress(httpx.HTTPError):
            client.get("/ready").raise_for_status()
            return
        time.sleep(0.1)
    raise RuntimeError("the stack did not start")


if __name__ == "__main__":
    main()

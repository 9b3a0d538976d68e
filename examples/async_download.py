"""Read several model runs at the same time with the asyncio client.

    export LAYERNEXT_URL=… LAYERNEXT_API_KEY=… LAYERNEXT_SECRET=…
    python examples/async_download.py

It uploads two small runs first, so that there is something to read.
"""

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import layernext

COLLECTION = "examples/async"
RUNS = ("model a", "model b")


async def images() -> AsyncIterator[layernext.ImageAnnotations]:
    """Annotation sets as they might come out of a model."""
    for number in range(100):
        box = layernext.Rectangle(label="cup", bbox=(10, 20, 30, 40), confidence=0.9)
        yield layernext.ImageAnnotations(image=f"{number:03}.jpg", annotations=[box])


async def count(client: layernext.AsyncLayerNextClient, run: str) -> Counter[str]:
    """How often each label occurs in a run; never more than some sets are in memory."""
    labels: Counter[str] = Counter()
    async for image_set in client.iter_annotations(COLLECTION, run):
        labels.update(annotation.label for annotation in image_set.annotations)
    return labels


async def main() -> None:
    """Upload two runs, then read both at once, then write both to a file."""
    client = layernext.AsyncLayerNextClient(
        os.environ["LAYERNEXT_API_KEY"],
        os.environ["LAYERNEXT_SECRET"],
        os.environ["LAYERNEXT_URL"],
    )
    async with client:
        for run in RUNS:
            print(await client.upload_modelrun(COLLECTION, run, images()))
        for run, labels in zip(
            RUNS, await asyncio.gather(*(count(client, run) for run in RUNS)), strict=True
        ):
            print(run, dict(labels))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "both.json.zst"
            print(await client.download_to_file(COLLECTION, RUNS, path))


if __name__ == "__main__":
    asyncio.run(main())
